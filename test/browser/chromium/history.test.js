// The list: back through history, and its place kept meanwhile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, visit } from '../lib/browser.js';
import { crowd, Guest, history, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

const SEEDED = 300;
const ROWS_AT_MOST = 400;
const LINES = ['Short.', 'A line that is a little longer than others are.', 'Two\nlines', '很长的一句话'.repeat(12)];

let server;
let browser;
let guests;

before(async () => {
  server = await Server.start();
  browser = await launch();
  guests = await crowd(server.base, 15);
  await seed(guests, 'long', SEEDED, (i) => `${i}: ${LINES[i % LINES.length]}`);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('older pages come in, and new comments too, without a jump', async (t) => {
  const page = await visit(browser, server.base, 'long');
  const moved = [];

  // Held back, so that the place is measured before and after each page.
  let release = [];
  await page.route(/cursor=/, async (route) => {
    await new Promise((done) => release.push(done));
    await route.continue();
  });
  for (let pages = 0; pages < 2; pages++) {
    await scrollTo(page, 30);
    for (let waits = 0; release.length === 0; waits++) {
      assert.ok(waits < 400, 'the next page has been asked for');
      await page.waitForTimeout(50);
    }
    await page.waitForTimeout(150); // and nothing moves until it is there
    const before = await anchor(page);
    release.splice(0).forEach((done) => done());
    await page.waitForFunction((id) => document.querySelector('.row').dataset.id !== id, before.first);
    moved.push(await shift(page, before));
  }

  const before = await anchor(page);
  await seed(guests, 'long', 5, (i) => `new ${i}`);
  await page.waitForFunction(() => document.querySelector('#newest').textContent.startsWith('5 new comments'));
  moved.push(await shift(page, before));
  t.diagnostic(`the first row in view moved by ${moved.map((px) => px.toFixed(2)).join(', ')} px`);
  for (const px of moved) assert.ok(Math.abs(px) < 2, `jumped by ${px} px`);

  await page.click('#newest');
  await page.waitForFunction(() => [...document.querySelectorAll('.row .text')].at(-1).textContent === 'new 4');
  assert.ok(await atBottom(page));
  assert.ok(await page.isHidden('#newest'));
  assert.deepEqual(page.problems, []);
});

test('scrolling back reaches the first comment: all, once, in order, in a bounded DOM', async (t) => {
  const page = await visit(browser, server.base, 'long');
  const told = (await history(server.base, 'long')).map((c) => c.id);
  const met = new Set();
  let most = 0;
  for (let i = 0; i < 200; i++) {
    const ids = await page.$$eval('.row', (all) => all.map((row) => row.dataset.id));
    const at = told.indexOf(ids[0]);
    assert.deepEqual(ids, told.slice(at, at + ids.length), 'the rows are a piece of the history');
    ids.forEach((id) => met.add(id));
    most = Math.max(most, ids.length);
    if (ids[0] === told[0] && (await page.$eval('#scroller', (s) => s.scrollTop)) === 0) break;
    await page.mouse.move(1000, 300);
    await page.mouse.wheel(0, -1500);
    await page.waitForTimeout(40);
  }
  assert.equal(met.size, told.length);
  assert.ok(await page.isVisible('.when-start'));
  t.diagnostic(`${met.size} comments, at most ${most} rows at a time`);
  assert.ok(most <= ROWS_AT_MOST);

  for (let i = 0; i < 200 && !(await atBottom(page)); i++) {
    await page.mouse.wheel(0, 1500);
    await page.waitForTimeout(40);
  }
  assert.equal(await page.$$eval('.row', (all) => all.at(-1).dataset.id), told.at(-1), 'and forth again');
});

test('the list follows the newest comment while it is at the bottom', async () => {
  const page = await visit(browser, server.base, 'long');
  for (let i = 0; i < 3; i++) {
    await seed(guests, 'long', 4, (n) => `following ${i}.${n}\n`.repeat(2));
    await page.waitForFunction((m) => [...document.querySelectorAll('.row .text')].at(-1).textContent.startsWith(m), `following ${i}.3`);
    assert.ok(await atBottom(page));
  }
});

// A browser tells of a scroll a frame late: here at the moment when the pinned
// comment has taken its place, and before the list could make up for it.
test('what takes room above the list leaves it at its end', async () => {
  const admin = await Guest.appoint(server, 'Ada', 'admin');
  const page = await visit(browser, server.base, 'long');
  await page.evaluate(() => {
    const scroller = document.querySelector('#scroller');
    const late = () => scroller.dispatchEvent(new Event('scroll'));
    new MutationObserver(late).observe(document.querySelector('#pinned'), { attributes: true });
  });
  const { comments } = await admin.call('GET', 'comments/long?pageSize=1');
  await admin.call('PUT', 'videos/long', { pinnedCommentId: comments[0].id });
  await page.waitForSelector('#pinned', { state: 'visible' });
  await page.waitForFunction(() => {
    const s = document.querySelector('#scroller');
    return s.scrollHeight - s.scrollTop - s.clientHeight < 2;
  });
  assert.ok(await page.isHidden('#newest'));

  await page.hover('#scroller');
  await page.mouse.wheel(0, -300);
  await page.waitForSelector('#newest', { state: 'visible' });
  await admin.call('PUT', 'videos/long', { pinnedCommentId: null });
  await page.waitForSelector('#pinned', { state: 'hidden' });
  assert.ok(!(await atBottom(page)), 'who has scrolled up stays there');
});

// The first row in view, where it stands, and the first row there is.
function anchor(page) {
  return page.$eval('#scroller', (scroller) => {
    const top = scroller.getBoundingClientRect().top;
    const all = [...document.querySelectorAll('.row')];
    const row = all.find((r) => r.getBoundingClientRect().bottom > top);
    return { id: row.dataset.id, top: row.getBoundingClientRect().top, first: all[0].dataset.id };
  });
}

async function shift(page, { id, top }) {
  return (await page.$eval(`.row[data-id="${id}"]`, (row) => row.getBoundingClientRect().top)) - top;
}

function scrollTo(page, px) {
  return page.$eval('#scroller', (scroller, y) => (scroller.scrollTop = y), px);
}

function atBottom(page) {
  return page.$eval('#scroller', (s) => s.scrollHeight - s.scrollTop - s.clientHeight < 2);
}
