import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fold, FOLD_PEOPLE_MAX } from '../../../web/fold.js';
import { told } from '../support/protocol.js';

function fold(...events) {
  const it = new Fold();
  events.forEach((event) => it.add(event));
  return it;
}
const event = (type, fields) => told(type, { room: 'main', seq: 1, time: 1, ...fields });
const join = (name) => event('join', { name });
const leave = (name) => event('leave', { name });
const rename = (old, name) => event('rename', { old, new: name });
const tally = (joined, left) => event('tally', { joined, left });

test('a run is told in one sentence', () => {
  const run = fold(join('amy'), join('bob'), leave('eve'), join('kim'), leave('KIM'),
    leave('lee'), join('lee'));
  assert.equal(run.summary(),
    'amy and bob came in · eve left · kim came and went · lee left and came back');
  assert.equal(run.count, 7);
  assert.deepEqual(run.steps.map(({ text }) => text).slice(0, 3),
    ['amy came in', 'bob came in', 'eve left']);
});

test('who takes a name on the way in is told under that name', () => {
  assert.equal(fold(join('CalmOtter'), rename('CalmOtter', 'amy')).summary(), 'amy came in');
  assert.equal(fold(rename('amy', 'ann'), rename('ann', 'zoe')).summary(), 'amy is now zoe');
  assert.equal(fold(rename('amy', 'ann'), leave('ann')).summary(), 'ann left');
  const many = fold(...['a', 'b', 'c', 'd'].map((it) => rename(`${it}1`, `${it}2`)));
  assert.equal(many.summary(), 'a1 is now a2 · b1 is now b2 · 2 more new names');
});

test('a crowd is counted', () => {
  const run = fold(join('amy'), tally(12, 3));
  assert.equal(run.summary(), 'amy and 12 others came in · 3 people left');
});

test('nobody is counted who did not move', () => {
  const steps = fold(tally(0, 100), tally(1, 0), tally(2, 3)).steps.map(({ text }) => text);
  assert.deepEqual(steps,
    ['100 people left', '1 person came in', '2 people came in, 3 people left']);
});

test('a long run is bounded, and still counts right', () => {
  const events = [];
  for (let i = 0; i < 3 * FOLD_PEOPLE_MAX; i += 1) events.push(join(`name${i}`));
  const run = fold(...events);
  assert.equal(run.steps.length, FOLD_PEOPLE_MAX);
  assert.equal(run.summary(),
    `name0, name1, name2 and ${3 * FOLD_PEOPLE_MAX - 3} others came in`);
});
