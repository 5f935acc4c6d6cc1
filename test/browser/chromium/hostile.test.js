// Hostile words in every field that reaches the page: they are shown as they are,
// and nothing of them runs. The server would refuse some of them; here the page
// has only itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, say, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

const ATTACKS = [
  '<img src=x onerror="window.owned=1">',
  '<script>window.owned=1</script>',
  '"><svg onload=window.owned=1>',
  "';window.owned=1;//",
  'javascript:window.owned=1',
  '</p></li><style>*{display:none}</style><iframe srcdoc="<script>parent.owned=1</script>">',
  '{{constructor.constructor("window.owned=1")()}}${window.owned=1}',
];

let server;
let browser;
let admin;

before(async () => {
  server = await Server.start();
  browser = await launch();
  admin = await Guest.appoint(server, 'Ada', 'admin');
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// What shows each field, where the page is answered with the attack, and where
// it is told the attack on the stream. One page shows them all: a browser
// starts few pages in a second.
const ANSWERED = {
  message: '.row[data-id="5"] .text',
  userName: '.row[data-id="5"] .name',
  userId: '.row[data-id="4"] .name',
  'reaction type of a comment': '.row[data-id="5"] .mark .face',
  'answered message': '.row[data-id="6"] .answers',
  'reaction type': '.reaction .face',
  'pinned message': '#pinned .text',
  'pinned name': '#pinned .name',
  'held message': '#queue .text',
  'held name': '#queue .name',
  'held reason': '#queue .badge',
};
const LISTED = { liveVideoId: '.video-name', 'reaction type in the lobby': '.video .most span' };
const TOLD = {
  message: '.row[data-id="5"] .text',
  'pinned message': '#pinned .text',
  'pinned name': '#pinned .name',
  'held message': '#queue .text',
};

for (const attack of ATTACKS) {
  test(`shown as text, and nothing runs: ${attack}`, async () => {
    const hostile = { userName: attack, message: attack, reactions: { [attack]: 3 } };
    const page = await opened({
      comments: [comment({ id: '6', parentId: '5' }), comment(hostile), comment({ id: '4', userId: attack, userName: undefined })],
      video: { reactionTypes: [attack], reactions: { [attack]: 3 }, pinnedCommentId: '5' },
      one: comment(hostile),
      held: [comment({ ...hostile, id: '7', reason: attack, held: true })],
      videos: [
        { liveVideoId: attack, state: 'live', viewers: 1, comments: 1, reactions: { [attack]: 3 } },
        { liveVideoId: 'v', state: attack, viewers: attack, comments: attack, reactions: {} },
      ],
    });
    await shows(page, ANSWERED, attack);
    await unharmed(page);
    await page.click('#lobby-open');
    await shows(page, LISTED, attack);
    assert.deepEqual(await page.locator('.video-state').allTextContents(), ['Live', 'Live']);
    await unharmed(page);
    await page.context().close();
  });

  test(`shown as text, and nothing runs, when it is told: ${attack}`, async () => {
    const hostile = { userName: attack, message: attack };
    const page = await opened({
      events: [
        [null, comment(hostile)],
        ['pin', { commentId: '5', comment: comment(hostile) }],
        ['held', { comment: comment({ ...hostile, id: '7', held: true }) }],
      ],
    });
    await shows(page, TOLD, attack);
    await unharmed(page);
    await page.context().close();
  });
}

async function opened(answers) {
  const page = await visit(browser, server.base, 'hostile', { as: admin, live: false, prepare: (page) => fake(page, answers) });
  await page.waitForFunction(() => document.querySelector('#older').dataset.state !== 'loading');
  await page.waitForSelector('#desk', { state: 'visible' });
  return page;
}

// The attack stands where each of the fields is shown; an answered message is
// shown shortened, on one line.
async function shows(page, fields, attack) {
  for (const [field, shown] of Object.entries(fields)) {
    const handle = await page.waitForFunction((selector) => document.querySelector(selector)?.textContent, shown);
    const words = await handle.jsonValue();
    const expected = field === 'answered message' ? attack.replace(/\s+/g, ' ').slice(0, 20) : attack;
    assert.ok(words.includes(expected), `${field}: ${words} should be ${expected}`);
  }
}

test('what is refused is explained in words, too', async () => {
  const page = await visit(browser, server.base, 'refusal', { as: admin });
  let attack;
  await page.route('**/comments/refusal', (route) =>
    route.fulfill({ status: 400, contentType: 'application/problem+json', body: JSON.stringify({ status: 400, type: attack, title: attack, detail: attack }) }),
  );
  for (attack of ATTACKS) {
    await say(page, 'please');
    await page.waitForFunction((a) => document.querySelector('#composer-note').textContent.includes(a), attack);
    await unharmed(page);
  }
  await page.context().close();
});

test('a link of the lobby leads to a room of this page, whatever its name is', async () => {
  const names = ['javascript:window.owned=1', '//evil.example/', 'https://evil.example/', '?video=x&token=y', '../..', 'data:text/html,x'];
  const videos = names.map((liveVideoId) => ({ liveVideoId, state: 'live', viewers: 1, comments: 1, reactions: {} }));
  const page = await visit(browser, server.base, 'links', { prepare: (page) => fake(page, { videos }), live: false });
  await page.click('#lobby-open');
  await page.waitForSelector('.video');
  for (const href of await page.$$eval('.video', (all) => all.map((a) => a.href))) {
    const url = new URL(href);
    assert.equal(url.origin + url.pathname, `${server.base}/`);
    assert.deepEqual([...url.searchParams.keys()], ['video']);
  }
});

function comment(more) {
  return { id: '5', liveVideoId: 'hostile', userId: 'u', userName: 'U', message: 'm', createdAt: '2026-01-01T00:00:00.000Z', ...more };
}

// A page whose server answers and tells what is given here.
async function fake(page, { comments = [], video = {}, one, held = [], videos = [], events = [] }) {
  const json = (body) => (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(body) });
  const state = { liveVideoId: 'hostile', state: 'live', viewers: 1, comments: 1, reactions: {}, reactionTypes: ['like'], you: { userId: 'a', role: 'admin', muted: false } };
  await page.route(/\/comments\/\w+(\?|$)/, json({ comments, nextCursor: null }));
  await page.route(/\/comments\/\w+\/5$/, json(one));
  await page.route(/\/videos\/\w+$/, json({ ...state, ...video }));
  await page.route(/\/videos\/\w+\/held$/, json({ comments: held }));
  await page.route(/\/videos(\?|$)/, json({ videos, nextCursor: null }));
  const told = events.map(([name, data]) => `${name ? `event: ${name}\n` : 'id: 5\n'}data: ${JSON.stringify(data)}\n\n`).join('');
  await page.route(/\/stream\?/, (route) => route.fulfill({ contentType: 'text/event-stream', body: `retry: 600000\n\n${told}` }));
}

async function unharmed(page) {
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator('.chat :is(img, script, style, iframe, svg), .flyer *, .float *, .lobby :is(img, script, style, iframe, svg)').count(), 0);
  assert.deepEqual(await page.evaluate(() => window.seen.violations), []);
  assert.deepEqual(page.problems, []);
}
