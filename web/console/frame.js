// The frame around the panes: which one a narrow screen shows, the drawer, the address, the keys.
import { listen } from './keys.js';

/** @import { Desk } from './desk.js' */

/** @param {Desk} desk */
export function frame(desk) {
  const console = document.querySelector('.console');
  if (!(console instanceof HTMLElement)) throw new Error('no .console here');

  const follow = () => desk.open(fromAddress());
  addEventListener('hashchange', follow);
  desk.addEventListener('open', () => {
    console.dataset.view = desk.opened === null ? 'inbox' : 'thread';
    console.dataset.side = 'shut';
  });
  desk.addEventListener('gone', () => void (desk.card ?? leave()));

  const side = () => turn(console);
  console.addEventListener('toggleside', side);
  document.querySelector('[data-shuts="side"]')?.addEventListener('click', side);
  keys(desk, console, side);
  follow();
}

/** Opens or shuts the drawer; the focus goes in with it and comes back. @param {HTMLElement} console */
function turn(console) {
  const opens = console.dataset.side !== 'open';
  console.dataset.side = opens ? 'open' : 'shut';
  const place = console.querySelector(opens ? '[data-shuts="side"]' : '.details');
  if (place instanceof HTMLElement && place.checkVisibility({ visibilityProperty: true })) place.focus();
}

/** Show this conversation: the address leads, so that Back works. @param {string} conversation */
export const go = (conversation) => void (location.hash = `c-${conversation}`);

/** Back to the list. */
export const leave = () => void (location.hash = '');

/** @returns {string | null} */
function fromAddress() {
  const found = /^#c-([0-9a-f]{32})$/.exec(location.hash);
  return found?.[1] ?? null;
}

/** @param {Desk} desk @param {HTMLElement} console @param {() => void} side */
function keys(desk, console, side) {
  const help = document.getElementById('keys');
  const areOn = document.getElementById('keys-on');
  const showHelp = () => void (help instanceof HTMLDialogElement && help.showModal());
  document.querySelector('[data-opens="keys"]')?.addEventListener('click', showHelp);
  const step = (/** @type {1 | -1} */ by) => {
    const next = desk.neighbour(by);
    if (next) go(next);
  };
  const press = (/** @type {string} */ action) => {
    const button = console.querySelector(`[data-action="${action}"]`);
    if (button instanceof HTMLButtonElement) button.click();
  };
  listen(
    [
      { code: 'KeyJ', act: () => step(1) },
      { code: 'KeyK', act: () => step(-1) },
      { code: 'KeyR', act: () => desk.write('reply') },
      { code: 'KeyN', act: () => desk.write('note') },
      { code: 'KeyA', act: () => press('assign') },
      { code: 'KeyE', act: () => press('settle') },
      { code: 'KeyO', act: side },
      { code: 'Slash', shift: true, act: showHelp },
    ],
    () => !(areOn instanceof HTMLInputElement) || areOn.checked,
  );
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented) return;
    if (console.dataset.side === 'open') side();
    else if (document.activeElement instanceof HTMLTextAreaElement) document.activeElement.blur();
  });
}
