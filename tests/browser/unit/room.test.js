import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINES_MAX, Room } from '../../../web/room.js';

const NOON = new Date(2026, 10, 27, 12).getTime();
const said = (seq, text = `text ${seq}`, name = 'bob') => ({ seq, time: NOON + seq, name, text });
const kinds = (room) => room.entries.map(({ kind }) => kind);
const texts = (room) => room.entries.filter(({ text }) => text).map(({ text }) => text);

function entered() {
  const room = new Room('main');
  room.enter({ room: 'main', epoch: 'e1', seq: 10 });
  return room;
}

/** The room after its connection was lost and is there again. */
function back(epoch, seq) {
  const room = entered();
  room.joined = false;
  assert.deepEqual(room.place, { epoch: 'e1', seq: 10 });
  room.enter({ room: 'main', epoch, seq });
  return room;
}

test('what was said before we first came is there, and was not missed', () => {
  const room = entered();
  assert.deepEqual(room.remember({ gap: false, messages: [said(3), said(7)] }, 'amy'), []);
  assert.deepEqual(kinds(room), ['day', 'message', 'message']);
});

test('whoever comes back is told what was missed', () => {
  assert.deepEqual(texts(back('e1', 10)), ['You are back; no message was missed.']);
  const some = back('e1', 14);
  const missed = some.remember({ gap: false, messages: [said(12), said(13)] }, 'amy');
  assert.deepEqual(missed.map(({ text }) => text), ['text 12', 'text 13']);
  assert.equal(texts(some)[0], 'You are back and missed 2 messages:');
  const forgotten = back('e1', 99);
  forgotten.remember({ gap: true, messages: [said(98)] }, 'amy');
  assert.match(texts(forgotten)[0], /missed: the server has forgotten.* still has 1 message:/);
  const anew = back('e2', 2);
  anew.remember({ gap: true, messages: [] }, 'amy');
  assert.match(texts(anew)[0], /the room began anew/);
});

test('a history that comes twice is shown once', () => {
  const room = entered();
  room.remember({ gap: false, messages: [said(9)] }, 'amy');
  room.enter({ room: 'main', epoch: 'e1', seq: 11 });
  room.remember({ gap: false, messages: [said(9), said(11)] }, 'amy');
  assert.deepEqual(texts(room), ['text 9', 'text 11']);
});

test('days are set apart', () => {
  const room = entered();
  room.say(said(11), 'amy');
  room.say(said(12), 'amy');
  room.say({ ...said(13), time: NOON + 24 * 3_600_000 }, 'amy');
  assert.deepEqual(kinds(room), ['day', 'message', 'message', 'day', 'message']);
});

test('joins fold until somebody speaks', () => {
  const room = entered();
  for (const name of ['bob', 'eve']) room.pass({ type: 'join', time: NOON, name });
  room.say(said(13), 'amy');
  room.pass({ type: 'leave', time: NOON, name: 'eve' });
  assert.deepEqual(kinds(room), ['day', 'fold', 'message', 'fold']);
});

test('people are kept up to date', () => {
  const room = entered();
  room.populate({ users: ['amy', 'bob'], more: 0 });
  room.pass({ type: 'join', time: NOON, name: 'eve' });
  room.pass({ type: 'leave', time: NOON, name: 'BOB' });
  room.pass({ type: 'rename', time: NOON, old: 'amy', new: 'ann' });
  assert.deepEqual([...room.people.values()], ['eve', 'ann']);
  assert.equal(room.stale, false);
  room.pass({ type: 'tally', time: NOON, joined: 5, left: 1 });
  assert.equal(room.stale, true);
  room.populate({ users: ['amy', 'bob'], more: 7 });
  room.pass({ type: 'join', time: NOON, name: 'zoe' });
  room.pass({ type: 'leave', time: NOON, name: 'nobody-we-know' });
  assert.equal(room.count, 9);
});

test('own messages and mentions are told apart', () => {
  const room = entered();
  const flags = (text, name) => {
    const { own, mention } = room.say(said(11, text, name), 'Amy');
    return { own, mention };
  };
  assert.deepEqual(flags('amy?', 'bob'), { own: false, mention: true });
  assert.deepEqual(flags('amy?', 'amy'), { own: true, mention: false });
});

test('no more lines are kept than the limit', () => {
  const room = entered();
  for (let seq = 11; seq < 2 * LINES_MAX; seq += 1) room.say(said(seq), 'amy');
  assert.equal(room.entries.length, LINES_MAX);
  assert.equal(room.entries.at(-1).text, `text ${2 * LINES_MAX - 1}`);
});
