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
  /** What was said of this break. */
  #told = '';

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
    if (look === 'stopped') return this.#isShutOut ? t('line.no_cookie') : t('line.ended');
    this.#told = this.#outage.isBroken() ? this.#told || t(look === 'offline' ? 'line.offline' : 'line.lost') : '';
    return look === 'back' ? t('line.back') : this.#told;
  }

  #banner() {
    if (this.#isGone) return banner('bad', t('line.gone'), t('line.reload'), () => location.reload());
    switch (this.#outage.look()) {
      case 'stopped': return this.#stopped();
      case 'back': return html`<p class="banner good"><span class="grow">${t('line.back')}</span></p>`;
      case 'offline': return banner('', t('line.offline'), t('line.now'), this.#now);
      case 'waiting': return banner('', t('line.waiting', { s: this.#outage.seconds() }), t('line.now'), this.#now);
      case 'connecting': return html`<p class="banner"><span class="grow">${t('line.connecting')}</span></p>`;
      default: return nothing;
    }
  }

  #now = () => this.#session?.retryNow();

  /** A frame whose cookie never came back was stopped before it was ever open. */
  get #isShutOut() {
    return !this.#outage.wasOpen && globalThis.parent !== globalThis.self;
  }

  #stopped() {
    if (this.#isShutOut) return html`<div class="banner bad"><span class="grow">${t('line.no_cookie')}</span><a class="link" href="/chat" target="_blank" rel="noopener">${t('line.new_tab')}</a></div>`;
    return banner('bad', t('line.ended'), t('line.again'), () => location.reload());
  }
}

/** @param {string} tone @param {string} words @param {string} label @param {() => void} does */
const banner = (tone, words, label, does) =>
  html`<div class=${`banner ${tone}`.trim()}><span class="grow">${words}</span><button class="link" type="button" @click=${does}>${label}</button></div>`;

customElements.define('chat-line', ConnectionLine);
