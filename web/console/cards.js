// The inbox as values: which card stands in which section, in which order, and how long someone has waited.

/**
 * @typedef {object} Card
 * @property {string} id
 * @property {number} version
 * @property {string} title
 * @property {string} proof
 * @property {string} locale
 * @property {string | null} topic
 * @property {{id: string, name: string} | null} assignee
 * @property {'open' | 'resolved'} state
 * @property {{kind: string, text: string, from: string, ts: number} | null} last
 * @property {number | null} waiting_since_ms
 * @property {number} unread
 * @property {number} last_seq
 */

/** @typedef {{mine: Card[], unassigned: Card[], everyone: Card[], resolved: Card[]}} Sections */
/** @typedef {{minutes: number, level: '' | 'warn' | 'bad'}} Waiting */

const MINUTE = 60_000;
const AMBER = 2;
const RED = 5;

/** Keeps the newer of two versions of a card. @param {Map<string, Card>} cards @param {Card} card */
export function place(cards, card) {
  const known = cards.get(card.id);
  if (!known || card.version >= known.version) cards.set(card.id, card);
}

/** @param {Iterable<Card>} cards @param {string} me staff id @returns {Sections} */
export function sections(cards, me) {
  /** @type {Sections} */
  const parts = { mine: [], unassigned: [], everyone: [], resolved: [] };
  for (const card of cards) {
    if (card.state === 'resolved') parts.resolved.push(card);
    else if (!card.assignee) parts.unassigned.push(card);
    else if (card.assignee.id === me) parts.mine.push(card);
    else parts.everyone.push(card);
  }
  parts.mine.sort(newestFirst);
  parts.unassigned.sort(longestWaitFirst);
  parts.everyone.sort(newestFirst);
  parts.resolved.sort(newestFirst);
  return parts;
}

/** The order in which J and K walk. @param {Sections} parts @returns {Card[]} */
export const walk = (parts) => [...parts.mine, ...parts.unassigned, ...parts.everyone, ...parts.resolved];

/** @param {Card} card @param {number} now @returns {Waiting | null} null when nobody waits */
export function waiting(card, now) {
  if (card.state === 'resolved' || card.waiting_since_ms === null) return null;
  const minutes = Math.max(0, Math.floor((now - card.waiting_since_ms) / MINUTE));
  return { minutes, level: minutes >= RED ? 'bad' : minutes >= AMBER ? 'warn' : '' };
}

/** How many conversations hold something unread. @param {Iterable<Card>} cards */
export function unread(cards) {
  let count = 0;
  for (const card of cards) if (card.unread > 0 && card.state === 'open') count += 1;
  return count;
}

/** @param {Card} a @param {Card} b */
const newestFirst = (a, b) => (b.last?.ts ?? 0) - (a.last?.ts ?? 0) || (a.id < b.id ? -1 : 1);

/** @param {Card} a @param {Card} b */
const longestWaitFirst = (a, b) => (a.waiting_since_ms ?? Infinity) - (b.waiting_since_ms ?? Infinity) || newestFirst(a, b);
