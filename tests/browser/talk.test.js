import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LineClient } from './support/line_client.js';
import { Server } from './support/server.js';
import { browse, Visitor } from './support/visitor.js';

let browser;
let server;
/** Two visitors and somebody with `nc`, all in `main`. */
let amy;
let bob;
let nic;

before(async () => { browser = await browse(); });
after(() => browser.close());
beforeEach(async () => {
  // Line clients here say more at once than people do.
  server = await Server.start('--messages-burst', '1000');
  amy = await Visitor.open(browser, server.url);
  bob = await Visitor.open(browser, server.url);
  await amy.write('/name amy');
  await bob.write('/name bob');
  await amy.isCalled('amy');
  await bob.isCalled('bob');
  nic = await LineClient.enter(server, 'nic');
});
afterEach(async () => {
  await server.end();
  await amy.leave();
  await bob.leave();
});

test('two pages and a line client talk', async () => {
  await amy.write('hello from a page');
  await nic.hears(/amy: hello from a page/);
  nic.send('hello from a line 🎉');
  await bob.sees('hello from a line 🎉');
  await bob.write('hello to both');
  for (const who of [amy, bob]) {
    await who.sees('hello to both');
    const texts = await who.find('#log .text').allTextContents();
    assert.deepEqual(texts, ['hello from a page', 'hello from a line 🎉', 'hello to both']);
  }
  assert.deepEqual(await bob.find('#log .own .text').allTextContents(), ['hello to both']);
  assert.equal(await amy.find('#input').inputValue(), '');
});

test('a new name is told to everybody, and one that is taken is not given', async () => {
  await amy.find('#change-name').click();
  await amy.page.keyboard.type('bob');
  await amy.page.keyboard.press('Enter');
  await amy.find('#name-problem').filter({ hasText: 'bob' }).waitFor();
  await amy.find('#name-input').fill('amelia');
  await amy.page.keyboard.press('Enter');
  await amy.isCalled('amelia');
  await amy.find('#name-dialog').waitFor({ state: 'hidden' });
  await amy.sees('You are now amelia');
  await nic.hears(/amy is now amelia/);
  await bob.find('#people-list .person').filter({ hasText: 'amelia' }).waitFor();
  assert.equal(await bob.find('#people-list .person').filter({ hasText: 'amy' }).count(), 0);
  await amy.write('/name nic');
  await amy.isTold('nic');
});

test('several rooms can be joined, and tell what has not been read', async () => {
  await amy.find('#join-input').fill('den');
  await amy.page.keyboard.press('Enter');
  await amy.isIn('den');
  nic.send('one', 'two');
  await amy.room('main').locator('.badge').filter({ hasText: /^2 unread/ }).waitFor();
  nic.send('amy, are you there?');
  await amy.room('main').locator('.badge.mention').filter({ hasText: /^@ 3/ }).waitFor();
  await amy.page.waitForFunction(() => document.title === '(3) den · Hubbub');
  await amy.room('main').click();
  await amy.sees('two');
  assert.equal(await amy.find('.unread + .line').textContent().then((it) => /one/.test(it)), true);
  await amy.room('main').locator('.badge').waitFor({ state: 'detached' });
  assert.equal(await amy.page.title(), 'main · Hubbub');

  await bob.write('/rooms');
  await bob.find('#other-rooms .room').filter({ hasText: 'den' }).click();
  await bob.isIn('den');
  await bob.write('quiet here');
  await amy.room('den').click();
  await amy.sees('quiet here');
  await amy.write('/leave');
  await amy.isIn('main');
  await bob.sees('amy left');
});

test('what others write is text, and links are safe', async () => {
  const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  nic.send(evil, 'see https://a.example/b?c=1, or javascript:alert(1)');
  await amy.sees('see https');
  const texts = await amy.find('#log .text').allTextContents();
  assert.equal(texts[0], evil);
  assert.equal(await amy.find('#log img, #log script').count(), 0);
  const links = await amy.find('#log a').evaluateAll((all) => all.map((it) => (
    [it.getAttribute('href'), it.rel, it.target])));
  assert.deepEqual(links, [['https://a.example/b?c=1', 'noopener noreferrer', '_blank']]);
  assert.equal(await amy.page.title(), 'main · Hubbub');
});

test('comings and goings fold into one line', async () => {
  await amy.write('before');
  await bob.sees('before');
  for (const name of ['g1', 'g2', 'g3']) {
    const guest = await LineClient.enter(server, name);
    if (name === 'g1') await guest.leave();
  }
  const run = bob.find('#log details').filter({ hasText: 'g2' });
  await run.filter({ hasText: 'g2 and g3 came in · g1 came and went' }).waitFor();
  assert.equal(await run.count(), 1);
  await run.locator('summary').click();
  await run.locator('li').filter({ hasText: 'g1 left' }).waitFor();
  await (await LineClient.enter(server, 'g4')).leave();
  await run.filter({ hasText: 'g1 and g4 came and went' }).waitFor();
  assert.equal(await run.getAttribute('open'), '');
});

test('commands are explained, and what cannot be done is told and kept', async () => {
  await amy.find('#input').fill('/j');
  await amy.find('#hints').filter({ hasText: '/join room' }).waitFor();
  await amy.write('/dance');
  await amy.isTold('There is no /dance');
  assert.equal(await amy.find('#input').inputValue(), '/dance');
  await amy.find('#input').fill('x'.repeat(390));
  await amy.find('#counter').filter({ hasText: '10 left' }).waitFor();
  await amy.write('x'.repeat(401));
  await amy.isTold('1 character');
  await amy.write('//slash');
  await bob.sees('/slash');
  await amy.write('/users');
  await amy.sees(/Here: (?=.*amy)(?=.*bob)(?=.*nic)/);
  await amy.write('/rooms');
  await amy.sees('Rooms: main (3)');
  await amy.write('/help');
  await amy.find('#help-dialog').filter({ hasText: '/quit' }).waitFor();
  await amy.page.keyboard.press('Escape');
  await amy.write('/quit');
  await amy.find('#link-text').filter({ hasText: 'You have left' }).waitFor();
  await bob.sees('amy left');
  await amy.find('#retry').click();
  await amy.isCalled('amy');
  await amy.write('here again');
  await bob.sees('here again');
});

test('emoji can be chosen with keys alone', async () => {
  await amy.find('#emoji').focus();
  for (const key of ['Enter', 'ArrowRight', 'ArrowDown', 'Enter', 'Enter']) {
    await amy.page.keyboard.press(key);
  }
  await bob.find('#log .text.emoji').filter({ hasText: '🤔' }).waitFor();
  assert.equal(await amy.find('#emoji-panel').isVisible(), false);
});

test('name and rooms are remembered', async () => {
  await amy.write('/join den');
  await amy.isIn('den');
  await amy.page.reload();
  await amy.isIn('den');
  await amy.isCalled('amy');
  assert.deepEqual(await amy.find('#my-rooms .name').allTextContents(), ['main', 'den']);
});

test('whoever looks elsewhere is notified of their name, if they want to be', async () => {
  // A browser without a screen shows no notifications, and hides no page.
  const eve = await Visitor.open(browser, server.url, { before: () => {
    window.notified = [];
    window.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        window.Notification.permission = 'granted';
        return 'granted';
      }
      constructor(title, { body }) {
        window.notified.push(`${title}: ${body}`);
      }
    };
    Object.defineProperty(document, 'hidden', { get: () => window.away === true });
  } });
  const told = (count) => eve.page.waitForFunction((it) => window.notified.length === it, count);
  await eve.write('/name eve');
  await eve.isCalled('eve');
  await eve.page.evaluate(() => { window.away = true; });
  nic.send('eve, unasked');
  await eve.sees('eve, unasked');
  await told(0);
  await eve.find('#notify').click();
  await eve.find('#notify[aria-pressed="true"]').waitFor();
  nic.send('nobody in particular', 'Eve, look');
  await told(1);
  assert.deepEqual(await eve.page.evaluate(() => window.notified), ['nic in main: Eve, look']);
  await eve.leave();
});
