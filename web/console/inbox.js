// <desk-inbox>: sections of cards as lists of links, kept fresh by the socket and by the clock.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import { clock, dayKey, shortDay } from '../core/format.js';
import { t } from '../core/i18n.js';
import { dropped } from './announcing.js';
import { waiting } from './cards.js';
import { detail } from './desk.js';
import { Pane } from './pane.js';

/** @import { Card } from './cards.js' */
/** @import { Desk } from './desk.js' */

const TICK_MS = 15_000;

export class DeskInbox extends Pane {
  #failed = false;
  /** A sentence about what nobody will get. */
  #dropped = '';

  /** @override @param {Desk} desk */
  listen(desk) {
    this.follow(desk, 'open', 'unsent');
    desk.addEventListener('cards', () => this.#show(false));
    desk.addEventListener('dropped', (event) => this.#tell(dropped(detail(event).title)));
    desk.addEventListener('failed', () => this.#show(true));
    setInterval(() => this.update(), TICK_MS);
  }

  /** @param {boolean} failed */
  #show(failed) {
    this.#failed = failed;
    this.update();
  }

  /** @param {string} words */
  #tell(words) {
    this.#dropped = words;
    this.update();
  }

  /** @override */
  view() {
    const { mine, unassigned, everyone, resolved } = this.desk.sections;
    const showsAll = this.desk.me.may_see_all || everyone.length > 0;
    return html`
      ${this.#failed ? this.#complaint() : nothing}
      ${this.#dropped ? this.#loss() : nothing}
      ${[...this.desk.unsent].filter((id) => !this.desk.cards.has(id)).map(unsent)}
      ${this.#section('mine', mine, '')}
      ${this.#section('unassigned', unassigned, unassigned.length ? 'warn' : '')}
      ${showsAll ? this.#section('everyone', everyone, '') : nothing}
      ${resolved.length ? this.#section('resolved', resolved, '') : nothing}
    `;
  }

  #complaint() {
    const again = () => this.desk.refresh().catch(() => this.#show(true));
    return html`<p class="banner bad" role="alert"><span class="grow">${t('inbox_failed')}</span>
      <button class="link" type="button" @click=${again}>${t('again')}</button></p>`;
  }

  #loss() {
    return html`<p class="banner bad"><span class="grow">${this.#dropped}</span>
      <button class="link" type="button" @click=${() => this.#tell('')}>${t('dismiss')}</button></p>`;
  }

  /** @param {string} name @param {Card[]} cards @param {string} tone */
  #section(name, cards, tone) {
    return html`
      <h2 id="inbox-${name}">${t(name)} <span class="tag ${tone}">${cards.length}</span></h2>
      ${cards.length
        ? html`<ul aria-labelledby="inbox-${name}">${repeat(cards, (card) => card.id, (card) => this.#card(card))}</ul>`
        : html`<p class="none">${t(`none_${name}`)}</p>`}
    `;
  }

  /** @param {Card} card */
  #card(card) {
    const { opened, me } = this.desk;
    const ts = card.last?.ts;
    const isOthers = card.assignee && card.assignee.id !== me.id;
    return html`
      <li class=${card.unread ? 'unread' : ''}>
        <a href="#c-${card.id}" aria-current=${card.id === opened ? 'true' : nothing}>
          <span class="who">${card.title}</span>
          ${ts ? html`<time datetime=${new Date(ts).toISOString()}>${moment(ts, this.desk.now())}</time>` : html`<span></span>`}
          <span class="line">${preview(card)}</span>
          <span class="marks">${this.#marks(card)}</span>
          ${isOthers ? html`<span class="assignee">${t('with', { name: card.assignee?.name ?? '' })}</span>` : nothing}
        </a>
      </li>
    `;
  }

  /** @param {Card} card */
  #marks(card) {
    const unread = html`<span class="tag count"><span aria-hidden="true">${card.unread}</span><span class="vh">${t('unread', { n: card.unread })}</span></span>`;
    const failed = this.desk.unsent.has(card.id) ? html`<span class="tag bad">${t('log.failed')}</span>` : nothing;
    return html`${failed}${this.#waiting(card)}${card.unread ? unread : nothing}`;
  }

  /** @param {Card} card */
  #waiting(card) {
    const wait = waiting(card, this.desk.now());
    if (wait) return html`<span class="tag ${wait.level}">${duration(wait.minutes)}</span>`;
    return !card.assignee && card.state === 'open' && card.last?.from !== 'agent' ? html`<span class="tag">${t('new')}</span>` : nothing;
  }
}

/** A reply that was refused in a conversation which has no card here. @param {string} conversation */
const unsent = (conversation) => html`<p class="banner bad"><span class="grow">${t('unsent_elsewhere')}</span>
  <a class="link" href="#c-${conversation}">${t('look')}</a></p>`;

/** The last line, and who said it. @param {Card} card */
function preview({ last, topic }) {
  if (!last) return topic || t('kind_opened');
  if (last.kind === 'retracted' || last.kind === 'redacted') return last.text || t('kind_gone');
  const text = last.kind === 'media' ? t('kind_media') : last.text;
  if (last.kind === 'note') return t('note_said', { text });
  return last.from === 'agent' ? t('agent_said', { text }) : text;
}

/** @param {number} minutes */
function duration(minutes) {
  if (minutes < 1) return t('waiting_new');
  if (minutes < 60) return t('waiting', { n: minutes });
  if (minutes < 2 * 24 * 60) return t('waiting_hours', { n: Math.floor(minutes / 60) });
  return t('waiting_days', { n: Math.floor(minutes / (24 * 60)) });
}

/** The time of today, the day of any other. @param {number} ts @param {number} now */
const moment = (ts, now) => (dayKey(ts) === dayKey(now) ? clock(ts) : shortDay(ts));

customElements.define('desk-inbox', DeskInbox);
