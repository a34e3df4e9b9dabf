// The other way to the server, where sockets do not get through: one question that waits for an answer, and one for what we say.
//
// Delivery is a pull by cursor, so nothing is lost between two questions: each tells where this page stands. What we say goes
// out in order, one request at a time; when one fails the whole line has failed, and the outbox begins anew on the next.
import { Refused } from './calls.js';
import { BROKEN } from './socket.js';
import { steady } from './steady.js';

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** @import { Ends, Way } from './socket.js' */
/** @typedef {(path: string, body: unknown, options?: {signal?: AbortSignal, limit?: number}) => Promise<ServerFrame[]>} Post */

const WAIT_MS = 20_000;
const LIMIT_MS = 40_000;
/** Between the beginnings of two questions, so that a busy conversation is not one request for every message. */
const PAUSE_MS = 100;
const BATCH = 64;
/** The server reads 64 KiB at most. */
const BATCH_BYTES = 48_000;
const RESTARTING = 1012;
const DURABLE = new Set(['send', 'read', 'rcvd', 'typing', 'get']);

export class Poll {
  #isOver = false;
  /** @type {AbortController | null} */
  #question = null;
  #wait = 0;
  #goOn = () => {};
  /** @type {ClientFrame[]} */
  #unsaid = [];
  #isSaying = false;

  /** @param {Ends} ends @param {{hello: () => ClientFrame, post: Post}} setup */
  constructor(ends, { hello, post }) {
    this.ends = ends;
    this.hello = hello;
    this.post = post;
    this.path = hello().as === 'staff' ? '/chat/send?as=staff' : '/chat/send';
    void this.#askOn();
  }

  /** @param {ClientFrame} frame */
  say(frame) {
    if (!DURABLE.has(frame.t)) return this.probe(); // who follows what is said with every question
    this.#unsaid.push(frame);
    if (!this.#isSaying) void this.#say();
  }

  /** Ask anew, and be answered at once; a welcome comes along, for the clock may have been set. */
  probe() {
    this.#wait = 0;
    this.#question?.abort();
    this.#goOn();
  }

  close() {
    this.#isOver = true;
    this.#question?.abort();
    this.#goOn();
  }

  async #askOn() {
    while (!this.#isOver) {
      const begun = steady();
      const refused = await this.#ask();
      await this.#rest(Math.max(PAUSE_MS - (steady() - begun), refused));
    }
  }

  /** @returns {Promise<number>} for how long the server would rather not be asked, in ms */
  async #ask() {
    this.#question = new AbortController();
    const { signal } = this.#question;
    const wait = this.#wait;
    this.#wait = WAIT_MS;
    try {
      const asked = { ...standing(this.hello()), wait_ms: wait, greet: wait === 0 };
      const frames = await this.post('/chat/poll', asked, { signal, limit: LIMIT_MS });
      this.#hear(frames);
      return Math.max(0, ...frames.map(laterBy));
    } catch (error) {
      if (!signal.aborted) this.#end(codeOf(error));
      return 0;
    }
  }

  /** Out of sight a timer may take a minute, so there is none where there need not be. @param {number} ms */
  async #rest(ms) {
    if (ms <= 0 || this.#isOver || this.#wait === 0) return;
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#goOn = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  async #say() {
    this.#isSaying = true;
    try {
      while (this.#unsaid.length && !this.#isOver) this.#hear(await this.post(this.path, this.#batch()));
    } catch (error) {
      this.#end(codeOf(error));
    } finally {
      this.#isSaying = false;
    }
  }

  /** As much as goes into one request, and something at least. */
  #batch() {
    let bytes = 0;
    const over = this.#unsaid.findIndex((frame, place) => (bytes += bytesOf(frame)) > BATCH_BYTES && place > 0);
    return this.#unsaid.splice(0, over === -1 ? BATCH : Math.min(over, BATCH));
  }

  /** A server that says good-bye answers nobody any more. @param {ServerFrame[]} frames */
  #hear(frames) {
    if (this.#isOver) return;
    this.ends.heard(frames);
    if (frames.some(({ t }) => t === 'bye')) this.#end(RESTARTING);
  }

  /** @param {number} code */
  #end(code) {
    if (this.#isOver) return;
    this.close();
    this.ends.closed(code);
  }
}

/** @param {Ends} ends @param {{hello: () => ClientFrame, post: Post}} setup @returns {Way} */
export const poll = (ends, setup) => new Poll(ends, setup);

/** Who asks, and where this page stands; the token travels in a header. @param {ClientFrame} hello */
const standing = ({ as, subs }) => ({ as, subs });

/** A conversation that could not be opened would be refused at once again. @param {ServerFrame} frame */
const laterBy = (frame) => (frame.t === 'err' && !frame.m ? (frame.retry_ms ?? 0) : 0);

/** @param {ClientFrame} frame */
const bytesOf = (frame) => new TextEncoder().encode(JSON.stringify(frame)).length + 1;

/** @type {Record<number, number>} */
const CODES = { 401: 4401, 403: 4403, 429: 4429, 503: 1013 };

/** A refusal over HTTP, as the close code that a socket would have ended with. @param {unknown} error */
const codeOf = (error) => (error instanceof Refused ? (CODES[error.status] ?? BROKEN) : BROKEN);
