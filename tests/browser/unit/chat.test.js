import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Chat } from '../../../web/chat.js';

/** A chat that keeps what it sends and tells. */
function begin(kept = {}) {
  const sent = [];
  const problems = [];
  const send = (it) => sent.push(it) > 0;
  const nothing = () => {};
  const told = {
    changed: nothing, moved: nothing, heard: () => false, problem: (text) => problems.push(text),
  };
  const before = { name: null, rooms: [], active: null, ...kept };
  return { chat: new Chat({ send, ask: send, told, kept: before }), sent, problems };
}

const WELCOME = { type: 'welcome', name: 'CalmOtter', lobby: 'lounge', message_chars: 400 };
const TAKEN = { type: 'error', code: 'name-taken', text: 'amy is already taken' };
const ask = { type: 'name', name: 'amy' };

test('a first visit begins in the lobby, a later one where one was', () => {
  const first = begin();
  first.chat.take(WELCOME);
  assert.deepEqual(first.sent, [{ type: 'join', room: 'lounge' }]);
  const later = begin({ name: 'amy', rooms: ['den', 'main'], active: 'main' });
  later.chat.take(WELCOME);
  const joins = ['den', 'main'].map((room) => ({ type: 'join', room }));
  assert.deepEqual(later.sent, [ask, ...joins]);
  assert.equal(later.chat.active.name, 'main');
});

test('a name that is taken is asked for once more, and then let go', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, sent, problems } = begin({ name: 'amy' });
  const asked = () => sent.filter(({ type }) => type === 'name').length;
  chat.take(WELCOME);
  chat.take(TAKEN);
  assert.deepEqual([asked(), problems.length], [1, 0]);
  mock.timers.runAll();
  assert.equal(asked(), 2);
  chat.take(TAKEN);
  mock.timers.runAll();
  assert.equal(asked(), 2);
  assert.deepEqual(problems, ['amy is already taken, so you are CalmOtter for now.']);
  mock.timers.reset();
});

test('whoever takes another name meanwhile keeps that', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, sent } = begin({ name: 'amy' });
  chat.take(WELCOME);
  chat.take(TAKEN);
  chat.rename('zoe');
  chat.take({ type: 'named', name: 'zoe' });
  mock.timers.runAll();
  assert.equal(chat.me, 'zoe');
  assert.deepEqual(sent.filter(({ type }) => type === 'name').at(-1), { type: 'name', name: 'zoe' });
  mock.timers.reset();
});

test('a connection that was lost is taken up by epoch and number', () => {
  const { chat, sent } = begin();
  chat.take(WELCOME);
  chat.take({ type: 'entered', room: 'lounge', epoch: 'e1', seq: 7 });
  chat.take({ type: 'message', room: 'lounge', seq: 9, time: 1, name: 'bob', text: 'hi' });
  chat.lose();
  sent.length = 0;
  chat.take({ ...WELCOME, name: 'BoldSeal' });
  assert.deepEqual(sent, [
    { type: 'name', name: 'CalmOtter' },
    { type: 'join', room: 'lounge', epoch: 'e1', seq: 9 },
  ]);
});

test('a room that may not be entered is let go', () => {
  const { chat, problems } = begin({ rooms: ['den', 'main'], active: 'den' });
  chat.take(WELCOME);
  chat.take({ type: 'error', code: 'room-refused', text: 'no', room: 'DEN' });
  assert.deepEqual([...chat.rooms.keys()], ['main']);
  assert.equal(chat.active.name, 'main');
  assert.deepEqual(problems, ['no']);
});

test('what is not known is left alone', () => {
  const { chat } = begin();
  chat.take(WELCOME);
  const event = { room: 'elsewhere', seq: 1, time: 1, name: 'bob', text: 'hi' };
  for (const type of ['message', 'join', 'sparkle', 'constructor', '__proto__', 'toString']) {
    chat.take({ ...event, type });
  }
  assert.deepEqual([...chat.rooms.keys()], ['lounge']);
});
