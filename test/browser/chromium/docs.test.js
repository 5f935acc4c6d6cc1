// The example in docs/javascript.md, as a page of another site.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { launch } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

const DOCS = new URL('../../../docs/javascript.md', import.meta.url);

let server;
let browser;
let site;
let example;

before(async () => {
  site = http.createServer((_, response) => response.setHeader('Content-Type', 'text/html; charset=utf-8').end(example));
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  server = await Server.start(`http:\n  cors_origins: http://127.0.0.1:${site.address().port}\n`);
  example = /```html\n(.*?)```/s.exec(await readFile(DOCS, 'utf8'))[1].replaceAll('http://127.0.0.1:8080', server.base);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  site?.closeAllConnections();
  site?.close();
});

test('comments are shown, posted and deleted from another origin', async () => {
  const bob = await Guest.join(server.base, 'Bob');
  await bob.post('demo', 'before');
  const page = await browser.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && !message.text().includes('favicon') && problems.push(message.text()));
  await page.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  const shows = (words) => page.waitForFunction((w) => JSON.stringify([...document.querySelectorAll('li')].map((li) => li.textContent)) === JSON.stringify(w), words);
  await shows(['Bob: before']);
  await page.fill('[name=message]', 'Hello <b>弹幕</b>');
  await page.click('button');
  await shows(['Bob: before', 'Ann: Hello <b>弹幕</b>']);
  const { id } = await bob.post('demo', 'a mistake');
  await shows(['Bob: before', 'Ann: Hello <b>弹幕</b>', 'Bob: a mistake']);
  await bob.remove('demo', id);
  await shows(['Bob: before', 'Ann: Hello <b>弹幕</b>']);
  await page.fill('[name=message]', ' ');
  await page.click('button');
  await page.waitForFunction(() => document.querySelector('output').value !== '');
  assert.deepEqual(problems.filter((p) => !p.includes('status of 400')), []);
});
