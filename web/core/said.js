// What the server took of ours in the last three days. A back-up from before that is put back knows nothing of it, and then
// the only copy is here: sealed on the shelf like everything else, gone with the conversation, the sign-in, or its time.
// What was changed or taken back is not kept, so that nothing comes back that she did not want to stand.
import { isAmendment } from './amendments.js';
import { KEPT_MS } from './shelf.js';

/** @import { Entry } from './outbox.js' */
/** @import { Shelf } from './shelf.js' */
/** `s` and `ep`: where the log had it, and in which telling. @typedef {Entry & {s: number, ep: string}} Taken */

const MOST = 200;

export class Said {
  /** @type {Map<string, Taken>} */
  #rows = new Map();
  /** @type {Shelf | null} */
  #shelf;

  /** @param {Shelf | null} shelf */
  constructor(shelf = null) {
    this.#shelf = shelf;
  }

  /** With what earlier pages kept. @param {Shelf} shelf @returns {Promise<Said>} */
  static async open(shelf) {
    const said = new Said(shelf);
    const rows = await shelf.all('said').catch(() => new Map());
    for (const [m, { value }] of rows) said.#rows.set(m, value);
    await Promise.all([...rows.values()].map(({ value }) => Date.now() - value.at > KEPT_MS.said && said.drop(value.m)));
    return said;
  }

  /** What another telling of this log had of ours, by its numbers. @param {string} conversation @param {string} epoch @returns {Taken[]} */
  inAnother(conversation, epoch) {
    const rows = [...this.#rows.values()].filter(({ c, ep }) => c === conversation && ep !== epoch);
    return rows.sort((one, other) => one.s - other.s);
  }

  /** The log has it here. @param {Taken} row */
  async keep(row) {
    if (isAmendment(row)) return;
    this.#rows.set(row.m, row);
    await this.#write((shelf) => shelf.put('said', row.m, row));
    const [oldest] = this.#rows.keys();
    if (oldest && this.#rows.size > MOST) await this.drop(oldest);
  }

  /** The log, perhaps in another telling, has it here. @param {string} m @param {number} s @param {string} ep */
  async told(m, s, ep) {
    const row = this.#rows.get(m);
    if (row && (row.s !== s || row.ep !== ep)) await this.keep({ ...row, s, ep });
  }

  /** What stands there was changed or taken back. @param {string} conversation @param {number} s */
  amended(conversation, s) {
    return this.#dropAll((row) => row.c === conversation && row.s === s);
  }

  /** @param {string} m */
  async drop(m) {
    if (this.#rows.delete(m)) await this.#write((shelf) => shelf.remove('said', m));
  }

  /** Nothing of a conversation stays. @param {string} conversation */
  forget(conversation) {
    return this.#dropAll((row) => row.c === conversation);
  }

  /** Everything goes on with another, because who she is has changed. @param {Said} next */
  async moveTo(next) {
    for (const row of this.#rows.values()) await next.keep(row);
    await this.#dropAll(() => true);
  }

  /** The shelf is cleared by whoever has it. */
  clear() {
    this.#rows.clear();
  }

  /** @param {(row: Taken) => boolean} isMeant */
  #dropAll(isMeant) {
    return Promise.all([...this.#rows.values()].filter(isMeant).map(({ m }) => this.drop(m)));
  }

  /** One that cannot be kept is one that cannot be given back: no more. @param {(shelf: Shelf) => Promise<unknown>} work */
  async #write(work) {
    if (this.#shelf) await work(this.#shelf).catch(() => undefined);
  }
}
