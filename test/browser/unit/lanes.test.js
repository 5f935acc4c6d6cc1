// The rule of the stage: in a lane, no two comments touch, whatever their
// widths and speeds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GAP, Lanes } from '../../../httpedge/web/assets/lanes.js';

const STAGE = 800; // px
const random = seeded(20260729);

test('no two comments in a lane come closer than the gap', () => {
  const lanes = new Lanes();
  lanes.resize(5, STAGE);
  const flights = [];
  for (let now = 0; now < 600_000; now += random() * 120) {
    const width = 20 + random() * 600;
    const speed = ((STAGE + width) / 9000) * (0.5 + 1.5 * random());
    const lane = lanes.take(now, width, speed);
    if (lane >= 0) flights.push({ lane, from: now, width, speed });
  }
  assert.ok(flights.length > 200);
  let closest = Infinity;
  for (const lane of [0, 1, 2, 3, 4]) {
    const inLane = flights.filter((f) => f.lane === lane);
    for (let i = 1; i < inLane.length; i++) closest = Math.min(closest, distance(inLane[i - 1], inLane[i]));
  }
  assert.ok(closest >= GAP - 1e-6, `${closest} px`);
});

test('a free lane is taken, a full stage refuses', () => {
  const lanes = new Lanes();
  lanes.resize(3, STAGE);
  const taken = [1, 2, 3].map(() => lanes.take(0, 100, 0.1));
  assert.deepEqual([...taken].sort(), [0, 1, 2]);
  assert.equal(lanes.take(0, 100, 0.1), -1);
  assert.equal(lanes.open(0), 0);
  assert.equal(lanes.open((100 + GAP) / 0.1), 3);
  assert.ok(lanes.take((100 + GAP) / 0.1, 100, 0.1) >= 0);
});

test('a stage that stood still keeps its promises', () => {
  const lanes = new Lanes();
  lanes.resize(1, STAGE);
  lanes.take(0, 100, 0.1);
  lanes.shift(5000);
  assert.equal(lanes.take(5000 + (100 + GAP) / 0.1 - 1, 100, 0.1), -1);
  assert.equal(lanes.take(5000 + (100 + GAP) / 0.1, 100, 0.1), 0);
});

// The least distance while both are on the stage: it is linear in time, so the
// least is at one of the two ends.
function distance(first, second) {
  const leaves = first.from + (STAGE + first.width) / first.speed;
  const at = (time) => STAGE - (time - second.from) * second.speed - (STAGE + first.width - (time - first.from) * first.speed);
  return second.from >= leaves ? Infinity : Math.min(at(second.from), at(leaves));
}

function seeded(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
