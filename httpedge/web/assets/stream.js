// The live stream. The browser's EventSource reconnects by itself and sends
// Last-Event-ID; only when it has given up (a status other than 200, as proxies
// send while a server restarts) is a new one opened, from the newest id seen.

import { url } from './api.js';
import { newer } from './ids.js';

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;

export class Stream {
  #source = null;
  #timer = 0;
  #failures = 0;
  #newestId = '';
  #path;
  #query;
  #on;

  // on: { comment(c), event(name, data), state(name), gaveUp() → promise of whether to go on }
  constructor(path, query, on) {
    this.#path = path;
    this.#query = query;
    this.#on = on;
  }

  // Opens after lastEventId, or with the last comments when nothing is known yet.
  open(lastEventId) {
    this.#newestId = newer(this.#newestId, lastEventId);
    const from = this.#newestId ? { lastEventId: this.#newestId } : { history: 200 };
    const source = new EventSource(url(this.#path, { ...this.#query, ...from }));
    this.#source = source;
    source.onopen = () => {
      this.#failures = 0;
      this.#on.state('live');
    };
    source.onmessage = (message) => {
      const comment = parse(message.data);
      if (typeof comment?.id !== 'string') return;
      this.#newestId = newer(this.#newestId, comment.id);
      this.#on.comment(comment);
    };
    for (const name of ['viewers', 'delete', 'gap', 'end']) {
      source.addEventListener(name, (message) => this.#on.event(name, parse(message.data) ?? {}));
    }
    source.onerror = () => {
      this.#on.state('reconnecting');
      if (source.readyState === EventSource.CLOSED) this.#reopen();
    };
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  async #reopen() {
    const given = this.#source;
    if (!(await this.#on.gaveUp()) || given !== this.#source) return;
    this.#timer = setTimeout(() => this.open(), backoff(this.#failures++));
  }
}

// Doubling, with half of it random so that viewers don't return all at once.
export function backoff(failures) {
  const whole = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
  return whole / 2 + Math.random() * (whole / 2);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
