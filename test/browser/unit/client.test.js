// The client where things go wrong: a fetch and an EventSource that fail as they
// are told to, and a clock that does not wait.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Barrage, Problem } from '../../../httpedge/web/assets/barrage.js';

const BASE = 'http://client.test/live/';

let calls; // { method, path, query, headers, body } of each fetch
let answers; // functions, one for each fetch to come; the last one stays
let sources; // every EventSource that was opened

class FakeSource {
  static CLOSED = 2;
  readyState = 0;
  listeners = {};
  constructor(url, options) {
    Object.assign(this, { url: new URL(url), options });
    sources.push(this);
  }
  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }
  tell(name, data) {
    if (name === 'comment') this.onmessage({ data: JSON.stringify(data) });
    else this.listeners[name]({ data: JSON.stringify(data) });
  }
  fail(readyState) {
    this.readyState = readyState;
    this.onerror();
  }
  close() {
    this.closed = true;
  }
}

beforeEach(() => {
  calls = [];
  answers = [() => Response.json({ comments: [], nextCursor: null })];
  sources = [];
  globalThis.EventSource = FakeSource;
  globalThis.fetch = async (url, { method, headers, body, signal }) => {
    signal.throwIfAborted();
    const { pathname: path, searchParams } = new URL(url);
    calls.push({ method, path, query: Object.fromEntries(searchParams), headers, body: body && JSON.parse(body) });
    return (answers.length > 1 ? answers.shift() : answers[0])(calls.at(-1));
  };
  mock.timers.enable({ apis: ['setTimeout'] });
});

afterEach(() => mock.timers.reset());

const ok = (body, status = 200) => () => Response.json(body, { status });
const refuse = (status, kind, headers) => () => Response.json({ type: `urn:barrage:problem:${kind}`, status, title: kind, detail: 'why' }, { status, headers });
const lost = () => {
  throw new TypeError('network');
};
const room = (options) => new Barrage({ base: BASE, token: 'tok', ...options }).room('r');

test('a post is sent again with the same key: after a lost answer, and when the server says so', async () => {
  answers = [lost, refuse(503, 'unavailable', { 'Retry-After': '7' }), ok({ id: '1' }, 201)];
  const waits = [];
  const posting = room().post('hello', { parentId: '9', onRetry: (problem, ms) => waits.push([problem.status, ms]) });
  await flush(30_000);
  assert.deepEqual(await posting, { id: '1' });
  assert.equal(calls.length, 3);
  const keys = new Set(calls.map((c) => c.headers['Idempotency-Key']));
  assert.equal(keys.size, 1);
  assert.match([...keys][0], /^[0-9a-f]{32}$/);
  assert.deepEqual(calls[2].body, { message: 'hello', parentId: '9' });
  assert.equal(calls[2].headers.Authorization, 'Bearer tok');
  assert.equal(calls[2].path, '/live/comments/r', 'below a path prefix');
  assert.equal(waits[0][0], 0);
  assert.deepEqual(waits[1], [503, 7000]);
});

test('what is refused for a reason is not sent again', async () => {
  for (const [status, kind, headers, seconds] of [[429, 'slow-mode', { 'Retry-After': '30' }, 30], [403, 'muted', {}, 0], [409, 'ended', {}, 0]]) {
    answers = [refuse(status, kind, headers)];
    await assert.rejects(room().post('hello'), (problem) => {
      assert.ok(problem instanceof Problem);
      assert.deepEqual([problem.status, problem.kind, problem.detail, problem.retryAfterSeconds], [status, kind, 'why', seconds]);
      return true;
    });
  }
  assert.equal(calls.length, 3);
});

test('a post that can’t get through fails in the end, and can be given up before', async () => {
  answers = [lost];
  const posting = assert.rejects(room().post('hello'), { status: 0 });
  await flush(60_000);
  await posting;
  assert.equal(calls.length, 5);
  const stop = new AbortController();
  const givenUp = assert.rejects(room().post('hello', { signal: stop.signal }), { name: 'AbortError' });
  await settle();
  stop.abort();
  await givenUp;
});

test('many reactions become few calls of at most 50', async () => {
  answers = [ok({ accepted: 1 }, 202)];
  const r = room();
  const clicks = Array.from({ length: 70 }, () => r.react('like'));
  clicks.push(r.react('like', { commentId: '5', count: 2 }));
  await flush(2000);
  await Promise.all(clicks);
  assert.deepEqual(calls.map((c) => c.body), [
    { type: 'like', count: 50 },
    { type: 'like', count: 20 },
    { type: 'like', count: 2, commentId: '5' },
  ]);
});

test('refused reactions are sent again when it is time; those whose answer was lost are not', async () => {
  answers = [refuse(429, 'rate-limited', { 'Retry-After': '3' }), ok({ accepted: 1 }, 202), lost];
  const r = room();
  const first = r.react('like');
  await flush(2500);
  assert.equal(calls.length, 1);
  await flush(4000);
  await first;
  assert.equal(calls.length, 2);
  const second = assert.rejects(r.react('like'), { status: 0 });
  await flush(10_000);
  await second;
  assert.equal(calls.length, 3);
  await assert.rejects(r.react('like', { count: 0 }), RangeError);
});

test('a stream that was refused is opened again after the last comment, later and later', async () => {
  const r = room();
  const states = [];
  r.on('state', ({ state }) => states.push(state));
  answers = [ok({ comments: range(90, 90), nextCursor: null })];
  r.connect({ history: 20, rate: 5 });
  await settle();
  assert.deepEqual(Object.fromEntries(sources[0].url.searchParams), { token: 'tok', rate: '5', history: '20' });
  sources[0].onopen();
  sources[0].tell('comment', { id: '100', message: 'm' });
  answers = [refuse(502, '')];
  for (let i = 0; i < 4; i++) {
    sources.at(-1).fail(2);
    await flush(i < 3 ? 8000 : 400); // at least half a second is waited
    assert.equal(sources.length, i < 3 ? i + 2 : 4);
  }
  assert.equal(sources[1].url.searchParams.get('lastEventId'), '100');
  assert.equal(sources[1].url.searchParams.get('history'), null);
  assert.deepEqual(states, ['connecting', 'live', 'reconnecting']);
  r.close();
  assert.equal(r.state, 'closed');
});

test('a stream that broke before it brought a comment goes on where it began', async () => {
  for (const [comments, options, first] of [[range(90, 90), {}, '90'], [[], {}, '0'], [[], { history: 20 }, '0']]) {
    sources = [];
    answers = [ok({ comments, nextCursor: null })];
    const r = room();
    r.connect(options);
    await settle();
    answers = [ok({ comments: range(91, 91), nextCursor: null })];
    sources[0].onopen();
    sources[0].fail(2);
    await flush(8000);
    assert.deepEqual(sources.map((s) => s.url.searchParams.get('lastEventId')), [first, first]);
    r.close();
  }
});

test('a stream is live when it brings something, or stays; not when it is put off', async () => {
  const r = room();
  const states = [];
  r.on('state', ({ state }) => states.push(state));
  r.connect();
  await settle();
  for (let i = 0; i < 3; i++) {
    sources[0].onopen();
    await flush(500);
    sources[0].fail(0);
  }
  assert.deepEqual(states, ['connecting', 'reconnecting']);
  sources[0].onopen();
  await flush(1500);
  assert.equal(states.at(-1), 'live');
  sources[0].fail(0);
  sources[0].onopen();
  sources[0].tell('viewers', { viewers: 1 });
  assert.deepEqual(states, ['connecting', 'reconnecting', 'live', 'reconnecting', 'live']);
  r.close();
});

test('what will not change by trying again ends it, and says why', async () => {
  for (const [status, kind] of [[400, 'malformed'], [401, 'unauthorized'], [403, 'forbidden'], [404, 'not-found']]) {
    const r = room();
    const states = [];
    r.on('state', (detail) => states.push(detail));
    answers = [ok({ comments: [], nextCursor: null })];
    r.connect();
    await settle();
    answers = [refuse(status, kind)];
    sources.at(-1).fail(2);
    await settle();
    assert.equal(states.at(-1).state, 'refused');
    assert.equal(states.at(-1).problem.kind, kind);
    const opened = sources.length;
    await flush(120_000);
    assert.equal(sources.length, opened);
  }
});

test('a token that is given by a function is asked for anew', async () => {
  let n = 0;
  const r = room({ token: async () => `t${++n}` });
  r.connect();
  await settle();
  assert.equal(sources[0].url.searchParams.get('token'), 't2', 't1 was for the look where to begin');
  sources[0].fail(2);
  await flush(5000);
  assert.equal(sources[1].url.searchParams.get('token'), 't4', 't3 was for the look why');
});

test('a gap is filled before anything after it is told, each comment once', async () => {
  const page = (from, to, nextCursor) => ok({ comments: range(from, to), nextCursor });
  answers = [page(9, 9, null), page(11, 20, '20'), lost, page(21, 25, null)];
  const r = room();
  const told = [];
  r.on('comment', (c) => told.push(`${c.id}${c.filled ? 'f' : ''}`));
  r.on('delete', ({ id }) => told.push(`-${id}`));
  r.on('gap', (gap) => told.push(gap));
  r.connect();
  await settle();
  const [stream] = sources;
  stream.tell('comment', { id: '10' });
  stream.tell('gap', { after: '10', before: '23' });
  stream.tell('comment', { id: '23' });
  stream.tell('delete', { id: '12' });
  await flush(5000);
  assert.deepEqual(told, [
    '10', ...range(11, 20).map((c) => `${c.id}f`), '21f', '22f',
    { after: '10', before: '23', filled: true }, '23', '-12',
  ]);
  assert.deepEqual(calls.slice(1).map((c) => c.query.since), ['10', '20', '20']);
  stream.tell('comment', { id: '23' });
  assert.equal(told.at(-1), '-12', 'nothing is told twice');
});

test('a gap that is too wide is told as it is, from where it was filled to', async () => {
  answers = [({ query }) => Response.json({ comments: range(Number(query.since) + 1, Number(query.since) + 100), nextCursor: 'more' })];
  const r = room();
  const gaps = [];
  let comments = 0;
  r.on('gap', (gap) => gaps.push(gap));
  r.on('comment', () => comments++);
  r.connect();
  await settle();
  sources[0].tell('gap', { after: '10', before: '900000' });
  sources[0].tell('comment', { id: '900000' });
  await flush(1000);
  assert.deepEqual(gaps, [{ after: '3010', before: '900000', filled: false }]);
  assert.equal(comments, 3001);
});

test('history is read page by page, as far as it is wanted', async () => {
  answers = [ok({ comments: range(1, 2), nextCursor: 'c1' }), ok({ comments: range(3, 4), nextCursor: null })];
  const ids = [];
  for await (const { id } of room().history({ sort: 'asc', pageSize: 2 })) ids.push(id);
  assert.deepEqual(ids, ['1', '2', '3', '4']);
  assert.deepEqual(calls.map((c) => c.query), [{ pageSize: '2', sort: 'asc' }, { pageSize: '2', sort: 'asc', cursor: 'c1' }]);
});

test('names and ids can’t lead a call astray', async () => {
  answers = [() => new Response(null, { status: 204 })];
  const r = new Barrage({ base: BASE }).room('a/../b?c');
  await r.unmute('x/../../y?z#w');
  await r.delete('../1');
  assert.deepEqual(calls.map((c) => c.path), ['/live/videos/a%2F..%2Fb%3Fc/mutes/x%2F..%2F..%2Fy%3Fz%23w', '/live/comments/a%2F..%2Fb%3Fc/..%2F1']);
});

test('without EventSource and WebSocket it polls', async () => {
  delete globalThis.EventSource;
  const socket = globalThis.WebSocket;
  delete globalThis.WebSocket;
  try {
    const news = [ok({ comments: range(8, 9), nextCursor: null }), ok({ liveVideoId: 'r', state: 'live', viewers: 3, reactions: { like: 1 } })];
    const newest = ok({ comments: [{ id: '7' }, { id: '6' }], nextCursor: 'x' });
    answers = [newest, newest, ({ path }) => news[path.includes('/videos/') ? 1 : 0](), ({ path }) => news[path.includes('/videos/') ? 1 : 0](), () => new Promise(() => {})];
    const r = room();
    const told = [];
    r.on('comment', ({ id }) => told.push(id));
    r.on('viewers', ({ viewers }) => told.push(`${viewers} watch`));
    r.connect({ history: 1 });
    for (let i = 0; i < 20; i++) await settle();
    assert.deepEqual(told.filter((t) => !t.endsWith('watch')), ['7', '8', '9']);
    assert.ok(told.includes('3 watch'));
    assert.deepEqual(calls.filter((c) => c.query.wait).map((c) => c.query), [
      { since: '7', wait: '25', pageSize: '100' },
      { since: '9', wait: '25', pageSize: '100' },
    ]);
    r.close();
  } finally {
    globalThis.WebSocket = socket;
  }
});

function range(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ id: String(from + i) }));
}

// Lets what is under way go on.
function settle() {
  return new Promise((done) => setImmediate(done));
}

// Lets time pass, in small steps.
async function flush(ms) {
  for (let passed = 0; passed < ms; passed += 100) {
    mock.timers.tick(100);
    await settle();
  }
}
