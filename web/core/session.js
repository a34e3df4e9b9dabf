// The one line of a tab: which conversations it follows, what it sends, and how it heals after a break.
//
// What is sent is in the outbox before it is on the wire and stays there until the server acknowledges it, so a break, a
// reload or a restart of the server can delay a message but not lose, double or reorder it. What is received is numbered;
// a hole is asked for. Elements listen to this object and talk to no network themselves.
import { post } from './calls.js';
import { clientId } from './frames.js';
import { Gaps } from './gaps.js';
import { Line } from './line.js';
import { Marks } from './marks.js';
import { Outage } from './outage.js';
import { Outbox } from './outbox.js';
import { Sending } from './sending.js';
import { Thread } from './thread.js';
import { whenBack } from './waking.js';

/** @import { Body, ClientFrame, Cursor, Err, Ev, ServerFrame, Tops, Who } from './frames.js' */
/** @import { Connection } from './line.js' */
/** @import { Post } from './poll.js' */
/** @import { MakeSocket } from './socket.js' */
/**
 * @typedef {{as: 'shopper' | 'staff', me: Who, csrf: () => string, inbox?: boolean, outbox?: Outbox, url?: string,
 *   makeSocket?: MakeSocket, post?: Post}} Setup
 */
/** @typedef {{thread: Thread, purpose?: string}} Watched */

const LAG_MS = 3_000;
const PAGE = 50;

export class Session extends EventTarget {
  /** @type {Who} */
  me;
  /** @type {Record<string, number>} */
  limits = {};
  /** The server's clock minus ours, in ms. */
  skew = 0;
  outage = new Outage();

  /** @type {Map<string, Watched>} */
  #watched = new Map();
  #line;
  #sending;
  #marks = new Marks((frame) => this.#line.say(frame));
  #gaps = new Gaps({
    say: (frame) => this.#line.say(frame),
    reconnect: () => this.#line.again(),
    afresh: (conversation) => this.#afresh(conversation),
  });
  #tab = clientId();
  #setup;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #glance;
  #sleep = () => {};

  /** @param {Setup} setup */
  constructor(setup) {
    super();
    this.#setup = setup;
    this.me = setup.me;
    this.#sending = new Sending(setup.outbox ?? new Outbox(), {
      say: (frame) => this.#line.say(frame),
      isOpen: () => this.#line.isOpen,
      now: () => this.#now(),
      thread: (conversation) => this.thread(conversation),
      changed: (conversation) => this.#changed(conversation),
      refill: () => this.#refill(),
      left: () => this.#emit('left', {}),
    });
    this.#line = new Line({
      url: setup.url ?? socketUrl(),
      post: setup.post ?? post,
      hello: () => this.#hello(),
      frames: (frames) => this.#take(frames),
      changed: (connection) => this.#connected(connection),
      makeSocket: setup.makeSocket,
    });
  }

  /** @returns {Connection} */
  get connection() {
    return this.#line.connection;
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
    return this.#gaps.count;
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
    clearTimeout(this.#glance);
  }

  /** Go on as somebody else: a guest who has just proven who she is. What is still unsent goes along. @param {Who} me @param {Outbox} outbox */
  async become(me, outbox) {
    this.stop();
    await this.#sending.become(outbox);
    this.me = me;
    for (const { thread } of this.#watched.values()) thread.me = me;
    this.start();
  }

  /** "Try now". */
  retryNow() {
    if (this.connection.phase === 'waiting') this.#line.connect();
  }

  /** Follow a conversation. Its thread shows at once what is still in the outbox. @param {string} conversation @param {{purpose?: string}} [options] @returns {Thread} */
  watch(conversation, { purpose } = {}) {
    const known = this.#watched.get(conversation);
    if (known) return known.thread;
    const thread = new Thread(conversation, this.me);
    this.#watched.set(conversation, { thread, purpose });
    this.#sending.show(thread);
    this.#line.say({ t: 'sub', c: conversation, ...this.#cursor(conversation) });
    return thread;
  }

  /** @param {string} conversation */
  unwatch(conversation) {
    this.#gaps.forget(conversation);
    if (this.#watched.delete(conversation)) this.#line.say({ t: 'unsub', c: conversation });
  }

  /** @param {string} conversation @returns {Thread | undefined} */
  thread(conversation) {
    return this.#watched.get(conversation)?.thread;
  }

  /**
   * Send an event; resolves to its client id once it is in the outbox. `seen`: the last number an agent had read.
   * @param {string} conversation @param {string} kind @param {Body} body @param {{seen?: number, preview?: string}} [options]
   * @returns {Promise<string>}
   */
  async send(conversation, kind, body, { seen, preview } = {}) {
    const m = clientId();
    await this.#sending.send({ m, c: conversation, k: kind, b: body, at: this.#now(), ...(seen === undefined ? {} : { seen }) }, preview);
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
    if (!thread?.hasEarlier) return false;
    return this.#line.say({ t: 'get', c: conversation, before: thread.first, limit: PAGE });
  }

  /** This reader has seen everything up to here. Told at most once a second; only ever grows. @param {string} conversation @param {number} upto */
  read(conversation, upto) {
    this.#marks.reach('read', conversation, upto);
  }

  /** This person is writing; told at most once in three seconds. @param {string} conversation */
  typing(conversation) {
    this.#marks.typing(conversation);
  }

  #now() {
    return Date.now() + this.skew;
  }

  /** @param {Connection} connection */
  #connected(connection) {
    const { phase } = connection;
    this.outage.note(connection);
    if (phase !== 'open') this.#gaps.pause();
    else {
      this.#sending.begin();
      this.#marks.tell();
    }
    this.#emit('connection', connection);
    if (phase === 'open') this.#emit('opened', {});
    this.#glanceLater();
  }

  /** A break that lasts looks different, though nothing has happened. */
  #glanceLater() {
    clearTimeout(this.#glance);
    const wait = this.outage.nextChange();
    if (wait === null) return;
    this.#glance = setTimeout(() => {
      this.#emit('connection', this.connection);
      this.#glanceLater();
    }, wait);
  }

  /** @returns {ClientFrame} */
  #hello() {
    const subs = Object.fromEntries([...this.#watched.keys()].map((c) => [c, this.#cursor(c)]));
    const { as, csrf, inbox } = this.#setup;
    return { t: 'hello', csrf: csrf(), tab: this.#tab, as, subs, ...(inbox ? { inbox } : {}) };
  }

  /** @param {string} conversation @returns {Cursor} */
  #cursor(conversation) {
    const watched = this.#watched.get(conversation);
    if (!watched) return {};
    const { thread, purpose } = watched;
    const from = thread.epoch === null ? {} : { cur: thread.cursor, ep: thread.epoch, ...(thread.marks ? { marks: thread.marks } : {}) };
    return { ...from, ...(purpose ? { purpose } : {}) };
  }

  /** The outbox is not what it was: another tab wrote, or left something behind. */
  #refill() {
    for (const { thread } of this.#watched.values()) {
      this.#sending.show(thread);
      this.#changed(thread.id);
    }
  }

  /** @param {ServerFrame[]} frames */
  #take(frames) {
    /** @type {Set<string>} */
    const touched = new Set();
    for (const frame of frames) {
      this.#handle(frame);
      if ('c' in frame && frame.c) touched.add(frame.c);
    }
    for (const conversation of touched) this.#changed(conversation);
  }

  /** @param {ServerFrame} frame */
  #handle(frame) {
    switch (frame.t) {
      case 'welcome': return this.#welcomed(frame);
      case 'ev': return this.#received(frame);
      case 'ack':
        this.#sending.taken(frame);
        return this.#emit('ack', { conversation: frame.c, ...frame });
      case 'err': return this.#refused(frame);
      case 'sub_ok': return this.thread(frame.c)?.open(frame);
      case 'reset':
        this.thread(frame.c)?.forget();
        return this.#emit('reset', { conversation: frame.c, ...frame });
      case 'state':
        this.thread(frame.c)?.mark(frame);
        return this.#emit('state', { conversation: frame.c, ...frame });
      case 'gone':
        this.#watched.delete(frame.c);
        return this.#emit('gone', { conversation: frame.c });
      case 'typing': return this.#emit('typing', { conversation: frame.c, who: frame.who, ttl: frame.ttl });
      case 'page': return this.#paged(frame);
      case 'tops':
        this.#compare(frame.conv);
        return this.#emit('tops', {});
      case 'pong': return this.#compare(frame.tops);
      default: return undefined;
    }
  }

  /** @param {ServerFrame & {t: 'welcome'}} frame */
  #welcomed({ me, limits, now }) {
    this.me = me;
    this.limits = limits;
    this.skew = now - Date.now();
    for (const { thread } of this.#watched.values()) thread.me = me;
    this.#emit('welcome', { me, limits });
  }

  /** @param {Ev} event */
  #received(event) {
    if (event.m) this.#sending.taken({ t: 'ack', c: event.c, m: event.m, s: event.s, ts: event.ts });
    const thread = this.thread(event.c);
    if (!thread || thread.epoch === null) return;
    const { fresh, missing } = thread.receive(event);
    if (missing) this.#gaps.found(thread, missing.to);
    if (event.from.kind !== this.me.kind) this.#marks.reach('rcvd', event.c, thread.cursor);
    if (fresh) this.#emit('event', { conversation: event.c, thread, event });
  }

  /** @param {ServerFrame & {t: 'page'}} frame */
  #paged(frame) {
    const thread = this.thread(frame.c);
    if (thread) this.#gaps.answered(thread);
    this.#emit('page', { conversation: frame.c, ...frame });
  }

  /** @param {Err} frame */
  #refused(frame) {
    this.#sending.refused(frame);
    const { c = '', code, info } = frame;
    if (code === 'stale') this.#fetchTo(this.thread(c), Number(info?.seq ?? 0));
    this.#emit('err', { conversation: c, ...frame });
  }

  /** The server says how far each log reaches; what is still missing after a moment was lost on the way. @param {Tops} tops */
  #compare(tops) {
    for (const [conversation, [epoch, last]] of Object.entries(tops)) {
      const thread = this.thread(conversation);
      if (!thread || thread.epoch === null) continue;
      if (thread.epoch !== epoch) this.#afresh(conversation);
      else if (last > thread.cursor) setTimeout(() => this.#fetchTo(thread, last), LAG_MS);
    }
  }

  /** @param {Thread | undefined} thread @param {number} last */
  #fetchTo(thread, last) {
    if (thread && thread.epoch !== null && thread === this.thread(thread.id)) this.#gaps.found(thread, last);
  }

  /** What is held of it cannot be continued: begin at the newest. @param {string} conversation */
  #afresh(conversation) {
    this.thread(conversation)?.forget();
    this.#line.say({ t: 'sub', c: conversation, ...this.#cursor(conversation) });
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
