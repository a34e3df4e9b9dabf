// <desk-line> and <desk-presence> in the bar: how the connection is, and whether this agent is at work.
import { html, nothing } from 'lit-html';
import { t } from '../core/i18n.js';
import { Pane } from './pane.js';

/** @import { Desk } from './desk.js' */

export class DeskLine extends Pane {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;

  /** @override @param {Desk} desk */
  listen(desk) {
    desk.session.addEventListener('connection', () => this.#changed());
  }

  #changed() {
    clearInterval(this.#tick);
    if (this.desk.session.connection.phase === 'waiting') this.#tick = setInterval(() => this.update(), 1000);
    this.update();
  }

  /** @override */
  view() {
    const { session } = this.desk;
    const { phase, retryAt } = session.connection;
    const seconds = Math.max(0, Math.ceil(((retryAt ?? 0) - Date.now()) / 1000));
    const isLong = phase === 'waiting' && seconds > 1;
    return html`
      <span role="status">${STATES[isLong ? 'long' : phase]?.() ?? connecting()}</span>
      ${isLong ? html`<span class="tag">${t('retry_in', { s: seconds })}</span><button class="link" type="button" @click=${() => session.retryNow()}>${t('try_now')}</button>` : nothing}
      ${phase === 'stopped' ? html`<a class="link" href="/desk/sign-in">${t('sign_in')}</a>` : nothing}
    `;
  }
}

export class DeskPresence extends Pane {
  /** @override @param {Desk} desk */
  listen(desk) {
    this.follow(desk, 'cards');
    this.follow(desk.session, 'connection');
  }

  /** @override */
  view() {
    const isHere = this.desk.session.connection.phase === 'open';
    const words = isHere ? t('presence', { n: this.desk.sections.mine.length }) : t('away');
    return html`<span class="here"><span class="dot ${isHere ? '' : 'off'}"></span>${words}</span>`;
  }
}

const connecting = () => html`<span class="tag">${t('connecting')}</span>`;

/** @type {Record<string, () => unknown>} */
const STATES = {
  open: () => html`<span class="tag good"><span class="dot"></span>${t('online')}</span>`,
  long: () => html`<span class="tag warn">${t('offline')}</span>`,
  stopped: () => html`<span class="tag bad">${t('signed_out')}</span>`,
};

customElements.define('desk-line', DeskLine);
customElements.define('desk-presence', DeskPresence);
