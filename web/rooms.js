/** The rooms of a session: which are open here, and which of them the server has let us in. */

import { askPause } from './backoff.js';
import { SESSION_ROOMS_MAX } from './protocol.js';
import { Room } from './room.js';
import { key } from './text.js';

/**
 * How far along the pauses begin after a room was refused: the server has a limit of rooms made in
 * a minute.
 */
const PAUSES_SKIPPED = 2;

/** Rooms, from when they are opened in the page until they are left or refused. */
export class Rooms {
  /** Rooms by key, in the order in which they were opened. */
  all = new Map();
  /** Rooms that were asked for, in the order in which the server will answer. */
  #asked = [];
  /** Keys of rooms that were left before the server had let us in; no more than a session has. */
  #left = new Set();
  #uses = 0;
  #refusals = 0;
  #timer = 0;
  #send;

  constructor(send) {
    this.#send = send;
  }

  /** Opens a room. */
  open(name) {
    const room = new Room(name);
    this.all.set(key(name), room);
    this.use(room);
    return room;
  }

  /** A room is being used. */
  use(room) {
    this.#uses += 1;
    room.used = this.#uses;
  }

  /** The room that was used last, or null. */
  lastUsed() {
    const rooms = [...this.all.values()];
    return rooms.reduce((last, room) => (last && last.used > room.used ? last : room), null);
  }

  /** What a `resume` tells of what we know. */
  places() {
    const known = [...this.all.values()].filter(({ epoch }) => epoch !== null);
    return known.slice(0, SESSION_ROOMS_MAX)
      .map(({ name, epoch, seq }) => ({ room: name, epoch, seq }));
  }

  /** Asks to enter a room, and gives it back. */
  enter(room) {
    this.#left.delete(key(room.name));
    if (this.#send({ type: 'join', room: room.name, ...room.place })) this.#asked.push(room);
    return room;
  }

  /** Asks to enter all rooms that are not entered, this one first, but for those of some keys. */
  enterAll(first, but = new Set()) {
    const out = [...this.all.values()].filter((room) => (
      !room.joined && !this.#asked.includes(room) && !but.has(key(room.name))));
    out.sort((one, other) => (other === first) - (one === first));
    out.forEach((room) => this.enter(room));
  }

  /** Takes an `entered`; gives the room, or null if it was left before. */
  entered(it) {
    const room = this.all.get(key(it.room));
    this.#asked = this.#asked.filter((asked) => key(asked.name) !== key(it.room));
    if (!room && this.#left.delete(key(it.room))) {
      this.#send({ type: 'leave', room: it.room });
      return null;
    }
    const entered = room ?? this.open(it.room);
    entered.enter(it);
    this.#refusals = 0;
    return entered;
  }

  /** Takes a refusal, which tells the name or is for the oldest that was asked for. */
  refused(name) {
    const at = name === undefined ? 0
      : this.#asked.findIndex((room) => key(room.name) === key(name));
    const [asked] = at < 0 ? [] : this.#asked.splice(at, 1);
    return asked && this.all.get(key(asked.name)) === asked ? asked : null;
  }

  /** Asks again after a while for what is not entered; gives whether that is for the first time. */
  enterLater() {
    if (this.#timer !== 0) return false;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.enterAll(null);
    }, askPause(this.#refusals + PAUSES_SKIPPED));
    this.#refusals += 1;
    return this.#refusals === 1;
  }

  /** Asks to leave a room; gives whether there will be an answer. */
  leave(room) {
    if (room.joined && this.#send({ type: 'leave', room: room.name })) {
      room.ready = false;
      return true;
    }
    // It may be entered any moment, or be one of a session that is taken up.
    if (this.#left.size < SESSION_ROOMS_MAX) this.#left.add(key(room.name));
    return false;
  }

  /** Closes a room. */
  forget(room) {
    this.all.delete(key(room.name));
  }

  /** The connection is gone. */
  lose() {
    for (const room of this.all.values()) Object.assign(room, { joined: false, ready: false });
    this.#asked = [];
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#refusals = 0;
  }
}
