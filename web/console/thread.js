// <desk-thread>: one open conversation: who it is, its log, and the place to answer or to leave a note.
import '../parts/chat-log.js';
import './reply.js';
import { html, nothing } from 'lit-html';
import { Refused } from '../core/calls.js';
import { t } from '../core/i18n.js';
import { icon } from '../parts/icon.js';
import { lost } from './announcing.js';
import { detail } from './desk.js';
import { leave } from './frame.js';
import { Pane } from './pane.js';

/** @import { ChatLog } from '../parts/chat-log.js' */
/** @import { Card } from './cards.js' */
/** @import { Desk } from './desk.js' */
/** @import { DeskReply } from './reply.js' */
/** @import { Dress } from '../parts/chat-row.js' */

export class DeskThread extends Pane {
  #wrong = '';

  /** @override @param {Desk} desk */
  listen(desk) {
    const { session } = desk;
    this.follow(desk, 'cards');
    this.follow(session, 'welcome');
    desk.addEventListener('open', () => this.#opened());
    desk.addEventListener('gone', (event) => this.#gone(detail(event).conversation));
    session.addEventListener('change', (event) => this.#changed(detail(event).conversation));
    session.addEventListener('page', () => this.#log?.loaded());
    session.addEventListener('connection', () => this.#loaded());
  }

  #loaded() {
    this.#log?.loaded();
    this.update();
  }

  /** @returns {ChatLog | null} */
  get #log() {
    return this.querySelector('chat-log');
  }

  #opened() {
    this.#wrong = '';
    this.update();
  }

  /** @param {string} conversation */
  #gone(conversation) {
    if (conversation !== this.desk.opened) return;
    this.#wrong = t('gone');
    this.update();
  }

  /** @param {string} conversation */
  #changed(conversation) {
    if (conversation === this.desk.opened) this.#log?.refresh();
  }

  /** The log and the reply stay when nothing is open, so that half-written words do too. @override */
  view() {
    const { opened, card, session } = this.desk;
    const thread = opened === null ? null : (session.thread(opened) ?? null);
    const name = card?.title ?? '';
    return html`
      ${opened === null ? this.#blank() : html`${this.#header(opened, card)}${this.#banner(card)}`}
      <div class="log-box" ?hidden=${opened === null}>
        <chat-log .thread=${thread} .dress=${DRESS} @earlier=${this.#earlier} @read=${this.#read} @retry=${this.#retry} @discard=${this.#discard}
          @edit=${this.#edit} @remove=${this.#remove}></chat-log>
      </div>
      <desk-reply ?hidden=${opened === null} .desk=${this.desk} .conversation=${opened ?? ''} .name=${name}></desk-reply>
    `;
  }

  /** @override */
  drawn() {
    const log = this.#log;
    if (!log) return;
    const { session, card, me } = this.desk;
    log.online = !session.outage.isLost();
    log.changeMs = card?.assignee?.id === me.id ? (session.limits.change_ms ?? 0) : 0; // who holds it may change in it
    log.skew = session.skew;
    log.refresh();
    /** @type {DeskReply | null} */ (this.querySelector('desk-reply'))?.update();
  }

  #earlier = () => void (this.desk.opened && this.desk.session.earlier(this.desk.opened));

  /** @param {Event} event */
  #read = (event) => void (this.desk.opened && this.desk.session.read(this.desk.opened, detail(event).upto));

  /** @param {Event} event */
  #retry = (event) => void this.desk.retry(detail(event).m);

  /** @param {Event} event */
  #discard = (event) => void this.desk.discard(detail(event).m);

  /** @param {Event} event */
  #edit = (event) => this.desk.edit(detail(event).row);

  /** @param {Event} event */
  #remove = (event) => void (this.desk.opened && this.desk.session.send(this.desk.opened, 'retracted', { of: detail(event).row.s }));

  #blank() {
    return html`
      ${this.#wrong ? html`<p class="banner bad" role="alert">${this.#wrong}</p>` : nothing}
      <div class="nothing"><h2>${t('none_open_title')}</h2><p>${t('none_open')}</p></div>
    `;
  }

  /** @param {string} opened @param {Card | undefined} card */
  #header(opened, card) {
    const isMine = card?.assignee?.id === this.desk.me.id;
    const isResolved = card?.state === 'resolved';
    return html`
      <header>
        <button class="btn quiet back" type="button" aria-label=${t('back')} @click=${leave}>${icon('back', 'directional')}</button>
        <h2>${card?.title ?? t('loading')} ${card ? html`<span class="tag">${card.locale}</span>` : nothing}</h2>
        <button class="btn details" type="button" @click=${this.#details}>${t('details')} <kbd aria-hidden="true">O</kbd></button>
        <button class="btn" type="button" data-action="assign" @click=${() => this.#act(this.desk.assign(opened, isMine ? null : 'me'))}>
          ${isMine ? t('release') : t('assign_me')} <kbd aria-hidden="true">A</kbd></button>
        <button class="btn ${isResolved ? '' : 'primary'}" type="button" data-action="settle"
          @click=${() => this.#act(isResolved ? this.desk.reopen(opened) : this.desk.resolve(opened))}>
          ${isResolved ? t('reopen') : t('resolve')} <kbd aria-hidden="true">E</kbd></button>
      </header>
    `;
  }

  /** @param {Card | undefined} card */
  #banner(card) {
    if (this.#wrong) return html`<p class="banner bad" role="alert">${this.#wrong}</p>`;
    const { outage } = this.desk.session;
    if (outage.isBroken()) {
      return html`<div class="banner"><span class="grow">${lost(this.desk)}${outage.look() === 'waiting' ? ` ${t('retry_in', { s: outage.seconds() })}` : ''}</span><button class="link" type="button" @click=${() => this.desk.session.retryNow()}>${t('try_now')}</button></div>`;
    }
    if (card?.state === 'resolved') return html`<p class="banner info">${t('resolved_notice')}</p>`;
    if (card?.assignee && card.assignee.id !== this.desk.me.id) {
      return html`<p class="banner">${t('colleague_here', { name: card.assignee.name })}</p>`;
    }
    return nothing;
  }

  #details = () => this.tell('toggleside');

  /** What the server says no to is said here, in its words. @param {Promise<unknown>} act */
  async #act(act) {
    try {
      await act;
      this.#wrong = '';
    } catch (error) {
      this.#wrong = error instanceof Refused ? error.message : t('failed');
    }
    this.update();
  }
}

/** Every colleague stands on the right, by name; customers on the left. @type {Dress} */
const DRESS = { onRight: (row) => row.ours && row.k !== 'note', showsNames: true };

customElements.define('desk-thread', DeskThread);
