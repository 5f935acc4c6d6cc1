// The comments that the page knows: one sorted array, each id once.

import { compareIds } from './barrage/ids.js';

// A page of history that was asked for before a deletion can arrive after it,
// so the ids of deleted comments are remembered for a while.
const DELETED_KEPT = 2000;

export class Comments {
  items = []; // ascending by id
  #known = new Set();
  #deleted = new Set();

  // The newest that is in history: those that are held are not yet.
  get newestId() {
    return this.items.findLast((c) => !c.held)?.id ?? '';
  }

  get oldestId() {
    return this.items[0]?.id ?? '';
  }

  has(id) {
    return this.#known.has(id);
  }

  get(id) {
    return this.#known.has(id) ? this.items[this.indexOf(id)] : undefined;
  }

  // Adds what is not yet known, wherever it belongs, and answers what was added.
  add(comments) {
    return comments.filter((c) => this.#insert(c));
  }

  remove(id) {
    this.#deleted.add(id);
    if (this.#deleted.size > DELETED_KEPT) this.#deleted.delete(this.#deleted.values().next().value);
    if (!this.#known.delete(id)) return false;
    this.items.splice(this.indexOf(id), 1);
    return true;
  }

  // The position of id, or of the first comment after it.
  indexOf(id) {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareIds(this.items[middle].id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Forgets what is older than id.
  dropBefore(id) {
    for (const c of this.items.splice(0, this.indexOf(id))) this.#known.delete(c.id);
  }

  clear() {
    this.items.length = 0;
    this.#known.clear();
  }

  #insert(comment) {
    if (this.#known.has(comment.id) || this.#deleted.has(comment.id)) return false;
    this.#known.add(comment.id);
    const last = this.items.at(-1);
    if (!last || compareIds(last.id, comment.id) < 0) this.items.push(comment);
    else this.items.splice(this.indexOf(comment.id), 0, comment);
    return true;
  }
}
