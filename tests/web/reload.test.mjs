// When a page goes by itself: too old for the server, or made for somebody else than who is signed in now.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { keepCurrent } from '../../web/core/reload.js';
import { sessionOf, Socket } from './lines.mjs';

const me = { ref: 'staff:kai', kind: 'agent', name: 'Kai' };

let session;
let went;

function begin(leave) {
  session = sessionOf(me);
  keepCurrent(session, leave);
  session.start();
  return Socket.all.at(-1);
}

beforeEach(() => {
  Socket.all = [];
  went = [];
  const stored = new Map();
  globalThis.location = { reload: () => went.push('anew') };
  globalThis.sessionStorage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, value) => stored.set(name, value) };
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 });
});

afterEach(() => {
  session.stop();
  mock.timers.reset();
});

test('a page of somebody else goes as soon as the server says whose browser it is now, every time', () => {
  for (const _ of [1, 2]) {
    const socket = begin(() => went.push('left'));
    socket.welcome(me);
    socket.onclose({ code: 4403 });
  }

  assert.deepEqual(went, ['left', 'left']);
});

test('a page that was refused before it was ever open goes once and not in a circle', () => {
  for (const _ of [1, 2, 3]) begin().onclose({ code: 4403 });

  assert.deepEqual(went, ['anew']);
});

test('a page that is too old is loaded anew once', () => {
  for (const _ of [1, 2]) begin().onclose({ code: 4406 });

  assert.deepEqual(went, ['anew']);
});

test('a sign-in that ended, or a break, takes no page away', () => {
  for (const code of [4401, 1006]) begin().onclose({ code });

  assert.deepEqual(went, []);
});
