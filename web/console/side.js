// <desk-side>: how identity was proven, masked fields, linked orders, earlier conversations.
import { html, nothing } from 'lit-html';
import { get } from '../core/calls.js';
import { clock, day } from '../core/format.js';
import { has, t } from '../core/i18n.js';
import { detail } from './desk.js';
import { Pane } from './pane.js';
import './right.js';

/** @import { Desk } from './desk.js' */
/** @typedef {{id: string, created_ms: number, state: string, is_open_to: boolean}} Past */
/** @typedef {{title: string, email_masked: string | null, proof: string, proven_ms: number | null, locale: string, topic: string, for_other_ms: number | null, past: Past[]}} Customer */
/** @typedef {{name: string, quantity: number, price: string, options: string[]}} Item */
/** @typedef {{id: string, number: string, placed_ms: number | null, status_label: string, tone: string, total: string,
 *   lines: Item[], recipient: string, address: string, phone: string, payments: string[]}} Order */
/** @typedef {{customer: Customer, orders: Order[]}} Panel */

const REFRESHING = new Set(['identified', 'order_linked', 'order_unlinked', 'resolved', 'reopened']);

export class DeskSide extends Pane {
  /** @type {Panel | null} */
  #panel = null;
  #failed = false;

  /** @override @param {Desk} desk */
  listen(desk) {
    desk.addEventListener('open', () => this.#open());
    desk.session.addEventListener('event', (event) => {
      const { conversation, event: told } = detail(event);
      if (conversation === desk.opened && REFRESHING.has(told.k)) void this.#load();
    });
  }

  #open() {
    this.#show(null, false);
    void this.#load();
  }

  async #load() {
    const asked = this.desk.opened;
    if (asked === null) return;
    /** @type {Panel | null} */
    const panel = await get(`/desk/conversations/${asked}/side`).catch(() => null);
    if (asked === this.desk.opened) this.#show(panel, panel === null);
  }

  /** @param {Panel | null} panel @param {boolean} failed */
  #show(panel, failed) {
    this.#panel = panel;
    this.#failed = failed;
    this.update();
  }

  /** @override */
  view() {
    if (this.#failed) return this.#complaint();
    return this.#panel ? whole(this.desk.opened ?? '', this.#panel) : html`<p class="quiet-text">${t('side_wait')}</p>`;
  }

  #complaint() {
    return html`<p class="banner bad" role="alert"><span class="grow">${t('side_failed')}</span>
      <button class="link" type="button" @click=${() => this.#load()}>${t('again')}</button></p>`;
  }
}

/** @param {string} conversation @param {Panel} panel */
const whole = (conversation, { customer, orders }) => html`
  ${orders.length ? orders.map(orderCard) : html`<section class="card"><h2>${t('orders')}</h2><p class="quiet-text">${t('no_orders')}</p></section>`}
  ${customerCard(customer)}
  ${pastCard(customer.past)}
  <desk-right .conversation=${conversation}></desk-right>
`;

/** @param {Order} order */
const orderCard = (order) => html`
  <section class="card">
    <h2>${t('order', { number: order.number })}</h2>
    <dl class="facts">
      ${fact(t('order_status'), html`<span class="tag ${order.tone}">${order.status_label}</span>`)}
      ${fact(t('order_placed'), order.placed_ms === null ? '' : day(order.placed_ms))}
      ${fact(t('order_total'), order.total)}
      ${fact(t('order_payment'), order.payments.join(', '))}
      ${fact(t('order_recipient'), order.recipient)}
      ${fact(t('order_address'), order.address)}
      ${fact(t('order_phone'), order.phone)}
    </dl>
    <ul class="lines">
      ${order.lines.map((line) => html`<li><span>${line.name} × ${line.quantity}</span><span class="figures">${line.price}</span>
        ${line.options.length ? html`<small>${line.options.join(' · ')}</small>` : nothing}</li>`)}
    </ul>
  </section>
`;

/** @param {Customer} customer */
const customerCard = (customer) => html`
  <section class="card">
    <h2>${t('customer')}</h2>
    <dl class="facts">
      ${fact(t('customer_name'), customer.title)}
      ${fact(t('customer_email'), customer.email_masked ?? '')}
      ${fact(t('customer_identity'), proof(customer))}
      ${fact(t('customer_language'), locale(customer.locale))}
      ${fact(t('customer_other'), customer.for_other_ms === null ? '' : t('other_said', { time: `${day(customer.for_other_ms)} ${clock(customer.for_other_ms)}` }))}
      ${fact(t('customer_topic'), has(`topic_${customer.topic}`) ? t(`topic_${customer.topic}`) : customer.topic)}
    </dl>
  </section>
`;

/** @param {Past[]} past */
const pastCard = (past) => html`
  <section class="card">
    <h2>${t('past')}</h2>
    ${past.length
      ? html`<ul class="past">${past.map((one) => html`<li>${one.is_open_to
          ? html`<a href="#c-${one.id}">${day(one.created_ms)}</a>` : html`<span>${day(one.created_ms)}</span>`}
          <span class="tag">${t(`state_${one.state}`)}</span></li>`)}</ul>`
      : html`<p class="quiet-text">${t('no_past')}</p>`}
  </section>
`;

/** @param {Customer} customer */
function proof({ proof: how, proven_ms: when }) {
  if (how !== 'email_code') return html`<span class="tag warn">${t('proof_guest')}</span>`;
  const time = when === null ? '' : `${day(when)} ${clock(when)}`;
  return html`<span class="tag good">${t('proof_email_code')}</span> <small>${time}</small>`;
}

/** @param {string} name */
const locale = (name) => (has(`language_${name}`) ? t(`language_${name}`) : name);

/** A line of facts; one that is not known is left out. @param {string} name @param {unknown} value */
const fact = (name, value) => (value ? html`<dt>${name}</dt><dd>${value}</dd>` : nothing);

customElements.define('desk-side', DeskSide);
