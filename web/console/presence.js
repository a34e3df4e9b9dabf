// A sign-in that has ended takes everything that was on the screen with it. Signing out clears the browser, so it asks first
// when something was not sent.
import { t } from '../core/i18n.js';

/** @import { Session } from '../core/session.js' */

const NOT_SIGNED_IN = 4401;

/** @param {Session} session */
export function leaveWhenEnded(session) {
  session.addEventListener('connection', () => {
    const { phase, code } = session.connection;
    if (phase === 'stopped' && code === NOT_SIGNED_IN) leave();
  });
}

/** To the door, which sends on whoever is signed in here now; neither words nor the address of a conversation stay. */
export const leave = () => location.replace('/desk/sign-in?ended=1');

/** @param {Session} session */
export function askBeforeLeaving({ outbox }) {
  document.querySelector('form[action="/desk/sign-out"]')?.addEventListener('submit', (event) => {
    const n = outbox.entries().length;
    if (n && !confirm(t('leave.unsent', { n }))) event.preventDefault();
  });
}
