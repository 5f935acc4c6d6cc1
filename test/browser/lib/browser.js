// Chromium, and pages that note when a comment appears on them.

import { chromium } from 'playwright-core';
import { executable } from './executable.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function launch() {
  const executablePath = executable('CHROMIUM', ['chromium', 'chromium-browser', 'google-chrome']);
  return chromium.launch({ executablePath, args: FLAGS });
}

// Opens a room in a browser context of its own: another visitor. `as` is a
// Guest whose session is already in the browser, or nobody; prepare(page) is
// called before it is loaded.
export async function visit(browser, base, video, { as, live = true, prepare, ...context } = {}) {
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 760 }, ...context })).newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    // A server that is down, or refuses, is reported as a failed resource.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) page.problems.push(message.text());
  });
  if (as) {
    const { token, userId, name } = as;
    await page.addInitScript((kept) => localStorage.setItem('barrage.session', kept), JSON.stringify({ token, userId, name }));
  }
  await page.addInitScript(watch);
  await prepare?.(page);
  await page.goto(`${base}/?video=${video}`);
  if (live) await isLive(page);
  return page;
}

// Closes what a test has opened, so that its pages do not slow the next one.
export function closePages(browser) {
  return Promise.all(browser.contexts().map((context) => context.close()));
}

export function isLive(page) {
  return page.waitForSelector('#state[data-state=live]');
}

// Runs in the page before its own scripts. Times are milliseconds since 1970,
// to compare them between pages.
function watch() {
  const now = () => performance.timeOrigin + performance.now();
  const seen = (window.seen = { list: {}, stage: {}, pressed: 0, violations: [] });
  addEventListener('keydown', (event) => event.key === 'Enter' && (seen.pressed = now()), true);
  addEventListener('securitypolicyviolation', (event) => seen.violations.push(event.violatedDirective));
  new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records) {
      if (type === 'attributes' && target.dataset.id && target.classList.contains('flyer')) {
        seen.stage[target.textContent] ??= now();
      }
      for (const node of addedNodes) {
        if (node.classList?.contains('row')) seen.list[node.querySelector('.text').textContent] ??= now();
      }
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: ['data-id'] });
}

// When `message` appeared in 'list' or on 'stage', waiting for it.
export async function seenAt(page, where, message) {
  const handle = await page.waitForFunction(([w, m]) => window.seen[w][m], [where, message]);
  return handle.jsonValue();
}

// Ids and words of the rows in the list, top to bottom.
export function rows(page) {
  return page.$$eval('.row', (all) => all.map((row) => ({ id: row.dataset.id, message: row.querySelector('.text').textContent })));
}

// Waits until the list ends with this comment.
export function endsWith(page, message) {
  return page.waitForFunction((m) => [...document.querySelectorAll('.row .text')].at(-1)?.textContent === m, message);
}

// Types and presses Enter.
export async function say(page, message) {
  await page.fill('#message', message);
  await page.press('#message', 'Enter');
}

export function median(numbers) {
  return quantile(numbers, 0.5);
}

export function quantile(numbers, q) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
