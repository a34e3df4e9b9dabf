// A page that is too old for the server is loaded anew, once: when that did not help, another time would not either.
const MARK = 'aftercare reloaded';
const ONCE_IN_MS = 10 * 60_000;
const NO_COMMON_VERSION = 4406;

/** @import { Session } from './session.js' */

/** @param {Session} session */
export function keepCurrent(session) {
  session.addEventListener('connection', () => {
    const { phase, code } = session.connection;
    if (phase === 'stopped' && code === NO_COMMON_VERSION && mayReload()) location.reload();
  });
}

/** Holds a time and nothing about anyone. */
function mayReload() {
  try {
    const last = Number(sessionStorage.getItem(MARK) ?? 0);
    sessionStorage.setItem(MARK, String(Date.now()));
    return Date.now() - last > ONCE_IN_MS;
  } catch {
    return !performance.getEntriesByType('navigation').some((entry) => 'type' in entry && entry.type === 'reload');
  }
}
