// What was written and not yet acknowledged: kept before it goes on the wire, until the server says it has it.
//
// The outbox belongs to the person, not to the tab: every tab shows all of it, one tab sends it (tabs.js), and whatever a
// closed tab left is in it for the next one. What the server refused stays too, with the reason, until she decides.
// Without a shelf it lives in memory, belongs to this tab alone and dies with the page; so does what a shelf that fails
// could not take, and `isDurable` says so. The next writing that succeeds brings all of it to the disk again.
import { Said } from './said.js';
import { Tabs } from './tabs.js';

/** @import { Ack, Body } from './frames.js' */
/** @import { Shelf } from './shelf.js' */
/** @import { News } from './tabs.js' */
/** @import { Reason } from './thread.js' */
/** @typedef {{m: string, c: string, k: string, b: Body, at: number, seen?: number, reason?: Reason}} Entry */
/**
 * What other tabs did: `changed` something, had something `settled` (an ack, or withdrawn: null), or `left` for another sign-in.
 * @typedef {{changed: () => void, settled: (entry: Entry, ack: Ack | null) => void, left: () => void, canSend: () => boolean}} Owner
 */

export class Outbox {
  /** @type {Owner} */
  owner = { changed: () => {}, settled: () => {}, left: () => {}, canSend: () => false };

  /** What the server has taken lately. */
  said = new Said();

  /** @type {Entry[]} */
  #entries = [];
  /** Ids that are done with: another tab's slower reading must not bring them back. @type {Set<string>} */
  #done = new Set();
  /** @type {Shelf | null} */
  #shelf = null;
  /** Is everything that is here also on the shelf? */
  #isKept = true;
  /** @type {Tabs | null} */
  #tabs = null;

  /** Opens what earlier pages left and other tabs hold. @param {Shelf | null} shelf @param {Tabs} [tabs] @returns {Promise<Outbox>} */
  static async open(shelf, tabs) {
    const outbox = new Outbox();
    if (!shelf) return outbox;
    outbox.#shelf = shelf;
    outbox.said = await Said.open(shelf);
    outbox.#tabs = tabs ?? new Tabs(shelf.scope);
    outbox.#tabs.ends = {
      hear: (news) => void outbox.#hear(news),
      carrying: () => void outbox.#reload(),
      canSend: () => outbox.owner.canSend(),
    };
    shelf.addEventListener('lost', () => void outbox.#look());
    await outbox.#reload();
    return outbox;
  }

  /** Does it survive a reload? */
  get isDurable() {
    return this.#shelf !== null && this.#isKept;
  }

  /** Is it this tab that sends? */
  get isCarrier() {
    return this.#tabs?.isCarrier ?? true;
  }

  /** Everything, in the order it was written. @param {string} [conversation] @returns {Entry[]} */
  entries(conversation) {
    return this.#entries.filter((entry) => conversation === undefined || entry.c === conversation);
  }

  /** What the server still has to take. @param {string} [conversation] */
  waiting(conversation) {
    return this.entries(conversation).filter(({ reason }) => !reason);
  }

  /** The unacknowledged message before this one in its conversation: the server keeps our order by it. @param {string} m @returns {string | undefined} */
  before(m) {
    const entry = this.#entries.find((one) => one.m === m);
    if (!entry) return undefined;
    const line = this.waiting(entry.c);
    return line[line.indexOf(entry) - 1]?.m;
  }

  /** Kept when the promise resolves; one that is put again goes to the end of the line. @param {Entry} entry */
  async put(entry) {
    this.#entries = [...this.#entries.filter(({ m }) => m !== entry.m), entry];
    this.#done.delete(entry.m);
    await this.#write((shelf) => shelf.putLast('entry', entry.m, entry));
    this.#tabs?.tell({ type: 'changed' });
  }

  /** The server will not have it like this; she decides. @param {string} m @param {Reason} reason */
  async refuse(m, reason) {
    const entry = this.#entries.find((one) => one.m === m);
    if (!entry) return;
    const refused = { ...entry, reason };
    this.#entries = this.#entries.map((one) => (one.m === m ? refused : one));
    await this.#write((shelf) => shelf.put('entry', m, refused));
    this.#tabs?.tell({ type: 'changed' });
  }

  /** The server has it, or she took it back. @param {string} m @param {Ack | null} [ack] */
  async remove(m, ack = null) {
    if (!this.#entries.some((entry) => entry.m === m)) return;
    this.#entries = this.#entries.filter((entry) => entry.m !== m);
    this.#done.add(m);
    await this.#write((shelf) => shelf.remove('entry', m));
    this.#tabs?.tell({ type: 'settled', m, ack });
  }

  /** The conversation is no longer hers to read: nothing about it stays, in no tab. @param {string} conversation @returns {Promise<number>} how many messages nobody will get */
  async forget(conversation) {
    const doomed = this.entries(conversation);
    await Promise.all([...doomed.map(({ m }) => this.remove(m)), this.said.forget(conversation)]);
    return doomed.length;
  }

  /** Send from this tab, with everything that any tab left. */
  async carry() {
    if (this.isCarrier) return;
    await this.#tabs?.take();
    await this.#reload();
  }

  /** Does some tab send? A frozen one holds the lock and does not. */
  async isServed() {
    return this.#tabs?.isServed() ?? true;
  }

  /** Everything goes on in another outbox, because who she is has changed; other tabs must ask anew. @param {Outbox} next */
  async moveTo(next) {
    await this.carry();
    for (const entry of this.entries()) {
      await next.put(entry);
      await this.#write((shelf) => shelf.remove('entry', entry.m));
    }
    await this.said.moveTo(next.said);
    this.#entries = [];
    this.#tabs?.tell({ type: 'left' });
    this.#tabs?.leave();
  }

  /** Nothing of anyone stays behind, whatever the scope: for signing out. */
  async clear() {
    this.#entries = [];
    this.said.clear();
    await this.#write((shelf) => shelf.clear());
    this.#tabs?.tell({ type: 'left' });
  }

  /** @param {News} news */
  async #hear(news) {
    if (news.type === 'left') return this.owner.left();
    if (news.type === 'changed') return this.#reload();
    const entry = this.#entries.find(({ m }) => m === news.m);
    this.#done.add(String(news.m));
    if (!entry) return undefined;
    this.#entries = this.#entries.filter((one) => one !== entry);
    return this.owner.settled(entry, /** @type {Ack | null} */ (news.ack));
  }

  /** What is on the shelf, then what could not be put there. */
  async #reload() {
    const kept = await this.#shelf?.all('entry').catch(() => null);
    if (!kept) return;
    const entries = [...kept.values()].map(({ value }) => /** @type {Entry} */ (value));
    const only = this.#entries.filter(({ m }) => !kept.has(m));
    this.#entries = [...entries, ...only].filter(({ m }) => !this.#done.has(m));
    this.owner.changed();
  }

  /** The connection to the storage was lost, perhaps with what lay there. */
  async #look() {
    const kept = await this.#shelf?.all('entry').catch(() => null);
    this.#know(Boolean(kept && this.#entries.every(({ m }) => kept.has(m))));
  }

  /** The disk may be full, or the storage taken away while we ran: then it stays in memory. @param {(shelf: Shelf) => Promise<void>} work */
  async #write(work) {
    if (!this.#shelf) return;
    try {
      if (!this.#isKept) await this.#keepAll(this.#shelf);
      await work(this.#shelf);
      this.#know(true);
    } catch {
      this.#know(false);
    }
  }

  /** @param {Shelf} shelf */
  async #keepAll(shelf) {
    for (const entry of this.#entries) await shelf.putLast('entry', entry.m, entry);
  }

  /** @param {boolean} isKept */
  #know(isKept) {
    if (isKept === this.#isKept) return;
    this.#isKept = isKept;
    this.owner.changed();
  }
}
