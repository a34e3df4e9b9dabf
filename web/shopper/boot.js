// What the server told this page when it opened (support/shopper/page.py), and what it tells after every change of who she is.

/** @typedef {{ref: string, kind: 'shopper', name: string, proof: 'guest' | 'email_code', proven_ms: number | null, email: string | null}} Me */
/** @typedef {{id: string, state: 'open' | 'resolved'}} Conversation */
/** @typedef {{me: Me | null, csrf: string, shelf_key: string, conversation: Conversation | null}} Standing */
/** @typedef {Standing & {has_agreed: boolean, now: number, policy: {version: string}, lang: string, shop: string, framed: boolean,
 *   hosts: string[], limits: {code_tries: number, code_digits: number}}} Boot */

/** @returns {Boot} */
export function read() {
  return JSON.parse(document.getElementById('boot')?.textContent ?? '');
}
