/** Somebody with `nc`. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';

/** How often a name is asked for. */
const TRIES_MAX = 1_000;

/** A client of the line protocol. */
export class LineClient {
  /** All that has been received. */
  received = '';
  #socket;

  /** Comes in under a name, into `main`. */
  static async enter(server, name) {
    const client = new LineClient(connect(server.linePort, '127.0.0.1'));
    await once(client.#socket, 'connect');
    await client.hears(/You joined main/);
    await client.take(name);
    return client;
  }

  /** Takes a name, as soon as whoever had it has gone. */
  async take(name) {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      this.received = '';
      this.send(`/name ${name}`);
      await this.hears(new RegExp(`is now ${name}|${name} is already taken`));
      if (/is now/.test(this.received)) return;
    }
    throw new Error(`${name} does not come free`);
  }

  constructor(socket) {
    this.#socket = socket.setEncoding('utf8');
    socket.on('data', (data) => { this.received += data; });
    socket.on('error', () => {});
  }

  /** Sends lines. */
  send(...lines) {
    this.#socket.write(lines.map((line) => `${line}\n`).join(''));
  }

  /** Waits for a pattern in what has been received. */
  async hears(pattern) {
    while (!pattern.test(this.received)) {
      if (this.#socket.closed) throw new Error(`no ${pattern} in ${this.received}`);
      const heard = new AbortController();
      const { signal } = heard;
      await Promise.race(['data', 'close'].map((it) => once(this.#socket, it, { signal })));
      heard.abort();
      await setImmediate();
    }
  }

  /** Goes away. */
  async leave() {
    this.#socket.end();
    if (!this.#socket.closed) await once(this.#socket, 'close');
  }
}
