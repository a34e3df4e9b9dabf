// What the console says without being looked at: the count in the title, one polite sentence at most every 5 seconds about
// messages, that a reply was refused while another conversation was open, and that the line broke or is back.
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
  desk.addEventListener('unsent', (event) => complain(desk, detail(event).fresh));
  complain(desk, [...desk.unsent]);
  desk.addEventListener('dropped', (event) => say(dropped(detail(event).title)));
  let wasBroken = false;
  desk.session.addEventListener('connection', () => {
    const isBroken = desk.session.outage.isBroken();
    if (isBroken !== wasBroken) say(isBroken ? lost(desk) : t('online'));
    wasBroken = isBroken;
  });
}

/** Once for what was refused just now, unless its row says so before the reader's eyes. @param {Desk} desk @param {string[]} conversations */
function complain(desk, conversations) {
  entitle(desk);
  const [unseen] = conversations.filter((conversation) => conversation !== desk.opened);
  if (unseen) say(t('announce_unsent', { name: desk.cards.get(unseen)?.title ?? t('customer') }));
}

/** What is on this page alone must not be called kept. @param {Desk} desk */
export const lost = ({ session }) => t(session.outbox.isDurable ? 'lost' : 'lost_here');

/** What nobody will get, because the conversation has gone. @param {string} title */
export const dropped = (title) => t('dropped', { name: title || t('customer') });

/** Is the reader looking at it anyway? The log reads it out then. @param {Desk} desk @param {Card} card */
const isRead = (desk, card) => card.id === desk.opened && document.visibilityState === 'visible';

/** @param {Desk} desk */
const countWaiting = (desk) => [...desk.cards.values()].filter((card) => waiting(card, desk.now())).length;

/** @param {Desk} desk */
function entitle(desk) {
  const n = unread(desk.cards.values());
  const title = n ? t('title_unread', { n }) : t('title');
  document.title = desk.unsent.size ? `${t('log.failed')} – ${title}` : title;
}

/** @param {string} sentence */
function say(sentence) {
  const status = document.getElementById('announce');
  if (status) status.textContent = sentence;
}
