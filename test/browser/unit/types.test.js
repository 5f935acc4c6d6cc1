// The client's types: what its comments say is what its code does.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));

test('the type checker has nothing to say about the client and its use', () => {
  const { status, stdout } = spawnSync('node_modules/.bin/tsc', ['-p', '.'], { cwd: FOLDER, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
