/** A cable between browser and server that can be cut. */

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Passes connections on to a port, while it is whole. */
export class Cable {
  #listener;
  #ends = new Set();
  /** The server's end for each of the browser's. */
  #far = new WeakMap();
  /** Ends of the server's that nothing comes to any more. */
  #stranded = new Set();
  #whole = true;
  /** Connections that were not let through. */
  refused = 0;

  /** Lays one to a port of this machine. */
  static async to(port) {
    const cable = new Cable(port);
    cable.#listener.listen(0, '127.0.0.1');
    await once(cable.#listener, 'listening');
    return cable;
  }

  constructor(port) {
    this.#listener = createServer((near) => {
      if (!this.#whole) {
        this.refused += 1;
        near.destroy();
        return;
      }
      const far = connect(port, '127.0.0.1');
      for (const end of [near, far]) {
        this.#ends.add(end);
        end.on('error', () => {});
        end.on('close', () => {
          this.#ends.delete(end);
          near.destroy();
          if (!this.#stranded.has(far)) far.destroy();
        });
      }
      this.#far.set(near, far);
      near.pipe(far).pipe(near);
    });
  }

  /** The address of the page at this end. */
  get url() {
    return `http://127.0.0.1:${this.#listener.address().port}/`;
  }

  /** Keeps what is on its way, as a network does that went away in silence. */
  hold() {
    for (const end of this.#ends) end.unpipe().pause();
  }

  /** Breaks all connections for the browser, while the server does not notice. */
  strand() {
    for (const near of [...this.#ends].filter((end) => this.#far.has(end))) {
      const far = this.#far.get(near);
      this.#stranded.add(far);
      far.unpipe().pause();
      near.unpipe().destroy();
    }
  }

  /** Breaks all connections, and lets no new one through. */
  cut() {
    this.#whole = false;
    for (const end of this.#ends) end.destroy();
  }

  /** Lets connections through again. */
  mend() {
    this.#whole = true;
  }

  /** Takes it away. */
  end() {
    this.cut();
    this.#listener.close();
  }
}
