// The one line of a tab: which conversations it follows, what it sends, and how it heals after a break.
//
// What is sent is in the outbox before it is on the wire and stays there until the server acknowledges it, so a break, a
// reload or a restart of the server can delay a message but not lose, double or reorder it. What is received is numbered;
// a hole is asked for. Elements listen to this object and talk to no network themselves.
import { post } from './calls.js';
import { clientId } from './frames.js';
import { Healing } from './healing.js';
import { Hearing } from './hearing.js';
import { Line } from './line.js';
import { Marks } from './marks.js';
import { Outbox } from './outbox.js';
import { Outlook } from './outlook.js';
import { Sending } from './sending.js';
import { ServerTime } from './servertime.js';
import { Watching } from './watching.js';
import { whenBack } from './waking.js';

/** @import { Body, ClientFrame, Welcome, Who } from './frames.js' */
/** @import { Connection } from './line.js' */
/** @import { Post } from './poll.js' */
/** @import { MakeSocket } from './socket.js' */
/** @import { Thread } from './thread.js' */
/**
 * `time`: the server's, as the page brought it.
 * @typedef {{as: 'shopper' | 'staff', me: Who, csrf: () => string, time?: ServerTime, inbox?: boolean, outbox?: Outbox, url?: string,
 *   makeSocket?: MakeSocket, post?: Post}} Setup
 */

export class Session extends EventTarget {
  /** @type {Record<string, number>} */
  limits = {};

  #tab = clientId();
  #setup;
  #time;
  #line;
  #watching;
  #healing;
  #sending;
  #marks;
  #hearing;
  #outlook = new Outlook(() => this.#emit('connection', this.connection));
  #sleep = () => {};

  /** @param {Setup} setup */
  constructor(setup) {
    super();
    this.#setup = setup;
    this.#time = setup.time ?? new ServerTime();
    const say = (/** @type {ClientFrame} */ frame) => this.#line.say(frame);
    this.#watching = new Watching(setup.me, say);
    this.#marks = new Marks({ say, known: (what, conversation) => this.#watching.mark(what, conversation) });
    this.#healing = new Healing({ watching: this.#watching, say, reconnect: () => this.#line.again() });
    this.#sending = new Sending(setup.outbox ?? new Outbox(), {
      say,
      isOpen: () => this.#line.isOpen,
      now: () => this.#time.now(),
      thread: (conversation) => this.thread(conversation),
      changed: (conversation) => this.#changed(conversation),
      refill: () => this.#refill(),
      left: () => this.#emit('left', {}),
    });
    this.#hearing = new Hearing({
      watching: this.#watching,
      healing: this.#healing,
      sending: this.#sending,
      marks: this.#marks,
      greeted: (welcome) => this.#greeted(welcome),
      tell: (type, detail) => this.#emit(type, detail),
    });
    this.#line = new Line({
      url: setup.url ?? socketUrl(),
      post: setup.post ?? post,
      hello: () => this.#hello(),
      frames: (frames) => this.#hearing.take(frames),
      begun: () => this.#begin(),
      changed: (connection) => this.#connected(connection),
      makeSocket: setup.makeSocket,
    });
  }

  get me() {
    return this.#watching.me;
  }

  /** @returns {Connection} */
  get connection() {
    return this.#line.connection;
  }

  get outage() {
    return this.#outlook.outage;
  }

  /** The server's clock minus ours, in ms. */
  get skew() {
    return this.#time.skew;
  }

  /** Sockets do not get through here: news of the whole inbox must be fetched. */
  get isPolling() {
    return this.#line.isPolling;
  }

  get outbox() {
    return this.#sending.outbox;
  }

  /** Holes this page has seen in what it received; the target is 0. */
  get gaps() {
    return this.#healing.count;
  }

  /** Connect, and come back by itself until `stop`. */
  start() {
    this.#sleep();
    this.#sleep = whenBack(() => this.#line.wake());
    this.#line.connect();
  }

  stop() {
    this.#sleep();
    this.#sending.stop();
    this.#line.stop();
    this.#outlook.stop();
  }

  /** Go on as somebody else: a guest who has just proven who she is. What is still unsent goes along. @param {Who} me @param {Outbox} outbox */
  async become(me, outbox) {
    this.stop();
    await this.#sending.become(outbox);
    this.#watching.me = me;
    this.start();
  }

  /** "Try now". */
  retryNow() {
    if (this.connection.phase === 'waiting') this.#line.connect();
  }

  /** Follow a conversation. Its thread shows at once what is still in the outbox. @param {string} conversation @param {{purpose?: string}} [options] @returns {Thread} */
  watch(conversation, { purpose } = {}) {
    const known = this.thread(conversation);
    if (known) return known;
    const thread = this.#watching.follow(conversation, purpose);
    this.#sending.show(thread);
    return thread;
  }

  /** @param {string} conversation */
  unwatch(conversation) {
    this.#marks.leave(conversation);
    this.#healing.forget(conversation);
    this.#watching.leave(conversation);
  }

  /** @param {string} conversation @returns {Thread | undefined} */
  thread(conversation) {
    return this.#watching.thread(conversation);
  }

  /**
   * Send an event; resolves to its client id once it is in the outbox. `seen`: the last number an agent had read.
   * @param {string} conversation @param {string} kind @param {Body} body @param {{seen?: number, preview?: string}} [options]
   * @returns {Promise<string>}
   */
  async send(conversation, kind, body, { seen, preview } = {}) {
    const m = clientId();
    await this.#sending.send({ m, c: conversation, k: kind, b: body, at: this.#time.now(), ...(seen === undefined ? {} : { seen }) }, preview);
    return m;
  }

  /** Send a refused message once more, under the same id; what an agent had seen is left out, so a stale one goes through. @param {string} conversation @param {string} m */
  retry(conversation, m) {
    return this.#sending.retry(conversation, m);
  }

  /** Take back a message that the server never took. @param {string} conversation @param {string} m */
  discard(conversation, m) {
    return this.#sending.discard(conversation, m);
  }

  /** Ask for older events; they arrive like any other, a 'page' event ends them. @param {string} conversation */
  earlier(conversation) {
    const thread = this.thread(conversation);
    return thread?.hasEarlier ? this.#healing.earlier(thread) : false;
  }

  /** This reader has seen everything up to here. Told at most once a second; only ever grows. @param {string} conversation @param {number} upto */
  read(conversation, upto) {
    this.#marks.reach('read', conversation, upto);
  }

  /** This person is writing; told at most once in three seconds. @param {string} conversation */
  typing(conversation) {
    this.#marks.typing(conversation);
  }

  /** @returns {ClientFrame} */
  #hello() {
    const { as, csrf, inbox } = this.#setup;
    return { t: 'hello', csrf: csrf(), tab: this.#tab, as, subs: this.#watching.subs(), ...(inbox ? { inbox } : {}) };
  }

  /** @param {Welcome} welcome */
  #greeted({ me, limits, now }) {
    this.#watching.me = me;
    this.limits = limits;
    this.#time.set(now);
    this.#emit('welcome', { me, limits });
  }

  /** @param {Connection} connection */
  #connected(connection) {
    const { phase } = connection;
    if (phase !== 'open') {
      this.#healing.pause();
      this.#watching.pause();
    }
    this.#outlook.note(connection);
    if (phase === 'open') this.#emit('opened', {});
  }

  /** Now that the server's time is known, and who we are: what waited goes out. */
  #begin() {
    this.#sending.begin();
    this.#marks.begin();
  }

  /** The outbox is not what it was: another tab wrote, or left something behind. */
  #refill() {
    for (const thread of this.#watching.threads()) {
      this.#sending.show(thread);
      this.#changed(thread.id);
    }
  }

  /** @param {string} conversation */
  #changed(conversation) {
    this.#emit('change', { conversation, thread: this.thread(conversation) });
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @returns {string} */
function socketUrl() {
  const { protocol, host } = globalThis.location;
  return `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/chat/socket`;
}
