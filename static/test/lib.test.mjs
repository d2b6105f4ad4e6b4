// The pure parts of the page, without a browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absolute, age, clock, duration } from '../src/lib/format.js';
import { gateProgress, gateWords } from '../src/lib/gates.js';
import { pace } from '../src/lib/pace.js';
import { sseParser } from '../src/lib/sse.js';
import { causeName, clean, humanise, linkOf, shortGate, shortImage, shortSubject } from '../src/lib/text.js';
import { turnsOf } from '../src/lib/turns.js';

test('durations have two units at most and never go backwards below zero', () => {
  const cases = [[-5000, '0s'], [999, '0s'], [59_999, '59s'], [60_000, '1m 00s'], [599_000, '9m 59s'], [600_000, '10m'], [3_599_000, '59m'],
    [3_600_000, '1h 00m'], [86_399_000, '23h 59m'], [90_000_000, '1d 1h'], [NaN, '']];
  for (const [ms, text] of cases) assert.equal(duration(ms), text);
  assert.equal(age(null, 0), '');
  assert.equal(age('not a time', 0), '');
  assert.equal(clock('', 0), '');
  assert.match(absolute('2026-03-03T12:00:00Z'), /^2026-03-0\d \d\d:00:00 [+-]\d\d:\d\d$/);
});

test('text loses what hides, and its length', () => {
  assert.equal(clean('a\u202eb\u200bc\u0000\u{e0041}'), 'a\\u{202e}b\\u{200b}c\\u{0}\\u{e0041}');
  assert.equal(clean('line\r\nline\ttab'), 'line\nline\ttab');
  assert.equal(clean(null), '');
  assert.equal(clean({ toString: () => 'x' }), 'x');
  assert.equal(clean('x'.repeat(20), 10), `${'x'.repeat(10)}… (10 more characters)`);
});

test('only absolute http and https addresses without credentials become links', () => {
  assert.equal(linkOf('https://example.com/a b'), 'https://example.com/a%20b');
  const bad = ['javascript:alert(1)', ' javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', '//example.com',
    '/relative', 'file:///etc/passwd', 'https://user:secret@example.com/', 'blob:https://x/y', '', null, 7, `https://x/${'a'.repeat(3000)}`];
  for (const b of bad) assert.equal(linkOf(b), '', String(b));
});

test('short names', () => {
  assert.equal(humanise('health_check_timeout'), 'Health check timeout');
  assert.equal(causeName('crash_loop', 'Container crashes again and again'), 'Container crashes again and again');
  assert.equal(causeName('crash_loop', undefined), 'Crash loop');
  assert.equal(shortImage('registry.example.com:5000/a/web:1.2'), 'web:1.2');
  assert.equal(shortImage('web@sha256:0123456789abcdef'), 'web@0123456');
  assert.equal(shortGate({ type: 'target-health.elbv2.k8s.aws/x', binding: '' }), 'x');
  assert.equal(shortGate({ type: 'plain', binding: '' }), 'plain');
  assert.equal(shortSubject('target-health.elbv2.k8s.aws/web'), 'web');
  assert.equal(shortSubject('arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/0123456789abcdef 10.0.0.1:80'), 'web 10.0.0.1:80');
});

test('gate progress counts the pods that are still to come', () => {
  const r = (gates, pods, complete = false) => gateProgress({ gates: { open: 0, closed: 0, absent: 0, missing: 0, ...gates }, pods, complete });
  assert.deepEqual(r({ total: 2, closed: 2 }, { desired: 5, updated: 2 }), { open: 0, closed: 2, absent: 0, missing: 0, coming: 3, whole: 5, ungated: false });
  assert.equal(r({ total: 4, open: 4 }, { desired: 4, updated: 2 }).whole, 8, 'two gates a pod');
  assert.equal(r({ total: 3, open: 3 }, { desired: 5, updated: 3 }, true).whole, 3, 'a complete rollout waits for nothing');
  assert.equal(r({ total: 6, open: 6 }, { desired: 5, updated: 6 }).whole, 6, 'a surge');
  assert.equal(r({ total: 0 }, { desired: 5, updated: 0 }).whole, 0);
  assert.equal(gateWords(r({ total: 2, closed: 2 }, { desired: 5, updated: 2 })), '2 closed, 3 still to come of 5 gates');
});

test('a pod waits from ready containers to its last gate', () => {
  const at = (s) => new Date(s * 1000).toISOString();
  const pod = (gates, more) => ({ state: 'checking', created_at: at(100), containers_ready_at: at(110), deleted_at: null, gates, ...more });
  const open = (s) => ({ status: 'open', opened_at: at(s) });
  assert.deepEqual(pace(pod([open(130), open(150)]), 999_000), { startMs: 10_000, waitMs: 40_000, waiting: false });
  assert.deepEqual(pace(pod([open(130), { status: 'closed', opened_at: null }]), 200_000), { startMs: 10_000, waitMs: 90_000, waiting: true });
  assert.deepEqual(pace(pod([]), 200_000), { startMs: 10_000, waitMs: 0, waiting: false });
  assert.deepEqual(pace(pod([], { state: 'starting', containers_ready_at: null }), 103_000), { startMs: 3000, waitMs: 0, waiting: false });
  assert.equal(pace(pod([], { created_at: null }), 0), null);
});

test('turns of many pods at one time are one line, newest first', () => {
  const turn = (s, pod, to, more) => ({ at: new Date(s * 1000).toISOString(), what: 'gate', pod, subject: 'g', from: 'closed', to, reason: '', message: '', ...more });
  const lines = turnsOf([turn(100, 'a', 'open'), turn(104, 'b', 'open'), turn(90, 'c', 'open'), turn(80, 'd', 'open'), turn(101, 'a', 'closed'),
    { ...turn(101, '', 'stuck'), what: 'rollout' }, { ...turn(100, '', 'stuck'), what: 'rollout' }]);
  assert.deepEqual(lines.map((l) => [l.what, l.to, l.pods.join('')]),
    [['gate', 'open', 'bac'], ['gate', 'closed', 'a'], ['rollout', 'stuck', ''], ['rollout', 'stuck', ''], ['gate', 'open', 'd']]);
});

test('the event stream parser: any cut, any line end, comments, ids that stay', () => {
  const text = ': hello\n\nid: 5\nevent: rollout\ndata: {"a":1}\n\nevent:x\r\ndata:one\r\ndata: two\r\rdata: \u00e4\n\n: beat\n\nid: 9\n\n';
  const whole = parse([text]);
  assert.deepEqual(whole, [
    { type: 'rollout', data: '{"a":1}', id: '5' }, { type: 'x', data: 'one\ntwo', id: '5' }, { type: 'message', data: '\u00e4', id: '5' },
  ]);
  for (let i = 1; i < text.length; i++) assert.deepEqual(parse([text.slice(0, i), text.slice(i)]), whole, `cut at ${i}`);
  assert.deepEqual(parse([...text]), whole);
  assert.throws(() => parse(['data: '.padEnd(5 * 1024 * 1024, 'x')]), /too long/);
  assert.throws(() => parse(Array.from({ length: 5 }, () => `data: ${'x'.repeat(1024 * 1024)}\n`)), /too large/);
});

function parse(chunks) {
  const events = [];
  const feed = sseParser((e) => events.push(e));
  for (const c of chunks) feed(c);
  return events;
}
