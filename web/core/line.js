// The line to the server: which way it takes, its heartbeat, and how long to wait before the next try. Knows no conversation.
//
// The way is a socket. Where two sockets in a row do not get as far as a welcome the line asks by HTTP instead, and tries a
// socket again after a while: proxies that swallow sockets are a property of the place, and people move.
import { poll } from './poll.js';
import { BROKEN, opens, socket } from './socket.js';
import { steady } from './steady.js';

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** @import { Post } from './poll.js' */
/** @import { Ends as WayEnds, MakeSocket, Way } from './socket.js' */
/** @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'stopped'} Phase */
/** `retryAt` is set while waiting, by the steady clock; `code` is the close code that stopped it. @typedef {{phase: Phase, retryAt: number | null, code: number | null}} Connection */
/**
 * `begun`: what a new line said first has been taken, from now on it may be spoken on.
 * @typedef {{url: string, post: Post, hello: () => ClientFrame, frames: (frames: ServerFrame[]) => void, begun: () => void,
 *   changed: (now: Connection) => void, makeSocket?: MakeSocket, random?: () => number}} Ends
 */

const SHORTEST_MS = 500;
const LONGEST_MS = 30_000;
const STABLE_MS = 60_000;
/** For so long the answer to a question may take; a tab out of sight looks once a minute, so silence alone proves nothing. */
const ANSWER_MS = 15_000;
/** Between two looks at the line, where nobody slows the timers down. */
const LOOK_MS = 5_000;
const GREETING_MS = 10_000;
const PROBE_MS = 4_000;
const PATIENT_MS = 30_000;
const OVERLOADED_MS = 5_000;
const OVERLOADED = 1013;
const ABUSE = 4429;
const MOST_FAILURES = 2;
const BY_POLL_MS = 5 * 60_000;
/** Codes after which the same try would end the same way. 4408 (too slow to say hello) and 4429 (too much) pass. */
const stops = (/** @type {number} */ code) => code === 1003 || code === 1009 || (code >= 4400 && code < 4500 && code !== 4408 && code !== ABUSE);

export class Line {
  /** @type {Connection} */
  connection = { phase: 'idle', retryAt: null, code: null };

  /** @type {Way | null} */
  #way = null;
  #isPolling = false;
  /** Sockets in a row that broke before a welcome. */
  #failures = 0;
  /** Until then sockets are not worth trying here. */
  #pollUntil = 0;
  #tries = 0;
  #heard = 0;
  /** When the question was put that nothing was heard after. @type {number | null} */
  #asked = null;
  #beat = 25_000;
  /** @type {number | null} */
  #promised = null;
  /** @type {Record<'retry' | 'watch' | 'stable' | 'greeting' | 'probe' | 'trial', ReturnType<typeof setTimeout> | undefined>} */
  #timers = { retry: undefined, watch: undefined, stable: undefined, greeting: undefined, probe: undefined, trial: undefined };

  /** @param {Ends} ends */
  constructor(ends) {
    this.ends = ends;
  }

  /** Is it by poll that we speak? */
  get isPolling() {
    return this.isOpen && this.#isPolling;
  }

  get isOpen() {
    return this.connection.phase === 'open';
  }

  /** Connect now, without waiting for the next try. */
  connect() {
    if (this.#way) return;
    this.#go(steady() < this.#pollUntil);
  }

  /** Let go until `connect` is called. */
  stop() {
    const way = this.#quiet();
    this.#change({ phase: 'idle', retryAt: null, code: null });
    way?.close();
  }

  /** Begin a new line at once: what came over this one cannot be right. */
  again() {
    if (this.#way) this.#abandon(this.#way);
  }

  /** The person is back, or the network is: go on at once, or find out at once that the line is dead. */
  wake() {
    if (this.connection.phase === 'waiting') this.connect();
    else if (this.isOpen) this.#probe();
  }

  /** Goes out only while the line is open; says whether it did. @param {ClientFrame} frame */
  say(frame) {
    if (!this.isOpen || !this.#way) return false;
    this.#way.say(frame);
    return true;
  }

  /** @param {boolean} byPoll */
  #go(byPoll) {
    clearTimeout(this.#timers.retry);
    this.#isPolling = byPoll;
    if (this.connection.phase !== 'connecting') this.#change({ phase: 'connecting', retryAt: null, code: null });
    /** @type {Way | null} */
    let way = null;
    /** @type {WayEnds} */
    const ends = { heard: (frames) => way === this.#way && this.#receive(frames), closed: (code) => way !== null && this.#closed(way, code) };
    way = byPoll ? poll(ends, this.ends) : socket(ends, this.ends);
    this.#way = way;
    this.#hear();
    this.#timers.greeting = setTimeout(() => way && this.#abandon(way), GREETING_MS);
    this.#watch(way);
  }

  /** @param {ServerFrame[]} frames */
  #receive(frames) {
    const wasOpen = this.isOpen;
    this.#hear();
    for (const frame of frames) this.#note(frame);
    if (this.#isPolling && !this.isOpen) this.#opened();
    this.ends.frames(frames);
    if (!wasOpen && this.isOpen) this.ends.begun();
  }

  /** @param {ServerFrame} frame */
  #note(frame) {
    if (frame.t === 'welcome') {
      this.#beat = frame.hb * 1000;
      if (!this.isOpen) this.#opened();
    }
    if (frame.t === 'bye') this.#promised = frame.in_ms;
  }

  #opened() {
    clearTimeout(this.#timers.greeting);
    this.#timers.stable = setTimeout(() => (this.#tries = 0), STABLE_MS);
    if (this.#isPolling) this.#staysByPoll();
    else this.#failures = 0;
    this.#change({ phase: 'open', retryAt: null, code: null });
  }

  /** Sockets do not get through here; look again later. */
  #staysByPoll() {
    if (steady() >= this.#pollUntil) this.#pollUntil = steady() + BY_POLL_MS;
    this.#timers.trial = setTimeout(() => void this.#tryOut(), this.#pollUntil - steady());
  }

  async #tryOut() {
    const way = this.#way;
    const isBetter = await opens(this.ends.url, this.ends.makeSocket);
    if (way !== this.#way || !this.isOpen) return;
    if (!isBetter) return this.#staysByPoll();
    this.#failures = 0;
    this.#quiet()?.close();
    this.#go(false);
  }

  /** @param {Way} way @param {number} code */
  #closed(way, code) {
    if (way !== this.#way) return;
    const wasOpen = this.isOpen;
    this.#quiet();
    if (stops(code)) return this.#change({ phase: 'stopped', retryAt: null, code });
    if (!wasOpen && !this.#isPolling && code === BROKEN) {
      this.#failures += 1;
      if (this.#failures >= MOST_FAILURES) return this.#go(true);
    }
    if (!wasOpen && this.#isPolling) this.#pollUntil = 0;
    return this.#wait(code);
  }

  /** What is due at once needs no timer: out of sight even the shortest takes a minute. @param {number} code */
  #wait(code) {
    const wait = this.#pause(code);
    if (wait > 0) this.#timers.retry = setTimeout(() => this.connect(), wait);
    this.#change({ phase: 'waiting', retryAt: steady() + wait, code });
    if (wait <= 0 && this.connection.phase === 'waiting') this.connect();
  }

  /** At once the first time, then anywhere up to a doubling limit, so that a thousand pages do not come back together. @param {number} code */
  #pause(code) {
    const promised = this.#promised;
    this.#promised = null;
    if (promised !== null) return promised;
    if (code === ABUSE) return PATIENT_MS;
    this.#tries += 1;
    const least = code === OVERLOADED ? OVERLOADED_MS : this.#tries === 1 ? 0 : SHORTEST_MS;
    const limit = Math.max(2 * least, this.#tries === 1 ? 0 : Math.min(LONGEST_MS, SHORTEST_MS * 2 ** (this.#tries - 1)));
    return least + (this.ends.random ?? Math.random)() * (limit - least);
  }

  /** Asks for a sign of life when nothing was heard for a beat, and gives up on a line that does not answer. @param {Way} way */
  #watch(way) {
    const now = steady();
    if (this.#asked !== null && now - this.#asked >= ANSWER_MS) return this.#abandon(way);
    if (this.#asked === null && this.isOpen && now - this.#heard >= this.#beat) this.#ask(way);
    this.#timers.watch = setTimeout(() => this.#watch(way), LOOK_MS);
    return undefined;
  }

  /** After a sleep the line may be dead without anybody having said so. */
  #probe() {
    const way = this.#way;
    if (!way) return;
    this.#ask(way);
    clearTimeout(this.#timers.probe);
    this.#timers.probe = setTimeout(() => this.#asked !== null && this.#abandon(way), PROBE_MS);
  }

  /** @param {Way} way */
  #ask(way) {
    this.#asked ??= steady();
    way.probe();
  }

  /** The other side lives. */
  #hear() {
    this.#heard = steady();
    this.#asked = null;
  }

  /** A dead peer never answers the close either, so the way is left behind rather than waited for. @param {Way} way */
  #abandon(way) {
    if (way !== this.#way) return;
    this.#closed(way, BROKEN);
    way.close();
  }

  /** @returns {Way | null} the way that was let go */
  #quiet() {
    const way = this.#way;
    this.#way = null;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    return way;
  }

  /** @param {Connection} connection */
  #change(connection) {
    this.connection = connection;
    this.ends.changed(connection);
  }
}
