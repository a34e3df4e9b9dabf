// When a break begins to look different though nothing has happened: it lasts, it counts down, its end is old news.
import { Outage } from './outage.js';

/** @import { Connection } from './line.js' */

export class Outlook {
  outage = new Outage();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #glance;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  /** @param {Connection} connection */
  note(connection) {
    this.outage.note(connection);
    this.changed();
    this.#later();
  }

  stop() {
    clearTimeout(this.#glance);
  }

  #later() {
    clearTimeout(this.#glance);
    const wait = this.outage.nextChange();
    if (wait === null) return;
    this.#glance = setTimeout(() => {
      this.changed();
      this.#later();
    }, wait);
  }
}
