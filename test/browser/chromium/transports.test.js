// The JavaScript client in a browser, as a site would import it: the same events
// over each of its transports.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, visit } from '../lib/browser.js';
import { Guest } from '../lib/people.js';
import { Server } from '../lib/server.js';

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const transport of ['sse', 'websocket', 'poll']) {
  test(`${transport}: history, then live, resumed over kill -9`, async () => {
    const ann = await Guest.join(server.base, 'Ann');
    const video = `by-${transport}`;
    for (let i = 0; i < 4; i++) await ann.post(video, `old ${i}`);
    const page = await visit(browser, server.base, 'elsewhere');
    await page.evaluate(listen, [video, transport]);
    await told(page, ['old 2', 'old 3']);
    await ann.post(video, 'live');
    await told(page, ['old 2', 'old 3', 'live']);
    await page.waitForFunction(() => window.viewers !== undefined);
    await server.kill();
    await page.waitForFunction(() => window.room.state === 'reconnecting');
    await server.resume();
    await ann.post(video, 'again');
    await told(page, ['old 2', 'old 3', 'live', 'again']);
    assert.deepEqual(page.problems, []);
  });
}

// Runs in a page.
async function listen([video, transport]) {
  const { Barrage } = await import('/assets/barrage.js');
  const room = (window.room = new Barrage().room(video));
  window.told = [];
  room.on('comment', ({ message }) => window.told.push(message));
  room.on('viewers', ({ viewers }) => (window.viewers = viewers));
  room.connect({ history: 2, transport });
}

function told(page, messages) {
  return page.waitForFunction((wanted) => JSON.stringify(window.told) === JSON.stringify(wanted), messages);
}
