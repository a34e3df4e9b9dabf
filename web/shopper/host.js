// The shop's page around the frame. Four messages and nothing else: the host says 'open' and 'close', the frame says
// 'ready', 'close' and 'unread'. Only the parent window is heard, only from an origin on the server's list, and answers go
// to exactly that origin.

/** @typedef {{type: 'ready' | 'open' | 'close' | 'unread', n?: number}} Message */

export class Host {
  /** Has the shopper put the chat away? */
  isShut = false;
  /** Known from the first message that passed the checks. */
  #origin = '';
  #isReady = false;

  /** @param {string[]} origins */
  constructor(origins) {
    this.origins = new Set([...origins, location.origin]);
  }

  listen() {
    addEventListener('message', (event) => {
      if (event.source !== parent || parent === self || !this.origins.has(event.origin)) return;
      this.#origin = event.origin;
      this.#hear(event.data);
    });
    addEventListener('keydown', (event) => {
      const isFree = !event.defaultPrevented && !document.querySelector('dialog[open], [popover]:popover-open');
      if (event.key === 'Escape' && isFree) this.close();
    });
    document.getElementById('close')?.addEventListener('click', () => this.close());
  }

  /** The page stands; a host that asked before is told now. */
  settle() {
    this.#isReady = true;
    this.#tell({ type: 'ready' });
  }

  close() {
    this.isShut = true;
    this.#tell({ type: 'close' });
  }

  /** @param {number} n */
  unread(n) {
    this.#tell({ type: 'unread', n });
  }

  /** @param {unknown} message */
  #hear(message) {
    const type = typeof message === 'object' && message !== null && 'type' in message ? message.type : '';
    if (type === 'close') this.isShut = true;
    if (type !== 'open') return;
    this.isShut = false;
    if (this.#isReady) this.#tell({ type: 'ready' });
    document.dispatchEvent(new Event('visibilitychange'));
    const mayWrite = matchMedia('(pointer: fine)').matches && document.querySelector('.shopper[data-view=chat]');
    const target = document.querySelector(mayWrite ? 'chat-composer textarea' : 'h1');
    if (target instanceof HTMLElement) target.focus();
  }

  /** @param {Message} message */
  #tell(message) {
    if (this.#origin) parent.postMessage(message, this.#origin);
  }
}
