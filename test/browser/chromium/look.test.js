// How the page looks: no width too small, dark and light, still where motion is unwelcome.
// Screenshots go to the folder BROWSER_OUT; without it they are not kept.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { closePages, launch, seenAt, visit } from '../lib/browser.js';
import { Guest, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

const NAMES = ['Mina', '老王', 'Jörg', 'عمر', 'Aiko さくら', 'Priya', 'Tomás', '林小雨'];
const WORDS = [
  '前方高能预警',
  'The light on the ridge, wow',
  '哈哈哈哈哈哈',
  'مرحبا من القاهرة',
  'Wait for it…',
  '山の色がきれい',
  'Greetings from Lisbon',
  '第一次看直播',
  'is that the moon or a lamp?',
  'What lens is this? It looks so soft at the horizon, and still sharp in the foreground.',
  'שלום לכולם',
  '弹幕护体',
  'OneVeryLongWordWithoutAnyBreak'.repeat(4),
  'So calm tonight',
];
const SCREENS = [
  { name: 'desktop-dark', colorScheme: 'dark', viewport: { width: 1360, height: 820 } },
  { name: 'desktop-light', colorScheme: 'light', viewport: { width: 1360, height: 820 } },
  { name: 'phone-dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 },
  { name: 'phone-light', colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2 },
  { name: 'phone-on-its-side', colorScheme: 'dark', viewport: { width: 740, height: 360 } },
];

let server;
let browser;
let guests;
let folder;

before(async () => {
  server = await Server.start();
  browser = await launch();
  guests = await Promise.all(NAMES.map((name) => Guest.join(server.base, name)));
  folder = process.env.BROWSER_OUT ?? (await mkdtemp(path.join(os.tmpdir(), 'barrage-look-')));
  await mkdir(folder, { recursive: true });
});

afterEach(() => closePages(browser));

after(async () => {
  await browser?.close();
  await server?.stop();
  if (folder && !process.env.BROWSER_OUT) await rm(folder, { recursive: true });
});

for (const { name, ...screen } of SCREENS) {
  test(`${name}: everything fits, nothing scrolls sideways`, async (t) => {
    const page = await visit(browser, server.base, name, { as: guests[0], ...screen });
    for (let i = 0; i < 2 * WORDS.length; i++) {
      await guests[(i * 5) % guests.length].post(name, WORDS[i % WORDS.length]);
      await page.waitForTimeout(100);
    }
    const { width, height } = screen.viewport;
    const wide = await page.evaluate(() =>
      [document.documentElement, document.body, document.querySelector('#scroller')].map((e) => e.scrollWidth - e.clientWidth),
    );
    assert.deepEqual(wide, [0, 0, 0]);
    for (const part of ['#room-name', '#state', '#stage-toggle', '.screen', '#scroller', '#message', '.post', '#who']) {
      const box = await page.locator(part).boundingBox();
      assert.ok(box && box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height, `${part} is in view`);
    }
    const file = path.join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    if (process.env.BROWSER_OUT) t.diagnostic(file);
    assert.deepEqual(page.problems, []);
  });
}

test('dark and light follow the system', async () => {
  const ground = async (colorScheme) => {
    const page = await visit(browser, server.base, 'scheme', { colorScheme });
    return page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);
  };
  assert.ok((await ground('dark')) < 60);
  assert.ok((await ground('light')) > 200);
});

test('comments stand still where motion is unwelcome', async () => {
  const page = await visit(browser, server.base, 'still', { reducedMotion: 'reduce' });
  // They go after some seconds, which may be too soon for a busy machine to look twice.
  for (let round = 0, stayed = 0; stayed < 3; round++) {
    assert.ok(round < 5, 'comments stay for a while');
    await seed(guests, 'still', 3, (i) => `calm ${round}.${i}`);
    await seenAt(page, 'stage', `calm ${round}.2`);
    const [first, second] = await page.evaluate(async () => {
      const places = () => [...document.querySelectorAll('.flyer[data-lane]')].map((f) => [f.dataset.id, f.dataset.lane, f.getBoundingClientRect().left]);
      const before = places();
      await new Promise((done) => setTimeout(done, 500));
      return [before, places()];
    });
    const there = new Set(second.map(([id]) => id));
    const still = first.filter(([id]) => there.has(id));
    const before = new Set(first.map(([id]) => id));
    assert.deepEqual(second.filter(([id]) => before.has(id)), still);
    assert.equal(new Set(first.map(([, lane]) => lane)).size, first.length, 'each in a lane of its own');
    stayed = still.length;
  }
});

test('the stage can be hidden, which is remembered', async () => {
  const page = await visit(browser, server.base, 'hidden', { as: guests[1] });
  await page.click('#stage-toggle');
  assert.ok(await page.isHidden('.screen'));
  await page.reload();
  assert.ok(await page.isHidden('.screen'));
  await guests[0].post('hidden', 'nobody flies');
  await seenAt(page, 'list', 'nobody flies');
  assert.equal(await page.locator('.flyer[data-id]').count(), 0);
  await page.click('#stage-toggle');
  await guests[0].post('hidden', 'somebody flies');
  await seenAt(page, 'stage', 'somebody flies');
});
