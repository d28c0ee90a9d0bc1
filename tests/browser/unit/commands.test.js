import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, COMMANDS, parse } from '../../../web/commands.js';

const says = (...say) => ({ say, hint: undefined });

test('a line is said, done, or wrong', () => {
  assert.deepEqual(parse('hello /name'), says('hello /name'));
  assert.deepEqual(parse('//etc/hosts'), { say: ['/etc/hosts'] });
  assert.deepEqual(parse('/NAME  amy'), { command: 'name', argument: 'amy' });
  assert.deepEqual(parse('/Quit'), { command: 'quit', argument: '' });
  assert.match(parse('/dance').problem, /no \/dance/);
  assert.match(parse('/join').problem, /\/join room/);
  assert.match(parse('/').problem, /There is no/);
});

test('a room is meant with or without the sign in front of it', () => {
  for (const line of ['/join den', '/join #den', '/JOIN  #den ']) {
    assert.deepEqual(parse(line), { command: 'join', argument: 'den' });
  }
  assert.match(parse('/join #').problem, /What room/);
});

test('several lines are several messages, and no command', () => {
  assert.deepEqual(parse('one\r\n\n  two\u2028/three\n'), { say: ['one', '  two', '/three'] });
  assert.deepEqual(parse('\n only \n'), says('only'));
  assert.deepEqual(parse('//one\n//two'), { say: ['//one', '//two'] });
  assert.match(parse('/join den\nhello').problem, /without further lines/);
  assert.deepEqual(parse('/dance\n/dance'), { say: ['/dance', '/dance'] });
});

test('who says a bare word that is a command gets a hint', () => {
  for (const word of ['help', 'QUIT']) {
    const { say, hint } = parse(word);
    assert.deepEqual(say, [word]);
    assert.match(hint, new RegExp(`/${word.toLowerCase()}`));
  }
  assert.equal(parse('help me').hint, undefined);
});

test('commands are offered while they are typed', () => {
  const names = (line) => candidates(line).map(({ name }) => name);
  assert.equal(names('/').length, COMMANDS.length);
  assert.deepEqual(names('/n'), ['name']);
  assert.deepEqual(names('/join den'), ['join']);
  for (const line of ['', 'x', '//', 'a /n', '/x', '/joi den']) assert.deepEqual(names(line), []);
});
