// <desk-line> and <desk-presence> in the bar: how the connection is, and whether this agent is at work. A break of a moment
// changes nothing; a longer one is read aloud once (announcing.js), its countdown never.
import { html, nothing } from 'lit-html';
import { t } from '../core/i18n.js';
import { Pane } from './pane.js';

/** @import { Desk } from './desk.js' */

export class DeskLine extends Pane {
  /** @override @param {Desk} desk */
  listen(desk) {
    this.follow(desk.session, 'connection');
  }

  /** @override */
  view() {
    const { session } = this.desk;
    const { outage } = session;
    const look = outage.look();
    const state = outage.isBroken() && outage.wasOpen && look !== 'offline' ? 'lost' : look || (outage.wasOpen ? 'open' : 'connecting');
    return html`
      <span>${STATES[state]?.() ?? connecting()}</span>
      ${look === 'waiting' ? html`<span class="tag">${t('retry_in', { s: outage.seconds() })}</span>` : nothing}
      ${look === 'waiting' || look === 'offline' ? html`<button class="link" type="button" @click=${() => session.retryNow()}>${t('try_now')}</button>` : nothing}
      ${look === 'stopped' ? html`<a class="link" href="/desk/sign-in">${t('sign_in')}</a>` : nothing}
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
    const { outage } = this.desk.session;
    const isHere = outage.wasOpen && !outage.isLost() && outage.look() !== 'stopped';
    const words = isHere ? t('presence', { n: this.desk.sections.mine.length }) : t('away');
    return html`<span class="here"><span class="dot ${isHere ? '' : 'off'}"></span>${words}</span>`;
  }
}

const connecting = () => html`<span class="tag">${t('connecting')}</span>`;

/** @type {Record<string, () => unknown>} */
const STATES = {
  open: () => html`<span class="tag good"><span class="dot"></span>${t('online')}</span>`,
  back: () => html`<span class="tag good"><span class="dot"></span>${t('online')}</span>`,
  lost: () => html`<span class="tag warn">${t('offline')}</span>`,
  offline: () => html`<span class="tag warn">${t('no_network')}</span>`,
  stopped: () => html`<span class="tag bad">${t('signed_out')}</span>`,
};

customElements.define('desk-line', DeskLine);
customElements.define('desk-presence', DeskPresence);
