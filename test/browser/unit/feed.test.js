// The joints between history and stream, against a small server in memory.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

const BASE = 'http://room.test/';

// What the page's modules expect of a browser.
globalThis.fetch = async (target) => answer(new URL(target));
globalThis.EventSource = class {
  static CLOSED = 2;
  #listeners = {};
  constructor(target) {
    stream = this;
    this.url = new URL(target);
  }
  addEventListener(name, listener) {
    this.#listeners[name] = listener;
  }
  tell(name, data) {
    this.#listeners[name]({ data: JSON.stringify(data) });
  }
  close() {}
};
const { Barrage } = await import('../../../httpedge/web/assets/barrage.js');
const { Feed } = await import('../../../httpedge/web/assets/feed.js');
const { Comments } = await import('../../../httpedge/web/assets/comments.js');

let posted; // every comment the server has, oldest first
let stream; // the EventSource that was opened last
let requests;
let comments;
let feed;

beforeEach(async () => {
  posted = [];
  requests = [];
  comments = new Comments();
  stream = null;
});

test('the stream is opened after the newest comment of the first page', async () => {
  post(70);
  await enter();
  assert.deepEqual(known(), ids(20, 70));
  assert.equal(stream.url.searchParams.get('lastEventId'), posted.at(-1).id);
});

test('in an empty room the stream brings what comes while it is opened', async () => {
  await enter();
  assert.equal(stream.url.searchParams.get('lastEventId'), '0');
});

test('a gap is filled in order, page by page', async () => {
  post(10);
  await enter();
  post(250);
  const last = posted.at(-1);
  stream.tell('gap', { after: posted[9].id, before: last.id });
  stream.onmessage({ data: JSON.stringify(last) });
  await until(() => comments.items.length === 260);
  assert.deepEqual(known(), ids(0, 260));
});

test('a gap too wide to fill starts anew, and scrolling back reaches everything', async () => {
  post(10);
  await enter();
  post(5000);
  stream.tell('gap', { after: posted[9].id, before: posted.at(-1).id });
  await until(() => comments.items.length === 50);
  assert.ok(requests.length < 40);
  await scrollBack();
  assert.deepEqual(known(), ids(0, 5010));
});

test('memory stays bounded while new comments are followed, and nothing is lost behind', async () => {
  post(200);
  await enter();
  let most = 0;
  for (let i = 0; i < 12_000; i++) {
    live();
    most = Math.max(most, comments.items.length);
    if (i % 100 === 0) await settle();
  }
  assert.ok(most < 4500, `${most} comments kept`);
  feed.follows = false;
  await scrollBack();
  assert.deepEqual(known(), ids(0, 12_200));
});

test('memory stays bounded while old comments are read; then the newest are fetched', async () => {
  post(100);
  await enter();
  feed.follows = false;
  for (let i = 0; i < 25_000; i++) live();
  assert.equal(comments.items.length, 20_000);
  assert.equal(comments.oldestId, posted[50].id, 'what is read stays');
  feed.follows = true;
  await until(() => comments.newestId === posted.at(-1).id);
  live();
  assert.deepEqual(known(), ids(25_050, 25_101));
});

test('what the stream says beyond the contract is passed over', async () => {
  post(3);
  await enter();
  stream.onmessage({ data: 'not json' });
  stream.onmessage({ data: '{"no":"id"}' });
  stream.tell('delete', {});
  stream.tell('gap', null);
  live();
  assert.deepEqual(known(), ids(0, 4));
});

test('reactions and replies are counted where their comment is, and what is deleted is uncounted', async () => {
  post(3);
  await enter();
  const [first, second] = posted;
  stream.tell('reactions', { reactions: { like: 9 }, comments: { [second.id]: { like: 2 }, 77: { like: 1 } } });
  assert.deepEqual(comments.get(second.id).reactions, { like: 2 });
  live({ parentId: first.id });
  live({ parentId: first.id });
  assert.equal(comments.get(first.id).replyCount, 2);
  stream.tell('delete', { id: posted.at(-1).id });
  assert.equal(comments.get(first.id).replyCount, 1);
});

test('one’s own held comment is in the list until it is decided, and is no point to resume from', async () => {
  post(2);
  await enter();
  const held = { id: String(BigInt(posted[1].id) + 5n), userId: 'me', message: 'm', held: true };
  stream.tell('held', { comment: held });
  stream.tell('held', { comment: { ...held, id: String(BigInt(held.id) + 1n), userId: 'other' } });
  assert.deepEqual(known(), [...ids(0, 2), held.id]);
  assert.equal(comments.newestId, posted[1].id);
  stream.tell('held', { id: held.id, resolved: 'rejected' });
  assert.deepEqual(known(), ids(0, 2));
});

async function enter() {
  const nothing = () => {};
  const on = Object.fromEntries(
    ['changed', 'live', 'updated', 'removed', 'reset', 'state', 'viewers', 'ended', 'video', 'told'].map((name) => [name, nothing]),
  );
  feed = new Feed(new Barrage({ base: BASE }).room('r'), comments, (c) => c.userId === 'me', on);
  await feed.open();
  await until(() => stream);
}

function post(count, more) {
  for (let i = 0; i < count; i++) {
    posted.push({ id: String(9_000_000_000_000_000_000n + BigInt(10 * posted.length)), message: 'm', ...more });
  }
}

// A comment that is posted and told.
function live(more) {
  post(1, more);
  stream.onmessage({ data: JSON.stringify(posted.at(-1)) });
}

async function scrollBack() {
  while (feed.hasOlder) await feed.loadOlder();
}

const known = () => comments.items.map((c) => c.id);
const ids = (from, to) => posted.slice(from, to).map((c) => c.id);
const settle = () => new Promise((done) => setImmediate(done));

async function until(condition) {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 10_000, 'it never came to be');
    await settle();
  }
}

// The server: pages of history as the contract has them.
function answer({ pathname, searchParams: query }) {
  requests.push(pathname);
  if (pathname !== '/comments/r') return Response.json({}, { status: 503 });
  const size = Number(query.get('pageSize'));
  const place = (id) => posted.findIndex((c) => c.id === id);
  if (query.has('since')) {
    const from = place(query.get('since')) + 1;
    return page(posted.slice(from, from + size), posted.length - from > size);
  }
  const to = query.has('cursor') ? place(query.get('cursor').slice('before '.length)) : posted.length;
  return page(posted.slice(Math.max(0, to - size), to).reverse(), to > size);
}

function page(some, more) {
  return Response.json({ comments: some, nextCursor: more ? `before ${some.at(-1).id}` : null });
}
