// What happened in the conversation, as the shopper sees it: her order on a card, her proof, who came.
import { html, nothing } from 'lit-html';
import { shortDay } from '../core/format.js';
import { t } from '../core/i18n.js';
import { sentence } from '../parts/chat-row.js';
import { icon } from '../parts/icon.js';

/** @import { Row } from '../core/thread.js' */
/** @typedef {{id: string, number: string, placed_ms: number | null, status: string, status_label: string, total_label: string,
 *   items: {name: string, quantity: number, options: Record<string, string>}[]}} Order */

const SHOWN = 2;
/** @type {Record<string, string>} */
const TONES = { delivered: 'good', shipped: 'info', cancelled: 'bad' };

/** The card of a linked order; its details only where this page may know them. @param {Row} row @param {Map<string, Order>} known */
export function linked({ b }, known) {
  const order = known.get(b.order);
  if (!order) return html`<div class="order"><span class="head"><strong>${t('orders.number', { number: b.number })}</strong><span class="tag">${t('orders.linked')}</span></span></div>`;
  return html`<div class="order">${told(order)}</div>`;
}

/** @param {Order} order */
export function told(order) {
  const when = order.placed_ms === null ? '' : shortDay(order.placed_ms);
  return html`<span class="head"><strong>${t('orders.number', { number: order.number })}</strong><span class=${`tag ${TONES[order.status] ?? ''}`.trim()}>${order.status_label}</span></span>
    ${order.items.slice(0, SHOWN).map((item) => html`<span class="line">${item.name} × ${item.quantity}</span>`)}
    ${order.items.length > SHOWN ? html`<span class="line">${t('orders.more', { n: order.items.length - SHOWN })}</span>` : nothing}
    <span class="line figures">${[when, order.total_label].filter(Boolean).join(' · ')}</span>`;
}

/** How she proved who she is. @param {Row} row */
export const identified = (row) => html`<span class="proven">${icon('shield')}${sentence(row)}</span>`;

/** @param {Row} row */
export const happened = (row) => sentence(row) || nothing;
