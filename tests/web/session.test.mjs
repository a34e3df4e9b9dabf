// The session against a server made of nothing but frames: order, resending, resuming, healing.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { pass, startClocks, stopClocks } from './clocks.mjs';
import { Socket, sessionOf } from './lines.mjs';

const me = { ref: 'visitor:1', kind: 'shopper', name: 'Visitor 1' };
const agent = { ref: 'agent', kind: 'agent', name: 'Mei' };

let session;

function begin() {
  session = sessionOf(me);
  const thread = session.watch('c1');
  session.start();
  const socket = Socket.all.at(-1);
  socket.welcome(me);
  socket.hear({ t: 'sub_ok', c: 'c1', ep: 'e1', last: 0, first: 1 });
  return { thread, socket };
}

const event = (s, more = {}) => ({ t: 'ev', c: 'c1', s, from: agent, k: 'message', b: { text: 'x' }, ts: 1, ...more });

beforeEach(() => {
  Socket.all = [];
  stopClocks();
});

afterEach(() => {
  session.stop();
  startClocks();
});

test('hello is the first frame and carries token and conversations', () => {
  const { socket } = begin();

  const [hello] = socket.sent;

  assert.equal(hello.t, 'hello');
  assert.equal(hello.csrf, 'token');
  assert.deepEqual(hello.subs, { c1: {} });
});

test('the second of two unacknowledged messages names the first', async () => {
  const { socket } = begin();

  const first = await session.send('c1', 'message', { text: 'one' });
  const second = await session.send('c1', 'message', { text: 'two' });

  const sends = socket.of('send');
  assert.deepEqual(sends.map(({ m, after }) => [m, after]), [[first, undefined], [second, first]]);
});

test('after a break the unacknowledged go out again in order, and the cursor is told', async () => {
  const { socket } = begin();
  socket.hear(event(1));
  const first = await session.send('c1', 'message', { text: 'one' });
  const second = await session.send('c1', 'message', { text: 'two' });
  socket.hear({ t: 'ack', c: 'c1', m: first, s: 2, ts: 1 });

  socket.onclose({ code: 1006 });
  pass(0);
  const next = Socket.all.at(-1);
  next.welcome(me);

  assert.deepEqual(next.sent[0].subs, { c1: { cur: 1, ep: 'e1' } });
  assert.deepEqual(next.of('send').map(({ m, after }) => [m, after]), [[second, undefined]]);
});

test('a message written without a line goes out when it is back', async () => {
  const { socket, thread } = begin();
  socket.onclose({ code: 1006 });

  const id = await session.send('c1', 'message', { text: 'offline' });
  assert.equal(thread.rows()[0].delivery, 'waiting');
  pass(0);
  Socket.all.at(-1).welcome(me);

  assert.deepEqual(Socket.all.at(-1).of('send').map(({ m }) => m), [id]);
});

test('a refusal for now sends the whole line again after the wait', async () => {
  const { socket } = begin();
  const first = await session.send('c1', 'message', { text: 'one' });
  const second = await session.send('c1', 'message', { text: 'two' });

  socket.hear({ t: 'err', c: 'c1', m: first, code: 'too_many', retry: 'same', retry_ms: 2000 }, { t: 'err', c: 'c1', m: second, code: 'order', retry: 'order' });
  assert.equal(socket.of('send').length, 2);
  pass(2000);

  assert.deepEqual(socket.of('send').slice(2).map(({ m }) => m), [first, second]);
});

test('a refusal for good leaves the followers without it', async () => {
  const { socket, thread } = begin();
  const first = await session.send('c1', 'message', { text: 'one' });
  const second = await session.send('c1', 'message', { text: 'two' });

  socket.hear({ t: 'err', c: 'c1', m: first, code: 'text_too_long', retry: 'no', info: { message: 'Too long.' } });
  socket.hear({ t: 'err', c: 'c1', m: second, code: 'order', retry: 'order' });
  pass(1000);

  assert.equal(thread.rows()[0].delivery, 'failed');
  assert.deepEqual(socket.of('send').slice(2).map(({ m, after }) => [m, after]), [[second, undefined]]);
});

test('a hole is asked for at once', () => {
  const { socket } = begin();

  socket.hear(event(1), event(4));

  assert.deepEqual(socket.of('get'), [{ t: 'get', c: 'c1', from: 2, to: 3 }]);
});

test('what the beacon knows and this page lacks is fetched after a moment', () => {
  const { socket } = begin();
  socket.hear(event(1));

  socket.hear({ t: 'tops', conv: { c1: ['e1', 3] } });
  assert.equal(socket.of('get').length, 0);
  pass(3000);

  assert.deepEqual(socket.of('get'), [{ t: 'get', c: 'c1', from: 2, to: 3 }]);
});

test('marks are told at most once a second and never go back', () => {
  const { socket } = begin();

  for (const upto of [1, 3, 2]) session.read('c1', upto);
  pass(1000);
  session.read('c1', 2);
  pass(1000);

  assert.deepEqual(socket.of('read'), [{ t: 'read', c: 'c1', upto: 3 }]);
});

test('typing is told at most once in three seconds', () => {
  const { socket } = begin();

  session.typing('c1');
  session.typing('c1');
  pass(3000);
  session.typing('c1');

  assert.equal(socket.of('typing').length, 2);
});

test('a sign-in that ended stops the line; an overloaded server does not', () => {
  const { socket } = begin();
  const phases = [];
  session.addEventListener('connection', (change) => phases.push(change.detail.phase));

  socket.onclose({ code: 1013 });
  pass(10_000);
  Socket.all.at(-1).welcome(me);
  Socket.all.at(-1).onclose({ code: 4401 });
  pass(600_000);

  assert.deepEqual([phases[0], phases.at(-1)], ['waiting', 'stopped']);
});

test('a line that stays silent is given up', () => {
  const { socket } = begin();

  pass(30_000);
  assert.ok(socket.of('ping').length > 0);
  pass(15_000);

  assert.ok(Socket.all.length > 1);
});

test('a guest who proves who she is takes her unsent words along', async () => {
  const { socket } = begin();
  const { Outbox } = await import('../../web/core/outbox.js');
  socket.onclose({ code: 1006 });
  const id = await session.send('c1', 'message', { text: 'mine' });

  await session.become({ ref: 'person:9', kind: 'shopper', name: 'Hana' }, new Outbox());
  Socket.all.at(-1).welcome(me);

  assert.deepEqual(Socket.all.at(-1).of('send').map(({ m }) => m), [id]);
});

test('by polls too she hears the limits and the server’s clock, and the line opens once', async () => {
  const news = [];
  const welcome = { t: 'welcome', sid: 's', me, now: Date.now() + 7_000, hb: 25, limits: { change_ms: 300_000 } };
  const post = async (path, { greet }, { signal }) => {
    if (greet) return [welcome, { t: 'tops', conv: {} }];
    return new Promise((resolve, reject) => signal.addEventListener('abort', () => reject(new Error('taken back'))));
  };
  const makeSocket = () => {
    throw new Error('forbidden');
  };
  session = sessionOf(me, { makeSocket, post });
  for (const type of ['opened', 'welcome']) session.addEventListener(type, () => news.push(type));

  session.start();
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
  pass(1_000);
  await new Promise((resolve) => setImmediate(resolve));
  session.watch('c2');
  await new Promise((resolve) => setImmediate(resolve));

  assert.deepEqual([session.isPolling, session.skew, session.limits.change_ms], [true, 7_000 - 1_000, 300_000]);
  assert.deepEqual(news, ['opened', 'welcome', 'welcome']);
});

test('a message that the server had and lost is shown as such, kept, and sent again under its id when she says so', async () => {
  const { socket, thread } = begin();
  const m = await session.send('c1', 'message', { text: 'mine' });
  socket.hear({ t: 'ack', c: 'c1', m, s: 1, ts: 1 }, event(1, { m, from: me, b: { text: 'mine' } }));

  socket.hear({ t: 'reset', c: 'c1', ep: 'e2', last: 0, why: 'epoch' }, { t: 'sub_ok', c: 'c1', ep: 'e2', last: 0, first: 1 });
  const [row] = thread.rows();
  const kept = session.outbox.entries().map((entry) => [entry.m, entry.reason.code]);
  await session.retry('c1', m);

  assert.deepEqual([row.b.text, row.delivery, row.reason.code, kept], ['mine', 'failed', 'lost', [[m, 'lost']]]);
  assert.deepEqual(socket.of('send').map((frame) => [frame.m, frame.b.text]), [[m, 'mine'], [m, 'mine']]);
  assert.equal(thread.rows()[0].delivery, 'waiting');
});
