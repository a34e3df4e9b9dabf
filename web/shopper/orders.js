// <order-sheet>: a shopper's own orders, to tie one to the conversation.
import { html } from 'lit-html';
import { get, post, Refused } from '../core/calls.js';
import { t } from '../core/i18n.js';
import { told } from './cards.js';
import { Sheet } from './sheet.js';

/** @import { Order } from './cards.js' */

/** Set `.conversation` and `.email`. Tells 'linked' {number}. */
export class OrderSheet extends Sheet {
  conversation = '';
  email = '';
  /** Orders this page has been shown, by id. @type {Map<string, Order>} */
  known = new Map();

  /** @type {'idle' | 'loading' | 'ready' | 'failed'} */
  #phase = 'idle';
  #wrong = '';
  #isBusy = false;

  /** @override */
  open() {
    this.heading = t('orders.title');
    super.open();
    void this.load();
  }

  /** Fetch her orders; also quietly, so that cards in the conversation can show them. */
  async load() {
    this.#phase = this.known.size ? 'ready' : 'loading';
    this.#wrong = '';
    this.update();
    try {
      const { orders } = /** @type {{orders: Order[]}} */ (await get('/shopper/orders'));
      this.known = new Map(orders.map((order) => [order.id, order]));
      this.#phase = 'ready';
      this.tell('known');
    } catch (error) {
      this.#phase = 'failed';
      this.#wrong = error instanceof Refused ? error.message : t('error.fault');
    }
    this.update();
  }

  /** @override */
  body() {
    if (this.#phase === 'loading') return html`<p class="quiet-text" role="status">${t('orders.loading')}</p>`;
    if (this.#phase === 'failed') return html`<p class="wrong" role="alert">${t('orders.failed')} ${this.#wrong}</p><button class="btn" type="button" @click=${() => this.load()}>${t('orders.again')}</button>`;
    if (!this.known.size) return html`<p>${t('orders.none', { email: this.email })}</p>`;
    return html`<p class="wrong" role="alert" ?hidden=${!this.#wrong}>${this.#wrong}</p>
      <ul class="orders">${[...this.known.values()].map((order) => html`<li><button class="order" type="button" ?disabled=${this.#isBusy} @click=${() => this.#link(order)}><span class="vh">${t('orders.link', { number: order.number })}</span>${told(order)}</button></li>`)}</ul>`;
  }

  /** @param {Order} order */
  async #link({ id, number }) {
    this.#isBusy = true;
    this.draw();
    try {
      await post(`/shopper/conversations/${this.conversation}/order`, { order: id });
      this.shut();
      this.tell('linked', { number });
    } catch (error) {
      this.#wrong = error instanceof Refused ? error.message : t('error.fault');
    } finally {
      this.#isBusy = false;
      this.draw();
    }
  }
}

customElements.define('order-sheet', OrderSheet);
