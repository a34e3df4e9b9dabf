// HTTP calls to our own server: JSON in, JSON out, refusals as one kind of error.
import { t } from './i18n.js';

/** A refusal of the server, or no answer at all (status 0). `fields` are the refusal's safe extras. */
export class Refused extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {Record<string, unknown>} fields */
  constructor(status, code, message, fields = {}) {
    super(message);
    this.name = 'Refused';
    this.status = status;
    this.code = code;
    this.fields = fields;
  }

  /** Would the same call perhaps work later? */
  get mayPass() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The token of this tab's sign-in; changes when a sign-in changes. */
let token = '';

/** @param {string} csrf */
export function carry(csrf) {
  token = csrf;
}

export const csrf = () => token;

/** @param {string} path @returns {Promise<any>} any: the shape is the endpoint's, checked by who asked */
export const get = (path) => call('GET', path);

/** `signal` takes it back, `limit` is how long it may last in ms. @typedef {{signal?: AbortSignal, limit?: number}} Patience */

/** @param {string} path @param {unknown} [body] @param {Patience} [patience] @returns {Promise<any>} any: as `get` */
export const post = (path, body = {}, patience = {}) => call('POST', path, body, patience);

/** @param {string} method @param {string} path @param {unknown} [body] @param {Patience} [patience] */
async function call(method, path, body, { signal, limit = 20_000 } = {}) {
  const end = AbortSignal.timeout(limit);
  /** @type {RequestInit} */
  const init = { method, headers: headers(body !== undefined), signal: signal ? AbortSignal.any([signal, end]) : end };
  if (body !== undefined) init.body = JSON.stringify(body);
  try {
    const response = await fetch(inLanguage(path), init);
    return answer(response.status, await response.text());
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(0, 'network', t('error.network'));
  }
}

/** @param {boolean} withBody @returns {Record<string, string>} */
function headers(withBody) {
  return {
    Accept: 'application/json',
    ...(withBody ? { 'Content-Type': 'application/json' } : {}),
    ...(token ? { 'X-CSRF-Token': token } : {}),
  };
}

/** Refusals come back as sentences, so every call says which language the page speaks. @param {string} path */
export function inLanguage(path) {
  const lang = globalThis.document?.documentElement.lang;
  if (!lang) return path;
  return `${path}${path.includes('?') ? '&' : '?'}lang=${encodeURIComponent(lang)}`;
}

/** @param {number} status @param {string} text @returns {any} any: as `get`; throws Refused */
export function answer(status, text) {
  /** @type {any} any: JSON of the server */
  let value;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null;
  }
  if (status >= 200 && status < 300) return value;
  const { error = 'fault', message = t('error.fault'), ...fields } = value ?? {};
  throw new Refused(status, error, message, fields);
}
