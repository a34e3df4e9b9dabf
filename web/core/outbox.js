// What was written and not yet acknowledged: kept before it goes on the wire, until the server says it has it.
//
// The danger is twofold. Text that lives only in a page is lost with the page; text that lies readable on the disk of a
// shared computer is read by the next person. So entries lie in IndexedDB sealed (AES-256-GCM) under a key that the server
// gives only to the signed-in page and that is never stored here. Without such a key, or where storage throws, the outbox
// lives in memory and dies with the page.

/** @import { Body } from './frames.js' */
/** @typedef {{m: string, c: string, k: string, b: Body, at: number, seen?: number}} Entry */
/** @typedef {{n: number, scope: string, m: string, iv: Uint8Array<ArrayBuffer>, sealed: ArrayBuffer}} Kept */
/** @typedef {{scope: string, key?: string, factory?: IDBFactory}} Place */

const STORE = 'entry';

export class Outbox {
  /** @type {Entry[]} */
  #entries = [];
  /** @type {IDBDatabase | null} */
  #database = null;
  /** @type {CryptoKey | null} */
  #key = null;
  #scope = '';

  /** Opens what an earlier page left. `key`: 32 bytes in base64. @param {Place} place @returns {Promise<Outbox>} */
  static async open({ scope, key, factory = globalThis.indexedDB }) {
    const outbox = new Outbox();
    outbox.#scope = scope;
    if (!key || !factory || !globalThis.crypto?.subtle) return outbox;
    try {
      outbox.#key = await imported(key);
      outbox.#database = await opened(factory);
      outbox.#entries = await outbox.#load(outbox.#database);
    } catch {
      outbox.#database = null; // private windows and blocked storage throw: memory will do
    }
    return outbox;
  }

  /** Does it survive a reload? */
  get isDurable() {
    return this.#database !== null;
  }

  /** In the order they were written. @param {string} [conversation] @returns {Entry[]} */
  entries(conversation) {
    return this.#entries.filter((entry) => conversation === undefined || entry.c === conversation);
  }

  /** The unacknowledged message before this one in its conversation: the server keeps our order by it. @param {string} m @returns {string | undefined} */
  before(m) {
    const entry = this.#entries.find((one) => one.m === m);
    if (!entry) return undefined;
    const line = this.entries(entry.c);
    return line[line.indexOf(entry) - 1]?.m;
  }

  /** Kept when the promise resolves. @param {Entry} entry */
  async put(entry) {
    this.#entries.push(entry);
    if (!this.#database || !this.#key) return;
    try {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, this.#key, encode(entry));
      await done(this.#store('readwrite').add({ scope: this.#scope, m: entry.m, iv, sealed }));
    } catch {
      this.#database = null; // the disk is full or the storage was taken away while we ran
    }
  }

  /** Acknowledged, refused or taken back. @param {string} m */
  async remove(m) {
    this.#entries = this.#entries.filter((entry) => entry.m !== m);
    if (!this.#database) return;
    const store = this.#store('readwrite');
    const key = await done(store.index('m').getKey(m));
    if (key !== undefined) await done(store.delete(key));
  }

  /** Nothing of anyone stays behind, whatever the scope: for signing out. */
  async clear() {
    this.#entries = [];
    if (this.#database) await done(this.#store('readwrite').clear());
  }

  /** @param {IDBDatabase} database @returns {Promise<Entry[]>} */
  async #load(database) {
    const rows = /** @type {Kept[]} */ (await done(database.transaction(STORE).objectStore(STORE).index('scope').getAll(this.#scope)));
    const entries = [];
    for (const row of rows.sort((one, other) => one.n - other.n)) {
      const entry = await this.#unseal(row);
      if (entry) entries.push(entry);
      else await done(database.transaction(STORE, 'readwrite').objectStore(STORE).delete(row.n));
    }
    return entries;
  }

  /** What another key sealed belongs to somebody else's time here; it cannot be read and is dropped. @param {Kept} row @returns {Promise<Entry | null>} */
  async #unseal({ iv, sealed }) {
    try {
      const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, /** @type {CryptoKey} */ (this.#key), sealed);
      return JSON.parse(new TextDecoder().decode(plain));
    } catch {
      return null;
    }
  }

  /** @param {IDBTransactionMode} mode */
  #store(mode) {
    const database = /** @type {IDBDatabase} */ (this.#database);
    return database.transaction(STORE, mode).objectStore(STORE);
  }
}

/** @param {string} key base64 */
function imported(key) {
  const raw = Uint8Array.from(atob(key), (letter) => letter.charCodeAt(0));
  return crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

/** @param {IDBFactory} factory @returns {Promise<IDBDatabase>} */
function opened(factory) {
  const request = factory.open('aftercare-outbox', 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore(STORE, { keyPath: 'n', autoIncrement: true });
    store.createIndex('scope', 'scope');
    store.createIndex('m', 'm', { unique: true });
  };
  return done(request);
}

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {Entry} entry */
const encode = (entry) => new TextEncoder().encode(JSON.stringify(entry));
