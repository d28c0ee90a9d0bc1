import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ASK_LONGEST_MS, askPause, FIRST_MS, HIDDEN_FACTOR, LONGEST_MS, LOST_MS, pause,
} from '../../../web/backoff.js';

const soonest = { random: () => 0 };
const latest = { random: () => 1 };
/** How many attempts of an address fail2ban's filter takes for an attack, in a minute. */
const JAIL_ATTEMPTS = 10;

test('waits grow up to the longest, and half of each is chance', () => {
  assert.equal(pause(0, soonest), LOST_MS / 2);
  assert.equal(pause(0, latest), LOST_MS);
  let before = LOST_MS;
  for (let failures = 1; failures < 2_000; failures += 1) {
    const due = pause(failures, latest);
    assert.ok(due >= before && due >= FIRST_MS && due <= LONGEST_MS);
    assert.equal(pause(failures, soonest), due / 2);
    before = due;
  }
  assert.equal(before, LONGEST_MS);
});

test('three pages that are rejected together stay below what looks like an attack', () => {
  for (const first of [0, 1]) {
    let attempts = 0;
    for (let time = 0, failures = first; time < 60_000; failures += 1) {
      attempts += first === 0 && failures === 0 ? 0 : 1;
      time += pause(failures, soonest);
    }
    assert.ok(3 * attempts < JAIL_ATTEMPTS, `${attempts} attempts of one page`);
  }
});

test('a hidden page has more time', () => {
  for (let failures = 0; failures < 9; failures += 1) {
    assert.equal(pause(failures, { ...latest, hidden: true }),
      HIDDEN_FACTOR * pause(failures, latest));
  }
});

test('a server that goes down gets the time it asks for, within reason', () => {
  const asking = (askedSeconds, chance) => pause(0, { ...chance, askedSeconds });
  assert.ok(asking(3, soonest) >= 3_000);
  assert.ok(asking(3, latest) > asking(3, soonest) + 1_000);
  assert.ok(asking(1e9, latest) <= 3 * LONGEST_MS);
});

test('what was refused is asked for less and less often', () => {
  assert.ok(askPause(0) <= 2_000);
  assert.ok(askPause(100) <= ASK_LONGEST_MS && askPause(100) >= ASK_LONGEST_MS / 2);
});
