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

/** Shows one room at a time in `log`, an element that scrolls; `jump` leads to its end. */
export class Lines {
  #log;
  #jump;
  #room = null;
  /** `{ entry, version, element }` of what is shown, in order. */
  #shown = [];
  #divider = make('div', { className: 'unread' }, make('span', {}, 'new'));
  #mark = 0;
  #atEnd = true;
  #onEnd;

  constructor(log, jump, onEnd) {
    this.#log = log;
    this.#jump = jump;
    this.#onEnd = onEnd;
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
    this.#onEnd();
  }

  /** Makes what is shown what the room has. */
  show(room) {
    const other = room !== this.#room;
    if (other) this.#clear(room);
    if (!room) return;
    // A screen reader is to read what is new, not what was there when the room was entered.
    this.#log.ariaBusy = String(other);
    this.#trim(room.entries);
    this.#refill();
    this.#append(room.entries);
    this.#place(room.mark);
    if (other) this.#start();
    else if (this.#atEnd) this.toEnd();
    this.#offer();
    if (other) requestAnimationFrame(() => { this.#log.ariaBusy = 'false'; });
  }

  #clear(room) {
    this.#room = room;
    this.#shown = [];
    this.#mark = 0;
    this.#log.replaceChildren();
    this.#log.ariaLabel = room ? `Messages in ${room.name}` : 'Messages';
  }

  /** Begins at what is new, or else at the end. */
  #start() {
    this.toEnd();
    if (this.#mark === 0) return;
    this.#divider.scrollIntoView({ block: 'start' });
    this.#scrolled();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#atEnd) this.#onEnd();
    this.#offer();
  }

  #offer() {
    const unread = this.#room?.unread ?? 0;
    this.#jump.hidden = this.#atEnd;
    const text = unread > 0 ? plural(unread, 'new message') : 'To the end';
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
    this.#log.append(...elements);
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
