/** Where one writes. */

import { candidates, parse, usage } from './commands.js';
import { byId, make } from './dom.js';
import { setUpEmoji } from './emoji.js';
import { DRAFTS_MAX, keepDrafts } from './store.js';
import { key, length, linesOf, plural } from './text.js';

/** How many characters are left when we begin to say so. */
const COUNTED_FROM = 80;
/** How many lines may be sent at once; what the server takes at once by default. */
export const LINES_SENT_MAX = 50;
/** What some browsers give as the code of a key that belongs to the composition of a character. */
const COMPOSING_KEY = 229;

/**
 * The form below the lines. `act` gets what `parse` made of a text, and gives a problem, or nothing
 * if it was done; `limit` gives how many characters a message may have. Each room has a draft of
 * its own: `drafts` are those of before a reload, as `[room, text]`.
 */
export class Composer {
  #input = byId('input');
  #grow = byId('grow');
  #counter = byId('counter');
  #problem = byId('problem');
  #hints = byId('hints');
  #drafts;
  /** The key of the room that is written to. */
  #room = '';
  #limit;
  #act;

  constructor({ act, limit, drafts }) {
    this.#act = act;
    this.#limit = limit;
    this.#drafts = new Map(drafts);
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey) return;
      // Enter that ends the composition of a character is none that sends. Safari says that the
      // composition has ended before it tells of the key.
      if (event.isComposing || event.keyCode === COMPOSING_KEY) return;
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('input', () => this.#changed());
    setUpEmoji(byId('emoji'), (it) => this.insert(it));
  }

  /** Says what is wrong, or that nothing is any more. */
  tell(problem = '') {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }

  /** Where the text of this room goes; shows what was begun for it. */
  address(room) {
    this.#input.placeholder = room ? `Write to ${room}` : 'Join a room, then write';
    this.#input.ariaLabel = this.#input.placeholder;
    const next = key(room ?? '');
    if (next === this.#room) return;
    this.#room = next;
    this.#input.value = this.#drafts.get(next) ?? '';
    this.#show();
  }

  /** Puts texts back that were written for a room. */
  giveBack(room, texts) {
    const lines = [...texts, this.#drafts.get(key(room)) ?? ''].filter((it) => it !== '');
    this.#keep(key(room), lines.join('\n'));
    if (key(room) !== this.#room) return;
    this.#input.value = this.#drafts.get(this.#room);
    this.#show();
  }

  /** Puts a text where the cursor is. */
  insert(text) {
    const { selectionStart: start, selectionEnd: end } = this.#input;
    this.#input.setRangeText(text, start, end, 'end');
    this.#input.focus();
    this.#changed();
  }

  /** Begins to speak to somebody. */
  mention(name) {
    const text = this.#input.value;
    this.insert(text === '' ? `${name}: ` : `${/\s$/.test(text) ? '' : ' '}${name} `);
  }

  /** Makes it where keys go, unless that would open a keyboard over half of the page. */
  focus() {
    if (!matchMedia('(pointer: coarse)').matches) this.#input.focus();
  }

  #submit() {
    if (linesOf(this.#input.value).length === 0) return;
    const meant = parse(this.#input.value);
    const problem = meant.problem ?? this.#excess(meant.say ?? []) ?? this.#act(meant);
    if (problem) {
      this.tell(problem);
      return;
    }
    this.#input.value = '';
    this.#changed();
  }

  /** What is too much of these lines. */
  #excess(lines) {
    if (lines.length > LINES_SENT_MAX) {
      return `Each line is a message, and these are ${lines.length}; ${LINES_SENT_MAX} can be ` +
        'sent at once.';
    }
    const over = lines.map((line) => length(line) - this.#limit());
    const at = over.findIndex((it) => it > 0);
    if (at < 0) return null;
    const which = lines.length > 1 ? `Line ${at + 1}` : 'That';
    return `${which} is ${plural(over[at], 'character')} too long; a message has at most ` +
      `${this.#limit()}.`;
  }

  #changed() {
    this.tell();
    this.#keep(this.#room, this.#input.value);
    this.#show();
  }

  #keep(room, text) {
    // What was changed last is last, for the oldest to be forgotten first.
    this.#drafts.delete(room);
    if (text !== '') this.#drafts.set(room, text);
    if (this.#drafts.size > DRAFTS_MAX) this.#drafts.delete(this.#drafts.keys().next().value);
    keepDrafts([...this.#drafts]);
  }

  #show() {
    const { value } = this.#input;
    // A copy of the text beside the input makes both as high as the text is.
    this.#grow.dataset.text = value;
    const lines = linesOf(value);
    const left = this.#limit() - Math.max(0, ...lines.map(length));
    const several = lines.length > 1 ? `${lines.length} messages` : '';
    const count = left < 0 ? `${-left} too many` : `${left} left`;
    const shown = [several, left > COUNTED_FROM ? '' : count].filter((it) => it !== '');
    this.#counter.hidden = shown.length === 0;
    this.#counter.textContent = shown.join(', ');
    this.#counter.classList.toggle('over', left < 0);
    this.#hint(candidates(value));
  }

  #hint(commands) {
    this.#hints.hidden = commands.length === 0;
    this.#hints.replaceChildren(...commands.map((command) => (
      make('div', {}, make('code', {}, usage(command)), ` ${command.what}`)
    )));
  }
}
