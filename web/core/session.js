// The one socket of a tab: which conversations it follows, what it sends, and how it heals after a break.
//
// What is sent is in the outbox before it is on the wire and stays there until the server acknowledges it, so a break, a
// reload or a restart of the server can delay a message but not lose, double or reorder it. What is received is numbered;
// a hole is asked for. Elements listen to this object and talk to no network themselves.
import { clientId } from './frames.js';
import { t } from './i18n.js';
import { Line } from './line.js';
import { Outbox } from './outbox.js';
import { Thread } from './thread.js';

/** @import { Body, ClientFrame, Cursor, Err, Ev, ServerFrame, Tops, Who } from './frames.js' */
/** @import { Connection } from './line.js' */
/** @import { Entry } from './outbox.js' */
/**
 * @typedef {{as: 'shopper' | 'staff', me: Who, csrf: () => string, inbox?: boolean, outbox?: Outbox, url?: string,
 *   makeSocket?: (url: string, protocol: string) => WebSocket}} Setup
 */
/** @typedef {{thread: Thread, purpose?: string}} Watched */

const TYPING_MS = 3_000;
const MARK_MS = 1_000;
const AGAIN_MS = 1_000;
const LAG_MS = 3_000;
const PAGE = 50;

export class Session extends EventTarget {
  /** @type {Who} */
  me;
  /** @type {Record<string, number>} */
  limits = {};
  /** The server's clock minus ours, in ms. */
  skew = 0;

  /** @type {Map<string, Watched>} */
  #watched = new Map();
  #line;
  #outbox;
  #tab = clientId();
  #setup;
  /** Sends follow each other through here, so the wire keeps the order of writing. @type {Promise<unknown>} */
  #queue = Promise.resolve();
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #resends = new Map();
  /** Marks that wait for their second: `read <conversation>` -> number. @type {Map<string, number>} */
  #marks = new Map();
  /** @type {Map<string, number>} */
  #marked = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #markTimer;
  /** @type {Map<string, number>} */
  #typed = new Map();

  /** @param {Setup} setup */
  constructor(setup) {
    super();
    this.#setup = setup;
    this.me = setup.me;
    this.#outbox = setup.outbox ?? new Outbox();
    this.#line = new Line({
      url: setup.url ?? socketUrl(),
      hello: () => this.#hello(),
      frames: (frames) => this.#take(frames),
      changed: (connection) => this.#emit('connection', connection),
      makeSocket: setup.makeSocket,
    });
  }

  /** @returns {Connection} */
  get connection() {
    return this.#line.connection;
  }

  get outbox() {
    return this.#outbox;
  }

  /** Connect, and come back by itself until `stop`. */
  start() {
    globalThis.addEventListener?.('online', this.#wake);
    globalThis.document?.addEventListener('visibilitychange', this.#wake);
    this.#line.connect();
  }

  stop() {
    globalThis.removeEventListener?.('online', this.#wake);
    globalThis.document?.removeEventListener('visibilitychange', this.#wake);
    this.#line.stop();
  }

  /** Go on as somebody else: a guest who has just proven who she is. What is still unsent goes along. @param {Who} me @param {Outbox} outbox */
  async become(me, outbox) {
    this.stop();
    for (const entry of this.#outbox.entries()) {
      await this.#outbox.remove(entry.m);
      await outbox.put(entry);
    }
    this.me = me;
    this.#outbox = outbox;
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
    for (const { m, k, b, at } of this.#outbox.entries(conversation)) thread.queue({ m, k, b, ts: at });
    this.#watched.set(conversation, { thread, purpose });
    this.#line.say({ t: 'sub', c: conversation, ...this.#cursor(conversation) });
    return thread;
  }

  /** @param {string} conversation */
  unwatch(conversation) {
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
    /** @type {Entry} */
    const entry = { m, c: conversation, k: kind, b: body, at: Date.now() + this.skew, ...(seen === undefined ? {} : { seen }) };
    this.thread(conversation)?.queue({ m, k: kind, b: body, ts: entry.at, preview });
    this.#changed(conversation);
    await this.#post(entry);
    return m;
  }

  /** Send a refused message once more, under the same id; `force` leaves out what the agent had seen. @param {string} conversation @param {string} m */
  async retry(conversation, m) {
    const draft = this.thread(conversation)?.requeue(m);
    if (!draft) return;
    this.#changed(conversation);
    await this.#post({ m, c: conversation, k: draft.k, b: draft.b, at: draft.ts });
  }

  /** Take back a message that the server never took. @param {string} conversation @param {string} m */
  async discard(conversation, m) {
    await this.#outbox.remove(m);
    this.thread(conversation)?.withdraw(m);
    this.#changed(conversation);
  }

  /** Ask for older events; they arrive like any other, a 'page' event ends them. @param {string} conversation */
  earlier(conversation) {
    const thread = this.thread(conversation);
    if (!thread?.hasEarlier) return false;
    return this.#line.say({ t: 'get', c: conversation, before: thread.first, limit: PAGE });
  }

  /** This reader has seen everything up to here. Told at most once a second; only ever grows. @param {string} conversation @param {number} upto */
  read(conversation, upto) {
    this.#mark('read', conversation, upto);
  }

  /** This person is writing; told at most once in three seconds. @param {string} conversation */
  typing(conversation) {
    const now = Date.now();
    if (now - (this.#typed.get(conversation) ?? 0) < TYPING_MS) return;
    if (this.#line.say({ t: 'typing', c: conversation })) this.#typed.set(conversation, now);
  }

  #wake = () => {
    if (globalThis.document?.visibilityState !== 'hidden') this.retryNow();
  };

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
    const from = thread.epoch === null ? {} : { cur: thread.cursor, ep: thread.epoch };
    return { ...from, ...(purpose ? { purpose } : {}) };
  }

  /** @param {Entry} entry */
  #post(entry) {
    const posted = this.#queue.then(async () => {
      await this.#outbox.put(entry);
      this.#wire(entry);
    });
    this.#queue = posted;
    return posted;
  }

  /** @param {Entry} entry */
  #wire({ m, c, k, b, seen }) {
    const after = this.#outbox.before(m);
    this.#line.say({ t: 'send', c, m, k, b, ...(after ? { after } : {}), ...(seen === undefined ? {} : { seen }) });
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
        void this.#outbox.remove(frame.m);
        this.thread(frame.c)?.acknowledge(frame);
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
      case 'page': return this.#emit('page', { conversation: frame.c, ...frame });
      case 'tops': return this.#compare(frame.conv);
      case 'pong': return this.#compare(frame.tops);
      default: return undefined;
    }
  }

  /** @param {string} conversation @returns {Cursor} */
  #fresh(conversation) {
    const purpose = this.#watched.get(conversation)?.purpose;
    return purpose ? { purpose } : {};
  }

  /** @param {ServerFrame & {t: 'welcome'}} frame */
  #welcomed({ me, limits, now }) {
    this.me = me;
    this.limits = limits;
    this.skew = now - Date.now();
    for (const { thread } of this.#watched.values()) thread.me = me;
    for (const entry of this.#outbox.entries()) this.#wire(entry);
    this.#tellMarks();
    this.#emit('welcome', { me, limits });
  }

  /** @param {Ev} event */
  #received(event) {
    if (event.m) void this.#outbox.remove(event.m);
    const thread = this.thread(event.c);
    if (!thread || thread.epoch === null) return;
    const { fresh, missing } = thread.receive(event);
    if (missing) this.#line.say({ t: 'get', c: event.c, ...missing });
    if (event.from.kind !== this.me.kind) this.#mark('rcvd', event.c, thread.cursor);
    if (fresh) this.#emit('event', { conversation: event.c, thread, event });
  }

  /** @param {Err} frame */
  #refused(frame) {
    const { c, m, retry, retry_ms: wait = AGAIN_MS, code, info } = frame;
    if (c && m && retry === 'no') {
      void this.#outbox.remove(m);
      this.thread(c)?.refuse(m, { code, message: String(info?.message ?? t('error.fault')) });
    } else if (c && m) {
      this.#resendLater(c, wait);
    }
    this.#emit('err', { conversation: c, ...frame });
  }

  /** All of a conversation's waiting messages again, in order: one of them alone could overtake another. @param {string} conversation @param {number} wait ms */
  #resendLater(conversation, wait) {
    if (this.#resends.has(conversation)) return;
    const timer = setTimeout(() => {
      this.#resends.delete(conversation);
      for (const entry of this.#outbox.entries(conversation)) this.#wire(entry);
    }, wait);
    this.#resends.set(conversation, timer);
  }

  /** The server says how far each log reaches; what is still missing after a moment was lost on the way. @param {Tops} tops */
  #compare(tops) {
    for (const [conversation, [epoch, last]] of Object.entries(tops)) {
      const thread = this.thread(conversation);
      if (!thread || thread.epoch === null) continue;
      if (thread.epoch !== epoch) this.#line.say({ t: 'sub', c: conversation, ...this.#fresh(conversation) });
      else if (last > thread.cursor) setTimeout(() => this.#fetchTo(thread, last), LAG_MS);
    }
  }

  /** @param {Thread} thread @param {number} last */
  #fetchTo(thread, last) {
    if (thread.cursor < last) this.#line.say({ t: 'get', c: thread.id, from: thread.cursor + 1, to: last });
  }

  /** @param {'read' | 'rcvd'} what @param {string} conversation @param {number} upto */
  #mark(what, conversation, upto) {
    const name = `${what} ${conversation}`;
    if (upto <= (this.#marked.get(name) ?? 0) || upto <= (this.#marks.get(name) ?? 0)) return;
    this.#marks.set(name, upto);
    this.#markTimer ??= setTimeout(() => this.#tellMarks(), MARK_MS);
  }

  #tellMarks() {
    this.#markTimer = undefined;
    for (const [name, upto] of this.#marks) {
      const [what, c] = name.split(' ');
      if (this.#line.say({ t: String(what), c, upto })) {
        this.#marks.delete(name);
        this.#marked.set(name, upto);
      }
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
