// When a page may have missed something: the network came or went, the tab is looked at again, the browser took it out of
// its memory of pages left, or woke it up.

const OF_WINDOW = ['online', 'offline', 'pageshow'];
const OF_DOCUMENT = ['visibilitychange', 'resume'];

/** @param {() => void} act @returns {() => void} stops listening */
export function whenBack(act) {
  const look = () => {
    if (globalThis.document?.visibilityState !== 'hidden') act();
  };
  for (const type of OF_WINDOW) globalThis.addEventListener?.(type, look);
  for (const type of OF_DOCUMENT) globalThis.document?.addEventListener(type, look);
  return () => {
    for (const type of OF_WINDOW) globalThis.removeEventListener?.(type, look);
    for (const type of OF_DOCUMENT) globalThis.document?.removeEventListener(type, look);
  };
}
