// One outbox for all tabs of a person, on node's own locks and channels: who sends, what is adopted, in which order.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Outbox } from '../../web/core/outbox.js';
import { Sending } from '../../web/core/sending.js';
import { Shelf } from '../../web/core/shelf.js';
import { Tabs } from '../../web/core/tabs.js';
import { MemoryShelf, until } from './shelves.mjs';

const DAY_MS = 24 * 3_600_000;
const entry = (m, more = {}) => ({ m, c: 'c1', k: 'message', b: { text: m }, at: Date.now(), ...more });
const ids = (entries) => entries.map(({ m }) => m);

let open = [];

/** A tab: its outbox, what it put on its wire, whether its line is open. */
async function tab(shelf) {
  const tabs = new Tabs(shelf.scope);
  const outbox = await Outbox.open(shelf, tabs);
  const made = { outbox, tabs, wire: [], isOpen: true, left: 0 };
  made.sending = new Sending(outbox, {
    say: (frame) => made.wire.push(frame) > 0,
    isOpen: () => made.isOpen,
    now: () => Date.now(),
    thread: () => undefined,
    changed: () => {},
    refill: () => {},
    left: () => (made.left += 1),
  });
  made.sending.begin();
  open.push(made);
  return made;
}

/** The browser closes it: nothing is said to anyone, the lock comes free. */
function close(made) {
  made.sending.stop();
  made.tabs.leave();
}

afterEach(() => {
  for (const made of open) close(made);
  open = [];
});

test('without storage an outbox belongs to its tab and keeps its order per conversation', async () => {
  const outbox = await Outbox.open(await Shelf.open({ scope: 'me', key: 'AAAA', factory: { open: () => { throw new Error('SecurityError'); } } }));

  for (const one of [entry('a'), entry('x', { c: 'c2' }), entry('b')]) await outbox.put(one);

  assert.deepEqual([outbox.isDurable, outbox.isCarrier], [false, true]);
  assert.deepEqual([outbox.before('b'), outbox.before('x')], ['a', undefined]);
  await outbox.remove('a');
  assert.equal(outbox.before('b'), undefined);
});

test('the first tab carries, the second shows what it wrote and sends nothing', async () => {
  const shelf = new MemoryShelf();
  const first = await tab(shelf);
  await until(() => first.outbox.isCarrier);
  const second = await tab(shelf);

  await first.sending.send(entry('a'));
  await until(() => second.outbox.entries().length === 1);

  assert.deepEqual([ids(first.wire), ids(second.wire)], [['a'], []]);
});

test('the tab in which she writes sends everything, each message naming the one before', async () => {
  const shelf = new MemoryShelf();
  const first = await tab(shelf);
  first.isOpen = false;
  const second = await tab(shelf);
  await first.sending.send(entry('a'));

  await second.sending.send(entry('b'));
  await until(() => !first.outbox.isCarrier);

  assert.deepEqual(second.wire.map(({ m, after }) => [m, after]), [['a', undefined], ['b', 'a']]);
  assert.deepEqual(first.wire, []);
});

test('what a closed tab left is sent by the next one, in order', async () => {
  const shelf = new MemoryShelf();
  const first = await tab(shelf);
  await until(() => first.outbox.isCarrier);
  first.isOpen = false;
  const second = await tab(shelf);
  for (const m of ['a', 'b']) await first.sending.send(entry(m));

  close(first);
  await until(() => second.wire.length === 2);

  assert.deepEqual(second.wire.map(({ m, after }) => [m, after]), [['a', undefined], ['b', 'a']]);
});

test('a tab that answers is left alone; one that does not, or has no line, is not', async () => {
  const shelf = new MemoryShelf();
  const first = await tab(shelf);
  await until(() => first.outbox.isCarrier);
  const second = await tab(shelf);

  assert.equal(await second.outbox.isServed(), true);
  first.isOpen = false;
  assert.equal(await second.outbox.isServed(), false);
});

test('an answer that one tab hears is known to the others', async () => {
  const shelf = new MemoryShelf();
  const [first, second] = [await tab(shelf), await tab(shelf)];
  const told = [];
  second.outbox.owner = { ...second.outbox.owner, settled: (one, ack) => told.push([one.m, ack?.s]) };
  await first.sending.send(entry('a'));
  await until(() => second.outbox.entries().length === 1);

  first.sending.taken({ t: 'ack', c: 'c1', m: 'a', s: 7, ts: 1 });
  await until(() => told.length === 1);

  assert.deepEqual(told, [['a', 7]]);
  assert.deepEqual([shelf.rows.size, second.outbox.entries().length], [0, 0]);
});

test('a refused message outlives the page and does not hold up its followers', async () => {
  const shelf = new MemoryShelf();
  const first = await tab(shelf);
  await until(() => first.outbox.isCarrier);
  await first.sending.send(entry('a'));
  first.sending.refused({ t: 'err', c: 'c1', m: 'a', code: 'stale', retry: 'no', info: { message: 'Newer.' } });
  await until(() => shelf.rows.get('entry a').reason);
  close(first);

  const next = await tab(shelf);
  await until(() => next.outbox.isCarrier);
  await next.sending.send(entry('b'));

  assert.deepEqual(next.outbox.entries().map(({ m, reason }) => [m, reason?.message]), [['a', 'Newer.'], ['b', undefined]]);
  assert.deepEqual(next.wire.map(({ m, after }) => [m, after]), [['b', undefined]]);
});

test('what waited for more than a day is not sent but shown', async () => {
  const shelf = new MemoryShelf();
  await shelf.put('entry', 'old', entry('old', { at: Date.now() - DAY_MS - 1 }));
  await shelf.put('entry', 'new', entry('new', { at: Date.now() - DAY_MS + 60_000 }));

  const only = await tab(shelf);
  await until(() => only.wire.length > 0);

  assert.deepEqual(only.wire.map(({ m, after }) => [m, after]), [['new', undefined]]);
  assert.equal(only.outbox.entries()[0].reason.code, 'too_old');
});

test('who proves who she is takes along what any of her tabs left, and the other tabs are told', async () => {
  const [guest, person] = [new MemoryShelf(), new MemoryShelf()];
  const [first, second] = [await tab(guest), await tab(guest)];
  first.isOpen = second.isOpen = false;
  await second.sending.send(entry('a'));

  const next = await Outbox.open(person, new Tabs(person.scope));
  await first.sending.become(next);
  await until(() => second.left === 1);

  assert.deepEqual([guest.rows.size, ids(next.entries())], [0, ['a']]);
  await next.moveTo(new Outbox());
});

test('what was written in a conversation that is no longer hers goes, from the disk and from every tab', async () => {
  const shelf = new MemoryShelf();
  const [first, second] = [await tab(shelf), await tab(shelf)];
  first.isOpen = second.isOpen = false;
  for (const one of [entry('a'), entry('x', { c: 'c2' }), entry('b')]) await first.sending.send(one);
  await until(() => second.outbox.entries().length === 3);

  const lost = await first.outbox.forget('c1');
  await until(() => second.outbox.entries().length === 1);

  assert.deepEqual([lost, ids(second.outbox.entries()), [...shelf.rows.keys()]], [2, ['x'], ['entry x']]);
});

test('where locks are forbidden a tab is alone: it asks once, sends, and keeps nobody waiting', async () => {
  let asked = 0;
  const locks = { request: () => Promise.reject(new DOMException('no', (asked += 1) && 'SecurityError')) };
  const shelf = new MemoryShelf();
  const outbox = await Outbox.open(shelf, new Tabs(shelf.scope, { locks }));
  const taken = outbox.carry();

  await taken;
  await new Promise((resolve) => setTimeout(resolve, 20));

  assert.ok(asked <= 2, String(asked));
  assert.equal(outbox.isCarrier, true);
  await outbox.moveTo(new Outbox());
});

test('one message that could not be posted does not hold up those behind it', async () => {
  const made = await tab(new MemoryShelf());
  const put = made.outbox.put.bind(made.outbox);
  made.outbox.put = async (one) => {
    if (one.m === 'a') throw new Error('no');
    return put(one);
  };

  const first = made.sending.send(entry('a'));
  const second = made.sending.send(entry('b'));

  await assert.rejects(first);
  await second;
  assert.deepEqual(ids(made.outbox.waiting()), ['b']);
  await until(() => made.wire.length === 1);
});

test('what the disk could not take is not called kept, and goes there with the next that it takes', async () => {
  const shelf = new MemoryShelf();
  const only = await tab(shelf);
  only.isOpen = false;
  shelf.isFull = true;
  await only.sending.send(entry('a'));
  assert.deepEqual([only.outbox.isDurable, shelf.rows.size], [false, 0]);

  shelf.isFull = false;
  await only.sending.send(entry('b'));

  assert.deepEqual([only.outbox.isDurable, [...shelf.rows.keys()]], [true, ['entry a', 'entry b']]);
});

test('a storage that was taken away is found out, and filled again by the next words', async () => {
  const shelf = new MemoryShelf();
  const only = await tab(shelf);
  only.isOpen = false;
  await only.sending.send(entry('a'));

  shelf.lose();
  await until(() => !only.outbox.isDurable);
  await only.sending.send(entry('b'));

  assert.deepEqual([only.outbox.isDurable, [...shelf.rows.keys()]], [true, ['entry a', 'entry b']]);
});

test('a connection to the storage that was lost with nothing in it frightens nobody', async () => {
  const shelf = new MemoryShelf();
  const only = await tab(shelf);
  let looked = 0;
  shelf.all = async () => ((looked += 1), new Map());

  shelf.lose();
  await until(() => looked > 0);

  assert.equal(only.outbox.isDurable, true);
});
