// One line of the conversation: a bubble with who, when and how far it got, or a plain sentence for what happened.
import { html, nothing } from 'lit-html';
import { clock, day, dayKey } from '../core/format.js';
import { isGone } from '../core/amendments.js';
import { has, t } from '../core/i18n.js';
import { isSaid } from '../core/thread.js';
import { icon } from './icon.js';
import { picture } from './picture.js';

/** @import { TemplateResult } from 'lit-html' */
/** @import { Reason, Row } from '../core/thread.js' */
/** Who is named and how, what a kind of event looks like, on which side it stands. @typedef {{
 *   name?: (row: Row) => string, onRight?: (row: Row) => boolean, showsNames?: boolean,
 *   cards?: Record<string, (row: Row) => TemplateResult | string | typeof nothing>,
 *   meta?: (row: Row) => TemplateResult | string | typeof nothing}} Dress */
/** @typedef {{starts: boolean, ends: boolean}} Group */
/** @typedef {'toggle' | 'edit' | 'ask' | 'remove' | 'close'} Act what the reader does with a line of her own */
/**
 * `acting`: the line whose options are open, and whether it asks before it removes.
 * @typedef {{online: boolean, isOver: boolean, isSlow: (m: string) => boolean, retry: (m: string) => void, discard: (m: string) => void,
 *   mayChange: (row: Row) => boolean, acting: {key: string, asks: boolean} | null, act: (act: Act, row: Row) => void}} Circumstances
 */

const TOGETHER_MS = 5 * 60_000;

/** @param {Row} row @param {Group} group @param {Circumstances} now @param {Dress} dress */
export function draw(row, group, now, dress) {
  if (!isSaid(row)) return happening(row, dress);
  const onRight = dress.onRight?.(row) ?? row.own;
  const classes = ['msg', onRight && 'own', row.k === 'note' && 'note', group.starts && 'first', row.delivery === 'waiting' && 'waiting', row.delivery === 'failed' && 'failed'];
  const speaks = group.starts && (!onRight || dress.showsNames);
  return html`<li class=${classes.filter(Boolean).join(' ')} data-key=${row.key}>
    ${speaks ? html`<span class="who">${name(row, dress)}</span>` : html`<span class="vh">${name(row, dress)}</span>`}
    <div class="said">${dress.cards?.[row.k]?.(row) ?? bubble(row)}${opener(row, now)}</div>
    ${options(row, now)}
    ${foot(row, group, now, dress)}
  </li>`;
}

/** @param {number} ms */
export const dayLine = (ms) => html`<li class="day"><span>${dayName(ms)}</span></li>`;

/** @param {Row} row @param {Row | undefined} before */
export const startsGroup = (row, before) => !before || !isTogether(before, row);

/** @param {Row} row @param {Row | undefined} after */
export const endsGroup = (row, after) => !after || !isTogether(row, after) || row.delivery !== after.delivery;

/** @param {Row} one @param {Row} other */
function isTogether(one, other) {
  const sameVoice = (one.from.ref === other.from.ref && one.from.name === other.from.name) || (one.own && other.own);
  return isSaid(one) && isSaid(other) && sameVoice && one.k !== 'note' === (other.k !== 'note') && other.ts - one.ts < TOGETHER_MS;
}

/** @param {Row} row @param {Dress} dress */
const name = (row, dress) => dress.name?.(row) ?? (row.own ? t('log.you') : row.from.name || t('log.system'));

/** @param {Row} row */
function bubble(row) {
  if (isGone(row.b)) return tombstone(row);
  if (row.k === 'media') return html`<div class="bubble media">${picture(row)}${row.b.text ? html`<p class="caption" dir="auto">${row.b.text}</p>` : nothing}</div>`;
  return html`<p class="bubble" dir="auto">${row.b.text}</p>`;
}

/** What stands where something was said. @param {Row} row */
function tombstone({ b, own }) {
  if (b.retracted) return html`<p class="bubble gone">${t(own ? 'log.retracted_own' : 'log.retracted')}</p>`;
  return html`<div class="bubble gone"><p>${t('log.redacted', { reason: t(`reason.${b.reason}`) })}</p>${b.text ? html`<p dir="auto">${b.text}</p>` : nothing}</div>`;
}

/** @param {Row} row @param {Circumstances} now */
function opener(row, now) {
  if (!now.mayChange(row)) return nothing;
  return html`<button class="btn quiet opener" type="button" aria-label=${t('log.options')} title=${t('log.options')} aria-expanded=${now.acting?.key === row.key}
    @click=${() => now.act('toggle', row)}>${icon('menu')}</button>`;
}

/** Change or remove one's own line; removing asks once. @param {Row} row @param {Circumstances} now */
function options(row, now) {
  if (now.acting?.key !== row.key || !now.mayChange(row)) return nothing;
  const asks = now.acting.asks;
  return html`<div class="acts" role="group" aria-label=${t('log.options')}>
    ${asks ? html`<span>${t('log.remove_sure')}</span>` : nothing}
    ${asks || row.k === 'media' ? nothing : html`<button class="btn small" type="button" @click=${() => now.act('edit', row)}>${t('log.edit')}</button>`}
    <button class="btn small danger" type="button" @click=${() => now.act(asks ? 'remove' : 'ask', row)}>${t('log.remove')}</button>
    ${asks ? html`<button class="btn small" type="button" data-keeps @click=${() => now.act('close', row)}>${t('log.keep')}</button>` : nothing}
  </div>`;
}

/** Time and delivery under the last of a run; a failure always, with what can be done about it. @param {Row} row @param {Group} group @param {Circumstances} now @param {Dress} dress */
function foot(row, group, now, dress) {
  if (row.delivery === 'failed') return failure(row, now);
  const words = delivery(row, now);
  const isPlain = row.delivery !== 'waiting' && !row.b.revised;
  if (!group.ends && isPlain) return html`<time class="vh" datetime=${iso(row.ts)}>${clock(row.ts)}</time>`;
  return html`<span class="meta"><time datetime=${iso(row.ts)}>${clock(row.ts)}</time>${row.b.revised ? html`<span class="edited">· ${t('log.edited')}</span>` : nothing}${words ? html`<span>· ${words}</span>` : nothing}${row.k === 'note' ? html`<span>· ${t('log.note')}</span>` : nothing}${dress.meta?.(row) ?? nothing}</span>`;
}

/** @param {Row} row @param {Circumstances} now */
function failure({ m, reason, changing }, now) {
  const again = () => now.retry(m ?? '');
  const away = () => now.discard(m ?? '');
  return html`<span class="meta wrong"><span>${t(changing ? 'log.not_changed' : 'log.failed')}</span>
    <button class="link" type="button" @click=${again}>${t(reason?.code === 'stale' ? 'log.anyway' : 'log.retry')}</button>
    <button class="link" type="button" @click=${away}>${t(changing ? 'log.keep' : 'log.discard')}</button>
    ${reason?.message ? html`<span>${why(reason)}</span>` : nothing}</span>`;
}

/** A refusal that was kept may have been said in another language. @param {Reason} reason */
const why = ({ code, message }) => (has(`refusal.${code}`) ? t(`refusal.${code}`) : message);

/** @param {Row} row @param {Circumstances} now */
function delivery(row, now) {
  if (row.delivery === null) return '';
  if (row.delivery !== 'waiting') return t(`log.${row.delivery}`);
  if (now.isOver) return t('log.failed');
  if (!now.online) return t('log.queued');
  return now.isSlow(row.m ?? row.key) ? t('log.sending') : '';
}

/** @param {Row} row @param {Dress} dress */
function happening(row, dress) {
  const card = dress.cards?.[row.k];
  const said = card ? card(row) : sentence(row);
  return said === '' || said === nothing ? html`<li hidden data-key=${row.key}></li>` : html`<li class="msg event" data-key=${row.key}>${said}</li>`;
}

/** What an event that nobody said reads like; an unknown one says nothing. @param {Row} row */
export function sentence({ k, b }) {
  if (k === 'assigned' && !b.name) return t('event.unassigned');
  return has(`event.${k}`) ? t(`event.${k}`, b) : '';
}

/** @param {number} ms */
function dayName(ms) {
  const key = dayKey(ms);
  if (key === dayKey(Date.now())) return t('log.today');
  if (key === dayKey(Date.now() - 86_400_000)) return t('log.yesterday');
  return day(ms);
}

/** @param {number} ms */
const iso = (ms) => new Date(ms).toISOString();
