// The program under test: started on a free loopback port with a data folder of
// its own, killed by its pid, everything removed afterwards.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';

const BINARY = process.env.BARRAGE_BIN ?? fileURLToPath(new URL('../../../bin/barrage', import.meta.url));
const READY_MS = 20_000;
const FIRST_PORT = 10_100;
const PORTS = 1_900;
const STARTS = 5; // tries, if another took the port
const LOG_KEPT = 20_000; // characters, shown when a start fails

// BARRAGE_… variables are settings of the program; the tests give their own.
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BARRAGE_')));

const CONFIG = `auth:
  guest: true
`;

export class Server {
  #folder;
  #process = null;
  #log = '';

  // settings: more of the configuration file (YAML).
  static async start(settings = '') {
    if (!existsSync(BINARY)) throw new Error(`no program at ${BINARY}: build it, or set BARRAGE_BIN`);
    const server = new Server();
    server.#folder = await mkdtemp(path.join(os.tmpdir(), 'barrage-browser-'));
    await writeFile(path.join(server.#folder, 'config.yaml'), CONFIG + settings);
    for (let tries = 1; ; tries++) {
      server.port = await freePort();
      server.base = `http://127.0.0.1:${server.port}`;
      try {
        await server.resume();
        return server;
      } catch (error) {
        if (tries < STARTS && error.message.includes('address already in use')) continue;
        await server.stop();
        throw error;
      }
    }
  }

  // Starts the program again on the same port and data.
  async resume() {
    const [data, config] = ['data', 'config.yaml'].map((name) => path.join(this.#folder, name));
    const args = ['serve', '--http', `127.0.0.1:${this.port}`, '--data', data, '--config', config];
    this.#process = spawn(BINARY, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => (this.#log = (this.#log + chunk).slice(-LOG_KEPT));
    this.#process.stdout.on('data', keep);
    this.#process.stderr.on('data', keep);
    for (const deadline = Date.now() + READY_MS; ; await pause(30)) {
      const ready = await this.#ready();
      const gone = this.#process.exitCode ?? this.#process.signalCode;
      if (gone === null && ready) return; // else another has the port
      if (gone === null && Date.now() < deadline) continue;
      await this.kill();
      throw new Error(`the program ${gone === null ? 'is not ready' : `ended (${gone})`}:\n${this.#log}`);
    }
  }

  // The key that tokens are signed with.
  async secret() {
    return (await readFile(path.join(this.#folder, 'data', 'jwt-secret'), 'utf8')).trim();
  }

  // kill -9, and wait until the process is gone.
  async kill() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  async stop() {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #ready() {
    return fetch(`${this.base}/readyz`).then((r) => r.ok, () => false);
  }
}

// Tries ports until one is free. They are below those that Linux gives to
// outgoing connections, so that a program which is started again finds its own
// still free, beside those of the tests in Go, and none that Chromium refuses.
async function freePort() {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const free = await new Promise((done) => {
      const probe = net.createServer();
      probe.once('error', () => done(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
    });
    if (free) return port;
  }
}
