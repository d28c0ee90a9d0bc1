/** Where one writes. */

import { candidates, parse, usage } from './commands.js';
import { byId, make } from './dom.js';
import { setUpEmoji } from './emoji.js';
import { length, oneLine } from './text.js';

/** How many characters are left when we begin to say so. */
const COUNTED_FROM = 80;

/**
 * The form below the lines. `act` gets what `parse` made of a line, and gives a problem, or nothing
 * if it was done; `limit` gives how many characters a message may have.
 */
export class Composer {
  #input = byId('input');
  #grow = byId('grow');
  #counter = byId('counter');
  #problem = byId('problem');
  #hints = byId('hints');
  #limit;
  #act;

  constructor({ act, limit }) {
    this.#act = act;
    this.#limit = limit;
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener('keydown', (event) => {
      // Enter that ends the composition of a character is none that sends.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
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

  /** Where the text of this room goes. */
  address(room) {
    this.#input.placeholder = room ? `Write to ${room}` : 'Join a room, then write';
    this.#input.ariaLabel = this.#input.placeholder;
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
    const line = oneLine(this.#input.value);
    if (line === '') return;
    const meant = parse(line);
    const over = meant.say === undefined ? 0 : length(meant.say) - this.#limit();
    const problem = meant.problem ?? (over > 0
      ? `That is ${over} characters too long; a message has at most ${this.#limit()}.`
      : this.#act(meant));
    if (problem) {
      this.tell(problem);
      return;
    }
    this.#input.value = '';
    this.#changed();
  }

  #changed() {
    const { value } = this.#input;
    this.tell();
    // A copy of the text beside the input makes both as high as the text is.
    this.#grow.dataset.text = value;
    const left = this.#limit() - length(oneLine(value));
    this.#counter.hidden = left > COUNTED_FROM;
    this.#counter.textContent = left < 0 ? `${-left} too many` : `${left} left`;
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
