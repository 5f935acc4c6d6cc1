// @ts-check
// Reactions on their way to the server: many clicks become one call.

import { Problem } from './http.js';
import { sleep } from './wait.js';

const GATHER_MS = 250;
const MOST = 50; // of one call
const TRIES = 4;
const REFUSED_WAIT_S = 1;

/**
 * @typedef {object} Clicks what is to be sent of one type for one comment or the video
 * @property {string} type
 * @property {string} [commentId]
 * @property {number} count
 * @property {((problem?: unknown) => void)[]} told
 */

export class Reactor {
  #send;
  /** @type {Map<string, Clicks>} */
  #waiting = new Map();
  #sending = false;

  /** @param {(reaction: { type: string, count: number, commentId?: string }) => Promise<unknown>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {string} type
   * @param {{ commentId?: string, count?: number }} [what]
   * @returns {Promise<void>} once they are counted
   */
  react(type, { commentId, count = 1 } = {}) {
    if (!Number.isInteger(count) || count < 1) return Promise.reject(new RangeError(`count: ${count}`));
    return new Promise((done, failed) => {
      const key = JSON.stringify([type, commentId]);
      const clicks = this.#waiting.get(key) ?? { type, commentId, count: 0, told: [] };
      clicks.count += count;
      clicks.told.push((problem) => (problem ? failed(problem) : done()));
      this.#waiting.set(key, clicks);
      if (!this.#sending) this.#sendAll();
    });
  }

  // One call at a time; those that are clicked meanwhile gather.
  async #sendAll() {
    this.#sending = true;
    for (;;) {
      await sleep(GATHER_MS);
      const [key, clicks] = this.#waiting.entries().next().value ?? [];
      if (!clicks) break;
      this.#waiting.delete(/** @type {string} */ (key));
      const problem = await this.#sendClicks(clicks).then(() => undefined, (error) => error);
      for (const tell of clicks.told) tell(problem);
    }
    this.#sending = false;
  }

  /** @param {Clicks} clicks */
  async #sendClicks({ type, commentId, count }) {
    for (let left = count, tries = 1; left > 0; ) {
      const part = Math.min(MOST, left);
      try {
        await this.#send(commentId ? { type, count: part, commentId } : { type, count: part });
        left -= part;
        tries = 1;
      } catch (error) {
        // A call that was refused counted nothing. One whose answer was lost may
        // have: it is not made again, or clicks would count twice.
        const again = error instanceof Problem && [429, 503].includes(error.status);
        if (!again || tries++ >= TRIES) throw error;
        await sleep(1000 * (error.retryAfterSeconds || REFUSED_WAIT_S));
      }
    }
  }
}
