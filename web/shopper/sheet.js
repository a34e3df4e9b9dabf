// A sheet: a modal dialog with a heading, a body and a way out; the focus returns to where it came from.
import { html } from 'lit-html';
import { t } from '../core/i18n.js';
import { Part, part } from '../parts/element.js';
import { icon } from '../parts/icon.js';

export class Sheet extends Part {
  heading = '';

  /** @returns {unknown} */
  body() {
    return '';
  }

  /** @override */
  view() {
    return html`<dialog class="sheet" aria-labelledby=${`${this.localName}-title`} @click=${this.#outside}>
      <header><h2 id=${`${this.localName}-title`}>${this.heading}</h2><button class="btn quiet" type="button" aria-label=${t('sheet.close')} @click=${() => this.shut()}>${icon('close')}</button></header>
      <div class="body">${this.body()}</div>
    </dialog>`;
  }

  get isOpen() {
    return this.querySelector('dialog')?.open ?? false;
  }

  open() {
    this.draw();
    const dialog = part(this, 'dialog', HTMLDialogElement);
    if (!dialog.open) dialog.showModal();
  }

  shut() {
    this.querySelector('dialog')?.close();
  }

  /** @param {MouseEvent} event */
  #outside = (event) => {
    if (event.target === event.currentTarget) this.shut();
  };
}
