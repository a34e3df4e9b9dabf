// One file on its way to the server, with progress; it can be cancelled and tried again under the same id.
import { answer, csrf, inLanguage, Refused } from './calls.js';
import { clientId } from './frames.js';
import { t } from './i18n.js';

/** What the server says about a file it took. @typedef {{id: string, kind: 'image' | 'video' | 'file', type: string, width: number | null, height: number | null, size: number, name: string}} Attachment */
/** @typedef {'waiting' | 'sending' | 'checking' | 'done' | 'failed' | 'cancelled'} Phase */
/** @typedef {{make?: () => XMLHttpRequest}} Means */

/** Fires 'change' whenever its phase or progress moves. */
export class Upload extends EventTarget {
  /** @type {Phase} */
  phase = 'waiting';
  /** Bytes that left this computer. */
  sent = 0;
  /** @type {Refused | null} */
  reason = null;
  /** @type {Attachment | null} */
  attachment = null;
  /** The same id on every try: the server takes a file once. */
  id = clientId();

  /** @type {XMLHttpRequest | null} */
  #request = null;
  #preview = '';

  /** @param {string} path where its kind is received, such as `/chat/conversations/<id>/media` @param {File} file @param {Means} [means] */
  constructor(path, file, { make = () => new XMLHttpRequest() } = {}) {
    super();
    this.path = path;
    this.file = file;
    this.make = make;
  }

  get name() {
    return this.file.name;
  }

  get total() {
    return this.file.size;
  }

  /** Between 0 and 1. */
  get progress() {
    return this.total ? Math.min(1, this.sent / this.total) : 0;
  }

  get isBusy() {
    return this.phase === 'waiting' || this.phase === 'sending' || this.phase === 'checking';
  }

  get mayRetry() {
    return this.phase === 'failed' && (this.reason?.mayPass ?? true);
  }

  /** An address of the picture on this computer, for browsers that can show its kind; released by `release`. */
  get preview() {
    if (!/^image\/(jpeg|png|webp|gif|avif)$/.test(this.file.type)) return '';
    return (this.#preview ||= URL.createObjectURL(this.file));
  }

  /** Send, or send again from the beginning. */
  start() {
    if (this.phase === 'sending' || this.phase === 'checking' || this.phase === 'done') return;
    const request = this.make();
    this.#request = request;
    this.sent = 0;
    this.reason = null;
    request.open('PUT', inLanguage(`${this.path}/${this.id}?name=${encodeURIComponent(this.name)}`));
    request.setRequestHeader('Accept', 'application/json');
    request.setRequestHeader('Content-Type', this.file.type || 'application/octet-stream');
    if (csrf()) request.setRequestHeader('X-CSRF-Token', csrf());
    request.upload.onprogress = ({ loaded }) => this.#moved(loaded);
    request.onload = () => this.#answered(request);
    request.onerror = () => this.#fail(new Refused(0, 'network', t('upload.network')));
    request.ontimeout = request.onerror;
    request.send(this.file);
    this.#enter('sending');
  }

  retry() {
    if (this.phase === 'failed') this.start();
  }

  /** Nothing of it will be sent. */
  cancel() {
    this.#request?.abort();
    this.release();
    this.#enter('cancelled');
  }

  /** Refuse it before a byte is sent. @param {Refused} reason */
  refuse(reason) {
    this.#fail(reason);
  }

  /** Let go of the preview. */
  release() {
    if (this.#preview) URL.revokeObjectURL(this.#preview);
    this.#preview = '';
  }

  /** @param {number} loaded */
  #moved(loaded) {
    this.sent = Math.min(loaded, this.total);
    this.#enter(this.sent >= this.total ? 'checking' : 'sending');
  }

  /** @param {XMLHttpRequest} request */
  #answered({ status, responseText }) {
    try {
      this.attachment = answer(status, responseText);
      this.#enter('done');
    } catch (error) {
      this.#fail(error instanceof Refused ? error : new Refused(status, 'fault', t('error.fault')));
    }
  }

  /** @param {Refused} reason */
  #fail(reason) {
    if (this.phase === 'cancelled') return;
    this.reason = reason;
    this.#enter('failed');
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.dispatchEvent(new Event('change'));
  }
}
