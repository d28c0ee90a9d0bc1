/** What was written and has not been heard yet, in order. */

import { comparable, key, same } from './text.js';

/** How many messages may wait in all. */
export const OUTBOX_MAX = 200;
/** How many messages are on their way at a time: the rate limit of the server paces the rest. */
export const IN_FLIGHT_MAX = 10;
/** How often a message is sent by itself before its author is asked. */
const SENDS_MAX = 2;

/**
 * Messages from when they are written until their echo comes. Each is a plain object with the
 * `id`, the `room`, the `text` and a `state`:
 * - `waiting`: to be sent as soon as the room is entered
 * - `sent`: on its way
 * - `unsure`: it was on its way when the connection broke
 * - `failed`: it was not sent, or perhaps not; only its author can have it sent
 */
export class Outbox {
  items = [];
  #lastId = 0;
  #keep;

  /** `keep` gets the items whenever they change; `kept` are those of before a reload. */
  constructor(keep, kept = []) {
    this.#keep = keep;
    for (const { room, text, state } of kept) {
      this.#push(room, text, state === 'waiting' ? state : 'failed');
    }
  }

  /** Takes messages for a room, all or none; gives whether there is space for them. */
  add(room, texts) {
    if (this.items.length + texts.length > OUTBOX_MAX) return false;
    for (const text of texts) this.#push(room, text, 'waiting');
    this.#changed();
    return true;
  }

  /** Those for a room that their author should see; `lost` is whether there is no connection. */
  shown(room, lost) {
    return this.#of(room).filter(({ state }) => state !== 'sent' || lost);
  }

  /** Sends what can be; `isOpen` tells of a room whether it can take messages. */
  pump(isOpen, send) {
    let inFlight = this.items.filter(({ state }) => state === 'sent').length;
    for (const item of this.items) {
      if (inFlight >= IN_FLIGHT_MAX) break;
      if (item.state !== 'waiting' || !isOpen(item.room)) continue;
      if (!send({ type: 'say', room: item.room, text: item.text })) break;
      item.state = 'sent';
      item.sends += 1;
      inFlight += 1;
    }
    this.#changed();
  }

  /** The oldest message to a room has been heard. */
  echoed(room) {
    this.#remove(this.#of(room).find(({ state }) => state === 'sent'));
  }

  /** The oldest message on its way was rejected. */
  rejected() {
    const item = this.items.find(({ state }) => state === 'sent');
    if (item) item.state = 'failed';
    this.#changed();
  }

  /** The connection was lost, on which we were `me`. */
  lose(me) {
    for (const item of this.items) {
      if (item.state === 'sent') Object.assign(item, { state: 'unsure', me });
    }
    this.#changed();
  }

  /**
   * Back in a room, whose `messages` since then are known: what is among them was said. The rest
   * is sent again if it is `certain` that it was not said, which is so after a session was resumed
   * and no message is missing.
   */
  settle(room, messages, certain) {
    const left = [...messages];
    for (const item of this.#of(room).filter(({ state }) => state === 'unsure')) {
      const at = left.findIndex(({ name, text }) => (
        same(name, item.me) && comparable(text) === comparable(item.text)));
      if (at >= 0) {
        left.splice(0, at + 1);
        this.#remove(item);
      } else {
        item.state = certain && item.sends < SENDS_MAX ? 'waiting' : 'failed';
      }
    }
    this.#changed();
  }

  /** Takes out all messages for a room that is not entered, and gives their texts. */
  withdraw(room) {
    const items = this.#of(room);
    this.items = this.items.filter((it) => !items.includes(it));
    this.#changed();
    return items.map(({ text }) => text);
  }

  /** Its author wants a message sent once more; echoes come in the order in which it is sent. */
  retry(item) {
    Object.assign(item, { state: 'waiting', sends: 0 });
    this.items = [...this.items.filter((it) => it !== item), item];
    this.#changed();
  }

  /** Its author does not want a message sent any more. */
  discard(item) {
    this.#remove(item);
  }

  #of(room) {
    return this.items.filter((item) => key(item.room) === key(room));
  }

  #push(room, text, state) {
    this.#lastId += 1;
    this.items.push({ id: this.#lastId, room, text, state, sends: 0, me: '' });
  }

  #remove(item) {
    this.items = this.items.filter((it) => it !== item);
    this.#changed();
  }

  #changed() {
    this.#keep(this.items.map(({ room, text, state }) => ({ room, text, state })));
  }
}
