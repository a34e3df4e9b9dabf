// Single keys of the console: by place on the keyboard, never while somebody writes or composes.

/** @typedef {{code: string, shift?: boolean, act: () => void}} Shortcut */

/**
 * Listens until `signal` ends it.
 * @param {Shortcut[]} shortcuts @param {() => boolean} areOn @param {AbortSignal} [signal]
 */
export function listen(shortcuts, areOn, signal) {
  const heed = (/** @type {KeyboardEvent} */ event) => {
    if (!areOn() || isWriting(event) || document.querySelector('dialog[open]')) return;
    const found = shortcuts.find(({ code, shift = false }) => code === event.code && shift === event.shiftKey);
    if (!found) return;
    event.preventDefault();
    found.act();
  };
  document.addEventListener('keydown', heed, signal ? { signal } : {});
}

/** Text fields, menus, a modifier, or Enter of an input method that has not finished. @param {KeyboardEvent} event */
export function isWriting(event) {
  if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return true;
  if (event.altKey || event.ctrlKey || event.metaKey) return true;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches('input:not([type="checkbox"], [type="radio"]), textarea, select');
}
