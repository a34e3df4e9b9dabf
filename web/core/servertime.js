// The server's clock, as this page knows it: what people see of time, and how old a message is, goes by it.

export class ServerTime {
  /** The server's clock minus ours, in ms. */
  skew = 0;

  now() {
    return Date.now() + this.skew;
  }

  /** @param {number} now what the server's clock shows, in ms since 1970 */
  set(now) {
    this.skew = now - Date.now();
  }
}
