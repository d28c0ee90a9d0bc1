/** What this browser remembers from one visit to the next. */

import { isName } from './text.js';

const KEY = 'hubbub';

/** How many rooms are remembered. */
export const ROOMS_KEPT_MAX = 20;

/** The name, rooms and wishes of last time; whatever is missing or wrong is left out. */
export function load() {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    // Storage that is off, full or spoilt costs the memory, not the chat.
  }
  const rooms = Array.isArray(kept.rooms) ? kept.rooms.filter(isName) : [];
  return {
    name: isName(kept.name) ? kept.name : null,
    rooms: rooms.slice(0, ROOMS_KEPT_MAX),
    active: isName(kept.active) ? kept.active : null,
    notify: kept.notify === true,
  };
}

/** Changes what is remembered. */
export function keep(changes) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...load(), ...changes }));
  } catch {
    // As above.
  }
}
