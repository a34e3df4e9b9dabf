// Words of the page, in the page's language: read once from its #strings block.

/** @typedef {string | {one?: string, other: string}} Wording */
/** @typedef {Record<string, Wording>} Strings */
/** @typedef {Record<string, string | number>} Values */

/** @type {Strings | null} */
let strings = null;
/** @type {string | null} */
let language = null;

/** Gives the words by hand, for pages without a block and for tests. @param {Strings} table @param {string} lang */
export function use(table, lang) {
  strings = table;
  language = lang;
}

/** @returns {string} a BCP 47 tag, "en" or "zh-Hant" */
export function lang() {
  return (language ??= globalThis.document?.documentElement.lang || 'en');
}

/**
 * The words for `key`, with `{name}` filled in from `values`; `n` picks the plural form.
 * A missing key gives itself back, so a gap is seen and not a blank.
 * @param {string} key @param {Values} [values] @returns {string}
 */
export function t(key, values = {}) {
  strings ??= read();
  const wording = strings[key];
  if (wording === undefined) return key;
  return fill(typeof wording === 'string' ? wording : plural(wording, Number(values.n)), values);
}

/** Does the page have words for this key? @param {string} key */
export function has(key) {
  strings ??= read();
  return strings[key] !== undefined;
}

/** @param {{one?: string, other: string}} forms @param {number} n */
function plural(forms, n) {
  const form = new Intl.PluralRules(lang()).select(n);
  return (form === 'one' ? forms.one : undefined) ?? forms.other;
}

/** @param {string} wording @param {Values} values */
function fill(wording, values) {
  return wording.replace(/\{(\w+)\}/g, (hole, name) => {
    const value = values[name];
    if (value === undefined) return hole;
    return typeof value === 'number' ? new Intl.NumberFormat(lang()).format(value) : value;
  });
}

/** @returns {Strings} */
function read() {
  const block = globalThis.document?.getElementById('strings');
  return block?.textContent ? JSON.parse(block.textContent) : {};
}
