// <desk-right>: one click in the side panel opens a privacy request for the customer of this conversation.
import { html, nothing } from 'lit-html';
import { post, Refused } from '../core/calls.js';
import { day } from '../core/format.js';
import { t } from '../core/i18n.js';
import { Part } from '../parts/element.js';

/** @typedef {{reference: string, due_ms: number, is_merged: boolean}} Opened */

const KINDS = ['inquire', 'copy', 'correct', 'supplement', 'stop', 'delete', 'withdraw_consent', 'complaint', 'question'];

export class DeskRight extends Part {
  #conversation = '';
  /** @type {Opened | null} */
  #opened = null;
  #complaint = '';
  #isBusy = false;

  /** Another conversation begins anew. @param {string} id */
  set conversation(id) {
    if (id === this.#conversation) return;
    this.#conversation = id;
    this.#show(null, '');
  }

  /** @override */
  view() {
    return html`<details class="card"><summary><h2>${t('right_open')}</h2></summary>
      ${this.#opened ? nothing : this.#form()}
      <p role="status">${this.#opened ? this.#said(this.#opened) : nothing}</p></details>`;
  }

  #form() {
    return html`<form class="stack" @submit=${(/** @type {SubmitEvent} */ event) => void this.#send(event)}>
      <p class="quiet-text">${t('right_hint')}</p>
      <div class="field"><label for="right-kind">${t('right_kind')}</label>
        <select id="right-kind" name="kind">${KINDS.map((kind) => html`<option value=${kind}>${t(`right_${kind}`)}</option>`)}</select></div>
      <div class="field"><label for="right-words">${t('right_words')}</label>
        <textarea id="right-words" name="words" rows="3" maxlength="20000" required></textarea></div>
      ${this.#complaint ? html`<p class="banner bad" role="alert">${this.#complaint}</p>` : nothing}
      <button class="btn" type="submit" ?disabled=${this.#isBusy}>${t('right_send')}</button></form>`;
  }

  /** @param {Opened} opened */
  #said({ reference, due_ms: due, is_merged: joined }) {
    return t(joined ? 'right_joined' : 'right_done', { reference, day: day(due) });
  }

  /** @param {SubmitEvent} event */
  async #send(event) {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement) || this.#isBusy) return;
    const asked = this.#conversation;
    const wish = Object.fromEntries(new FormData(event.target));
    this.#isBusy = true;
    this.update();
    const [opened, complaint] = await told(post(`/desk/conversations/${asked}/right`, wish));
    this.#isBusy = false;
    if (asked === this.#conversation) this.#show(opened, complaint);
    else this.update();
  }

  /** @param {Opened | null} opened @param {string} complaint */
  #show(opened, complaint) {
    this.#opened = opened;
    this.#complaint = complaint;
    this.update();
  }
}

/** What came of it, and the complaint if nothing did. @param {Promise<Opened>} call @returns {Promise<[Opened | null, string]>} */
async function told(call) {
  try {
    return [await call, ''];
  } catch (error) {
    if (error instanceof Refused) return [null, error.message];
    throw error;
  }
}

customElements.define('desk-right', DeskRight);
