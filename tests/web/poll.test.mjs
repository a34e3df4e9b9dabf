// The way without a socket: when it asks, what it puts into one request, when it stops.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Refused } from '../../web/core/calls.js';
import { poll } from '../../web/core/poll.js';
import { pass, startClocks, stopClocks } from './clocks.mjs';

const TOPS = { t: 'tops', conv: {} };
const LIMIT = 65_536;

let way;
let asked;
let said;
let heard;
let closed;
/** Answers the question that is out. */
let answer;

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function says(...frames) {
  answer(frames);
  await turn();
}

function post(path, body, { signal } = {}) {
  if (path !== '/chat/poll') return send(body);
  asked.push(body);
  return new Promise((resolve, reject) => {
    answer = resolve;
    signal.addEventListener('abort', () => reject(new Refused(0, 'network', '')));
  });
}

async function send(frames) {
  const size = Buffer.byteLength(JSON.stringify(frames));
  said.push({ size, ids: frames.map(({ m }) => m) });
  if (size > LIMIT) throw new Refused(413, 'too_large', '');
  return frames.map(({ m }) => ({ t: 'ack', c: 'c1', m, s: 1, ts: 1 }));
}

beforeEach(() => {
  [asked, said, heard, closed] = [[], [], [], []];
  stopClocks();
  way = poll({ heard: (frames) => heard.push(...frames), closed: (code) => closed.push(code) }, { hello: () => ({ t: 'hello', as: 'shopper', subs: {} }), post });
});

afterEach(() => {
  way.close();
  startClocks();
});

test('many long messages go out in order, none in a request that is too large', async () => {
  const ids = Array.from({ length: 12 }, (_, number) => `m${number}`);

  for (const m of ids) way.say({ t: 'send', c: 'c1', m, k: 'message', b: { text: '字'.repeat(4_000) } });
  await turn();

  assert.deepEqual(said.flatMap((one) => one.ids), ids);
  assert.ok(Math.max(...said.map(({ size }) => size)) < LIMIT);
  assert.deepEqual([closed, heard.length], [[], 12]);
});

test('not more than 64 frames go into one request', async () => {
  for (let m = 0; m < 100; m += 1) way.say({ t: 'send', c: 'c1', m, k: 'message', b: {} });
  await turn();

  assert.deepEqual(said.map((one) => one.ids.length), [1, 64, 35]);
});

test('a question that has lasted is followed by the next without a timer, which out of sight would take a minute', async () => {
  await says(TOPS);
  pass(100);
  await turn();

  for (let round = 0; round < 3; round += 1) {
    pass(20_000);
    await says(TOPS);
  }

  assert.deepEqual(asked.map((one) => one.wait_ms), [0, 20_000, 20_000, 20_000, 20_000]);
});

test('answers that come at once are not asked for more than ten times a second', async () => {
  for (let ms = 0; ms < 1_000; ms += 10) {
    await says({ t: 'typing' }, TOPS);
    pass(10, 10);
    await turn();
  }

  assert.ok(asked.length <= 11, String(asked.length));
});

test('who is told to come later about a conversation does; a new question of hers is put at once', async () => {
  await says({ t: 'err', c: 'c1', code: 'unavailable', retry: 'same', retry_ms: 2_000 }, TOPS);

  pass(1_900);
  await turn();
  assert.equal(asked.length, 1);
  way.say({ t: 'sub', c: 'c2' });
  await turn();

  assert.equal(asked.length, 2);
});

test('after a good-bye it asks nothing more, and ends as a socket would', async () => {
  await says({ t: 'bye', in_ms: 4_000, why: 'restart' }, TOPS);

  pass(60_000);
  await turn();

  assert.deepEqual([asked.length, closed, heard.map(({ t }) => t)], [1, [1012], ['bye', 'tops']]);
});

test('a probe takes the question back and puts it anew', async () => {
  await says(TOPS);
  pass(100);
  await turn();

  way.probe();
  await turn();

  assert.deepEqual([asked.map((one) => one.wait_ms), asked.map((one) => one.greet), closed], [[0, 20_000, 0], [true, false, true], []]);
});
