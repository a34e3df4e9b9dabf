// How far a reader has come, and that every line is told: against a server made of nothing but frames.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Session } from '../../web/core/session.js';
import { pass, startClocks, stopClocks } from './clocks.mjs';

const me = { ref: 'agent:1', kind: 'agent', name: 'Mei' };
const shopper = { ref: 'v', kind: 'shopper', name: '' };

let session;
let sockets;

function makeSocket() {
  const socket = { sent: [], send: (text) => socket.sent.push(JSON.parse(text)), close: () => {} };
  sockets.push(socket);
  return socket;
}

const hears = (...frames) => sockets.at(-1).onmessage({ data: JSON.stringify(frames) });
const told = () => sockets.map(({ sent }) => sent.filter(({ t }) => t === 'read' || t === 'rcvd').map(({ t, upto }) => `${t} ${upto}`));
const ev = (s) => ({ t: 'ev', c: 'c1', s, from: shopper, k: 'message', b: { text: 'x' }, ts: 1 });
const letIn = (first, ep = 'e1') => hears({ t: 'sub_ok', c: 'c1', ep, last: 2, first });
const mine = (what, upto) => ({ t: 'state', c: 'c1', what, v: upto, data: { ref: me.ref, kind: 'agent', upto } });

function welcome() {
  sockets.at(-1).onopen();
  hears({ t: 'welcome', sid: 's', me, now: Date.now(), hb: 25, limits: {} });
}

/** An agent who has two messages before her, and has read both. */
function reading() {
  session = new Session({ as: 'staff', me, csrf: () => '', url: 'x', makeSocket });
  session.watch('c1');
  session.start();
  welcome();
  letIn(1);
  hears(ev(1), ev(2));
  session.read('c1', 2);
}

beforeEach(() => {
  sockets = [];
  stopClocks();
});

afterEach(() => {
  session.stop();
  startClocks();
});

test('what was told on a line that died is told on the next, once that has let her in', () => {
  reading();
  pass(1_000);
  sockets[0].onclose({ code: 1006 });
  welcome();

  pass(5_000);
  assert.deepEqual(told()[1], []);
  letIn(3);
  pass(1_000);

  assert.deepEqual(told(), [['rcvd 2', 'read 2'], ['rcvd 2', 'read 2']]);
});

test('what the server shows as hers is not told again', () => {
  reading();
  pass(1_000);
  sockets[0].onclose({ code: 1006 });
  welcome();

  letIn(3);
  hears(mine('read', 2), mine('received', 1));
  pass(5_000);

  assert.deepEqual(told()[1], ['rcvd 2']);
});

test('in another telling of the log old marks mean nothing, and new ones count again', () => {
  reading();
  pass(1_000);

  hears({ t: 'reset', c: 'c1', ep: 'e2', last: 1, why: 'epoch' });
  letIn(1, 'e2');
  hears(ev(1));
  session.read('c1', 1);
  pass(1_000);

  assert.deepEqual(told(), [['rcvd 2', 'read 2', 'rcvd 1', 'read 1']]);
});

test('a mark that was refused for now is told again', () => {
  reading();
  pass(1_000);

  hears({ t: 'err', c: 'c1', code: 'unavailable', retry: 'same', retry_ms: 1_000 });
  pass(1_000);

  assert.deepEqual(told(), [['rcvd 2', 'read 2', 'rcvd 2', 'read 2']]);
});

test('who reads and goes on at once has still read', () => {
  reading();

  session.unwatch('c1');

  assert.deepEqual(sockets[0].sent.slice(-3).map(({ t }) => t), ['rcvd', 'read', 'unsub']);
});
