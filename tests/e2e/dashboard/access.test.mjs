import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, rollout } from '../../../static/test/fixtures.mjs';
import { AXE, link, names, withPage } from './browser.mjs';

const current = (page) => page.evaluate(() => document.activeElement?.textContent ?? '');

test('the whole way by keyboard: filter, walk, open, back to the same row', withPage(async ({ page, open }) => {
  await open();
  await page.keyboard.press('/');
  await page.keyboard.type('shop/');
  await page.keyboard.press('ArrowDown');
  assert.equal(await current(page), 'web');
  await page.keyboard.press('j');
  assert.equal(await current(page), 'checkout');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('k');
  assert.equal(await current(page), 'checkout');
  await page.keyboard.press('Enter');
  await page.locator('h1', { hasText: 'checkout' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/r/shop/Deployment/checkout');
  await page.keyboard.press('Escape');
  await page.locator('.row:not(.head)').first().waitFor();
  assert.equal(new URL(page.url()).search, '?q=shop%2F');
  await page.waitForFunction(() => document.activeElement?.textContent === 'checkout');
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
  assert.equal((await names(page)).length, 23);
}));

test('help opens with ?, holds focus, closes with Escape; single keys can be switched off', withPage(async ({ page, open }) => {
  await open();
  await page.keyboard.press('?');
  const dialog = page.getByRole('dialog', { name: 'Keys and settings' });
  await dialog.waitFor();
  await dialog.getByLabel('single-letter keys').uncheck();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('j');
  assert.notEqual(await current(page), 'ledger');
  await page.reload();
  await page.locator('.row:not(.head)').first().waitFor();
  await page.keyboard.press('?');
  assert.equal(await dialog.isVisible(), false);
  await page.keyboard.press('ArrowDown');
  assert.equal(await current(page), 'ledger');
}));

test('a turn for the worse is announced, politely', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  mock.patch('shop/deployment/users', { state: 'stuck' });
  await page.locator('[role=status]').getByText('shop/users is stuck').waitFor();
}));

test('the theme can be chosen and is kept', withPage(async ({ page, open }) => {
  await open();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.keyboard.press('?');
  await page.getByLabel('Theme').selectOption('dark');
  assert.notEqual(await ground(), light);
  await page.reload();
  await page.locator('.row:not(.head)').first().waitFor();
  assert.notEqual(await ground(), light);
}));

const PAGES = ['/', '/r/shop/deployment/web', '/r/payments/Deployment/hostile', '/?q=nothing-like-it'];

for (const width of [320, 1280]) {
  test(`nothing is wider than a page of ${width}`, withPage(async ({ page }) => {
    for (const path of PAGES) {
      await page.goto(path);
      await page.locator('.row:not(.head), .pod:not(.head), .empty').first().waitFor();
      await page.waitForTimeout(200);
      const [scroll, client] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(scroll <= client, `${path}: ${scroll} > ${client}`);
    }
  }, { width, height: 700 }));
}

for (const width of [320, 600, 1000, 1280]) {
  test(`no two cells of a row touch at ${width}`, withPage(async ({ page, open }) => {
    await open();
    const touching = await page.evaluate(() => {
      const box = (cell) => { // of what can be seen: words for screen readers alone do not count
        const parts = [...cell.querySelectorAll('*'), cell].filter((e) => !e.closest('.sr'))
          .flatMap((e) => (e.tagName === 'svg' ? [e] : [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE)))
          .map((n) => {
            const range = document.createRange();
            range.selectNode(n);
            return range.getBoundingClientRect();
          }).filter((r) => r.width > 0 && r.height > 0);
        if (parts.length === 0) return null;
        const of = (most, side) => Math[most](...parts.map((r) => r[side]));
        return { left: of('min', 'left'), right: of('max', 'right'), top: of('min', 'top'), bottom: of('max', 'bottom') };
      };
      const found = [];
      for (const row of document.querySelectorAll('.row:not(.head)')) {
        const cells = [...row.children].map((c) => [c, box(c)]).filter(([, b]) => b);
        cells.forEach(([a, p], i) => cells.slice(i + 1).forEach(([b, q]) => {
          const apart = p.right + 3 <= q.left || q.right + 3 <= p.left || p.bottom <= q.top + 1 || q.bottom <= p.top + 1;
          if (!apart) found.push(`${row.dataset.key}: ${a.className} "${a.innerText}" and ${b.className} "${b.innerText}"`);
        }));
      }
      return found;
    });
    assert.deepEqual(touching, []);
  }, {
    width, height: 800,
    setup: (mock) => mock.add({ rollout: rollout('shop', 'slowly', 'progressing', {
      since: ago(185), started_at: ago(185), eta: ago(-424), usual_seconds: { p50: 210, p95: 215, from: 'formula' },
      gates: { total: 11, open: 10, closed: 1, absent: 0, missing: 0 }, pods: { desired: 12, updated: 11, ready: 10, old: 3, by_state: { serving: 10, checking: 1 } },
    }) }),
  }));
}

async function audit(page, what) {
  await page.addScriptTag({ path: AXE }).catch(() => {});
  if (!(await page.evaluate(() => 'axe' in window))) {
    // the page's own policy forbids foreign scripts, as it should: axe goes in by the debugger
    const { readFile } = await import('node:fs/promises');
    await page.evaluate(await readFile(AXE, 'utf8'));
  }
  const found = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const lines = found.violations.map((v) => `${what}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.html} ${n.failureSummary}`).join(' | ')}`);
  assert.deepEqual(lines, []);
}

for (const scheme of ['light', 'dark']) {
  for (const width of [1280, 320]) {
    test(`axe finds nothing, ${scheme}, ${width} wide`, withPage(async ({ page, mock }) => {
      for (const path of PAGES) {
        await page.goto(path);
        await page.locator('.row:not(.head), .pod:not(.head), .empty').first().waitFor();
        await page.waitForTimeout(200);
        await audit(page, path);
      }
      mock.setSource('kubernetes', { state: 'denied', message: 'pods is forbidden', ok_at: null });
      mock.setSource('aws', { state: 'throttled', message: 'Rate exceeded' });
      await page.goto('/');
      await page.locator('.banner.b-bad').waitFor();
      await audit(page, 'old data');
      await page.getByRole('button', { name: 'Keys and settings' }).click();
      await audit(page, 'banners and help');
    }, { scheme, width, height: 800, expected: [/Content Security Policy/] }));
  }
}
