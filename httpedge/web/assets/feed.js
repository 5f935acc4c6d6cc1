// What the page knows of its room: history and stream in one list, and the joints
// between them.

import { Problem } from './barrage.js';
import { backoff, sleep } from './barrage/wait.js';
import { History } from './history.js';

// While older comments are read, nothing above or below them may go. Beyond this
// number new ones are let go instead, and the way to the newest is a fresh page.
const KEPT_READING = 20_000;

// Everybody reconnects at the same moment: what all ask then is spread out.
const LOOK_AFTER_MS = 500;
const LOOK_WITHIN_MS = 3000;

export class Feed {
  #room;
  #comments;
  #history;
  #isOwn;
  #on;
  #older = null; // the promise of the page being fetched
  #closed = false;
  #follows = true;
  #detached = false; // new comments are let go
  #ended = false;
  #looking = false; // for the state of the video
  #heard = new Set(); // what the stream has told since a look began: newer than what it sees
  #lost = false; // the stream was interrupted

  // on: {
  //   changed(added)         comments came in; `added` are those worth counting as new
  //   live(comment)          one of them came over the stream
  //   updated(id)            its reactions or replies were counted anew
  //   removed(id), reset()   one is gone; all were replaced
  //   state(name, problem)   connecting, live, reconnecting, refused
  //   viewers(n), ended(yes), told(name, data)
  //   video(info, { pinKnown }) what a look saw, but for what was told meanwhile
  // }
  constructor(room, comments, isOwn, on) {
    this.#room = room;
    this.#comments = comments;
    this.#isOwn = isOwn;
    this.#history = new History(room, comments, isOwn);
    this.#on = on;
    room.on('comment', (comment) => this.#arrived(comment));
    room.on('gap', ({ filled }) => filled || this.#restart());
    room.on('state', ({ state, problem }) => this.#streamState(state, problem));
    for (const name of ['viewers', 'delete', 'end', 'room', 'reactions', 'held', 'muted', 'pin']) {
      room.on(name, (data) => this.#told(name, data));
    }
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
    this.look();
    this.#room.connect({ lastEventId: this.#comments.newestId || '0' });
  }

  close() {
    this.#closed = true;
    this.#room.close();
  }

  // Fetches one page of older comments. Concurrent calls share one request.
  loadOlder() {
    this.#older ??= this.#history.loadOlder().finally(() => (this.#older = null));
    return this.#older.then(() => this.#on.changed([]));
  }

  // Asks how the video is.
  async look() {
    if (this.#looking) return;
    this.#looking = true;
    this.#heard.clear();
    const video = await this.#room.info().catch(() => null);
    this.#looking = false;
    if (this.#closed || !video) return;
    const news = { ...video };
    if (this.#heard.has('room') || this.#heard.has('end')) delete news.state;
    if (this.#heard.has('room')) delete news.slowModeSeconds;
    if (this.#heard.has('reactions')) delete news.reactions;
    if (news.state) this.#tellEnded(news.state === 'ended');
    if (!this.#heard.has('viewers')) this.#on.viewers(video.viewers);
    this.#on.video(news, { pinKnown: this.#heard.has('pin') });
  }

  remove(id) {
    const comment = this.#comments.get(id);
    this.#comments.remove(id);
    if (comment?.parentId) this.#countReply(comment.parentId, -1);
    this.#on.removed(id); // the stage may show what the list has forgotten
  }

  // A comment of one's own that waits for a moderator.
  keepHeld(comment) {
    this.#on.changed(this.#comments.add([comment]));
  }

  #arrived(comment) {
    if (!this.#follows && this.#comments.items.length >= KEPT_READING) this.#detached = true;
    const added = this.#detached ? [] : this.#comments.add([comment]);
    if (!added.length && !this.#detached) return;
    if (comment.parentId) this.#countReply(comment.parentId, 1);
    this.#on.changed(added);
    if (!comment.filled) this.#on.live(comment);
    if (this.#ended) this.look(); // it goes on, or this is a replay
    this.#history.count().catch(() => {}); // the next waymark comes anyway
    if (this.#follows) this.#history.trim();
  }

  #told(name, data) {
    this.#heard.add(name);
    if (name === 'viewers') this.#on.viewers(data.viewers);
    if (name === 'end') this.#tellEnded(true);
    if (name === 'room') this.#tellEnded(data.state === 'ended');
    if (name === 'delete' && data.id) this.remove(String(data.id));
    if (name === 'reactions') this.#countReactions(data.comments ?? {});
    if (name === 'held') this.#held(data);
    this.#on.told(name, data);
  }

  #countReactions(totals) {
    for (const [id, reactions] of Object.entries(totals)) {
      const comment = this.#comments.get(id);
      if (!comment) continue;
      comment.reactions = reactions;
      this.#on.updated(id);
    }
  }

  #countReply(id, by) {
    const first = this.#comments.get(id);
    if (!first) return;
    first.replyCount = Math.max(0, (first.replyCount ?? 0) + by);
    this.#on.updated(id);
  }

  #held({ comment, id }) {
    if (comment?.id && this.#isOwn(comment)) this.keepHeld(comment);
    if (id && this.#comments.remove(id)) this.#on.removed(id);
  }

  async #restart() {
    this.#detached = false;
    if (await this.#insist(() => this.#history.loadNewest())) this.#on.reset();
  }

  #streamState(name, problem) {
    if (this.#closed) return;
    this.#on.state(name, problem);
    if (name === 'reconnecting') this.#lost = true;
    if (name !== 'live' || !this.#lost) return;
    this.#lost = false;
    this.look();
    // Deletions carry no id, so those of the meantime are not replayed.
    const wait = LOOK_AFTER_MS + Math.random() * LOOK_WITHIN_MS;
    setTimeout(() => this.#history.findDeleted().then((ids) => ids.forEach((id) => this.remove(id)), () => {}), wait);
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
        await sleep(backoff(failures));
      }
    }
    return false;
  }

  #worthRetrying(problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (![400, 401, 403, 404].includes(problem.status)) return true;
    if (!this.#closed) this.#on.state('refused', problem);
    return false;
  }
}
