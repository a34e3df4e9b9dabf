// How far each reader of a conversation has come, as the server tells it; a mark only ever grows. Pure.

/** @import { State } from './frames.js' */
/** @typedef {{kind: string, read: number, received: number}} Mark */

export class Readers {
  /** @type {Map<string, Mark>} */
  #marks = new Map();

  /** Take in a state; says whether it was a mark. @param {State} state */
  mark({ what, data }) {
    if (what !== 'read' && what !== 'received') return false;
    const { ref, kind, upto } = /** @type {{ref: string, kind: string, upto: number}} */ (data);
    const known = this.#marks.get(ref) ?? { kind, read: 0, received: 0 };
    this.#marks.set(ref, { ...known, kind, [what]: Math.max(known[what], upto) });
    return true;
  }

  /** @param {string} ref */
  of(ref) {
    return this.#marks.get(ref) ?? { read: 0, received: 0 };
  }

  /** How far the other side has read and received: the furthest of them. @param {string} kind this side @returns {[read: number, received: number]} */
  others(kind) {
    const others = [...this.#marks.values()].filter((mark) => mark.kind !== kind);
    const read = Math.max(0, ...others.map((mark) => mark.read));
    return [read, Math.max(read, ...others.map((mark) => mark.received))];
  }

  /** The log is another: their numbers mean nothing in it. */
  forget() {
    this.#marks.clear();
  }
}
