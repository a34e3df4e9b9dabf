// One conversation as this page knows it: the log's events, folded, and the messages that are still on their way.
//
// The server numbers events 1, 2, 3… without holes, so a missing one is seen and asked for, never guessed.
// A message of ours is shown at once under the id we made for it and becomes the log's event when that comes back.
// Pure: frames in, rows out; no network, no document, no clock.

import { fates, isAmendment, isGone, standing } from './amendments.js';
import { Losses } from './losses.js';
import { Readers } from './readers.js';

/** @import { Fate } from './amendments.js' */
/** @import { Ack, Body, Ev, State, SubOk, Who } from './frames.js' */
/** @import { Taken } from './said.js' */
/** @typedef {'waiting' | 'failed' | 'sent' | 'delivered' | 'read'} Delivery */
/** @typedef {{code: string, message: string}} Reason */
/** @typedef {{m: string, k: string, b: Body, ts: number, preview?: string}} Draft */
/** @typedef {Draft & {s: number | null, reason: Reason | null}} Pending */
/**
 * What the log shows in one line. `own`: this very reader's; `ours`: from the reader's side of the counter; `changing`: it
 * is a change of this line that is on its way or failed, under the id `m`.
 * @typedef {{key: string, s: number | null, m: string | null, k: string, b: Body, ts: number, from: Who,
 *   own: boolean, ours: boolean, delivery: Delivery | null, reason: Reason | null, changing?: boolean, preview?: string}} Row
 */
/** @typedef {{fresh: boolean, missing: {from: number, to: number} | null}} Received */

export class Thread {
  /** @type {string | null} */
  epoch = null;
  /** The version of the marks that were shown last; a poll asks by it. */
  marks = 0;
  /** Counts every change, so a view can tell whether to draw again. */
  version = 0;

  /** First and last number of the unbroken run that is shown; empty when high is low - 1. */
  #low = 1;
  #high = 0;
  /** How far the log reached when its showing began: up to there it is history. */
  #past = 0;
  /** @type {Map<number, Ev>} */
  #held = new Map();
  /** @type {Map<string, Pending>} */
  #pending = new Map();
  #readers = new Readers();
  /** Which telling of the log `#held` is of. @type {string | null} */
  #telling = null;
  #losses = new Losses();

  /** @param {string} id conversation @param {Who} me */
  constructor(id, me) {
    this.id = id;
    this.me = me;
  }

  /** The last number without a hole before it; what a resume starts from. */
  get cursor() {
    return this.#high;
  }

  get first() {
    return this.#low;
  }

  /** Is what the log held when its showing began all here? */
  get isCaughtUp() {
    return this.epoch !== null && this.#high >= this.#past;
  }

  get hasEarlier() {
    return this.epoch !== null && this.#low > 1;
  }

  /** Messages that the server has not taken yet, in the order they were written. */
  get pending() {
    return [...this.#pending.values()];
  }

  /** The unbroken run of events, oldest first. @returns {Ev[]} */
  get events() {
    const run = [];
    for (let s = this.#low; s <= this.#high; s += 1) {
      const event = this.#held.get(s);
      if (event) run.push(event);
    }
    return run;
  }

  /** The newest event of a kind that is on this page, if any. @param {string[]} kinds @returns {Ev | undefined} */
  newest(...kinds) {
    return this.events.findLast((event) => kinds.includes(event.k));
  }

  /** A subscription begins: events follow from `first`. Another epoch, or a jump, drops what was held. @param {SubOk} frame */
  open({ ep, first, last, marks = 0 }) {
    this.marks = marks;
    this.#losses.judge(last);
    const continues = this.epoch === ep && first <= this.#high + 1;
    if (continues) return;
    this.reset(ep, first);
    this.#past = last;
  }

  /** Is what is held of another telling than this one? @param {string} epoch */
  isOther(epoch) {
    return this.#telling !== null && this.#telling !== epoch;
  }

  /** Forget the log, keep what is on its way. @param {string} epoch @param {number} [first] */
  reset(epoch, first = 1) {
    if (this.isOther(epoch)) this.#doubt(first);
    this.epoch = this.#telling = epoch;
    this.#held.clear();
    this.#low = first;
    this.#high = first - 1;
    this.version += 1;
  }

  /** What earlier pages had of ours from another telling; this page has seen none yet. @param {Taken[]} said @param {number} first */
  recall(said, first) {
    if (this.#telling === null) this.#losses.doubt(said.map(({ m, s, k, b, at }) => ({ m, s, k, b, ts: at })), first);
  }

  /** It is nobody's to read any more: what the log held goes, what is on its way stays. */
  empty() {
    this.epoch = this.#telling = null;
    this.#held.clear();
    for (const { m, s } of this.pending) if (s !== null) this.#pending.delete(m);
    this.#high = this.#low - 1;
    this.version += 1;
  }

  /** What is held belongs to a log that is no more; the next subscription begins afresh. */
  forget() {
    this.epoch = null;
  }

  /** What the server had of ours and has lost, once that is known; it is told once. @returns {Draft[]} */
  takeLost() {
    return this.#losses.take(this.#high);
  }

  /** Take an event in, whatever its number; says whether it was news and which numbers are missing before it. @param {Ev} event @returns {Received} */
  receive(event) {
    if (this.#held.has(event.s)) return { fresh: false, missing: null };
    this.#held.set(event.s, event);
    this.#settle(event);
    this.#stretch();
    this.version += 1;
    const isAhead = event.s > this.#high;
    return { fresh: true, missing: isAhead ? { from: this.#high + 1, to: event.s - 1 } : null };
  }

  /** Show a message of ours before the server has it. @param {Draft} draft */
  queue(draft) {
    if (isAmendment(draft)) this.#replaceFailed(draft.b.of);
    this.#pending.set(draft.m, { ...draft, s: null, reason: null });
    this.version += 1;
  }

  /** Show what an earlier page or another tab wrote, as far as it is not on this page in one way or the other. @param {Draft} draft @param {Reason | null} reason */
  keep(draft, reason) {
    const known = this.#pending.get(draft.m);
    const isShown = known ? known.s !== null || known.reason?.code === reason?.code : this.events.some(({ m }) => m === draft.m);
    if (isShown) return;
    this.#pending.set(draft.m, { ...known, ...draft, s: null, reason });
    this.version += 1;
  }

  /** The server has it, under this number. @param {Ack} ack */
  acknowledge({ m, s, ts }) {
    const draft = this.#pending.get(m);
    if (!draft) return;
    if (this.#held.has(s)) this.#pending.delete(m);
    else this.#pending.set(m, { ...draft, s, ts, reason: null });
    this.version += 1;
  }

  /** The server will not have it; it stays on the page with the reason. @param {string} m @param {Reason} reason */
  refuse(m, reason) {
    const draft = this.#pending.get(m);
    if (!draft) return;
    this.#pending.set(m, { ...draft, reason });
    this.version += 1;
  }

  /** Try a refused one again. @param {string} m @returns {Pending | undefined} */
  requeue(m) {
    const draft = this.#pending.get(m);
    if (!draft) return undefined;
    const again = { ...draft, reason: null };
    this.#pending.set(m, again);
    this.version += 1;
    return again;
  }

  /** Her words are taken back before anyone saw them. @param {string} m */
  withdraw(m) {
    if (this.#pending.delete(m)) this.version += 1;
  }

  /** A read or received mark; only ever grows. @param {State} state */
  mark(state) {
    if (this.#readers.mark(state)) this.version += 1;
  }

  /** How far this reader has read. */
  get readUpto() {
    return this.#readers.of(this.me.ref).read;
  }

  /** How far the server knows that it reached her. */
  get receivedUpto() {
    return this.#readers.of(this.me.ref).received;
  }

  /** Messages of the other side after a number. @param {number} [after] */
  unread(after = this.readUpto) {
    const known = fates(this.#held.values());
    const said = this.events.filter((event) => event.s > after && isSaid(event) && event.from.kind !== this.me.kind);
    return said.filter((event) => !isGone(standing(event.b, known.get(event.s)))).length;
  }

  /** The log, then what is on its way. @returns {Row[]} */
  rows() {
    const [read, received] = this.#readers.others(this.me.kind);
    const known = fates(this.#held.values());
    const told = this.events.filter((event) => !isAmendment(event)).map((event) => this.#told(event, read, received, known.get(event.s)));
    const meant = this.pending.filter((draft) => !isAmendment(draft)).map((draft) => this.#meant(draft));
    return [...this.#changed(told), ...meant];
  }

  /** The lines with what is on its way for them: a change shows at once, a failed one says so. @param {Row[]} rows @returns {Row[]} */
  #changed(rows) {
    const changes = new Map(this.pending.filter(isAmendment).map((draft) => [draft.b.of, draft]));
    if (!changes.size) return rows;
    return rows.map((row) => {
      const change = changes.get(row.s);
      return change && !isGone(row.b) ? changed(row, change) : row;
    });
  }

  /** @param {number} of */
  #replaceFailed(of) {
    for (const draft of this.#pending.values()) {
      if (isAmendment(draft) && draft.b.of === of && draft.reason) this.#pending.delete(draft.m);
    }
  }

  /** @param {Ev} event @param {number} read @param {number} received @param {Fate} [fate] @returns {Row} */
  #told(event, read, received, fate) {
    const own = this.#isMine(event.from);
    const delivery = event.s <= read ? 'read' : event.s <= received ? 'delivered' : 'sent';
    return {
      key: event.m ?? `s${event.s}`,
      s: event.s,
      m: event.m ?? null,
      k: event.k,
      b: standing(event.b, fate),
      ts: event.ts,
      from: event.from,
      own,
      ours: event.from.kind === this.me.kind,
      delivery: own && isSaid(event) ? delivery : null,
      reason: null,
    };
  }

  /** @param {Pending} draft @returns {Row} */
  #meant(draft) {
    return { ...draft, key: draft.m, from: this.me, own: true, ours: true, delivery: deliveryOf(draft) };
  }

  /** A shopper who proves who she is gets another ref; what she wrote before stays hers. @param {Who} from */
  #isMine(from) {
    return this.me.kind === 'shopper' ? from.kind === 'shopper' : from.ref === this.me.ref;
  }

  /** @param {Ev} event */
  #settle(event) {
    const { m, s } = event;
    this.#losses.seen(event);
    if (m) this.#pending.delete(m);
    for (const draft of this.#pending.values()) if (draft.s === s) this.#pending.delete(draft.m);
  }

  /** Another telling of the log: its marks mean nothing, and what was ours in the part that is told anew may be gone. @param {number} first */
  #doubt(first) {
    const known = fates(this.#held.values());
    const mine = [...this.#held.values()].filter((event) => this.#isMine(event.from));
    const taken = this.pending.filter((draft) => draft.s !== null);
    for (const { m } of taken) this.#pending.delete(m);
    this.#losses.doubt([...mine.map((event) => ({ ...event, b: standing(event.b, known.get(event.s)) })), ...taken].filter(isSaid), first);
    this.#readers.forget();
  }

  #stretch() {
    while (this.#held.has(this.#high + 1)) this.#high += 1;
    while (this.#held.has(this.#low - 1)) this.#low -= 1;
  }
}

/** @param {Pending} draft @returns {Delivery} */
const deliveryOf = ({ reason, s }) => (reason ? 'failed' : s === null ? 'waiting' : 'sent');

/** A line under its own unconfirmed change. What could not be taken back is still there. @param {Row} row @param {Pending} change @returns {Row} */
function changed(row, change) {
  const { m, k, b, ts, reason } = change;
  const after = k === 'revised' ? { text: b.text, revised: ts } : reason ? row.b : { retracted: true };
  return { ...row, b: after, m, reason, delivery: deliveryOf(change), changing: true };
}

/** Does somebody say something with it, or does it only happen? @param {{k: string}} event */
export const isSaid = ({ k }) => k === 'message' || k === 'media' || k === 'note';
