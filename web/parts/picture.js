// A picture or video in the conversation: a thumbnail that opens the whole of it in a dialog.
import { html, nothing, render } from 'lit-html';
import { t } from '../core/i18n.js';
import { size } from '../core/format.js';
import { icon } from './icon.js';

/** @import { Row } from '../core/thread.js' */
/** @import { Attachment } from '../core/upload.js' */

const WIDEST = 320;
const HIGHEST = 280;

/** @param {Row} row a media event, or one that is on its way with a preview */
export function picture(row) {
  const file = /** @type {Attachment | string} */ (row.b.attachment);
  if (typeof file === 'string') return row.preview ? html`<img class="preview" src=${row.preview} alt=${t('log.photo', { name: '' })} width=${WIDEST}>` : nothing;
  if (file.kind === 'file') return html`<a class="file-link" href=${`/media/${file.id}/original`} download>${icon('clip')}<span>${file.name}</span><span class="figures">${size(file.size)}</span></a>`;
  const [width, height] = fitted(file.width ?? WIDEST, file.height ?? HIGHEST);
  const isVideo = file.kind === 'video';
  return html`<button class="thumb-open" type="button" aria-label=${t(isVideo ? 'log.open_video' : 'log.open_photo', { name: file.name })} @click=${() => view(file)}>
    <img src=${`/media/${file.id}/thumb`} alt=${t(isVideo ? 'log.video' : 'log.photo', { name: file.name })} width=${width} height=${height} loading="lazy" decoding="async">
  </button>`;
}

/** Known before the bytes are there, so the log does not jump. @param {number} width @param {number} height */
function fitted(width, height) {
  const scale = Math.min(1, WIDEST / width, HIGHEST / height);
  return [Math.round(width * scale), Math.round(height * scale)];
}

/** The whole picture over the page; Escape or the button closes it and the focus returns. @param {Attachment} file */
function view(file) {
  const dialog = document.createElement('dialog');
  dialog.className = 'viewer';
  dialog.setAttribute('aria-label', file.name);
  const address = file.kind === 'video' ? `/media/${file.id}/original` : `/media/${file.id}/view`;
  const gone = () => render(html`<p class="empty">${t('log.gone_photo')}</p>`, /** @type {HTMLElement} */ (dialog.querySelector('.frame')));
  render(
    html`<header><h2>${file.name}</h2><button class="btn quiet" type="button" aria-label=${t('log.close_photo')} @click=${() => dialog.close()}>${icon('close')}</button></header>
      <div class="frame">${file.kind === 'video'
        ? html`<video src=${address} controls playsinline @error=${gone}></video>`
        : html`<img src=${address} alt=${t('log.photo', { name: file.name })} @error=${gone}>`}</div>`,
    dialog,
  );
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}
