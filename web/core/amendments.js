// What was changed, taken back or redacted: events that say what an earlier one shows. Pure.
//
// The server gives an amended event as it stood when it was read; an amendment may come before its target, after it, or
// both may come from history in any order. So nothing here depends on the order: the same events always show the same.

/** @import { Body, Ev } from './frames.js' */
/** @typedef {{redacted?: Ev, retracted?: Ev, revised?: Ev}} Fate what became of one event: the amendments that count */

/** @param {{k: string}} event */
export const isAmendment = ({ k }) => k === 'revised' || k === 'retracted' || k === 'redacted';

/** Is the content no longer shown? @param {Body} body */
export const isGone = (body) => Boolean(body.redacted || body.retracted);

/** By the number of the event that is amended. A revision without its text is one that a later amendment replaced. @param {Iterable<Ev>} events @returns {Map<number, Fate>} */
export function fates(events) {
  /** @type {Map<number, Fate>} */
  const found = new Map();
  for (const event of events) {
    if (!isAmendment(event) || (event.k === 'revised' && event.b.text === undefined)) continue;
    const fate = found.get(event.b.of) ?? {};
    const kind = /** @type {keyof Fate} */ (event.k);
    if ((fate[kind]?.s ?? 0) < event.s) found.set(event.b.of, { ...fate, [kind]: event });
  }
  return found;
}

/** What an event shows: redacted beats retracted beats the latest revision. @param {Body} body @param {Fate} [fate] @returns {Body} */
export function standing(body, { redacted, retracted, revised } = {}) {
  if (body.redacted) return body;
  if (redacted) return { redacted: true, reason: redacted.b.reason, ...(redacted.b.text ? { text: redacted.b.text } : {}) };
  if (body.retracted || retracted) return { retracted: true };
  if (revised && revised.ts >= (body.revised ?? 0)) return { text: revised.b.text, revised: revised.ts };
  return body;
}
