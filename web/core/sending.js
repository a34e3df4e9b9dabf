// From the person to the outbox to the wire: shown at once, kept before it is sent, in order, once on each line, by one tab.
//
// While a line lives nothing is sent twice on it: TCP has it. A new line begins with everything that is unanswered. A refusal
// for now sends the conversation's whole waiting line again, for one message alone could overtake another. A refusal for
// good stays in the outbox and on the page until she decides.
import { t } from './i18n.js';

/** @import { Ack, ClientFrame, Err } from './frames.js' */
/** @import { Entry, Outbox } from './outbox.js' */
/** @import { Draft, Reason, Thread } from './thread.js' */
/**
 * `left`: the person behind this outbox has signed out or become another in some tab.
 * @typedef {{say: (frame: ClientFrame) => boolean, isOpen: () => boolean, now: () => number,
 *   thread: (conversation: string) => Thread | undefined, changed: (conversation: string) => void, refill: () => void, left: () => void}} Wire
 */

const AGAIN_MS = 1_000;
const LOOK_MS = 5_000;
const TOO_OLD_MS = 24 * 3_600_000;

export class Sending {
  /** Sends follow each other through here, so the wire keeps the order of writing. @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** What is on this line already. @type {Set<string>} */
  #wired = new Set();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #again = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #look;

  /** @param {Outbox} outbox @param {Wire} wire */
  constructor(outbox, wire) {
    this.wire = wire;
    this.outbox = this.#own(outbox);
  }

  /** Resolves once it is in the outbox. @param {Entry} entry @param {string} [preview] */
  async send(entry, preview) {
    const { m, c, k, b, at } = entry;
    this.wire.thread(c)?.queue({ m, k, b, ts: at, preview });
    await this.#post(entry);
  }

  /** A refused one once more, under the same id, without what its writer had seen. @param {string} conversation @param {string} m */
  async retry(conversation, m) {
    const draft = this.wire.thread(conversation)?.requeue(m);
    if (draft) await this.#post({ m, c: conversation, k: draft.k, b: draft.b, at: this.wire.now() });
  }

  /** Taken back before the server took it. @param {string} conversation @param {string} m */
  async discard(conversation, m) {
    this.wire.thread(conversation)?.withdraw(m);
    this.wire.changed(conversation);
    await this.outbox.remove(m);
  }

  /** The server has it. @param {Ack} ack */
  taken(ack) {
    this.#remember(ack);
    void this.outbox.remove(ack.m, ack);
    this.wire.thread(ack.c)?.acknowledge(ack);
  }

  /** The server refuses it, for now or for good. @param {Err} frame */
  refused({ c, m, retry, retry_ms: wait = AGAIN_MS, code, info }) {
    if (!c || !m) return;
    if (retry === 'no') this.#refuse(c, m, { code, message: String(info?.message ?? t('error.fault')) });
    else this.#sendAgain(c, wait);
  }

  /** The server had it and has lost it: whether it goes out again is hers to say. @param {string} conversation @param {Draft} draft */
  lost(conversation, { m, k, b, ts, preview }) {
    const reason = { code: 'lost', message: t('refusal.lost') };
    this.#wired.delete(m);
    this.wire.thread(conversation)?.keep({ m, k, b, ts, preview }, reason);
    void this.outbox.put({ m, c: conversation, k, b, at: ts, reason });
    void this.outbox.said.drop(m);
  }

  /** What another telling of this log had of hers. @param {string} conversation @param {string} epoch */
  takenBefore(conversation, epoch) {
    return this.outbox.said.inAnother(conversation, epoch);
  }

  /** What stands there is not as she wrote it any more. @param {string} conversation @param {number} s */
  amended(conversation, s) {
    void this.outbox.said.amended(conversation, s);
  }

  /** Where the log has it, should it be put back to before. @param {Ack} ack */
  #remember({ m, c, s }) {
    const ep = this.wire.thread(c)?.epoch;
    if (!ep) return;
    const entry = this.outbox.entries(c).find((one) => one.m === m);
    void (entry ? this.outbox.said.keep({ ...entry, s, ep }) : this.outbox.said.told(m, s, ep));
  }

  /** Everything unanswered of a conversation, whoever wrote it. @param {Thread} thread */
  show(thread) {
    for (const { m, k, b, at, reason } of this.outbox.entries(thread.id)) thread.keep({ m, k, b, ts: at }, reason ?? null);
  }

  /** The line is new: nothing of the outbox is on it. */
  begin() {
    this.#wired.clear();
    this.run();
  }

  /** Everything that waits and is not on this line yet goes on it. */
  run() {
    this.#watch();
    if (!this.outbox.isCarrier || !this.wire.isOpen()) return;
    for (const entry of this.outbox.waiting()) {
      if (this.#wired.has(entry.m)) continue;
      if (this.wire.now() - entry.at > TOO_OLD_MS) this.#refuse(entry.c, entry.m, { code: 'too_old', message: t('refusal.too_old') });
      else this.#put(entry);
    }
  }

  /** What is unsent goes along when a guest has proven who she is. @param {Outbox} next */
  async become(next) {
    this.stop();
    const moved = this.#queue.then(() => this.outbox.moveTo(next)).then(() => (this.outbox = this.#own(next)));
    this.#queue = moved.catch(() => undefined);
    await moved;
  }

  stop() {
    clearTimeout(this.#look);
    for (const timer of this.#again.values()) clearTimeout(timer);
    this.#again.clear();
  }

  /** @param {Outbox} outbox */
  #own(outbox) {
    outbox.owner = {
      changed: () => this.#refill(),
      settled: (entry, ack) => this.#settled(entry, ack),
      left: () => this.wire.left(),
      canSend: () => this.wire.isOpen(),
    };
    return outbox;
  }

  /** In the outbox, then on the wire, from the tab in which it was written. @param {Entry} entry */
  #post(entry) {
    this.wire.changed(entry.c);
    const posted = this.#queue.then(async () => {
      await this.outbox.put(entry);
      await this.outbox.carry();
      this.run();
    });
    this.#queue = posted.catch(() => undefined); // the one who asked hears of it; those behind are sent all the same
    return posted;
  }

  /** @param {Entry} entry */
  #put({ m, c, k, b, seen }) {
    const after = this.outbox.before(m);
    const frame = { t: 'send', c, m, k, b, ...(after ? { after } : {}), ...(seen === undefined ? {} : { seen }) };
    if (this.wire.say(frame)) this.#wired.add(m);
  }

  /** @param {string} conversation @param {string} m @param {Reason} reason */
  #refuse(conversation, m, reason) {
    this.#wired.delete(m);
    void this.outbox.refuse(m, reason);
    this.wire.thread(conversation)?.refuse(m, reason);
    this.wire.changed(conversation);
  }

  /** @param {string} conversation @param {number} wait ms */
  #sendAgain(conversation, wait) {
    if (this.#again.has(conversation)) return;
    const timer = setTimeout(() => {
      this.#again.delete(conversation);
      for (const { m } of this.outbox.entries(conversation)) this.#wired.delete(m);
      this.run();
    }, wait);
    this.#again.set(conversation, timer);
  }

  /** Another tab wrote, or this one carries now. */
  #refill() {
    this.wire.refill();
    this.run();
  }

  /** Another tab had the answer. @param {Entry} entry @param {Ack | null} ack */
  #settled({ m, c }, ack) {
    if (ack) this.wire.thread(c)?.acknowledge(ack);
    else this.wire.thread(c)?.withdraw(m);
    this.wire.changed(c);
  }

  /** Another tab carries, and something has been waiting: is anybody there? A frozen tab is not, nor one without a line. */
  #watch() {
    clearTimeout(this.#look);
    if (this.outbox.isCarrier || !this.outbox.waiting().length) return;
    this.#look = setTimeout(async () => {
      if (this.wire.isOpen() && this.outbox.waiting().length && !(await this.outbox.isServed())) await this.outbox.carry();
      this.run();
    }, LOOK_MS);
  }
}
