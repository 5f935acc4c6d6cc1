// Reactions to the video and to a comment.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { closePages, launch, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

const CLICKS = 12;

let server;
let browser;

before(async () => {
  server = await Server.start('reactions:\n  types: like,fire,🎉\n');
  browser = await launch();
});

afterEach(() => closePages(browser));

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('many clicks are few calls; everybody sees the number, and something rise', async () => {
  const ann = await visit(browser, server.base, 'party', { as: await Guest.join(server.base, 'Ann') });
  const bob = await visit(browser, server.base, 'party', { as: await Guest.join(server.base, 'Bob') });
  assert.deepEqual(await ann.locator('.reaction .face').allTextContents(), ['👍', '🔥', '🎉'], 'those that the server has');
  const calls = [];
  ann.on('request', (request) => request.url().endsWith('/reactions') && calls.push(request.postDataJSON()));
  await bob.evaluate(countFloats);
  const fire = ann.locator('.reaction', { hasText: '🔥' });
  // All in the page: Playwright's own may be further apart than those that are gathered.
  await fire.evaluate((button, n) => { while (n--) button.click(); }, CLICKS);
  for (const page of [ann, bob]) await shows(page, '🔥', String(CLICKS));
  await bob.waitForFunction(() => window.risen.includes('🔥'));
  await ann.waitForTimeout(1500); // a report more: the number stays what it is
  assert.equal(await fire.locator('.number').textContent(), String(CLICKS));
  assert.equal(calls.reduce((sum, { count }) => sum + count, 0), CLICKS);
  assert.ok(calls.length <= CLICKS / 2, `${calls.length} calls`);
  const later = await visit(browser, server.base, 'party');
  await shows(later, '🔥', String(CLICKS));
  assert.equal(await later.locator('.float').count(), 0, 'what was before one came does not rise');
  assert.deepEqual([...ann.problems, ...bob.problems], []);
});

test('a comment that is liked says so to everybody', async () => {
  const guest = await Guest.join(server.base, 'Ann');
  const { id } = await guest.post('liked', 'like me');
  const ann = await visit(browser, server.base, 'liked', { as: guest });
  const bob = await visit(browser, server.base, 'liked', { as: await Guest.join(server.base, 'Bob') });
  await bob.locator(`.row[data-id="${id}"]`).hover();
  await bob.locator(`.row[data-id="${id}"] .like`).click();
  for (const page of [ann, bob]) await page.waitForFunction(() => document.querySelector('.row .mark')?.textContent === '👍 1');
  await ann.locator('.row .mark').click();
  for (const page of [ann, bob]) await page.waitForFunction(() => document.querySelector('.row .mark').textContent === '👍 2');
  const later = await visit(browser, server.base, 'liked');
  assert.equal(await later.textContent('.row .mark'), '👍 2');
});

test('who has no name is asked for one, and nothing is counted if they would not', async () => {
  const page = await visit(browser, server.base, 'nobody');
  const like = page.locator('.reaction').first();
  await like.click();
  await page.waitForSelector('#join[open]');
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('.reaction .number').textContent === '');
  assert.deepEqual(page.problems, []);
});

test('nothing rises where motion is unwelcome, but it is counted', async () => {
  const page = await visit(browser, server.base, 'calm', { as: await Guest.join(server.base, 'Ann'), reducedMotion: 'reduce' });
  await page.evaluate(countFloats);
  await page.locator('.reaction').first().click();
  await shows(page, '👍', '1');
  assert.deepEqual(await page.evaluate(() => window.risen), []);
});

function shows(page, face, number) {
  return page.waitForFunction(
    ([f, n]) => [...document.querySelectorAll('.reaction')].some((b) => b.querySelector('.face').textContent === f && b.querySelector('.number').textContent === n),
    [face, number],
  );
}

// Runs in the page: notes what rises.
function countFloats() {
  window.risen = [];
  new MutationObserver((records) => {
    for (const { addedNodes } of records) for (const node of addedNodes) window.risen.push(node.textContent);
  }).observe(document.querySelector('#floats'), { childList: true });
}
