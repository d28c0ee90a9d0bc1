/** The name that a user wants, asked for until it is free. */

import { askPause } from './backoff.js';
import { same } from './text.js';

/**
 * Asks for a name again and again, with growing pauses: a connection that broke may hold it for a
 * minute more. It ends when the name is given, or the user chooses another.
 */
export class NameClaim {
  /** The name to have whenever a session begins, or null if none was chosen yet. */
  wanted;
  /** Whether it is being asked for. */
  active = false;
  #refusals = 0;
  #timer = 0;
  #ask;

  constructor(ask, wanted) {
    this.#ask = ask;
    this.wanted = wanted;
  }

  /** A session has begun under this name. */
  begin(name) {
    this.stop();
    this.wanted ??= name;
    if (same(this.wanted, name)) return;
    this.active = true;
    this.#ask(this.wanted);
  }

  /** The name was given to somebody else; gives whether that is for the first time. */
  taken() {
    this.#timer = setTimeout(() => this.#ask(this.wanted), askPause(this.#refusals));
    this.#refusals += 1;
    return this.#refusals === 1;
  }

  /** Lets go of a name that the server accepts from nobody. */
  drop() {
    this.stop();
    this.wanted = null;
  }

  /** The session has this name now. */
  become(name) {
    this.stop();
    this.wanted = name;
  }

  /** Asks no more. */
  stop() {
    clearTimeout(this.#timer);
    this.active = false;
    this.#refusals = 0;
  }
}
