// How far this reader has come, and that she is writing: told seldom, and never backwards.
//
// What was told on a line that died may not have arrived. So each line is told anew, once it has let us into the
// conversation, of whatever the server does not already show as ours.
import { steady } from './steady.js';

/** @import { ClientFrame } from './frames.js' */
/** @typedef {'read' | 'rcvd'} What */
/** `known`: how far the server says we have come; null while it has not let us in. @typedef {{say: (frame: ClientFrame) => boolean, known: (what: What, conversation: string) => number | null}} Teller */

const MARK_MS = 1_000;
const TYPING_MS = 3_000;

export class Marks {
  /** How far she has come: conversation -> `read` -> number. @type {Map<string, Map<What, number>>} */
  #reached = new Map();
  /** What of it went over this line. @type {Map<string, Map<What, number>>} */
  #told = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {Map<string, number>} */
  #typed = new Map();

  /** @param {Teller} teller */
  constructor(teller) {
    this.teller = teller;
  }

  /** @param {What} what @param {string} conversation @param {number} upto */
  reach(what, conversation, upto) {
    if (upto <= at(this.#reached, conversation, what)) return;
    put(this.#reached, conversation, what, upto);
    this.tell();
  }

  /** What the server does not know yet goes out in a moment. */
  tell() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const conversation of this.#reached.keys()) this.#tell(conversation);
    }, MARK_MS);
  }

  /** The line is new, nothing has been told on it. */
  begin() {
    this.#told.clear();
    this.tell();
  }

  /** Something about a conversation was refused; it may have been a mark. @param {string} conversation */
  again(conversation) {
    if (this.#told.delete(conversation)) this.tell();
  }

  /** She turns to something else: what waits goes out now, or never. @param {string} conversation */
  leave(conversation) {
    this.#tell(conversation);
    this.forget(conversation);
  }

  /** Its numbers mean nothing any more. @param {string} conversation */
  forget(conversation) {
    this.#reached.delete(conversation);
    this.#told.delete(conversation);
  }

  /** @param {string} conversation */
  typing(conversation) {
    const now = steady();
    if (now - (this.#typed.get(conversation) ?? -TYPING_MS) < TYPING_MS) return;
    if (this.teller.say({ t: 'typing', c: conversation })) this.#typed.set(conversation, now);
  }

  /** @param {string} conversation */
  #tell(conversation) {
    for (const [what, upto] of this.#reached.get(conversation) ?? []) {
      const known = this.teller.known(what, conversation);
      if (known === null || upto <= Math.max(known, at(this.#told, conversation, what))) continue;
      if (this.teller.say({ t: what, c: conversation, upto })) put(this.#told, conversation, what, upto);
    }
  }
}

/** @param {Map<string, Map<What, number>>} marks @param {string} conversation @param {What} what */
const at = (marks, conversation, what) => marks.get(conversation)?.get(what) ?? 0;

/** @param {Map<string, Map<What, number>>} marks @param {string} conversation @param {What} what @param {number} upto */
function put(marks, conversation, what, upto) {
  marks.set(conversation, new Map(marks.get(conversation)).set(what, upto));
}
