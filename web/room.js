/** One room as this page knows it: its lines, its people, and what has not been read yet. */

import { Fold } from './fold.js';
import { key, mentions, plural, same } from './text.js';

/** How many lines of a room are kept; the oldest go first. */
export const LINES_MAX = 500;
/** The same while somebody reads above the end, from whom nothing should be taken away. */
export const LINES_READING_MAX = 2_000;

let lastId = 0;

/** A room. Its entries are plain objects with an `id`, a `kind`, and a `version` that changes. */
export class Room {
  name;
  /** Whether the server has let us in, on the connection there is now. */
  joined = false;
  /** Whether it has told its history since then, and takes messages. */
  ready = false;
  /** Whether we have ever been in, or were on the last visit. */
  known = false;
  /** When it was shown last, in steps of whoever counts. */
  used = 0;
  /** Whether somebody reads above the end. */
  reading = false;
  /** Where they did when another room was shown: `{ id, offset }` of an entry, or null. */
  view = null;
  /** Which life of the room `seq` counts in. */
  epoch = null;
  /** The number of the last event that was seen. */
  seq = 0;
  /** Lines, oldest first. */
  entries = [];
  /** Messages that came while nobody looked. */
  unread = 0;
  /** Whether one of them names us. */
  mentioned = false;
  /** The entry above which the mark for unread messages stands; 0 for none. */
  mark = 0;
  /** Names of those who are here, by their key; null if nobody has told us yet. */
  people = null;
  /** How many more are here, whose names we do not know. */
  others = 0;
  /** Whether people may have changed in a way we were not told. */
  stale = true;
  /** Where we were before the connection was lost, until the server has told what was missed. */
  #before = null;
  /** The line that tells what was missed, while it may still change. */
  #back = null;
  #lastDay = '';

  constructor(name) {
    this.name = name;
  }

  /** The fields of a `join` that make the server tell what was missed. */
  get place() {
    return this.epoch === null ? {} : { epoch: this.epoch, seq: this.seq };
  }

  /** How many are here, or null. */
  get count() {
    return this.people && this.people.size + this.others;
  }

  /** Takes an `entered`. */
  enter({ room, epoch, seq }) {
    const again = this.epoch !== null;
    // Who was alone in a room, and is the first in its next life, has missed nothing.
    const alone = !this.stale && this.count === 1 && seq <= 1;
    this.#before = again ? { epoch: this.epoch, seq: this.seq, alone } : null;
    Object.assign(this, { name: room, epoch, seq, stale: true, known: true });
    this.#back = again && !this.joined
      ? this.note('You are back; no message was missed.') : null;
    Object.assign(this, { joined: true, ready: false });
  }

  /**
   * Takes a `history`; `me` is our name. Gives the entries that we `missed`, and all messages
   * `since` we were here.
   */
  remember({ gap, messages }, me) {
    const before = this.#before;
    const known = before?.epoch === this.epoch ? before.seq : -1;
    const since = messages.filter(({ seq }) => seq > known);
    if (before && this.#back) {
      const others = since.filter(({ name }) => !same(name, me)).length;
      this.#retell(missed(others, gap && !(known < 0 && before.alone), known >= 0));
    }
    const entries = since.map((message) => this.say(message, me));
    this.ready = true;
    // What was said before we first came in was never ours to read.
    return { missed: before ? entries : [], since };
  }

  #retell(text) {
    this.#back.text = text;
    this.#back.version += 1;
  }

  /** Takes what somebody said, and gives the entry. */
  say({ time, name, text }, me) {
    this.#day(time);
    const own = same(name, me);
    const mention = !own && mentions(text, me);
    return this.#push({ kind: 'message', time, name, text, own, mention });
  }

  /** Takes a `join`, `leave`, `rename` or `tally`; `own` is whether a new name is ours. */
  pass(event, own = false) {
    this.#day(event.time);
    if (own) this.note(`You are now ${event.new}`, event.time);
    else this.#fold(event);
    this.#move(event);
  }

  #fold(event) {
    const last = this.entries.at(-1);
    if (last?.kind === 'fold') {
      last.fold.add(event);
      last.version += 1;
    } else {
      const fold = new Fold();
      fold.add(event);
      this.#push({ kind: 'fold', time: event.time, fold });
    }
  }

  /** Keeps the list of people as it is; of a crowd only the first names are in it. */
  #move({ type, name, old, new: renamed }) {
    if (type === 'tally') this.stale = true;
    if (!this.people) return;
    if (type === 'join') {
      if (this.others > 0) this.others += 1;
      else this.people.set(key(name), name);
    } else if (type === 'leave' && !this.people.delete(key(name))) {
      this.others = Math.max(0, this.others - 1);
    } else if (type === 'rename' && this.people.delete(key(old))) {
      this.people.set(key(renamed), renamed);
    }
  }

  /** Takes a `users`. */
  populate({ users, more }) {
    this.people = new Map(users.map((name) => [key(name), name]));
    this.others = more ?? 0;
    this.stale = false;
  }

  /** Adds a line of the page's own. */
  note(text, time = null) {
    return this.#push({ kind: 'note', text, time });
  }

  /** Counts an entry that has not been seen yet. */
  miss(entry) {
    if (this.unread === 0) this.mark = entry.id;
    entry.unread = true;
    this.#count();
  }

  /** All entries up to this one have been seen; gives whether any of them had not been. */
  readTo(id) {
    const before = this.unread;
    for (const entry of this.entries) {
      if (entry.id > id) break;
      entry.unread = false;
    }
    this.#count();
    return this.unread < before;
  }

  /** Has the mark for unread messages stand where those begin that are left. */
  markUnread() {
    this.mark = this.entries.find(({ unread }) => unread)?.id ?? 0;
  }

  #count() {
    const unread = this.entries.filter((entry) => entry.unread);
    this.unread = unread.length;
    this.mentioned = unread.some(({ mention }) => mention);
  }

  #day(time) {
    const day = new Date(time).toDateString();
    if (day === this.#lastDay) return;
    this.#lastDay = day;
    this.#push({ kind: 'day', time });
  }

  #push(entry) {
    lastId += 1;
    Object.assign(entry, { id: lastId, version: 0, unread: false });
    this.entries.push(entry);
    const over = this.entries.length - (this.reading ? LINES_READING_MAX : LINES_MAX);
    if (over > 0) {
      this.entries.splice(0, over);
      this.#count();
    }
    return entry;
  }
}

/** What to say about so many messages of others that came while we were away. */
function missed(count, gap, sameLife) {
  const these = plural(count, 'message');
  if (!gap) {
    return count === 0 ? 'You are back; no message was missed.' :
      `You are back and missed ${these}:`;
  }
  const what = sameLife ? 'The server has forgotten some messages that you missed.'
    : 'The room began anew meanwhile, so messages may be missing.';
  return count === 0 ? `You are back. ${what}` : `You are back. ${what} It still has ${these}:`;
}
