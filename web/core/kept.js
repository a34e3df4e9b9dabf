// What this browser keeps for a person: her outbox and her drafts, on one shelf.
import { Drafts } from './drafts.js';
import { Outbox } from './outbox.js';
import { Shelf } from './shelf.js';

/** @typedef {{outbox: Outbox, drafts: Drafts}} Kept */

/** @param {string} scope who she is @param {string} key 32 bytes in base64, '' when the server gave none @returns {Promise<Kept>} */
export async function open(scope, key) {
  const shelf = await Shelf.open({ scope, key });
  return { outbox: await Outbox.open(shelf), drafts: await Drafts.open(shelf) };
}
