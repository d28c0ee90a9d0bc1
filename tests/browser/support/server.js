/** The server, as a process of its own on free ports. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const { HUBBUB_BIN } = process.env;

/** A server that runs. Its ports stay the same when it is started again. */
export class Server {
  /** Where `nc` would connect. */
  linePort = 0;
  /** Where a browser would. */
  webPort = 0;
  #process = null;
  #flags;

  /** Starts one, with further flags. */
  static async start(...flags) {
    const server = new Server(flags);
    await server.start();
    return server;
  }

  constructor(flags) {
    if (!HUBBUB_BIN) throw new Error('set HUBBUB_BIN to the path of the server to test');
    this.#flags = flags;
  }

  /** The address of the page. */
  get url() {
    return `http://127.0.0.1:${this.webPort}/`;
  }

  /** Starts it, and waits for what it says about its ports. */
  async start() {
    const ports = ['--port', this.linePort, '--http', `127.0.0.1:${this.webPort}`];
    // Otherwise no limit would hold on loopback, and the page would never meet one.
    const flags = ['--exempt', 'none', ...this.#flags];
    this.#process = spawn(HUBBUB_BIN, [...ports.map(String), ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let told = '';
    for await (const line of createInterface({ input: this.#process.stderr })) {
      told += `${line}\n`;
      const [, what, port] = /^\s+(connect|browser)\s.*[ :](\d+)\/?$/.exec(line) ?? [];
      if (what === 'connect') this.linePort = Number(port);
      if (what === 'browser') this.webPort = Number(port);
      if (what === 'browser') break;
    }
    if (!this.webPort) throw new Error(`the server has not said where its page is:\n${told}`);
    // What it says later must not fill the pipe.
    this.#process.stderr.resume();
  }

  /** Ends it: by SIGTERM with farewells, by SIGKILL without. */
  async end(signal = 'SIGKILL') {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill(signal);
    await gone;
  }
}
