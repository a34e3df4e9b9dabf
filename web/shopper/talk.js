// The conversation on the shopper's page: ties the session to the log, the composer, the files and the sheets.
import { carry, csrf } from '../core/calls.js';
import { clock } from '../core/format.js';
import { t } from '../core/i18n.js';
import { open as openKept } from '../core/kept.js';
import { holdUnsent } from '../core/leaving.js';
import { keepPresent } from '../core/presence.js';
import { keepCurrent } from '../core/reload.js';
import { Session } from '../core/session.js';
import { isSaid } from '../core/thread.js';
import { ChatLog } from '../parts/chat-log.js';
import { Composer } from '../parts/composer.js';
import { part } from '../parts/element.js';
import { UploadTray } from '../parts/upload-tray.js';
import { ConnectionLine } from './connection.js';
import { happened, identified, linked } from './cards.js';
import { LoginSheet } from './login.js';
import { OrderSheet } from './orders.js';

/** @import { Ev, Who } from '../core/frames.js' */
/** @import { Kept } from '../core/kept.js' */
/** @import { ServerTime } from '../core/servertime.js' */
/** @import { Row, Thread } from '../core/thread.js' */
/** @import { Boot, Me, Standing } from './boot.js' */
/** @typedef {{text: string, until: (kept: Promise<unknown>) => void, edits: number | null}} Composed */
/** @import { Host } from './host.js' */

const QUIET_MS = 20_000;
const SETTLE_MS = 3_000;
const NOT_SIGNED_IN = 4401;

export class Talk {
  /** @type {Session | null} */
  session = null;
  /** @type {Me | null} */
  me = null;
  #conversation = '';
  /** @type {Kept | null} */
  #kept = null;
  /** How many files a message that she has sent waits for; it goes by itself once they are there, and only as she sent it. @type {number | null} */
  #held = null;
  #announced = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stillness;
  #unread = 0;
  #title = document.title;
  /** @type {() => void} */
  #hasBegun = () => {};
  /** @type {Promise<void>} */
  #begun = new Promise((resolve) => (this.#hasBegun = resolve));

  /** @param {HTMLElement} page @param {Host | null} host */
  constructor(page, host) {
    this.page = page;
    this.host = host;
    this.log = part(page, 'chat-log', ChatLog);
    this.composer = part(page, 'chat-composer', Composer);
    this.tray = part(page, 'upload-tray', UploadTray);
    this.line = part(page, 'chat-line', ConnectionLine);
    this.login = part(page, 'login-sheet', LoginSheet);
    this.orders = part(page, 'order-sheet', OrderSheet);
    this.#listen();
  }

  /** @param {Standing} standing @param {Boot['limits']} limits @param {ServerTime} time */
  async begin(standing, limits, time) {
    const { me, conversation } = standing;
    if (!me || !conversation) throw new Error('a conversation needs somebody');
    carry(standing.csrf);
    this.#conversation = conversation.id;
    this.#kept = await keptOf(standing);
    this.session = new Session({ as: 'shopper', me, csrf, time, outbox: this.#kept.outbox });
    keepCurrent(this.session);
    holdUnsent(this.session);
    keepPresent('/shopper/here');
    this.login.limits = limits;
    this.composer.conversation = conversation.id;
    this.composer.drafts = this.#kept.drafts;
    this.tray.path = `/chat/conversations/${conversation.id}/media`;
    this.log.dress = { name: named, cards: { order_linked: (row) => linked(row, this.orders.known), identified, assigned: happened, opened: () => t('chat.empty') } };
    this.#know(me);
    this.#follow(this.session);
    this.#sweep();
    this.log.thread = this.session.watch(conversation.id);
    this.session.start();
    this.#hasBegun();
    if (me.proof !== 'guest') void this.orders.load();
  }

  get conversation() {
    return this.#conversation;
  }

  focus() {
    this.composer.focus();
  }

  /** A guest has proven who she is: the same conversation goes on under her new sign-in. @param {Standing} standing */
  async become(standing) {
    const { me } = standing;
    if (!me || !this.session) return;
    carry(standing.csrf);
    const kept = await keptOf(standing);
    await this.#kept?.drafts.moveTo(kept.drafts);
    await this.session.become(me, kept.outbox);
    this.composer.drafts = kept.drafts;
    this.#kept = kept;
    this.#know(me);
  }

  /** Before the sign-in changes: what is on its way arrives under the name it was written, then the line is let go. @returns {Promise<void>} */
  async settle() {
    const until = Date.now() + SETTLE_MS;
    while (this.session?.outbox.waiting().length && this.session.connection.phase === 'open' && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.session?.stop();
  }

  /** The sign-in did not change after all. */
  unsettle() {
    this.session?.start();
  }

  /** @param {string} words */
  say(words) {
    part(this.page, '#status', HTMLElement).textContent = words;
  }

  /** Said aloud and shown until the next thing works; '' takes it away. @param {string} words */
  complain(words) {
    const alert = part(this.page, '#alert', HTMLElement);
    alert.textContent = words;
    alert.hidden = !words;
  }

  #listen() {
    this.composer.addEventListener('compose', (event) => this.#compose(/** @type {CustomEvent<Composed>} */ (event)));
    this.composer.addEventListener('input', () => (this.#held = null));
    this.composer.addEventListener('typing', () => this.session?.typing(this.#conversation));
    this.composer.addEventListener('files', (event) => {
      const { files } = /** @type {CustomEvent<{files: File[]}>} */ (event).detail;
      void this.#begun.then(() => this.tray.add(files)); // before that nobody knows which conversation they are for
    });
    this.tray.addEventListener('change', () => this.#filesMoved());
    this.log.addEventListener('earlier', () => this.session?.earlier(this.#conversation) || this.log.loaded());
    this.log.addEventListener('read', (event) => this.#read(/** @type {CustomEvent<{upto: number}>} */ (event).detail.upto));
    this.log.addEventListener('retry', (event) => void this.session?.retry(this.#conversation, /** @type {CustomEvent<{m: string}>} */ (event).detail.m));
    this.log.addEventListener('discard', (event) => void this.session?.discard(this.#conversation, /** @type {CustomEvent<{m: string}>} */ (event).detail.m));
    this.log.addEventListener('edit', (event) => {
      const { row } = /** @type {CustomEvent<{row: Row}>} */ (event).detail;
      this.composer.beginEdit({ of: row.s ?? 0, text: row.b.text });
    });
    this.log.addEventListener('remove', (event) => {
      const { row } = /** @type {CustomEvent<{row: Row}>} */ (event).detail;
      void this.session?.send(this.#conversation, 'retracted', { of: row.s });
    });
  }

  /** @param {Session} session */
  #follow(session) {
    /** @param {string} type @param {(detail: any) => void} then any: each event has its own detail, named where it is used */
    const on = (type, then) => session.addEventListener(type, (event) => then(/** @type {CustomEvent} */ (event).detail));
    on('change', () => this.#changed());
    on('connection', () => this.#connected(session));
    on('page', () => this.log.loaded());
    on('event', ({ thread, event }) => this.#happened(thread, event));
    on('typing', ({ who, ttl }) => this.#typing(who, ttl));
    on('state', ({ what, data }) => what === 'presence' && data.kind === 'agent' && this.#present(data.online));
    on('welcome', ({ limits }) => this.#limited(limits));
    on('ack', ({ masked }) => masked && this.complain(t('log.masked')));
    on('gone', () => this.#gone());
    on('err', () => this.#sweep());
    on('left', () => location.reload()); // another tab signed out, or in
  }

  #changed() {
    this.log.refresh();
    this.line.update();
    this.#introduce();
  }

  /** @param {Session} session */
  #connected(session) {
    this.log.online = !session.outage.isLost();
    if (session.connection.phase === 'stopped') this.#end(session.connection.code);
    this.log.loaded();
    this.log.refresh();
    this.line.show(session);
  }

  /**
   * Whose sign-in has ended, or who has been erased, is nobody any more: what was said is hers to read no longer, and it may
   * be somebody else who looks. Nothing that a guest writes could arrive. @param {number | null} code
   */
  #end(code) {
    if (code === NOT_SIGNED_IN) this.log.thread?.empty();
    if (this.me?.proof !== 'guest') return;
    this.log.isOver = true;
    this.composer.shut(t('chat.closed'));
  }

  /** What is no longer hers to read is neither shown nor kept, and no longer hers to write to. */
  #gone() {
    this.#kept?.drafts.forget(this.#conversation);
    void this.#kept?.outbox.forget(this.#conversation);
    this.tray.clear();
    this.composer.shut(t('chat.closed'));
    this.composer.text = '';
    this.log.thread = null;
    this.line.gone();
  }

  /** What was refused in an older conversation of hers has no row here; it goes as that conversation did. */
  #sweep() {
    const outbox = this.#kept?.outbox;
    for (const { m, c, reason } of outbox?.entries() ?? []) if (reason && c !== this.#conversation) void outbox?.remove(m);
  }

  /** @param {Record<string, number>} limits */
  #limited({ text, file, change_ms: changeMs }) {
    this.log.changeMs = changeMs ?? 0;
    this.log.skew = this.session?.skew ?? 0;
    this.log.refresh();
    if (text) this.composer.limit = text;
    if (file) this.tray.limit = file;
  }

  /** @param {CustomEvent<Composed>} event */
  #compose(event) {
    this.complain('');
    const { text, until, edits } = event.detail;
    if (edits !== null) return until(this.session?.send(this.#conversation, 'revised', { of: edits, text }) ?? Promise.resolve());
    if (this.tray.isReady) return until(this.#send(text));
    event.preventDefault();
    if (this.tray.hasFailed) return this.complain(t('files.failed'));
    this.#held = this.tray.uploads.length;
    return this.say(t('files.wait'));
  }

  /** Pictures first, the words with the last of them: none goes without the other. Resolves when all are in the outbox. @param {string} text @returns {Promise<unknown>} */
  #send(text) {
    this.#held = null;
    const { session } = this;
    if (!session) return this.#begun.then(() => this.#send(text)); // the outbox is still being opened
    const uploads = this.tray.take();
    const sent = [];
    for (const [place, { attachment, preview }] of uploads.entries()) {
      const isLast = place === uploads.length - 1;
      sent.push(session.send(this.#conversation, 'media', { attachment: attachment?.id, ...(isLast && text ? { text } : {}) }, { preview }));
    }
    if (!uploads.length) sent.push(session.send(this.#conversation, 'message', { text }));
    this.log.toEnd();
    return Promise.all(sent);
  }

  #filesMoved() {
    this.composer.mayBeEmpty = this.tray.uploads.length > 0;
    if (!this.tray.hasFailed) this.complain('');
    if (this.#held === null) return;
    if (this.tray.hasFailed) this.complain(t('files.failed'));
    if (this.tray.hasFailed || this.tray.uploads.length !== this.#held) this.#held = null;
    else if (this.tray.isReady) this.composer.empty(this.#send(this.composer.text.trim()));
  }

  /** @param {number} upto */
  #read(upto) {
    if (!this.host?.isShut) {
      this.session?.read(this.#conversation, upto);
      this.#count(0);
    }
  }

  /** @param {Thread} thread @param {Ev} event */
  #happened(thread, event) {
    if (event.from.kind === 'agent') this.#still();
    if (event.k === 'erased') this.#kept?.drafts.forget(this.#conversation);
    const isNew = isSaid(event) && event.from.kind !== 'shopper' && event.s > thread.readUpto && event.s === thread.cursor;
    if (isNew && (document.hidden || this.host?.isShut)) this.#count(thread.unread());
  }

  /** Unread messages, on the shop's button and in the tab's title. @param {number} n */
  #count(n) {
    if (n === this.#unread) return;
    this.#unread = n;
    document.title = n ? `${t('title.unread', { n })} – ${this.#title}` : this.#title;
    this.host?.unread(n);
  }

  /** @param {Who} who @param {number} ttl */
  #typing(who, ttl) {
    if (who.kind !== 'agent') return;
    const words = t('chat.typing', { name: who.name || t('chat.someone') });
    part(this.page, '#typing', HTMLElement).textContent = words;
    if (Date.now() - this.#announced > QUIET_MS) {
      this.#announced = Date.now();
      this.say(words);
    }
    clearTimeout(this.#stillness);
    this.#stillness = setTimeout(() => this.#still(), ttl);
  }

  #still() {
    part(this.page, '#typing', HTMLElement).textContent = '';
  }

  /** @param {boolean} isHere */
  #present(isHere) {
    this.page.dataset.here = String(isHere);
    this.#introduce();
  }

  /** Who looks after her, as far as this page knows. */
  #introduce() {
    const thread = this.log.thread;
    const turn = thread?.newest('resolved', 'reopened', 'message', 'media');
    const name = thread?.newest('assigned')?.b.name;
    const here = this.page.dataset.here === 'true';
    const words = turn?.k === 'resolved' ? t('who.resolved') : name ? t('who.with', { name }) : here ? t('who.here') : t('who.waiting');
    part(this.page, '#who', HTMLElement).textContent = words;
  }

  /** @param {Me} me */
  #know(me) {
    this.me = me;
    this.line.isGuest = me.proof === 'guest';
    this.page.dataset.proof = me.proof;
    const proven = me.email ? t('me.proven', { email: me.email, time: clock(me.proven_ms ?? 0) }) : t('me.guest');
    const line = this.page.querySelector('#me');
    if (line) line.textContent = proven;
  }
}

/** @param {Standing} standing */
const keptOf = ({ me, shelf_key: key }) => openKept(me?.ref ?? '', key);

/** @param {{own: boolean, from: Who}} row */
const named = ({ own, from }) => (own ? t('log.you') : from.name || t('chat.shop'));
