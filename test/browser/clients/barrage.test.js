// The JavaScript client against the program, in Node, over EventSource and by
// polling.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { Barrage } from '../../../httpedge/web/assets/barrage.js';
import { Guest, history, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;

before(async () => {
  server = await Server.start();
});

after(() => server?.stop());

for (const transport of ['sse', 'poll']) {
  test(`${transport}: every comment once and in order, over kill -9`, async () => {
    const video = `over-${transport}`;
    const barrage = new Barrage({ base: server.base, EventSource, transport });
    const guests = await Promise.all([1, 2, 3].map((n) => Guest.join(server.base, `Guest ${n}`)));
    await seed(guests, video, 12, (i) => `old ${i}`);
    const room = barrage.room(video);
    const seen = new Listener(room);
    room.connect({ history: 5 });
    await seen.until(() => seen.ids.length === 5);
    for (let round = 0; round < 2; round++) {
      await seed(guests, video, 6, (i) => `up ${round}.${i}`);
      await seen.until(() => seen.ids.length === 11 + 12 * round);
      await server.kill();
      await seen.until(() => room.state === 'reconnecting');
      await server.resume();
      await seed(guests, video, 6, (i) => `again ${round}.${i}`);
      await seen.until(() => seen.ids.length === 17 + 12 * round);
    }
    room.close();
    const told = (await history(server.base, video)).map((c) => c.id);
    assert.deepEqual(seen.ids, told.slice(-29));
  });
}

test('posts, replies, reads back and deletes', async () => {
  const { token, userId } = await new Barrage({ base: server.base }).guest('Ann');
  const room = new Barrage({ base: server.base, token }).room('all');
  const first = await room.post('first');
  assert.equal(first.userId, userId);
  const again = await room.post('first', { key: 'k' });
  assert.deepEqual(await room.post('first', { key: 'k' }), again, 'the same key, the same comment');
  await assert.rejects(room.post('other', { key: 'k' }), { status: 422, kind: 'idempotency-key-reused' });
  await room.post('reply', { parentId: first.id });
  const replies = [];
  for await (const { message } of room.replies(first.id)) replies.push(message);
  assert.deepEqual(replies, ['reply']);
  assert.equal((await room.comment(first.id)).message, 'first');
  assert.equal((await room.info()).state, 'live');
  await room.delete(again.id);
  await room.delete(again.id);
  await assert.rejects(room.comment(again.id), { status: 404, kind: 'not-found' });
  const all = [];
  for await (const { message } of room.history({ sort: 'asc', pageSize: 1 })) all.push(message);
  assert.deepEqual(all, ['first', 'reply']);
});

test('moderators and admins do what they may, others are refused', async () => {
  const { token, userId } = await new Barrage({ base: server.base }).guest('Ann');
  const of = (someone) => new Barrage({ base: server.base, token: someone }).room('kept');
  const [ann, mo, ada] = [of(token), of((await Guest.appoint(server, 'Mo', 'moderator')).token), of((await Guest.appoint(server, 'Ada', 'admin')).token)];
  const { id } = await ann.post('hello');
  assert.equal((await mo.mute(userId, 600)).userId, userId);
  assert.deepEqual((await mo.mutes()).map((m) => m.userId), [userId]);
  assert.equal((await ann.info()).you.muted, true);
  await assert.rejects(ann.post('hm'), { status: 403, kind: 'muted' });
  await mo.unmute(userId);
  await ann.react('like', { commentId: id, count: 3 });
  assert.equal((await ada.pin(id)).pinnedCommentId, id);
  assert.equal((await ada.unpin()).pinnedCommentId ?? null, null);
  await ada.set({ state: 'ended' });
  await assert.rejects(ann.post('late'), { status: 409, kind: 'ended' });
  await assert.rejects(ann.set({ state: 'live' }), { status: 403, kind: 'forbidden' });
  assert.deepEqual(await mo.held(), []);
  await assert.rejects(mo.approve('1'), { status: 404 });
  const { events } = await mo.audit();
  assert.ok(events.length >= 4);
  assert.equal(events.at(-1).userId, userId, 'the mute came first');
});

// What a room has told.
class Listener {
  ids = [];
  #waiting = new Set();

  constructor(room) {
    room.on('comment', ({ id }) => {
      this.ids.push(id);
      this.#look();
    });
    room.on('state', () => this.#look());
  }

  until(condition) {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`waited too long: ${this.ids.length} comments`)), 40_000);
      this.#waiting.add(() => condition() && (clearTimeout(late), done(), true));
      this.#look();
    });
  }

  #look() {
    for (const met of this.#waiting) if (met()) this.#waiting.delete(met);
  }
}
