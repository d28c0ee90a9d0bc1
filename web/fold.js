/** Who came and went, run by run: what happens in a row is one line that unfolds. */

import { key, listed, people, plural } from './text.js';

/** How many of a run's people are known by name, and how many of its steps are listed. */
export const FOLD_PEOPLE_MAX = 200;
/** How many new names a summary tells. */
const NEW_NAMES_MAX = 2;

/** A run of joins, leaves and new names with nothing said in between. */
export class Fold {
  /** What happened, oldest first; of a long run, the end. */
  steps = [];
  /** How many steps there were in all. */
  count = 0;
  /** For each name: the one before it, and whether the first and last step were in or out. */
  #paths = new Map();
  /** Steps of people without a name. */
  #unnamed = { in: 0, out: 0 };

  /** Adds a `join`, a `leave`, a `rename` or a `tally` of the protocol. */
  add(event) {
    this.count += 1;
    this.steps.push({ time: event.time, text: SENTENCES[event.type](event) });
    if (this.steps.length > FOLD_PEOPLE_MAX) this.steps.shift();
    if (event.type === 'tally') {
      this.#unnamed.in += event.joined;
      this.#unnamed.out += event.left;
    } else if (event.type === 'rename') {
      this.#rename(event.old, event.new);
    } else {
      this.#step(event.name, event.type === 'join' ? 'in' : 'out');
    }
  }

  #step(name, to) {
    const path = this.#paths.get(key(name));
    if (path) {
      path.first ??= to;
      path.last = to;
    } else if (this.#paths.size < FOLD_PEOPLE_MAX) {
      this.#paths.set(key(name), { name, first: to, last: to });
    } else {
      this.#unnamed[to] += 1;
    }
  }

  #rename(old, name) {
    const path = this.#paths.get(key(old)) ?? { before: old };
    this.#paths.delete(key(old));
    if (this.#paths.size < FOLD_PEOPLE_MAX) this.#paths.set(key(name), { ...path, name });
  }

  /** The whole run in a sentence. */
  summary() {
    const paths = [...this.#paths.values()];
    const those = (first, last) => paths
      .filter((path) => path.first === first && path.last === last)
      .map((path) => path.name);
    const groups = [
      [those('in', 'in'), this.#unnamed.in, 'came in'],
      [those('out', 'out'), this.#unnamed.out, 'left'],
      [those('in', 'out'), 0, 'came and went'],
      [those('out', 'in'), 0, 'left and came back'],
    ];
    const moves = groups
      .filter(([names, more]) => names.length + more > 0)
      .map(([names, more, what]) => `${listed(names, more)} ${what}`);
    return [...moves, ...renames(paths.filter(({ first }) => !first))].join(' · ');
  }
}

function renames(paths) {
  const told = paths.slice(0, NEW_NAMES_MAX).map(({ before, name }) => `${before} is now ${name}`);
  const more = paths.length - told.length;
  return more > 0 ? [...told, plural(more, 'more new name')] : told;
}

const SENTENCES = {
  join: ({ name }) => `${name} came in`,
  leave: ({ name }) => `${name} left`,
  rename: ({ old, new: name }) => `${old} is now ${name}`,
  tally: ({ joined, left }) => [[joined, 'came in'], [left, 'left']]
    .filter(([count]) => count > 0).map(([count, what]) => `${people(count)} ${what}`).join(', '),
};
