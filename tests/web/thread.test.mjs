// A thread folds numbered events and its own unsent messages into what a person reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Thread } from '../../web/core/thread.js';

const shopper = { ref: 'visitor:1', kind: 'shopper', name: 'Visitor 1' };
const agent = { ref: 'agent', kind: 'agent', name: 'Mei' };
const event = (s, more = {}) => ({ t: 'ev', c: 'c1', s, from: agent, k: 'message', b: { text: `number ${s}` }, ts: s * 1000, ...more });

function opened(first = 1) {
  const thread = new Thread('c1', shopper);
  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 0, first });
  return thread;
}

test('events are shown in the order of their numbers, whatever order they came in', () => {
  const thread = opened();

  for (const s of [3, 1, 2]) thread.receive(event(s));

  assert.deepEqual(thread.rows().map((row) => row.s), [1, 2, 3]);
});

test('what the log held when its showing began is history until all of it is here; what follows a break is not', () => {
  const thread = new Thread('c1', shopper);
  const claims = [thread.isCaughtUp];

  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 2, first: 1 });
  for (const s of [1, 2]) {
    thread.receive(event(s));
    claims.push(thread.isCaughtUp);
  }
  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 9, first: 3 });
  claims.push(thread.isCaughtUp);

  assert.deepEqual(claims, [false, false, true, true]);
});

test('the same event twice is one row', () => {
  const thread = opened();

  thread.receive(event(1));
  const again = thread.receive(event(1));

  assert.equal(again.fresh, false);
  assert.equal(thread.rows().length, 1);
});

test('a hole is named, and nothing behind it is shown before it is filled', () => {
  const thread = opened();
  thread.receive(event(1));

  const { missing } = thread.receive(event(4));

  assert.deepEqual(missing, { from: 2, to: 3 });
  assert.deepEqual(thread.rows().map((row) => row.s), [1]);

  thread.receive(event(2));
  thread.receive(event(3));
  assert.deepEqual(thread.rows().map((row) => row.s), [1, 2, 3, 4]);
  assert.equal(thread.cursor, 4);
});

test('a message of ours keeps its row from writing to the log', () => {
  const thread = opened();

  thread.queue({ m: 'm1', k: 'message', b: { text: 'hello' }, ts: 1 });
  const waiting = thread.rows();
  thread.acknowledge({ t: 'ack', c: 'c1', m: 'm1', s: 1, ts: 5 });
  const acknowledged = thread.rows();
  thread.receive(event(1, { m: 'm1', from: shopper, b: { text: 'hello' } }));
  const logged = thread.rows();

  assert.deepEqual([waiting, acknowledged, logged].map((rows) => [rows.length, rows[0].key, rows[0].delivery]), [
    [1, 'm1', 'waiting'], [1, 'm1', 'sent'], [1, 'm1', 'sent'],
  ]);
});

test('the event may come before its acknowledgement', () => {
  const thread = opened();
  thread.queue({ m: 'm1', k: 'message', b: { text: 'hello' }, ts: 1 });

  thread.receive(event(1, { m: 'm1', from: shopper }));
  thread.acknowledge({ t: 'ack', c: 'c1', m: 'm1', s: 1, ts: 5 });

  assert.equal(thread.rows().length, 1);
  assert.equal(thread.pending.length, 0);
});

test('a refused message stays, says why, and can be tried again or taken back', () => {
  const thread = opened();
  thread.queue({ m: 'm1', k: 'message', b: { text: 'hello' }, ts: 1 });

  thread.refuse('m1', { code: 'text_too_long', message: 'Too long.' });
  assert.equal(thread.rows()[0].delivery, 'failed');
  assert.equal(thread.rows()[0].reason.message, 'Too long.');

  thread.requeue('m1');
  assert.equal(thread.rows()[0].delivery, 'waiting');

  thread.withdraw('m1');
  assert.deepEqual(thread.rows(), []);
});

test('sent becomes delivered and read by the marks of the other side only, and never goes back', () => {
  const thread = opened();
  thread.receive(event(1, { from: shopper, m: 'm1' }));
  const mark = (what, ref, kind, upto) => thread.mark({ t: 'state', c: 'c1', what, v: 1, data: { ref, kind, upto } });
  const delivery = () => thread.rows()[0].delivery;

  mark('read', 'visitor:1', 'shopper', 1);
  assert.equal(delivery(), 'sent');
  mark('received', 'agent', 'agent', 1);
  assert.equal(delivery(), 'delivered');
  mark('read', 'agent', 'agent', 1);
  mark('read', 'agent', 'agent', 0);
  assert.equal(delivery(), 'read');
});

test('older events are put in front without a gap', () => {
  const thread = opened(51);
  thread.receive(event(51));
  assert.equal(thread.hasEarlier, true);

  for (let s = 41; s <= 50; s += 1) thread.receive(event(s));

  assert.equal(thread.first, 41);
  assert.equal(thread.rows().length, 11);
});

test('another epoch drops the old log and keeps what is on its way', () => {
  const thread = opened();
  thread.receive(event(1));
  thread.queue({ m: 'm1', k: 'message', b: { text: 'hello' }, ts: 1 });

  thread.forget();
  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e2', last: 7, first: 7 });
  thread.receive(event(7));

  assert.deepEqual(thread.rows().map((row) => row.key), ['s7', 'm1']);
});

test('a resumed subscription keeps what is held', () => {
  const thread = opened();
  thread.receive(event(1));

  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 2, first: 2 });
  thread.receive(event(2));

  assert.deepEqual(thread.rows().map((row) => row.s), [1, 2]);
});

test('what a guest wrote stays her own after she proved who she is', () => {
  const thread = opened();
  thread.receive(event(1, { from: shopper }));

  thread.me = { ref: 'person:9', kind: 'shopper', name: 'Hana' };

  assert.equal(thread.rows()[0].own, true);
});

test('unread counts what the other side said after the own mark', () => {
  const thread = opened();
  for (const s of [1, 2, 3]) thread.receive(event(s));
  thread.receive(event(4, { from: shopper }));
  thread.receive(event(5, { k: 'assigned', b: { name: 'Mei' } }));

  thread.mark({ t: 'state', c: 'c1', what: 'read', v: 1, data: { ref: 'visitor:1', kind: 'shopper', upto: 1 } });

  assert.equal(thread.unread(), 2);
});

const amend = (s, k, of, more = {}) => event(s, { k, b: { of, ...more } });

/** Every order of a few events. */
function orders(events) {
  if (events.length < 2) return [events];
  return events.flatMap((first, at) => orders([...events.slice(0, at), ...events.slice(at + 1)]).map((rest) => [first, ...rest]));
}

/** What each row shows after these events came in this order. */
function shown(events, first = 1) {
  const thread = opened(first);
  for (const one of events) thread.receive(one);
  return thread.rows().map((row) => [row.s, row.b]);
}

test('amendments show the same in whatever order they and their target came', () => {
  const cases = [
    [[event(1), amend(2, 'revised', 1, { text: 'two' }), amend(3, 'revised', 1, { text: 'three' })], { text: 'three', revised: 3000 }],
    [[event(1), amend(2, 'revised', 1, { text: 'two' }), amend(3, 'retracted', 1)], { retracted: true }],
    [[event(1), amend(2, 'retracted', 1), amend(3, 'redacted', 1, { reason: 'abusive' })], { redacted: true, reason: 'abusive' }],
    [[event(1), amend(2, 'redacted', 1, { reason: 'abusive', text: 'x' }), event(3)], { redacted: true, reason: 'abusive', text: 'x' }],
  ];

  for (const [events, wanted] of cases) {
    for (const order of orders(events)) assert.deepEqual(shown(order)[0], [1, wanted]);
  }
});

test('an amendment is no line of its own', () => {
  const thread = opened();
  for (const one of [event(1), amend(2, 'retracted', 1), event(3)]) thread.receive(one);

  assert.deepEqual(thread.rows().map((row) => row.s), [1, 3]);
  assert.equal(thread.cursor, 3);
});

test('an amendment that was seen first is there when history brings its target', () => {
  const thread = opened(5);
  thread.receive(amend(5, 'revised', 4, { text: 'better' }));
  const before = thread.rows();

  thread.receive(event(4));

  assert.deepEqual(before, []);
  assert.deepEqual(thread.rows().map((row) => [row.s, row.b.text]), [[4, 'better']]);
});

test('what the server shows already is not undone by an older amendment', () => {
  const later = event(1, { b: { text: 'three', revised: 9000 } });

  assert.deepEqual(shown([later, amend(2, 'revised', 1, { text: 'two' })])[0], [1, { text: 'three', revised: 9000 }]);
  assert.deepEqual(shown([event(1, { b: { retracted: true } }), amend(2, 'revised', 1, { text: 'two' })])[0], [1, { retracted: true }]);
  assert.deepEqual(shown([event(1), amend(2, 'revised', 1)])[0], [1, { text: 'number 1' }]);
});

test('after a reset nothing is left of an amendment', () => {
  const thread = opened();
  for (const one of [event(1), amend(2, 'retracted', 1)]) thread.receive(one);

  thread.reset('e2');
  thread.receive(event(1));

  assert.deepEqual(thread.rows().map((row) => row.b), [{ text: 'number 1' }]);
});

test('what was taken back is not unread', () => {
  const thread = opened();
  for (const one of [event(1), event(2), amend(3, 'retracted', 2)]) thread.receive(one);

  assert.equal(thread.unread(0), 1);
});

test('a change of ours shows at once, and the log confirms it', () => {
  const thread = opened();
  thread.receive(event(1, { m: 'm1', from: shopper }));

  thread.queue({ m: 'm2', k: 'revised', b: { of: 1, text: 'better' }, ts: 2000 });
  const [waiting] = thread.rows();
  thread.acknowledge({ t: 'ack', c: 'c1', m: 'm2', s: 2, ts: 2000 });
  thread.receive(event(2, { m: 'm2', from: shopper, k: 'revised', b: { of: 1, text: 'better' } }));
  const rows = thread.rows();

  assert.deepEqual([waiting.key, waiting.b.text, waiting.delivery, waiting.changing], ['m1', 'better', 'waiting', true]);
  assert.deepEqual(rows.map((row) => [row.key, row.b.text, row.delivery, row.changing]), [['m1', 'better', 'sent', undefined]]);
});

test('a change that was refused says so on its line, and taking it back leaves what is there', () => {
  const thread = opened();
  for (const s of [1, 2]) thread.receive(event(s, { m: `m${s}`, from: shopper }));
  thread.queue({ m: 'm3', k: 'revised', b: { of: 1, text: 'better' }, ts: 2000 });
  thread.queue({ m: 'm4', k: 'retracted', b: { of: 2 }, ts: 2000 });
  for (const m of ['m3', 'm4']) thread.refuse(m, { code: 'too_late', message: 'Too late.' });

  const refused = thread.rows();
  for (const m of ['m3', 'm4']) thread.withdraw(m);
  const after = thread.rows();

  assert.deepEqual(refused.map((row) => [row.m, row.b.text, row.delivery, row.reason.code]), [
    ['m3', 'better', 'failed', 'too_late'], ['m4', 'number 2', 'failed', 'too_late'],
  ]);
  assert.deepEqual(after.map((row) => [row.b.text, row.delivery]), [['number 1', 'sent'], ['number 2', 'sent']]);
});

test('a second change takes the place of one that failed', () => {
  const thread = opened();
  thread.receive(event(1, { m: 'm1', from: shopper }));
  thread.queue({ m: 'm2', k: 'revised', b: { of: 1, text: 'worse' }, ts: 2000 });
  thread.refuse('m2', { code: 'text_too_long', message: 'Too long.' });

  thread.queue({ m: 'm3', k: 'revised', b: { of: 1, text: 'better' }, ts: 3000 });
  thread.receive(event(2, { m: 'm3', from: shopper, k: 'revised', b: { of: 1, text: 'better' } }));

  assert.deepEqual(thread.rows().map((row) => [row.b.text, row.delivery]), [['better', 'sent']]);
});

test('no change of ours brings back what is gone', () => {
  const thread = opened();
  thread.receive(event(1, { m: 'm1', from: shopper }));
  thread.queue({ m: 'm2', k: 'revised', b: { of: 1, text: 'better' }, ts: 2000 });

  thread.receive(amend(2, 'redacted', 1, { reason: 'abusive' }));

  assert.deepEqual(thread.rows().map((row) => row.b), [{ redacted: true, reason: 'abusive' }]);
});

/** A thread of a shopper's with messages 1 (hers), 2 (the agent's) and 3 (hers) in it, and one that is only acknowledged. */
function told() {
  const thread = opened();
  thread.receive(event(1, { m: 'm1', from: shopper }));
  thread.receive(event(2));
  thread.receive(event(3, { m: 'm3', from: shopper }));
  thread.queue({ m: 'm4', k: 'message', b: { text: 'four' }, ts: 4 });
  thread.acknowledge({ t: 'ack', c: 'c1', m: 'm4', s: 4, ts: 4_000 });
  thread.mark({ t: 'state', c: 'c1', what: 'read', v: 1, data: { ref: 'agent', kind: 'agent', upto: 90 } });
  return thread;
}

const putBack = (thread, last, first = 1) => thread.open({ t: 'sub_ok', c: 'c1', ep: 'e2', last, first });

test('what a log that was put back has lost of hers is named once it is here', () => {
  const thread = told();

  thread.forget();
  putBack(thread, 3);
  thread.receive(event(1, { m: 'm1', from: shopper }));
  thread.receive(event(2));
  const early = thread.takeLost();
  thread.receive(event(3, { m: 'else', ts: 3_001 }));
  thread.receive(event(4, { m: 'other', ts: 4_001 }));

  assert.deepEqual(early, []);
  assert.deepEqual(thread.takeLost().map(({ m, b }) => [m, b.text]), [['m3', 'number 3'], ['m4', 'four']]);
  assert.deepEqual(thread.takeLost(), []);
});

test('nothing is lost of a log that is told again with it, be it empty of words, or begun anew for another reason', () => {
  const whole = told();
  putBack(whole, 4);
  for (const s of [1, 2, 3, 4]) whole.receive(event(s, { m: s === 2 ? 'a' : `m${s}`, from: s === 2 ? agent : shopper }));
  const erased = told();
  putBack(erased, 4);
  for (const s of [1, 2, 3, 4]) erased.receive(event(s, { k: 'erased', b: {} }));
  const anew = told();
  anew.forget();
  anew.open({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 90, first: 41 });
  const later = told();
  putBack(later, 90, 90);
  later.receive(event(90));

  assert.deepEqual([whole, erased, anew, later].map((thread) => thread.takeLost().length), [0, 0, 0, 0]);
});

test('a log that was put back to before its first word has lost everything that was hers and still stood', () => {
  const thread = told();
  thread.receive(event(4, { k: 'retracted', b: { of: 3 }, from: shopper, m: 'm9' }));

  putBack(thread, 0);

  assert.deepEqual(thread.takeLost().map(({ m }) => m), ['m1']);
});

test('nobody has read a message of a log that was put back', () => {
  const thread = told();

  thread.forget();
  putBack(thread, 1);
  thread.receive(event(1, { m: 'm1', from: shopper }));

  assert.equal(thread.rows()[0].delivery, 'sent');
});

test('a log that is nobody’s to read any more is empty, but for what is on its way', () => {
  const thread = told();
  thread.queue({ m: 'm5', k: 'message', b: { text: 'five' }, ts: 5 });

  thread.empty();
  putBack(thread, 4);

  assert.deepEqual(thread.rows().map(({ m }) => m), ['m5']);
  assert.deepEqual(thread.takeLost(), []);
});
