import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const web = new URL('../../../web/', import.meta.url);

test('the page asks for all its modules at once', async () => {
  const html = await readFile(new URL('index.html', web), 'utf8');
  const asked = [...html.matchAll(/(?:href|src)="(\w+\.js)"/g)].map(([, name]) => name);
  const all = (await readdir(web)).filter((name) => name.endsWith('.js'));
  assert.deepEqual(asked.sort(), all.sort());
});

test('nothing in the page is more than it may be by its policy', async () => {
  const html = await readFile(new URL('index.html', web), 'utf8');
  assert.doesNotMatch(html, /\sstyle=|\son\w+=|<style|https?:|\/\/|<script(?! type="module" src)/);
});
