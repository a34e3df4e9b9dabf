// What a log that was put back to an earlier time may have lost of ours: noticed while a page still has it.
//
// Danger. The server had a message and said so, its copy is out of the outbox, and then a back-up from before it was put
// back: nobody would ever know. Principle. When the log is another telling, what was ours in the part of it that is told
// anew is doubted until that part is here; what then is not in it was lost. Pure.
import { isGone } from './amendments.js';

/** @import { Body } from './frames.js' */
/** @import { Draft } from './thread.js' */
/** What was said, and where it stood in the log before. @typedef {{m?: string, s: number | null, k: string, b: Body, ts: number, preview?: string}} Said */
/** @typedef {Draft & {s: number}} Doubted */

export class Losses {
  /** @type {Map<string, Doubted>} */
  #doubted = new Map();
  /** How far the new telling must be here before anything can be said. */
  #upto = 0;

  /** What is told anew from here may lack some of this. @param {Said[]} said @param {number} first */
  doubt(said, first) {
    for (const { m, s, k, b, ts, preview } of said) {
      if (!m || s === null || s < first || isGone(b) || b.unavailable) continue;
      const { revised: _, ...body } = b;
      this.#doubted.set(m, { m, s, k, b: body, ts, preview });
    }
  }

  /** The new telling goes up to here. @param {number} last */
  judge(last) {
    this.#upto = last;
  }

  /** It is told again, under its id, or in the same place with its content taken away. @param {{m?: string, s: number, ts: number}} event */
  seen(event) {
    for (const { m, s, ts } of this.#doubted.values()) {
      if (m === event.m || (s === event.s && ts === event.ts)) this.#doubted.delete(m);
    }
  }

  /** What was lost, once. @param {number} cursor how far the new telling is here @returns {Draft[]} */
  take(cursor) {
    if (!this.#doubted.size || cursor < this.#upto) return [];
    const lost = [...this.#doubted.values()];
    this.#doubted.clear();
    return lost.map(({ s: _, ...draft }) => draft);
  }
}
