// The other way to the server, where sockets do not get through: one question that waits for an answer, and one for what we say.
//
// Delivery is a pull by cursor, so nothing is lost between two questions: each tells where this page stands. What we say goes
// out in order, one request at a time; when one fails the whole line has failed, and the outbox begins anew on the next.
import { Refused } from './calls.js';
import { BROKEN } from './socket.js';

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** @import { Ends, Way } from './socket.js' */
/** @typedef {(path: string, body: unknown, options?: {signal?: AbortSignal, limit?: number}) => Promise<ServerFrame[]>} Post */

const WAIT_MS = 20_000;
const LIMIT_MS = 40_000;
/** Between two questions, so that a busy conversation is not one request for every message. */
const PAUSE_MS = 100;
const BATCH = 64;
const DURABLE = new Set(['send', 'read', 'rcvd', 'typing', 'get']);

export class Poll {
  #isOver = false;
  /** @type {AbortController | null} */
  #question = null;
  #wait = 0;
  /** @type {ClientFrame[]} */
  #unsaid = [];
  #isSaying = false;

  /** @param {Ends} ends @param {{hello: () => ClientFrame, post: Post}} setup */
  constructor(ends, { hello, post }) {
    this.ends = ends;
    this.hello = hello;
    this.post = post;
    this.path = hello().as === 'staff' ? '/chat/send?as=staff' : '/chat/send';
    void this.#ask();
  }

  /** @param {ClientFrame} frame */
  say(frame) {
    if (!DURABLE.has(frame.t)) return this.probe(); // who follows what is said with every question
    this.#unsaid.push(frame);
    if (!this.#isSaying) void this.#say();
  }

  /** Ask anew, and be answered at once. */
  probe() {
    this.#wait = 0;
    this.#question?.abort();
  }

  close() {
    this.#isOver = true;
    this.#question?.abort();
  }

  async #ask() {
    while (!this.#isOver) {
      this.#question = new AbortController();
      const { signal } = this.#question;
      const wait = this.#wait;
      this.#wait = WAIT_MS;
      try {
        this.#hear(await this.post('/chat/poll', { ...standing(this.hello()), wait_ms: wait }, { signal, limit: LIMIT_MS }));
      } catch (error) {
        if (!signal.aborted) this.#end(error);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #say() {
    this.#isSaying = true;
    try {
      while (this.#unsaid.length && !this.#isOver) this.#hear(await this.post(this.path, this.#unsaid.splice(0, BATCH)));
    } catch (error) {
      this.#end(error);
    } finally {
      this.#isSaying = false;
    }
  }

  /** @param {ServerFrame[]} frames */
  #hear(frames) {
    if (!this.#isOver) this.ends.heard(frames);
  }

  /** @param {unknown} error */
  #end(error) {
    if (this.#isOver) return;
    this.close();
    this.ends.closed(code(error));
  }
}

/** @param {Ends} ends @param {{hello: () => ClientFrame, post: Post}} setup @returns {Way} */
export const poll = (ends, setup) => new Poll(ends, setup);

/** Who asks, and where this page stands; the token travels in a header. @param {ClientFrame} hello */
const standing = ({ as, subs }) => ({ as, subs });

/** @type {Record<number, number>} */
const CODES = { 401: 4401, 403: 4403, 429: 4429, 503: 1013 };

/** A refusal over HTTP, as the close code that a socket would have ended with. @param {unknown} error */
const code = (error) => (error instanceof Refused ? (CODES[error.status] ?? BROKEN) : BROKEN);
