import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { Server } from './support/server.js';
import { browse, Visitor } from './support/visitor.js';

/** Where the page is, behind a proxy that takes this off. */
const PREFIX = '/chat';

let browser;
let server;
let proxy;

before(async () => {
  browser = await browse();
  server = await Server.start();
  proxy = createServer(pass).on('upgrade', upgrade).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
after(async () => {
  await browser.close();
  await server.end();
  proxy.close();
  proxy.closeAllConnections();
});

/** The same request, to the server. */
function forward({ method, url, headers }) {
  return request({
    host: '127.0.0.1', port: server.webPort, method, headers, path: url.slice(PREFIX.length),
  });
}

function pass(from, to) {
  if (!from.url.startsWith(`${PREFIX}/`)) {
    to.writeHead(404).end();
    return;
  }
  forward(from).on('response', (answer) => {
    to.writeHead(answer.statusCode, answer.headers);
    answer.pipe(to);
  }).end();
}

function upgrade(from, near, head) {
  if (!from.url.startsWith(`${PREFIX}/`)) {
    near.destroy();
    return;
  }
  forward(from).on('upgrade', (answer, far, first) => {
    const fields = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    near.write(`HTTP/1.1 101 Switching Protocols\r\n${fields.join('')}\r\n`);
    near.write(first);
    far.write(head);
    for (const end of [near, far]) end.on('error', () => {}).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  }).end();
}

test('the page lives below any path', async () => {
  const missed = [];
  const amy = await Visitor.open(browser, `http://127.0.0.1:${proxy.address().port}${PREFIX}/`, {
    page: (page) => page.on('response', (answer) => {
      if (answer.status() >= 400) missed.push(answer.url());
    }),
  });
  await amy.write('hello from below');
  await amy.sees('hello from below');
  await amy.page.locator('.brand img').evaluate((image) => image.decode());
  assert.deepEqual(missed, []);
  const keys = await amy.page.evaluate(() => Object.keys(localStorage));
  assert.deepEqual(keys, [`hubbub${PREFIX}/`]);
  await amy.leave();
});
