// What a page keeps on this device between its lives: rows that are sealed before they touch the disk.
//
// Text that lives only in a page is lost with the page; text that lies readable on the disk of a shared computer is read by
// the next person. So every row is sealed (AES-256-GCM, bound to its place) under a key that the server gives only to the
// signed-in page and that is never stored here. Whoever cannot get the key cannot read the row.
//
// Browsers take storage away while a page runs, and some never answer. So every use has a limit, a connection that was lost
// is opened once more, and who relies on the shelf is told of the loss: what was kept may be gone.

/** @typedef {'entry' | 'draft' | 'said'} Kind */
/** @typedef {{n: number, value: any}} Kept any: what was put there */
/** `at`: when it was put there, outside the seal, so that what nobody came back for can go. @typedef {{n?: number, at: number, scope: string, kind: Kind, name: string, iv: Uint8Array<ArrayBuffer>, sealed: ArrayBuffer}} Row */
/** @typedef {{scope: string, key?: string, factory?: IDBFactory}} Place */

const STORE = 'row';
const PATIENCE_MS = 3_000;
const DAY_MS = 24 * 3_600_000;
/** How long a row waits for somebody to come back for it. @type {Record<Kind, number>} */
export const KEPT_MS = { entry: 30 * DAY_MS, draft: 30 * DAY_MS, said: 3 * DAY_MS };

/** Tells 'lost' when what was kept may be gone. */
export class Shelf extends EventTarget {
  /** Null while it is lost. @type {IDBDatabase | null} */
  #database = null;
  /** @type {Promise<IDBDatabase> | null} */
  #opening = null;

  /** @param {string} scope @param {CryptoKey} key @param {IDBFactory} factory */
  constructor(scope, key, factory) {
    super();
    this.scope = scope;
    this.key = key;
    this.factory = factory;
  }

  /** Null where there is no key or where storage is blocked: memory must do. `key`: 32 bytes in base64. @param {Place} place @returns {Promise<Shelf | null>} */
  static async open({ scope, key, factory = globalThis.indexedDB }) {
    if (!key || !factory || !globalThis.crypto?.subtle) return null;
    try {
      const shelf = new Shelf(scope, await imported(key), factory);
      await shelf.#use('readwrite', sweep);
      return shelf;
    } catch {
      return null; // private windows and blocked storage throw
    }
  }

  /** Everything of this kind, oldest first. What another key sealed cannot be read by anyone any more and is dropped. @param {Kind} kind @returns {Promise<Map<string, Kept>>} */
  async all(kind) {
    const found = await this.#use('readonly', (rows) => /** @type {Promise<Row[]>} */ (done(rows.index('scope').getAll([this.scope, kind]))));
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
    await this.#use('readwrite', (rows) => done(rows.clear()));
  }

  /** One transaction about one name. @param {Kind} kind @param {string} name @param {(rows: IDBObjectStore, n: IDBValidKey | undefined) => unknown} work */
  async #change(kind, name, work) {
    await this.#use('readwrite', async (rows) => work(rows, await done(rows.index('name').getKey([this.scope, kind, name]))));
  }

  /** One transaction; what it gives stands when the promise resolves. @template T @param {IDBTransactionMode} mode @param {(rows: IDBObjectStore) => Promise<T>} work @returns {Promise<T>} */
  async #use(mode, work) {
    const database = await this.#open();
    try {
      return await soon(carried(database, mode, work));
    } catch {
      this.#lose(database);
      return soon(carried(await this.#open(), mode, work));
    }
  }

  /** The connection there is, or the one that is being made. @returns {Promise<IDBDatabase>} */
  async #open() {
    if (this.#database) return this.#database;
    this.#opening ??= opened(this.factory).finally(() => (this.#opening = null));
    return (this.#database = this.#heed(await this.#opening));
  }

  /** @param {IDBDatabase} database */
  #heed(database) {
    database.onclose = database.onversionchange = () => this.#lose(database);
    return database;
  }

  /** @param {IDBDatabase} database */
  #lose(database) {
    database.close();
    if (database !== this.#database) return;
    this.#database = null;
    this.dispatchEvent(new Event('lost'));
  }

  /** @param {Kind} kind @param {string} name @param {unknown} value @returns {Promise<Row>} */
  async #sealed(kind, name, value) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const sealed = await crypto.subtle.encrypt(this.#lock(iv, kind, name), this.key, new TextEncoder().encode(JSON.stringify(value)));
    return { at: Date.now(), scope: this.scope, kind, name, iv, sealed };
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

/** One that is blocked, or that the browser never answers, is none. @param {IDBFactory} factory @returns {Promise<IDBDatabase>} */
async function opened(factory) {
  const request = factory.open('aftercare', 1);
  request.onupgradeneeded = () => {
    const rows = request.result.createObjectStore(STORE, { keyPath: 'n', autoIncrement: true });
    rows.createIndex('scope', ['scope', 'kind']);
    rows.createIndex('name', ['scope', 'kind', 'name'], { unique: true });
  };
  const database = done(request);
  try {
    return await soon(database);
  } catch (error) {
    database.then((late) => late.close(), () => undefined);
    throw error;
  }
}

/** @template T @param {IDBDatabase} database @param {IDBTransactionMode} mode @param {(rows: IDBObjectStore) => Promise<T>} work @returns {Promise<T>} */
async function carried(database, mode, work) {
  const transaction = database.transaction(STORE, mode);
  const [result] = await Promise.all([work(transaction.objectStore(STORE)), committed(transaction)]);
  return result;
}

/** What nobody came back for in its time, whoever it was: only its writer could read it. @param {IDBObjectStore} rows @returns {Promise<void>} */
async function sweep(rows) {
  const old = await done(rows.getAll());
  for (const { n, at, kind } of /** @type {Row[]} */ (old)) if (Date.now() - at > KEPT_MS[kind]) rows.delete(/** @type {number} */ (n));
}

/** @template T @param {Promise<T>} promise @returns {Promise<T>} */
function soon(promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error('the storage does not answer')), PATIENCE_MS)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
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
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
