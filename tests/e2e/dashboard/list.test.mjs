import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, HOSTILE, rollout } from '../../../static/test/fixtures.mjs';
import { link, names, withPage } from './browser.mjs';

test('the list shows the worst first, grouped, with cause and action', withPage(async ({ page, open }) => {
  await open();
  const all = await names(page);
  assert.deepEqual(all.slice(0, 8), ['ledger', 'hostile', 'web', 'checkout', 'indexer', 'mailer', 'thumbnails', 'encoder']);
  assert.deepEqual(all.slice(-2), ['node-agent', 'nightly']);
  assert.deepEqual(await page.locator('.grouphead .title').allTextContents(), ['Needs attention 6', 'Under way 2', 'Quiet 15']);
  const web = page.locator('[data-key="prod-eu/shop/deployment/web"]');
  assert.match(await web.innerText(), /stuck[\s\S]*7\/12 open[\s\S]*10\/12 ready[\s\S]*14m[\s\S]*Health check gets another HTTP code[\s\S]*Make the app answer 200/);
  assert.equal(await web.locator('.bar').getAttribute('aria-label'), '7 open, 4 closed, 1 absent of 12 gates');
}));

test('a rollout that should have gates and has none says how many are missing, not 0 open', withPage(async ({ page, open }) => {
  await open();
  const gates = page.locator('[data-key="prod-eu/shop/deployment/bare"] .c-gates');
  assert.match(await gates.innerText(), /^6 missing$/);
  assert.equal(await gates.locator('.bar').getAttribute('aria-label'), '6 missing of 6 gates');
}, {
  setup: (mock) => mock.add({ rollout: rollout('shop', 'bare', 'exposed', {
    since: ago(60), gates: { total: 0, open: 0, closed: 0, absent: 0, missing: 6 },
    pods: { desired: 6, updated: 6, ready: 6, old: 0, by_state: { exposed: 6 } },
  }) }),
}));

test('state, namespace and text filter the list and live in the address', withPage(async ({ page, open }) => {
  await open('/?state=stuck,failed');
  assert.deepEqual(await names(page), ['ledger', 'hostile', 'web']);
  await page.getByRole('button', { name: 'failed' }).click();
  assert.deepEqual(await names(page), ['web']);
  assert.equal(new URL(page.url()).search, '?state=stuck');
  await page.goBack();
  assert.deepEqual(await names(page), ['ledger', 'hostile', 'web']);
  await page.getByRole('button', { name: 'clear' }).click();
  await page.getByRole('combobox', { name: 'Namespace' }).selectOption('media');
  assert.deepEqual(await names(page), ['thumbnails', 'encoder']);
  await page.getByLabel('Filter by namespace or name').fill('THUMB');
  assert.deepEqual(await names(page), ['thumbnails']);
  assert.equal(new URL(page.url()).search, '?namespace=media&q=THUMB');
  await page.getByLabel('Filter by namespace or name').fill('no such thing');
  await page.getByText('No rollout matches.').waitFor();
}));

test('an event changes a row without a reload; the list settles by itself when nobody is in it', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  await page.evaluate(() => { window.kept = true; });
  mock.patch('platform/deployment/api', { state: 'failed', since: ago(100_000) });
  const row = page.locator('[data-key="prod-eu/platform/deployment/api"]');
  await row.getByText('failed').waitFor();
  await page.waitForFunction(() => document.querySelector('.row:not(.head) .c-name a').textContent === 'api');
  await page.getByText('Needs attention 7').waitFor();
  mock.add({ rollout: rollout('shop', 'brand-new', 'stuck', { since: ago(1) }) });
  await page.locator('[data-key="prod-eu/shop/deployment/brand-new"]').waitFor();
  mock.remove('shop/deployment/brand-new');
  await page.locator('[data-key="prod-eu/shop/deployment/brand-new"]').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => window.kept), true);
  assert.equal(mock.requests.filter((r) => r.startsWith('GET /api/v1/rollouts')).length, 1);
}));

test('rows stay in place under a pointer, change in place, and move when asked', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  const before = await names(page);
  await page.mouse.move(400, 400);
  await page.mouse.move(402, 402);
  const row = page.locator('[data-key="prod-eu/shop/deployment/users"]');
  mock.patch('shop/deployment/users', { state: 'stuck', since: ago(3) });
  await row.getByText('stuck').waitFor();
  const hint = page.getByRole('button', { name: /1 row would move/ });
  await hint.waitFor();
  assert.deepEqual(await names(page), before);
  await page.keyboard.press('u');
  await hint.waitFor({ state: 'detached' });
  assert.equal((await names(page)).indexOf('users'), 3);
}));

test('hostile text is text: on the list and in a rollout', withPage(async ({ page, open }) => {
  await open();
  const shown = HOSTILE.replace('\u202e', '\\u{202e}').replace('\u0007', '\\u{7}');
  const row = page.locator('[data-key="prod-eu/payments/deployment/hostile"]');
  assert.ok((await row.innerText()).includes(shown));
  await row.locator('a').click();
  await page.locator('.panel.cause .message').waitFor();
  await page.locator('.pod').nth(1).waitFor();
  await page.locator('.turn').waitFor();
  assert.equal(await page.locator('.message').innerText(), shown);
  assert.equal(await page.locator('.command code').innerText(), `echo ${shown}`);
  assert.equal(await page.locator('.panel a').count(), 0, 'javascript: and data: addresses are no links');
  assert.equal(await page.locator('img').count(), 0);
  assert.match(await page.title(), /^hostile is failed/);
  assert.ok(!(await page.content()).includes('\u202e'));
}));

test('three hundred more rollouts: a part is drawn, the rest is a step away', withPage(async ({ page, open }) => {
  await open();
  assert.equal(await page.locator('.row:not(.head)').count(), 200);
  await page.getByRole('button', { name: '123 more rows' }).click();
  assert.equal(await page.locator('.row:not(.head)').count(), 323);
}, { setup: (mock) => many(mock, 300) }));

test('more rollouts than one page holds are read page by page', withPage(async ({ page, mock, open }) => {
  await open();
  await page.getByText('Quiet 1215').waitFor();
  assert.equal(mock.requests.filter((r) => r.startsWith('GET /api/v1/rollouts')).length, 3);
  const start = Date.now();
  await page.getByLabel('Filter by namespace or name').fill('svc-1199');
  await page.waitForFunction(() => document.querySelectorAll('.row:not(.head)').length === 1);
  assert.ok(Date.now() - start < 1500, 'filtering is a matter of the page alone');
}, { setup: (mock) => many(mock, 1200) }));

function many(mock, n) {
  for (let i = 0; i < n; i++) mock.add({ rollout: rollout('bulk', `svc-${i}`, 'serving', { since: ago(10_000 + i) }) });
}
