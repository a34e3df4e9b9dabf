// Clocks that are wrong, set back, or asleep: waiting, silence and the age of a message do not depend on them.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Line } from '../../web/core/line.js';
import { Marks } from '../../web/core/marks.js';
import { Outage } from '../../web/core/outage.js';
import { ServerTime } from '../../web/core/servertime.js';
import { Session } from '../../web/core/session.js';
import { Outbox } from '../../web/core/outbox.js';
import { Steady } from '../../web/core/steady.js';
import { pass, setClock, startClocks, stopClocks } from './clocks.mjs';
import { MemoryShelf } from './shelves.mjs';

const HOUR = 3_600_000;
const me = { ref: 'v', kind: 'shopper', name: '' };
const tabs = () => ({ isCarrier: true, ends: {}, tell: () => {}, take: async () => {}, isServed: async () => true, leave: () => {} });

let sockets;
let ends;

function makeSocket() {
  const socket = { sent: [], send: (text) => socket.sent.push(JSON.parse(text)), close: () => {} };
  sockets.push(socket);
  return socket;
}

const welcome = (socket, now = Date.now()) => {
  socket.onopen();
  socket.onmessage({ data: JSON.stringify({ t: 'welcome', sid: 's', me, now, hb: 25, limits: {} }) });
};

beforeEach(() => {
  [sockets, ends] = [[], []];
  stopClocks();
});

afterEach(() => {
  for (const end of ends) end();
  startClocks();
});

test('a steady clock follows the wall forwards, and goes on when it is set back', () => {
  let [wall, page] = [10_000, 0];
  const steady = new Steady(() => wall, () => page);
  const start = steady.now();
  const after = (wallMs, pageMs) => {
    [wall, page] = [wall + wallMs, page + pageMs];
    return steady.now() - start;
  };

  const readings = [after(500, 500), after(-HOUR, 500), after(500, 500), after(HOUR, 0), after(-1, 0), after(1, 0)];

  assert.deepEqual(readings, [500, 1_000, 1_500, HOUR + 1_500, HOUR + 1_500, HOUR + 1_500]);
});

test('a dead line is given up in forty seconds, whatever happens to the clock', () => {
  for (const change of [0, -2 * HOUR, 2 * HOUR]) {
    sockets = [];
    const line = new Line({ url: 'x', post: async () => [], hello: () => ({ t: 'hello' }), frames: () => {}, begun: () => {}, changed: () => {}, makeSocket });
    ends.push(() => line.stop());
    line.connect();
    welcome(sockets[0]);
    pass(1_000);
    setClock(change);

    pass(45_000);

    assert.equal(sockets.length > 1, true, String(change));
  }
});

test('a break is shown, and counted down, though the clock was set back in it', () => {
  const outage = new Outage();
  const line = new Line({ url: 'x', post: async () => [], hello: () => ({ t: 'hello' }), frames: () => {}, begun: () => {}, random: () => 1, changed: (now) => outage.note(now), makeSocket });
  ends.push(() => line.stop());
  line.connect();
  welcome(sockets[0]);
  sockets[0].onclose({ code: 1013 });

  setClock(-2 * HOUR);
  pass(2_000);

  assert.deepEqual([outage.look(undefined, true), outage.seconds(), outage.nextChange()], ['waiting', 8, 500]);
});

test('typing is told again in three seconds, though the clock was set back', () => {
  const told = [];
  const marks = new Marks({ say: (frame) => told.push(frame) > 0, known: () => 0 });
  marks.typing('c1');
  setClock(-2 * HOUR);

  pass(3_000);
  marks.typing('c1');

  assert.equal(told.length, 2);
});

test('the server’s time goes on though ours is set', () => {
  const time = new ServerTime();
  time.set(5_000);

  pass(1_000);
  setClock(-2 * HOUR);
  pass(1_000);

  assert.equal(time.now(), 7_000);
  assert.equal(Date.now() + time.skew, 7_000);
});

test('on a computer that is thirty hours ahead or behind, what she wrote goes out all the same', async () => {
  for (const wrong of [30 * HOUR, -30 * HOUR]) {
    const truth = Date.now();
    const shelf = new MemoryShelf();
    await shelf.putLast('entry', 'm1', { m: 'm1', c: 'c1', k: 'message', b: { text: 'a minute ago' }, at: truth - 60_000 });
    setClock(wrong);
    const session = new Session({ as: 'shopper', me, csrf: () => '', url: 'x', time: new ServerTime(truth), outbox: await Outbox.open(shelf, tabs()), makeSocket });
    ends.push(() => session.stop());
    session.watch('c1');
    session.start();
    const second = await session.send('c1', 'message', { text: 'before the welcome' });

    welcome(sockets.at(-1), truth);
    const third = await session.send('c1', 'message', { text: 'after it' });

    assert.deepEqual(sockets.at(-1).sent.filter(({ t }) => t === 'send').map(({ m }) => m), ['m1', second, third], String(wrong));
    setClock(-wrong);
  }
});

test('what is on the line is not refused for its age', async () => {
  const session = new Session({ as: 'shopper', me, csrf: () => '', url: 'x', makeSocket });
  ends.push(() => session.stop());
  const thread = session.watch('c1');
  session.start();
  welcome(sockets[0]);
  await session.send('c1', 'message', { text: 'one' });
  setClock(30 * HOUR);

  await session.send('c1', 'message', { text: 'two' });

  assert.deepEqual(thread.rows().map(({ delivery }) => delivery), ['waiting', 'waiting']);
});
