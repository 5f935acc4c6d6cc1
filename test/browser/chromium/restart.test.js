// The server dies and comes back.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { endsWith, isLive, launch, rows, say, visit } from '../lib/browser.js';
import { crowd, Guest, history, seed } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;
let browser;
let guests;

before(async () => {
  server = await Server.start();
  browser = await launch();
  guests = await crowd(server.base, 4);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('after kill -9 both pages catch up: nothing missing, nothing twice, in order', async () => {
  const ann = await visit(browser, server.base, 'phoenix', { as: await Guest.join(server.base, 'Ann') });
  const bob = await visit(browser, server.base, 'phoenix');
  await seed(guests, 'phoenix', 20, (i) => `before ${i}`);
  for (const page of [ann, bob]) await endsWith(page, 'before 19');

  await server.kill();
  for (const page of [ann, bob]) await page.waitForSelector('#state[data-state=reconnecting]');
  await ann.fill('#message', 'written while it was down');
  await ann.press('#message', 'Enter');
  await ann.waitForSelector('#composer-note[data-kind=wait]:not(:empty)');

  // Bob stays away while others go on.
  await bob.context().setOffline(true);
  await server.resume();
  await endsWith(ann, 'written while it was down');
  await seed(guests, 'phoenix', 40, (i) => `meanwhile ${i}`);
  await bob.context().setOffline(false);
  for (const page of [ann, bob]) {
    await isLive(page);
    await endsWith(page, 'meanwhile 39');
  }
  await say(ann, 'after');
  for (const page of [ann, bob]) await endsWith(page, 'after');

  const told = (await history(server.base, 'phoenix')).map(({ id, message }) => ({ id, message }));
  assert.equal(told.length, 62);
  for (const page of [ann, bob]) {
    assert.deepEqual(await rows(page), told);
    assert.deepEqual(page.problems, []);
  }
});

test('a comment deleted while a page was away is gone when it is back', async () => {
  const page = await visit(browser, server.base, 'away');
  const [first] = await seed(guests, 'away', 3, (i) => `kept ${i}`);
  await endsWith(page, 'kept 2');
  await page.context().setOffline(true);
  await server.kill();
  await page.waitForSelector('#state[data-state=reconnecting]');
  await server.resume();
  await guests[0].remove('away', first.id);
  await page.context().setOffline(false);
  await page.waitForFunction(() => document.querySelectorAll('.row').length === 2);
});

test('a page opened while the server is down fills itself when it is up', async () => {
  await seed(guests, 'early', 3, (i) => `early ${i}`);
  const page = await visit(browser, server.base, 'early');
  await page.route('**/comments/early?*', (route) => route.abort());
  await page.reload();
  await page.waitForSelector('#state[data-state=reconnecting]');
  await page.unroute('**/comments/early?*');
  await isLive(page);
  await endsWith(page, 'early 2');
  assert.equal((await rows(page)).length, 3);
});
