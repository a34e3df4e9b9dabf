// <desk-reply>: the place to answer, or to leave a note that only staff see. Half-written words and waiting files stay with
// their conversation and their mode, so nothing written for one customer can go to another.
import '../parts/composer.js';
import '../parts/upload-tray.js';
import { html, nothing } from 'lit-html';
import { t } from '../core/i18n.js';
import { Part } from '../parts/element.js';
import { UploadTray } from '../parts/upload-tray.js';
import { detail } from './desk.js';

/** @import { Composer } from '../parts/composer.js' */
/** @import { Row } from '../core/thread.js' */
/** @import { Desk, Mode } from './desk.js' */

export class DeskReply extends Part {
  /** The customer's name as staff see it. */
  name = '';
  /** @type {Desk | undefined} */
  #desk;
  #conversation = '';
  /** @type {Map<string, Mode>} */
  #modes = new Map();
  /** @type {Map<string, UploadTray>} */
  #trays = new Map();
  #writer = '';
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;

  /** @param {Desk} desk */
  set desk(desk) {
    if (this.#desk) return;
    this.#desk = desk;
    desk.addEventListener('writing', (event) => this.#write(detail(event).mode));
    desk.addEventListener('editing', (event) => this.#edit(detail(event).row));
    desk.session.addEventListener('typing', (event) => this.#typing(detail(event)));
  }

  /** @param {string} conversation */
  set conversation(conversation) {
    if (conversation === this.#conversation) return;
    this.#conversation = conversation;
    this.#writer = '';
    this.update();
  }

  get #mode() {
    return this.#modes.get(this.#conversation) ?? 'reply';
  }

  /** @override */
  view() {
    if (!this.#conversation) return nothing;
    const isNote = this.#mode === 'note';
    const label = t(isNote ? 'note_about' : 'reply_to', { name: this.name });
    return html`
      <div class="reply ${isNote ? 'noting' : ''}">
        <div class="modes" role="group" aria-label=${t('kind_of_answer')}>
          ${this.#modeButton('reply')}${this.#modeButton('note')}
          ${isNote ? html`<span class="hint">${t('note_hint')}</span>` : nothing}
          <span class="tag writing" role="status" ?hidden=${!this.#writer}>${this.#writer ? t('is_writing', { name: this.#writer }) : ''}</span>
        </div>
        <div ?hidden=${isNote || !this.#tray.uploads.length}>${this.#tray}</div>
        <chat-composer .drafts=${this.#desk?.drafts} .conversation=${`${this.#conversation} ${this.#mode}`} .label=${label} .placeholder=${t(isNote ? 'note_placeholder' : 'reply_hint')}
          .sendLabel=${t(isNote ? 'save_note' : 'send')} .accept=${isNote ? '' : ACCEPTED} .mayBeEmpty=${!isNote && this.#tray.uploads.length > 0}
          @compose=${this.#compose} @typing=${this.#tellTyping} @files=${this.#files}></chat-composer>
      </div>
    `;
  }

  /** Its words and its name may have changed with ours. @override */
  drawn() {
    this.#composer?.update();
  }

  /** @returns {Composer | null} */
  get #composer() {
    return this.querySelector('chat-composer');
  }

  /** @param {Mode} mode */
  #modeButton(mode) {
    return html`<button class="btn small" type="button" aria-pressed=${this.#mode === mode} @click=${() => this.#write(mode)}>${t(mode)} <kbd aria-hidden="true">${mode === 'note' ? 'N' : 'R'}</kbd></button>`;
  }

  /** @param {Mode} mode */
  #write(mode) {
    this.#modes.set(this.#conversation, mode);
    this.update();
    setTimeout(() => this.#composer?.focus());
  }

  /** @param {Row} row */
  #edit(row) {
    this.#write(row.k === 'note' ? 'note' : 'reply');
    setTimeout(() => this.#composer?.beginEdit({ of: row.s ?? 0, text: row.b.text }));
  }

  get #tray() {
    const known = this.#trays.get(this.#conversation);
    if (known) return known;
    const tray = new UploadTray();
    tray.path = `/chat/conversations/${this.#conversation}/media`;
    tray.addEventListener('change', () => this.update());
    this.#trays.set(this.#conversation, tray);
    return tray;
  }

  /** Files wait until all are with the server; until then the words stay where they are. @param {Event} event */
  #compose = (event) => {
    const { text, until, edits } = detail(event);
    if (edits !== null) return until(this.#desk?.session.send(this.#conversation, 'revised', { of: edits, text }));
    if (this.#mode === 'note') return until(this.#send('note', { text }));
    const tray = this.#tray;
    if (!tray.isReady) return event.preventDefault();
    const uploads = tray.take();
    if (text) until(this.#reply('message', { text }));
    for (const upload of uploads) until(this.#reply('media', { attachment: upload.attachment?.id }, upload.preview));
    return undefined;
  };

  /** Who answers what nobody has taken, takes it. @param {string} kind @param {Record<string, unknown>} body @param {string} [preview] */
  #reply(kind, body, preview) {
    const desk = this.#desk;
    if (desk?.card && !desk.card.assignee) desk.assign(desk.card.id, 'me').catch(() => undefined);
    return this.#send(kind, body, preview);
  }

  /** `seen` lets the server say when the customer wrote again meanwhile. @param {string} kind @param {Record<string, unknown>} body @param {string} [preview] */
  #send(kind, body, preview) {
    const session = this.#desk?.session;
    const seen = kind === 'note' ? undefined : session?.thread(this.#conversation)?.cursor;
    return session?.send(this.#conversation, kind, body, { ...(seen ? { seen } : {}), ...(preview ? { preview } : {}) });
  }

  /** Notes are nobody's business but staff's: while one is written the customer sees nobody typing. */
  #tellTyping = () => {
    if (this.#mode === 'reply') this.#desk?.session.typing(this.#conversation);
  };

  /** @param {Event} event */
  #files = (event) => this.#tray.add(detail(event).files);

  /** @param {{conversation: string, who: {name: string}, ttl: number}} news */
  #typing({ conversation, who, ttl }) {
    if (conversation !== this.#conversation) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#hear(''), ttl);
    this.#hear(who.name);
  }

  /** @param {string} writer */
  #hear(writer) {
    if (writer === this.#writer) return;
    this.#writer = writer;
    this.update();
  }
}

const ACCEPTED = 'image/jpeg,image/png,image/webp,image/gif,image/heic,image/heif';

customElements.define('desk-reply', DeskReply);
