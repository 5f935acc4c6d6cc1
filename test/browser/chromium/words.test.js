// Comments are words: never markup, never lost, never twice.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { closePages, endsWith, launch, rows, say, seenAt, visit } from '../lib/browser.js';
import { Guest, history } from '../lib/people.js';
import { Server } from '../lib/server.js';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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

test('markup stays text, and the page keeps to its content security policy', async () => {
  const page = await visit(browser, server.base, 'markup', { as: await Guest.join(server.base, '<b onclick=alert(1)>Eve</b>') });
  const attacks = ['<img src=x onerror="document.title=\'owned\'">', '<script>document.title="owned"</script>', '</p><style>*{display:none}</style>'];
  for (const attack of attacks) {
    await say(page, attack);
    for (const where of ['list', 'stage']) await seenAt(page, where, attack);
    await endsWith(page, attack);
  }
  assert.equal(await page.title(), 'markup · Barrage 弹幕');
  assert.equal(await page.locator('.row :is(img, script, style, b), .flyer *').count(), 0);
  assert.deepEqual(await page.evaluate(() => window.seen.violations), []);
  assert.deepEqual(page.problems, []);

  const response = await fetch(`${server.base}/`);
  assert.equal(response.headers.get('content-security-policy'), POLICY);
});

test('all of Unicode arrives as it was written', async () => {
  const page = await visit(browser, server.base, 'unicode', { as: await Guest.join(server.base, '👩‍🚀 عمر') });
  for (const words of ['弹幕护体', 'שלום עולם', '👩‍👩‍👧‍👦🏳️‍🌈🇵🇹', 'Z̷̢͝a̸͠l̶̈́g̵o', 'a\nb\tc', '\u202Edrawkcab\u202C', '𝒳'.repeat(500)]) {
    await say(page, words);
    await endsWith(page, words);
  }
  const rtl = page.locator('.row .text', { hasText: 'שלום' });
  assert.equal(await rtl.evaluate((p) => getComputedStyle(p).direction), 'rtl');
  assert.deepEqual(page.problems, []);
});

test('500 code points fit, 501 do not, and the words stay in the box', async () => {
  const page = await visit(browser, server.base, 'limit', { as: await Guest.join(server.base, 'Ann') });
  await say(page, '🎈'.repeat(501));
  assert.match(await page.textContent('#composer-note'), /^1 characters? too many/);
  assert.equal(await page.textContent('.count'), '501 / 500');
  assert.equal([...(await page.inputValue('#message'))].length, 501);
  await page.press('#message', 'End');
  await page.press('#message', 'Backspace');
  await page.press('#message', 'Enter');
  await endsWith(page, '🎈'.repeat(500));
});

test('a post whose answer was lost is sent again and shows once', async () => {
  const page = await visit(browser, server.base, 'retry', { as: await Guest.join(server.base, 'Ann') });
  const keys = [];
  await page.route('**/comments/retry', async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 1) return route.continue();
    await route.fetch();
    await route.abort('connectionreset');
  });
  await say(page, 'only once');
  await page.waitForFunction(() => document.querySelector('#message').value === '');
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.equal((await rows(page)).length, 1);
  assert.equal((await history(server.base, 'retry')).length, 1);
});

const refusals = [
  [400, {}, /did not accept/],
  [403, {}, /not allowed/],
  [413, {}, /too large/],
  [429, { 'Retry-After': '7' }, /again in 7 s/],
  [409, {}, /has ended/],
];
for (const [status, headers, said] of refusals) {
  test(`a refusal with ${status} is explained, and the words stay in the box`, async () => {
    const page = await visit(browser, server.base, 'refused', { as: await Guest.join(server.base, 'Ann') });
    await page.route('**/comments/refused', (route) =>
      route.fulfill({ status, headers, contentType: 'application/problem+json', body: JSON.stringify({ status, title: 'no', detail: 'why not' }) }),
    );
    await say(page, 'please');
    await page.waitForSelector('#composer-note:not(:empty)');
    assert.match(await page.textContent('#composer-note'), said);
    assert.equal(await page.inputValue('#message'), 'please');
    assert.deepEqual(page.problems, []);
  });
}

test('without guests the page takes a token instead', async () => {
  const page = await visit(browser, server.base, 'token');
  await page.route('**/guest', (route) => route.fulfill({ status: 404, contentType: 'application/problem+json', body: '{}' }));
  const { token } = await Guest.join(server.base, 'Tess');
  await say(page, 'with a token');
  await page.keyboard.type('Tess');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#join.with-token');
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await endsWith(page, 'with a token');
  assert.equal(await page.locator('.remove').count(), 1, 'the comment is known as one’s own');
});
