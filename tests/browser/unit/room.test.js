import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINES_MAX, LINES_READING_MAX, Room } from '../../../web/room.js';
import { entered, history, said, told } from '../support/protocol.js';

const NOON = new Date(2026, 10, 27, 12).getTime();
/** An event of `main` at noon. */
const event = (type, fields) => told(type, { room: 'main', seq: 11, time: NOON, ...fields });
/** Somebody said something at noon. */
const spoken = (seq, text, name) => ({ ...said('main', seq, text, name), time: NOON + seq });
const kinds = (room) => room.entries.map(({ kind }) => kind);
const texts = (room) => room.entries.filter(({ text }) => text).map(({ text }) => text);
const remember = (room, messages, gap = false, life = 1) => (
  room.remember(history('main', life, messages, gap), 'amy'));

function inMain() {
  const room = new Room('main');
  room.enter(entered('main', 1, 10));
  return room;
}

/** The room after its connection was lost and is there again. */
function back(life, seq, users = ['amy', 'bob']) {
  const room = inMain();
  room.populate(told('users', { room: 'main', users, more: 0, missing: 0 }));
  room.joined = false;
  assert.deepEqual(room.place, { epoch: '0000000000000001', seq: 10 });
  room.enter(entered('main', life, seq));
  return room;
}

test('what was said before we first came is there, and was not missed', () => {
  const room = inMain();
  assert.equal(room.ready, false);
  const { missed } = remember(room, [spoken(3), spoken(7)]);
  assert.deepEqual([missed, room.ready], [[], true]);
  assert.deepEqual(kinds(room), ['day', 'message', 'message']);
});

test('whoever comes back is told what was missed', () => {
  assert.deepEqual(texts(back(1, 10)), ['You are back; no message was missed.']);
  const some = back(1, 14);
  const { missed } = remember(some, [spoken(12), spoken(13)]);
  assert.deepEqual(missed.map(({ text }) => text), ['text 12', 'text 13']);
  assert.equal(texts(some)[0], 'You are back and missed 2 messages:');
  const forgotten = back(1, 99);
  remember(forgotten, [spoken(98)], true);
  assert.match(texts(forgotten)[0], /forgotten some messages.* still has 1 message:/);
  const anew = back(2, 2);
  remember(anew, [], true, 2);
  assert.match(texts(anew)[0], /the room began anew meanwhile, so messages may be missing/i);
});

test('nothing is called missed that was not', () => {
  const own = back(1, 12);
  remember(own, [spoken(11, 'mine', 'amy')]);
  assert.equal(texts(own)[0], 'You are back; no message was missed.');
  const alone = back(2, 1, ['amy']);
  remember(alone, [], true, 2);
  assert.equal(texts(alone)[0], 'You are back; no message was missed.');
  const others = back(2, 4, ['amy']);
  remember(others, [], true, 2);
  assert.match(texts(others)[0], /may be missing/);
});

test('a history that comes twice is shown once', () => {
  const room = inMain();
  remember(room, [spoken(9)]);
  room.enter(entered('main', 1, 11));
  remember(room, [spoken(9), spoken(11)]);
  assert.deepEqual(texts(room), ['text 9', 'text 11']);
});

test('days are set apart', () => {
  const room = inMain();
  room.say(spoken(11), 'amy');
  room.say(spoken(12), 'amy');
  room.say({ ...spoken(13), time: NOON + 24 * 3_600_000 }, 'amy');
  assert.deepEqual(kinds(room), ['day', 'message', 'message', 'day', 'message']);
});

test('joins fold until somebody speaks', () => {
  const room = inMain();
  for (const name of ['bob', 'eve']) room.pass(event('join', { name }));
  room.say(spoken(13), 'amy');
  room.pass(event('leave', { name: 'eve' }));
  assert.deepEqual(kinds(room), ['day', 'fold', 'message', 'fold']);
});

test('people are kept up to date', () => {
  const room = inMain();
  const populate = (users, more) => (
    room.populate(told('users', { room: 'main', users, more, missing: 0 })));
  populate(['amy', 'bob'], 0);
  room.pass(event('join', { name: 'eve' }));
  room.pass(event('leave', { name: 'BOB' }));
  room.pass(event('rename', { old: 'amy', new: 'ann' }));
  assert.deepEqual([...room.people.values()], ['eve', 'ann']);
  assert.equal(room.stale, false);
  room.pass(event('tally', { joined: 5, left: 1 }));
  assert.equal(room.stale, true);
  populate(['amy', 'bob'], 7);
  room.pass(event('join', { name: 'zoe' }));
  room.pass(event('leave', { name: 'nobody-we-know' }));
  assert.equal(room.count, 9);
});

test('own messages and mentions are told apart', () => {
  const room = inMain();
  const flags = (text, name) => {
    const { own, mention } = room.say(spoken(11, text, name), 'Amy');
    return { own, mention };
  };
  assert.deepEqual(flags('amy?', 'bob'), { own: false, mention: true });
  assert.deepEqual(flags('amy?', 'amy'), { own: true, mention: false });
});

test('what has been seen is read, and what has not is marked', () => {
  const room = inMain();
  const entries = ['one', 'amy: two', 'three'].map((text, index) => {
    const entry = room.say(spoken(11 + index, text), 'amy');
    room.miss(entry);
    return entry;
  });
  assert.deepEqual([room.unread, room.mentioned, room.mark], [3, true, entries[0].id]);
  assert.equal(room.readTo(entries[1].id), true);
  assert.equal(room.readTo(entries[1].id), false);
  assert.deepEqual([room.unread, room.mentioned, room.mark], [1, false, entries[0].id]);
  room.markUnread();
  assert.equal(room.mark, entries[2].id);
  room.readTo(entries[2].id);
  room.markUnread();
  assert.deepEqual([room.unread, room.mark], [0, 0]);
});

test('no more lines are kept than the limit, which is higher for who reads above', () => {
  const room = inMain();
  const say = (from, to) => {
    for (let seq = from; seq < to; seq += 1) room.say(spoken(seq), 'amy');
  };
  say(11, 2 * LINES_MAX);
  assert.equal(room.entries.length, LINES_MAX);
  const [first] = room.entries;
  room.reading = true;
  say(2 * LINES_MAX, 3 * LINES_MAX);
  assert.equal(room.entries[0], first);
  say(3 * LINES_MAX, 3 * LINES_MAX + LINES_READING_MAX);
  assert.equal(room.entries.length, LINES_READING_MAX);
  room.reading = false;
  say(9_000, 9_001);
  assert.equal(room.entries.length, LINES_MAX);
  assert.equal(room.entries.at(-1).text, 'text 9000');
});
