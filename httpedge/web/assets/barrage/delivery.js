// @ts-check
// What a stream brings, handed on in order: each comment once, and what a gap
// left out fetched from history before anything after it.

import { compareIds } from './ids.js';
import { backoff, sleep } from './wait.js';

const PAGE = 100;

// A gap of more pages than this, or one that history could not fill in so long,
// is handed on as it is.
const GAP_PAGES = 30;
const GAP_MS = 30_000;

// Comments come again after a reconnect only if they are recent.
const RECENT = 2000;

export class Delivery {
  #page;
  #deliver;
  /** @type {[string, any][] | null} what came while a gap is being filled */
  #waiting = null;
  /** @type {Set<string>} */
  #recent = new Set();
  #stop = new AbortController();

  /**
   * @param {(query: import('./types.js').PageQuery) => Promise<import('./types.js').Page>} page
   * @param {(name: string, data: any) => void} deliver
   */
  constructor(page, deliver) {
    this.#page = page;
    this.#deliver = deliver;
  }

  close() {
    this.#stop.abort();
  }

  /** @param {string} name @param {any} data */
  take(name, data) {
    if (this.#waiting) this.#waiting.push([name, data]);
    else if (name === 'gap') this.#fill(data);
    else if (name !== 'comment' || this.#isNew(data.id)) this.#deliver(name, data);
  }

  /** @param {{ after?: string, before?: string }} gap */
  async #fill({ after = '', before = '' }) {
    if (!after) return;
    this.#waiting = [];
    const { reached, filled } = await this.#fetch(after, before);
    if (this.#stop.signal.aborted) return;
    this.#deliver('gap', { after: filled ? after : reached, before, filled });
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const [name, data] of waiting) this.take(name, data);
  }

  /**
   * Hands on what lies between two ids; before is '' where there is no end.
   * @param {string} after
   * @param {string} before
   */
  async #fetch(after, before) {
    const { signal } = this.#stop;
    const began = performance.now();
    let reached = after;
    for (let pages = 0, failures = 0; pages < GAP_PAGES; ) {
      try {
        const page = await this.#page({ since: reached, pageSize: PAGE });
        if (signal.aborted) break;
        const missed = before ? page.comments.filter((c) => compareIds(c.id, before) < 0) : page.comments;
        for (const comment of missed) {
          if (this.#isNew(comment.id)) this.#deliver('comment', { ...comment, filled: true });
        }
        if (!page.nextCursor || missed.length < page.comments.length) return { reached, filled: true };
        reached = page.comments[page.comments.length - 1].id;
        pages++;
      } catch {
        if (performance.now() - began > GAP_MS) break;
        await sleep(backoff(failures++), signal).catch(() => {});
        if (signal.aborted) break;
      }
    }
    return { reached, filled: false };
  }

  /** @param {string} id */
  #isNew(id) {
    if (this.#recent.has(id)) return false;
    this.#recent.add(id);
    if (this.#recent.size > RECENT) this.#recent.delete(/** @type {string} */ (this.#recent.values().next().value));
    return true;
  }
}
