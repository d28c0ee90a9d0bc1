import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Connection } from '../../../web/connection.js';
import { told, welcome } from '../support/protocol.js';

/** A WebSocket that does what a test says. */
class Socket {
  static all = [];
  static OPEN = 1;
  readyState = 1;
  constructor() {
    Socket.all.push(this);
  }
  tell(it) {
    this.onmessage({ data: JSON.stringify(it) });
  }
  close() {}
}

let hidden;
let wakers;
beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  Socket.all = [];
  hidden = false;
  mock.method(Math, 'random', () => 0.5);
  wakers = [];
  globalThis.WebSocket = Socket;
  globalThis.addEventListener = (type, waker) => wakers.push(waker);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function connect() {
  const connection = new Connection({
    url: 'ws://localhost/ws', isHidden: () => hidden, onMessage() {}, onState() {},
  });
  connection.connect();
  return connection;
}
const socket = () => Socket.all.at(-1);
const refuse = () => socket().onclose({ code: 1006, reason: '' });
/** How long it waits before it connects again, in milliseconds. */
const wait = ({ state }) => state.until - Date.now();

test('what is rejected again and again is tried less and less often', () => {
  const connection = connect();
  let before = 0;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    refuse();
    assert.equal(connection.state.kind, 'waiting');
    assert.ok(wait(connection) > before, `${wait(connection)} after ${before}`);
    before = wait(connection);
    mock.timers.tick(before);
  }
  assert.equal(Socket.all.length, 6);
  assert.ok(before > 120_000);
});

test('a connection that is lost is there again in a moment', () => {
  const connection = connect();
  socket().tell(welcome());
  refuse();
  assert.ok(wait(connection) <= 1_000);
  // One that is lost at once, again and again, is a failure, too.
  for (let attempt = 0; attempt < 4; attempt += 1) {
    mock.timers.tick(wait(connection));
    socket().tell(welcome());
    refuse();
  }
  assert.ok(wait(connection) > 60_000);
});

test('a hidden page waits longer, and one that is shown is not in a hurry at every look', () => {
  const connection = connect();
  hidden = true;
  refuse();
  assert.ok(wait(connection) >= 10_000);
  const [network] = wakers;
  for (let look = 0; look < 9; look += 1) {
    connection.wake();
    network();
  }
  assert.equal(Socket.all.length, 1);
  mock.timers.tick(9_999);
  connection.wake();
  assert.equal(Socket.all.length, 1);
  mock.timers.tick(1);
  assert.ok(connection.state.kind === 'connecting' || wait(connection) > 0);
  connection.wake();
  assert.equal(Socket.all.length, 2);
});

test('whoever is replaced, idle or has quit does not connect again by itself', () => {
  for (const reason of ['replaced', 'idle']) {
    const connection = connect();
    socket().tell(welcome());
    socket().tell(told('bye', { reason, text: 'a sentence' }));
    socket().onclose({ code: 1008, reason });
    assert.deepEqual(connection.state, { kind: 'ended', why: reason, text: 'a sentence' });
  }
  const connection = connect();
  socket().tell(welcome());
  socket().onclose({ code: 1000, reason: 'quit' });
  assert.equal(connection.state.kind, 'ended');
});

test('other farewells are told while it waits', () => {
  const connection = connect();
  socket().tell(welcome());
  socket().tell(told('bye', { reason: 'drain', text: 'Going down', retry_seconds: 3 }));
  socket().onclose({ code: 1001, reason: 'drain' });
  assert.deepEqual([connection.state.kind, connection.state.text], ['waiting', 'Going down']);
  assert.ok(wait(connection) >= 3_000);
});
