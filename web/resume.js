/** Taking up the session of a connection that was lost, by its resume token. */

import { keepTab, TOKENS_MAX } from './store.js';

/**
 * The tokens of earlier sessions, oldest first. There is more than one only if connections broke
 * before the server had answered: the oldest is then the session that had name and rooms.
 */
export class Resume {
  /** Whether the session that there is now took up an earlier one. */
  succeeded = false;
  #tokens;
  /** Those that have not been tried on this connection. */
  #left = [];
  #current = [];
  #pending = false;
  #ask;

  constructor(ask, tokens) {
    this.#ask = ask;
    this.#tokens = tokens;
  }

  /** The tokens, this session's included. */
  get tokens() {
    return this.#tokens;
  }

  set tokens(tokens) {
    this.#tokens = tokens;
    keepTab({ tokens });
  }

  /** Whether it has not been settled yet who we are. */
  get isPending() {
    return this.#pending;
  }

  /** A session with a token of its own begins; gives whether it tries to take up an earlier one. */
  begin(token, places) {
    this.succeeded = false;
    // A server that has no tokens cannot take one.
    this.#left = token === undefined ? [] : [...this.#tokens];
    this.#current = token === undefined ? [] : [token];
    // If there are too many, those in between are sessions that have nothing.
    this.tokens = [...this.#left.slice(0, TOKENS_MAX - 1), ...this.#current];
    return this.next(places);
  }

  /** Tries the next token, if there is one. */
  next(places) {
    const token = this.#left.shift();
    if (token === undefined) {
      this.done(false);
      return false;
    }
    this.#pending = true;
    this.#ask({ type: 'resume', token, rooms: places });
    return true;
  }

  /** It has been settled who we are. */
  done(succeeded) {
    this.succeeded = succeeded;
    this.#pending = false;
    this.tokens = this.#current;
  }
}
