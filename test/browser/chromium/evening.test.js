// A whole evening: an admin and two viewers, from the first comment to the end.
// Screenshots go to the folder BROWSER_OUT, if there is one.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, say, seenAt, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

const VIDEO = 'evening';

let server;
let browser;

before(async () => {
  server = await Server.start('moderation:\n  links: hold\n');
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('an evening from the first comment to the end', async () => {
  const enter = async (guest) => visit(browser, server.base, VIDEO, { as: guest });
  const adas = await enter(await Guest.appoint(server, 'Ada', 'admin'));
  const anns = await enter(await Guest.join(server.base, 'Ann'));
  const bobs = await enter(await Guest.join(server.base, 'Bob'));
  const all = { ada: adas, ann: anns, bob: bobs };
  const pages = Object.values(all);
  let shots = 0;
  const show = async (what) => {
    shots++;
    if (!process.env.BROWSER_OUT) return;
    for (const [name, page] of Object.entries(all)) {
      await page.screenshot({ path: path.join(process.env.BROWSER_OUT, `evening-${shots}-${what}-${name}.png`) });
    }
  };
  const endsWith = (page, words) =>
    page.waitForFunction((w) => [...document.querySelectorAll('#rows .row .text')].at(-1)?.textContent === w, words);
  const everybody = (check, arg) => Promise.all(pages.map((page) => page.waitForFunction(check, arg)));
  const row = (page, words) => page.locator('#rows .row', { hasText: words }).first(); // answers quote it
  const choose = async (page, words, item) => {
    await row(page, words).hover();
    await row(page, words).locator('.more').click();
    await page.locator('#menu .item', { hasText: item }).click();
  };

  // They post, answer and like.
  await say(anns, 'Good evening, 弹幕!');
  await Promise.all(pages.map((page) => endsWith(page, 'Good evening, 弹幕!')));
  await row(bobs, 'Good evening').hover();
  await row(bobs, 'Good evening').locator('.reply').click();
  await bobs.waitForSelector('#thread .row');
  await say(bobs, 'Good evening, Ann');
  await bobs.click('#thread .back');
  await row(anns, 'Good evening, 弹幕!').locator('.replies', { hasText: '1 reply' }).waitFor();
  await row(bobs, 'Good evening, 弹幕!').hover();
  await row(bobs, 'Good evening, 弹幕!').locator('.like').click();
  await everybody(() => [...document.querySelectorAll('.row .mark')].some((mark) => mark.textContent === '👍 1'));
  await bobs.locator('.reaction').first().click();
  await show('reactions');

  // Bob goes too far: his comment is deleted, and he is muted for a while.
  await say(bobs, 'something rude');
  await Promise.all(pages.map((page) => endsWith(page, 'something rude')));
  await choose(adas, 'something rude', 'Mute for 10 minutes');
  await bobs.waitForFunction(() => document.querySelector('#message').placeholder.startsWith('Muted until'));
  await show('muted');
  await choose(adas, 'something rude', 'Unmute');
  await bobs.waitForSelector('#composer:not(.muted)');
  await row(adas, 'something rude').hover();
  for (let press = 0; press < 2; press++) await row(adas, 'something rude').locator('.remove').click();
  await everybody(() => ![...document.querySelectorAll('.row .text')].some((text) => text.textContent === 'something rude'));

  // Rules: a pinned comment, slow mode, links that wait.
  await say(adas, 'Be kind tonight');
  await Promise.all(pages.map((page) => endsWith(page, 'Be kind tonight')));
  await choose(adas, 'Be kind tonight', 'Pin for everybody');
  await everybody(() => document.querySelector('#pinned .text')?.textContent === 'Be kind tonight');
  await adas.selectOption('#desk select', '30');
  await anns.waitForFunction(() => document.querySelector('.rule').textContent.startsWith('Slow mode'));
  await say(bobs, 'sorry'); // too soon
  await bobs.waitForFunction(() => /^\d+ s$/.test(document.querySelector('.post').textContent));
  await show('slow');
  await adas.selectOption('#desk select', '0');
  await bobs.waitForFunction(() => document.querySelector('.post').textContent === 'Post');
  await bobs.press('#message', 'Enter');
  await endsWith(anns, 'sorry');
  await say(anns, 'see http://photos.example');
  await seenAt(anns, 'list', 'see http://photos.example');
  await adas.waitForFunction(() => document.querySelector('.open-queue .badge').textContent === '1');
  assert.equal(await bobs.locator('.row', { hasText: 'photos' }).count(), 0, 'what waits is not seen by others');
  await adas.click('.open-queue');
  await show('held');
  await adas.locator('#queue .approve').click();
  await endsWith(bobs, 'see http://photos.example');

  // And it ends.
  await adas.click('.open-queue');
  for (let press = 0; press < 2; press++) await adas.click('.end');
  for (const page of pages) {
    await page.waitForSelector('#state[data-state=ended]');
    assert.equal(await page.getAttribute('#message', 'placeholder'), 'This live video has ended');
  }
  await show('ended');
  assert.deepEqual(pages.flatMap((page) => page.problems), []);
});
