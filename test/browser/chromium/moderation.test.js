// What moderators and admins can do, and what others see of it.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { closePages, endsWith, launch, say, seenAt, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;
let browser;
let ann;
let moderator;
let admin;

before(async () => {
  server = await Server.start('moderation:\n  links: hold\n');
  browser = await launch();
  ann = await Guest.join(server.base, 'Ann');
  moderator = await Guest.appoint(server, 'Mo', 'moderator');
  admin = await Guest.appoint(server, 'Ada', 'admin');
});

afterEach(() => closePages(browser));

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the tools are there for whom the token gives a role, and for nobody else', async () => {
  const { id } = await ann.post('roles', 'hello');
  const tools = async (as) => {
    const page = await visit(browser, server.base, 'roles', { as });
    await page.waitForSelector(`.row[data-id="${id}"]`);
    if (as !== ann) await page.waitForSelector('#desk', { state: 'visible' });
    const seen = { desk: await page.isVisible('#desk'), more: await page.locator('.row .more').count(), end: await page.isVisible('.end') };
    if (seen.more) {
      await page.locator('.row').hover();
      await page.click('.row .more');
      seen.pin = (await page.locator('#menu .item').first().textContent()).startsWith('Pin');
    }
    return seen;
  };
  assert.deepEqual(await tools(ann), { desk: false, more: 0, end: false });
  assert.deepEqual(await tools(moderator), { desk: true, more: 1, end: false, pin: false });
  assert.deepEqual(await tools(admin), { desk: true, more: 1, end: true, pin: true });
});

test('a moderator deletes somebody’s comment', async () => {
  await ann.post('deleted', 'rude');
  const mosPage = await visit(browser, server.base, 'deleted', { as: moderator });
  const annsPage = await visit(browser, server.base, 'deleted', { as: ann });
  await mosPage.locator('.row').hover();
  for (let press = 0; press < 2; press++) await mosPage.click('.row .remove');
  for (const page of [mosPage, annsPage]) await page.waitForFunction(() => !document.querySelector('.row'));
});

test('a muted user is told until when, and can write again once unmuted', async () => {
  const bob = await Guest.join(server.base, 'Bob');
  await bob.post('muted', 'noise');
  const mosPage = await visit(browser, server.base, 'muted', { as: moderator });
  const bobsPage = await visit(browser, server.base, 'muted', { as: bob });
  await choose(mosPage, 'Mute for 10 minutes');
  await bobsPage.waitForFunction(() => document.querySelector('#message').placeholder.startsWith('Muted until'));
  await bobsPage.fill('#message', 'more noise');
  assert.ok(await bobsPage.isDisabled('.post'));
  assert.match(await mosPage.textContent('#composer-note'), /Bob is muted/);
  const later = await visit(browser, server.base, 'muted', { as: bob });
  await later.waitForSelector('#composer.muted');

  await choose(mosPage, 'Unmute');
  await bobsPage.waitForSelector('#composer:not(.muted)');
  await say(bobsPage, 'sorry');
  await endsWith(mosPage, 'sorry');

  await choose(mosPage, 'Mute for good');
  await bobsPage.waitForFunction(() => document.querySelector('#message').placeholder === 'You are muted here');
});

test('a pinned comment is seen by all, those that come later too, until it is unpinned', async () => {
  await ann.post('pinned', 'The rules: be kind');
  const adasPage = await visit(browser, server.base, 'pinned', { as: admin });
  const annsPage = await visit(browser, server.base, 'pinned', { as: ann });
  await choose(adasPage, 'Pin for everybody');
  const later = await visit(browser, server.base, 'pinned');
  for (const page of [adasPage, annsPage, later]) {
    await page.waitForSelector('#pinned', { state: 'visible' });
    assert.equal(await page.textContent('#pinned .text'), 'The rules: be kind');
    assert.equal(await page.textContent('#pinned .name'), 'Ann');
  }
  assert.ok(await annsPage.isHidden('.unpin'));
  await adasPage.click('.unpin');
  for (const page of [adasPage, annsPage, later]) await page.waitForSelector('#pinned', { state: 'hidden' });
});

test('in slow mode the box counts down, but not for moderators', async () => {
  const adasPage = await visit(browser, server.base, 'slow', { as: admin });
  const annsPage = await visit(browser, server.base, 'slow', { as: ann });
  await adasPage.selectOption('#desk select', '30');
  await annsPage.waitForFunction(() => document.querySelector('.rule').textContent === 'Slow mode: one comment every 30 s');
  await say(annsPage, 'one');
  await endsWith(annsPage, 'one');
  await annsPage.fill('#message', 'two');
  await annsPage.waitForFunction(() => /^(2\d|30) s$/.test(document.querySelector('.post').textContent));
  assert.ok(await annsPage.isDisabled('.post'));
  const first = await annsPage.textContent('.post');
  await annsPage.waitForFunction((was) => document.querySelector('.post').textContent !== was, first);
  for (const words of ['a', 'b']) {
    await say(adasPage, words);
    await endsWith(adasPage, words);
  }
  // Another page of hers does not know yet that she has to wait.
  const again = await visit(browser, server.base, 'slow', { as: ann });
  await say(again, 'two');
  await again.waitForFunction(() => /Slow mode is on/.test(document.querySelector('#composer-note').textContent));
  assert.equal(await again.inputValue('#message'), 'two');
  assert.match(await again.textContent('.post'), /^\d+ s$/);

  await adasPage.selectOption('#desk select', '0');
  await annsPage.waitForFunction(() => document.querySelector('.post').textContent === 'Post');
  await annsPage.press('#message', 'Enter');
  await endsWith(annsPage, 'two');
});

test('an admin ends a video, and opens it again', async () => {
  const adasPage = await visit(browser, server.base, 'ended', { as: admin });
  const annsPage = await visit(browser, server.base, 'ended', { as: ann });
  await adasPage.click('.end');
  assert.equal(await adasPage.textContent('.end'), 'Really end?');
  await adasPage.click('.end');
  for (const page of [adasPage, annsPage]) {
    await page.waitForSelector('#state[data-state=ended]');
    assert.equal(await page.getAttribute('#message', 'placeholder'), 'This live video has ended');
    assert.ok(await page.locator('.reaction').first().isDisabled());
  }
  const later = await visit(browser, server.base, 'ended', { live: false });
  await later.waitForSelector('#state[data-state=ended]');
  for (let press = 0; press < 2; press++) await adasPage.click('.end');
  for (const page of [adasPage, annsPage, later]) await page.waitForSelector('#state[data-state=live]');
  await say(annsPage, 'and on it goes');
  await endsWith(later, 'and on it goes');
});

test('a held comment waits: its author sees that, nobody else sees it, a moderator decides', async () => {
  const bob = await Guest.join(server.base, 'Bob');
  const annsPage = await visit(browser, server.base, 'held', { as: ann });
  const bobsPage = await visit(browser, server.base, 'held', { as: bob });
  const mosPage = await visit(browser, server.base, 'held', { as: moderator });
  for (const words of ['see http://one.example', 'see http://two.example', 'see http://three.example']) {
    await say(annsPage, words);
    await seenAt(annsPage, 'list', words);
  }
  assert.equal(await annsPage.locator('.row.held .badge', { hasText: 'Waiting for approval' }).count(), 3);
  await mosPage.waitForFunction(() => document.querySelector('.open-queue .badge').textContent === '3');
  assert.equal(await bobsPage.locator('.row').count(), 0);
  await annsPage.reload();
  await annsPage.waitForFunction(() => document.querySelectorAll('.row.held').length === 3, null, { timeout: 10_000 });

  await mosPage.click('.open-queue');
  assert.equal(await mosPage.locator('#queue .row .text').first().textContent(), 'see http://one.example');
  await mosPage.locator('#queue .approve').first().click();
  for (const page of [annsPage, bobsPage]) {
    await page.waitForFunction(() => document.querySelector('.row:not(.held) .text')?.textContent === 'see http://one.example');
  }
  await annsPage.waitForFunction(() => document.querySelectorAll('.row.held').length === 2);
  await mosPage.locator('#queue .reject').first().click();
  await annsPage.waitForFunction(() => document.querySelectorAll('.row.held').length === 1);
  assert.match(await annsPage.textContent('#composer-note'), /did not let your comment through/);
  await mosPage.waitForFunction(() => document.querySelector('.open-queue .badge').textContent === '1');

  // One who comes later finds what waits.
  const adasPage = await visit(browser, server.base, 'held', { as: admin });
  await adasPage.waitForFunction(() => document.querySelector('.open-queue .badge').textContent === '1');
  await adasPage.click('.open-queue');
  await adasPage.locator('#queue .reject').click();
  for (const page of [mosPage, adasPage]) await page.waitForSelector('#queue .when-none', { state: 'visible' });
  assert.deepEqual([...annsPage.problems, ...bobsPage.problems, ...mosPage.problems, ...adasPage.problems], []);
});

test('the note about a held comment goes when it is approved', async () => {
  const annsPage = await visit(browser, server.base, 'approved', { as: ann });
  const mosPage = await visit(browser, server.base, 'approved', { as: moderator });
  const note = (text) => annsPage.waitForFunction((want) => document.querySelector('#composer-note').textContent === want, text);
  for (const words of ['see http://one.example', 'see http://two.example']) {
    await say(annsPage, words);
    await seenAt(annsPage, 'list', words);
  }
  await note('A moderator will look at your comment first.');
  await mosPage.waitForFunction(() => document.querySelector('.open-queue .badge').textContent === '2');
  await mosPage.click('.open-queue');
  await mosPage.locator('#queue .approve').first().click();
  await annsPage.waitForFunction(() => document.querySelectorAll('.row.held').length === 1);
  assert.equal(await annsPage.textContent('#composer-note'), 'A moderator will look at your comment first.');
  await mosPage.locator('#queue .approve').first().click();
  await note('');
});

test('the menu is used with the keyboard, and gives the focus back', async () => {
  await ann.post('menu', 'hello');
  const page = await visit(browser, server.base, 'menu', { as: admin });
  await page.focus('.row .more');
  await page.keyboard.press('Enter');
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  assert.equal(await focused(), 'Pin for everybody');
  await page.keyboard.press('ArrowUp');
  assert.equal(await focused(), 'Unmute');
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#menu'));
  assert.equal(await page.evaluate(() => document.activeElement.className), 'tool more');
});

// Opens the menu of the first comment and chooses from it.
async function choose(page, item) {
  await page.locator('#rows .row').first().hover();
  await page.locator('#rows .row .more').first().click();
  await page.locator('#menu .item', { hasText: item }).click();
}
