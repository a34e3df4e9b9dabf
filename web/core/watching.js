// Which conversations this tab follows, and from where each goes on.
import { Thread } from './thread.js';

/** @import { ClientFrame, Cursor, Who } from './frames.js' */
/** @import { What } from './marks.js' */
/** `isOpen`: the server lets us follow it on this line. @typedef {{thread: Thread, purpose?: string, isOpen: boolean}} Watched */

export class Watching {
  /** @type {Map<string, Watched>} */
  #watched = new Map();
  #me;

  /** @param {Who} me @param {(frame: ClientFrame) => boolean} say */
  constructor(me, say) {
    this.#me = me;
    this.say = say;
  }

  /** Who reads. */
  get me() {
    return this.#me;
  }

  set me(me) {
    this.#me = me;
    for (const thread of this.threads()) thread.me = me;
  }

  /** @param {string} conversation @returns {Thread | undefined} */
  thread(conversation) {
    return this.#watched.get(conversation)?.thread;
  }

  /** @returns {Thread[]} */
  threads() {
    return [...this.#watched.values()].map(({ thread }) => thread);
  }

  /** Follow one that is not followed yet. @param {string} conversation @param {string} [purpose] @returns {Thread} */
  follow(conversation, purpose) {
    const thread = new Thread(conversation, this.#me);
    this.#watched.set(conversation, { thread, purpose, isOpen: false });
    this.sub(conversation);
    return thread;
  }

  /** @param {string} conversation */
  leave(conversation) {
    if (this.forget(conversation)) this.say({ t: 'unsub', c: conversation });
  }

  /** There is no such conversation for us any more. @param {string} conversation */
  forget(conversation) {
    return this.#watched.delete(conversation);
  }

  /** The server has let us in. @param {string} conversation */
  opened(conversation) {
    const watched = this.#watched.get(conversation);
    if (watched) watched.isOpen = true;
  }

  /** The line has ended: on the next one each must be let in anew. */
  pause() {
    for (const watched of this.#watched.values()) watched.isOpen = false;
  }

  /** Do we follow it, and are not let in? @param {string} conversation */
  isShut(conversation) {
    const watched = this.#watched.get(conversation);
    return watched !== undefined && (!watched.isOpen || watched.thread.epoch === null);
  }

  /** How far the server says we have come in it; null while it has not let us in. @param {What} what @param {string} conversation */
  mark(what, conversation) {
    const thread = this.thread(conversation);
    if (!thread || this.isShut(conversation)) return null;
    return what === 'read' ? thread.readUpto : thread.receivedUpto;
  }

  /** Ask for a conversation from where we stand in it. @param {string} conversation */
  sub(conversation) {
    const watched = this.#watched.get(conversation);
    if (watched) watched.isOpen = false;
    this.say({ t: 'sub', c: conversation, ...this.#cursor(conversation) });
  }

  /** What a new line begins with. @returns {Record<string, Cursor>} */
  subs() {
    return Object.fromEntries([...this.#watched.keys()].map((conversation) => [conversation, this.#cursor(conversation)]));
  }

  /** @param {string} conversation @returns {Cursor} */
  #cursor(conversation) {
    const watched = this.#watched.get(conversation);
    if (!watched) return {};
    const { thread, purpose } = watched;
    const from = thread.epoch === null ? {} : { cur: thread.cursor, ep: thread.epoch, ...(thread.marks ? { marks: thread.marks } : {}) };
    return { ...from, ...(purpose ? { purpose } : {}) };
  }
}
