// The shopper's page: from the notice to the conversation. Nothing is stored, sent or connected before "Agree and start".
import '../parts/chat-log.js';
import '../parts/composer.js';
import '../parts/upload-tray.js';
import './connection.js';
import './login.js';
import './orders.js';
import { carry, post, Refused } from '../core/calls.js';
import { t } from '../core/i18n.js';
import { ServerTime } from '../core/servertime.js';
import { part } from '../parts/element.js';
import { read } from './boot.js';
import { Host } from './host.js';
import { openMenu } from './menu.js';
import { Talk } from './talk.js';

/** @import { Standing } from './boot.js' */

const boot = read();
const time = new ServerTime(boot.now);
const page = part(document, '.shopper', HTMLElement);
const host = boot.framed ? new Host(boot.hosts) : null;
const talk = new Talk(page, host);

openMenu(page, talk);
fitKeyboard();
host?.listen();
if (boot.conversation && boot.has_agreed) void enter(boot);
else ask();

/** The notice waits for a tap. */
function ask() {
  const form = part(page, '#notice', HTMLFormElement);
  const wrong = part(form, '#notice-wrong', HTMLElement);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = part(form, '[type=submit]', HTMLButtonElement);
    button.disabled = true;
    wrong.hidden = true;
    try {
      await enter(await agree(form));
    } catch (error) {
      if (error instanceof Refused && error.code === 'policy_changed') return location.reload();
      wrong.textContent = error instanceof Refused ? error.message : t('error.fault');
      wrong.hidden = false;
    } finally {
      button.disabled = false;
    }
    return undefined;
  });
}

/** @param {HTMLFormElement} form @returns {Promise<Standing>} */
function agree(form) {
  carry(boot.csrf);
  const chosen = form.querySelector('input[name=topic]:checked');
  const topic = chosen instanceof HTMLElement ? chosen.dataset.words : undefined;
  return post('/shopper/start', {
    policy_version: boot.policy.version,
    agreed: true,
    locale: boot.lang,
    shown_ms: boot.now,
    framed: boot.framed,
    ...(topic ? { topic } : {}),
  });
}

/** @param {Standing} standing */
async function enter(standing) {
  page.dataset.view = 'chat';
  await talk.begin(standing, boot.limits, time);
  host?.settle();
  if (matchMedia('(pointer: fine)').matches || !boot.framed) talk.focus();
  else part(page, 'h1', HTMLElement).focus();
}

/** A phone's keyboard covers the page without shrinking it on some systems; what is really visible is the page's height. */
function fitKeyboard() {
  const view = globalThis.visualViewport;
  if (!view || boot.framed) return;
  const fit = () => document.documentElement.style.setProperty('--height', `${view.height}px`);
  if (matchMedia('(pointer: coarse)').matches) view.addEventListener('resize', fit);
}
