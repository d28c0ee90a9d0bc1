/** The lines of the room that is shown. */

import { icon, make } from './dom.js';
import { hue, isEmoji, pieces, plural, same } from './text.js';

/** How far from the end still counts as being there, in pixels. */
const NEAR_PX = 48;
/** Messages of one author that follow each other this fast stand together, in milliseconds. */
const TOGETHER_MS = 5 * 60_000;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: 'long', day: 'numeric', month: 'long', year: 'numeric',
});

/**
 * Shows one room at a time in `list`, in an element `log` that scrolls; `jump` leads to its end.
 * `onSeen` gets the id of the last entry that is in sight.
 */
export class Lines {
  #log;
  #list;
  #jump;
  #room = null;
  /** `{ entry, version, element }` of what is shown, in order. */
  #shown = [];
  #divider = make('div', { className: 'unread' }, make('span', {}, 'new'));
  #mark = 0;
  #atEnd = true;
  #onSeen;

  constructor({ log, list, jump, onSeen }) {
    this.#log = log;
    this.#list = list;
    this.#jump = jump;
    this.#onSeen = onSeen;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    jump.addEventListener('click', () => {
      this.toEnd();
      log.focus({ preventScroll: true });
    });
    // A keyboard that opens makes the log lower; what was last should still be in sight.
    new ResizeObserver(() => { if (this.#atEnd) this.toEnd(); }).observe(log);
  }

  /** Whether the end is in sight. */
  get atEnd() {
    return this.#atEnd;
  }

  /** Scrolls to the end. */
  toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#atEnd = true;
    this.look();
  }

  /** Tells what is in sight. */
  look() {
    if (this.#room) this.#room.reading = !this.#atEnd;
    if (!this.#room || this.#room.unread === 0) return;
    const { bottom } = this.#log.getBoundingClientRect();
    const isSeen = ({ element }) => {
      const box = element.getBoundingClientRect();
      return box.top + Math.min(box.height, NEAR_PX) <= bottom;
    };
    const last = this.#atEnd ? this.#shown.at(-1) : this.#shown.findLast(isSeen);
    if (last) this.#onSeen(last.entry.id);
  }

  /** Makes what is shown what the room has; `fillEnd` fills what stands below the lines. */
  show(room, fillEnd) {
    const other = room !== this.#room;
    if (other) this.#clear(room);
    // A screen reader is to read what is new, not what was there when the room was entered.
    this.#log.ariaBusy = String(other);
    this.#inPlace(() => {
      if (room) {
        this.#trim(room.entries);
        this.#refill();
        this.#append(room.entries);
        this.#place(room.mark);
      }
      fillEnd();
    });
    if (other) this.#start();
    else if (this.#atEnd) this.toEnd();
    this.#offer();
    if (other) requestAnimationFrame(() => { this.#log.ariaBusy = 'false'; });
  }

  /** Changes the lines, and keeps what is read where it is in sight. */
  #inPlace(change) {
    const anchor = this.#atEnd ? null : this.#first();
    change();
    if (anchor?.element.isConnected) {
      this.#log.scrollTop += this.#offset(anchor.element) - anchor.offset;
    }
  }

  /** The first line in sight, and how far it is below the upper edge in pixels. */
  #first() {
    const { top } = this.#log.getBoundingClientRect();
    const it = this.#shown.find(({ element }) => element.getBoundingClientRect().bottom > top);
    return it && { ...it, offset: this.#offset(it.element) };
  }

  #offset(element) {
    return element.getBoundingClientRect().top - this.#log.getBoundingClientRect().top;
  }

  #clear(room) {
    if (this.#room) {
      const first = this.#atEnd ? null : this.#first();
      this.#room.view = first ? { id: first.entry.id, offset: first.offset } : null;
      this.#room.reading = false;
    }
    this.#room = room;
    this.#shown = [];
    this.#mark = 0;
    this.#atEnd = true;
    this.#list.replaceChildren();
    this.#log.ariaLabel = room ? `Messages in ${room.name}` : 'Messages';
  }

  /** Begins at what is new, or else where one read before, or at the end. */
  #start() {
    const { view, unread } = this.#room ?? {};
    const before = view && this.#shown.find(({ entry }) => entry.id === view.id);
    if (this.#mark !== 0 && unread > 0) this.#scrollTo(this.#divider, 0);
    else if (before) this.#scrollTo(before.element, view.offset);
    else this.toEnd();
  }

  #scrollTo(element, offset) {
    this.#log.scrollTop += this.#offset(element) - offset;
    this.#scrolled();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.look();
    this.#offer();
  }

  #offer() {
    const unread = this.#room?.unread ?? 0;
    this.#jump.hidden = this.#atEnd;
    const text = unread > 0 ? plural(unread, 'new message') : 'To the end';
    if (this.#jump.dataset.text === text) return;
    this.#jump.dataset.text = text;
    this.#jump.replaceChildren(text, icon('down'));
  }

  #trim(entries) {
    const first = entries[0]?.id ?? Infinity;
    while (this.#shown.length > 0 && this.#shown[0].entry.id < first) {
      this.#shown.shift().element.remove();
    }
  }

  #refill() {
    for (const it of this.#shown) {
      if (it.version === it.entry.version) continue;
      it.version = it.entry.version;
      fill(it.element, it.entry);
    }
  }

  #append(entries) {
    const last = this.#shown.at(-1)?.entry.id ?? 0;
    const start = entries.findIndex(({ id }) => id > last);
    if (start < 0) return;
    const elements = [];
    for (let index = start; index < entries.length; index += 1) {
      const entry = entries[index];
      const element = make('div', { className: `line ${entry.kind}` });
      element.classList.toggle('follows', follows(entries[index - 1], entry));
      fill(element, entry);
      this.#shown.push({ entry, version: entry.version, element });
      elements.push(element);
    }
    this.#list.append(...elements);
  }

  #place(mark) {
    if (mark === this.#mark) return;
    this.#mark = mark;
    const below = this.#shown.find(({ entry }) => entry.id >= mark);
    if (mark === 0 || !below) {
      this.#divider.remove();
      return;
    }
    below.element.before(this.#divider);
    below.element.classList.remove('follows');
  }
}

function follows(before, entry) {
  return before?.kind === 'message' && entry.kind === 'message' &&
    same(before.name, entry.name) && entry.time - before.time < TOGETHER_MS;
}

/** Puts an entry into its element. */
function fill(element, entry) {
  const parts = { day, message, fold, note }[entry.kind](entry, element);
  if (parts) element.replaceChildren(...parts);
}

function clock(time) {
  const date = new Date(time);
  return make('time', { dateTime: date.toISOString(), title: MOMENT.format(date) },
    CLOCK.format(date));
}

function day({ time }) {
  return [make('span', {}, DAY.format(time))];
}

function note({ text, time }) {
  return [make('span', { dir: 'auto' }, text), ...(time === null ? [] : [' ', clock(time)])];
}

function message({ time, name, text, own, mention }, element) {
  element.classList.toggle('own', own);
  element.classList.toggle('mention', mention);
  const body = make('p', { className: 'text', dir: 'auto' }, ...pieces(text).map(piece));
  body.classList.toggle('emoji', isEmoji(text));
  return [
    monogram(name),
    make('p', { className: 'who' },
      make('b', { className: `hue-${hue(name)}` }, name),
      ...(own ? [make('span', { className: 'you' }, 'you')] : []), ' ', clock(time)),
    body,
  ];
}

/** The first letters of a name on its colour; for the eye alone, as the name is beside it. */
export function monogram(name) {
  const letters = name.match(/[A-Z][a-z0-9]*/g)?.slice(0, 2).map((word) => word[0]).join('');
  return make('span', { className: `monogram hue-${hue(name)}`, 'aria-hidden': 'true' },
    (letters ?? name[0]).toUpperCase());
}

function piece({ text, href }) {
  if (href === undefined) return text;
  return make('a', { href, target: '_blank', rel: 'noopener noreferrer' }, text);
}

/** One step is a line; several are a line that unfolds, and stays as unfolded as it was. */
function fold({ fold: run }, element) {
  const { steps, count } = run;
  if (count === 1) return note(steps[0]);
  const items = steps.map((step) => make('li', {}, step.text, ' ', clock(step.time)));
  if (count > steps.length) items.unshift(make('li', {}, `${count - steps.length} before`));
  const text = run.summary();
  const details = element.querySelector('details');
  if (!details) {
    return [make('details', {}, make('summary', {}, text), make('ul', {}, ...items))];
  }
  details.querySelector('summary').textContent = text;
  details.querySelector('ul').replaceChildren(...items);
  return null;
}
