// One way to the server: a WebSocket. The other is poll.js; line.js does not know which it holds.
import { SUBPROTOCOL } from './frames.js';

/** @import { ClientFrame, ServerFrame } from './frames.js' */
/** `closed`: once, with the close code. @typedef {{heard: (frames: ServerFrame[]) => void, closed: (code: number) => void}} Ends */
/** What a line goes over. `probe`: make the other side say something. @typedef {{say: (frame: ClientFrame) => void, probe: () => void, close: () => void}} Way */
/** @typedef {(url: string, protocol: string) => WebSocket} MakeSocket */

/** The browser's own code for a socket that broke or never was. */
export const BROKEN = 1006;

/** @type {MakeSocket} */
const plain = (url, protocol) => new WebSocket(url, protocol);

/** @param {Ends} ends @param {{hello: () => ClientFrame, url: string, makeSocket?: MakeSocket}} setup @returns {Way} */
export function socket(ends, { hello, url, makeSocket = plain }) {
  /** @type {WebSocket} */
  let line;
  try {
    line = makeSocket(url, SUBPROTOCOL);
  } catch {
    queueMicrotask(() => ends.closed(BROKEN)); // a policy of the place forbids sockets
    return { say: () => {}, probe: () => {}, close: () => {} };
  }
  let pings = 0;
  const say = (/** @type {ClientFrame} */ frame) => line.send(JSON.stringify(frame));
  line.onopen = () => say(hello());
  line.onmessage = ({ data }) => {
    const parsed = JSON.parse(String(data));
    ends.heard(Array.isArray(parsed) ? parsed : [parsed]);
  };
  line.onclose = ({ code }) => ends.closed(code);
  return { say, probe: () => say({ t: 'ping', n: (pings += 1) }), close: () => line.close(1000) };
}

/** Would a socket open here now? It is closed again without a word. @param {string} url @param {MakeSocket} [makeSocket] @returns {Promise<boolean>} */
export function opens(url, makeSocket = plain) {
  return new Promise((resolve) => {
    try {
      const trial = makeSocket(url, SUBPROTOCOL);
      trial.onopen = () => {
        resolve(true);
        trial.close(1000);
      };
      trial.onclose = () => resolve(false);
    } catch {
      resolve(false);
    }
  });
}
