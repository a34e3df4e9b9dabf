// The tabs of one person: which of them sends, and what they tell each other.
//
// Danger: two tabs that put the same waiting messages on two wires can overtake each other. So exactly one tab carries: it
// holds a lock that the browser frees when the tab closes or crashes, and the next in line gets it. A tab in which the
// person writes takes the lock away from whoever has it, for a frozen tab neither sends nor lets go.
// What they tell each other holds ids and numbers, never words.

/** @typedef {{request: (name: string, options: LockOptions, held: () => Promise<unknown>) => Promise<unknown>}} Locks */
/** @typedef {{type: string, [field: string]: unknown}} News */
/** @typedef {{hear: (news: News) => void, carrying: () => void, canSend: () => boolean}} Ends */
/** @typedef {{locks?: Locks, Channel?: typeof BroadcastChannel}} Means */

const ANSWER_MS = 1_000;

export class Tabs {
  /** Is it this tab that sends? Alone, where tabs cannot know of each other. */
  isCarrier = true;
  /** @type {Ends} */
  ends = { hear: () => {}, carrying: () => {}, canSend: () => false };

  /** @type {Locks | undefined} */
  #locks;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #name;
  #hasLeft = false;
  /** @type {() => void} */
  #letGo = () => {};
  /** @type {AbortController | null} */
  #turn = null;
  /** @type {Promise<void> | null} */
  #taking = null;
  /** @type {((canSend: boolean) => void) | null} */
  #asked = null;

  /** @param {string} scope @param {Means} [means] */
  constructor(scope, { locks = globalThis.navigator?.locks, Channel = globalThis.BroadcastChannel } = {}) {
    this.#name = `aftercare ${scope}`;
    if (!locks || !Channel) return;
    this.#locks = locks;
    this.#channel = new Channel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.isCarrier = false;
    void this.#wait();
  }

  /** Carry from now on, whoever did before. */
  async take() {
    if (this.isCarrier || this.#hasLeft) return;
    this.#turn?.abort();
    this.#taking ??= this.#request({ steal: true }).finally(() => (this.#taking = null));
    await this.#taking;
  }

  /** Does a tab that carries answer, and can it send? */
  async isServed() {
    if (this.isCarrier || !this.#channel) return true;
    const answer = new Promise((resolve) => {
      this.#asked = resolve;
      setTimeout(() => resolve(false), ANSWER_MS);
    });
    this.tell({ type: 'asked' });
    return answer;
  }

  /** @param {News} news */
  tell(news) {
    if (!this.#hasLeft) this.#channel?.postMessage(news);
  }

  /** This tab is somebody else's from now on, or nobody's. */
  leave() {
    this.#hasLeft = true;
    this.#turn?.abort();
    this.#letGo();
    this.#channel?.close();
    this.isCarrier = false;
  }

  /** @param {News} news */
  #hear(news) {
    if (news.type === 'answered') this.#asked?.(Boolean(news.canSend));
    else if (news.type !== 'asked') this.ends.hear(news);
    else if (this.isCarrier) this.tell({ type: 'answered', canSend: this.ends.canSend() });
  }

  /** Stand in line. */
  #wait() {
    this.#turn = new AbortController();
    return this.#request({ signal: this.#turn.signal });
  }

  /** Resolves once the lock is ours, or is not to be had. @param {LockOptions} options @returns {Promise<void>} */
  #request(options) {
    return new Promise((resolve) => {
      const held = () => {
        this.isCarrier = true;
        resolve();
        this.ends.carrying();
        return new Promise((letGo) => (this.#letGo = () => letGo(undefined)));
      };
      this.#locks?.request(this.#name, options, held).catch((error) => {
        this.#lost(options, error);
        resolve();
      });
    });
  }

  /** Another tab took it, or the turn was given up for taking it. Where locks are forbidden, each tab is alone. @param {LockOptions} options @param {unknown} error */
  #lost({ signal }, error) {
    if (signal?.aborted || this.#hasLeft) return;
    this.isCarrier = !(error instanceof Error && error.name === 'AbortError');
    if (!this.isCarrier) void this.#wait();
    else {
      this.#locks = undefined;
      this.ends.carrying();
    }
  }
}
