// The npm package eventsource, as a back end would use it: history, resume, deletion.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { crowd, history, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;
let guests;

before(async () => {
  server = await Server.start();
  guests = await crowd(server.base, 4);
});

after(() => server?.stop());

test('?history=N opens with the last N comments, then follows live', async () => {
  await seed(guests, 'opening', 12, (i) => `old ${i}`);
  const viewer = new Viewer('opening/stream?history=5');
  await viewer.has(5);
  await guests[0].post('opening', 'live');
  await viewer.has(6);
  viewer.close();
  assert.deepEqual(viewer.messages, ['old 7', 'old 8', 'old 9', 'old 10', 'old 11', 'live']);
});

test('?lastEventId= resumes right after that comment', async () => {
  const comments = await seed(guests, 'resume', 10, (i) => `n ${i}`);
  const viewer = new Viewer(`resume/stream?lastEventId=${comments[3].id}`);
  await viewer.has(6);
  viewer.close();
  assert.deepEqual(viewer.ids, comments.slice(4).map((c) => c.id));
});

test('Last-Event-ID resumes over kill -9 without a gap or a duplicate', async () => {
  const viewer = new Viewer('durable/stream');
  await viewer.opened();
  for (let round = 0; round < 3; round++) {
    await seed(guests, 'durable', 8, (i) => `up ${round}.${i}`);
    await server.kill();
    await server.resume();
    await seed(guests, 'durable', 8, (i) => `again ${round}.${i}`);
  }
  const told = (await history(server.base, 'durable')).map((c) => c.id);
  assert.equal(told.length, 48);
  await viewer.has(48);
  viewer.close();
  assert.deepEqual(viewer.ids, told);
});

test('a deletion is told, with its id', async () => {
  const viewer = new Viewer('gone/stream');
  await viewer.opened();
  const [first] = await seed(guests, 'gone', 2, (i) => `c ${i}`);
  await guests[0].remove('gone', first.id);
  await viewer.until(() => viewer.deleted.length);
  viewer.close();
  assert.deepEqual(viewer.deleted, [first.id]);
});

// One EventSource, and what it was told. What a gap event names is fetched, as
// any client should.
class Viewer {
  comments = [];
  deleted = [];
  #source;
  #waiting = [];

  constructor(path) {
    this.video = path.split(/[/?]/)[0];
    this.#source = new EventSource(`${server.base}/comments/${path}`);
    this.#source.onmessage = ({ data, lastEventId }) => {
      const comment = JSON.parse(data);
      assert.equal(lastEventId, comment.id);
      this.#note(() => this.comments.push(comment));
    };
    this.#source.addEventListener('delete', ({ data }) => this.#note(() => this.deleted.push(JSON.parse(data).id)));
    this.#source.addEventListener('gap', ({ data }) => this.#fill(JSON.parse(data)));
    // The head of the response comes before the viewer is in the room; this after it.
    this.#source.addEventListener('viewers', () => this.#note(() => (this.joined = true)));
  }

  get ids() {
    return this.comments.map((c) => c.id).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
  }

  get messages() {
    return this.comments.map((c) => c.message);
  }

  opened() {
    return this.until(() => this.joined);
  }

  has(count) {
    return this.until(() => this.comments.length >= count);
  }

  until(condition) {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`waited too long: ${this.comments.length} comments`)), 20_000);
      this.#waiting.push(() => condition() && (clearTimeout(late), done(), true));
      this.#note(() => {});
    });
  }

  close() {
    this.#source.close();
  }

  async #fill({ after, before }) {
    for (let from = after; from; ) {
      const page = await fetch(`${server.base}/comments/${this.video}?since=${from}&pageSize=100`).then((r) => r.json());
      const missed = page.comments.filter((c) => !before || BigInt(c.id) < BigInt(before));
      this.#note(() => this.comments.push(...missed));
      from = page.nextCursor && missed.length === page.comments.length ? missed.at(-1).id : '';
    }
  }

  #note(change) {
    change();
    this.#waiting = this.#waiting.filter((met) => !met());
  }
}
