// What is missing is fetched: a conversation that was not to be had just now, what the server's beacon
// knows and this page lacks, a hole in a log, a log begun anew.
import { Gaps } from './gaps.js';

/** @import { ClientFrame, Err, Page, Tops } from './frames.js' */
/** @import { Thread } from './thread.js' */
/** @import { Watching } from './watching.js' */
/** @typedef {{watching: Watching, say: (frame: ClientFrame) => boolean, reconnect: () => void}} Means */

const LAG_MS = 3_000;
const AGAIN_MS = 1_000;
const PAGE = 50;

export class Healing {
  #gaps;
  /** What waits for its moment, while the line lives. @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  /** Whose older events were asked for. @type {Set<string>} */
  #asked = new Set();
  /** Which wait for their moment to be let in. @type {Set<string>} */
  #knocking = new Set();

  /** @param {Means} means */
  constructor({ watching, say, reconnect }) {
    this.watching = watching;
    this.say = say;
    this.#gaps = new Gaps({ say, reconnect, afresh: (conversation) => this.#afresh(conversation) });
  }

  /** Holes this page has seen in what it received; the target is 0. */
  get count() {
    return this.#gaps.count;
  }

  /** The server says how far each log reaches; what is still missing after a moment was lost on the way. @param {Tops} tops */
  compare(tops) {
    for (const [conversation, [epoch, last]] of Object.entries(tops)) {
      this.watching.opened(conversation);
      const thread = this.watching.thread(conversation);
      if (!thread || thread.epoch === null) continue;
      if (thread.epoch !== epoch) this.#afresh(conversation);
      else if (last > thread.cursor) this.#after(LAG_MS, () => this.fill(thread, last));
    }
  }

  /** What lies between the cursor and this number was lost on the way. @param {Thread} thread @param {number} last */
  fill(thread, last) {
    if (this.#holds(thread)) this.#gaps.found(thread, last);
  }

  /** What lies between the cursor and this number is wanted sooner than it would come. @param {Thread | undefined} thread @param {number} last */
  want(thread, last) {
    if (thread && this.#holds(thread)) this.#gaps.wanted(thread, last);
  }

  /** Ask for what was before; says whether there is anybody to ask. @param {Thread} thread */
  earlier(thread) {
    const isAsked = this.say({ t: 'get', c: thread.id, before: thread.first, limit: PAGE });
    if (isAsked) this.#asked.add(thread.id);
    return isAsked;
  }

  /** A page of a log has come. @param {Page} page */
  paged({ c, last }) {
    this.#asked.delete(c);
    const thread = this.watching.thread(c);
    if (thread) this.#gaps.answered(thread, last);
  }

  /** Something about a conversation was refused; says whether it was older events. @param {Err} refusal */
  refused({ c = '', retry, retry_ms: wait = AGAIN_MS }) {
    if (retry !== 'no' && this.watching.isShut(c)) this.#knockAgain(c, wait);
    return this.#asked.delete(c);
  }

  /** The line has ended, and with it whatever was asked. */
  pause() {
    this.#gaps.pause();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#asked.clear();
    this.#knocking.clear();
  }

  /** @param {string} conversation */
  forget(conversation) {
    this.#gaps.forget(conversation);
    this.#asked.delete(conversation);
  }

  /** @param {string} conversation @param {number} wait ms */
  #knockAgain(conversation, wait) {
    if (this.#knocking.has(conversation)) return;
    this.#knocking.add(conversation);
    this.#after(wait, () => {
      this.#knocking.delete(conversation);
      if (this.watching.isShut(conversation)) this.watching.sub(conversation);
    });
  }

  /** @param {number} ms @param {() => void} act */
  #after(ms, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  /** @param {Thread} thread */
  #holds(thread) {
    return thread.epoch !== null && thread === this.watching.thread(thread.id);
  }

  /** What is held of it cannot be continued: begin at the newest. @param {string} conversation */
  #afresh(conversation) {
    this.watching.thread(conversation)?.forget();
    this.watching.sub(conversation);
  }
}
