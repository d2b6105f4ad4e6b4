import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago } from '../../../static/test/fixtures.mjs';
import { link, withPage } from './browser.mjs';

const rowOf = (page, key) => page.locator(`[data-key="prod-eu/${key}"]`);

test('a cut stream is resumed where it ended, and what was missed arrives', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  mock.patch('shop/deployment/cart', { state: 'slow', since: ago(1) });
  await rowOf(page, 'shop/deployment/cart').getByText('slow').waitFor();
  const last = mock.revision;
  mock.cutStreams();
  mock.patch('shop/deployment/users', { state: 'stuck', since: ago(1) });
  await rowOf(page, 'shop/deployment/users').getByText('stuck').waitFor();
  assert.equal(mock.resumedFrom, last);
  assert.equal(mock.requests.filter((r) => r.startsWith('GET /api/v1/rollouts')).length, 1);
}));

test('resync reads the list again: changed, new and gone', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  mock.patch('shop/deployment/users', { state: 'failed', since: ago(1) }, { quietly: true });
  mock.world.delete('search/deployment/indexer');
  mock.emit('resync', {});
  await rowOf(page, 'shop/deployment/users').getByText('failed').waitFor();
  await rowOf(page, 'search/deployment/indexer').waitFor({ state: 'detached' });
}));

test('an event that overtakes the list it belongs to is not lost', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  const release = mock.holdList();
  mock.emit('resync', {});
  await mock.listHeld;
  mock.patch('shop/deployment/users', { state: 'failed', since: ago(1) });
  await rowOf(page, 'shop/deployment/users').getByText('failed').waitFor();
  release();
  await page.waitForTimeout(800);
  assert.equal(await rowOf(page, 'shop/deployment/users').getByText('failed').count(), 1);
}));

test('without a stream the page polls and says so; with one again it is live', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'connecting');
  mock.patch('shop/deployment/users', { state: 'failed', since: ago(1) }, { quietly: true });
  await page.locator('[data-link="polling"]').waitFor({ timeout: 15_000 });
  await rowOf(page, 'shop/deployment/users').getByText('failed').waitFor();
  mock.broken = null;
  await page.locator('[data-link="live"]').waitFor({ timeout: 20_000 });
}, { setup: (mock) => { mock.broken = 'nostream'; } }));

test('a source that went away is named at the top with the age of its data', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  assert.equal(await page.locator('.banner').count(), 0);
  mock.setSource('kubernetes', { state: 'unreachable', message: 'connection refused', ok_at: ago(180) });
  const banner = page.locator('.banner.b-bad');
  await banner.waitFor();
  assert.match(await banner.innerText(), /Kubernetes is unreachable: connection refused\. Its data is (2m 5\d|3m 0\d)s old; showing what was last seen at \d\d:\d\d:\d\d\./);
  await page.locator('.list.old').waitFor();
  mock.setSource('kubernetes/rollouts', { state: 'unreachable', message: 'connection refused' });
  await page.waitForTimeout(500);
  assert.equal(await page.locator('.banner').count(), 1, 'a part of what is down is no news');
  mock.setSource('kubernetes', { state: 'ok', message: '', ok_at: ago(0) });
  await banner.waitFor({ state: 'detached' });
  mock.setSource('kubernetes/rollouts', { state: 'denied', message: 'rollouts is forbidden' });
  await page.locator('.banner.b-warn').getByText('kubernetes/rollouts is denied: rollouts is forbidden.').waitFor();
  mock.setSource('kubernetes/rollouts', { state: 'absent', message: '' });
  mock.setSource('aws', { state: 'throttled', message: 'Rate exceeded', ok_at: ago(60) });
  await page.locator('.banner.b-warn').getByText('AWS is throttled: Rate exceeded').waitFor();
}));

test('a source that says ok but has been silent is old too', withPage(async ({ page, open }) => {
  await open();
  await page.locator('.banner.b-bad').getByText('Kubernetes is silent').waitFor();
}, { setup: (mock) => Object.assign(mock.sources.find((s) => s.name === 'kubernetes'), { frozen: true, ok_at: ago(300) }) }));

test('a server that stops answering: the rows stay, their age is said', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  mock.broken = 'refuse';
  mock.cutStreams();
  const banner = page.locator('.banner.b-bad');
  await banner.waitFor({ timeout: 25_000 });
  assert.match(await banner.innerText(), /gatehouse does not answer/);
  await link(page, 'offline');
  assert.ok(await page.locator('.row:not(.head)').count() > 10);
  mock.broken = null;
  await page.getByRole('button', { name: 'try again' }).click();
  await link(page, 'live');
  await banner.waitFor({ state: 'detached' });
}));

test('a first visit to a server that fails says so and goes on trying', withPage(async ({ page, mock }) => {
  await page.goto('/');
  await page.getByText('gatehouse does not answer yet').waitFor();
  mock.broken = null;
  await page.locator('.row:not(.head)').first().waitFor({ timeout: 15_000 });
}, { setup: (mock) => { mock.broken = 'refuse'; } }));

test('pause holds everything still; resume catches up', withPage(async ({ page, mock, open }) => {
  await open();
  await link(page, 'live');
  await page.keyboard.press('p');
  await link(page, 'paused');
  mock.patch('shop/deployment/users', { state: 'failed', since: ago(1) });
  await page.waitForTimeout(1000);
  assert.equal(await rowOf(page, 'shop/deployment/users').getByText('failed').count(), 0);
  await page.getByRole('button', { name: 'Resume live updates' }).click();
  await rowOf(page, 'shop/deployment/users').getByText('failed').waitFor();
  await link(page, 'live');
}));

test('a server with tokens asks for one', withPage(async ({ page, mock }) => {
  await page.goto('/');
  await page.getByLabel('Token').fill('secret');
  await page.getByRole('button', { name: 'go on' }).click();
  await page.locator('.row:not(.head)').first().waitFor();
  await link(page, 'live');
  assert.ok(mock.requests.every((r) => !r.includes('secret')), 'the token is in no address');
}, { setup: (mock) => { mock.token = 'secret'; } }));

test('ages tick without moving anything', withPage(async ({ page, open }) => {
  await open();
  const cell = page.locator('[data-key="prod-eu/search/deployment/indexer"] .c-since time');
  const before = [await cell.innerText(), await page.locator('.row').nth(3).boundingBox()];
  await page.waitForFunction((was) => document.querySelector('[data-key="prod-eu/search/deployment/indexer"] .c-since time').textContent !== was, before[0]);
  const shift = await page.evaluate(() => new Promise((done) => {
    let total = 0;
    new PerformanceObserver((l) => l.getEntries().forEach((e) => { total += e.value; })).observe({ type: 'layout-shift', buffered: false });
    setTimeout(() => done(total), 2500);
  }));
  assert.deepEqual(await page.locator('.row').nth(3).boundingBox(), before[1]);
  assert.equal(shift, 0);
}));
