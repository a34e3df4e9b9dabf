// A break looks different as time goes by, and a page that comes back is noticed.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Outlook } from '../../web/core/outlook.js';
import { steady } from '../../web/core/steady.js';
import { whenBack } from '../../web/core/waking.js';
import { pass, startClocks, stopClocks } from './clocks.mjs';

let looks;
let outlook;

const note = (phase, retryIn = null) => outlook.note({ phase, retryAt: retryIn === null ? null : steady() + retryIn, code: null });

beforeEach(() => {
  stopClocks();
  looks = [];
  outlook = new Outlook(() => looks.push(outlook.outage.look(undefined, true)));
});

afterEach(() => {
  outlook.stop();
  startClocks();
  delete globalThis.document;
});

test('a break that lasts is told when it begins to show, counts down by the half second, and its end fades', () => {
  note('open');
  note('waiting', 3_000);
  pass(1_500);
  const shown = looks.at(-1);
  pass(1_000);
  const counted = looks.length;
  note('open');
  pass(2_500);

  assert.deepEqual([shown, looks.slice(-2)], ['waiting', ['back', '']]);
  assert.equal(counted, 5);
});

test('after the end of a line nothing changes by itself', () => {
  note('open');
  note('waiting', 60_000);
  outlook.stop();

  pass(60_000);

  assert.equal(looks.length, 2);
});

test('a page that is seen again or hears of the network acts, one out of sight does not, nor one that stopped listening', () => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  let acts = 0;
  const stop = whenBack(() => (acts += 1));

  document.dispatchEvent(new Event('visibilitychange'));
  document.dispatchEvent(new Event('resume'));
  document.visibilityState = 'hidden';
  document.dispatchEvent(new Event('visibilitychange'));
  document.visibilityState = 'visible';
  stop();
  document.dispatchEvent(new Event('visibilitychange'));

  assert.equal(acts, 2);
});
