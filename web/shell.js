/** The frame of the page: drawers, dialogs, and the line that tells of the connection. */

import { byId, make } from './dom.js';
import { COMMANDS, usage } from './commands.js';
import { isName } from './text.js';

/** Which side is a drawer up to which width; `style.css` knows it too. */
const DRAWERS = [
  { side: 'rooms', narrow: matchMedia('(max-width: 47.99rem)') },
  { side: 'people', narrow: matchMedia('(max-width: 67.99rem)') },
];

/** Sides that are out of the way until they are called for, which `onOpen` hears of. */
export class Drawers {
  #open = null;
  #onOpen;

  constructor(onOpen) {
    this.#onOpen = onOpen;
    for (const { side, narrow } of DRAWERS) {
      byId(`open-${side}`).addEventListener('click', () => this.#show(side));
      byId(`close-${side}`).addEventListener('click', () => this.close());
      narrow.addEventListener('change', () => this.#settle());
    }
    byId('veil').addEventListener('click', () => this.close());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    this.#settle();
  }

  /** Puts an open drawer away, and the focus back; gives whether one was open. */
  close() {
    const side = this.#open;
    if (!side) return false;
    this.#open = null;
    this.#settle();
    byId(`open-${side}`).focus();
    return true;
  }

  #show(side) {
    this.#open = side;
    this.#settle();
    byId(`close-${side}`).focus();
    this.#onOpen();
  }

  /** What is out of sight is out of reach too, and so is what a drawer covers. */
  #settle() {
    const open = DRAWERS.find(({ side, narrow }) => side === this.#open && narrow.matches);
    this.#open = open?.side ?? null;
    for (const { side, narrow } of DRAWERS) {
      const shown = side === this.#open;
      byId(side).inert = narrow.matches ? !shown : this.#open !== null;
      byId(side).classList.toggle('open', shown);
      byId(`open-${side}`).ariaExpanded = String(shown);
    }
    for (const id of ['conversation', 'skip']) byId(id).inert = this.#open !== null;
    byId('veil').hidden = this.#open === null;
  }
}

/** The dialog that changes the name; `rename` asks for one, and gives whether it could. */
export class NameDialog {
  #dialog = byId('name-dialog');
  #input = byId('name-input');
  #problem = byId('name-problem');

  constructor(rename) {
    byId('name-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const name = this.#input.value.trim();
      if (!isName(name)) this.tell('A name is 2 to 20 of A-Z a-z 0-9 - _');
      else if (!rename(name)) this.tell('There is no connection; try again when it is back.');
    });
    byId('name-cancel').addEventListener('click', () => this.#dialog.close());
    this.#input.addEventListener('input', () => this.tell(''));
  }

  /** Whether it is there. */
  get isOpen() {
    return this.#dialog.open;
  }

  /** Shows it with the name there is. */
  open(name) {
    this.tell('');
    this.#input.value = name;
    this.#dialog.showModal();
    this.#input.select();
  }

  /** The name is ours. */
  close() {
    this.#dialog.close();
  }

  /** Says what is wrong with a name. */
  tell(problem) {
    this.#problem.textContent = problem;
    this.#input.ariaInvalid = String(problem !== '');
  }
}

/** Fills the help in, and gives a function that shows it. */
export function setUpHelp() {
  byId('commands').replaceChildren(...COMMANDS.flatMap((command) => [
    make('dt', {}, make('code', {}, usage(command))),
    make('dd', {}, command.what),
  ]));
  const dialog = byId('help-dialog');
  byId('help-close').addEventListener('click', () => dialog.close());
  const show = () => dialog.showModal();
  byId('help').addEventListener('click', show);
  return show;
}

/** What to tell of sessions that have ended for good. */
const ENDINGS = {
  idle: 'You were quiet for long, and the server let you go.',
  replaced: 'The chat goes on in another tab.',
  quit: 'You have left.',
};

/** Tells how the connection is, and counts down to the next attempt. */
export class LinkLine {
  #line = byId('link');
  #text = byId('link-text');
  #count = byId('link-count');
  #retry = byId('retry');
  #timer = 0;

  constructor(retry) {
    this.#retry.addEventListener('click', retry);
  }

  /** Shows a state of the connection; `first` is whether there has never been one. */
  show(state, first) {
    clearInterval(this.#timer);
    const text = {
      open: '',
      connecting: first ? 'Connecting…' : 'Reconnecting…',
      waiting: state.text || (first ? 'The server does not answer, or lets nobody in at the moment.'
        : 'The connection is lost.'),
      ended: ENDINGS[state.why] ?? (state.text || 'You have left.'),
    }[state.kind];
    this.#line.hidden = text === '';
    this.#line.dataset.kind = state.kind;
    if (this.#text.textContent !== text) this.#text.textContent = text;
    this.#retry.hidden = state.kind !== 'waiting' && state.kind !== 'ended';
    this.#retry.textContent = state.kind === 'waiting' ? 'Retry now'
      : state.why === 'replaced' ? 'Take it back' : 'Come back';
    this.#count.textContent = '';
    if (state.kind !== 'waiting') return;
    this.#tick(state.until);
    this.#timer = setInterval(() => this.#tick(state.until), 1_000);
  }

  #tick(until) {
    const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1_000));
    this.#count.textContent = `Reconnecting in ${seconds} s`;
  }
}
