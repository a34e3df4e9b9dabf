// What is missing is fetched, against a server made of nothing but frames; and what is not missing is left alone.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Healing } from '../../web/core/healing.js';
import { Hearing } from '../../web/core/hearing.js';
import { Watching } from '../../web/core/watching.js';

const me = { ref: 'agent:1', kind: 'agent', name: 'Mei' };
const shopper = { ref: 'v', kind: 'shopper', name: '' };
const LATER = { t: 'err', c: 'c1', code: 'unavailable', retry: 'same', retry_ms: 2_000 };

let said;
let told;
let watching;
let healing;
let hearing;
let thread;

const ev = (s) => ({ t: 'ev', c: 'c1', s, from: shopper, k: 'message', b: { text: 'x' }, ts: 1 });
const of = (type) => said.filter(({ t }) => t === type);
const opens = (last, first = 1) => hearing.take([{ t: 'sub_ok', c: 'c1', ep: 'e1', last, first }]);
const names = (type) => told.filter(([name]) => name === type).length;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  [said, told] = [[], []];
  const say = (frame) => said.push(frame) > 0;
  watching = new Watching(me, say);
  healing = new Healing({ watching, say, reconnect: () => said.push({ t: 'reconnect' }) });
  hearing = new Hearing({
    watching,
    healing,
    sending: { taken: () => {}, refused: () => {}, lost: () => {}, amended: () => {}, takenBefore: () => [] },
    marks: { reach: () => {}, tell: () => {}, again: () => {}, forget: () => {} },
    greeted: () => {},
    tell: (type, detail) => told.push([type, detail]),
  });
  thread = watching.follow('c1');
});

afterEach(() => mock.timers.reset());

test('a conversation that was not to be had just now is asked for again when the server said', () => {
  hearing.take([LATER, LATER]);

  mock.timers.tick(1_999);
  assert.equal(of('sub').length, 1);
  mock.timers.tick(1);
  hearing.take([LATER]);
  mock.timers.tick(2_000);
  opens(0);
  hearing.take([LATER]);
  mock.timers.tick(60_000);

  assert.equal(of('sub').length, 3);
});

test('one that went well on the last line and is refused on this one is asked for again too', () => {
  opens(0);
  healing.pause();
  watching.pause();

  hearing.take([LATER]);
  mock.timers.tick(2_000);

  assert.deepEqual(said.at(-1), { t: 'sub', c: 'c1', cur: 0, ep: 'e1' });
});

test('a refusal for good, one that has been left, and a line that has ended are not asked again', () => {
  hearing.take([{ ...LATER, retry: 'no' }]);
  mock.timers.tick(60_000);
  hearing.take([LATER]);
  healing.pause();
  mock.timers.tick(60_000);
  hearing.take([LATER]);
  watching.leave('c1');
  mock.timers.tick(60_000);

  assert.equal(of('sub').length, 1);
});

test('older events that are refused end the waiting for them, as a page does', () => {
  opens(90, 41);
  healing.earlier(thread);

  hearing.take([LATER]);
  assert.equal(names('page'), 1);
  hearing.take([LATER]);

  assert.equal(names('page'), 1);
  assert.deepEqual(of('get'), [{ t: 'get', c: 'c1', before: 41, limit: 50 }]);
});

test('a page of history says nothing of a hole', () => {
  opens(53, 51);
  hearing.take([ev(51), ev(53)]);
  healing.earlier(thread);

  hearing.take([ev(50), { t: 'page', c: 'c1', first: 50, last: 50, more: true }]);

  assert.deepEqual([of('get').length, of('reconnect').length, healing.count], [2, 0, 1]);
});

test('what a stale reply has not seen is asked for, and is no hole', () => {
  opens(2);
  hearing.take([ev(1)]);

  hearing.take([{ t: 'err', c: 'c1', m: 'm', code: 'stale', retry: 'no', info: { seq: 2 } }]);

  assert.deepEqual([of('get'), healing.count], [[{ t: 'get', c: 'c1', from: 2, to: 2 }], 0]);
});

test('what the beacon knows, asked for or not, is fetched after a moment, unless the line has ended', () => {
  opens(0);

  hearing.take([{ t: 'tops', conv: { c1: ['e1', 2] } }]);
  mock.timers.tick(3_000);
  assert.deepEqual(of('get'), [{ t: 'get', c: 'c1', from: 1, to: 2 }]);
  hearing.take([ev(1), ev(2), { t: 'page', c: 'c1', first: 1, last: 2, more: false }]);
  hearing.take([{ t: 'pong', n: 1, tops: { c1: ['e1', 3] } }]);
  healing.pause();
  mock.timers.tick(60_000);

  assert.deepEqual([of('get').length, of('reconnect').length], [1, 0]);
});

test('a conversation that is gone leaves no question behind', () => {
  opens(3);
  hearing.take([ev(1), ev(3)]);

  hearing.take([{ t: 'gone', c: 'c1' }]);
  mock.timers.tick(60_000);

  assert.deepEqual([of('reconnect').length, watching.thread('c1'), names('gone')], [0, undefined, 1]);
});
