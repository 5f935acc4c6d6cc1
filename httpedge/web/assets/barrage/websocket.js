// @ts-check
// The same events over a WebSocket.

import { parse } from './sse.js';

export class WebSocketTransport {
  #socket;
  #closed = false;

  /**
   * @param {URL} url of HTTP; it becomes ws: or wss:
   * @param {import('./sse.js').Hearer} on
   */
  constructor(url, on) {
    const address = new URL(url);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    this.#socket = socket;
    /** @type {number | undefined} */
    let retryMs;
    socket.onopen = () => on.open();
    socket.onmessage = ({ data: text }) => {
      const { event, data } = parse(text) ?? {};
      if (event === 'retry') retryMs = Number(data?.milliseconds) || undefined;
      else if (typeof event === 'string' && !this.#closed) on.event(event, data ?? null);
    };
    // An error is always followed by a close.
    socket.onclose = () => {
      if (!this.#closed) on.lost(retryMs);
    };
  }

  close() {
    this.#closed = true;
    this.#socket.close();
  }
}
