// Chromium, a page and a mock server for each test. Every page fails its test on a script error or a refused script or style
// (the content security policy at work).
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { Mock } from '../../../static/test/mock.mjs';

const require = createRequire(new URL('../../../static/package.json', import.meta.url));
const { chromium } = require('playwright-core');
export const AXE = require.resolve('axe-core/axe.min.js');

const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

let browser;

// With a profile of its own in a folder that playwright makes and removes.
before(async () => {
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGS, headless: true });
});

after(() => browser?.close());

// Runs body({page, mock, open}); open(path) goes there and waits for the first rows or the heading.
export function withPage(body, { width = 1280, height = 800, scheme = 'light', setup = () => {}, expected = [] } = {}) {
  return async () => {
    const mock = await new Mock().listen();
    setup(mock);
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, baseURL: mock.url });
    const page = await context.newPage();
    page.setDefaultTimeout(8000);
    const complaints = [];
    page.on('pageerror', (e) => complaints.push(String(e)));
    page.on('console', (m) => {
      if (m.type() === 'error' && !/Failed to load resource|net::ERR_/.test(m.text())) complaints.push(m.text());
    });
    try {
      await body({ page, mock, open: (path = '/') => open(page, path) });
      assert.deepEqual(complaints.filter((c) => !expected.some((e) => e.test(c))), []);
    } finally {
      await context.close();
      await mock.close();
    }
  };
}

async function open(page, path) {
  await page.goto(path);
  await page.locator(path.startsWith('/r/') ? 'h1' : '.row:not(.head)').first().waitFor();
}

export function names(page) {
  return page.locator('.row:not(.head) .c-name a').allTextContents();
}

export async function link(page, state) {
  await page.locator(`[data-link="${state}"]`).waitFor();
}
