// Time that only goes on, for waiting and for silence: a person may set the clock back, and a computer may sleep.
//
// The wall clock counts sleep but can be set; the page's own clock cannot be set but stands still in the sleep of some
// systems. So this one follows the wall clock forwards, and goes on by the page's where the wall clock jumps back.

/** Less than this is the two clocks drifting apart, not somebody who sets one. */
const SET_BACK_MS = 1_000;

export class Steady {
  #offset;
  #lost = 0;

  /** @param {() => number} [wall] @param {() => number} [page] both in ms */
  constructor(wall = () => Date.now(), page = () => performance.now()) {
    this.wall = wall;
    this.page = page;
    this.#offset = wall() - page();
  }

  now() {
    const page = this.page();
    const offset = this.wall() - page;
    if (offset < this.#offset - SET_BACK_MS) this.#lost += this.#offset - offset;
    if (offset > this.#offset || offset < this.#offset - SET_BACK_MS) this.#offset = offset;
    return page + this.#offset + this.#lost;
  }
}

const clock = new Steady();

/** ms since some moment before this page began */
export const steady = () => clock.now();
