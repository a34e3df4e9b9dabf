// Half-written words: by place, through a reload, between tabs, gone when they are sent and not a moment before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drafts } from '../../web/core/drafts.js';
import { MemoryShelf, until } from './shelves.mjs';

const alone = { Channel: null };
const stored = (shelf, place) => shelf.rows.get(`draft ${place}`)?.text;

test('words come back after a reload, each to its own place', async () => {
  const shelf = new MemoryShelf();
  const before = await Drafts.open(shelf, alone);
  before.keep('c1 reply', 'Dear');
  before.keep('c1 note', 'Careful');
  await until(() => shelf.rows.size === 2);

  const after = await Drafts.open(shelf, alone);

  assert.deepEqual(['c1 reply', 'c1 note', 'c2 reply'].map((place) => after.get(place)), ['Dear', 'Careful', '']);
});

test('of many quick words the last are kept', async () => {
  const shelf = new MemoryShelf();
  const drafts = await Drafts.open(shelf, alone);

  for (const words of ['H', 'He', 'Hel', 'Hell', 'Hello']) drafts.keep('c1', words);

  await until(() => stored(shelf, 'c1') === 'Hello');
});

test('sent words leave the disk only when they are kept elsewhere', async () => {
  const shelf = new MemoryShelf();
  const drafts = await Drafts.open(shelf, alone);
  drafts.keep('c1', 'Hello');
  await until(() => stored(shelf, 'c1') === 'Hello');

  let inOutbox = () => {};
  drafts.keep('c1', '', new Promise((resolve) => (inOutbox = resolve)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([drafts.get('c1'), stored(shelf, 'c1')], ['', 'Hello']);
  inOutbox();

  await until(() => shelf.rows.size === 0);
});

test('another tab is told, and the last who wrote is right', async () => {
  const shelf = new MemoryShelf();
  const [first, second] = [await Drafts.open(shelf), await Drafts.open(shelf)];
  const told = [];
  second.addEventListener('draft', ({ detail }) => told.push(detail.place));

  first.keep('c1', 'one');
  await until(() => second.get('c1') === 'one');
  second.keep('c1', 'two');
  await until(() => first.get('c1') === 'two');
  first.keep('c1', '');
  await until(() => second.get('c1') === '');

  assert.ok(told.every((place) => place === 'c1'));
  for (const drafts of [first, second]) await drafts.moveTo(new Drafts());
});

test('an erased conversation takes its drafts along and no others', async () => {
  const shelf = new MemoryShelf();
  const drafts = await Drafts.open(shelf, alone);
  for (const place of ['c1 reply', 'c1 note', 'c2 reply']) drafts.keep(place, 'x');

  drafts.forget('c1');

  await until(() => [...shelf.rows.keys()].join() === 'draft c2 reply');
});

test('a guest who proves who she is takes her words along', async () => {
  const [guest, person] = [new MemoryShelf(), new MemoryShelf()];
  const [before, after] = [await Drafts.open(guest, alone), await Drafts.open(person, alone)];
  before.keep('c1', 'Half');

  await before.moveTo(after);

  assert.deepEqual([stored(person, 'c1'), guest.rows.size, after.get('c1')], ['Half', 0, 'Half']);
});
