import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import {
  keep, keepDrafts, keepTab, load, loadTab, ROOMS_KEPT_MAX, roomsToKeep, storeKey,
} from '../../../web/store.js';
import { useStorage } from '../support/storage.js';

beforeEach(() => useStorage());

test('of too many rooms those are forgotten that were not used for longest', () => {
  const rooms = Array.from({ length: ROOMS_KEPT_MAX + 6 }, (_, used) => (
    { name: `room-${used}`, used }));
  rooms[0].used = 1_000;
  const kept = roomsToKeep(rooms);
  assert.equal(kept.length, ROOMS_KEPT_MAX);
  assert.deepEqual([kept[0], kept[1], kept.at(-1)], ['room-0', 'room-7', rooms.at(-1).name]);
  keep({ rooms: kept, active: 'room-0' });
  assert.deepEqual(load().rooms, kept);
});

test('a tab knows itself what another one changes for the next visit', () => {
  keep({ name: 'amy', rooms: ['main'] });
  const other = JSON.parse(localStorage.getItem('hubbub'));
  localStorage.setItem('hubbub', JSON.stringify({ ...other, name: 'bob', rooms: ['den'] }));
  assert.deepEqual([load().name, load().rooms], ['amy', ['main']]);
});

test('memory that is damaged or off is none', () => {
  for (const text of ['', 'null', '7', '{"rooms":7,"tokens":{},"drafts":[7],"unsent":[null]}']) {
    for (const storage of [localStorage, sessionStorage]) storage.setItem('hubbub', text);
    assert.deepEqual(load(), { name: null, rooms: [], active: null, notify: false });
    assert.deepEqual(loadTab(), { id: null, tokens: [], drafts: [], unsent: [] });
  }
  globalThis.sessionStorage = { getItem() { throw new Error('off'); } };
  keepTab({ id: 'x' });
  assert.equal(loadTab().id, null);
});

test('drafts are remembered, but none that is huge', () => {
  keepDrafts([['main', 'x'.repeat(100_000)], ['den', 'hello']]);
  assert.deepEqual(loadTab().drafts, [['den', 'hello']]);
});

test('pages below other paths remember other things', () => {
  assert.equal(storeKey('https://a.example/'), 'hubbub');
  assert.equal(storeKey('https://a.example/index.html?x=1'), 'hubbub');
  assert.equal(storeKey('https://a.example/chat/'), 'hubbub/chat/');
});
