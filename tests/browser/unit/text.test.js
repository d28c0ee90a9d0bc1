import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  comparable, hue, HUES, isEmoji, isName, length, linesOf, listed, mentions, pieces, roomName, same,
} from '../../../web/text.js';

const links = (text) => pieces(text).filter(({ href }) => href).map(({ href }) => href);

test('links are found in sentences', () => {
  assert.deepEqual(pieces('see https://a.example/b, then go'), [
    { text: 'see ' },
    { text: 'https://a.example/b', href: 'https://a.example/b' },
    { text: ', then go' },
  ]);
  assert.deepEqual(links('(https://a.example/x_(y)) and HTTP://B.example.'),
    ['https://a.example/x_(y)', 'http://b.example/']);
  assert.deepEqual(links('https://a.example?q=[1]&r=2#s!'), ['https://a.example/?q=[1]&r=2#s']);
});

test('nothing but http and https is a link', () => {
  const others = ['javascript:alert(1)', 'data:text/html,x', 'ftp://a.example', 'https://',
    'http://:', 'www.a.example', 'xhttps://a.example', 'https://a.example@b.example/',
    'https://u:p@b.example'];
  for (const text of others) {
    assert.deepEqual(pieces(text), [{ text }], text);
  }
});

test('no piece of a text is lost', () => {
  const all = ['', 'a', 'https://a.example', '<b>https://a.example"x</b> https://b.example!!'];
  for (const text of all) {
    assert.equal(pieces(text).map((piece) => piece.text).join(''), text);
  }
});

test('names are compared without regard to case, and only whole ones are mentions', () => {
  assert.ok(same('Amy', 'aMY'));
  assert.ok(isName('a-_9'));
  for (const it of ['a', 'a'.repeat(21), 'a b', 'ä-ö', '', undefined, 'ab\n']) {
    assert.ok(!isName(it), it);
  }
  assert.ok(mentions('hi AMY!', 'amy'));
  assert.ok(mentions('amy', 'amy'));
  for (const text of ['amyl', 'xamy', 'amy-2', 'amy_', '']) assert.ok(!mentions(text, 'amy'), text);
  assert.ok(!mentions('abc', '.*'));
});

test('a colour is one of those there are, and all of them are used', () => {
  const hues = new Set();
  for (let i = 0; i < 500; i += 1) hues.add(hue(`name-${i}`));
  assert.deepEqual([...hues].sort((a, b) => a - b), [...Array(HUES).keys()]);
  assert.equal(hue('AMY'), hue('amy'));
});

test('texts are counted and cleaned as the server does it', () => {
  assert.equal(length('aß👍'), 3);
  assert.deepEqual(linesOf(' a\u0007b '), ['a b']);
  assert.deepEqual(linesOf(' a\r\n\n\tb\u2028c \n'), [' a', '\tb', 'c']);
  assert.deepEqual(linesOf(' \n\u0085'), []);
  assert.equal(comparable('a\u202e b\u2029'), comparable('ab'));
  assert.equal(roomName(' ##den '), 'den');
});

test('a few emoji are large, and digits are none', () => {
  for (const text of ['🎉', '👍🏽', '❤️', '👩‍💻 🎉', '🇪🇺']) assert.ok(isEmoji(text), text);
  for (const text of ['1', '#', 'a🎉', '🎉🎉🎉🎉', '', '*']) assert.ok(!isEmoji(text), text);
});

test('names are listed up to a few', () => {
  assert.equal(listed(['a']), 'a');
  assert.equal(listed(['a', 'b', 'c']), 'a, b and c');
  assert.equal(listed(['a', 'b', 'c', 'd']), 'a, b, c and 1 other');
  assert.equal(listed(['a'], 2), 'a and 2 others');
  assert.equal(listed([], 1), '1 person');
});
