// A page that is too old for the server is loaded anew, once: when that did not help, another time would not either. And a
// page that was made for somebody else than who is signed in here now goes, with all that is on its screen.
const MARK = 'aftercare reloaded';
const ONCE_IN_MS = 10 * 60_000;
const NO_COMMON_VERSION = 4406;
const SOMEBODY_ELSE = 4403;

/** @import { Session } from './session.js' */

/** @param {Session} session @param {() => void} [leave] where to, when it is somebody else's */
export function keepCurrent(session, leave = () => location.reload()) {
  session.addEventListener('connection', () => {
    const { phase, code } = session.connection;
    if (phase !== 'stopped') return;
    if (code === NO_COMMON_VERSION && mayReload()) location.reload();
    if (code === SOMEBODY_ELSE && (session.outage.wasOpen || mayReload())) leave();
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
