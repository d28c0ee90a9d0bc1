/** Which tab a session belongs to: a tab that is duplicated takes a copy of its memory along. */

import { keepTab, storeKey } from './store.js';

/** How long other tabs of this browser have to answer, in milliseconds. */
const ANSWER_MS = 200;

/**
 * This tab among those of the same browser. Each has an `id` in a storage that only it and its
 * duplicates have; who finds another tab with its own is the duplicate, and begins anew.
 */
export class Tab {
  #id;
  /** Two duplicates have one id, but never one self. */
  #self = random();
  #channel = null;
  #answers = null;
  #state;

  /** `state()` gives the `name` and `tokens` of this tab. */
  constructor(id, state) {
    this.#id = id;
    this.#state = state;
    if (!('BroadcastChannel' in globalThis)) return;
    this.#channel = new BroadcastChannel(storeKey());
    this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  /** Asks the other tabs; gives whether this one is a duplicate, and which names they have. */
  async settle() {
    const others = await this.#ask();
    const isDuplicate = this.#id !== null && others.some(({ id }) => id === this.#id);
    if (isDuplicate || this.#id === null) {
      this.#id = random();
      keepTab({ id: this.#id });
    }
    return { isDuplicate, names: others.map(({ name }) => name) };
  }

  /** The resume tokens of the tab that has taken over from this one, or none. */
  async takeBack() {
    const others = await this.#ask();
    return others.find(({ id }) => id === this.#id)?.tokens ?? [];
  }

  async #ask() {
    if (!this.#channel) return [];
    this.#answers = [];
    this.#channel.postMessage({ ask: this.#self, id: this.#id });
    await new Promise((resolve) => { setTimeout(resolve, ANSWER_MS); });
    const answers = this.#answers;
    this.#answers = null;
    return answers;
  }

  #heard({ ask, id, answer, from }) {
    if (answer === this.#self) this.#answers?.push(from);
    if (ask === undefined) return;
    const { name, tokens } = this.#state();
    // Only a duplicate has any business with the tokens.
    const mine = { id: this.#id, name, tokens: id === this.#id ? tokens : [] };
    this.#channel.postMessage({ answer: ask, from: mine });
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (it) => it.toString(36)).join('-');
}
