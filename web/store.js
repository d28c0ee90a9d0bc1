/** What this browser remembers: from one visit to the next, or of this tab until it is closed. */

import { SESSION_ROOMS_MAX } from './protocol.js';
import { isName } from './text.js';

/** How many rooms are remembered. */
export const ROOMS_KEPT_MAX = SESSION_ROOMS_MAX;
/** How many resume tokens are remembered; more than one only while a `resume` is unanswered. */
export const TOKENS_MAX = 4;
/** How many unsent messages are read back, at most. */
const UNSENT_MAX = 200;
/** How many drafts there are at a time, and characters of each that is remembered. */
export const DRAFTS_MAX = 64;
const DRAFT_CHARS_MAX = 10_000;

/** Where the page is: pages at other paths of the same host are other chats. */
export function storeKey(base = globalThis.document?.baseURI ?? 'http://localhost/') {
  const { pathname } = new URL('.', base);
  return pathname === '/' ? 'hubbub' : `hubbub${pathname}`;
}

/** Reads an object; storage that is off, full or damaged costs the memory, not the chat. */
function read(storage) {
  try {
    const it = JSON.parse(globalThis[storage].getItem(storeKey()));
    return typeof it === 'object' && it !== null ? it : {};
  } catch {
    return {};
  }
}

function write(storage, changes) {
  try {
    const it = { ...read(storage), ...changes };
    globalThis[storage].setItem(storeKey(), JSON.stringify(it));
  } catch {
    // As above.
  }
}

/** The name, rooms and wishes of last time; whatever is missing or wrong is left out. */
export function load() {
  // Two tabs may be different people in different rooms: of what a tab knows, that counts.
  const kept = { ...read('localStorage'), ...read('sessionStorage') };
  const rooms = Array.isArray(kept.rooms) ? kept.rooms.filter(isName) : [];
  return {
    name: isName(kept.name) ? kept.name : null,
    rooms: rooms.slice(-ROOMS_KEPT_MAX),
    active: isName(kept.active) ? kept.active : null,
    notify: kept.notify === true,
  };
}

/** Changes what is remembered from one visit to the next: `name`, `rooms`, `active`, `notify`. */
export function keep(changes) {
  write('localStorage', changes);
  write('sessionStorage', changes);
}

/** What this tab remembers: its `id`, resume `tokens`, `drafts` by room, `unsent` messages. */
export function loadTab() {
  const { id, tokens, drafts, unsent } = read('sessionStorage');
  return {
    id: typeof id === 'string' ? id : null,
    tokens: list(tokens, (it) => typeof it === 'string', TOKENS_MAX),
    drafts: list(drafts, (it) => Array.isArray(it) && it.length === 2 && it.every(isText),
      DRAFTS_MAX),
    unsent: list(unsent, (it) => isName(it?.room) && isText(it.text), UNSENT_MAX),
  };
}

/** Changes what this tab remembers. */
export function keepTab(changes) {
  write('sessionStorage', changes);
}

/** Remembers drafts: `[room, text]` each, oldest first. */
export function keepDrafts(drafts) {
  keepTab({ drafts: drafts.filter(([, text]) => text.length <= DRAFT_CHARS_MAX) });
}

/** The names of the rooms to remember: of too many, those that were not used for longest go. */
export function roomsToKeep(rooms) {
  const used = rooms.map((room) => room.used).sort((one, other) => other - one);
  const least = used[ROOMS_KEPT_MAX - 1] ?? -1;
  return rooms.filter((room) => room.used >= least).map(({ name }) => name);
}

function isText(it) {
  return typeof it === 'string';
}

function list(it, isRight, max) {
  return Array.isArray(it) ? it.filter(isRight).slice(-max) : [];
}
