// What a page keeps on this device between its lives: rows that are sealed before they touch the disk.
//
// Text that lives only in a page is lost with the page; text that lies readable on the disk of a shared computer is read by
// the next person. So every row is sealed (AES-256-GCM, bound to its place) under a key that the server gives only to the
// signed-in page and that is never stored here. Whoever cannot get the key cannot read the row.

/** @typedef {'entry' | 'draft'} Kind */
/** @typedef {{n: number, value: any}} Kept any: what was put there */
/** @typedef {{n?: number, scope: string, kind: Kind, name: string, iv: Uint8Array<ArrayBuffer>, sealed: ArrayBuffer}} Row */
/** @typedef {{scope: string, key?: string, factory?: IDBFactory}} Place */

const STORE = 'row';

export class Shelf {
  /** @param {string} scope @param {CryptoKey} key @param {IDBDatabase} database */
  constructor(scope, key, database) {
    this.scope = scope;
    this.key = key;
    this.database = database;
    database.onversionchange = () => database.close();
  }

  /** Null where there is no key or where storage is blocked: memory must do. `key`: 32 bytes in base64. @param {Place} place @returns {Promise<Shelf | null>} */
  static async open({ scope, key, factory = globalThis.indexedDB }) {
    if (!key || !factory || !globalThis.crypto?.subtle) return null;
    try {
      return new Shelf(scope, await imported(key), await opened(factory));
    } catch {
      return null; // private windows and blocked storage throw
    }
  }

  /** Everything of this kind, oldest first. What another key sealed cannot be read by anyone any more and is dropped. @param {Kind} kind @returns {Promise<Map<string, Kept>>} */
  async all(kind) {
    const transaction = this.database.transaction(STORE);
    const found = /** @type {Row[]} */ (await done(transaction.objectStore(STORE).index('scope').getAll([this.scope, kind])));
    const rows = new Map();
    for (const row of found.sort((one, other) => Number(one.n) - Number(other.n))) {
      const value = await this.#unsealed(row);
      if (value === null) await this.remove(kind, row.name);
      else rows.set(row.name, { n: row.n, value });
    }
    return rows;
  }

  /** On disk when the promise resolves; a name that is there keeps its place in the order. @param {Kind} kind @param {string} name @param {unknown} value */
  async put(kind, name, value) {
    const sealed = await this.#sealed(kind, name, value);
    await this.#change(kind, name, (rows, n) => rows.put(n === undefined ? sealed : { ...sealed, n }));
  }

  /** As `put`, but a name that is there goes to the end. @param {Kind} kind @param {string} name @param {unknown} value */
  async putLast(kind, name, value) {
    const sealed = await this.#sealed(kind, name, value);
    await this.#change(kind, name, (rows, n) => {
      if (n !== undefined) rows.delete(n);
      rows.put(sealed);
    });
  }

  /** @param {Kind} kind @param {string} name */
  async remove(kind, name) {
    await this.#change(kind, name, (rows, n) => n !== undefined && rows.delete(n));
  }

  /** Nothing of anyone stays behind, whatever the scope: for signing out. */
  async clear() {
    const transaction = this.database.transaction(STORE, 'readwrite');
    transaction.objectStore(STORE).clear();
    await committed(transaction);
  }

  /** One transaction about one name. @param {Kind} kind @param {string} name @param {(rows: IDBObjectStore, n: IDBValidKey | undefined) => unknown} work */
  async #change(kind, name, work) {
    const transaction = this.database.transaction(STORE, 'readwrite');
    const rows = transaction.objectStore(STORE);
    work(rows, await done(rows.index('name').getKey([this.scope, kind, name])));
    await committed(transaction);
  }

  /** @param {Kind} kind @param {string} name @param {unknown} value @returns {Promise<Row>} */
  async #sealed(kind, name, value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt(this.#lock(iv, kind, name), this.key, new TextEncoder().encode(JSON.stringify(value)));
    return { scope: this.scope, kind, name, iv, sealed };
  }

  /** @param {Row} row */
  async #unsealed({ kind, name, iv, sealed }) {
    try {
      const plain = await crypto.subtle.decrypt(this.#lock(iv, kind, name), this.key, sealed);
      return JSON.parse(new TextDecoder().decode(plain));
    } catch {
      return null;
    }
  }

  /** A row that was moved to another name or another person does not open. @param {Uint8Array<ArrayBuffer>} iv @param {Kind} kind @param {string} name */
  #lock(iv, kind, name) {
    return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(JSON.stringify([this.scope, kind, name])) };
  }
}

/** @param {string} key base64 */
function imported(key) {
  const raw = Uint8Array.from(atob(key), (letter) => letter.charCodeAt(0));
  return crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

/** @param {IDBFactory} factory @returns {Promise<IDBDatabase>} */
function opened(factory) {
  const request = factory.open('aftercare', 1);
  request.onupgradeneeded = () => {
    const rows = request.result.createObjectStore(STORE, { keyPath: 'n', autoIncrement: true });
    rows.createIndex('scope', ['scope', 'kind']);
    rows.createIndex('name', ['scope', 'kind', 'name'], { unique: true });
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

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
function committed(transaction) {
  transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
