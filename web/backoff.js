/** How long to wait before trying again. */

/** The wait after an established connection was lost, in milliseconds. */
export const LOST_MS = 1_000;
/**
 * The wait after the first attempt that failed, in milliseconds. A rejection over HTTP looks to a
 * page like a server that is down, so it is long enough for three pages behind one address to stay
 * below ten attempts a minute.
 */
export const FIRST_MS = 10_000;
/** By what the wait grows with each further failure. */
const GROWTH = 3;
/** The longest wait, in milliseconds. */
export const LONGEST_MS = 300_000;
/** By what the wait is longer while the page is hidden. */
export const HIDDEN_FACTOR = 2;

/** The first wait before a name or a room is asked for again, in milliseconds; it doubles. */
export const ASK_FIRST_MS = 2_000;
/** The longest such wait, in milliseconds. */
export const ASK_LONGEST_MS = 60_000;

/**
 * The wait in milliseconds before connecting again; `failures` counts attempts since a connection
 * last held. Half of it is random, so that those who lost a server together do not come back
 * together. A server that shuts down may ask for more time.
 */
export function pause(failures, { askedSeconds = 0, hidden = false, random = Math.random } = {}) {
  const due = failures === 0 ? LOST_MS : Math.min(LONGEST_MS, FIRST_MS * GROWTH ** (failures - 1));
  const asked = Math.min(LONGEST_MS, askedSeconds * 1_000);
  const wait = asked + due / 2 + (random() * (asked + due)) / 2;
  return hidden ? wait * HIDDEN_FACTOR : wait;
}

/** The wait in milliseconds before something the server refused is asked for again. */
export function askPause(refusals, random = Math.random) {
  const due = Math.min(ASK_LONGEST_MS, ASK_FIRST_MS * 2 ** refusals);
  return due / 2 + (random() * due) / 2;
}
