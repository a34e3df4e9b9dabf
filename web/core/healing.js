// What is missing is fetched: what the server's beacon knows and this page lacks, a hole in a log, a log begun anew.
import { Gaps } from './gaps.js';

/** @import { ClientFrame, Tops } from './frames.js' */
/** @import { Thread } from './thread.js' */
/** @import { Watching } from './watching.js' */
/** @typedef {{watching: Watching, say: (frame: ClientFrame) => boolean, reconnect: () => void}} Means */

const LAG_MS = 3_000;

export class Healing {
  #gaps;

  /** @param {Means} means */
  constructor({ watching, say, reconnect }) {
    this.watching = watching;
    this.#gaps = new Gaps({ say, reconnect, afresh: (conversation) => this.#afresh(conversation) });
  }

  /** Holes this page has seen in what it received; the target is 0. */
  get count() {
    return this.#gaps.count;
  }

  /** The server says how far each log reaches; what is still missing after a moment was lost on the way. @param {Tops} tops */
  compare(tops) {
    for (const [conversation, [epoch, last]] of Object.entries(tops)) {
      const thread = this.watching.thread(conversation);
      if (!thread || thread.epoch === null) continue;
      if (thread.epoch !== epoch) this.#afresh(conversation);
      else if (last > thread.cursor) setTimeout(() => this.fill(thread, last), LAG_MS);
    }
  }

  /** What lies between the cursor and this number is wanted. @param {Thread | undefined} thread @param {number} last */
  fill(thread, last) {
    if (thread && thread.epoch !== null && thread === this.watching.thread(thread.id)) this.#gaps.found(thread, last);
  }

  /** A page of a log has come. @param {Thread} thread */
  answered(thread) {
    this.#gaps.answered(thread);
  }

  /** The line has ended. */
  pause() {
    this.#gaps.pause();
  }

  /** @param {string} conversation */
  forget(conversation) {
    this.#gaps.forget(conversation);
  }

  /** What is held of it cannot be continued: begin at the newest. @param {string} conversation */
  #afresh(conversation) {
    this.watching.thread(conversation)?.forget();
    this.watching.sub(conversation);
  }
}
