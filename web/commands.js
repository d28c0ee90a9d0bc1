/** What is typed: either something to say, or a command. */

import { linesOf, roomName } from './text.js';

/** All commands: how they are written, and what they do. */
export const COMMANDS = [
  { name: 'help', what: 'shows this' },
  { name: 'name', argument: 'name', what: 'changes your name' },
  { name: 'join', argument: 'room', what: 'enters a room, or makes it' },
  { name: 'leave', what: 'leaves this room' },
  { name: 'rooms', what: 'shows the rooms' },
  { name: 'users', what: 'shows who is here' },
  { name: 'quit', what: 'leaves the chat' },
];

/** A command as it is typed. */
export function usage({ name, argument }) {
  return argument ? `/${name} ${argument}` : `/${name}`;
}

/**
 * `{ say, hint }`, `{ command, argument }` or `{ problem }` of what was typed. `say` are the lines
 * to say, each as a message; `hint` is there if a command may have been meant.
 */
export function parse(text) {
  const lines = linesOf(text);
  const [first = ''] = lines;
  if (lines.length > 1) {
    return find(first) ? { problem: 'A command goes without further lines.' } : { say: lines };
  }
  if (first.startsWith('//')) return { say: [first.slice(1)] };
  if (!first.startsWith('/')) return { say: lines, hint: hint(first) };
  const [word, ...rest] = first.slice(1).split(/\s+/);
  const command = find(first);
  if (!command) {
    return { problem: `There is no /${word}. /help lists the commands; // says a line with a /.` };
  }
  const argument = command.name === 'join' ? roomName(rest.join(' ')) : rest.join(' ');
  if (command.argument && !argument) {
    return { problem: `What ${command.argument}? Type ${usage(command)}.` };
  }
  return { command: command.name, argument };
}

/** The command that a line begins with, in any case. */
function find(line) {
  const word = /^\/(\w+)(?!\S)/.exec(line)?.[1].toLowerCase();
  return COMMANDS.find(({ name }) => name === word);
}

/** What to tell who has said one of the words that are commands elsewhere. */
function hint(line) {
  const word = /^(?:help|quit)$/i.exec(line)?.[0].toLowerCase();
  return word && `Everybody in the room can read that. The command is /${word}.`;
}

/** The commands that a line may be about to become. */
export function candidates(line) {
  const typed = /^\/([a-z]*)$/i.exec(line) ?? /^\/([a-z]+)\s/i.exec(line);
  if (!typed) return [];
  const word = typed[1].toLowerCase();
  const whole = /\s/.test(line);
  return COMMANDS.filter(({ name }) => (whole ? name === word : name.startsWith(word)));
}
