import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LINES_MAX } from '../../web/room.js';
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
  server = await Server.start('--messages-burst', '2000', '--rooms-per-minute', '30');
  amy = await Visitor.open(browser, server.url);
  await amy.write('/name amy');
  await amy.isCalled('amy');
  nic = await LineClient.enter(server, 'nic');
});
afterEach(async () => {
  await server.end();
  await amy.leave();
});

const numbered = (count) => Array.from({ length: count }, (_, index) => `line ${index}.`);
const roomNames = () => amy.find('#my-rooms .name').allTextContents();
/** The first line that is in sight at the top, and where it is. */
const view = () => amy.find('#log').evaluate((log) => {
  const { top } = log.getBoundingClientRect();
  const first = [...log.querySelectorAll('.line')]
    .find((line) => line.getBoundingClientRect().bottom > top + 1);
  return { text: first.textContent, offset: Math.round(first.getBoundingClientRect().top - top) };
});
const scroll = (share) => amy.find('#log').evaluate((log, it) => (
  log.scrollTo(0, it * log.scrollHeight)), share);
/** Fills `main` with as many lines as there is space for. */
async function fill() {
  nic.send(...numbered(LINES_MAX + 100));
  await amy.sees(`line ${LINES_MAX + 99}.`);
}

test('a room that is refused is no room', async (t) => {
  const strict = await Server.start('--shards', '1', '--rooms-per-minute', '2');
  t.after(() => strict.end());
  const bob = await Visitor.open(browser, strict.url);
  const listed = () => bob.find('#my-rooms .name').allTextContents();
  for (const room of ['den', 'attic', 'cellar', 'roof']) await bob.write(`/join ${room}`);
  await bob.isTold('roof');
  await bob.isIn('cellar');
  assert.deepEqual(await listed(), ['main', 'den', 'attic', 'cellar']);
  await bob.page.reload();
  await bob.isIn('cellar');
  assert.deepEqual(await listed(), ['main', 'den', 'attic', 'cellar']);
  await bob.leave();
});

test('a room may be written with a sign in front of it', async () => {
  await amy.write('/join #den');
  await amy.isIn('den');
  await amy.find('#join-input').fill('#attic');
  await amy.page.keyboard.press('Enter');
  await amy.isIn('attic');
  assert.deepEqual(await roomNames(), ['main', 'den', 'attic']);
});

test('a room that is opened is read as far as it is in sight', async () => {
  await amy.write('/join den');
  await amy.isIn('den');
  nic.send(...numbered(90));
  const badge = amy.room('main').locator('.badge');
  await badge.filter({ hasText: /^90 unread/ }).waitFor();
  await amy.room('main').click();
  await amy.find('#jump').filter({ hasText: /^\d+ new messages/ }).waitFor();
  const unread = Number.parseInt(await badge.textContent(), 10);
  assert.ok(unread > 40 && unread < 89, `${unread} unread`);
  assert.match(await amy.find('.unread + .line').textContent(), /line 0\./);
  await amy.room('den').click();
  await amy.isIn('den');
  assert.equal(Number.parseInt(await badge.textContent(), 10), unread);
  await amy.room('main').click();
  const first = await amy.find('.unread + .line').textContent();
  assert.ok(first.includes(`line ${90 - unread}.`), first);
  await amy.find('#jump').click();
  await badge.waitFor({ state: 'detached' });
});

test('a draft is of its room, and is there after a reload', async () => {
  await amy.find('#input').fill('for all');
  await amy.room('main').waitFor();
  await amy.find('#join-input').fill('den');
  await amy.find('#join-input').press('Enter');
  await amy.isIn('den');
  assert.equal(await amy.find('#input').inputValue(), '');
  await amy.find('#input').fill('for few\nof us');
  await amy.room('main').click();
  await amy.isIn('main');
  assert.equal(await amy.find('#input').inputValue(), 'for all');
  await amy.page.reload();
  await amy.isIn('main');
  assert.equal(await amy.find('#input').inputValue(), 'for all');
  await amy.room('den').click();
  await amy.isIn('den');
  assert.equal(await amy.find('#input').inputValue(), 'for few\nof us');
  await amy.find('#input').press('Enter');
  await amy.sees('of us');
  await amy.page.reload();
  await amy.isIn('den');
  assert.equal(await amy.find('#input').inputValue(), '');
});

for (const [where, share] of [['in the middle', 0.5], ['at the very top', 0]]) {
  test(`whoever reads above is not moved by what comes: ${where}`, async () => {
    await fill();
    assert.equal(await amy.find('#log .line').count(), LINES_MAX);
    await scroll(share);
    await amy.find('#jump').filter({ hasText: 'To the end' }).waitFor();
    const before = await view();
    nic.send(...numbered(150), 'news');
    await amy.find('#jump').filter({ hasText: '151 new messages' }).waitFor();
    assert.deepEqual(await view(), before);
    const last = amy.find('#log .line').filter({ hasText: 'news' });
    const inSight = () => last.evaluate((it) => (
      it.getBoundingClientRect().bottom <= document.getElementById('log')
        .getBoundingClientRect().bottom));
    assert.equal(await inSight(), false);
    await amy.find('#jump').click();
    await amy.find('#jump').waitFor({ state: 'hidden' });
    assert.equal(await inSight(), true);
    await amy.room('main').locator('.badge').waitFor({ state: 'detached' });
  });
}

test('a room that is shown again is where one read it', async () => {
  await fill();
  await scroll(0.3);
  await amy.find('#jump').waitFor();
  const before = await view();
  await amy.write('/join den');
  await amy.isIn('den');
  await amy.room('main').click();
  await amy.isIn('main');
  await amy.find('#jump').waitFor();
  assert.deepEqual(await view(), before);
});

test('more than twenty rooms are remembered, and the one that was shown', async () => {
  const rooms = Array.from({ length: 24 }, (_, index) => `room-${index}`);
  for (const room of rooms) {
    await amy.write(`/join ${room}`);
    await amy.isIn(room);
  }
  await amy.page.reload();
  await amy.isIn('room-23');
  assert.deepEqual(await roomNames(), ['main', ...rooms]);
});
