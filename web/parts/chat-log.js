// <chat-log>: the conversation as people read it. Keeps at most 200 rows drawn, stays at the end while the reader is there,
// and stays where she is while she reads further up.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import { isGone } from '../core/amendments.js';
import { dayKey } from '../core/format.js';
import { t } from '../core/i18n.js';
import { isSaid } from '../core/thread.js';
import { draw as drawRow, dayLine, startsGroup, endsGroup } from './chat-row.js';
import { Part } from './element.js';
import { icon } from './icon.js';

/** @import { Row, Thread } from '../core/thread.js' */
/** @import { Act, Dress } from './chat-row.js' */

const WINDOW = 200;
const STEP = 100;
const NEAR_PX = 100;
const GRACE_MS = 300;

/**
 * Set `.thread`, call `.refresh()` when it changed. Tells: 'earlier' (fetch older events), 'read' {upto}, 'retry' {m},
 * 'discard' {m}, 'edit' {row}, 'remove' {row}. `.dress` changes how rows look: names, cards, who stands on which side.
 */
export class ChatLog extends Part {
  /** @type {Dress} */
  dress = {};
  /** Said instead of rows while there are none. */
  empty = '';
  /** Is the line open? Decides between "Sending…" and "Will send when you're back". */
  online = true;
  /** Will nothing that still waits ever be sent? */
  isOver = false;
  /** For how long the reader may change or remove what she wrote, in ms; 0: not at all. */
  changeMs = 0;
  /** The server's clock minus ours, in ms. */
  skew = 0;

  /** @type {Thread | null} */
  #thread = null;
  /** Last row drawn, counted from the start; null while the reader is at the end. @type {number | null} */
  #end = null;
  #isPinned = true;
  /** The newest number the reader had before her when she left the end. */
  #seen = 0;
  #isLoading = false;
  /** History is not read aloud: only what comes when all of it has been drawn. */
  #isQuiet = true;
  /** Where the log stood: only a reader who goes up leaves the end, not a picture that grows below her. */
  #top = 0;
  /** When each waiting message was first drawn. @type {Map<string, number>} */
  #since = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #grace;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #expiry;
  /** @type {{key: string, asks: boolean} | null} */
  #acting = null;
  /** @type {{key: string, top: number} | null} */
  #anchor = null;
  #resized = new ResizeObserver(() => this.#repin());

  /** @param {Thread | null} thread */
  set thread(thread) {
    if (thread === this.#thread) return;
    this.#thread = thread;
    this.#end = null;
    this.#isPinned = true;
    this.#isLoading = false;
    this.#isQuiet = true;
    this.#seen = 0;
    this.#acting = null;
    this.update();
  }

  get thread() {
    return this.#thread;
  }

  /** How many messages came while the reader was further up. */
  get unseen() {
    return this.#isPinned ? 0 : (this.#thread?.unread(this.#seen) ?? 0);
  }

  /** @override */
  connectedCallback() {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.#look);
  }

  disconnectedCallback() {
    document.removeEventListener('visibilitychange', this.#look);
    this.#resized.disconnect();
    clearTimeout(this.#grace);
    clearTimeout(this.#expiry);
  }

  /** The thread changed: draw again, keeping the reader where she is. */
  refresh() {
    this.update();
  }

  /** To the newest message. */
  toEnd() {
    this.#end = null;
    this.#isPinned = true;
    this.update();
  }

  /** Older events arrived, or could not be had. */
  loaded() {
    if (!this.#isLoading) return;
    this.#isLoading = false;
    if ((this.#thread?.rows().length ?? 0) > WINDOW) this.#end = WINDOW;
    this.update();
  }

  /** @override */
  draw() {
    this.#hold();
    super.draw();
  }

  /** @override */
  view() {
    const rows = this.#thread?.rows() ?? [];
    const end = Math.min(this.#end ?? rows.length, rows.length);
    const start = Math.max(0, end - WINDOW);
    const lines = rows.slice(start, end);
    const unseen = this.unseen;
    this.#isQuiet ||= this.#isLoading || !this.#thread?.isCaughtUp;
    return html`
      <div class="scroll" role="log" aria-label=${t('log.label')} aria-live=${this.#isQuiet ? 'off' : 'polite'} tabindex="0" @scroll=${this.#scrolled} @keydown=${this.#key}>
        ${start > 0 || this.#thread?.hasEarlier ? html`<button class="btn small earlier" type="button" aria-disabled=${this.#isLoading} @click=${this.#earlier}>${t('log.earlier')}</button>` : nothing}
        ${lines.length ? html`<ol class="log">${repeat(lines, (row) => row.key, (row, place) => this.#line(row, lines[place - 1], lines[place + 1]))}</ol>` : this.#blank()}
        ${end < rows.length ? html`<button class="btn small earlier" type="button" @click=${this.#later}>${t('log.later')}</button>` : nothing}
      </div>
      ${this.#isPinned && end === rows.length ? nothing : html`<button class="btn newer" type="button" @click=${() => this.toEnd()}>${icon('down')}<span>${unseen ? t('log.new', { n: unseen }) : t('log.to_end')}</span></button>`}
    `;
  }

  /** @override */
  drawn() {
    const scroll = this.#scroll;
    if (!scroll) return;
    this.#resized.observe(scroll);
    if (scroll.firstElementChild) this.#resized.observe(/** @type {Element} */ (scroll.querySelector('.log') ?? scroll.firstElementChild));
    if (this.#isPinned) scroll.scrollTop = scroll.scrollHeight;
    else this.#putBack(scroll);
    this.#look();
    this.#speakUp();
    this.#waitGrace();
    this.#waitExpiry();
  }

  /** @returns {HTMLElement | null} */
  get #scroll() {
    return this.querySelector('.scroll');
  }

  /** @param {Row} row @param {Row | undefined} before @param {Row | undefined} after */
  #line(row, before, after) {
    const newDay = !before || dayKey(before.ts) !== dayKey(row.ts);
    const group = { starts: newDay || startsGroup(row, before), ends: endsGroup(row, after) };
    return html`${newDay ? dayLine(row.ts) : nothing}${drawRow(row, group, this.#circumstances(), this.dress)}`;
  }

  #circumstances() {
    return {
      online: this.online,
      isOver: this.isOver,
      isSlow: (/** @type {string} */ m) => Date.now() - (this.#since.get(m) ?? Date.now()) >= GRACE_MS,
      retry: (/** @type {string} */ m) => this.tell('retry', { m }),
      discard: (/** @type {string} */ m) => this.tell('discard', { m }),
      mayChange: (/** @type {Row} */ row) => this.#leftFor(row) > 0,
      acting: this.#acting,
      act: (/** @type {Act} */ act, /** @type {Row} */ row) => this.#act(act, row),
    };
  }

  /** How long a line may still be changed by its writer, in ms. @param {Row} row */
  #leftFor(row) {
    const isSettled = row.own && row.s !== null && isSaid(row) && !row.changing && !isGone(row.b) && !row.b.unavailable;
    return isSettled ? row.ts + this.changeMs - (Date.now() + this.skew) : 0;
  }

  /** The focus stays with what the reader is doing. @param {Act} act @param {Row} row */
  #act(act, row) {
    const isOpen = this.#acting?.key === row.key;
    this.#acting = act === 'ask' || (act === 'toggle' && !isOpen) ? { key: row.key, asks: act === 'ask' } : null;
    this.draw();
    if (act === 'edit' || act === 'remove') this.tell(act, { row });
    if (act === 'ask') this.#focusOn(row.key, '[data-keeps]');
    if (act === 'close') this.#focusOn(row.key, '.opener');
    if (act === 'remove') this.#scroll?.focus();
  }

  /** @param {string} key @param {string} what */
  #focusOn(key, what) {
    const target = this.querySelector(`li[data-key="${CSS.escape(key)}"] ${what}`);
    if (target instanceof HTMLElement) target.focus();
  }

  /** Escape puts the options away, and nothing else. @param {KeyboardEvent} event */
  #key = (event) => {
    if (event.key !== 'Escape' || !this.#acting) return;
    event.preventDefault();
    const { key } = this.#acting;
    this.#acting = null;
    this.draw();
    this.#focusOn(key, '.opener');
  };

  #blank() {
    return this.empty ? html`<p class="empty">${this.empty}</p>` : nothing;
  }

  #scrolled = () => {
    const scroll = this.#scroll;
    if (!scroll) return;
    const isNear = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_PX;
    const wentUp = scroll.scrollTop < this.#top - 1;
    this.#top = scroll.scrollTop;
    if (isNear === this.#isPinned || this.#end !== null || (!isNear && !wentUp)) return;
    this.#isPinned = isNear;
    this.#seen = this.#thread?.cursor ?? 0;
    this.update();
  };

  #earlier = () => {
    if (this.#isLoading || !this.#thread) return;
    const total = this.#thread.rows().length;
    const end = this.#end ?? total;
    this.#isPinned = false;
    this.#seen ||= this.#thread.cursor;
    if (end - WINDOW > 0) this.#end = Math.max(WINDOW, end - STEP);
    else this.#ask();
    this.update();
  };

  #ask() {
    this.#isLoading = true;
    this.tell('earlier');
  }

  #later = () => {
    const total = this.#thread?.rows().length ?? 0;
    const end = (this.#end ?? total) + STEP;
    this.#end = end >= total ? null : end;
    this.update();
  };

  /** Remember where the first visible row stands, so that rows put above it do not push it away. */
  #hold() {
    const scroll = this.#scroll;
    this.#anchor = null;
    if (!scroll || this.#isPinned) return;
    const edge = scroll.getBoundingClientRect().top;
    for (const row of scroll.querySelectorAll('li[data-key]')) {
      const { top, bottom } = row.getBoundingClientRect();
      if (bottom < edge) continue;
      this.#anchor = { key: /** @type {HTMLElement} */ (row).dataset.key ?? '', top };
      return;
    }
  }

  /** @param {HTMLElement} scroll */
  #putBack(scroll) {
    const { key, top } = this.#anchor ?? {};
    const row = key && scroll.querySelector(`li[data-key="${CSS.escape(key)}"]`);
    if (row && top !== undefined) scroll.scrollTop += row.getBoundingClientRect().top - top;
  }

  /** The frame grew or shrank (a keyboard, an upload row, a picture that loaded): the last row stays in view. */
  #repin() {
    const scroll = this.#scroll;
    if (scroll && this.#isPinned) scroll.scrollTop = scroll.scrollHeight;
  }

  /** Read is what lies at the end of a visible page in front of a reader. */
  #look = () => {
    const isRead = this.#isPinned && document.visibilityState === 'visible' && this.checkVisibility();
    if (isRead && this.#thread && this.#thread.cursor > 0 && this.#thread.epoch) this.tell('read', { upto: this.#thread.cursor });
  };

  #speakUp() {
    if (!this.#isQuiet || this.#isLoading || !this.#thread?.isCaughtUp) return;
    requestAnimationFrame(() => {
      this.#isQuiet = false;
      this.update();
    });
  }

  /** The options of a line go when its time is over. */
  #waitExpiry() {
    clearTimeout(this.#expiry);
    if (!this.changeMs) return;
    const left = (this.#thread?.rows() ?? []).map((row) => this.#leftFor(row)).filter((ms) => ms > 0);
    if (left.length) this.#expiry = setTimeout(() => this.update(), Math.min(...left));
  }

  /** "Sending…" shows after a moment only, so a good network never flickers. */
  #waitGrace() {
    const waiting = (this.#thread?.pending ?? []).filter((draft) => draft.s === null && !draft.reason);
    this.#since = new Map(waiting.map(({ m }) => [m, this.#since.get(m) ?? Date.now()]));
    clearTimeout(this.#grace);
    if (waiting.some(({ m }) => Date.now() - (this.#since.get(m) ?? 0) < GRACE_MS)) {
      this.#grace = setTimeout(() => this.update(), GRACE_MS);
    }
  }
}

customElements.define('chat-log', ChatLog);
