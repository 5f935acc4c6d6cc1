// Threads: replies, their number, and the way there and back by keyboard.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { closePages, launch, say, visit } from '../lib/browser.js';
import { Guest, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
});

afterEach(() => closePages(browser));

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('a reply is seen in the thread, in the list, and as a number at the first comment', async () => {
  const [ann, bob] = [await Guest.join(server.base, 'Ann'), await Guest.join(server.base, 'Bob')];
  const first = await ann.post('talk', 'Which lens is this?');
  const annsPage = await visit(browser, server.base, 'talk', { as: ann });
  const bobsPage = await visit(browser, server.base, 'talk', { as: bob });

  await row(bobsPage, first.id).hover();
  await row(bobsPage, first.id).locator('.reply').click();
  await bobsPage.waitForSelector('#thread .row');
  assert.equal(await bobsPage.textContent('.replying .to'), 'Ann');
  await say(bobsPage, 'The old 85 mm');
  await inThread(bobsPage, ['Which lens is this?', 'The old 85 mm']);

  await row(annsPage, first.id).locator('.replies', { hasText: '1 reply' }).click();
  await inThread(annsPage, ['Which lens is this?', 'The old 85 mm']);
  await say(annsPage, 'Thank you');
  for (const page of [annsPage, bobsPage]) await inThread(page, ['Which lens is this?', 'The old 85 mm', 'Thank you']);

  await annsPage.click('#thread .back');
  assert.ok(await annsPage.isHidden('#thread'));
  assert.ok(await annsPage.isHidden('.replying'), 'the next comment is no reply');
  const replies = annsPage.locator('#rows .row', { hasText: 'The old 85 mm' });
  assert.match(await replies.locator('.answers').textContent(), /Ann: Which lens is this\?/);
  assert.equal(await row(annsPage, first.id).locator('.replies').textContent(), '2 replies');
  const later = await visit(browser, server.base, 'talk');
  assert.equal(await row(later, first.id).locator('.replies').textContent(), '2 replies');
  assert.deepEqual([...annsPage.problems, ...bobsPage.problems], []);
});

test('a reply to a reply is in the same thread, and a deleted one is gone from it', async () => {
  const ann = await Guest.join(server.base, 'Ann');
  const first = await ann.post('deep', 'first');
  const reply = await ann.post('deep', 'second', first.id);
  const page = await visit(browser, server.base, 'deep', { as: ann });
  await row(page, reply.id).locator('.answers').click();
  await inThread(page, ['first', 'second']);
  await say(page, 'third');
  await inThread(page, ['first', 'second', 'third']);
  await ann.remove('deep', reply.id);
  await inThread(page, ['first', 'third']);
  await ann.remove('deep', first.id);
  await page.waitForSelector('#thread', { state: 'hidden' });
});

test('a long thread is read page by page', async () => {
  const guests = await Promise.all([1, 2, 3, 4].map((n) => Guest.join(server.base, `Guest ${n}`)));
  const first = await guests[0].post('long', 'first');
  for (let i = 0; i < 60; i++) await guests[i % 4].post('long', `reply ${i}`, first.id);
  const page = await visit(browser, server.base, 'long');
  await page.locator('.answers').last().click();
  await page.click('.more-replies');
  await page.waitForFunction(() => document.querySelectorAll('#thread .row').length === 61);
  assert.ok(await page.isHidden('.more-replies'));
});

test('rows and threads can be used with the keyboard alone', async () => {
  const ann = await Guest.join(server.base, 'Ann');
  await seed([ann], 'keys', 3, (i) => `comment ${i}`);
  const page = await visit(browser, server.base, 'keys', { as: ann });
  const focused = () => page.evaluate(() => document.activeElement.closest('.row')?.querySelector('.text').textContent ?? document.activeElement.id);
  const label = () => page.evaluate(() => document.activeElement.ariaLabel ?? '');
  await page.focus('#scroller');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'comment 2', 'one row can be reached');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'comment 1');
  await page.keyboard.press('Tab');
  assert.match(await label(), /^Like the comment of Ann/);
  await page.keyboard.press('Tab');
  assert.match(await label(), /^Reply to the comment of Ann/);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'message');
  await page.keyboard.type('a reply');
  await page.keyboard.press('Enter');
  await inThread(page, ['comment 1', 'a reply']);
  await page.focus('#thread .back');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#thread'));
  assert.equal(await focused(), 'comment 1', 'back where it was');
});

function row(page, id) {
  return page.locator(`#rows .row[data-id="${id}"]`);
}

function inThread(page, messages) {
  return page.waitForFunction(
    (wanted) => JSON.stringify([...document.querySelectorAll('#thread .row .text')].map((p) => p.textContent)) === JSON.stringify(wanted),
    messages,
  );
}
