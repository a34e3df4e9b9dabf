// What the menu and the small buttons do: orders, proving an address, language, leaving.
import { post, Refused } from '../core/calls.js';
import { t } from '../core/i18n.js';
import { part } from '../parts/element.js';

/** @import { Standing } from './boot.js' */
/** @import { Talk } from './talk.js' */

/** @param {HTMLElement} page @param {Talk} talk */
export function openMenu(page, talk) {
  const menu = part(page, '#menu', HTMLElement);
  let wantsOrders = false;

  const doings = {
    orders: () => {
      wantsOrders = talk.me?.proof === 'guest';
      if (wantsOrders) talk.login.open();
      else showOrders(talk);
    },
    login: () => talk.login.open(),
    other: () => void attest(talk),
    leave: () => void leave(talk),
    language: () => undefined,
  };

  page.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-does]') : null;
    if (!(button instanceof HTMLElement)) return;
    menu.hidePopover();
    doings[/** @type {keyof typeof doings} */ (button.dataset.does)]?.();
  });

  talk.login.prove = (code) => prove(talk, code);
  talk.login.addEventListener('proven', (event) => {
    void proven(talk, /** @type {CustomEvent<Standing>} */ (event).detail, wantsOrders);
    wantsOrders = false;
  });
  talk.orders.addEventListener('linked', () => talk.focus());
  talk.orders.addEventListener('known', () => talk.log.refresh());
}

/** @param {Talk} talk */
function showOrders(talk) {
  talk.orders.conversation = talk.conversation;
  talk.orders.email = talk.me?.email ?? '';
  talk.orders.open();
}

/** What she wrote as a guest arrives first; then the code, and with it the new sign-in. @param {Talk} talk @param {string} code @returns {Promise<Standing>} */
async function prove(talk, code) {
  await talk.settle();
  try {
    return await post('/shopper/verify', { code, conversation: talk.conversation });
  } catch (error) {
    talk.unsettle();
    throw error;
  }
}

/** @param {Talk} talk @param {Standing} standing @param {boolean} wantsOrders */
async function proven(talk, standing, wantsOrders) {
  await talk.become(standing);
  talk.say(t('login.done'));
  if (wantsOrders) showOrders(talk);
  else void talk.orders.load();
}

/** She speaks for somebody else, who has agreed to that. @param {Talk} talk */
async function attest(talk) {
  if (!confirm(t('other.sure'))) return;
  try {
    await post(`/shopper/conversations/${talk.conversation}/attestation`, { attested: true });
    talk.complain('');
    talk.say(t('other.done'));
  } catch (error) {
    talk.complain(error instanceof Refused ? error.message : t('error.fault'));
  }
}

/** The queue goes only when the server has let her go: one that could not be asked takes nothing away. @param {Talk} talk */
async function leave(talk) {
  if (talk.me?.proof === 'guest' && !confirm(t('leave.sure'))) return;
  await talk.settle();
  const n = talk.session?.outbox.entries().length ?? 0;
  if (n && !confirm(t('leave.unsent', { n }))) return talk.unsettle();
  try {
    await post('/shopper/signout', {});
  } catch (error) {
    talk.unsettle();
    return talk.complain(error instanceof Refused ? error.message : t('error.fault'));
  }
  await talk.session?.outbox.clear();
  return location.reload();
}
