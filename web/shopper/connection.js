// <chat-line>: the one line that says how the connection is. It counts down and has "Try now"; nothing but the connection
// itself takes it away. Read aloud is only that it broke and that it is back, not every second between.
import { html, nothing } from 'lit-html';
import { Outage } from '../core/outage.js';
import { t } from '../core/i18n.js';
import { Part } from '../parts/element.js';

/** @import { Session } from '../core/session.js' */

export class ConnectionLine extends Part {
  #outage = new Outage();
  /** @type {Session | null} */
  #session = null;
  #isGone = false;
  /** Nobody can come back as the same guest. */
  isGuest = false;
  /** Which words were said of this break. */
  #told = '';
  /** Does storage work better in a page of its own? */
  isFramed = globalThis.parent !== globalThis.self;

  /** @param {Session} session */
  show(session) {
    this.#session = session;
    this.#outage = session.outage;
    this.update();
  }

  /** The conversation itself has ended for her. */
  gone() {
    this.#isGone = true;
    this.update();
  }

  /** @override */
  view() {
    return html`<p class="vh" role="status">${this.#said()}</p>${this.#banner()}`;
  }

  #said() {
    if (this.#isGone) return t('line.gone');
    const look = this.#outage.look();
    if (look === 'stopped') return this.#isShutOut ? t('line.no_cookie') : this.#ended();
    this.#told = this.#outage.isBroken() ? this.#told || (look === 'offline' ? 'line.offline' : 'line.lost') : '';
    return look === 'back' ? t('line.back') : this.#told && this.#words(this.#told);
  }

  /** What is on this page alone must not be called kept. @param {string} key @param {Record<string, number>} [values] */
  #words(key, values) {
    return t(this.#isKept ? key : `${key}_here`, values);
  }

  get #isKept() {
    return this.#session?.outbox.isDurable ?? true;
  }

  #banner() {
    if (this.#isGone) return banner('bad', t('line.gone'), t('line.reload'), () => location.reload());
    switch (this.#outage.look()) {
      case 'stopped': return this.#stopped();
      case 'back': return html`<p class="banner good"><span class="grow">${t('line.back')}</span></p>`;
      case 'offline': return banner('', this.#words('line.offline'), t('line.now'), this.#now);
      case 'waiting': return banner('', this.#words('line.waiting', { s: this.#outage.seconds() }), t('line.now'), this.#now);
      case 'connecting': return html`<p class="banner"><span class="grow">${t('line.connecting')}</span></p>`;
      default: return this.#isKept || !this.isFramed ? nothing : aside(t('line.memory'));
    }
  }

  #now = () => this.#session?.retryNow();

  /** A frame whose cookie never came back was stopped before it was ever open. */
  get #isShutOut() {
    return !this.#outage.wasOpen && this.isFramed;
  }

  #stopped() {
    if (this.#isShutOut) return aside(t('line.no_cookie'), 'bad');
    return banner('bad', this.#ended(), t('line.again'), () => location.reload());
  }

  #ended() {
    return t(this.isGuest ? 'line.ended_guest' : 'line.ended');
  }
}

/** @param {string} tone @param {string} words @param {string} label @param {() => void} does */
const banner = (tone, words, label, does) =>
  html`<div class=${`banner ${tone}`.trim()}><span class="grow">${words}</span><button class="link" type="button" @click=${does}>${label}</button></div>`;

/** What a page of its own does better than a frame. @param {string} words @param {string} [tone] */
const aside = (words, tone = '') =>
  html`<div class=${`banner ${tone}`.trim()}><span class="grow">${words}</span><a class="link" href="/chat" target="_blank" rel="noopener">${t('line.new_tab')}</a></div>`;

customElements.define('chat-line', ConnectionLine);
