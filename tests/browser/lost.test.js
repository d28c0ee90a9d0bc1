import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { Cable } from './support/cable.js';
import { LineClient } from './support/line_client.js';
import { Server } from './support/server.js';
import { browse, Visitor } from './support/visitor.js';

let browser;
let server;
let cable;
let amy;

before(async () => { browser = await browse(); });
after(() => browser.close());
beforeEach(async () => {
  server = await Server.start();
  cable = await Cable.to(server.webPort);
  amy = await Visitor.open(browser, cable.url);
  await amy.write('/name amy');
  await amy.isCalled('amy');
});
afterEach(async () => {
  await server.end();
  cable.end();
  await amy.leave();
});

const isLost = () => amy.find('#link-text').filter({ hasText: 'The connection is lost' }).waitFor();

test('whoever comes back is who they were, and gets what they missed', async () => {
  const nic = await LineClient.enter(server, 'nic');
  await amy.write('/join den');
  await amy.isIn('den');
  await amy.room('main').click();
  nic.send('heard');
  await amy.sees('heard');
  cable.cut();
  await isLost();
  await nic.hears(/amy left/);
  nic.send('one', 'two', 'amy: three');
  await nic.hears(/amy: three/);
  await amy.write('not now');
  await amy.isTold('There is no connection');
  assert.equal(await amy.find('#input').inputValue(), 'not now');
  cable.mend();
  await amy.find('#retry').click();
  await amy.sees('You are back and missed 3 messages');
  await amy.sees('amy: three');
  for (const text of ['heard', 'one', 'two', 'three']) assert.equal(await amy.count(text), 1, text);
  await amy.isCalled('amy');
  await amy.find('#input').press('Enter');
  await nic.hears(/amy: not now/);
  await amy.room('den').click();
  await amy.sees('You are back');
  await nic.leave();
});

test('it comes back by itself', async () => {
  cable.cut();
  await isLost();
  await amy.find('#link-count').filter({ hasText: /Reconnecting in \d+ s/ }).waitFor();
  cable.mend();
  await amy.sees('You are back');
  await amy.find('#link').waitFor({ state: 'hidden' });
});

test('a name that somebody took meanwhile is not taken back, and that is said', async () => {
  cable.cut();
  await isLost();
  const thief = await LineClient.enter(server, 'amy');
  cable.mend();
  await amy.isTold(/amy.*so you are \w+ for now/);
  assert.notEqual(await amy.find('#me').textContent(), 'amy');
  await thief.leave();
  await amy.write('/name amy');
  await amy.isCalled('amy');
});

test('what may not have been said any more is told', async () => {
  await amy.write('surely');
  await amy.sees('surely');
  cable.hold();
  await amy.write('perhaps');
  cable.cut();
  await amy.sees('Nobody knows whether this was still said: perhaps');
  assert.equal(await amy.count('Nobody knows'), 1);
});

test('a network that goes away in silence is noticed', async () => {
  await amy.page.clock.install();
  await amy.page.reload();
  await amy.isIn('main');
  cable.hold();
  // The first minute brings the question, the second no answer.
  await amy.page.clock.fastForward(60_000);
  await amy.page.clock.fastForward(60_000);
  await amy.find('#link').waitFor();
  await amy.sees('You are back');
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`a server that ends by ${signal} and starts anew has its people back`, async () => {
    await amy.write('before');
    await amy.sees('before');
    await server.end(signal);
    await amy.find('#link').filter({ hasText: 'Reconnecting' }).waitFor();
    await server.start();
    await amy.sees(/Some messages were missed: the room began anew/);
    await amy.isCalled('amy');
    const nic = await LineClient.enter(server, 'nic');
    nic.send('after');
    await amy.sees('after');
    assert.equal(await amy.count('before'), 1);
    await nic.leave();
  });
}
