// Which conversations a tab follows, and what it says of each when it asks.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Watching } from '../../web/core/watching.js';

const me = { ref: 'agent:1', kind: 'agent', name: 'Mei' };
const shopper = { ref: 'v', kind: 'shopper', name: '' };
const SUB_OK = { t: 'sub_ok', c: 'c1', ep: 'e1', last: 1, first: 1, marks: 7 };

let said;
let watching;

beforeEach(() => {
  said = [];
  watching = new Watching(me, (frame) => said.push(frame) > 0);
});

test('a conversation is asked for with its purpose, and later from where we stand in it', () => {
  const thread = watching.follow('c1', 'P5');
  watching.follow('c2');
  thread.open(SUB_OK);
  thread.receive({ t: 'ev', c: 'c1', s: 1, from: shopper, k: 'message', b: {}, ts: 1 });

  watching.sub('c1');

  assert.deepEqual(said, [{ t: 'sub', c: 'c1', purpose: 'P5' }, { t: 'sub', c: 'c2' }, { t: 'sub', c: 'c1', cur: 1, ep: 'e1', marks: 7, purpose: 'P5' }]);
  assert.deepEqual(watching.subs(), { c1: { cur: 1, ep: 'e1', marks: 7, purpose: 'P5' }, c2: {} });
});

test('it is shut until the server lets us in, on every line anew, and only while we follow it', () => {
  const thread = watching.follow('c1');
  const before = watching.isShut('c1');
  thread.open(SUB_OK);
  watching.opened('c1');
  const after = watching.isShut('c1');
  watching.pause();
  const paused = watching.isShut('c1');
  watching.leave('c1');

  assert.deepEqual([before, after, paused, watching.isShut('c1')], [true, false, true, false]);
});

test('how far the server says we have come is known only where we are let in', () => {
  const thread = watching.follow('c1');
  const before = watching.mark('read', 'c1');
  thread.open(SUB_OK);
  watching.opened('c1');
  thread.mark({ t: 'state', c: 'c1', what: 'read', v: 1, data: { ref: me.ref, kind: 'agent', upto: 3 } });

  assert.deepEqual([before, watching.mark('read', 'c1'), watching.mark('rcvd', 'c1'), watching.mark('read', 'c2')], [null, 3, 0, null]);
});

test('who reads is the same in all of them', () => {
  const thread = watching.follow('c1');
  const next = { ref: 'agent:2', kind: 'agent', name: 'Kai' };

  watching.me = next;

  assert.deepEqual([thread.me, watching.follow('c2').me, watching.me], [next, next, next]);
});

test('what is left is unsubscribed once, what is gone not at all', () => {
  watching.follow('c1');
  watching.follow('c2');

  watching.leave('c1');
  watching.leave('c1');
  watching.forget('c2');

  assert.deepEqual(said.slice(2), [{ t: 'unsub', c: 'c1' }]);
  assert.deepEqual(watching.threads(), []);
});
