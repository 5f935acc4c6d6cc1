// @ts-check
// One live video: what is told of it, and what can be done in it.

import { Connection } from './connection.js';
import { Delivery } from './delivery.js';
import { randomKey } from './ids.js';
import { Reactor } from './reactor.js';

/** @typedef {import('./types.js').Comment} Comment */
/** @typedef {import('./types.js').PageQuery} PageQuery */
/** @typedef {import('./types.js').RoomEvents} RoomEvents */

/**
 * Events: see RoomEvents in types.js. Those of addEventListener carry what is
 * told as `detail`.
 */
export class Room extends EventTarget {
  #http;
  #defaults;
  #path;
  /** @type {Connection | null} */
  #connection = null;
  /** @type {Delivery | null} */
  #delivery = null;
  #reactor;
  /** @type {import('./types.js').ConnectionState} */
  #state = 'closed';

  /**
   * @param {import('./http.js').Http} http
   * @param {string} liveVideoId
   * @param {import('./connection.js').ConnectionOptions} [defaults]
   */
  constructor(http, liveVideoId, defaults = {}) {
    super();
    this.#http = http;
    this.liveVideoId = liveVideoId;
    this.#defaults = defaults;
    const name = encodeURIComponent(liveVideoId);
    this.#path = { comments: `comments/${name}`, video: `videos/${name}` };
    this.#reactor = new Reactor((body) => http.call(`${this.#path.comments}/reactions`, { method: 'POST', body }));
  }

  // What is told

  /**
   * Calls a function with the detail of every event of a name.
   * @template {keyof RoomEvents} N
   * @param {N} name
   * @param {(detail: RoomEvents[N]) => void} listener
   * @returns {() => void} ends that
   */
  on(name, listener) {
    const call = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(name, call);
    return () => this.removeEventListener(name, call);
  }

  get state() {
    return this.#state;
  }

  /**
   * Opens the stream, in place of one that is open.
   * @param {import('./connection.js').ConnectionOptions} [options]
   */
  connect(options = {}) {
    this.#disconnect();
    const delivery = new Delivery((query) => this.page(query), (name, data) => this.#tell(name, data));
    this.#delivery = delivery;
    this.#connection = new Connection(this.#http, this.liveVideoId, { ...this.#defaults, ...options }, {
      event: (name, data) => delivery.take(name, data),
      state: (name, problem) => this.#now(name, problem),
    });
  }

  close() {
    this.#disconnect();
    this.#now('closed');
  }

  // Comments

  /**
   * Posts a comment. It is sent again with the same key while the server can't
   * be reached or can't keep it, so that it is there once.
   * @param {string} message
   * @param {object} [options]
   * @param {string} [options.parentId] the comment that it answers
   * @param {string} [options.key] Idempotency-Key, to go on with a post that failed before
   * @param {AbortSignal} [options.signal]
   * @param {(problem: import('./http.js').Problem, waitMs: number) => void} [options.onRetry]
   * @returns {Promise<Comment>} with held: true if it waits for a moderator
   */
  post(message, { parentId, key = randomKey(), signal, onRetry } = {}) {
    const body = parentId ? { message, parentId } : { message };
    return this.#http.insist(this.#path.comments, { method: 'POST', body, key, signal }, onRetry);
  }

  /** @param {string} id @returns {Promise<Comment>} */
  comment(id) {
    return this.#http.call(`${this.#path.comments}/${encodeURIComponent(id)}`);
  }

  /** @param {string} id @returns {Promise<void>} also when it is gone already */
  async delete(id) {
    const path = `${this.#path.comments}/${encodeURIComponent(id)}`;
    await this.#http.insist(path, { method: 'DELETE' }).catch((problem) => {
      if (problem.status !== 404) throw problem;
    });
  }

  /**
   * One page of history.
   * @param {PageQuery} [query]
   * @returns {Promise<import('./types.js').Page>}
   */
  page(query = {}) {
    return this.#http.call(this.#path.comments, { query });
  }

  /**
   * History, comment by comment, as far as it is read.
   * @param {PageQuery} [query]
   * @returns {AsyncGenerator<Comment, void>}
   */
  history(query = {}) {
    return all((cursor) => this.page({ pageSize: 100, ...query, ...cursor }));
  }

  /**
   * One page of the replies to a comment, oldest first.
   * @param {string} id
   * @param {{ cursor?: string, pageSize?: number }} [query]
   * @returns {Promise<import('./types.js').Page>}
   */
  repliesPage(id, query = {}) {
    return this.#http.call(`${this.#path.comments}/${encodeURIComponent(id)}/replies`, { query });
  }

  /** @param {string} id @returns {AsyncGenerator<Comment, void>} oldest first */
  replies(id) {
    return all((cursor) => this.repliesPage(id, { pageSize: 100, ...cursor }));
  }

  /**
   * Reacts to the video, or to a comment. Many calls become one to the server.
   * @param {string} type one of the video's reactionTypes
   * @param {{ commentId?: string, count?: number }} [what]
   * @returns {Promise<void>} once it is counted
   */
  react(type, what) {
    return this.#reactor.react(type, what);
  }

  // The video

  /** @returns {Promise<import('./types.js').Video>} */
  info() {
    return this.#http.call(this.#path.video);
  }

  /**
   * For admins.
   * @param {import('./types.js').VideoChange} change
   * @returns {Promise<import('./types.js').Video>}
   */
  set(change) {
    return this.#http.insist(this.#path.video, { method: 'PUT', body: change });
  }

  /** @param {string} commentId */
  pin(commentId) {
    return this.set({ pinnedCommentId: commentId });
  }

  unpin() {
    return this.set({ pinnedCommentId: null });
  }

  // For moderators

  /**
   * @param {string} userId
   * @param {number} [seconds] 0: for good
   * @returns {Promise<import('./types.js').Mute>}
   */
  mute(userId, seconds = 0) {
    return this.#http.insist(this.#muteOf(userId), { method: 'PUT', body: { seconds } });
  }

  /** @param {string} userId @returns {Promise<void>} also when they are not muted */
  unmute(userId) {
    return this.#http.insist(this.#muteOf(userId), { method: 'DELETE' });
  }

  /** @returns {Promise<import('./types.js').Mute[]>} */
  mutes() {
    return this.#http.call(`${this.#path.video}/mutes`).then(({ mutes }) => mutes);
  }

  /** @returns {Promise<Comment[]>} those that wait, oldest first; one's own if one is no moderator */
  held() {
    return this.#http.call(`${this.#path.video}/held`).then(({ comments }) => comments);
  }

  /** @param {string} id @returns {Promise<Comment>} under its new id */
  approve(id) {
    return this.#http.call(this.#heldPath(id, 'approve'), { method: 'POST' });
  }

  /** @param {string} id @returns {Promise<void>} */
  reject(id) {
    return this.#http.call(this.#heldPath(id, 'reject'), { method: 'POST' });
  }

  /**
   * What moderators and admins did, newest first.
   * @param {{ cursor?: string, pageSize?: number }} [query]
   * @returns {Promise<{ events: import('./types.js').AuditEvent[], nextCursor: string | null }>}
   */
  audit(query = {}) {
    return this.#http.call(`${this.#path.video}/audit`, { query });
  }

  #disconnect() {
    this.#connection?.close();
    this.#delivery?.close();
    this.#connection = this.#delivery = null;
  }

  /** @param {import('./types.js').ConnectionState} name @param {import('./http.js').Problem} [problem] */
  #now(name, problem) {
    if (name === this.#state) return;
    this.#state = name;
    this.#tell('state', { state: name, problem });
  }

  /** @param {string} name @param {any} detail */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {string} userId */
  #muteOf(userId) {
    return `${this.#path.video}/mutes/${encodeURIComponent(userId)}`;
  }

  /** @param {string} id @param {string} verdict */
  #heldPath(id, verdict) {
    return `${this.#path.video}/held/${encodeURIComponent(id)}/${verdict}`;
  }
}

/**
 * The comments of all pages.
 * @param {(cursor: { cursor?: string, since?: string }) => Promise<import('./types.js').Page>} read
 */
async function* all(read) {
  /** @type {{ cursor?: string }} */
  let at = {};
  for (;;) {
    const { comments, nextCursor } = await read(at);
    yield* comments;
    if (!nextCursor) return;
    at = { cursor: nextCursor };
  }
}
