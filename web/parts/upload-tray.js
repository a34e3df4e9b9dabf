// <upload-tray>: files that will go with the next message, each with its picture, progress, and what can be done about it.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import { Refused } from '../core/calls.js';
import { percent, size } from '../core/format.js';
import { t } from '../core/i18n.js';
import { Upload } from '../core/upload.js';
import { Part } from './element.js';
import { icon } from './icon.js';

const MOST = 5;
const KINDS = /^image\/(jpeg|png|webp|gif|heic|heif)$|^$/;

/** Set `.path` and `.limit`, call `.add(files)`; `.take()` gives the finished ones away. Tells 'change'. */
export class UploadTray extends Part {
  /** Where files go: `/chat/conversations/<id>/media`. */
  path = '';
  /** Bytes a file may have. */
  limit = 25_000_000;
  kinds = KINDS;

  /** @type {Upload[]} */
  #uploads = [];
  #tooMany = false;

  get uploads() {
    return this.#uploads;
  }

  /** Is every file with the server? An empty tray is ready too. */
  get isReady() {
    return this.#uploads.every((upload) => upload.phase === 'done');
  }

  get hasFailed() {
    return this.#uploads.some((upload) => upload.phase === 'failed');
  }

  /** @param {Iterable<File>} files */
  add(files) {
    const chosen = [...files];
    const taken = chosen.slice(0, Math.max(0, MOST - this.#uploads.length));
    this.#tooMany = taken.length < chosen.length;
    for (const file of taken) this.#begin(file);
    this.#moved();
  }

  /** The finished files leave the tray, to be sent; nothing happens unless all are finished. @returns {Upload[]} */
  take() {
    if (!this.isReady) return [];
    const taken = this.#uploads;
    this.#uploads = [];
    this.#moved();
    return taken;
  }

  /** Nothing of what is here will be sent. */
  clear() {
    for (const upload of this.#uploads) upload.cancel();
    this.#uploads = [];
    this.#moved();
  }

  /** @override */
  view() {
    if (!this.#uploads.length && !this.#tooMany) return nothing;
    return html`<ul aria-label=${t('upload.label')}>${repeat(this.#uploads, (upload) => upload.id, (upload) => this.#row(upload))}</ul>
      ${this.#tooMany ? html`<p class="wrong" role="alert">${t('upload.many', { n: MOST })}</p>` : nothing}`;
  }

  /** @param {Upload} upload */
  #row(upload) {
    return html`<li>
      ${upload.preview ? html`<img class="thumb" src=${upload.preview} alt="">` : html`<span class="thumb">${icon('photo')}</span>`}
      <span class="name" title=${upload.name}>${upload.name}</span>
      <span class="actions"><button class="btn quiet" type="button" aria-label=${t('upload.cancel', { name: upload.name })} @click=${() => this.#drop(upload)}>${icon('close')}</button></span>
      <span class="line">${this.#state(upload)}</span>
    </li>`;
  }

  /** @param {Upload} upload */
  #state(upload) {
    if (upload.phase === 'failed') {
      const again = html`<button class="link" type="button" aria-label=${t('upload.retry', { name: upload.name })} @click=${() => upload.retry()}>${t('upload.again')}</button>`;
      return html`<span class="wrong" role="alert">${upload.reason?.message || t('upload.refused')}</span>${upload.mayRetry ? again : nothing}`;
    }
    if (upload.phase === 'checking') return html`<span>${t('upload.checking')}</span>`;
    if (upload.phase === 'done') return html`<span>${t('upload.ready', { size: size(upload.total) })}</span>`;
    return html`<progress max="1" value=${upload.progress} aria-label=${t('upload.sending', { name: upload.name })}></progress><span class="figures">${percent(upload.progress)}</span>`;
  }

  /** @param {File} file */
  #begin(file) {
    const upload = new Upload(this.path, file);
    upload.addEventListener('change', () => this.#moved());
    this.#uploads.push(upload);
    const reason = this.#objection(file);
    if (reason) upload.refuse(reason);
    else upload.start();
  }

  /** Said before a byte is sent; the server looks again at what really came. @param {File} file @returns {Refused | null} */
  #objection({ size: bytes, type }) {
    if (!bytes) return new Refused(422, 'empty', t('upload.empty'));
    if (bytes > this.limit) return new Refused(413, 'too_large', t('upload.too_big', { size: size(bytes), limit: size(this.limit) }));
    if (!this.kinds.test(type)) return new Refused(415, 'type', t('upload.type'));
    return null;
  }

  /** @param {Upload} upload */
  #drop(upload) {
    upload.cancel();
    this.#uploads = this.#uploads.filter((one) => one !== upload);
    this.#tooMany = false;
    this.#moved();
  }

  #moved() {
    this.update();
    this.tell('change');
  }
}

customElements.define('upload-tray', UploadTray);
