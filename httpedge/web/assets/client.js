// One room: its history, its stream, and the joints between them.

import { call, Problem } from './api.js';
import { History } from './history.js';
import { backoff, Stream } from './stream.js';

// While older comments are read, nothing above or below them may go. Beyond this
// number new ones are let go instead, and the way to the newest is a fresh page.
const KEPT_READING = 20_000;

export class Room {
  #video;
  #token;
  #comments;
  #history;
  #on;
  #stream = null;
  #older = null; // the promise of the page being fetched
  #closed = false;
  #follows = true;
  #detached = false; // new comments are let go
  #ended = false;
  #asking = false; // for the status
  #counted = false; // the stream has told how many watch: newer than any status
  #lost = false; // the stream was interrupted

  // token is empty where reading is anonymous.
  // on: {
  //   changed(added)         comments came in; `added` are those worth counting as new
  //   live(comment)          one of them came over the stream
  //   removed(id), reset()   one is gone; all were replaced
  //   state(name, problem)   connecting, live, reconnecting, refused
  //   viewers(n), ended(yes)
  // }
  constructor(video, token, comments, on) {
    this.#video = video;
    this.#token = token;
    this.#comments = comments;
    this.#history = new History(`comments/${video}`, token, comments);
    this.#on = on;
  }

  get hasOlder() {
    return this.#history.hasOlder;
  }

  // Whether the newest comments are what is shown.
  set follows(yes) {
    this.#follows = yes;
    if (yes && this.#detached) this.#restart();
  }

  // Shows the newest page, then opens the stream from its newest comment.
  async open() {
    this.#on.state('connecting');
    const loaded = await this.#insist(() => this.#history.loadNewest(), () => this.#on.state('reconnecting'));
    if (!loaded) return;
    this.#on.changed([]);
    this.#readStatus();
    this.#stream = new Stream(`comments/${this.#video}/stream`, { token: this.#token }, {
      comment: (c) => this.#arrived(c),
      event: (name, data) => this.#told(name, data),
      state: (name) => this.#streamState(name),
      gaveUp: () => this.#mayGoOn(),
    });
    this.#stream.open(this.#comments.newestId);
  }

  close() {
    this.#closed = true;
    this.#stream?.close();
  }

  // Fetches one page of older comments. Concurrent calls share one request.
  loadOlder() {
    this.#older ??= this.#history.loadOlder().finally(() => (this.#older = null));
    return this.#older.then(() => this.#on.changed([]));
  }

  #arrived(comment) {
    if (!this.#follows && this.#comments.items.length >= KEPT_READING) this.#detached = true;
    const added = this.#detached ? [] : this.#comments.add([comment]);
    if (!added.length && !this.#detached) return;
    this.#on.changed(added);
    this.#on.live(comment);
    if (this.#ended) this.#readStatus(); // it goes on, or this is a replay
    this.#history.count().catch(() => {}); // the next waymark comes anyway
    if (this.#follows) this.#history.trim();
  }

  #told(name, data) {
    if (name === 'viewers') {
      this.#counted = true;
      this.#on.viewers(data.viewers);
    }
    if (name === 'end') this.#tellEnded(true);
    if (name === 'gap' && data.after !== undefined) this.#fillGap(String(data.after), String(data.before ?? ''));
    if (name === 'delete' && data.id) this.#remove(String(data.id));
  }

  async #fillGap(after, before) {
    for (let pages = 0; after && !this.#detached; pages++) {
      const filled = await this.#insist(async () => {
        const { added, next } = await this.#history.fill(after, before, pages);
        if (added.length) this.#on.changed(added);
        after = next;
      });
      if (!filled) return;
      if (after === null) return this.#restart();
    }
  }

  async #restart() {
    this.#detached = false;
    if (await this.#insist(() => this.#history.loadNewest())) this.#on.reset();
  }

  #remove(id) {
    this.#comments.remove(id);
    this.#on.removed(id); // the stage may show what the list has forgotten
  }

  #streamState(name) {
    this.#on.state(name);
    if (name === 'reconnecting') this.#lost = true;
    if (name !== 'live' || !this.#lost) return;
    this.#lost = false;
    this.#readStatus();
    // Deletions carry no id, so those of the meantime are not replayed.
    // Spread out, because everybody reconnects at the same moment.
    const wait = 500 + Math.random() * 3000;
    setTimeout(() => this.#history.findDeleted().then((ids) => ids.forEach((id) => this.#remove(id)), () => {}), wait);
  }

  async #readStatus() {
    if (this.#asking) return;
    this.#asking = true;
    const status = await call(`videos/${this.#video}`, { token: this.#token }).catch(() => null);
    this.#asking = false;
    if (status?.state) this.#tellEnded(status.state === 'ended');
    if (!this.#counted && status) this.#on.viewers(status.viewers);
  }

  #tellEnded(yes) {
    this.#ended = yes;
    this.#on.ended(yes);
  }

  // Does again what fails for no lasting reason. Answers whether it was done.
  async #insist(task, failed = () => {}) {
    for (let failures = 0; !this.#closed; failures++) {
      try {
        await task();
        return !this.#closed;
      } catch (problem) {
        if (!this.#worthRetrying(problem)) return false;
        failed();
        await new Promise((done) => setTimeout(done, backoff(failures)));
      }
    }
    return false;
  }

  // EventSource does not say why it stopped; the history's status does.
  #mayGoOn() {
    return this.#history.page({ pageSize: 1 }).then(() => true, (problem) => this.#worthRetrying(problem));
  }

  #worthRetrying(problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (![400, 401, 403, 404].includes(problem.status)) return true;
    this.#on.state('refused', problem);
    return false;
  }
}
