// @ts-check
// Comments by long polling, where neither EventSource nor WebSocket can work.
// How many watch, the reactions and the state of the room come from a look at
// the live video now and then. Deletions and held comments are not told.

import { newer } from './ids.js';
import { sleep } from './wait.js';

const WAIT_S = 25; // a call is answered at the latest after so long
const WAIT_SLACK_MS = 15_000;
const LOOK_EVERY_MS = 10_000;
const PAGE = 100;
const EMPTY_PAUSE_MS = 2000; // after an empty answer that came at once

export class PollTransport {
  #http;
  #path;
  #on;
  #stop = new AbortController();

  /**
   * @param {import('./http.js').Http} http
   * @param {string} video
   * @param {import('./sse.js').Hearer} on
   * @param {{ lastEventId?: string, history?: number }} from
   */
  constructor(http, video, on, from) {
    this.#http = http;
    this.#path = encodeURIComponent(video);
    this.#on = on;
    this.#run(from).catch(() => {
      if (this.#stop.signal.aborted) return;
      this.#stop.abort();
      on.lost();
    });
  }

  close() {
    this.#stop.abort();
  }

  /** @param {{ lastEventId?: string, history?: number }} from */
  async #run({ lastEventId, history = 0 }) {
    let since = lastEventId || (await this.#begin(history));
    this.#tell(() => this.#on.open());
    this.#look().catch(() => {}); // the comments are what matters
    for (;;) {
      const asked = performance.now();
      const { comments, nextCursor } = await this.#page({ since, wait: WAIT_S, pageSize: PAGE });
      for (const comment of comments) {
        since = newer(since, comment.id);
        this.#tell(() => this.#on.event('comment', comment));
      }
      const soon = performance.now() - asked < 1000;
      if (!comments.length && !nextCursor && soon) await sleep(EMPTY_PAUSE_MS, this.#stop.signal);
    }
  }

  /**
   * Shows the newest comments and answers where to go on from.
   * @param {number} history
   */
  async #begin(history) {
    const { comments } = await this.#page({ pageSize: Math.min(PAGE, Math.max(1, history)) });
    const newest = comments[0]?.id ?? '0';
    const shown = comments.slice(0, history).reverse();
    this.#tell(() => shown.forEach((/** @type {any} */ comment) => this.#on.event('comment', comment)));
    return newest;
  }

  async #look() {
    let known = '';
    for (;; await sleep(LOOK_EVERY_MS, this.#stop.signal)) {
      const video = await this.#http.call(`videos/${this.#path}`, { signal: this.#stop.signal }).catch(() => null);
      if (!video) continue;
      const { liveVideoId, state, slowModeSeconds = 0 } = video;
      this.#tell(() => this.#on.event('viewers', { liveVideoId, viewers: video.viewers }));
      this.#tell(() => this.#on.event('reactions', { liveVideoId, reactions: video.reactions ?? {} }));
      const now = JSON.stringify([state, slowModeSeconds]);
      if (now !== known) this.#tell(() => this.#on.event('room', { liveVideoId, state, slowModeSeconds }));
      known = now;
    }
  }

  /** @param {object} query */
  #page(query) {
    const timeoutMs = WAIT_S * 1000 + WAIT_SLACK_MS;
    return this.#http.call(`comments/${this.#path}`, { query, signal: this.#stop.signal, timeoutMs });
  }

  /** @param {() => void} something */
  #tell(something) {
    if (!this.#stop.signal.aborted) something();
  }
}
