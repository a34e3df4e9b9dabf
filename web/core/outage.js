// How the connection looks to a person: nothing for a moment's break, then one steady state with a countdown in it.
import { steady } from './steady.js';

/** @import { Connection } from './line.js' */
/** @typedef {'' | 'connecting' | 'waiting' | 'offline' | 'back' | 'stopped'} Look */

const PATIENCE_MS = 1_500;
const RELIEF_MS = 2_500;

export class Outage {
  /** @type {Connection} */
  #connection = { phase: 'idle', retryAt: null, code: null };
  /** Since when there is no line. @type {number | null} */
  #lost = null;
  #backUntil = 0;
  /** Has there ever been a line? */
  wasOpen = false;

  /** @param {Connection} connection @param {number} [now] */
  note(connection, now = steady()) {
    if (connection.phase === 'open') this.#opened(now);
    else if (connection.phase !== 'idle') this.#lost ??= now;
    this.#connection = connection;
  }

  get code() {
    return this.#connection.code;
  }

  /** Has it lasted long enough to say so? @param {number} [now] */
  isLost(now = steady()) {
    return this.#lost !== null && now - this.#lost >= PATIENCE_MS;
  }

  /** @param {number} [now] @param {boolean} [isOnline] @returns {Look} */
  look(now = steady(), isOnline = globalThis.navigator?.onLine ?? true) {
    const { phase } = this.#connection;
    if (phase === 'stopped') return 'stopped';
    if (now < this.#backUntil) return 'back';
    if (!this.isLost(now)) return '';
    if (!isOnline) return 'offline';
    return phase === 'waiting' && this.seconds(now) > 0 ? 'waiting' : 'connecting';
  }

  /** Is there no line, and long enough to say so? @param {number} [now] @param {boolean} [isOnline] */
  isBroken(now, isOnline) {
    return ['connecting', 'waiting', 'offline'].includes(this.look(now, isOnline));
  }

  /** Until the next try. @param {number} [now] */
  seconds(now = steady()) {
    return Math.max(0, Math.ceil(((this.#connection.retryAt ?? 0) - now) / 1000));
  }

  /** When the look changes by itself, if it does; while it counts down, every half second. @param {number} [now] @returns {number | null} ms from now */
  nextChange(now = steady()) {
    if (now < this.#backUntil) return this.#backUntil - now;
    const { phase } = this.#connection;
    if (this.#lost === null || phase === 'stopped' || phase === 'idle') return null;
    return this.isLost(now) ? 500 : this.#lost + PATIENCE_MS - now;
  }

  /** @param {number} now */
  #opened(now) {
    if (this.wasOpen && this.isLost(now)) this.#backUntil = now + RELIEF_MS;
    this.wasOpen = true;
    this.#lost = null;
  }
}
