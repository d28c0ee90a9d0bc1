import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IN_FLIGHT_MAX, Outbox, OUTBOX_MAX } from '../../../web/outbox.js';
import { said } from '../support/protocol.js';

const nothing = () => {};
const texts = (count) => Array.from({ length: count }, (_, index) => `text ${index}`);

test('no more is taken than the limit, and of a text all or nothing', () => {
  const outbox = new Outbox(nothing);
  assert.ok(outbox.add('main', texts(OUTBOX_MAX - 1)));
  assert.ok(!outbox.add('main', ['one', 'two']));
  assert.ok(outbox.add('main', ['one']));
  assert.equal(outbox.items.length, OUTBOX_MAX);
});

test('so many are on their way at a time, and the next follow when they are heard', () => {
  const outbox = new Outbox(nothing);
  const sent = [];
  const pump = () => outbox.pump(() => true, ({ text }) => sent.push(text) > 0);
  outbox.add('main', texts(50));
  pump();
  assert.deepEqual(sent, texts(IN_FLIGHT_MAX));
  for (let heard = 0; heard < 50; heard += 1) {
    outbox.echoed('MAIN');
    pump();
    assert.ok(sent.length - heard <= IN_FLIGHT_MAX + 1);
  }
  assert.deepEqual(sent, texts(50));
  assert.deepEqual(outbox.items, []);
});

test('what waits for one room does not hold up another', () => {
  const outbox = new Outbox(nothing);
  const sent = [];
  outbox.add('attic', ['one']);
  outbox.add('main', ['two']);
  outbox.pump((room) => room === 'main', ({ text }) => sent.push(text) > 0);
  assert.deepEqual(sent, ['two']);
});

test('a message is found in the history whatever the server has taken out of it', () => {
  const outbox = new Outbox(nothing);
  outbox.add('main', ['a\u202eb\u2028c', 'd']);
  outbox.pump(() => true, () => true);
  outbox.lose('amy');
  const messages = [said('main', 1, 'd', 'bob'), said('main', 2, 'ab c', 'AMY')];
  outbox.settle('main', messages, true);
  assert.deepEqual(outbox.items.map(({ text, state }) => [text, state]), [['d', 'waiting']]);
});

test('after a reload what was on its way is left to its author', () => {
  let kept = [];
  const outbox = new Outbox((items) => { kept = items; });
  outbox.add('main', ['one', 'two']);
  outbox.pump(() => true, ({ text }) => text === 'one');
  const again = new Outbox(nothing, JSON.parse(JSON.stringify(kept)));
  assert.deepEqual(again.items.map(({ text, state }) => [text, state]),
    [['one', 'failed'], ['two', 'waiting']]);
  assert.equal(again.shown('main', false).length, 2);
});
