// What each frame of the server means for this tab: one frame in, and whoever it concerns is told.

import { isAmendment } from './amendments.js';

/** @import { Err, Ev, ServerFrame, SubOk, Welcome } from './frames.js' */
/** @import { Healing } from './healing.js' */
/** @import { Marks } from './marks.js' */
/** @import { Sending } from './sending.js' */
/** @import { Watching } from './watching.js' */
/**
 * `tell`: for the elements, by the session's names.
 * @typedef {{watching: Watching, healing: Healing, sending: Sending, marks: Marks, greeted: (frame: Welcome) => void,
 *   tell: (type: string, detail: Record<string, unknown>) => void}} Ears
 */

export class Hearing {
  /** @param {Ears} ears */
  constructor({ watching, healing, sending, marks, greeted, tell }) {
    this.watching = watching;
    this.healing = healing;
    this.sending = sending;
    this.marks = marks;
    this.greeted = greeted;
    this.tell = tell;
  }

  /** @param {ServerFrame[]} frames */
  take(frames) {
    /** @type {Set<string>} */
    const touched = new Set();
    for (const frame of frames) {
      this.#hear(frame);
      if ('c' in frame && frame.c) touched.add(frame.c);
    }
    for (const conversation of touched) this.#touched(conversation);
  }

  /** @param {string} conversation */
  #touched(conversation) {
    const thread = this.watching.thread(conversation);
    for (const draft of thread?.takeLost() ?? []) this.sending.lost(conversation, draft);
    this.tell('change', { conversation, thread });
  }

  /** @param {ServerFrame} frame */
  #hear(frame) {
    switch (frame.t) {
      case 'welcome': return this.greeted(frame);
      case 'ev': return this.#received(frame);
      case 'ack':
        this.sending.taken(frame);
        return this.tell('ack', { conversation: frame.c, ...frame });
      case 'err': return this.#refused(frame);
      case 'sub_ok': return this.#opened(frame);
      case 'reset':
        this.watching.thread(frame.c)?.forget();
        return this.tell('reset', { conversation: frame.c, ...frame });
      case 'state':
        this.watching.thread(frame.c)?.mark(frame);
        return this.tell('state', { conversation: frame.c, ...frame });
      case 'gone':
        this.watching.forget(frame.c);
        this.healing.forget(frame.c);
        this.marks.forget(frame.c);
        return this.tell('gone', { conversation: frame.c });
      case 'typing': return this.tell('typing', { conversation: frame.c, who: frame.who, ttl: frame.ttl });
      case 'page': return this.#paged(frame);
      case 'tops':
        this.healing.compare(frame.conv);
        return this.tell('tops', {});
      case 'pong': return this.healing.compare(frame.tops);
      default: return undefined;
    }
  }

  /** @param {SubOk} frame */
  #opened(frame) {
    const thread = this.watching.thread(frame.c);
    if (thread?.isOther(frame.ep)) this.marks.forget(frame.c);
    this.watching.opened(frame.c);
    thread?.recall(this.sending.takenBefore(frame.c, frame.ep), frame.first);
    thread?.open(frame);
    this.marks.tell();
  }

  /** @param {Ev} event */
  #received(event) {
    if (event.m) this.sending.taken({ t: 'ack', c: event.c, m: event.m, s: event.s, ts: event.ts });
    if (isAmendment(event)) this.sending.amended(event.c, event.b.of);
    const thread = this.watching.thread(event.c);
    if (!thread || thread.epoch === null) return;
    const { fresh, missing } = thread.receive(event);
    if (missing) this.healing.fill(thread, missing.to);
    if (event.from.kind !== this.watching.me.kind) this.marks.reach('rcvd', event.c, thread.cursor);
    if (fresh) this.tell('event', { conversation: event.c, thread, event });
  }

  /** @param {ServerFrame & {t: 'page'}} frame */
  #paged(frame) {
    this.healing.paged(frame);
    this.tell('page', { conversation: frame.c, ...frame });
  }

  /** @param {Err} frame */
  #refused(frame) {
    const { c = '', m, code, info } = frame;
    if (m) this.sending.refused(frame);
    else this.#refusedIn(frame);
    if (code === 'stale') this.healing.want(this.watching.thread(c), Number(info?.seq ?? 0));
    this.tell('err', { conversation: c, ...frame });
  }

  /** It says of which conversation, and not whether it was the way in, older events or a mark. @param {Err} frame */
  #refusedIn(frame) {
    const { c = '', retry } = frame;
    if (this.healing.refused(frame)) this.tell('page', { conversation: c });
    if (retry !== 'no') this.marks.again(c);
  }
}
