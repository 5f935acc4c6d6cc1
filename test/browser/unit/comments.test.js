// The page's model of a room, without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Comments } from '../../../httpedge/web/assets/comments.js';
import { compareIds, newer } from '../../../httpedge/web/assets/barrage/ids.js';

const ids = (comments) => comments.items.map((c) => c.id);
const make = (...all) => all.map((id) => ({ id }));

test('ids that a Number would round are told apart', () => {
  assert.ok(compareIds('9223372036854775806', '9223372036854775807') < 0);
  assert.ok(compareIds('9', '10') < 0);
  assert.equal(compareIds('18446744073709551615', '18446744073709551615'), 0);
  assert.equal(newer('', '7'), '7');
  assert.equal(newer('100', '99'), '100');
});

test('comments are kept in order and once, whichever way they come', () => {
  const comments = new Comments();
  comments.add(make('5', '20', '100'));
  assert.deepEqual(comments.add(make('20', '7', '101', '5', '6')), make('7', '101', '6'));
  assert.deepEqual(ids(comments), ['5', '6', '7', '20', '100', '101']);
  assert.equal(comments.oldestId, '5');
  assert.equal(comments.newestId, '101');
});

test('a deleted comment does not come back with a page that was on its way', () => {
  const comments = new Comments();
  comments.add(make('1', '2', '3'));
  assert.ok(comments.remove('2'));
  assert.ok(!comments.remove('9'));
  comments.add(make('2', '9', '10'));
  assert.deepEqual(ids(comments), ['1', '3', '10']);
});

test('what was dropped can be added again', () => {
  const comments = new Comments();
  comments.add(make('1', '2', '3', '4'));
  comments.dropBefore('3');
  assert.deepEqual(ids(comments), ['3', '4']);
  comments.add(make('1', '2'));
  assert.deepEqual(ids(comments), ['1', '2', '3', '4']);
});
