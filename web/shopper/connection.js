// <chat-line>: the one line that says how the connection is. It counts down and has "Try now"; nothing but the connection
// itself takes it away.
import { html, nothing } from 'lit-html';
import { t } from '../core/i18n.js';
import { Part } from '../parts/element.js';

/** @import { TemplateResult } from 'lit-html' */
/** @import { Connection } from '../core/line.js' */
/** @import { Session } from '../core/session.js' */

const PATIENCE_MS = 1_500;
const RELIEF_MS = 2_500;

export class ConnectionLine extends Part {
  /** @type {Connection} */
  #connection = { phase: 'idle', retryAt: null, code: null };
  /** @type {Session | null} */
  #session = null;
  #isGone = false;
  #wasOpen = false;
  /** Since when there is no line. @type {number | null} */
  #lost = null;
  #isBack = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;

  /** @param {Connection} connection @param {Session | null} session */
  show(connection, session) {
    this.#connection = connection;
    this.#session = session;
    if (connection.phase === 'open') this.#opened();
    else if (connection.phase !== 'idle') this.#lost ??= Date.now();
    clearInterval(this.#tick);
    if (connection.phase === 'waiting' || connection.phase === 'connecting') this.#tick = setInterval(() => this.update(), 500);
    this.update();
  }

  /** The conversation itself has ended for her. */
  gone() {
    this.#isGone = true;
    this.update();
  }

  /** @override */
  view() {
    const words = this.#words();
    return html`<div role="status">${words}</div>`;
  }

  #opened() {
    const wasShown = this.#lost !== null && this.#wasOpen && Date.now() - this.#lost > PATIENCE_MS;
    this.#wasOpen = true;
    this.#lost = null;
    if (!wasShown) return;
    this.#isBack = true;
    setTimeout(() => {
      this.#isBack = false;
      this.update();
    }, RELIEF_MS);
  }

  /** @returns {TemplateResult | typeof nothing} */
  #words() {
    const { phase, retryAt } = this.#connection;
    if (this.#isGone) return this.#banner('bad', t('line.gone'), t('line.reload'), () => location.reload());
    if (phase === 'stopped') return this.#stopped();
    if (this.#isBack) return html`<p class="banner good"><span class="grow">${t('line.back')}</span></p>`;
    if (this.#lost === null || Date.now() - this.#lost < PATIENCE_MS) return nothing;
    if (!navigator.onLine) return this.#banner('', t('line.offline'), t('line.now'), () => this.#session?.retryNow());
    const s = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
    if (phase === 'connecting' || s <= 0) return html`<p class="banner"><span class="grow">${t('line.connecting')}</span></p>`;
    return html`<div class="banner"><span class="grow" aria-live="off">${t('line.waiting', { s })}</span><button class="link" type="button" @click=${() => this.#session?.retryNow()}>${t('line.now')}</button></div>`;
  }

  /** A frame whose cookie never came back was stopped before it was ever open. */
  #stopped() {
    const isFramed = globalThis.parent !== globalThis.self;
    if (!this.#wasOpen && isFramed) return html`<div class="banner bad"><span class="grow">${t('line.no_cookie')}</span><a class="link" href="/chat" target="_blank" rel="noopener">${t('line.new_tab')}</a></div>`;
    return this.#banner('bad', t('line.ended'), t('line.again'), () => location.reload());
  }

  /** @param {string} tone @param {string} words @param {string} label @param {() => void} does */
  #banner(tone, words, label, does) {
    return html`<div class=${`banner ${tone}`.trim()}><span class="grow">${words}</span><button class="link" type="button" @click=${does}>${label}</button></div>`;
  }
}

customElements.define('chat-line', ConnectionLine);
