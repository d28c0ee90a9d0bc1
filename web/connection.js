/** A WebSocket that comes back by itself. */

import { pause } from './backoff.js';

/** How long a server may take to let us in, in milliseconds. */
const WELCOME_MS = 10_000;
/** How long an answer may take before the connection counts as dead, in milliseconds. */
const ANSWER_MS = 20_000;
/** How long a connection has to last before failures are forgotten, in milliseconds. */
const STEADY_MS = 10_000;
/** The protocol of the frames, see docs/protocol.md. */
const SUBPROTOCOL = 'hubbub.v1.json';

/**
 * One session after another. `state` is one of
 * - `{ kind: 'connecting' }`
 * - `{ kind: 'open' }`, from the server's `welcome` on
 * - `{ kind: 'waiting', until }`, a time in milliseconds at which it connects again
 * - `{ kind: 'ended', why }`, until `connect` is called
 */
export class Connection {
  state = { kind: 'ended', why: '' };
  #socket = null;
  #bye = null;
  #failures = 0;
  #answer = 0;
  #welcome = 0;
  #again = 0;
  #steady = 0;
  #onMessage;
  #onState;

  constructor({ onMessage, onState }) {
    this.#onMessage = onMessage;
    this.#onState = onState;
    // A network that is there again is a better sign than any clock.
    addEventListener('online', () => this.#hurry());
  }

  /** Connects now, whatever there is to wait for. */
  connect() {
    this.#drop();
    const url = new URL('/ws', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#bye = null;
    this.#become({ kind: 'connecting' });
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    this.#welcome = setTimeout(() => this.#lost(), WELCOME_MS);
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ reason }) => this.#lost(reason);
  }

  /** Sends an object, if there is somebody to send it to. */
  send(it) {
    if (this.state.kind !== 'open' || this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(it));
    return true;
  }

  /** Sends what has to be answered. A network that went away in silence is found out this way. */
  ask(it) {
    if (this.send(it)) this.#answer ||= setTimeout(() => this.#lost(), ANSWER_MS);
  }

  /** Comes back if the server has sent us away for being quiet, as somebody is looking now. */
  wake() {
    if (this.state.kind === 'waiting' || this.state.why === 'idle') this.connect();
  }

  #hurry() {
    if (this.state.kind === 'waiting') this.connect();
  }

  #become(state) {
    this.state = state;
    this.#onState(state);
  }

  #received(data) {
    clearTimeout(this.#answer);
    this.#answer = 0;
    let it = null;
    try {
      it = JSON.parse(data);
    } catch {
      return;
    }
    if (it?.type === 'welcome') {
      clearTimeout(this.#welcome);
      this.#steady = setTimeout(() => { this.#failures = 0; }, STEADY_MS);
      this.#become({ kind: 'open' });
    }
    if (it?.type === 'bye') this.#bye = it;
    if (typeof it?.type === 'string') this.#onMessage(it);
  }

  /** Forgets the socket: a dead one may take minutes to say that it has closed. */
  #drop() {
    for (const timer of [this.#answer, this.#welcome, this.#again, this.#steady]) {
      clearTimeout(timer);
    }
    this.#answer = 0;
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  /** The connection is gone, for a reason if its other side gave one. */
  #lost(reason = '') {
    this.#drop();
    const why = this.#bye?.reason ?? reason;
    if (why === 'quit' || why === 'idle') {
      this.#become({ kind: 'ended', why });
      return;
    }
    const wait = pause(this.#failures, this.#bye?.retry_seconds);
    this.#failures += 1;
    this.#again = setTimeout(() => this.connect(), wait);
    this.#become({ kind: 'waiting', until: Date.now() + wait });
  }
}
