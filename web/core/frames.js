// The wire as types: what goes over the socket, as docs/protocol.md tells it. Types only, and the ids a client makes.

/** @typedef {{ref: string, kind: 'shopper' | 'agent' | 'system', name: string}} Who */
/** @typedef {Record<string, any>} Body any: each kind of event has its own body */
/** @typedef {{t: 'ev', c: string, s: number, m?: string, from: Who, k: string, b: Body, ts: number}} Ev */
/** @typedef {{t: 'ack', c: string, m: string, s: number, ts: number, dup?: boolean, masked?: number}} Ack */
/** @typedef {{t: 'err', code: string, retry: 'no' | 'same' | 'order', c?: string, m?: string, retry_ms?: number, info?: Record<string, any>}} Err any: safe extras of a refusal */
/** @typedef {{t: 'sub_ok', c: string, ep: string, last: number, first: number, marks?: number}} SubOk */
/** @typedef {{t: 'page', c: string, first: number, last: number, more: boolean}} Page */
/** @typedef {{t: 'reset', c: string, ep: string, last: number, why: string}} Reset */
/** @typedef {{t: 'state', c: string, what: string, v: number, data: Record<string, any>}} State any: by `what` */
/** @typedef {{t: 'typing', c: string, who: Who, ttl: number}} Typing */
/** @typedef {Record<string, [epoch: string, last: number]>} Tops */
/** @typedef {{t: 'welcome', sid: string, me: Who, now: number, hb: number, limits: Record<string, number>}} Welcome */
/**
 * @typedef {Ev | Ack | Err | SubOk | Page | Reset | State | Typing | Welcome
 *   | {t: 'tops', conv: Tops} | {t: 'pong', n: number, tops: Tops} | {t: 'gone', c: string}
 *   | {t: 'bye', in_ms: number, why: string}} ServerFrame
 */
/** @typedef {{cur?: number, ep?: string, purpose?: string, marks?: number}} Cursor */
/** @typedef {{t: string, [field: string]: unknown}} ClientFrame */

export const SUBPROTOCOL = 'aftercare.v1';

/** A time-ordered random id (UUIDv7): names an event before any server has seen it. @param {number} [now] */
export function clientId(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let place = 5, rest = now; place >= 0; place -= 1, rest = Math.floor(rest / 256)) bytes[place] = rest % 256;
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
