// Leaving a page that holds unsent words which are nowhere else: the browser asks first.

/** @import { Session } from './session.js' */

/** @param {Session} session */
export function holdUnsent(session) {
  addEventListener('beforeunload', (event) => {
    if (wouldLose(session)) event.preventDefault();
  });
}

/** A page whose sign-in has ended holds nobody up: it may be somebody else who sits there. @param {Session} session */
function wouldLose({ connection, outbox }) {
  return connection.phase !== 'stopped' && !outbox.isDurable && outbox.waiting().length > 0;
}
