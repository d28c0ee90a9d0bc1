/** How long to wait before connecting again. */

/** The longest wait after the first failure, in milliseconds; it doubles with each further one. */
export const FIRST_MS = 1_000;
/** The longest wait of all, in milliseconds. */
export const LONGEST_MS = 30_000;

/**
 * The wait in milliseconds after so many failures. It is between half of what is due and all of
 * it, so that those who lost a server together do not come back together. A server that goes
 * down may ask for more time.
 */
export function pause(failures, askedSeconds = 0, random = Math.random) {
  const due = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  const asked = Math.min(LONGEST_MS, askedSeconds * 1_000);
  return asked + due / 2 + (random() * (asked + due)) / 2;
}
