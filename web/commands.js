/** What is typed: either something to say, or a command. */

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

/** `{ say }`, `{ command, argument }` or `{ problem }` of a line. */
export function parse(line) {
  if (!line.startsWith('/')) return { say: line };
  if (line.startsWith('//')) return { say: line.slice(1) };
  const [word, ...rest] = line.slice(1).split(/\s+/);
  const argument = rest.join(' ');
  const command = COMMANDS.find((it) => it.name === word.toLowerCase());
  if (!command) {
    return { problem: `There is no /${word}. /help lists the commands; // says a line with a /.` };
  }
  if (command.argument && !argument) {
    return { problem: `What ${command.argument}? Type ${usage(command)}.` };
  }
  return { command: command.name, argument };
}

/** The commands that a line may be about to become. */
export function candidates(line) {
  const typed = /^\/([a-z]*)$/i.exec(line) ?? /^\/([a-z]+)\s/i.exec(line);
  if (!typed) return [];
  const word = typed[1].toLowerCase();
  const whole = /\s/.test(line);
  return COMMANDS.filter(({ name }) => (whole ? name === word : name.startsWith(word)));
}
