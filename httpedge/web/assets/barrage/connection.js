// @ts-check
// A room's events over one of the transports, opened again when it is lost.

import { newer } from './ids.js';
import { PollTransport } from './poll.js';
import { SseTransport } from './sse.js';
import { backoff } from './wait.js';
import { WebSocketTransport } from './websocket.js';
import { Problem } from './http.js';

// Trying again does not help against these.
const LASTING = [400, 401, 403, 404];

// A transport that could not be opened so many times in a row gives way to the
// next one, if none was asked for.
const CHANCES = 3;

/**
 * @typedef {object} ConnectionOptions
 * @property {number} [history] how many of the newest comments to begin with, 0 to 200
 * @property {string} [lastEventId] begin after this comment instead
 * @property {number} [rate] at most so many comments a second, evenly sampled
 * @property {import('./types.js').Transport} [transport] what there is, if it is not given, and another if that does not work
 * @property {typeof EventSource} [EventSource] in place of the global one
 */

export class Connection {
  #http;
  #video;
  #options;
  #on;
  /** @type {import('./types.js').Transport[]} */
  #kinds;
  /** @type {{ close(): void } | null} */
  #transport = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #failures = 0;
  #lastId;
  #closed = false;

  /**
   * @param {import('./http.js').Http} http
   * @param {string} video
   * @param {ConnectionOptions} options
   * @param {{ event(name: string, data: any): void, state(name: import('./types.js').ConnectionState, problem?: Problem): void }} on
   */
  constructor(http, video, options, on) {
    this.#http = http;
    this.#video = video;
    this.#options = options;
    this.#on = on;
    this.#lastId = options.lastEventId ?? '';
    this.#kinds = options.transport ? [options.transport] : this.#available();
    on.state('connecting');
    this.#begin();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#transport?.close();
    this.#transport = null;
  }

  #begin() {
    this.#open().catch(() => this.#lost()); // there was no token to be had, say
  }

  async #open() {
    if (!this.#lastId) await this.#beginning();
    const token = await this.#http.token();
    if (this.#closed) return;
    const { rate } = this.#options;
    const from = this.#lastId ? { lastEventId: this.#lastId } : { history: this.#options.history };
    /** @type {import('./sse.js').Hearer} */
    const on = {
      open: () => {
        this.#failures = 0;
        this.#on.state('live');
      },
      event: (name, data) => this.#hear(name, data),
      waiting: () => this.#on.state('reconnecting'),
      lost: (retryMs) => this.#lost(retryMs),
    };
    const path = `comments/${encodeURIComponent(this.#video)}`;
    if (this.#kinds[0] === 'poll') this.#transport = new PollTransport(this.#http, this.#video, on, from);
    else if (this.#kinds[0] === 'websocket') {
      this.#transport = new WebSocketTransport(this.#http.url(`${path}/ws`, { token, rate, ...from }), on);
    } else {
      const url = this.#http.url(`${path}/stream`, { token, rate, ...from });
      this.#transport = new SseTransport(url, on, this.#http.withCredentials, this.#source() ?? EventSource);
    }
  }

  // A connection may break before it has brought a comment: where it began is
  // then where to go on. With history it brings one, if there is any.
  async #beginning() {
    const path = `comments/${encodeURIComponent(this.#video)}`;
    const { comments } = await this.#http.call(path, { query: { pageSize: 1 } });
    if (!comments.length) this.#lastId = '0';
    else if (!this.#options.history) this.#lastId = comments[0].id;
  }

  /** @param {string} name @param {any} data */
  #hear(name, data) {
    if (this.#closed || data === null || typeof data !== 'object') return;
    if (name === 'comment') {
      if (typeof data.id !== 'string') return;
      this.#lastId = newer(this.#lastId, data.id);
    }
    this.#on.event(name, data);
  }

  // A transport does not say why it was refused; the history's status does.
  /** @param {number} [retryMs] */
  async #lost(retryMs) {
    this.#transport?.close();
    this.#transport = null;
    this.#on.state('reconnecting');
    const path = `comments/${encodeURIComponent(this.#video)}`;
    const problem = await this.#http.call(path, { query: { pageSize: 1 } }).then(() => null, (error) => error);
    if (this.#closed) return;
    if (problem instanceof Problem && LASTING.includes(problem.status)) return this.#on.state('refused', problem);
    const failures = this.#failures++;
    if (!problem && (failures + 1) % CHANCES === 0 && this.#kinds.length > 1) this.#kinds.shift();
    this.#timer = setTimeout(() => this.#begin(), retryMs ?? backoff(failures));
  }

  #source() {
    return this.#options.EventSource ?? globalThis.EventSource;
  }

  #available() {
    /** @type {import('./types.js').Transport[]} */
    const kinds = ['poll'];
    if (typeof WebSocket === 'function') kinds.unshift('websocket');
    if (this.#source()) kinds.unshift('sse');
    return kinds;
  }
}
