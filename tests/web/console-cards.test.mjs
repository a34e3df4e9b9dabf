// The inbox as values: sections, order, waiting, unread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { place, sections, unread, waiting, walk } from '../../web/console/cards.js';

const MINUTE = 60_000;
const NOW = 1_795_500_000_000;

const card = (id, changes = {}) => ({
  id, version: 1, title: id, proof: 'guest', locale: 'en', topic: '', assignee: null, state: 'open',
  last: { kind: 'message', text: 'Hello', from: 'shopper', ts: NOW }, waiting_since_ms: null, unread: 0, last_seq: 2, ...changes,
});
const mine = { assignee: { id: 'mei', name: 'Mei' } };
const bens = { assignee: { id: 'ben', name: 'Ben' } };

test('a card stands in one section: mine, nobody’s, a colleague’s or resolved', () => {
  const cards = [card('a', mine), card('b'), card('c', bens), card('d', { ...mine, state: 'resolved' })];

  const parts = sections(cards, 'mei');

  const ids = Object.fromEntries(Object.entries(parts).map(([name, list]) => [name, list.map((one) => one.id)]));
  assert.deepEqual(ids, { mine: ['a'], unassigned: ['b'], everyone: ['c'], resolved: ['d'] });
});

test('in the queue the longest wait comes first', () => {
  const cards = [card('short', { waiting_since_ms: NOW - MINUTE }), card('none'), card('long', { waiting_since_ms: NOW - 9 * MINUTE })];

  const { unassigned } = sections(cards, 'mei');

  assert.deepEqual(unassigned.map((one) => one.id), ['long', 'short', 'none']);
});

test('among mine the latest line comes first', () => {
  const at = (ts) => ({ ...mine, last: { kind: 'message', text: '', from: 'shopper', ts } });
  const cards = [card('old', at(NOW - MINUTE)), card('new', at(NOW))];

  assert.deepEqual(sections(cards, 'mei').mine.map((one) => one.id), ['new', 'old']);
});

test('J and K walk through the sections in the order they are shown', () => {
  const cards = [card('theirs', bens), card('queue'), card('own', mine)];

  assert.deepEqual(walk(sections(cards, 'mei')).map((one) => one.id), ['own', 'queue', 'theirs']);
});

for (const [minutes, level] of [[0, ''], [1.9, ''], [2, 'warn'], [4.9, 'warn'], [5, 'bad'], [90, 'bad']]) {
  test(`a wait of ${minutes} minutes shows as ${level || 'plain'}`, () => {
    const waited = waiting(card('a', { waiting_since_ms: NOW - minutes * MINUTE }), NOW);

    assert.deepEqual(waited, { minutes: Math.floor(minutes), level });
  });
}

test('nobody waits in a resolved conversation or after an answer', () => {
  assert.equal(waiting(card('a'), NOW), null);
  assert.equal(waiting(card('a', { state: 'resolved', waiting_since_ms: NOW - MINUTE }), NOW), null);
});

test('an older version of a card never replaces a newer one', () => {
  const cards = new Map();
  place(cards, card('a', { version: 3, title: 'newer' }));

  place(cards, card('a', { version: 2, title: 'older' }));

  assert.equal(cards.get('a').title, 'newer');
});

test('the title counts open conversations that hold something unread', () => {
  assert.equal(unread([card('a', { unread: 4 }), card('b'), card('c', { unread: 1, state: 'resolved' })]), 1);
});
