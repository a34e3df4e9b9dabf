// How far this reader has come, and that she is writing: told seldom, and never backwards.
import { steady } from './steady.js';

/** @import { ClientFrame } from './frames.js' */

const MARK_MS = 1_000;
const TYPING_MS = 3_000;

export class Marks {
  /** Marks that wait for their second: `read <conversation>` -> number. @type {Map<string, number>} */
  #waiting = new Map();
  /** @type {Map<string, number>} */
  #told = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Map<string, number>} */
  #typed = new Map();

  /** @param {(frame: ClientFrame) => boolean} say */
  constructor(say) {
    this.say = say;
  }

  /** @param {'read' | 'rcvd'} what @param {string} conversation @param {number} upto */
  reach(what, conversation, upto) {
    const name = `${what} ${conversation}`;
    if (upto <= (this.#told.get(name) ?? 0) || upto <= (this.#waiting.get(name) ?? 0)) return;
    this.#waiting.set(name, upto);
    this.#timer ??= setTimeout(() => this.tell(), MARK_MS);
  }

  /** What waits goes out, as far as there is a line. */
  tell() {
    this.#timer = undefined;
    for (const [name, upto] of this.#waiting) {
      const [what, c] = name.split(' ');
      if (!this.say({ t: String(what), c, upto })) continue;
      this.#waiting.delete(name);
      this.#told.set(name, upto);
    }
  }

  /** @param {string} conversation */
  typing(conversation) {
    const now = steady();
    if (now - (this.#typed.get(conversation) ?? -TYPING_MS) < TYPING_MS) return;
    if (this.say({ t: 'typing', c: conversation })) this.#typed.set(conversation, now);
  }
}
