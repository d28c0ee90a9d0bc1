/** What goes on: who we are, which rooms we are in, and what the server's words change in that. */

import { Room } from './room.js';
import { keep, ROOMS_KEPT_MAX } from './store.js';
import { key, people, plural, same } from './text.js';

/** Errors that mean that a room will not be entered. */
const SHUT = ['room-invalid', 'room-refused', 'too-many-rooms'];
/** Errors about a name. */
const NAMELESS = ['name-taken', 'name-invalid'];
/** How often we ask to have our name back. */
const CLAIMS_MAX = 2;
/** How long to wait in between, in milliseconds. */
const CLAIM_MS = 2_000;
/** How many of our own messages are remembered until they are heard. */
const UNHEARD_MAX = 20;

/**
 * The chat. `send` and `ask` give the server an object; `told` is called with whatever changes:
 * - `changed()`: something to be shown has
 * - `problem(text, code)`: something was refused
 * - `heard(room, entry)`: somebody said something; answers whether somebody looks at it
 * - `moved()`: we are in another room, or in one less
 */
export class Chat {
  me = '';
  messageChars = 400;
  /** Rooms by key, in the order in which they were entered. */
  rooms = new Map();
  /** The room that is shown, if any. */
  active = null;
  /** The server's list of rooms: `rooms`, and how many more there are. */
  directory = { rooms: [], more: 0 };
  /** The name we want to have whenever we connect. */
  #wanted;
  /** How often the page itself may still ask for that name on this connection. */
  #claims = 0;
  /** What we said and have not heard yet, oldest first. */
  #unheard = [];
  /** Lists that were asked for by somebody who wants to read them. */
  #toTell = new Set();
  #kept;
  #send;
  #ask;
  #told;

  constructor({ send, ask, told, kept }) {
    this.#send = send;
    this.#ask = ask;
    this.#told = told;
    this.#kept = kept;
    this.#wanted = kept.name;
  }

  /** Takes one object of the server's. Unknown ones are from a newer server, and left alone. */
  take(it) {
    if (!Object.hasOwn(HANDLERS, it.type)) return;
    HANDLERS[it.type](this, it);
    this.#told.changed();
  }

  /** The connection is gone. */
  lose() {
    for (const room of this.rooms.values()) room.joined = false;
    for (const { room, text } of this.#unheard) {
      room.note(`Nobody knows whether this was still said: ${text}`);
    }
    this.#unheard = [];
    this.#toTell.clear();
    this.#told.changed();
  }

  /** Asks to enter a room, or shows it if we are in. */
  join(name) {
    const room = this.rooms.get(key(name));
    if (room) {
      this.show(room);
    } else if (this.#send({ type: 'join', room: name })) {
      this.show(this.#open(name));
    } else {
      this.#told.problem('There is no connection; try again when it is back.');
    }
  }

  /** Asks to leave a room. */
  leave(room) {
    if (!this.#send({ type: 'leave', room: room.name })) this.#forget(room);
    this.#told.changed();
  }

  /** Says something in the room that is shown, and gives whether it was sent. */
  say(text) {
    const room = this.active;
    const sent = room !== null && this.#send({ type: 'say', room: room.name, text });
    if (sent) this.#unheard = [...this.#unheard, { room, text }].slice(-UNHEARD_MAX);
    return sent;
  }

  /** Asks for another name. */
  rename(name) {
    this.#claims = 0;
    return this.#send({ type: 'name', name });
  }

  /** Asks for `rooms` or `users`, and tells the answer among the lines when it comes. */
  list(type) {
    if (!this.active) return false;
    this.#toTell.add(type);
    return this.#send(type === 'rooms' ? { type } : { type, room: this.active.name });
  }

  /** Ends the session. */
  quit() {
    return this.#send({ type: 'quit' });
  }

  /** Shows a room. */
  show(room) {
    // The mark of unread messages has served when one looks elsewhere.
    if (this.active && this.active !== room) this.active.mark = 0;
    this.active = room;
    this.askPeople();
    this.#remember();
    this.#told.changed();
  }

  /** Asks for all that the server does not tell by itself. */
  refresh() {
    this.#ask({ type: 'rooms' });
    this.askPeople();
  }

  /** Asks who is in the room that is shown, if we cannot know. */
  askPeople() {
    const room = this.active;
    if (room?.joined && room.stale) this.#ask({ type: 'users', room: room.name });
  }

  #open(name) {
    const room = new Room(name);
    this.rooms.set(key(name), room);
    return room;
  }

  #forget(room) {
    this.rooms.delete(key(room.name));
    if (this.active === room) {
      this.active = null;
      const next = [...this.rooms.values()].at(-1);
      if (next) this.show(next);
    }
    this.#remember();
  }

  #remember() {
    const rooms = [...this.rooms.values()].map(({ name }) => name).slice(0, ROOMS_KEPT_MAX);
    keep({ rooms, active: this.active?.name ?? null });
  }

  /** A session begins: we want to be who we were, where we were. */
  begin({ name, lobby, message_chars: chars }) {
    const first = this.me === '';
    Object.assign(this, { me: name, messageChars: chars });
    this.#wanted ??= name;
    this.#claims = same(this.#wanted, name) ? 0 : CLAIMS_MAX;
    this.#claim();
    if (first) {
      const names = this.#kept.rooms.length > 0 ? this.#kept.rooms : [lobby];
      names.forEach((room) => this.#open(room));
      const active = this.rooms.get(key(this.#kept.active ?? ''));
      this.active = active ?? [...this.rooms.values()][0];
    }
    for (const room of this.rooms.values()) {
      this.#send({ type: 'join', room: room.name, ...room.place });
    }
  }

  /** We have another name. */
  become(name) {
    this.me = this.#wanted = name;
    if (this.#claims === 0) keep({ name });
    this.#claims = 0;
  }

  #claim() {
    if (this.#claims > 0) this.#send({ type: 'name', name: this.#wanted });
  }

  /** We are in a room. */
  enter(it) {
    const room = this.rooms.get(key(it.room)) ?? this.#open(it.room);
    room.enter(it);
    this.#told.moved();
    this.#remember();
  }

  /** We are out of a room. */
  exit(name) {
    const room = this.rooms.get(key(name));
    if (room) this.#forget(room);
    this.#told.moved();
  }

  /** Hands an event of a room to it, unless we have left. */
  within(it, act) {
    const room = this.rooms.get(key(it.room));
    if (!room) return;
    // Numbers only grow, but for what comes twice when a room is joined twice.
    if (it.seq !== undefined) room.seq = Math.max(room.seq, it.seq);
    act(room);
  }

  /** Somebody said something. */
  hear(room, it) {
    const entry = room.say(it, this.me);
    if (entry.own) this.#unheard = withoutFirst(this.#unheard, room);
    this.#count(room, entry);
  }

  #count(room, entry) {
    if (!entry.own && !this.#told.heard(room, entry)) room.miss(entry);
  }

  /** What was said before, or while we were away. */
  recall(room, it) {
    for (const entry of room.remember(it, this.me)) this.#count(room, entry);
  }

  /** The list of rooms. */
  survey(it) {
    this.directory = it;
    const rooms = it.rooms.map(({ room, users }) => `${room} (${users})`);
    const more = it.more > 0 ? ` and ${plural(it.more, 'smaller one')}` : '';
    if (this.#toTell.delete('rooms')) this.active?.note(`Rooms: ${rooms.join(', ')}${more}`);
  }

  /** The list of people in a room. */
  meet(room, it) {
    room.populate(it);
    const more = room.others > 0 ? ` and ${people(room.others)} more` : '';
    if (this.#toTell.delete('users')) room.note(`Here: ${it.users.join(', ')}${more}`);
  }

  /** Something was refused. */
  refuse({ code, text, room: name }) {
    const room = name === undefined ? null : this.rooms.get(key(name));
    if (room) this.#unheard = withoutFirst(this.#unheard, room);
    if (room && !room.joined && SHUT.includes(code)) this.#forget(room);
    if (this.#claims === 0 || !NAMELESS.includes(code)) {
      this.#told.problem(text, code);
      return;
    }
    // It may be our own connection of a moment ago that still has the name.
    this.#claims -= 1;
    if (this.#claims > 0) setTimeout(() => this.#claim(), CLAIM_MS);
    else this.#told.problem(`${text}, so you are ${this.me} for now.`, code);
  }
}

/** A list of messages without the oldest of a room. */
function withoutFirst(unheard, room) {
  const first = unheard.findIndex((it) => it.room === room);
  return unheard.filter((_, index) => index !== first);
}

/** What each type of the protocol does. */
const HANDLERS = {
  welcome: (chat, it) => chat.begin(it),
  named: (chat, it) => chat.become(it.name),
  entered: (chat, it) => chat.enter(it),
  left: (chat, it) => chat.exit(it.room),
  history: (chat, it) => chat.within(it, (room) => chat.recall(room, it)),
  message: (chat, it) => chat.within(it, (room) => chat.hear(room, it)),
  join: (chat, it) => chat.within(it, (room) => room.pass(it)),
  leave: (chat, it) => chat.within(it, (room) => room.pass(it)),
  tally: (chat, it) => chat.within(it, (room) => room.pass(it)),
  rename: (chat, it) => chat.within(it, (room) => {
    room.pass(it, same(it.new, chat.me) || same(it.old, chat.me));
  }),
  users: (chat, it) => chat.within(it, (room) => chat.meet(room, it)),
  rooms: (chat, it) => chat.survey(it),
  gap: (chat, it) => chat.within(it, (room) => {
    room.note(`You read too slowly here, and missed ${it.missed} lines.`);
    room.stale = true;
  }),
  error: (chat, it) => chat.refuse(it),
  bye: (chat, it) => {
    if (it.reason !== 'quit') chat.active?.note(it.text);
  },
};
