// What each frame means: who is told of it, and under which name.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Hearing } from '../../web/core/hearing.js';
import { Watching } from '../../web/core/watching.js';

const me = { ref: 'v', kind: 'shopper', name: '' };
const agent = { ref: 'agent', kind: 'agent', name: 'Mei' };
const SUB_OK = { t: 'sub_ok', c: 'c1', ep: 'e1', last: 0, first: 1 };

let done;
let told;
let watching;
let hearing;
let thread;

const ev = (s, more = {}) => ({ t: 'ev', c: 'c1', s, from: agent, k: 'message', b: { text: 'x' }, ts: 1, ...more });
/** Writes down what is asked of a part. */
const witness = (name, verbs) => Object.fromEntries(verbs.map((verb) => [verb, (...about) => void done.push([`${name}.${verb}`, ...about])]));

beforeEach(() => {
  [done, told] = [[], []];
  watching = new Watching(me, () => true);
  hearing = new Hearing({
    watching,
    healing: witness('healing', ['compare', 'fill', 'want', 'paged', 'refused', 'forget']),
    sending: { ...witness('sending', ['taken', 'refused', 'lost', 'amended']), takenBefore: () => [] },
    marks: witness('marks', ['reach', 'tell', 'again', 'forget']),
    greeted: (frame) => done.push(['greeted', frame.now]),
    tell: (type, detail) => told.push([type, detail.conversation]),
  });
  thread = watching.follow('c1');
});

test('frames that come together are one change for each conversation, after all of them', () => {
  hearing.take([SUB_OK, ev(1), ev(2), { t: 'typing', c: 'c2', who: agent, ttl: 1 }]);

  assert.deepEqual(told, [['event', 'c1'], ['event', 'c1'], ['typing', 'c2'], ['change', 'c1'], ['change', 'c2']]);
  assert.equal(thread.cursor, 2);
});

test('every kind of frame is told under its name, and one that is not known to nobody', () => {
  const frames = [
    { t: 'ack', c: 'c1', m: 'm', s: 1, ts: 1 },
    { t: 'err', c: 'c1', m: 'm', code: 'x', retry: 'no' },
    { t: 'reset', c: 'c1', ep: 'e2', last: 0, why: 'epoch' },
    { t: 'state', c: 'c1', what: 'card', v: 1, data: {} },
    { t: 'page', c: 'c1', first: 0, last: 0, more: false },
    { t: 'gone', c: 'c1' },
    { t: 'tomorrow', c: 'c1' },
    { t: 'welcome', now: 5 },
  ];

  hearing.take(frames);

  assert.deepEqual(told.map(([type]) => type), ['ack', 'err', 'reset', 'state', 'page', 'gone', 'change']);
  assert.deepEqual(done.at(-1), ['greeted', 5]);
});

test('a message of ours in the log is its acknowledgement, and what others wrote was received', () => {
  hearing.take([SUB_OK, ev(1, { m: 'mine', from: me }), ev(2)]);

  const names = done.map(([name, , second]) => [name, second]);
  assert.deepEqual(done[1], ['sending.taken', { t: 'ack', c: 'c1', m: 'mine', s: 1, ts: 1 }]);
  assert.deepEqual(names.filter(([name]) => name === 'marks.reach'), [['marks.reach', 'c1']]);
});

test('events of a conversation that is not open here are heard by nobody', () => {
  hearing.take([ev(1), ev(1, { c: 'c9' })]);

  assert.deepEqual([told, done, thread.cursor], [[['change', 'c1'], ['change', 'c9']], [], 0]);
});

test('what the server says of its logs is compared, whether it was asked or not', () => {
  const tops = { c1: ['e1', 3] };

  hearing.take([{ t: 'tops', conv: tops }, { t: 'pong', n: 1, tops }]);

  assert.deepEqual(done, [['healing.compare', tops], ['healing.compare', tops]]);
  assert.deepEqual(told.map(([type]) => type), ['tops']);
});
