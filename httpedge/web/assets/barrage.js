// @ts-check
// The client of Barrage, for any page and for Node: import { Barrage } from this
// file. It needs the folder barrage/ beside it, and nothing else.

import { Http } from './barrage/http.js';
import { Room } from './barrage/room.js';

export { Problem } from './barrage/http.js';
export { compareIds } from './barrage/ids.js';
export { Room };

/**
 * @typedef {object} BarrageOptions
 * @property {string | URL} [base] where the server is; by default where this file came from
 * @property {string | (() => string | Promise<string>)} [token] of the user, '' for none; a function is asked before every call
 * @property {RequestCredentials} [credentials] 'include' sends the session cookie to another origin
 * @property {import('./barrage/types.js').Transport} [transport] see Room.connect
 * @property {typeof EventSource} [EventSource] where there is no global one
 */

export class Barrage {
  #http;
  #defaults;

  /** @param {BarrageOptions} [options] */
  constructor({ base = new URL('..', import.meta.url), token = '', credentials, ...defaults } = {}) {
    this.#http = new Http(base, token, credentials);
    this.#defaults = defaults;
  }

  /** @param {string} liveVideoId */
  room(liveVideoId) {
    return new Room(this.#http, liveVideoId, this.#defaults);
  }

  /**
   * The live videos that there are.
   * @param {import('./barrage/types.js').LobbyQuery} [query]
   * @returns {Promise<import('./barrage/types.js').Lobby>}
   */
  videos(query = {}) {
    return this.#http.call('videos', { query });
  }

  /**
   * A token for somebody with just a name, where the server takes guests.
   * @param {string} name
   * @returns {Promise<{ token: string, userId: string }>}
   */
  guest(name) {
    return this.#http.call('guest', { method: 'POST', body: { name } });
  }
}
