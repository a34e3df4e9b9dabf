// The line to the server: one socket, its heartbeat, and how long to wait before the next try. Knows no conversation.
import { SUBPROTOCOL } from './frames.js';

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** @typedef {'idle' | 'connecting' | 'open' | 'waiting' | 'stopped'} Phase */
/** `retryAt` is set while waiting, `code` is the close code that stopped it. @typedef {{phase: Phase, retryAt: number | null, code: number | null}} Connection */
/** @typedef {{url: string, hello: () => ClientFrame, frames: (frames: ServerFrame[]) => void, changed: (now: Connection) => void,
 *   makeSocket?: (url: string, protocol: string) => WebSocket, random?: () => number}} Ends */

const SHORTEST_MS = 500;
const LONGEST_MS = 30_000;
const STABLE_MS = 60_000;
const SILENT_MS = 40_000;
const ABUSE_MS = 30_000;
/** Codes after which the same try would end the same way. 4408 (too slow to say hello) and 4429 (too much) pass. */
const stops = (/** @type {number} */ code) => code >= 4400 && code < 4500 && code !== 4408 && code !== 4429;

export class Line {
  /** @type {Connection} */
  connection = { phase: 'idle', retryAt: null, code: null };

  /** @type {WebSocket | null} */
  #socket = null;
  #tries = 0;
  #heard = 0;
  #beat = 25_000;
  #pings = 0;
  /** @type {number | null} */
  #promised = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watch;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stable;

  /** @param {Ends} ends */
  constructor(ends) {
    this.ends = ends;
  }

  get isOpen() {
    return this.connection.phase === 'open';
  }

  /** Connect now, without waiting for the next try. */
  connect() {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    this.#change({ phase: 'connecting', retryAt: null, code: null });
    const make = this.ends.makeSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = make(this.ends.url, SUBPROTOCOL);
    this.#socket = socket;
    this.#listen(socket);
    socket.onopen = () => socket.send(JSON.stringify(this.ends.hello()));
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  /** Let go until `connect` is called. */
  stop() {
    const socket = this.#socket;
    this.#quiet();
    this.#change({ phase: 'idle', retryAt: null, code: null });
    socket?.close(1000);
  }

  /** Goes out only while the line is open; says whether it did. @param {ClientFrame} frame */
  say(frame) {
    if (!this.isOpen || !this.#socket) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** @param {string} text */
  #receive(text) {
    this.#heard = Date.now();
    const parsed = JSON.parse(text);
    /** @type {ServerFrame[]} */
    const frames = Array.isArray(parsed) ? parsed : [parsed];
    for (const frame of frames) this.#note(frame);
    this.ends.frames(frames);
  }

  /** @param {ServerFrame} frame */
  #note(frame) {
    if (frame.t === 'welcome') {
      this.#beat = frame.hb * 1000;
      this.#stable = setTimeout(() => (this.#tries = 0), STABLE_MS);
      this.#change({ phase: 'open', retryAt: null, code: null });
    }
    if (frame.t === 'bye') this.#promised = frame.in_ms;
  }

  /** @param {WebSocket} socket @param {number} code */
  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#quiet();
    if (stops(code)) return this.#change({ phase: 'stopped', retryAt: null, code });
    const wait = this.#pause(code);
    this.#retry = setTimeout(() => this.connect(), wait);
    this.#change({ phase: 'waiting', retryAt: Date.now() + wait, code });
  }

  /** At once the first time, then anywhere up to a doubling limit, so that a thousand pages do not come back together. @param {number} code */
  #pause(code) {
    const promised = this.#promised;
    this.#promised = null;
    if (promised !== null) return promised;
    if (code === 4429) return ABUSE_MS;
    this.#tries += 1;
    if (this.#tries === 1) return 0;
    const limit = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** (this.#tries - 1));
    return SHORTEST_MS + (this.ends.random ?? Math.random)() * (limit - SHORTEST_MS);
  }

  /** Asks for a sign of life when nothing was heard for a beat, and gives up on a line that stays silent. @param {WebSocket} socket */
  #listen(socket) {
    this.#heard = Date.now();
    const look = () => {
      const silence = Date.now() - this.#heard;
      if (silence >= SILENT_MS) return this.#abandon(socket);
      if (silence >= this.#beat) this.say({ t: 'ping', n: (this.#pings += 1) });
      this.#watch = setTimeout(look, 5_000);
      return undefined;
    };
    this.#watch = setTimeout(look, 5_000);
  }

  /** A dead peer never answers the close either, so the socket is left behind rather than waited for. @param {WebSocket} socket */
  #abandon(socket) {
    this.#closed(socket, 1006);
    socket.close();
  }

  #quiet() {
    this.#socket = null;
    clearTimeout(this.#retry);
    clearTimeout(this.#watch);
    clearTimeout(this.#stable);
  }

  /** @param {Connection} connection */
  #change(connection) {
    this.connection = connection;
    this.ends.changed(connection);
  }
}
