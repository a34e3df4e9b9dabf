// What the console says without being looked at: the count in the title, one polite sentence at most every 5 seconds about
// messages, and that the line broke or is back.
import { t } from '../core/i18n.js';
import { unread, waiting } from './cards.js';
import { detail } from './desk.js';

/** @import { Card } from './cards.js' */
/** @import { Desk } from './desk.js' */

const QUIET_MS = 5_000;

/** @param {Desk} desk */
export function announce(desk) {
  let last = 0;
  desk.addEventListener('cards', (event) => {
    entitle(desk);
    /** @type {{card: Card, rose: boolean} | undefined} */
    const news = detail(event);
    if (!news?.rose || Date.now() - last < QUIET_MS || isRead(desk, news.card)) return;
    last = Date.now();
    say(t('announce_new', { name: news.card.title, n: countWaiting(desk) }));
  });
  let wasBroken = false;
  desk.session.addEventListener('connection', () => {
    const isBroken = desk.session.outage.isBroken();
    if (isBroken !== wasBroken) say(t(isBroken ? 'lost' : 'online'));
    wasBroken = isBroken;
  });
  entitle(desk);
}

/** Is the reader looking at it anyway? The log reads it out then. @param {Desk} desk @param {Card} card */
const isRead = (desk, card) => card.id === desk.opened && document.visibilityState === 'visible';

/** @param {Desk} desk */
const countWaiting = (desk) => [...desk.cards.values()].filter((card) => waiting(card, desk.now())).length;

/** @param {Desk} desk */
function entitle(desk) {
  const n = unread(desk.cards.values());
  document.title = n ? t('title_unread', { n }) : t('title');
}

/** @param {string} sentence */
function say(sentence) {
  const status = document.getElementById('announce');
  if (status) status.textContent = sentence;
}
