// @ts-check
// Events over an EventSource. It reconnects by itself and says with
// Last-Event-ID where it was; only when it has given up, after a status other
// than 200, is it lost.

const NAMES = ['reactions', 'viewers', 'delete', 'pin', 'end', 'room', 'held', 'muted', 'gap', 'sampled'];

/**
 * What a transport tells. `lost` is the last thing that it says.
 * @typedef {object} Hearer
 * @property {() => void} open
 * @property {(name: string, data: any) => void} event
 * @property {() => void} waiting it reconnects by itself
 * @property {(retryMs?: number) => void} lost
 */

// A server that can't take a stream now opens and ends it. One that brings
// something, or stays so long, is open.
const OPEN_MS = 1000;

export class SseTransport {
  #source;
  #open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {URL} url
   * @param {Hearer} on
   * @param {boolean} withCredentials
   * @param {typeof EventSource} Source
   */
  constructor(url, on, withCredentials, Source) {
    const source = new Source(url, { withCredentials });
    this.#source = source;
    source.onopen = () => {
      this.#timer = setTimeout(() => this.#stays(on), OPEN_MS);
    };
    source.onmessage = (message) => this.#hear(on, 'comment', message);
    for (const name of NAMES) {
      source.addEventListener(name, (message) => this.#hear(on, name, /** @type {MessageEvent} */ (message)));
    }
    source.onerror = () => {
      clearTimeout(this.#timer);
      this.#open = false;
      if (source.readyState === Source.CLOSED) on.lost();
      else on.waiting();
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#source.close();
  }

  /** @param {Hearer} on @param {string} name @param {MessageEvent} message */
  #hear(on, name, message) {
    this.#stays(on);
    on.event(name, parse(message.data));
  }

  /** @param {Hearer} on */
  #stays(on) {
    clearTimeout(this.#timer);
    if (this.#open) return;
    this.#open = true;
    on.open();
  }
}

/**
 * @param {unknown} text
 * @returns {any} null if it is no JSON
 */
export function parse(text) {
  try {
    return typeof text === 'string' ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
