// A line whose other end is the test: sockets that hear what they are given, and answers to requests that wait for it.
import { Session } from '../../web/core/session.js';

export class Socket {
  /** @type {Socket[]} */
  static all = [];
  sent = [];
  constructor() {
    Socket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {}
  hear(...frames) {
    this.onmessage({ data: JSON.stringify(frames) });
  }
  of(type) {
    return this.sent.filter((frame) => frame.t === type);
  }
  welcome(me) {
    this.onopen();
    this.hear({ t: 'welcome', sid: 's', me, now: Date.now(), hb: 25, limits: {}, proto: 'aftercare.v1', features: [] });
  }
}

/** A session of this person over such sockets. */
export const sessionOf = (me, more = {}) =>
  new Session({ as: me.kind === 'agent' ? 'staff' : 'shopper', me, csrf: () => 'token', url: 'ws://x', makeSocket: () => new Socket(), ...more });

/** Stands in for `fetch`: every request waits until it is answered. */
export function requests() {
  const asked = [];
  globalThis.fetch = (path, init) =>
    new Promise((resolve) => {
      const answer = (value, status = 200) => {
        resolve(new Response(JSON.stringify(value), { status }));
        return new Promise((done) => setImmediate(done));
      };
      asked.push({ path, method: init.method, answer });
    });
  return asked;
}
