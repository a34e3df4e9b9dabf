// What the console knows: the cards of the inbox, which conversation is open, and the one session of this tab.
//
// Elements listen to this object ('cards', 'open', 'writing', 'unsent') and to its session; they never talk to each other.
import { get, post } from '../core/calls.js';
import { place, sections, walk } from './cards.js';

/** @import { Drafts } from '../core/drafts.js' */
/** @import { Session } from '../core/session.js' */
/** @import { Row } from '../core/thread.js' */
/** @import { Card } from './cards.js' */
/** @typedef {{id: string, ref: string, name: string, may_see_all: boolean}} Me */
/** @typedef {{cards: Card[], version: number, now: number}} Snapshot */
/** @typedef {'reply' | 'note'} Mode */

/** Where no socket gets through, cards do not come by themselves. */
const POLL_MS = 10_000;

export class Desk extends EventTarget {
  /** @type {Map<string, Card>} */
  cards = new Map();
  /** @type {string | null} */
  opened = null;
  /** Is the line new, and the inbox on this page from before it? */
  #isBehind = true;
  /** Cards that came or went while an answer is out: it may be older than they are. @type {Set<string> | null} */
  #touched = null;
  /** Refused messages that this page knows of. @type {Set<string>} */
  #refused = new Set();

  /** @param {Session} session @param {Me} me @param {Snapshot} inbox @param {Drafts} drafts */
  constructor(session, me, inbox, drafts) {
    super();
    this.session = session;
    this.me = me;
    this.drafts = drafts;
    for (const card of inbox.cards) place(this.cards, card);
    session.addEventListener('state', (event) => this.#state(detail(event)));
    session.addEventListener('gone', (event) => this.#gone(detail(event).conversation));
    session.addEventListener('event', (event) => this.#happened(detail(event)));
    session.addEventListener('change', () => this.#recount());
    this.#recount();
    session.addEventListener('opened', () => (this.#isBehind = true));
    session.addEventListener('tops', () => this.#isBehind && this.#fetch());
    setInterval(() => this.session.isPolling && !this.#touched && this.#fetch(), POLL_MS);
  }

  /** The server's time. */
  now() {
    return Date.now() + this.session.skew;
  }

  get card() {
    return this.opened === null ? undefined : this.cards.get(this.opened);
  }

  get sections() {
    return sections(this.cards.values(), this.me.id);
  }

  /** Conversations in which something was refused and waits for this agent, whether one of them is open or not. @returns {Set<string>} */
  get unsent() {
    return new Set(this.#refusals().map(({ c }) => c));
  }

  /** Show a conversation, or none. @param {string | null} conversation */
  open(conversation) {
    if (conversation === this.opened) return;
    if (this.opened !== null) this.session.unwatch(this.opened);
    this.opened = conversation;
    if (conversation !== null) this.session.watch(conversation);
    this.#emit('open');
  }

  /** The conversation so many places further in the list. @param {1 | -1} step @returns {string | null} */
  neighbour(step) {
    const list = walk(this.sections);
    const at = list.findIndex((card) => card.id === this.opened);
    const next = at === -1 ? 0 : Math.min(list.length - 1, Math.max(0, at + step));
    return list[next]?.id ?? null;
  }

  /** Write a reply or a note in the open conversation. @param {Mode} mode */
  write(mode) {
    if (this.opened !== null) this.#emit('writing', { mode });
  }

  /** Change a message or a note of one's own in the open conversation. @param {Row} row */
  edit(row) {
    if (this.opened !== null) this.#emit('editing', { row });
  }

  /** Send what was refused in the open conversation once more. @param {string} m */
  async retry(m) {
    if (this.opened !== null) await this.session.retry(this.opened, m);
    this.#recount();
  }

  /** Take it back instead. @param {string} m */
  async discard(m) {
    if (this.opened !== null) await this.session.discard(this.opened, m);
    this.#recount();
  }

  /** @param {string} conversation @param {string | null} to "me", a member's id or nobody */
  assign(conversation, to) {
    return post(`/desk/conversations/${conversation}/assign`, { to });
  }

  /** @param {string} conversation */
  resolve(conversation) {
    return post(`/desk/conversations/${conversation}/resolve`);
  }

  /** @param {string} conversation */
  reopen(conversation) {
    return post(`/desk/conversations/${conversation}/reopen`);
  }

  /** The whole inbox once more: before the line was there, cards may have come and gone unseen. The last who asked is right. */
  async refresh() {
    const touched = (this.#touched = new Set());
    try {
      const { cards } = /** @type {Snapshot} */ (await get('/desk/inbox'));
      if (touched === this.#touched) this.#replace(cards, touched);
    } finally {
      if (touched === this.#touched) this.#touched = null;
    }
  }

  /** What the line told meanwhile stands; between two tellings of one card the version decides. @param {Card[]} cards @param {Set<string>} touched */
  #replace(cards, touched) {
    const known = this.cards;
    this.cards = new Map([...known].filter(([id]) => touched.has(id)));
    for (const card of cards) {
      const before = known.get(card.id);
      if (before && before.version > card.version) this.cards.set(card.id, before);
      else if (before || !touched.has(card.id)) this.cards.set(card.id, card);
    }
    this.#emit('cards');
  }

  /** @param {{conversation: string, what: string, data: Record<string, any>}} state any: a card as cards.js types it */
  #state({ conversation, what, data }) {
    if (what !== 'card') return;
    if (data.gone) return this.#remove(conversation);
    const card = /** @type {Card} */ (data);
    this.#touched?.add(card.id);
    const before = this.cards.get(card.id);
    place(this.cards, card);
    return this.#emit('cards', { card, rose: card.unread > (before?.unread ?? 0) });
  }

  /** It is no longer this agent's to read, or for nobody. @param {string} conversation */
  #remove(conversation) {
    this.#touched?.add(conversation);
    void this.#forget(conversation, this.cards.get(conversation)?.title ?? '');
    if (this.cards.delete(conversation)) this.#emit('cards');
  }

  /** Nothing that was written about it stays; what was still to be sent, nobody will get. @param {string} conversation @param {string} title */
  async #forget(conversation, title) {
    this.drafts.forget(conversation);
    const lost = this.session.outbox.forget(conversation);
    this.#recount();
    if (await lost) this.#emit('dropped', { title });
  }

  /** The right to read it has ended. @param {string} conversation */
  #gone(conversation) {
    this.#remove(conversation);
    this.#emit('gone', { conversation });
  }

  /** Nothing of what was erased stays, nor what was half-written about it. @param {{conversation: string, event: {k: string}}} news */
  #happened({ conversation, event }) {
    if (event.k === 'erased') this.drafts.forget(conversation);
  }

  #refusals() {
    return this.session.outbox.entries().filter(({ reason }) => reason);
  }

  /** What is refused while another conversation is open has no row to say so. */
  #recount() {
    const refusals = this.#refusals();
    const fresh = refusals.filter(({ m }) => !this.#refused.has(m));
    if (!fresh.length && refusals.length === this.#refused.size) return;
    this.#refused = new Set(refusals.map(({ m }) => m));
    this.#emit('unsent', { fresh: fresh.map(({ c }) => c) });
  }

  #fetch() {
    this.#isBehind = false;
    this.refresh().catch(() => this.#emit('failed'));
  }

  /** @param {string} type @param {unknown} [about] */
  #emit(type, about) {
    this.dispatchEvent(new CustomEvent(type, { detail: about }));
  }
}

/** What an event of the session or the desk carries. @param {Event} event @returns {any} any: each event has its own detail */
export const detail = (event) => /** @type {CustomEvent} */ (event).detail;
