import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIRST_MS, LONGEST_MS, pause } from '../../../web/backoff.js';

const soonest = () => 0;
const latest = () => 1;

test('waits double up to the longest, and half of each is chance', () => {
  for (let failures = 0; failures < 2_000; failures += 1) {
    const due = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
    assert.equal(pause(failures, 0, soonest), due / 2);
    assert.equal(pause(failures, 0, latest), due);
  }
});

test('a server that goes down gets the time it asks for, within reason', () => {
  assert.ok(pause(0, 3, soonest) >= 3_000);
  assert.ok(pause(0, 3, latest) > pause(0, 3, soonest) + 1_000);
  assert.ok(pause(50, 1e9, latest) <= 2 * LONGEST_MS + LONGEST_MS / 2);
});
