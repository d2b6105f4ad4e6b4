import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, pod } from '../../../static/test/fixtures.mjs';
import { link, withPage } from './browser.mjs';

test('a deep link shows the rollout: verdict, cause, evidence, pods, timeline, revisions', withPage(async ({ page, open }) => {
  await open('/r/shop/deployment/web');
  await page.locator('.pod').nth(3).waitFor();
  await page.locator('.turn').first().waitFor();
  assert.equal(await page.locator('h1').innerText(), 'web');
  assert.match(await page.locator('.verdict').innerText(), /stuck\s+for 14m/);
  assert.match(await page.locator('.facts').innerText(), /7 open, 4 closed, 1 absent of 12 gates[\s\S]*3 of older ones[\s\S]*web:1\.\d+\.0/);
  const cause = page.locator('.panel.cause');
  assert.match(await cause.innerText(), /Health check gets another HTTP code[\s\S]*answer 404[\s\S]*Do this[\s\S]*kubectl -n shop annotate/);
  assert.equal(await cause.locator('.evidence tbody tr').count(), 4);
  const out = cause.getByRole('link', { name: /Runbook/ });
  assert.equal(await out.getAttribute('href'), 'https://runbooks.example.com/shop/web');
  assert.equal(await out.getAttribute('rel'), 'noopener noreferrer');
  assert.match(await page.locator('.panel.others').innerText(), /Budget blocks eviction/);
  const first = page.locator('.pod.s-failing').first();
  assert.match((await first.innerText()).replace(/\s+/g, ' '), /kubelet no gate no load balancer no waiting 14m 13m cause Health check gets another HTTP code gate closed k8s-shop-web-6d1f0c2a9b Target\.ResponseCodeMismatch/);
  await page.getByText('The load balancer calls the target healthy, but the gate is still closed').waitFor();
  assert.match(await page.locator('.turn').nth(1).innerText(), /slow[\s\S]*stuck/);
  assert.equal(await page.locator('.history tbody tr').count(), 6);
  assert.match(await page.locator('.history').innerText(), /Container crashes again and again/);
  assert.doesNotMatch(await page.locator('.history').innerText(), /First health checks/, 'one that served has no cause');
  assert.match(await page.title(), /^web is stuck · prod-eu$/);
}));

test('pods: the troubled in full, the others on request, many in steps', withPage(async ({ page, open }) => {
  await open('/r/shop/deployment/checkout');
  await page.getByText('the load balancer calls the target unhealthy').waitFor();
  const beside = await page.locator('.pod.s-exposed .beside').allInnerTexts();
  assert.deepEqual(beside.map((text) => text.trim()), ['zonal shift: its zone gets no traffic', 'anomalous: ELBv2 may send it less']);
  assert.equal(await page.locator('.pod.s-serving').count(), 10);
  await page.getByRole('button', { name: 'show all 40' }).click();
  assert.equal(await page.locator('.pod.s-serving').count(), 40);
  const quiet = page.getByRole('button', { name: 'checkout-10', exact: true });
  assert.equal(await quiet.getAttribute('aria-expanded'), 'false');
  await quiet.click();
  await page.locator('.pod.s-serving.open .gate.g-open').waitFor();
}));

test('an event for the rollout on the page changes it at once and reads its pods again', withPage(async ({ page, mock, open }) => {
  await open('/r/shop/deployment/web');
  await page.locator('.pod.s-failing').first().waitFor();
  await link(page, 'live');
  mock.world.get('shop/deployment/web').pods = Array.from({ length: 12 }, (_, i) => pod(`web-${i}`, 'serving'));
  mock.patch('shop/deployment/web', { state: 'serving', complete: true, cause: null, gates: { total: 12, open: 12, closed: 0, absent: 0, missing: 0 } });
  await page.locator('.verdict').getByText('serving', { exact: true }).waitFor();
  await page.locator('.panel.cause').waitFor({ state: 'detached' });
  await page.locator('.pod.s-failing').first().waitFor({ state: 'detached' });
  await page.locator('.pod.s-serving').first().waitFor();
}));

test('older turns are read page by page, and stay while new ones come', withPage(async ({ page, mock, open }) => {
  await open('/r/shop/deployment/web');
  const section = page.locator('.panel:has(#timeline-title)');
  await section.getByRole('button', { name: 'show all 100' }).click();
  await section.getByRole('button', { name: 'older' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.turn').length === 130);
  await link(page, 'live');
  const one = mock.world.get('shop/deployment/web');
  one.timeline.unshift({ ...one.timeline[0], at: ago(0), to: 'serving' });
  mock.emit('rollout', one.rollout);
  await page.waitForFunction(() => document.querySelectorAll('.turn').length === 131);
}, {
  setup: (mock) => {
    const turn = (i) => ({ at: ago(60 * (i + 1)), what: 'pod', pod: `p${i}`, subject: '', from: 'starting', to: 'registering', reason: '', message: '' });
    mock.world.get('shop/deployment/web').timeline = Array.from({ length: 130 }, (_, i) => turn(i));
  },
}));

test('a rollout that is not there says so', withPage(async ({ page, mock, open }) => {
  await open('/r/shop/Deployment/nobody');
  await page.getByText('gatehouse knows no Deployment nobody in namespace shop').waitFor();
  await page.getByRole('link', { name: 'Rollouts' }).click();
  await page.locator('.row:not(.head)').first().waitFor();
  await page.goto('/r/shop/deployment/cart');
  await page.locator('.verdict').waitFor();
  await link(page, 'live');
  mock.remove('shop/deployment/cart');
  await page.getByText('gatehouse knows no deployment cart').waitFor();
}));

test('copy puts exactly the shown command on the clipboard', withPage(async ({ page, mock, open }) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: mock.url });
  await open('/r/shop/deployment/web');
  const command = page.locator('.command').first();
  await command.getByRole('button').click();
  await command.getByText('copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await command.locator('code').innerText());
}));

test('unchanged views are asked for with their ETag and not sent again', withPage(async ({ page, mock, open }) => {
  await open('/r/shop/deployment/web');
  await link(page, 'live');
  await page.locator('.pod').nth(1).waitFor();
  const answers = [];
  page.on('response', (r) => { if (r.url().includes('/deployment/web')) answers.push(r.status()); });
  mock.emit('rollout', mock.world.get('shop/deployment/web').rollout);
  await page.waitForTimeout(1500);
  assert.deepEqual(answers.sort(), [304, 304, 304, 304]);
}));
