/** Somebody with a browser. */

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** How long anything may take to be seen, in milliseconds. */
const SEEN_MS = 20_000;
const { HUBBUB_BROWSER = '/usr/bin/chromium', HUBBUB_SCREENSHOTS } = process.env;

/** Starts the browser; it talks to nobody but the pages it is sent to. */
export function browse() {
  return chromium.launch({
    executablePath: HUBBUB_BROWSER,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** One visitor with a page and a memory of their own. */
export class Visitor {
  /** Playwright's page, for what has no word here. */
  page;
  /** What went wrong in the page, but for connections that broke. */
  problems = [];

  /** Opens the page in a browser, and waits until it is in a room; `page` gets it before that. */
  static async open(browser, url, { before, page, ...context } = {}) {
    const made = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context });
    const visitor = Visitor.of(await made.newPage());
    page?.(visitor.page);
    if (before) await visitor.page.addInitScript(before);
    await visitor.page.goto(url);
    await visitor.isIn('main');
    return visitor;
  }

  /** The visitor of a page that there is. */
  static of(page) {
    const visitor = new Visitor();
    visitor.page = page;
    visitor.page.setDefaultTimeout(SEEN_MS);
    visitor.page.on('pageerror', (error) => visitor.problems.push(String(error)));
    visitor.page.on('console', (message) => {
      const broken = /WebSocket connection to|net::ERR_/.test(message.text());
      if (message.type() === 'error' && !broken) visitor.problems.push(message.text());
    });
    return visitor;
  }

  /** Something in the page, by a selector. */
  find(selector) {
    return this.page.locator(selector);
  }

  /** Writes a line and sends it. */
  async write(line) {
    await this.find('#input').fill(line);
    await this.find('#input').press('Enter');
  }

  /** Waits for a line among those of the room that is shown. */
  async sees(text) {
    await this.find('#log .line').filter({ hasText: text }).first().waitFor();
  }

  /** Waits for what is wrong to be told beside the input. */
  async isTold(text) {
    await this.find('#problem').filter({ hasText: text }).waitFor();
  }

  /** Waits until a room is shown, and the server has let us in. */
  async isIn(room) {
    await this.find('#title').filter({ hasText: new RegExp(`^${room}$`) }).waitFor();
    await this.find('#size').filter({ hasText: /\d/ }).waitFor();
  }

  /** Waits until we have a name. */
  async isCalled(name) {
    await this.find('#me').filter({ hasText: new RegExp(`^${name}$`) }).waitFor();
  }

  /** A room's entry in the list on the side. */
  room(name) {
    return this.find('#my-rooms .room').filter({ hasText: name });
  }

  /** How often a text stands among the lines. */
  count(text) {
    return this.find('#log .line').filter({ hasText: text }).count();
  }

  /** Keeps a picture of the page, if pictures are wanted. */
  async picture(name) {
    if (!HUBBUB_SCREENSHOTS) return;
    await mkdir(HUBBUB_SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(HUBBUB_SCREENSHOTS, `${name}.png`) });
  }

  /** Leaves, and fails if anything has gone wrong in the page. */
  async leave() {
    assert.deepEqual(this.problems, []);
    await this.page.context().close();
  }
}
