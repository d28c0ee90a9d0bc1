import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, COMMANDS, parse } from '../../../web/commands.js';

test('a line is said, done, or wrong', () => {
  assert.deepEqual(parse('hello /name'), { say: 'hello /name' });
  assert.deepEqual(parse('//etc/hosts'), { say: '/etc/hosts' });
  assert.deepEqual(parse('/NAME  amy'), { command: 'name', argument: 'amy' });
  assert.deepEqual(parse('/quit'), { command: 'quit', argument: '' });
  assert.match(parse('/dance').problem, /no \/dance/);
  assert.match(parse('/join').problem, /\/join room/);
  assert.match(parse('/').problem, /There is no/);
});

test('commands are offered while they are typed', () => {
  const names = (line) => candidates(line).map(({ name }) => name);
  assert.equal(names('/').length, COMMANDS.length);
  assert.deepEqual(names('/n'), ['name']);
  assert.deepEqual(names('/join den'), ['join']);
  for (const line of ['', 'x', '//', 'a /n', '/x', '/joi den']) assert.deepEqual(names(line), []);
});
