import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withPage } from './browser.mjs';

const WEB = '/r/shop/deployment/web';
const button = (page) => page.getByRole('button', { name: 'ask the load balancer now' });
const outcome = (page) => page.locator('.outcome');
const asked = (mock) => mock.requests.filter((r) => r.startsWith('POST')).length;

test('by keyboard: the load balancer is asked, and what it answers is said', withPage(async ({ page, mock, open }) => {
  await open(WEB);
  await button(page).focus();
  await page.keyboard.press('Enter');
  await page.locator('.outcome.good').waitFor();
  assert.equal(await outcome(page).innerText(), 'ELBv2 answered: 12 of 12 targets healthy.');
  assert.ok(mock.requests.includes('POST /api/v1/namespaces/shop/rollouts/deployment/web/refresh'), 'it was asked about this rollout');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /ask the load balancer/, 'focus stays');
  await page.locator('[role=status]').getByText('12 of 12 targets healthy').waitFor();
  await page.keyboard.press('r');
  await page.waitForTimeout(100);
  assert.equal(asked(mock), 2);
}));

test('asked too soon: says when it can be asked again, and cannot before', withPage(async ({ page, mock, open }) => {
  mock.refusal = { status: 429, detail: 'asked a moment ago', retry_after_seconds: 3 };
  await open(WEB);
  await button(page).click();
  await page.getByText(/ELBv2 was asked a moment ago\. It can be asked again in [123] s\./).waitFor();
  assert.equal(await button(page).getAttribute('aria-disabled'), 'true');
  await page.keyboard.press('Enter'); // it has the focus
  await page.keyboard.press('r');
  assert.equal(asked(mock), 1);
  mock.refusal = null;
  await page.locator('.ask button[aria-disabled="false"]').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.outcome.good').waitFor();
}));

test('no rights in AWS, no credentials, no target group: each is said', withPage(async ({ page, mock, open }) => {
  mock.mute = true;
  await open(WEB);
  mock.setSource('aws', { state: 'denied', message: 'may not elasticloadbalancing:DescribeTargetHealth' });
  await button(page).click();
  await page.getByText('No answer: AWS is denied. may not elasticloadbalancing:DescribeTargetHealth').waitFor();
  for (const [status, detail] of [[503, 'no AWS credentials: none of the providers has any'],
    [409, "no binding with a target group takes this rollout's pods"]]) {
    mock.refusal = { status, detail };
    await button(page).click();
    await page.locator('.outcome.bad', { hasText: detail }).waitFor();
  }
}));

test('an answer that cannot be read is no refusal', withPage(async ({ page, open }) => {
  await page.route('**/targetgroups/**', (route) => route.abort());
  await open(WEB);
  await button(page).click();
  await page.getByText('Asked, but the answer could not be read: no connection').waitFor();
}));

test('what was said about one rollout is not shown with another', withPage(async ({ page, mock, open }) => {
  mock.refusal = { status: 409, detail: 'no target group' };
  await open(WEB);
  await button(page).click();
  await outcome(page).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'checkout', exact: true }).click(); // within the page: what it knows is kept
  await page.locator('h1', { hasText: 'checkout' }).waitFor();
  await button(page).waitFor();
  assert.equal(await outcome(page).count(), 0);
  assert.equal(asked(mock), 1);
}));
