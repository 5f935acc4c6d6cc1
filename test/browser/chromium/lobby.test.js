// The lobby: which rooms there are, and the way there.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { closePages, launch, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
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

test('rooms are listed with what goes on in them, and chosen', async () => {
  const ann = await Guest.join(server.base, 'Ann');
  const admin = await Guest.appoint(server, 'Ada', 'admin');
  for (let i = 0; i < 3; i++) await ann.post('busy', `comment ${i}`);
  await ann.post('quiet', 'hello');
  await ann.post('over', 'bye');
  await admin.call('PUT', 'videos/over', { state: 'ended' });
  await ann.call('POST', 'comments/busy/reactions', { type: 'fire', count: 7 }, 202);

  const page = await visit(browser, server.base, 'quiet', { as: ann });
  await page.focus('#lobby-open');
  await page.keyboard.press('Enter');
  await page.selectOption('#lobby [name=sort]', 'comments');
  await names(page, ['busy', 'quiet']);
  const busy = page.locator('.video').first();
  await page.waitForFunction(() => /3 comments/.test(document.querySelector('.video .facts').textContent));
  assert.match(await busy.textContent(), /🔥 7/);
  assert.equal(await page.locator('.video[aria-current=page] .video-name').textContent(), 'quiet');

  await page.selectOption('#lobby [name=state]', 'ended');
  await names(page, ['over']);
  assert.equal(await page.textContent('.video-state'), 'Ended');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'lobby-open');

  await page.click('#lobby-open');
  await page.selectOption('#lobby [name=state]', 'all');
  await page.locator('.video', { hasText: 'busy' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.row').length === 3);
  assert.equal(await page.inputValue('#room-name'), 'busy');
  assert.deepEqual(page.problems, []);
});

test('many rooms come page by page', async () => {
  const guests = await Promise.all([1, 2, 3].map((n) => Guest.join(server.base, `Guest ${n}`)));
  for (let i = 0; i < 40; i++) await guests[i % 3].post(`many-${String(i).padStart(2, '0')}`, 'hello');
  const page = await visit(browser, server.base, 'many-00');
  await page.click('#lobby-open');
  await page.selectOption('#lobby [name=sort]', 'id');
  await page.click('#lobby .more');
  await page.waitForFunction(() => [...document.querySelectorAll('.video-name')].some((e) => e.textContent === 'many-39'));
  const all = await page.locator('.video-name').allTextContents();
  assert.deepEqual(all, [...new Set(all)].sort());
});

function names(page, wanted) {
  return page.waitForFunction(
    (w) => JSON.stringify([...document.querySelectorAll('.video-name')].map((e) => e.textContent)) === JSON.stringify(w),
    wanted,
  );
}
