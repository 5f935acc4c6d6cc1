// The npm package ws, as a back end would use it, and Chromium's own WebSocket:
// posts, resume, refusals, the end of a node.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { launch } from '../lib/browser.js';
import { crowd, history, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

const PATIENCE_MS = 30_000;

let server;
let guests;

before(async () => {
  server = await Server.start();
  guests = await crowd(server.base, 4);
});

after(() => server?.stop());

test('a client posts and reads over one connection', async () => {
  const viewer = new Viewer('posts', { token: guests[0].token });
  await viewer.has('viewers');
  assert.equal(viewer.events[0].event, 'retry');
  assert.ok(viewer.events[0].data.milliseconds > 0);
  const posted = await viewer.post({ message: '弹幕 "quoted" \n second line' });
  assert.equal(posted.event, 'posted');
  await viewer.has('comment');
  assert.deepEqual(viewer.comments, [posted.data]);
  assert.equal(viewer.events.find((e) => e.event === 'comment').id, posted.data.id);
  const refused = await viewer.post({ message: '   ' });
  assert.deepEqual([refused.event, refused.data.status], ['error', 400]);
  viewer.close();
  assert.equal(await viewer.closed, 1000);
});

test('without a token one may read, and not post', async () => {
  const viewer = new Viewer('reading');
  const refused = await viewer.post({ message: 'hello' });
  assert.deepEqual([refused.event, refused.data.status], ['error', 401]);
  viewer.close();
});

test('lastEventId resumes over kill -9 without a gap or a duplicate', async () => {
  const seen = [];
  for (let round = 0; round < 3; round++) {
    const viewer = new Viewer('durable', { query: seen.length ? `lastEventId=${seen.at(-1)}` : 'history=0' });
    await viewer.has('viewers');
    await seed(guests, 'durable', 8, (i) => `up ${round}.${i}`);
    await viewer.until(() => viewer.comments.length >= (round ? 11 : 8));
    await server.kill();
    assert.equal(await viewer.closed, 1006);
    seen.push(...viewer.comments.map((c) => c.id));
    await server.resume();
    await seed(guests, 'durable', 3, (i) => `again ${round}.${i}`);
  }
  const told = (await history(server.base, 'durable')).map((c) => c.id);
  assert.deepEqual(seen, told.slice(0, seen.length));
  assert.equal(told.length - seen.length, 3);
});

test('pings are answered, big and binary messages refused', async () => {
  const viewer = new Viewer('protocol', { token: guests[1].token });
  await viewer.has('viewers');
  const ponged = new Promise((done) => viewer.socket.once('pong', (data) => done(String(data))));
  viewer.socket.ping('are you there?');
  assert.equal(await ponged, 'are you there?');
  viewer.socket.send('x'.repeat(8193));
  assert.equal(await viewer.closed, 1009);
  const other = new Viewer('protocol');
  await other.has('viewers');
  other.socket.send(Buffer.from('x'));
  assert.equal(await other.closed, 1003);
});

test("Chromium's WebSocket posts and reads, also over a kill", async () => {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.base}/healthz`); // an origin
    await page.evaluate((token) => {
      window.open_ = (query) => {
        const state = { events: [], code: 0 };
        state.socket = new WebSocket(`ws://${location.host}/comments/page/ws?token=${token}&${query}`);
        state.socket.onmessage = ({ data }) => state.events.push(JSON.parse(data));
        state.socket.onclose = ({ code }) => (state.code = code);
        return state;
      };
      window.state = window.open_('');
    }, guests[2].token);
    await page.waitForFunction(() => state.events.some((e) => e.event === 'viewers'));
    await page.evaluate(() => state.socket.send(JSON.stringify({ type: 'post', ref: 'r', message: '来自浏览器' })));
    await page.waitForFunction(() => ['posted', 'comment'].every((name) => state.events.some((e) => e.event === name)));
    const [posted, shown] = await page.evaluate(() => ['posted', 'comment'].map((name) => state.events.find((e) => e.event === name)));
    assert.equal(posted.ref, 'r');
    assert.deepEqual(posted.data, shown.data);
    assert.equal(shown.data.message, '来自浏览器');
    await server.kill();
    await page.waitForFunction(() => state.code === 1006);
    await server.resume();
    const [missed] = await seed(guests, 'page', 1, () => 'while away');
    await page.evaluate((id) => (window.state = window.open_(`lastEventId=${id}`)), shown.id);
    await page.waitForFunction(() => state.events.some((e) => e.event === 'comment'));
    assert.deepEqual(await page.evaluate(() => state.events.filter((e) => e.event === 'comment').map((e) => e.id)), [missed.id]);
  } finally {
    await browser.close();
  }
});

// One WebSocket, and what it was told.
class Viewer {
  events = [];
  #refs = 0;
  #waiting = [];

  constructor(video, { token, query = '' } = {}) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    this.socket = new WebSocket(`${server.base.replace('http', 'ws')}/comments/${video}/ws?${query}`, { headers });
    this.socket.on('message', (data, binary) => {
      assert.equal(binary, false);
      this.events.push(JSON.parse(data));
      for (const check of [...this.#waiting]) check();
    });
    this.socket.on('error', () => {}); // a close follows
    this.closed = new Promise((done) => this.socket.on('close', done));
  }

  get comments() {
    return this.events.filter((e) => e.event === 'comment').map((e) => e.data);
  }

  has(name) {
    return this.until(() => this.events.some((e) => e.event === name));
  }

  until(condition) {
    return new Promise((done, failed) => {
      const timer = setTimeout(() => failed(new Error(`in vain: ${JSON.stringify(this.events)}`)), PATIENCE_MS);
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((c) => c !== check);
        done();
      };
      this.#waiting.push(check);
      check();
    });
  }

  async post(request) {
    const ref = String(++this.#refs);
    if (this.socket.readyState === WebSocket.CONNECTING) await new Promise((done) => this.socket.once('open', done));
    this.socket.send(JSON.stringify({ type: 'post', ref, ...request }));
    await this.until(() => this.events.some((e) => e.ref === ref));
    return this.events.find((e) => e.ref === ref);
  }

  close() {
    this.socket.close(1000);
  }
}
