// Times, money, sizes: by Intl, in the page's language and the shop's time zone.
import { lang } from './i18n.js';

/** Days and months as this shop's English readers write them: 20 Nov, not Nov 20. */
const place = () => (lang() === 'en' ? 'en-GB' : lang());

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/** The shop's zone, from <html data-zone>; the reader's own where the page names none. @returns {string | undefined} */
function zone() {
  return globalThis.document?.documentElement.dataset.zone || undefined;
}

/** @param {string} name @param {Intl.DateTimeFormatOptions} options */
function dates(name, options) {
  const key = `${name} ${lang()} ${zone() ?? ''}`;
  const known = formats.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(place(), { timeZone: zone(), ...options });
  formats.set(key, made);
  return made;
}

/** 14:03 @param {number} ms */
export const clock = (ms) =>
  dates('clock', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(ms);

/** 20 November 2026 / 2026年11月20日 @param {number} ms */
export const day = (ms) => dates('day', { year: 'numeric', month: 'long', day: 'numeric' }).format(ms);

/** 20 Nov / 11月20日 @param {number} ms */
export const shortDay = (ms) => dates('short', { month: 'short', day: 'numeric' }).format(ms);

/** Two moments share a key when they fall on the same day in the shop. @param {number} ms */
export const dayKey = (ms) =>
  dates('key', { year: 'numeric', month: '2-digit', day: '2-digit', calendar: 'gregory', numberingSystem: 'latn' }).format(ms);

/** NT$1,280 in both languages, as the server writes it; without cents where a currency is quoted without. @param {number | string} amount @param {string} currency */
export function money(amount, currency) {
  const digits = ['TWD', 'JPY', 'KRW'].includes(currency) ? 0 : 2;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (currency === 'TWD') return `NT$${new Intl.NumberFormat('en', options).format(Number(amount))}`;
  return new Intl.NumberFormat(place(), { style: 'currency', currency, ...options }).format(Number(amount));
}

/** 31 MB, 820 kB @param {number} bytes */
export function size(bytes) {
  const [unit, scale] = bytes >= 1e6 ? ['megabyte', 1e6] : ['kilobyte', 1e3];
  const amount = bytes / Number(scale);
  const options = { style: 'unit', unit: String(unit), unitDisplay: 'short', maximumFractionDigits: amount < 10 ? 1 : 0 };
  return new Intl.NumberFormat(lang(), /** @type {Intl.NumberFormatOptions} */ (options)).format(Math.max(amount, 0.1));
}

/** 64% @param {number} part between 0 and 1 */
export const percent = (part) => new Intl.NumberFormat(lang(), { style: 'percent', maximumFractionDigits: 0 }).format(part);

/** 0:47 @param {number} ms */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
