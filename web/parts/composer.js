// <chat-composer>: where a message is written. Enter sends, Shift+Enter makes a new line, and the Enter that only confirms
// a Chinese composition does neither. Files come by button, paste or drop. A draft belongs to its conversation and outlives
// the page (core/drafts.js).
import { html, nothing } from 'lit-html';
import { Drafts } from '../core/drafts.js';
import { t } from '../core/i18n.js';
import { Part, part } from './element.js';
import { icon } from './icon.js';

/** @import { TemplateResult } from 'lit-html' */

const ACCEPTED = 'image/jpeg,image/png,image/webp,image/gif,image/heic,image/heif';

/** A message of hers that is being changed: its number and its words. @typedef {{of: number, text: string}} Edit */

/**
 * Tells: 'compose' {text, until, edits} (the draft stays unless nobody prevents it: a prevented event keeps the words; `until`
 * takes a promise that the words are kept elsewhere; `edits` is the number of the message that is being changed, or null),
 * 'typing', 'files' {files}. Properties: conversation, limit, placeholder, label, accept ('' = no files), disabled, extra (drawn
 * before the send button), sendLabel, mayBeEmpty (true while the tray holds files).
 */
export class Composer extends Part {
  limit = 4000;
  label = '';
  placeholder = '';
  accept = ACCEPTED;
  sendLabel = '';
  mayBeEmpty = false;
  disabled = false;
  /** @type {TemplateResult | typeof nothing} */
  extra = nothing;

  #drafts = new Drafts();
  #conversation = '';
  #over = 0;
  /** What is being changed, and the draft that waits meanwhile. @type {(Edit & {kept: string}) | null} */
  #edit = null;

  constructor() {
    super();
    this.addEventListener('paste', (event) => this.#offer(event, event.clipboardData));
    this.addEventListener('drop', (event) => this.#offer(event, event.dataTransfer));
    this.addEventListener('dragover', (event) => this.#hover(event));
    this.addEventListener('dragleave', () => this.classList.remove('dropping'));
  }

  /**
   * Whose draft this is; changing it puts the old words away and brings the other ones back. What was typed before any
   * conversation was named belongs to the first one that is.
   * @param {string} conversation
   */
  set conversation(conversation) {
    if (conversation === this.#conversation) return;
    this.#edit = null;
    const box = this.querySelector('textarea');
    const early = this.#conversation ? '' : (box?.value ?? '');
    this.#conversation = conversation;
    this.#bringBack(early);
  }

  get conversation() {
    return this.#conversation;
  }

  /** Where half-written words are kept. @param {Drafts} drafts */
  set drafts(drafts) {
    if (drafts === this.#drafts) return;
    this.#drafts.removeEventListener('draft', this.#changedElsewhere);
    this.#drafts = drafts;
    drafts.addEventListener('draft', this.#changedElsewhere);
    const early = this.#edit?.kept ?? this.text;
    this.#edit = null;
    this.#bringBack(early);
  }

  get text() {
    return this.querySelector('textarea')?.value ?? '';
  }

  set text(words) {
    this.#box.value = words;
    this.#keep();
    this.#count();
  }

  /** Change a message instead of writing one; the draft comes back afterwards. @param {Edit} edit */
  beginEdit({ of, text }) {
    this.#edit = { of, text, kept: this.#edit?.kept ?? this.text };
    this.text = text;
    this.draw();
    this.focus();
  }

  /** @param {Promise<unknown>} [kept] when the changed words are kept elsewhere */
  endEdit(kept) {
    if (!this.#edit) return;
    const draft = this.#edit.kept;
    this.#edit = null;
    this.#drafts.keep(this.#editPlace, '', kept);
    this.text = draft;
    this.update();
  }

  /** Nothing can be written here any more; what is in the box can still be copied. @param {string} words why */
  shut(words) {
    this.endEdit();
    this.disabled = true;
    this.placeholder = words;
    this.update();
  }

  /** @override */
  focus() {
    this.querySelector('textarea')?.focus();
  }

  /** @override */
  view() {
    const label = this.#edit ? t('composer.edit_label') : this.label || t('composer.label');
    const sends = this.#edit ? t('composer.save') : this.sendLabel || t('composer.send');
    return html`${this.#edit ? this.#editing() : nothing}<form @submit=${this.#submit}>
      ${this.accept && !this.#edit ? html`<button class="btn quiet" type="button" aria-label=${t('composer.attach')} title=${t('composer.attach')} ?disabled=${this.disabled} @click=${this.#choose}>${icon('photo')}</button>
        <input type="file" hidden multiple accept=${this.accept} @change=${this.#chosen}>` : nothing}
      <div class="box">
        <textarea rows="1" aria-label=${label} placeholder=${this.placeholder || label} enterkeyhint="send" ?readonly=${this.disabled}
          aria-invalid=${this.#over > 0} aria-describedby=${this.#over > 0 ? 'composer-count' : nothing} @keydown=${this.#key} @input=${this.#typed}></textarea>
        ${this.#over > 0 ? html`<p class="count" id="composer-count" role="status">${t('composer.over', { n: this.#over, limit: this.limit })}</p>` : nothing}
      </div>
      ${this.extra}
      <button class="btn primary" type="submit" aria-label=${sends} title=${sends} ?disabled=${this.disabled}>${this.#edit ? icon('check') : icon('send', 'directional')}</button>
    </form>`;
  }

  #editing() {
    return html`<div class="editing"><span class="grow">${t('composer.editing')}</span><button class="link" type="button" @click=${this.#cancel}>${t('composer.cancel')}</button></div>`;
  }

  #cancel = () => {
    this.endEdit();
    this.focus();
  };

  get #box() {
    return part(this, 'textarea', HTMLTextAreaElement);
  }

  /** @param {SubmitEvent} event */
  #submit = (event) => {
    event.preventDefault();
    this.#send();
  };

  /** Safari ends the composition before it reports the Enter that ended it: only keyCode 229 tells. @param {KeyboardEvent} event */
  #key = (event) => {
    const isComposing = event.isComposing || event.keyCode === 229;
    if (event.key === 'Escape' && this.#edit && !isComposing) {
      event.preventDefault();
      this.#cancel();
    }
    if (event.key !== 'Enter' || event.shiftKey || event.altKey || isComposing || event.defaultPrevented) return;
    event.preventDefault();
    this.#send();
  };

  #send() {
    const text = this.text.trim();
    const edit = this.#edit;
    this.#count();
    if (this.disabled || this.#over > 0 || (!text && (edit || !this.mayBeEmpty))) return this.focus();
    if (edit?.text === text) return this.#cancel();
    /** @type {Promise<unknown>[]} */
    const kept = [];
    const until = (/** @type {Promise<unknown>} */ promise) => kept.push(promise);
    const isTaken = this.tell('compose', { text, until, edits: edit?.of ?? null });
    if (isTaken && edit) this.endEdit(Promise.all(kept));
    else if (isTaken) this.empty(Promise.all(kept));
    return this.focus();
  }

  #typed = () => {
    this.#keep();
    this.#count();
    if (this.text) this.tell('typing');
  };

  /** The box was not there yet when the words were. @override */
  drawn() {
    if (!this.text && !this.#edit) this.#bringBack('');
  }

  /** What was kept for this place, behind what she has typed before the place had a name. @param {string} early */
  #bringBack(early) {
    const box = this.querySelector('textarea');
    if (!box) return;
    const kept = this.#drafts.get(this.#conversation);
    box.value = early && kept && early !== kept ? `${kept}\n${early}` : early || kept;
    this.#keep();
    this.#resume(box);
    this.#count();
  }

  /** A change that was half-written goes on. @param {HTMLTextAreaElement} box */
  #resume(box) {
    const half = this.#drafts.get(this.#editPlace);
    if (!half) return;
    const { of, text, now } = JSON.parse(half);
    this.#edit = { of, text, kept: box.value };
    box.value = now;
    this.update();
  }

  get #editPlace() {
    return `${this.#conversation} edit`;
  }

  /** Another tab wrote here; what she writes in this one is not disturbed. @param {Event} event */
  #changedElsewhere = (event) => {
    const box = this.querySelector('textarea');
    const { place } = /** @type {CustomEvent<{place: string}>} */ (event).detail;
    if (!box || this.#edit || place !== this.#conversation || (box === document.activeElement && document.hasFocus())) return;
    box.value = this.#drafts.get(place);
    this.#count();
  };

  #keep() {
    if (!this.#edit) this.#drafts.keep(this.#conversation, this.text);
    else this.#drafts.keep(this.#editPlace, JSON.stringify({ of: this.#edit.of, text: this.#edit.text, now: this.text }));
  }

  /** The words are on their way; their draft goes once they are kept elsewhere. @param {Promise<unknown>} kept */
  empty(kept) {
    this.#drafts.keep(this.#conversation, '', kept);
    this.text = '';
  }

  #count() {
    const over = Math.max(0, [...this.text].length - this.limit);
    if (over === this.#over) return;
    this.#over = over;
    this.update();
  }

  #choose = () => part(this, 'input[type=file]', HTMLInputElement).click();

  /** @param {Event} event */
  #chosen = (event) => {
    const input = /** @type {HTMLInputElement} */ (event.currentTarget);
    const files = [...(input.files ?? [])];
    input.value = '';
    if (files.length) this.tell('files', { files });
    this.focus();
  };

  /** @param {Event} event @param {DataTransfer | null} gift */
  #offer(event, gift) {
    this.classList.remove('dropping');
    const files = [...(gift?.files ?? [])];
    if (!files.length || !this.accept || this.disabled || this.#edit) return;
    event.preventDefault();
    this.tell('files', { files });
  }

  /** @param {DragEvent} event */
  #hover(event) {
    if (!this.accept || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    this.classList.add('dropping');
  }
}

customElements.define('chat-composer', Composer);
