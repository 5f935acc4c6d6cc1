// @ts-check
// Calls to the server, and its refusals as one kind of error.

import { backoff, sleep } from './wait.js';

// Longer than the server's own deadline for a post whose owner is being replaced.
const TIMEOUT_MS = 20_000;

// How often a call is made at most, and how long it waits between two tries.
const TRIES = 5;
const LONGEST_WAIT_MS = 10_000;

/** A refused or failed call. */
export class Problem extends Error {
  /**
   * @param {number} status of HTTP; 0: the server could not be reached
   * @param {{ type?: string, title?: string, detail?: string }} [said] the answer's problem+json
   * @param {number} [retryAfterSeconds] 0: not said
   */
  constructor(status, said = {}, retryAfterSeconds = 0) {
    const detail = text(said.detail) || text(said.title);
    super(detail || `status ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.detail = detail;
    /** What kind of problem it is: 'muted', 'slow-mode', 'not-found' …; '' if it was not said. */
    this.kind = text(said.type).split(':').pop() ?? '';
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether the same call may succeed later without anybody's doing. */
  get passing() {
    return [0, 502, 503, 504].includes(this.status);
  }
}

/**
 * @typedef {object} Call
 * @property {string} [method]
 * @property {object} [query] undefined, null and '' are left out
 * @property {object} [body]
 * @property {string} [key] Idempotency-Key
 * @property {AbortSignal} [signal]
 * @property {number} [timeoutMs]
 */

export class Http {
  #base;
  #token;
  #credentials;

  /**
   * @param {string | URL} base
   * @param {string | (() => string | Promise<string>)} token
   * @param {RequestCredentials} [credentials]
   */
  constructor(base, token, credentials) {
    this.#base = new URL(base);
    this.#token = token;
    this.#credentials = credentials;
  }

  /** Whether cookies are to go to another origin, too. */
  get withCredentials() {
    return this.#credentials === 'include';
  }

  /** @returns {Promise<string>} the token to use now, '' if there is none */
  async token() {
    return (typeof this.#token === 'function' ? await this.#token() : this.#token) || '';
  }

  /**
   * @param {string} path relative to the base
   * @param {object} [query] undefined, null and '' are left out
   */
  url(path, query = {}) {
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, String(value));
    }
    return url;
  }

  /**
   * Makes a call once.
   * @param {string} path
   * @param {Call} [call]
   * @returns {Promise<any>} the parsed body, null if there is none
   * @throws {Problem}
   */
  async call(path, { method = 'GET', query, body, key, signal, timeoutMs = TIMEOUT_MS } = {}) {
    /** @type {Record<string, string>} */
    const headers = { Accept: 'application/json' };
    const token = await this.token();
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    if (token) headers.Authorization = `Bearer ${token}`;
    if (key) headers['Idempotency-Key'] = key;
    const late = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(this.url(path, query), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, late]) : late,
        cache: 'no-store',
        credentials: this.#credentials,
      });
      if (!response.ok) throw await refusal(response);
      return response.status === 204 ? null : await response.json();
    } catch (error) {
      if (error instanceof Problem) throw error;
      signal?.throwIfAborted();
      throw new Problem(0, { detail: error instanceof Error ? error.message : String(error) });
    }
  }

  /**
   * Makes a call again while it fails for no lasting reason. Only for calls that
   * may be made twice, and those that have a key.
   * @param {string} path
   * @param {Call} call
   * @param {(problem: Problem, waitMs: number) => void} [onRetry] told before each wait
   * @returns {Promise<any>}
   */
  async insist(path, call, onRetry = () => {}) {
    for (let failures = 0; ; failures++) {
      try {
        return await this.call(path, call);
      } catch (error) {
        if (!(error instanceof Problem) || !error.passing || failures + 1 >= TRIES) throw error;
        const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(error.retryAfterSeconds * 1000, backoff(failures)));
        onRetry(error, waitMs);
        await sleep(waitMs, call.signal);
      }
    }
  }
}

/** @param {Response} response */
async function refusal(response) {
  const said = await response.json().catch(() => null);
  return new Problem(response.status, said ?? {}, retryAfter(response));
}

/**
 * Retry-After is a number of seconds or a date.
 * @param {Response} response
 */
function retryAfter(response) {
  const value = response.headers.get('Retry-After');
  if (!value) return 0;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Math.max(0, Math.ceil(seconds || 0));
}

/** @param {unknown} value */
function text(value) {
  return typeof value === 'string' ? value : '';
}
