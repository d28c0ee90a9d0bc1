import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LineClient } from './support/line_client.js';
import { Server } from './support/server.js';
import { browse, Visitor } from './support/visitor.js';

let browser;
let server;
let amy;
let nic;

before(async () => { browser = await browse(); });
after(() => browser.close());
beforeEach(async () => {
  server = await Server.start();
  amy = await Visitor.open(browser, server.url);
  await amy.write('/name amy');
  await amy.isCalled('amy');
  nic = await LineClient.enter(server, 'nic');
});
afterEach(async () => {
  await server.end();
  await amy.leave();
});

const own = () => amy.find('#log .own .text').allTextContents();

test('several lines are several messages, in order', async () => {
  await amy.find('#input').fill('one\n\n  two\r\nthree\u2028four');
  await amy.find('#counter').filter({ hasText: '4 messages' }).waitFor();
  await amy.find('#input').press('Enter');
  await nic.hears(/amy: one\namy: +two\namy: three\namy: four\n/);
  await amy.sees('four');
  assert.equal((await own()).length, 4);
  assert.equal(await amy.find('#input').inputValue(), '');
});

test('so many lines as can be sent at once are sent at the pace of the server', async () => {
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}.`);
  await amy.find('#input').fill([...lines, 'one more'].join('\n'));
  await amy.find('#input').press('Enter');
  await amy.isTold('Each line is a message, and these are 51; 50 can be sent at once');
  await amy.find('#input').fill(lines.join('\n'));
  await amy.find('#input').press('Enter');
  await nic.hears(/line 49\./);
  await amy.sees('line 49.');
  assert.deepEqual(await own(), lines);
  await amy.find('#outbox').waitFor({ state: 'hidden' });
});

test('of several lines that which is too long is told', async () => {
  await amy.find('#input').fill(`one\n${'x'.repeat(403)}\nthree`);
  await amy.find('#input').press('Enter');
  await amy.isTold('Line 2 is 3 characters too long');
  assert.deepEqual(await own(), []);
});

test('a command goes alone', async () => {
  await amy.find('#input').fill('/join den\nhello');
  await amy.find('#input').press('Enter');
  await amy.isTold('without further lines');
  assert.equal(await amy.find('#input').inputValue(), '/join den\nhello');
});

test('what is a command elsewhere is said, and its author is given a hint', async () => {
  await amy.write('help');
  await nic.hears(/amy: help/);
  await amy.sees('Everybody in the room can read that. The command is /help.');
  await amy.write('//etc/hosts');
  await nic.hears(/amy: \/etc\/hosts/);
  await amy.write('/HELP');
  await amy.find('#help-dialog').filter({ hasText: '/quit' }).waitFor();
  await amy.page.keyboard.press('Escape');
});

test('Enter within a composition sends nothing, in whatever order a browser tells', async () => {
  const session = await amy.page.context().newCDPSession(amy.page);
  await amy.find('#input').focus();
  await session.send('Input.imeSetComposition', {
    text: 'にほん', selectionStart: 3, selectionEnd: 3,
  });
  await amy.page.waitForFunction(() => document.getElementById('input').value === 'にほん');
  const enter = (init) => amy.find('#input').evaluate((input, it) => {
    input.dispatchEvent(new KeyboardEvent('keydown', {
      key: 'Enter', bubbles: true, cancelable: true, ...it,
    }));
    return input.value;
  }, init);
  assert.equal(await enter({ isComposing: true, keyCode: 229 }), 'にほん');
  await session.send('Input.insertText', { text: '日本' });
  await amy.page.waitForFunction(() => document.getElementById('input').value === '日本');
  // Safari ends the composition first, and then tells of the key.
  assert.equal(await enter({ isComposing: false, keyCode: 229 }), '日本');
  assert.equal(await enter({ isComposing: false, keyCode: 13 }), '');
  await nic.hears(/amy: 日本/);
  await amy.sees('日本');
  assert.deepEqual(await own(), ['日本']);
});
