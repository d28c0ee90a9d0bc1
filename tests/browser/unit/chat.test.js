import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { Chat } from '../../../web/chat.js';
import { load, loadTab } from '../../../web/store.js';
import {
  entered, epoch, error, history, request, said, told as heard, tokenOf, welcome,
} from '../support/protocol.js';
import { useStorage } from '../support/storage.js';

beforeEach(() => useStorage());

/** A chat that keeps what it sends and tells. */
function begin(kept = {}) {
  const sent = [];
  const problems = [];
  const returned = [];
  const send = (it) => sent.push(request(it)) > 0;
  const nothing = () => {};
  const told = {
    changed: nothing,
    moved: nothing,
    heard: () => false,
    problem: (text) => problems.push(text),
    returned: (room, texts) => returned.push([room, ...texts]),
  };
  const before = { ...load(), ...loadTab(), ...kept };
  return { chat: new Chat({ send, ask: send, told, kept: before }), sent, problems, returned };
}

/** A chat that is in these rooms, the last of which is shown. */
function inside(...rooms) {
  const it = begin({ rooms });
  it.chat.take(welcome('amy', 1));
  for (const room of rooms) {
    it.chat.take(entered(room, 1, 7));
    it.chat.take(history(room, 1));
  }
  it.chat.show(it.chat.rooms.get(rooms.at(-1)));
  it.sent.length = 0;
  return it;
}

const keys = (chat) => [...chat.rooms.keys()];
const says = (sent) => sent.filter(({ type }) => type === 'say').map(({ text }) => text);
const states = (chat) => chat.outbox.items.map(({ text, state }) => [text, state]);

test('a first visit begins in the lobby, a later one where one was', () => {
  const first = begin();
  first.chat.take(welcome('CalmOtter', 1, 'lounge'));
  assert.deepEqual(first.sent, [{ type: 'join', room: 'lounge' }]);
  useStorage();
  const later = begin({ name: 'amy', rooms: ['den', 'main'], active: 'main' });
  later.chat.take(welcome());
  const joins = ['main', 'den'].map((room) => ({ type: 'join', room }));
  assert.deepEqual(later.sent, [{ type: 'name', name: 'amy' }, ...joins]);
  assert.equal(later.chat.active.name, 'main');
});

test('a name that is taken is asked for with growing pauses until it is free', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, sent, problems } = begin({ name: 'amy' });
  const asked = () => sent.filter(({ type }) => type === 'name').length;
  chat.take(welcome());
  for (let refusals = 1; refusals < 20; refusals += 1) {
    chat.take(error('name-taken', { text: 'amy is already taken' }));
    assert.equal(asked(), refusals);
    assert.equal(chat.claimed, 'amy');
    mock.timers.runAll();
    assert.equal(asked(), refusals + 1);
  }
  assert.equal(problems.length, 1);
  assert.match(problems[0], /amy is already taken, so you are CalmOtter for now/);
  chat.take(heard('named', { name: 'amy' }));
  assert.deepEqual([chat.me, chat.claimed], ['amy', null]);
  mock.timers.reset();
});

test('whoever chooses another name is not given the old one', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, sent, problems } = begin({ name: 'amy' });
  chat.take(welcome());
  chat.take(error('name-taken'));
  chat.rename('zoe');
  mock.timers.runAll();
  assert.deepEqual(sent.at(-1), { type: 'name', name: 'zoe' });
  chat.take(error('name-taken', { text: 'zoe is already taken' }));
  assert.equal(problems.at(-1), 'zoe is already taken');
  mock.timers.runAll();
  assert.deepEqual(sent.at(-1), { type: 'name', name: 'zoe' });
  mock.timers.reset();
});

test('a name that was given and not chosen is remembered by its tab alone', () => {
  const { chat } = begin();
  chat.take(welcome('CalmOtter'));
  const other = JSON.parse(sessionStorage.getItem('hubbub')).name;
  assert.deepEqual([other, localStorage.getItem('hubbub')], ['CalmOtter', null]);
  const later = begin();
  later.chat.take(welcome('BoldSeal'));
  later.chat.take(error('resume-failed'));
  assert.deepEqual(later.sent[1], { type: 'name', name: 'CalmOtter' });
  later.chat.take(heard('named', { name: 'CalmOtter' }));
  assert.equal(JSON.parse(localStorage.getItem('hubbub'))?.name, undefined);
  later.chat.rename('amy');
  later.chat.take(heard('named', { name: 'amy' }));
  assert.equal(JSON.parse(localStorage.getItem('hubbub')).name, 'amy');
});

test('a name that no session may have is asked for once', () => {
  const { chat, sent, problems } = begin({ name: 'Server' });
  chat.take(welcome());
  chat.take(error('name-invalid', { text: 'Not a name' }));
  assert.equal(chat.claimed, null);
  assert.deepEqual(problems, ['Not a name, so you are CalmOtter.']);
  assert.equal(sent.filter(({ type }) => type === 'name').length, 1);
});

test('a session that was lost is taken up by its token before anything else', () => {
  const { chat, sent } = inside('main', 'den');
  chat.take(said('den', 9));
  chat.lose();
  chat.take(welcome('BoldSeal', 2));
  const rooms = [['main', 7], ['den', 9]].map(([room, seq]) => ({ room, epoch: epoch(1), seq }));
  assert.deepEqual(sent, [{ type: 'resume', token: tokenOf(1), rooms }]);
  assert.equal(chat.me, 'amy');
  chat.take(entered('den', 1, 9));
  chat.take(history('den', 1));
  chat.take(heard('resumed', { name: 'amy', rooms: ['main', 'den'] }));
  chat.take(heard('named', { name: 'amy' }));
  chat.take(entered('main', 1, 7));
  chat.take(history('main', 1));
  assert.equal(sent.length, 1);
  assert.deepEqual([chat.me, chat.claimed], ['amy', null]);
  assert.deepEqual(chat.tokens, [tokenOf(2)]);
});

test('a page that is loaded again takes up its session, and joins what is not in it', () => {
  const { chat, sent } = begin({ tokens: [tokenOf(1)], rooms: ['main', 'den'], name: 'amy' });
  chat.take(welcome('BoldSeal', 2));
  assert.deepEqual(sent, [{ type: 'resume', token: tokenOf(1), rooms: [] }]);
  chat.take(heard('resumed', { name: 'amy', rooms: ['main'] }));
  assert.deepEqual(sent.slice(1), [{ type: 'join', room: 'den' }]);
  assert.deepEqual(loadTab().tokens, [tokenOf(2)]);
});

test('a session that is gone is followed by one that asks for name and rooms', () => {
  const { chat, sent, problems } = inside('main');
  chat.lose();
  chat.take(welcome('BoldSeal', 2));
  chat.take(error('resume-failed'));
  assert.deepEqual(sent.slice(1), [
    { type: 'name', name: 'amy' },
    { type: 'join', room: 'main', epoch: epoch(1), seq: 7 },
  ]);
  assert.deepEqual(problems, []);
});

test('of connections that broke before an answer the oldest has name and rooms', () => {
  const { chat, sent } = inside('main');
  for (let token = 2; token < 12; token += 1) {
    chat.lose();
    chat.take(welcome('BoldSeal', token));
    assert.equal(sent.at(-1).token, tokenOf(1));
  }
  assert.ok(chat.tokens.length <= 4);
  chat.take(error('resume-failed'));
  assert.notEqual(sent.at(-1).token, tokenOf(1));
  chat.take(heard('resumed', { name: 'amy', rooms: ['main'] }));
  assert.deepEqual(chat.tokens, [tokenOf(11)]);
});

test('a server without tokens is joined as before', () => {
  const { chat, sent } = inside('main');
  chat.lose();
  const { resume, ...older } = welcome('BoldSeal');
  assert.ok(resume);
  chat.take(older);
  assert.deepEqual(sent.map(({ type }) => type), ['name', 'join']);
});

test('a room that was left without a connection stays left', () => {
  const { chat, sent } = inside('main', 'den');
  chat.lose();
  chat.leave(chat.rooms.get('den'));
  assert.deepEqual(keys(chat), ['main']);
  chat.take(welcome('BoldSeal', 2));
  chat.take(heard('resumed', { name: 'amy', rooms: ['main', 'den'] }));
  chat.take(entered('den', 1, 9));
  assert.deepEqual(sent.at(-1), { type: 'leave', room: 'den' });
  assert.deepEqual(keys(chat), ['main']);
});

const REFUSALS = ['too-many-new-rooms', 'server-full-of-rooms', 'too-many-rooms', 'room-invalid'];
for (const code of REFUSALS) {
  test(`a new room that is refused is no room: ${code}`, () => {
    const { chat, problems, returned } = inside('main', 'den');
    chat.join('attic');
    chat.say(['too early']);
    assert.deepEqual(load().rooms, ['main', 'den']);
    // Two of these errors do not tell the room.
    const room = ['too-many-rooms', 'room-invalid'].includes(code) ? {} : { room: 'attic' };
    chat.take(error(code, { ...room, text: 'no' }));
    assert.deepEqual(keys(chat), ['main', 'den']);
    assert.equal(chat.active.name, 'den');
    assert.deepEqual(load().rooms, ['main', 'den']);
    assert.deepEqual([problems, returned], [['no'], [['attic', 'too early']]]);
    assert.deepEqual(chat.outbox.items, []);
  });
}

test('a room of before that is refused for now is asked for again, and takes texts', () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { chat, sent, problems } = begin({ rooms: ['main', 'den', 'attic'], active: 'den' });
  chat.take(welcome());
  chat.take(entered('den', 1, 1));
  chat.take(history('den', 1));
  for (const room of ['main', 'attic']) chat.take(error('too-many-new-rooms', { room }));
  assert.deepEqual(keys(chat), ['main', 'den', 'attic']);
  assert.equal(problems.length, 1);
  chat.show(chat.rooms.get('attic'));
  chat.say(['later']);
  sent.length = 0;
  mock.timers.runAll();
  assert.deepEqual(sent.map(({ room }) => room), ['main', 'attic']);
  chat.take(entered('main', 1, 1));
  chat.take(entered('attic', 1, 1));
  assert.deepEqual(says(sent), []);
  chat.take(history('attic', 1));
  assert.deepEqual(says(sent), ['later']);
  mock.timers.reset();
});

test('what is said without a connection is said when it is back, in order and once', () => {
  const { chat, sent } = inside('main', 'den');
  chat.lose();
  assert.ok(chat.say(['one', 'two']));
  assert.deepEqual(says(sent), []);
  chat.take(welcome('BoldSeal', 2));
  chat.take(heard('resumed', { name: 'amy', rooms: ['main', 'den'] }));
  chat.take(entered('main', 1, 7));
  chat.take(history('main', 1));
  assert.deepEqual(says(sent), []);
  chat.take(entered('den', 1, 7));
  chat.take(history('den', 1));
  assert.deepEqual(says(sent), ['one', 'two']);
  for (const [seq, text] of [[8, 'one'], [9, 'two']]) chat.take(said('den', seq, text, 'amy'));
  assert.deepEqual(chat.outbox.items, []);
});

/** A session that lost its connection with two messages on their way, and is back. */
function backWithTwo(resumed, messages, gap = false) {
  useStorage();
  const it = inside('main');
  it.chat.say(['first', 'second']);
  it.chat.lose();
  it.chat.say(['third']);
  assert.deepEqual(states(it.chat),
    [['first', 'unsure'], ['second', 'unsure'], ['third', 'waiting']]);
  it.chat.take(welcome('BoldSeal', 2));
  it.chat.take(resumed ? heard('resumed', { name: 'amy', rooms: ['main'] })
    : error('resume-failed'));
  it.sent.length = 0;
  it.chat.take(entered('main', 1, 9));
  it.chat.take(history('main', 1, messages, gap));
  return it;
}

test('what the history has was said, and what it lacks is said once more', () => {
  const { chat, sent } = backWithTwo(true, [said('main', 9, 'first', 'amy')]);
  assert.deepEqual(says(sent), ['second', 'third']);
  assert.deepEqual(states(chat), [['second', 'sent'], ['third', 'sent']]);
});

test('what is not certain is left to its author', () => {
  for (const [resumed, gap] of [[false, false], [true, true]]) {
    const { chat, sent } = backWithTwo(resumed, [said('main', 9, 'first', 'amy')], gap);
    assert.deepEqual(says(sent), ['third']);
    assert.deepEqual(states(chat), [['second', 'failed'], ['third', 'sent']]);
    const [second] = chat.outbox.items;
    chat.retry(second);
    assert.deepEqual(says(sent), ['third', 'second']);
    if (!resumed) chat.take(heard('named', { name: 'amy' }));
    chat.take(said('main', 10, 'third', 'amy'));
    chat.discard(second);
    assert.deepEqual(states(chat), []);
  }
});

test('a message that breaks each connection is not sent again and again', () => {
  const { chat, sent } = inside('main');
  chat.say(['poison']);
  for (let token = 2; token < 9; token += 1) {
    chat.lose();
    chat.take(welcome('BoldSeal', token));
    chat.take(heard('resumed', { name: 'amy', rooms: ['main'] }));
    chat.take(entered('main', 1, 7));
    chat.take(history('main', 1));
  }
  assert.equal(says(sent).length, 2);
  assert.deepEqual(states(chat), [['poison', 'failed']]);
});

test('what is not known is left alone', () => {
  const { chat } = begin();
  chat.take(welcome());
  const event = { ...said('elsewhere', 1) };
  for (const type of ['message', 'join', 'sparkle', 'constructor', '__proto__', 'toString']) {
    chat.take({ ...event, type });
  }
  chat.take({ ...error('bad-json'), code: 'constructor' });
  assert.deepEqual(keys(chat), ['main']);
});

test('a farewell is shown', () => {
  const { chat } = inside('main');
  chat.take(heard('bye', { reason: 'drain', text: 'Server is shutting down', retry_seconds: 3 }));
  assert.equal(chat.active.entries.at(-1).text, 'Server is shutting down');
});
