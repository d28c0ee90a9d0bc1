import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import axe from 'axe-core';
import { Cable } from './support/cable.js';
import { LineClient } from './support/line_client.js';
import { Server } from './support/server.js';
import { browse, Visitor } from './support/visitor.js';

const SIZES = { phone: { width: 390, height: 844 }, wide: { width: 1440, height: 900 } };

let browser;
let server;
const guests = [];

before(async () => {
  browser = await browse();
  server = await Server.start();
  for (const name of ['QuietHeron', 'BobTheBuilder', 'dora']) {
    guests.push(await LineClient.enter(server, name));
  }
});
after(async () => {
  await browser.close();
  await server.end();
});

/** Somebody in a room where a little of everything has happened. */
async function visit(url, name, options) {
  const visitor = await Visitor.open(browser, url, options);
  const [heron, bob, dora] = guests;
  await visitor.write(`/name ${name}`);
  await visitor.isCalled(name);
  heron.send('Morning! Did the new build come out well?');
  await visitor.sees('Morning!');
  bob.send('It did: https://example.org/builds/1207 (see the notes).', '🎉');
  await visitor.find('.emoji').first().waitFor();
  await visitor.write('/join den');
  await visitor.isIn('den');
  dora.send(`${name}: could you write it up?`);
  await visitor.find('.badge.mention').waitFor({ state: 'attached' });
  for (const guest of ['guest1', 'guest2']) {
    await (await LineClient.enter(server, `${guest}${name}`)).leave();
  }
  await visitor.page.keyboard.press('Alt+ArrowUp');
  await visitor.isIn('main');
  await visitor.sees(`guest2${name} came and went`);
  await visitor.write('Gladly.');
  await visitor.sees('Gladly.');
  return visitor;
}

/** Fails if the page as it is shuts somebody out. */
async function isOpenToAll(visitor, when) {
  await visitor.page.evaluate(axe.source);
  const { violations } = await visitor.page.evaluate(() => window.axe.run());
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  assert.deepEqual(told, [], when);
  const { width, height } = visitor.page.viewportSize();
  const size = await visitor.page.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.scrollingElement;
    return { width: scrollWidth, height: scrollHeight };
  });
  assert.deepEqual(size, { width, height }, `${when}: larger than the screen`);
}

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    test(`everybody can use it: ${size}, ${colorScheme}`, async (t) => {
      const look = `${size}-${colorScheme}`;
      // What moves cannot be judged.
      const still = { colorScheme, viewport, reducedMotion: 'reduce' };
      const cable = await Cable.to(server.webPort);
      t.after(() => cable.end());
      const visitor = await visit(cable.url, `a-${look}`, still);
      const step = async (when) => {
        await isOpenToAll(visitor, `${look}, ${when}`);
        await visitor.picture(`${look}-${when}`);
      };
      await step('talk');
      if (size === 'wide') {
        await visitor.find('#change-name').click();
        await step('name');
        await visitor.page.keyboard.press('Escape');
      } else {
        for (const side of ['rooms', 'people']) {
          await visitor.find(`#open-${side}`).click();
          await step(side);
          await visitor.page.keyboard.press('Escape');
        }
      }
      await visitor.find('#emoji').click();
      await step('emoji');
      await visitor.page.keyboard.press('Escape');
      await visitor.write('x'.repeat(410));
      await visitor.isTold('too long');
      await step('problem');
      await visitor.write('/help');
      await step('help');
      await visitor.page.keyboard.press('Escape');
      await visitor.write('/join nowhere_else');
      await visitor.isIn('nowhere_else');
      await step('empty');
      cable.cut();
      await visitor.find('#retry').waitFor();
      await visitor.write('This waits.');
      await visitor.find('#outbox li').waitFor();
      await step('lost');
      await visitor.leave();
    });
  }
}

test('keys alone lead everywhere', async () => {
  const visitor = await Visitor.open(browser, server.url);
  const focused = () => visitor.page.evaluate(() => document.activeElement.id);
  await visitor.page.evaluate(() => document.activeElement.blur());
  await visitor.page.keyboard.press('Tab');
  assert.equal(await visitor.page.evaluate(() => document.activeElement.textContent),
    'Skip to the message box');
  await visitor.page.keyboard.press('Enter');
  assert.equal(await focused(), 'input');
  const passed = new Set();
  for (let presses = 0; presses < 40; presses += 1) {
    await visitor.page.keyboard.press('Shift+Tab');
    passed.add(await focused());
  }
  for (const id of ['emoji', 'log', 'help', 'change-name', 'join-input']) {
    assert.ok(passed.has(id), `${id} cannot be reached`);
  }
  await visitor.leave();
});

test('a drawer takes the focus, keeps it, and gives it back', async () => {
  const visitor = await Visitor.open(browser, server.url, { viewport: SIZES.phone });
  const focused = () => visitor.page.evaluate(() => document.activeElement.id);
  const insideOf = (side) => visitor.page.evaluate((id) => (
    document.activeElement === document.body || Boolean(document.activeElement.closest(id))
  ), `#${side}`);
  for (const side of ['rooms', 'people']) {
    await visitor.find(`#open-${side}`).press('Enter');
    assert.equal(await focused(), `close-${side}`);
    for (let presses = 0; presses < 12; presses += 1) {
      await visitor.page.keyboard.press('Tab');
      assert.ok(await insideOf(side), `the focus has left ${side}`);
    }
    await visitor.page.keyboard.press('Escape');
    assert.equal(await focused(), `open-${side}`);
  }
  await visitor.leave();
});

test('a screen reader is told of what is new', async () => {
  const visitor = await Visitor.open(browser, server.url);
  const tree = await visitor.find('body').ariaSnapshot();
  for (const part of ['navigation "Rooms"', 'main', 'log "Messages in main"',
    'complementary "People"', 'textbox "Write to main"', 'heading "main" [level=1]']) {
    assert.ok(tree.includes(part), `${part} is not in\n${tree}`);
  }
  await visitor.leave();
});
