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
let nic;

before(async () => { browser = await browse(); });
after(() => browser.close());
beforeEach(async () => {
  server = await Server.start();
  cable = await Cable.to(server.webPort);
  // A tab that is frozen says nothing to others.
  amy = await Visitor.open(browser, cable.url, { before: () => {
    const post = BroadcastChannel.prototype.postMessage;
    BroadcastChannel.prototype.postMessage = function send(it) {
      if (!window.frozen) post.call(this, it);
    };
  } });
  await amy.write('/name amy');
  await amy.isCalled('amy');
  nic = await LineClient.enter(server, 'nic');
  await amy.sees('nic came in');
});
afterEach(async () => {
  await server.end();
  cable.end();
  await amy.leave();
});

const roomNames = (who) => who.find('#my-rooms .name').allTextContents();
/** Another tab of the same browser. */
async function opened(how) {
  const [page] = await Promise.all([amy.page.context().waitForEvent('page'), how()]);
  const visitor = Visitor.of(page);
  await visitor.isIn('main');
  return visitor;
}
/** A copy of amy's tab, its memory included. */
const duplicate = () => opened(() => amy.page.evaluate(() => { window.open(location.href); }));
/** Says something as amy, and makes sure that nic has heard nothing else of her. */
async function speaksUnnoticed(who = amy) {
  nic.received = '';
  await who.write('still here');
  await nic.hears(/amy: still here/);
}
const noticed = () => nic.received.split('\n')
  .filter((line) => / (?:joined|left)$| is now /.test(line));

test('a page that is loaded again has its name and rooms at once', async () => {
  await amy.write('/join den');
  await amy.isIn('den');
  await amy.room('main').click();
  await amy.isIn('main');
  nic.received = '';
  for (let times = 0; times < 3; times += 1) {
    await amy.page.reload();
    await amy.isIn('main');
    assert.equal(await amy.find('#me').textContent(), 'amy');
  }
  assert.deepEqual(await roomNames(amy), ['main', 'den']);
  await amy.write('still here');
  await nic.hears(/amy: still here/);
  // A browser closes the connection of a page that goes, so that the session ends; but nobody sees
  // another name.
  assert.deepEqual([...new Set(noticed())].toSorted(), ['amy joined', 'amy left']);
});

test('a connection that broke without the server noticing costs nothing', async () => {
  await amy.write('/join den');
  await amy.isIn('den');
  nic.received = '';
  for (let times = 0; times < 3; times += 1) {
    cable.strand();
    await amy.find('#link').waitFor();
    await amy.write(`for the den ${times}`);
    // A connection that is lost soon after another is not followed by the next at once.
    await amy.page.evaluate(() => {
      const retry = document.getElementById('retry');
      if (!retry.hidden) retry.click();
    });
    await amy.find('#link').waitFor({ state: 'hidden' });
    await amy.find('#log .own .text').filter({ hasText: `for the den ${times}` }).waitFor();
    assert.equal(await amy.find('#me').textContent(), 'amy');
  }
  await amy.room('main').click();
  await amy.write('still here');
  await nic.hears(/amy: still here/);
  assert.deepEqual(noticed(), []);
  assert.equal(await amy.find('#claim').isVisible(), false);
});

test('what was on its way when the connection broke is said once', async () => {
  cable.hold();
  await amy.write('lost on the way');
  cable.strand();
  await nic.hears(/amy: lost on the way/);
  await amy.find('#log .own .text').filter({ hasText: 'lost on the way' }).waitFor();
  await amy.find('#outbox').waitFor({ state: 'hidden' });
  nic.send('once?');
  await amy.sees('once?');
  assert.equal(await amy.count('lost on the way'), 1);
  assert.equal(nic.received.match(/lost on the way/g).length, 1);
});

test('a tab that is duplicated begins a session of its own', async () => {
  await amy.find('#input').fill('a draft');
  const twin = await duplicate();
  assert.notEqual(await twin.find('#me').textContent(), 'amy');
  assert.equal(await twin.find('#claim').isVisible(), false);
  await twin.write('from the twin');
  await amy.sees('from the twin');
  await amy.find('#input').fill('from the first');
  await amy.find('#input').press('Enter');
  await nic.hears(/amy: from the first/);
  const name = await twin.find('#me').textContent();
  await twin.page.reload();
  await twin.isIn('main');
  assert.equal(await twin.find('#me').textContent(), name);
  assert.equal(await amy.find('#link').isVisible(), false);
  assert.deepEqual(twin.problems, []);
});

test('another tab does not ask for the name of the first again and again', async () => {
  const other = await opened(async () => {
    const page = await amy.page.context().newPage();
    await page.goto(cable.url);
  });
  assert.notEqual(await other.find('#me').textContent(), 'amy');
  assert.equal(await other.find('#claim').isVisible(), false);
  await other.page.close();
  await amy.page.reload();
  await amy.isIn('main');
  assert.equal(await amy.find('#me').textContent(), 'amy');
});

test('a session that goes on in another tab can be taken back', async () => {
  nic.received = '';
  await amy.page.evaluate(() => { window.frozen = true; });
  const twin = await duplicate();
  assert.equal(await twin.find('#me').textContent(), 'amy');
  await amy.find('#link-text').filter({ hasText: 'The chat goes on in another tab.' }).waitFor();
  await speaksUnnoticed(twin);
  await amy.page.evaluate(() => { window.frozen = false; });
  const back = amy.find('#retry').filter({ hasText: 'Take it back' });
  await back.click();
  await amy.find('#link').waitFor({ state: 'hidden' });
  await twin.find('#link-text').filter({ hasText: 'The chat goes on in another tab.' }).waitFor();
  await speaksUnnoticed();
  assert.equal(await amy.find('#me').textContent(), 'amy');
  assert.deepEqual(noticed(), []);
  assert.deepEqual(twin.problems, []);
});
