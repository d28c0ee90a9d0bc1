/** What goes on: who we are, which rooms we are in, and what the server's words change in that. */

import { NameClaim } from './claim.js';
import { Outbox } from './outbox.js';
import { ERROR_SUBJECTS } from './protocol.js';
import { Resume } from './resume.js';
import { Rooms } from './rooms.js';
import { keep, keepTab, roomsToKeep } from './store.js';
import { key, people, plural, same } from './text.js';

/**
 * The chat. `send` and `ask` give the server an object; `told` is called with whatever changes:
 * - `changed()`: something to be shown has
 * - `problem(text, code)`: something was refused
 * - `heard(room, entry)`: somebody said something; answers whether somebody looks at it
 * - `moved()`: we are in another room, or in one less
 * - `returned(room, texts)`: what was written for a room that is not entered
 */
export class Chat {
  me = '';
  messageChars = 400;
  /** The room that is shown, if any. */
  active = null;
  /** The server's list of rooms: `rooms`, and how many more there are. */
  directory = { rooms: [], more: 0 };
  /** Whether there is a session. */
  connected = false;
  /** What was written and has not been heard yet. */
  outbox;
  #rooms;
  #claim;
  #resume;
  #lobby = '';
  /** The name that the server has given the new session. */
  #guest = '';
  /** The name that the user has asked for. */
  #chosen = null;
  /** Lists that were asked for by somebody who wants to read them. */
  #toTell = new Set();
  #kept;
  #send;
  #ask;
  #told;

  /** `kept` is what `store.js` has loaded, for this browser and for this tab. */
  constructor({ send, ask, told, kept }) {
    this.#send = send;
    this.#ask = ask;
    this.#told = told;
    this.#kept = kept;
    this.#claim = new NameClaim((name) => send({ type: 'name', name }), kept.name);
    this.#resume = new Resume(ask, kept.tokens);
    this.#rooms = new Rooms(send);
    this.outbox = new Outbox((unsent) => keepTab({ unsent }), kept.unsent);
  }

  /** Rooms by key, in the order in which they were opened. */
  get rooms() {
    return this.#rooms.all;
  }

  /** The name that is being asked for, or null. */
  get claimed() {
    return this.#claim.active ? this.#claim.wanted : null;
  }

  /** The tokens with which the session can be taken up. */
  get tokens() {
    return this.#resume.tokens;
  }

  /** Takes one object of the server's. Unknown ones are from a newer server, and left alone. */
  take(it) {
    if (!Object.hasOwn(HANDLERS, it.type)) return;
    HANDLERS[it.type](this, it);
    this.#told.changed();
  }

  /** The connection is gone. */
  lose() {
    this.connected = false;
    this.outbox.lose(this.me);
    this.#rooms.lose();
    this.#claim.stop();
    this.#toTell.clear();
    this.#told.changed();
  }

  /** Takes the session of these tokens up when it connects next. */
  takeUp(tokens) {
    this.#resume.tokens = tokens;
  }

  /** Shows a room, which it asks to enter if need be; gives whether that could be. */
  join(name) {
    const room = this.rooms.get(key(name));
    if (!room && !this.connected) return false;
    this.show(room ?? this.#rooms.enter(this.#rooms.open(name)));
    return true;
  }

  /** Asks to leave a room. */
  leave(room) {
    const texts = this.outbox.withdraw(room.name);
    if (texts.length > 0) this.#told.returned(room.name, texts);
    if (!this.#rooms.leave(room)) this.#forget(room);
    this.#told.changed();
  }

  /** Says texts in the room that is shown, in order, as soon as that can be; gives whether. */
  say(texts) {
    if (!this.active || !this.outbox.add(this.active.name, texts)) return false;
    this.#pump();
    return true;
  }

  /** Sends a message once more that was perhaps not sent. */
  retry(item) {
    this.outbox.retry(item);
    this.#pump();
  }

  /** Forgets a message that was perhaps not sent. */
  discard(item) {
    this.outbox.discard(item);
    this.#told.changed();
  }

  #pump() {
    const isOpen = (name) => this.rooms.get(key(name))?.ready ?? false;
    this.outbox.pump(isOpen, this.#send);
    this.#told.changed();
  }

  /** Asks for another name. */
  rename(name) {
    this.#claim.stop();
    this.#chosen = name;
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
    const sent = this.#send({ type: 'quit' });
    if (sent) this.#resume.tokens = [];
    return sent;
  }

  /** Shows a room. */
  show(room) {
    // The mark of unread messages has served when one looks elsewhere.
    if (this.active && this.active !== room) this.active.markUnread();
    this.active = room;
    this.#rooms.use(room);
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

  #forget(room) {
    this.#rooms.forget(room);
    if (this.active === room) {
      this.active = null;
      const next = this.#rooms.lastUsed();
      if (next) this.show(next);
    }
    this.#remember();
  }

  #remember() {
    // A room that has not been entered yet may be refused.
    const rooms = roomsToKeep([...this.rooms.values()].filter(({ known }) => known));
    const active = this.active?.known ? this.active.name : rooms.at(-1) ?? null;
    keep({ rooms, active });
  }

  /** A session begins: we want to be who we were, where we were. */
  begin({ name, lobby, message_chars: chars, resume }) {
    Object.assign(this, { messageChars: chars, connected: true });
    this.#guest = name;
    this.#lobby = lobby;
    this.#openKept();
    if (!this.#resume.begin(resume, this.#rooms.places())) this.beginAnew();
  }

  /** On the first connection: opens the rooms of last time. */
  #openKept() {
    const { rooms, active } = this.#kept;
    this.#kept = { rooms: [], active: null };
    rooms.forEach((name) => { this.#rooms.open(name).known = true; });
    this.active ??= this.rooms.get(key(active ?? '')) ?? this.#rooms.lastUsed();
  }

  /** The session has this name, which may not be the one that is wanted. */
  #call(name) {
    this.me = name;
    this.#claim.begin(name);
    keepTab({ name: this.#claim.wanted });
  }

  /** There is no session to take up. */
  beginAnew() {
    this.#call(this.#guest);
    if (this.rooms.size === 0) this.active = this.#rooms.open(this.#lobby);
    this.#rooms.enterAll(this.active);
  }

  /** The old session is ours again, with these rooms. */
  resumed({ name, rooms }) {
    this.#resume.done(true);
    this.#call(name);
    if (this.rooms.size === 0 && rooms.length === 0) this.active = this.#rooms.open(this.#lobby);
    // Those of the session follow by themselves.
    this.#rooms.enterAll(this.active, new Set(rooms.map(key)));
  }

  /** The session of the token is gone. */
  notResumed() {
    if (!this.#resume.next(this.#rooms.places())) this.beginAnew();
  }

  /** We have another name. */
  become(name) {
    // The name of a session that is taken up was perhaps not chosen.
    if (this.#resume.isPending || name === this.me) return;
    this.me = name;
    this.#claim.become(name);
    // What was not chosen is this tab's alone.
    if (name === this.#chosen) keep({ name });
    else keepTab({ name });
  }

  /** We are in a room. */
  enter(it) {
    const room = this.#rooms.entered(it);
    if (!room) return;
    if (!this.active) this.show(room);
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
    this.#count(room, entry);
    if (!entry.own) return;
    this.outbox.echoed(room.name);
    this.#pump();
  }

  #count(room, entry) {
    if (!entry.own && !this.#told.heard(room, entry)) room.miss(entry);
  }

  /** What was said before, or while we were away. */
  recall(room, it) {
    const { missed, since } = room.remember(it, this.me);
    for (const entry of missed) this.#count(room, entry);
    this.outbox.settle(room.name, since, this.#resume.succeeded && !it.gap);
    this.#pump();
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
  refuse(it) {
    const subject = Object.hasOwn(ERROR_SUBJECTS, it.code) ? ERROR_SUBJECTS[it.code] : 'other';
    if (subject === 'resume') this.notResumed();
    else if (subject === 'name' && this.#claim.active) this.#nameRefused(it);
    else if (subject === 'room' || subject === 'later') this.#roomRefused(it, subject === 'later');
    else if (subject === 'joined') this.#rooms.refused(it.room);
    else this.#told.problem(it.text, it.code);
    if (subject === 'text') this.outbox.rejected();
  }

  #nameRefused({ code, text }) {
    if (code !== 'name-taken') {
      this.#claim.drop();
      this.#told.problem(`${text}, so you are ${this.me}.`, code);
    } else if (this.#claim.taken()) {
      this.#told.problem(`${text}, so you are ${this.me} for now. It is asked for again until it ` +
        'is free, or you take another name.', code);
    }
  }

  #roomRefused({ code, text, room: name }, isForNow) {
    const room = this.#rooms.refused(name);
    if (!room) {
      this.#told.problem(text, code);
    } else if (isForNow && room.known) {
      // We were there before: it is asked for again, and what is written for it waits.
      if (this.#rooms.enterLater()) this.#told.problem(`${text}. It is tried again.`, code);
    } else {
      const texts = this.outbox.withdraw(room.name);
      this.#forget(room);
      if (texts.length > 0) this.#told.returned(room.name, texts);
      this.#told.problem(text, code);
    }
  }
}

/** What each type of the protocol does. */
const HANDLERS = {
  welcome: (chat, it) => chat.begin(it),
  resumed: (chat, it) => chat.resumed(it),
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
    room.note(`You read too slowly here, and missed ${plural(it.missed, 'event')}.`);
    room.stale = true;
  }),
  error: (chat, it) => chat.refuse(it),
  bye: (chat, it) => chat.active?.note(it.text),
};
