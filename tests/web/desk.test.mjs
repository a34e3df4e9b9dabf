// What the console knows, against a server made of frames: no card is lost around a snapshot, no refused reply is silent.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Desk } from '../../web/console/desk.js';
import { Drafts } from '../../web/core/drafts.js';
import { Outbox } from '../../web/core/outbox.js';
import { requests, sessionOf, Socket } from './lines.mjs';

const me = { ref: 'staff:mei', kind: 'agent', name: 'Mei' };

const card = (id, version = 1, changes = {}) => ({
  id, version, title: id, proof: 'guest', locale: 'en', topic: '', assignee: null, state: 'open', last: null,
  waiting_since_ms: null, unread: 0, last_seq: 2, ...changes,
});
const shown = (one) => ({ t: 'state', c: one.id, what: 'card', v: one.version, data: one });
const gone = (id) => ({ t: 'state', c: id, what: 'card', v: 9, data: { id, gone: true } });
const tops = { t: 'tops', conv: {} };

let desk;
let asked;

const begin = (...cards) => beginWith(new Outbox(), ...cards);

function beginWith(outbox, ...cards) {
  desk = new Desk(sessionOf(me, { inbox: true, outbox }), { id: 'mei', ref: me.ref, name: 'Mei', may_see_all: true }, snapshot(...cards), new Drafts());
  desk.session.start();
  return connect();
}

function connect() {
  const socket = Socket.all.at(-1);
  socket.welcome(me);
  return socket;
}

const snapshot = (...cards) => ({ cards, version: 1, now: Date.now() });
const ids = () => [...desk.cards.keys()].sort();

beforeEach(() => {
  Socket.all = [];
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_800_000_000_000 });
  asked = requests();
});

afterEach(() => {
  desk.session.stop();
  mock.timers.reset();
});

test('the inbox is asked for once the server deals cards to this line, the first line too', async () => {
  const socket = begin(card('a'));
  assert.deepEqual(asked, []);

  socket.hear(tops, tops);
  await asked[0].answer(snapshot(card('a'), card('missed')));

  assert.deepEqual([asked.length, asked[0].path], [1, '/desk/inbox']);
  assert.deepEqual(ids(), ['a', 'missed']);
});

test('after a break it is asked for again, and not before the new line is dealt to', () => {
  begin(card('a')).hear(tops);
  Socket.all.at(-1).onclose({ code: 1006 });
  mock.timers.tick(0);

  const next = connect();
  assert.equal(asked.length, 1);
  next.hear(tops);

  assert.equal(asked.length, 2);
});

test('what the line tells while the inbox is asked for stands', async () => {
  const socket = begin(card('a'), card('b'), card('c', 5));
  socket.hear(tops);

  socket.hear(shown(card('new', 7)), shown(card('b', 8, { title: 'newer' })), gone('a'));
  await asked[0].answer(snapshot(card('a', 3), card('b', 4), card('c', 4), card('d')));

  assert.deepEqual(ids(), ['b', 'c', 'd', 'new']);
  assert.deepEqual([desk.cards.get('b').title, desk.cards.get('c').version], ['newer', 5]);
});

test('an answer that was asked for earlier does not undo a later one', async () => {
  begin(card('a')).hear(tops);
  const later = desk.refresh();

  await asked[1].answer(snapshot(card('a'), card('b')));
  await asked[0].answer(snapshot(card('a')));
  await later;

  assert.deepEqual(ids(), ['a', 'b']);
});

test('a card that has gone since the last inbox goes', async () => {
  begin(card('a'), card('b')).hear(tops);

  await asked[0].answer(snapshot(card('b')));

  assert.deepEqual(ids(), ['b']);
});

test('a reply that is refused after the agent went on is told once and stays on its card', async () => {
  const socket = begin(card('a'), card('b'));
  const told = [];
  desk.addEventListener('unsent', ({ detail }) => told.push(detail.fresh));
  desk.open('a');
  socket.hear({ t: 'sub_ok', c: 'a', ep: 'e1', last: 1, first: 1 });
  const m = await desk.session.send('a', 'message', { text: 'Stale' }, { seen: 1 });
  desk.open('b');

  socket.hear({ t: 'err', c: 'a', m, code: 'stale', retry: 'no', info: { seq: 2, message: 'Newer.' } });
  socket.hear(shown(card('b', 2)));

  assert.deepEqual([told, [...desk.unsent]], [[['a']], ['a']]);
  desk.open('a');
  assert.equal(desk.session.thread('a').rows()[0].reason.code, 'stale');
  await desk.discard(m);
  assert.deepEqual([told, [...desk.unsent]], [[['a'], []], []]);
});

test('what an earlier page was refused is known from the beginning, and sent again from its conversation', async () => {
  const outbox = new Outbox();
  await outbox.put({ m: 'm1', c: 'a', k: 'message', b: { text: 'Old' }, at: Date.now(), seen: 1 });
  await outbox.refuse('m1', { code: 'stale', message: 'Newer.' });
  const socket = beginWith(outbox, card('a'), card('b'));
  assert.deepEqual([...desk.unsent], ['a']);

  desk.open('a');
  await desk.retry('m1');

  assert.deepEqual([socket.of('send').map(({ m, seen }) => [m, seen]), [...desk.unsent]], [[['m1', undefined]], []]);
});

test('with its card goes what was written about a conversation, and the agent is told what nobody gets', async () => {
  const socket = begin(card('a', 1, { title: 'Amy' }), card('b'));
  const told = [];
  desk.addEventListener('dropped', ({ detail }) => told.push(detail.title));
  for (const place of ['a reply', 'b reply']) desk.drafts.keep(place, 'Half');
  await desk.session.send('a', 'message', { text: 'Whole' });

  socket.hear(gone('a'), gone('b'));
  await new Promise((resolve) => setImmediate(resolve));

  assert.deepEqual([ids(), desk.session.outbox.entries(), told], [[], [], ['Amy']]);
  assert.deepEqual(['a reply', 'b reply'].map((place) => desk.drafts.get(place)), ['', '']);
});
