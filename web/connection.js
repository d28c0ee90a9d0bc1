/** A WebSocket that comes back by itself. */

import { pause } from './backoff.js';
import { BYE_RECONNECTS, SUBPROTOCOL } from './protocol.js';

/** How long a server may take to let us in, in milliseconds. */
const WELCOME_MS = 10_000;
/** How long an answer may take before the connection counts as dead, in milliseconds. */
const ANSWER_MS = 20_000;
/** How long a connection has to last before failures are forgotten, in milliseconds. */
const STEADY_MS = 10_000;
/** How long after an attempt no other is made out of turn, in milliseconds. */
const HURRY_MS = 10_000;

/**
 * One session after another. `state` is one of
 * - `{ kind: 'connecting' }`
 * - `{ kind: 'open' }`, from the server's `welcome` on
 * - `{ kind: 'waiting', until, text }`, a time in milliseconds at which it connects again
 * - `{ kind: 'ended', why, text }`, until `connect` is called
 *
 * `text` is what the server has said at the end, or empty.
 */
export class Connection {
  state = { kind: 'ended', why: '', text: '' };
  #socket = null;
  #bye = null;
  #failures = 0;
  #attempted = 0;
  #answer = 0;
  #welcome = 0;
  #again = 0;
  #steady = 0;
  #url;
  #isHidden;
  #onMessage;
  #onState;

  /** `url` is where the server is; `isHidden` tells whether nobody sees the page. */
  constructor({ url, isHidden, onMessage, onState }) {
    this.#url = url;
    this.#isHidden = isHidden;
    this.#onMessage = onMessage;
    this.#onState = onState;
    // A network that is there again is a better sign than any clock.
    addEventListener('online', () => this.#hurry());
  }

  /** Connects now, whatever there is to wait for. */
  connect() {
    this.#drop();
    this.#bye = null;
    this.#attempted = Date.now();
    this.#become({ kind: 'connecting' });
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
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

  /** Comes back if the server has ended a session that was idle, as somebody is looking now. */
  wake() {
    if (this.state.why === 'idle') this.connect();
    else this.#hurry();
  }

  /** Connects ahead of time, but not so often that it would be a load. */
  #hurry() {
    if (this.state.kind === 'waiting' && Date.now() - this.#attempted >= HURRY_MS) this.connect();
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
    const text = this.#bye?.text ?? '';
    if (why === 'quit' || BYE_RECONNECTS[why] === false) {
      this.#become({ kind: 'ended', why, text });
      return;
    }
    // An attempt that came to nothing was perhaps rejected, which a page cannot see.
    if (this.state.kind !== 'open') this.#failures = Math.max(1, this.#failures);
    const wait = pause(this.#failures, {
      askedSeconds: this.#bye?.retry_seconds, hidden: this.#isHidden(),
    });
    this.#failures += 1;
    this.#again = setTimeout(() => this.connect(), wait);
    this.#become({ kind: 'waiting', until: Date.now() + wait, text });
  }
}
