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
  cable.mend();
  await amy.find('#retry').click();
  await amy.sees('You are back and missed 3 messages');
  await amy.sees('amy: three');
  const texts = await amy.find('#log .text').allTextContents();
  assert.deepEqual(texts, ['heard', 'one', 'two', 'amy: three']);
  await amy.isCalled('amy');
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

test('a name that somebody has meanwhile is asked for until it is free', async () => {
  cable.cut();
  await isLost();
  const thief = await LineClient.enter(server, 'amy');
  cable.mend();
  await amy.isTold(/amy.*so you are \w+ for now/);
  assert.notEqual(await amy.find('#me').textContent(), 'amy');
  await amy.find('#claim').filter({ hasText: 'until amy is free' }).waitFor();
  await thief.leave();
  await amy.isCalled('amy');
  await amy.find('#claim').waitFor({ state: 'hidden' });
});

test('what is written without a connection is said later, in order and once', async () => {
  const nic = await LineClient.enter(server, 'nic');
  await amy.write('/join den');
  await amy.isIn('den');
  await amy.room('main').click();
  cable.cut();
  await isLost();
  for (const text of ['first', 'second', 'third']) await amy.write(text);
  assert.deepEqual(await amy.find('#outbox .text').allTextContents(), ['first', 'second', 'third']);
  assert.equal(await amy.find('#input').inputValue(), '');
  await amy.room('den').click();
  await amy.write('for the den');
  cable.mend();
  await amy.find('#retry').click();
  await nic.hears(/amy: first\n(?:.*\n)*amy: second\n(?:.*\n)*amy: third\n/);
  nic.send('all?');
  await amy.room('main').click();
  await amy.sees('all?');
  const own = await amy.find('#log .own .text').allTextContents();
  assert.deepEqual(own, ['first', 'second', 'third']);
  assert.equal(await amy.find('#outbox li').count(), 0);
  assert.ok(!nic.received.includes('for the den'));
  await nic.leave();
});

test('what waits to be said survives a reload', async () => {
  cable.cut();
  await isLost();
  await amy.write('patience');
  cable.mend();
  await amy.page.reload();
  await amy.find('#log .own .text').filter({ hasText: 'patience' }).waitFor();
  assert.equal(await amy.count('patience'), 1);
});

test('the author decides on what was perhaps not said', async () => {
  await amy.write('surely');
  await amy.sees('surely');
  cable.hold();
  for (const text of ['perhaps', 'or not']) await amy.write(text);
  await server.end();
  cable.cut();
  await isLost();
  await server.start();
  cable.mend();
  await amy.find('#retry').click();
  const failed = amy.find('#outbox li').filter({ hasText: 'not known whether this was sent' });
  await failed.nth(1).waitFor();
  await failed.filter({ hasText: 'perhaps' }).getByText('Send again').click();
  await amy.find('#log .own .text').filter({ hasText: 'perhaps' }).waitFor();
  await failed.filter({ hasText: 'or not' }).getByText('Discard').click();
  await failed.waitFor({ state: 'detached' });
  assert.equal(await amy.count('or not'), 0);
});

test('a server that lets nobody in is not asked too often', async () => {
  await amy.page.clock.install();
  await amy.page.reload();
  await amy.isIn('main');
  cable.cut();
  await amy.find('#link[data-kind="waiting"]').waitFor();
  const before = cable.refused;
  for (let second = 0; second < 60; second += 1) {
    await amy.page.clock.runFor(1_000);
    await amy.find('#link[data-kind="waiting"]').waitFor();
  }
  assert.ok(cable.refused - before <= 3, `${cable.refused - before} attempts in a minute`);
  await amy.page.evaluate(() => {
    for (let times = 0; times < 20; times += 1) dispatchEvent(new Event('online'));
  });
  assert.ok(cable.refused - before <= 4, 'every sign of a network is followed');
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
    await amy.find('#retry').click();
    await amy.sees('You are back');
    await amy.isCalled('amy');
    const nic = await LineClient.enter(server, 'nic');
    nic.send('after');
    await amy.sees('after');
    assert.equal(await amy.count('before'), 1);
    await nic.leave();
  });
}
