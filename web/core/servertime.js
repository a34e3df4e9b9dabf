// The server's clock, as this page knows it: what people see of time, and how old a message is, goes by it.
import { steady } from './steady.js';

export class ServerTime {
  /** The server's clock minus the steady one. */
  #ahead = 0;

  /** @param {number} [now] what the server's clock showed just now; as long as nobody says, our own must do */
  constructor(now = Date.now()) {
    this.set(now);
  }

  now() {
    return Math.round(steady() + this.#ahead);
  }

  /** The server's clock minus ours, in ms. */
  get skew() {
    return this.now() - Date.now();
  }

  /** @param {number} now what the server's clock shows, in ms since 1970 */
  set(now) {
    this.#ahead = now - steady();
  }
}
