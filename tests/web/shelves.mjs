// One browser's storage for tests under node: the same promises as web/core/shelf.js, shared by the tabs that are given it.

export class MemoryShelf extends EventTarget {
  rows = new Map();
  /** Refuses to keep anything: the disk is full. */
  isFull = false;
  constructor(scope = `scope ${crypto.randomUUID()}`) {
    super();
    this.scope = scope;
  }
  async all(kind) {
    const found = [...this.rows].filter(([name]) => name.startsWith(`${kind} `));
    return new Map(found.map(([name, value], n) => [name.slice(kind.length + 1), { n, value: structuredClone(value) }]));
  }
  async put(kind, name, value) {
    if (this.isFull) throw new DOMException('full', 'QuotaExceededError');
    this.rows.set(`${kind} ${name}`, structuredClone(value));
  }
  async putLast(kind, name, value) {
    this.rows.delete(`${kind} ${name}`);
    await this.put(kind, name, value);
  }
  async remove(kind, name) {
    this.rows.delete(`${kind} ${name}`);
  }
  async clear() {
    this.rows.clear();
  }
  /** The browser takes everything away. */
  lose() {
    this.rows.clear();
    this.dispatchEvent(new Event('lost'));
  }
}

/** Resolves when `claim` holds; gives up after two seconds. */
export async function until(claim) {
  const end = Date.now() + 2_000;
  while (!claim()) {
    if (Date.now() > end) throw new Error('it never came to that');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
