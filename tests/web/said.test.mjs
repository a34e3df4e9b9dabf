// What the server had of ours and lost is given back by the next page, too: only the browser still has it.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Outbox } from '../../web/core/outbox.js';
import { Said } from '../../web/core/said.js';
import { Tabs } from '../../web/core/tabs.js';
import { Socket, sessionOf } from './lines.mjs';
import { MemoryShelf, until } from './shelves.mjs';

const HOUR = 3_600_000;
const me = { ref: 'shopper', kind: 'shopper', name: 'Amy' };
const agent = { ref: 'agent', kind: 'agent', name: 'Mei' };
const event = (s, more = {}) => ({ t: 'ev', c: 'c1', s, k: 'message', from: agent, b: { text: `number ${s}` }, ts: s * 1_000, ...more });
const mine = (s, m) => event(s, { m, from: me, b: { text: 'mine' } });
const row = (m, more = {}) => ({ m, c: 'c1', k: 'message', b: { text: m }, at: Date.now(), s: 7, ep: 'e1', ...more });

let session;
let shelf;
let tabs;

beforeEach(() => {
  Socket.all = [];
  shelf = new MemoryShelf();
});
afterEach(leave);

function leave() {
  session?.stop();
  tabs?.leave();
}

/** A page that opens with what the browser kept, the one before it gone. */
async function page() {
  leave();
  tabs = new Tabs(shelf.scope);
  session = sessionOf(me, { outbox: await Outbox.open(shelf, tabs) });
  const thread = session.watch('c1');
  session.start();
  const socket = Socket.all.at(-1);
  socket.welcome(me);
  return { socket, thread };
}

/** A message of hers that the log has under 2, and then the page goes. */
async function said() {
  const { socket } = await page();
  socket.hear({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 1, first: 1 }, event(1));
  const m = await session.send('c1', 'message', { text: 'mine' });
  socket.hear({ t: 'ack', c: 'c1', m, s: 2, ts: 2_000 });
  await until(() => shelf.rows.has(`said ${m}`));
  return { m, socket };
}

test('the next page shows what a log that was put back has lost of hers, and sends it again when she says so', async () => {
  const { m } = await said();

  const { socket, thread } = await page();
  socket.hear({ t: 'sub_ok', c: 'c1', ep: 'e2', last: 1, first: 1 });
  const early = thread.rows().length;
  socket.hear(event(1));
  const shown = thread.rows().map(({ b, reason }) => [b.text, reason?.code]);
  await session.retry('c1', m);

  assert.equal(early, 0);
  assert.deepEqual(shown, [['number 1', undefined], ['mine', 'lost']]);
  assert.deepEqual(socket.of('send').map((frame) => frame.m), [m]);
});

test('what the log still has is not shown twice, nor doubted again', async () => {
  const { m } = await said();

  const { socket, thread } = await page();
  socket.hear({ t: 'sub_ok', c: 'c1', ep: 'e2', last: 2, first: 1 }, event(1), mine(2, m));

  assert.deepEqual(thread.rows().map(({ b, reason }) => [b.text, reason]), [['number 1', null], ['mine', null]]);
  assert.deepEqual(session.outbox.said.inAnother('c1', 'e2'), []);
});

for (const k of ['revised', 'retracted', 'redacted']) {
  test(`what was ${k} does not come back as it was`, async () => {
    const { socket: before } = await said();
    before.hear(event(3, { k, from: me, b: { of: 2, text: 'else' } }));

    const { socket, thread } = await page();
    socket.hear({ t: 'sub_ok', c: 'c1', ep: 'e2', last: 1, first: 1 }, event(1));

    assert.deepEqual(thread.rows().map(({ b }) => b.text), ['number 1']);
  });
}

test('nothing stays of a conversation that is gone, of a sign-in that has ended, or after three days', async () => {
  await said();
  await session.outbox.forget('c1');
  const gone = [...shelf.rows.keys()];
  await said();
  await session.outbox.clear();
  const left = [...shelf.rows.keys()];
  await shelf.put('said', 'old', row('old', { at: Date.now() - 73 * HOUR }));
  await shelf.put('said', 'new', row('new', { at: Date.now() - 71 * HOUR }));
  const kept = await Said.open(shelf);

  assert.deepEqual([gone, left], [[], []]);
  assert.deepEqual(kept.inAnother('c1', 'e2').map(({ m }) => m), ['new']);
  assert.deepEqual([...shelf.rows.keys()], ['said new']);
});

test('of very many the oldest goes, and a guest who proves who she is takes hers along', async () => {
  const guest = await Said.open(shelf);
  for (let n = 0; n < 201; n += 1) await guest.keep(row(`m${n}`, { s: n }));
  const person = await Said.open(new MemoryShelf());
  const before = guest.inAnother('c1', 'e2').map(({ m }) => m);

  await guest.moveTo(person);

  assert.deepEqual([before.length, before[0]], [200, 'm1']);
  assert.deepEqual(person.inAnother('c1', 'e2').map(({ m }) => m), before);
  assert.equal(shelf.rows.size, 0);
});
