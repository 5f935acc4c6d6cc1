// The page in Firefox, driven over WebDriver BiDi: what browsers do differently,
// which is the event stream and scrolling.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { crowd, history, seed } from '../lib/people.js';
import { executable } from '../lib/executable.js';
import { Server } from '../lib/server.js';

let server;
let browser;
let guests;

before(async () => {
  server = await Server.start();
  const executablePath = executable('FIREFOX', ['firefox-esr', 'firefox']);
  browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: 60_000 });
  guests = await crowd(server.base, 10);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('two pages see a comment posted by keyboard, and its deletion', async () => {
  const [ann, bob] = [await visit('two'), await visit('two')];
  await ann.focus('#message');
  await ann.keyboard.type('Hello 弹幕');
  await ann.keyboard.press('Enter');
  await ann.waitForSelector('#join[open]');
  await ann.keyboard.type('Ann');
  await ann.keyboard.press('Enter');
  for (const page of [ann, bob]) {
    await endsWith(page, 'Hello 弹幕');
    await page.waitForFunction(() => document.hidden || document.querySelector('.flyer[data-id]')?.textContent === 'Hello 弹幕');
  }
  assert.equal(await bob.evaluate(() => document.hidden), false, 'one of them was seen flying');
  for (let press = 0; press < 2; press++) await ann.$eval('.remove', (button) => button.click());
  for (const page of [ann, bob]) await page.waitForFunction(() => !document.querySelector('.row, .flyer[data-id]'));
});

test('after kill -9 the page catches up: nothing missing, nothing twice, in order', async () => {
  const page = await visit('phoenix');
  for (let round = 0; round < 2; round++) {
    await seed(guests, 'phoenix', 10, (i) => `before ${round}.${i}`);
    await endsWith(page, `before ${round}.9`);
    await server.kill();
    await page.waitForSelector('#state[data-state=reconnecting]');
    await server.resume();
    await seed(guests, 'phoenix', 10, (i) => `again ${round}.${i}`);
    await page.waitForSelector('#state[data-state=live]');
    await endsWith(page, `again ${round}.9`);
  }
  const told = (await history(server.base, 'phoenix')).map((c) => c.id);
  assert.equal(told.length, 40);
  assert.deepEqual(await page.$$eval('.row', (all) => all.map((row) => row.dataset.id)), told);
});

test('older pages come in without a jump', async (t) => {
  await seed(guests, 'long', 200, (i) => `${i} ${'很长的一句话'.repeat(i % 9)}`);
  const page = await visit('long');
  const moved = await page.evaluate(async () => {
    const scroller = document.querySelector('#scroller');
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const inView = () => {
      const { top } = scroller.getBoundingClientRect();
      return [...document.querySelectorAll('.row')].find((row) => row.getBoundingClientRect().bottom > top);
    };
    const moved = [];
    for (let i = 0; i < 300 && scroller.scrollTop > 0; i++) {
      scroller.scrollTop -= 120;
      const row = inView();
      const before = row.getBoundingClientRect().top;
      for (let wait = 0; wait < 3; wait++) await frame();
      moved.push(Math.abs(row.getBoundingClientRect().top - before));
    }
    return moved;
  });
  assert.ok(moved.length > 50);
  t.diagnostic(`${moved.length} steps up; a row moved by at most ${Math.max(...moved).toFixed(2)} px between them`);
  assert.ok(Math.max(...moved) < 2);
  assert.equal(await page.$eval('.row .text', (p) => p.textContent), '0');
});

// Another visitor.
async function visit(video) {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.goto(`${server.base}/?video=${video}`);
  await page.waitForSelector('#state[data-state=live]');
  return page;
}

function endsWith(page, message) {
  return page.waitForFunction((m) => [...document.querySelectorAll('.row .text')].at(-1)?.textContent === m, {}, message);
}
