// Half-written words, by place: a conversation, and at the desk also reply or note. Sealed like the outbox, written while
// she writes, gone when they are sent. Two tabs do not fight: the last who wrote is right.

/** @import { Shelf } from './shelf.js' */
/** `again`: the words changed while they were being written. @typedef {{again: boolean, after: Promise<unknown> | undefined, done: Promise<void>}} Writing */

/** Tells 'draft' {place} when another tab wrote. */
export class Drafts extends EventTarget {
  /** @type {Map<string, string>} */
  #words = new Map();
  /** @type {Shelf | null} */
  #shelf = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** One write at a time for each place, and the last words win. @type {Map<string, Writing>} */
  #writing = new Map();

  /** @param {Shelf | null} shelf @param {{Channel?: typeof BroadcastChannel}} [means] @returns {Promise<Drafts>} */
  static async open(shelf, { Channel = globalThis.BroadcastChannel } = {}) {
    const drafts = new Drafts();
    if (!shelf) return drafts;
    drafts.#shelf = shelf;
    if (Channel) {
      drafts.#channel = new Channel(`aftercare drafts ${shelf.scope}`);
      drafts.#channel.onmessage = ({ data }) => void drafts.#reload(String(data));
    }
    await drafts.#reload().catch(() => undefined);
    return drafts;
  }

  /** @param {string} place */
  get(place) {
    return this.#words.get(place) ?? '';
  }

  /** Remembered now, on disk soon; what was sent is taken off the disk only when `after` says that it is kept elsewhere. @param {string} place @param {string} text @param {Promise<unknown>} [after] */
  keep(place, text, after) {
    if (!place || text === this.get(place)) return;
    if (text) this.#words.set(place, text);
    else this.#words.delete(place);
    const writing = this.#writing.get(place);
    if (writing) Object.assign(writing, { again: true, after: after ?? writing.after });
    else if (this.#shelf) this.#write(place, this.#shelf, after);
  }

  /** The conversation is no longer hers to read: nothing about it stays. @param {string} conversation */
  forget(conversation) {
    for (const place of this.#words.keys()) if (place.split(' ')[0] === conversation) this.keep(place, '');
  }

  /** Who she is has changed: everything goes on in her new drafts. @param {Drafts} next */
  async moveTo(next) {
    for (const [place, text] of this.#words) {
      if (!next.get(place)) next.keep(place, text);
      await next.#writing.get(place)?.done;
      this.keep(place, '');
      await this.#writing.get(place)?.done;
    }
    this.#channel?.close();
  }

  /** @param {string} place @param {Shelf} shelf @param {Promise<unknown> | undefined} after */
  #write(place, shelf, after) {
    const writing = { again: true, after, done: Promise.resolve() };
    this.#writing.set(place, writing);
    writing.done = this.#until(writing, place, shelf).finally(() => this.#writing.delete(place));
  }

  /** @param {Writing} writing @param {string} place @param {Shelf} shelf */
  async #until(writing, place, shelf) {
    while (writing.again) {
      writing.again = false;
      await writing.after?.catch(() => undefined);
      const text = this.get(place);
      const written = text ? shelf.put('draft', place, { text }) : shelf.remove('draft', place);
      await written.catch(() => undefined); // the disk is full: they live as long as the page
    }
    this.#channel?.postMessage(place);
  }

  /** @param {string} [changed] the place another tab wrote to */
  async #reload(changed) {
    const kept = await this.#shelf?.all('draft');
    if (!kept) return;
    for (const [place, { value }] of kept) if (!this.#writing.has(place)) this.#words.set(place, value.text);
    if (changed === undefined || this.#writing.has(changed)) return;
    if (!kept.has(changed)) this.#words.delete(changed);
    this.dispatchEvent(new CustomEvent('draft', { detail: { place: changed } }));
  }
}
