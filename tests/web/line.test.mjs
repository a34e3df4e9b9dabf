// The line against ways made of nothing: which way it takes, when it tries again, when it stops; and how that looks.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Refused } from '../../web/core/calls.js';
import { Gaps } from '../../web/core/gaps.js';
import { Line } from '../../web/core/line.js';
import { Outage } from '../../web/core/outage.js';
import { steady } from '../../web/core/steady.js';
import { Thread } from '../../web/core/thread.js';
import { pass, startClocks, stopClocks } from './clocks.mjs';

const WELCOME = { t: 'welcome', sid: 's', me: {}, now: 0, hb: 25, limits: {} };
const TOPS = [{ t: 'tops', conv: {} }];

let line;
let sockets;
let phases;
let asked;
let answer;

/** Lets promises settle under a stopped clock. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

function begin(random = 1) {
  line = new Line({
    url: 'ws://x',
    hello: () => ({ t: 'hello', as: 'shopper', subs: {} }),
    frames: () => {},
    begun: () => {},
    changed: ({ phase }) => phases.push(phase),
    random: () => random,
    post: (path, body, { signal } = {}) => {
      asked.push([path, body]);
      return answer(signal);
    },
    makeSocket: () => {
      const socket = { sent: [], send: (text) => socket.sent.push(JSON.parse(text)), close: () => {} };
      return sockets[sockets.push(socket) - 1];
    },
  });
  line.connect();
}

/** Five minutes go by, while polls are answered. */
async function fiveMinutes() {
  for (let ms = 0; ms < 5 * 60_000; ms += 5_000) {
    pass(5_000);
    await turn();
  }
}

const welcome = (socket) => socket.onmessage({ data: JSON.stringify(WELCOME) });
const broken = () => sockets.at(-1).onclose({ code: 1006 });

beforeEach(() => {
  [sockets, phases, asked] = [[], [], []];
  answer = (signal) => new Promise((resolve, reject) => {
    if (asked.length === 1) resolve(TOPS);
    setTimeout(() => resolve(TOPS), 20_000);
    signal?.addEventListener('abort', () => reject(new Refused(0, 'network', '')));
  });
  stopClocks();
});

afterEach(() => {
  line?.stop();
  startClocks();
});

test('two sockets that break before a welcome are followed by a poll, without a word', async () => {
  begin();

  broken();
  pass(0);
  broken();
  await turn();

  assert.deepEqual([sockets.length, asked[0]], [2, ['/chat/poll', { as: 'shopper', subs: {}, wait_ms: 0, greet: true }]]);
  assert.deepEqual([line.isPolling, phases.at(-1)], [true, 'open']);
});

test('after five minutes of polling a socket is tried, and taken when it opens', async () => {
  begin();
  broken();
  pass(0);
  broken();
  await turn();

  await fiveMinutes();
  const trial = sockets.at(-1);
  trial.onopen();
  await turn();
  welcome(sockets.at(-1));

  assert.notEqual(sockets.at(-1), trial);
  assert.deepEqual([line.isPolling, phases.at(-1)], [false, 'open']);
});

test('a socket that still does not open leaves the poll alone', async () => {
  begin();
  broken();
  pass(0);
  broken();
  await turn();

  await fiveMinutes();
  broken();
  await turn();

  assert.deepEqual([line.isPolling, phases.filter((phase) => phase === 'open').length], [true, 1]);
});

test('a server that is dead both ways is tried by socket first again', async () => {
  answer = () => Promise.reject(new Refused(0, 'network', ''));
  begin();
  broken();
  pass(0);
  broken();
  await turn();
  assert.equal(phases.at(-1), 'waiting');

  pass(1_000);

  assert.deepEqual([sockets.length, phases.at(-1)], [3, 'connecting']);
});

test('what is said by poll goes out in order, and a failure ends the line', async () => {
  begin();
  broken();
  pass(0);
  broken();
  await turn();

  answer = () => Promise.resolve([]);
  line.say({ t: 'send', m: 'a' });
  line.say({ t: 'send', m: 'b' });
  await turn();
  answer = () => Promise.reject(new Refused(401, 'not_signed_in', ''));
  line.say({ t: 'send', m: 'c' });
  await turn();

  const said = asked.filter(([path]) => path === '/chat/send').map(([, frames]) => frames.map(({ m }) => m));
  assert.deepEqual(said.flat(), ['a', 'b', 'c']);
  assert.deepEqual(line.connection, { phase: 'stopped', retryAt: null, code: 4401 });
});

test('codes of 44xx end it, but for the two that pass; a planned restart is waited out as told', () => {
  for (const [code, phase] of [[4401, 'stopped'], [4406, 'stopped'], [1009, 'stopped'], [4408, 'waiting'], [4429, 'waiting'], [4001, 'waiting']]) {
    begin();
    welcome(sockets.at(-1));
    phases = [];
    sockets.at(-1).onclose({ code });
    assert.equal(phases[0], phase, String(code));
    line.stop();
  }
  begin();
  welcome(sockets.at(-1));
  sockets.at(-1).onmessage({ data: '{"t":"bye","in_ms":1730,"why":"restart"}' });
  sockets.at(-1).onclose({ code: 1012 });

  assert.equal(line.connection.retryAt - steady(), 1730);
});

test('an overloaded server gets at least five seconds, and not everybody back in the same moment', () => {
  for (const [random, wait] of [[0, 5_000], [0.5, 7_500], [1, 10_000]]) {
    begin(random);
    welcome(sockets.at(-1));

    sockets.at(-1).onclose({ code: 1013 });

    assert.equal(line.connection.retryAt - steady(), wait);
    line.stop();
  }
});

test('who comes back goes on at once, and a line that died in her absence is found out in four seconds', () => {
  begin();
  welcome(sockets.at(-1));
  pass(1_000);

  line.wake();
  assert.equal(sockets[0].sent.at(-1).t, 'ping');
  pass(3_999);
  assert.equal(sockets.length, 1);
  pass(1);

  assert.deepEqual([sockets.length, line.connection.phase], [2, 'connecting']);
});

test('a line that answers the question stays', () => {
  begin();
  welcome(sockets.at(-1));

  line.wake();
  sockets[0].onmessage({ data: '{"t":"pong","n":1,"tops":{}}' });
  pass(4_000);

  assert.deepEqual([sockets.length, line.connection.phase], [1, 'open']);
});

/** A tab out of sight: its timers run once a minute. `answers`: does the other side still live? */
async function outOfSight(minutes, answers) {
  for (let minute = 0; minute < minutes; minute += 1) {
    pass(60_000, 60_000);
    for (const socket of sockets) {
      if (answers && socket.sent.splice(0).some(({ t }) => t === 'ping')) socket.onmessage({ data: '{"t":"pong","n":1,"tops":{}}' });
    }
    await turn();
  }
}

test('a healthy line stays, though a tab out of sight looks at it once a minute', async () => {
  begin();
  welcome(sockets.at(-1));

  await outOfSight(20, true);

  assert.deepEqual([sockets.length, line.connection.phase], [1, 'open']);
});

test('out of sight too a line that does not answer is given up, and the next begins at once', async () => {
  begin();
  welcome(sockets.at(-1));

  await outOfSight(2, false);

  assert.deepEqual([sockets.length, phases.slice(-2)], [2, ['waiting', 'connecting']]);
});

test('what the server says unasked is a sign of life: nobody asks', () => {
  begin();
  welcome(sockets.at(-1));

  for (let beat = 0; beat < 40; beat += 1) {
    pass(24_000);
    sockets[0].onmessage({ data: '{"t":"tops","conv":{}}' });
  }

  assert.deepEqual([sockets.length, sockets[0].sent.length], [1, 0]);
});

test('a socket that never greets is given up', () => {
  begin();

  pass(10_000);

  assert.ok(phases.includes('waiting'));
});

test('a break is shown after a moment, steadily, and its end for a moment', () => {
  const outage = new Outage();
  const at = (phase, ms, retryAt = null) => outage.note({ phase, retryAt, code: null }, ms);
  at('open', 0);
  at('waiting', 1_000, 1_000);
  at('connecting', 1_100);

  const looks = [[2_400, true], [2_500, true], [2_500, false]].map(([now, isOnline]) => outage.look(now, isOnline));
  at('waiting', 3_000, 6_000);
  looks.push(outage.look(3_500, true));
  assert.equal(outage.seconds(3_500), 3);
  at('open', 6_000);
  looks.push(outage.look(6_001, true), outage.look(8_500, true));

  assert.deepEqual(looks, ['', 'connecting', 'offline', 'waiting', 'back', '']);
});

test('a break of less than a moment is never spoken of', () => {
  const outage = new Outage();
  outage.note({ phase: 'open', retryAt: null, code: null }, 0);
  outage.note({ phase: 'waiting', retryAt: 1_000, code: 1006 }, 1_000);
  outage.note({ phase: 'open', retryAt: null, code: null }, 2_000);

  assert.equal(outage.look(2_001, true), '');
});

/** A thread that holds number 1 and has seen 4, and what is done about it. */
function torn() {
  const done = [];
  const gaps = new Gaps({ say: (frame) => done.push(frame) > 0, reconnect: () => done.push('reconnect'), afresh: () => done.push('afresh') });
  const thread = new Thread('c1', { ref: 'v', kind: 'shopper', name: '' });
  thread.open({ t: 'sub_ok', c: 'c1', ep: 'e', last: 4, first: 1 });
  const receive = (s) => thread.receive({ t: 'ev', c: 'c1', s, from: { ref: 'a', kind: 'agent', name: '' }, k: 'message', b: {}, ts: 1 });
  receive(1);
  receive(4);
  gaps.found(thread, 3);
  return { done, gaps, thread, receive };
}

test('a hole is asked for once, whatever else comes behind it', () => {
  const { done, gaps, thread } = torn();

  gaps.found(thread, 3);
  gaps.found(thread, 3);

  assert.deepEqual([done, gaps.count], [[{ t: 'get', c: 'c1', from: 2, to: 3 }], 1]);
  gaps.pause();
});

test('a hole longer than one answer is asked for further, and counts once', () => {
  const { done, gaps, thread, receive } = torn();

  receive(2);
  gaps.answered(thread);
  receive(3);
  gaps.answered(thread);
  pass(60_000);

  assert.deepEqual([done.map(({ from, to }) => [from, to]), gaps.count], [[[2, 3], [3, 3]], 1]);
});

test('a hole that stays begins the line anew, and then the log', () => {
  const { done, gaps, thread } = torn();

  pass(5_000);
  gaps.found(thread, 3);
  gaps.answered(thread);

  assert.deepEqual([done.filter((one) => typeof one === 'string'), gaps.count], [['reconnect', 'afresh'], 1]);
});
