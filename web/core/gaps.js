// Holes in a log: each is asked for once; when that does not fill it, the line is begun anew from the last number held.

/** @import { ClientFrame } from './frames.js' */
/** @import { Thread } from './thread.js' */
/** @typedef {{say: (frame: ClientFrame) => boolean, reconnect: () => void, afresh: (conversation: string) => void}} Repair */
/** `tries` counts questions that did not help; a timer runs while one is out. @typedef {{from: number, to: number, tries: number, timer?: ReturnType<typeof setTimeout>}} Hole */

const ANSWER_MS = 5_000;
const MOST_TRIES = 2;

export class Gaps {
  /** How many holes this page has seen; the target is 0. */
  count = 0;
  /** @type {Map<string, Hole>} */
  #holes = new Map();

  /** @param {Repair} repair */
  constructor(repair) {
    this.repair = repair;
  }

  /** What follows the cursor is missing up to here. @param {Thread} thread @param {number} to */
  found(thread, to) {
    if (this.#isNew(thread, to)) this.count += 1;
    this.wanted(thread, to);
  }

  /** It is no hole yet, but it is asked for like one. @param {Thread} thread @param {number} to */
  wanted(thread, to) {
    const from = thread.cursor + 1;
    const known = this.#holes.get(thread.id);
    if (to < from || known?.timer) return;
    this.#ask(thread, known?.from === from ? { ...known, to } : { from, to, tries: 0 });
  }

  /** An answer has come: is the hole closed, smaller, or as it was? One that ends before it is about something else. @param {Thread} thread @param {number} [last] */
  answered(thread, last = Infinity) {
    const hole = this.#holes.get(thread.id);
    if (!hole?.timer || last < hole.from) return;
    clearTimeout(hole.timer);
    if (thread.cursor >= hole.to) this.#holes.delete(thread.id);
    else if (thread.cursor >= hole.from) this.#ask(thread, { ...hole, from: thread.cursor + 1 });
    else this.#fail(thread, hole);
  }

  /** @param {string} conversation */
  forget(conversation) {
    clearTimeout(this.#holes.get(conversation)?.timer);
    this.#holes.delete(conversation);
  }

  /** The line has ended, and every question with it; the next one begins behind the cursor anyway. */
  pause() {
    for (const hole of this.#holes.values()) {
      clearTimeout(hole.timer);
      delete hole.timer;
    }
  }

  /** @param {Thread} thread @param {number} to */
  #isNew(thread, to) {
    const known = this.#holes.get(thread.id);
    return to > thread.cursor && !known?.timer && known?.from !== thread.cursor + 1;
  }

  /** @param {Thread} thread @param {Hole} hole */
  #ask(thread, hole) {
    const timer = setTimeout(() => this.answered(thread), ANSWER_MS);
    this.#holes.set(thread.id, { ...hole, timer });
    this.repair.say({ t: 'get', c: thread.id, from: hole.from, to: hole.to });
  }

  /** @param {Thread} thread @param {Hole} hole */
  #fail(thread, { from, to, tries }) {
    this.#holes.set(thread.id, { from, to, tries: tries + 1 });
    if (tries + 1 < MOST_TRIES) return this.repair.reconnect();
    this.#holes.delete(thread.id);
    return this.repair.afresh(thread.id);
  }
}
