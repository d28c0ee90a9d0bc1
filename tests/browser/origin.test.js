import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { Server } from './support/server.js';
import { browse } from './support/visitor.js';

let browser;
let server;
let elsewhere;

before(async () => {
  browser = await browse();
  server = await Server.start();
  elsewhere = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>elsewhere</title>');
  }).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
});
after(async () => {
  await browser.close();
  await server.end();
  elsewhere.close();
});

/** What a page at this address gets when it connects to the server. */
async function connecting(from) {
  const page = await browser.newPage();
  await page.goto(from);
  const result = await page.evaluate((port) => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, 'hubbub.v1.json');
    socket.onmessage = ({ data }) => resolve(JSON.parse(data).type);
    socket.onerror = () => resolve('refused');
  }), server.webPort);
  await page.close();
  return result;
}

test('a page from elsewhere may not connect in the name of its visitor', async () => {
  assert.equal(await connecting(`http://127.0.0.1:${elsewhere.address().port}/`), 'refused');
  assert.equal(await connecting(server.url), 'welcome');
});

test('no other page may frame this one', async () => {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  await page.evaluate((url) => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.onload = resolve;
    frame.src = url;
    document.body.append(frame);
  }), server.url);
  assert.equal(await page.frames()[1].locator('#log').count(), 0);
  await page.close();
});
