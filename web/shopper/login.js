// <login-sheet>: proving an e-mail address with a code, without leaving the chat.
import { html, nothing } from 'lit-html';
import { post, Refused } from '../core/calls.js';
import { clock, countdown } from '../core/format.js';
import { t } from '../core/i18n.js';
import { icon } from '../parts/icon.js';
import { Sheet } from './sheet.js';

/** @import { Boot, Standing } from './boot.js' */
/** @typedef {{masked: string, resendAt: number, expiresAt: number}} Sent */

/** Tells 'prove' {code, done, failed}: the page changes its sign-in around the call. */
export class LoginSheet extends Sheet {
  /** @type {Boot['limits']} */
  limits = { code_tries: 5, code_digits: 8 };
  /** The call that proves a code; set by the page. @type {(code: string) => Promise<Standing>} */
  prove = () => Promise.reject(new Error('nobody proves codes here'));

  /** @type {Sent | null} */
  #sent = null;
  #email = '';
  #tries = 0;
  #wrong = '';
  #isBusy = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;

  /** @override */
  open() {
    this.heading = t('login.title');
    super.open();
    this.#focus();
  }

  /** @override */
  body() {
    return this.#sent ? this.#codeForm(this.#sent) : this.#emailForm();
  }

  #emailForm() {
    return html`<form novalidate @submit=${this.#ask}>
      <p>${t('login.why')}</p>
      <div class="field"><label for="login-email">${t('login.email')}</label>
        <input id="login-email" name="email" type="email" inputmode="email" autocomplete="email" required maxlength="254" aria-invalid=${Boolean(this.#wrong)} aria-describedby=${this.#wrong ? 'login-wrong' : nothing}>
        ${this.#complaint()}</div>
      <button class="btn primary" type="submit" ?disabled=${this.#isBusy}>${icon('mail')}${t('login.send')}</button>
    </form>`;
  }

  /** @param {Sent} sent */
  #codeForm({ masked, resendAt, expiresAt }) {
    const wait = resendAt - Date.now();
    const left = this.limits.code_tries - this.#tries;
    return html`<form novalidate @submit=${this.#confirm}>
      <p class="sent">${icon('mail')}<span>${t('login.sent', { email: masked })}</span></p>
      <div class="field"><label for="login-code">${t('login.code')}</label>
        <input class="code" id="login-code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required maxlength="16" aria-invalid=${Boolean(this.#wrong)} aria-describedby="login-hint ${this.#wrong ? 'login-wrong' : ''}" @input=${this.#typed}>
        ${this.#complaint()}
        <p class="hint" id="login-hint">${t('login.code_hint')} ${t('login.expires', { time: clock(expiresAt) })}</p></div>
      <button class="btn primary" type="submit" ?disabled=${this.#isBusy || left <= 0}>${icon('shield')}${t('login.confirm')}</button>
      <div class="row">
        <button class="link" type="button" ?disabled=${wait > 0 || this.#isBusy} @click=${this.#again}>${wait > 0 ? t('login.resend_in', { time: countdown(wait) }) : t('login.resend')}</button>
        <button class="link" type="button" @click=${this.#other}>${t('login.other')}</button>
      </div>
    </form>`;
  }

  #complaint() {
    return html`<p class="wrong" id="login-wrong" role="alert" ?hidden=${!this.#wrong}>${this.#wrong}</p>`;
  }

  /** @param {SubmitEvent} event */
  #ask = (event) => {
    event.preventDefault();
    const field = this.querySelector('input');
    this.#email = field?.value.trim() ?? '';
    void this.#request();
  };

  #again = () => void this.#request();

  #other = () => {
    this.#sent = null;
    this.#wrong = '';
    clearInterval(this.#tick);
    this.draw();
    this.#focus();
  };

  async #request() {
    await this.#during(async () => {
      const { masked, resend_ms: resend, expires_ms: expires } = await post('/shopper/code', { email: this.#email });
      this.#sent = { masked, resendAt: Date.now() + resend, expiresAt: Date.now() + expires };
      this.#tries = 0;
      clearInterval(this.#tick);
      this.#tick = setInterval(() => this.isOpen && this.update(), 1000);
    });
    this.#focus();
  }

  /** Eight digits, however they were grouped or pasted, are a finished code. */
  #typed = () => {
    const { length } = this.#digits();
    if (length === this.limits.code_digits && !this.#isBusy) void this.#try();
  };

  /** @param {SubmitEvent} event */
  #confirm = (event) => {
    event.preventDefault();
    void this.#try();
  };

  #digits() {
    const typed = this.querySelector('input')?.value ?? '';
    return typed.normalize('NFKC').replace(/\D/g, '');
  }

  async #try() {
    const code = this.#digits();
    if (!code) return this.#focus();
    await this.#during(async () => {
      const standing = await this.prove(code);
      clearInterval(this.#tick);
      this.#sent = null;
      this.shut();
      this.tell('proven', standing);
    });
    return this.isOpen ? this.#focus() : undefined;
  }

  /** @param {() => Promise<void>} work */
  async #during(work) {
    this.#isBusy = true;
    this.#wrong = '';
    this.draw();
    try {
      await work();
    } catch (error) {
      this.#wrong = this.#explain(error);
    } finally {
      this.#isBusy = false;
      this.draw();
    }
  }

  /** @param {unknown} error */
  #explain(error) {
    if (!(error instanceof Refused)) return t('error.fault');
    if (error.code !== 'code_wrong') return error.message;
    this.#tries += 1;
    const left = this.limits.code_tries - this.#tries;
    return left > 0 ? `${error.message} ${t('login.tries', { n: left })}` : t('login.spent');
  }

  #focus() {
    const field = this.querySelector('input');
    field?.focus();
    field?.select();
  }
}

customElements.define('login-sheet', LoginSheet);
