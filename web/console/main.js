// The console: one session for the tab, one desk, and the elements that the page's frame holds ready.
import './inbox.js';
import './line.js';
import './side.js';
import './thread.js';
import { carry, csrf } from '../core/calls.js';
import { open } from '../core/kept.js';
import { holdUnsent } from '../core/leaving.js';
import { keepPresent } from '../core/presence.js';
import { keepCurrent } from '../core/reload.js';
import { ServerTime } from '../core/servertime.js';
import { Session } from '../core/session.js';
import { closeMenus } from '../desk/menus.js';
import { part } from '../parts/element.js';
import { announce } from './announcing.js';
import { Desk } from './desk.js';
import { frame } from './frame.js';
import { DeskInbox } from './inbox.js';
import { DeskLine, DeskPresence } from './line.js';
import { askBeforeLeaving, leave, leaveWhenEnded } from './presence.js';
import { DeskSide } from './side.js';
import { DeskThread } from './thread.js';

/** @import { Me, Snapshot } from './desk.js' */
/** @typedef {{me: Me, csrf: string, shelf_key: string, inbox: Snapshot}} Boot */

/** @type {Boot} */
const boot = JSON.parse(document.getElementById('boot')?.textContent ?? '{}');
carry(boot.csrf);

const { outbox, drafts } = await open(boot.me.ref, boot.shelf_key);
const session = new Session({
  as: 'staff',
  me: { ref: boot.me.ref, kind: 'agent', name: boot.me.name },
  csrf,
  time: new ServerTime(boot.inbox.now),
  inbox: true,
  outbox,
});
const desk = new Desk(session, boot.me, boot.inbox, drafts);

part(document, 'desk-line', DeskLine).attach(desk);
part(document, 'desk-presence', DeskPresence).attach(desk);
part(document, 'desk-inbox', DeskInbox).attach(desk);
part(document, 'desk-thread', DeskThread).attach(desk);
part(document, 'desk-side', DeskSide).attach(desk);
closeMenus();
frame(desk);
announce(desk);
keepPresent('/desk/here');
leaveWhenEnded(session);
askBeforeLeaving(session);
keepCurrent(session, leave);
holdUnsent(session);
session.start();
