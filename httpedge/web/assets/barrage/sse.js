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

export class SseTransport {
  #source;

  /**
   * @param {URL} url
   * @param {Hearer} on
   * @param {boolean} withCredentials
   * @param {typeof EventSource} Source
   */
  constructor(url, on, withCredentials, Source) {
    const source = new Source(url, { withCredentials });
    this.#source = source;
    source.onopen = () => on.open();
    source.onmessage = (message) => on.event('comment', parse(message.data));
    for (const name of NAMES) {
      source.addEventListener(name, (message) => on.event(name, parse(/** @type {MessageEvent} */ (message).data)));
    }
    source.onerror = () => {
      if (source.readyState === Source.CLOSED) on.lost();
      else on.waiting();
    };
  }

  close() {
    this.#source.close();
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
