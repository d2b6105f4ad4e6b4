// A small cluster in the API's own shapes: one rollout of every state, huge names, hostile text. Times are given in seconds
// before now.

export const HOSTILE = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>\u202egnp.exe\u0007';
const LONG = 'a-very-long-name-that-somebody-generated-from-a-branch-name-'.repeat(4);

export const ago = (s) => new Date(Date.now() - s * 1000).toISOString();

let serial = 0;
const uid = () => `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`;

export function gate(status, more = {}) {
  return {
    type: 'target-health.elbv2.k8s.aws/k8s-shop-web-6d1f0c2a9b', family: 'aws-lbc', binding: 'k8s-shop-web-6d1f0c2a9b',
    status, reason: status === 'closed' ? 'Elb.InitialHealthChecking' : '', message: status === 'closed' ? 'Initial health checks in progress' : '',
    first_seen_at: ago(290), opened_at: status === 'open' ? ago(240) : null, ...more,
  };
}

export function target(state, more = {}) {
  return {
    target_group: 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/k8s-shop-web-6d1f0c2a9b/0123456789abcdef',
    name: 'k8s-shop-web-6d1f0c2a9b', ip: '10.0.3.7', port: 8080, state, reason: '', description: '', zone: 'eu-west-1a',
    anomaly: 'normal', administrative_override: 'no_override',
    first_seen_at: ago(288), healthy_at: state === 'healthy' ? ago(243) : null, ...more,
  };
}

export function pod(name, state, more = {}) {
  const open = state === 'serving' || state === 'exposed';
  const ready = state === 'starting' ? null : ago(290);
  return {
    name, uid: uid(), ip: '10.0.3.7', node: 'ip-10-0-3-12.eu-west-1.compute.internal', revision: '6c9fd8b7c5', is_new: true, state,
    since: ago(240), created_at: ago(302), deleted_at: null, containers_ready_at: ready, gate_missing: false,
    truth: { kubelet: open ? 'yes' : 'no', gate: open ? 'yes' : 'no', elb: state === 'serving' ? 'yes' : state === 'starting' ? 'unknown' : 'no' },
    contradiction: null, cause: null, cause_title: null,
    gates: state === 'starting' ? [gate('absent', { first_seen_at: null })] : [gate(open ? 'open' : 'closed')],
    targets: state === 'starting' ? [] : [target(state === 'serving' ? 'healthy' : 'initial')], ...more,
  };
}

export function cause(code, more = {}) {
  return {
    code, object: 'TargetGroup/k8s-shop-web-6d1f0c2a9b', severity: 'error', terminal: false, confidence: 'certain', since: ago(840), pods: 3,
    message: `${code}: the sentence that says what, since when and why.`, action: 'Do the next thing.', commands: [], docs: '', evidence: [], ...more,
  };
}

export function rollout(namespace, name, state, more = {}) {
  const counts = { desired: 4, updated: 4, ready: 4, old: 0, by_state: { serving: 4 } };
  return {
    cluster: 'prod-eu', namespace, kind: 'Deployment', name, uid: uid(), revision: '7', revision_hash: '6c9fd8b7c5',
    images: [`registry.example.com/${namespace}/${name}:1.${serial}.0`], state, pace: 'on_time', since: ago(7200), started_at: ago(7300),
    served_at: state === 'serving' ? ago(7200) : null, eta: null, generation: 12, observed: true, complete: state === 'serving', terminal: false,
    stale: false, pods: counts, gates: { total: 4, open: 4, closed: 0, absent: 0, missing: 0 },
    usual_seconds: { p50: 41, p95: 96, from: 'history' }, cause: null, ...more,
  };
}

const MISMATCH = cause('health_check_code_mismatch', {
  title: 'Health check gets another HTTP code',
  message: 'The load balancer asks GET /healthz on port 8080 and wants 200; 3 new pods answer 404. They have been refused for 14 minutes, so no traffic reaches revision 7.',
  action: 'Make the app answer 200 on /healthz, or set the health check path of the Ingress to the one it answers.',
  commands: [
    'kubectl -n shop annotate ingress web alb.ingress.kubernetes.io/healthcheck-path=/ready --overwrite',
    'aws elbv2 describe-target-health --target-group-arn arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/k8s-shop-web-6d1f0c2a9b/0123456789abcdef',
  ],
  docs: 'https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html',
  runbook: 'https://runbooks.example.com/shop/web',
  evidence: [
    { object: 'TargetGroup/k8s-shop-web-6d1f0c2a9b', field: 'target 10.0.3.7:8080 reason', value: 'Target.ResponseCodeMismatch' },
    { object: 'TargetGroup/k8s-shop-web-6d1f0c2a9b', field: 'target 10.0.3.7:8080 description', value: 'Health checks failed with these codes: [404]' },
    { object: 'TargetGroup/k8s-shop-web-6d1f0c2a9b', field: 'health check', value: 'HTTP GET /healthz on traffic-port, matcher 200' },
    { object: 'Pod/web-6c9fd8b7c5-x2x7q', field: 'condition target-health.elbv2.k8s.aws/k8s-shop-web-6d1f0c2a9b', value: 'False since 14:02:11' },
  ],
});

function webPods() {
  const refused = { reason: 'Target.ResponseCodeMismatch', message: 'Health checks failed with these codes: [404]' };
  const bad = (n) => pod(`web-6c9fd8b7c5-${n}`, 'failing', {
    since: ago(800), created_at: ago(900), containers_ready_at: ago(885), cause: 'health_check_code_mismatch', cause_title: 'Health check gets another HTTP code', truth: { kubelet: 'no', gate: 'no', elb: 'no' },
    gates: [gate('closed', { ...refused, first_seen_at: ago(884) })],
    targets: [target('unhealthy', { reason: refused.reason, description: refused.message, first_seen_at: ago(880) })],
  });
  const good = (n, i) => pod(`web-6c9fd8b7c5-${n}`, 'serving', { ip: `10.0.3.${20 + i}`, created_at: ago(900 + i), containers_ready_at: ago(880 - i), since: ago(840 - i), gates: [gate('open', { opened_at: ago(840 - i) })] });
  return [
    ...['x2x7q', 'm9k4d', 'p0s8r'].map(bad),
    pod('web-6c9fd8b7c5-c7c7c', 'checking', { created_at: ago(70), containers_ready_at: ago(58), since: ago(40), gates: [gate('closed', { first_seen_at: ago(57) })] }),
    pod('web-6c9fd8b7c5-late1', 'checking', {
      created_at: ago(300), containers_ready_at: ago(280), since: ago(200), contradiction: 'healthy_but_closed',
      truth: { kubelet: 'no', gate: 'no', elb: 'yes' }, targets: [target('healthy')],
    }),
    ...['aaaaa', 'bbbbb', 'ccccc', 'ddddd', 'eeeee', 'fffff', 'ggggg'].map(good),
    ...['old01', 'old02', 'old03'].map((n) => pod(`web-5b77c9d4f8-${n}`, 'serving', { is_new: false, revision: '5b77c9d4f8', created_at: ago(90000), containers_ready_at: ago(89990), since: ago(89950), gates: [gate('open', { opened_at: ago(89950) })] })),
  ];
}

function webTimeline() {
  const turn = (s, what, to, more) => ({ at: ago(s), what, pod: '', subject: '', from: '', to, reason: '', message: '', ...more });
  const type = 'target-health.elbv2.k8s.aws/k8s-shop-web-6d1f0c2a9b';
  return [
    turn(40, 'pod', 'checking', { pod: 'web-6c9fd8b7c5-c7c7c', from: 'registering' }),
    turn(600, 'rollout', 'stuck', { from: 'slow' }),
    turn(760, 'rollout', 'slow', { from: 'progressing' }),
    turn(800, 'target', 'unhealthy', { pod: 'web-6c9fd8b7c5-x2x7q', subject: 'k8s-shop-web-6d1f0c2a9b 10.0.3.7:8080', from: 'initial', reason: 'Target.ResponseCodeMismatch', message: 'Health checks failed with these codes: [404]' }),
    turn(840, 'gate', 'open', { pod: 'web-6c9fd8b7c5-aaaaa', subject: type, from: 'closed' }),
    turn(884, 'gate', 'closed', { pod: 'web-6c9fd8b7c5-x2x7q', subject: type, from: 'absent', reason: 'Elb.RegistrationInProgress', message: 'Target registration is in progress' }),
    turn(900, 'rollout', 'progressing', { from: 'serving' }),
  ];
}

function webHistory() {
  const past = (n, s, took, outcome, more) => ({
    revision: String(n), revision_hash: `5b77c9d4f${n}`, images: [`registry.example.com/shop/web:1.${n}.0`], started_at: ago(s), finished_at: ago(s - took),
    served_at: outcome === 'served' ? ago(s - took) : null, outcome, pods: 12, cause: null, cause_title: null, ...more,
  });
  return [
    past(7, 900, 900, '', { finished_at: null }), past(6, 90000, 58, 'served', { cause: 'initial_health_checks', cause_title: 'First health checks' }), past(5, 180000, 312, 'failed', { cause: 'crash_loop', cause_title: 'Container crashes again and again' }),
    past(4, 270000, 44, 'served'), past(3, 420000, 130, 'superseded'), past(2, 900000, 39, 'served'),
  ];
}

function hostile() {
  const bad = cause('health_check_failed', {
    message: HOSTILE, action: HOSTILE, commands: [`echo ${HOSTILE}`], docs: 'javascript:alert(1)', runbook: 'data:text/html,<script>alert(1)</script>',
    object: HOSTILE, evidence: [{ object: HOSTILE, field: HOSTILE, value: HOSTILE }],
  });
  const r = rollout('payments', 'hostile', 'failed', { since: ago(60), cause: bad, images: [HOSTILE], revision_hash: HOSTILE });
  const p = pod(`hostile-${HOSTILE}`, 'failing', {
    node: HOSTILE, ip: HOSTILE, gates: [gate('closed', { type: `x/${HOSTILE}`, binding: HOSTILE, reason: HOSTILE, message: HOSTILE })],
    targets: [target('unhealthy', { name: HOSTILE, description: HOSTILE, reason: HOSTILE, zone: HOSTILE })], contradiction: 'something_new',
  });
  const turn = { at: ago(5), what: 'gate', pod: HOSTILE, subject: HOSTILE, from: HOSTILE, to: HOSTILE, reason: HOSTILE, message: HOSTILE };
  return { rollout: r, pods: [p], timeline: [turn], history: [] };
}

export function sources() {
  return [
    { name: 'aws', state: 'ok', message: '', since: ago(86400), ok_at: ago(4) },
    { name: 'kubernetes', state: 'ok', message: '', since: ago(86400), ok_at: ago(1) },
    { name: 'kubernetes/rollouts', state: 'absent', message: '', since: ago(86400), ok_at: null },
  ];
}

// The world: key → {rollout, pods, timeline, history}.
export function world() {
  const gates = (total, open, closed, absent, missing = 0) => ({ total, open, closed, absent, missing });
  const pods = (desired, ready, by_state, old = 0) => ({ desired, updated: desired, ready, old, by_state });
  const web = rollout('shop', 'web', 'stuck', {
    pace: 'stuck', since: ago(840), started_at: ago(900), gates: gates(12, 7, 4, 1), pods: pods(12, 10, { failing: 3, checking: 2, serving: 7 }, 3), cause: MISMATCH,
  });
  const others = cause('budget_blocks_eviction', { severity: 'warning', object: 'PodDisruptionBudget/web', message: 'The budget allows no eviction while 5 pods are closed.', action: 'Wait for the gates, or raise maxUnavailable.' });
  const list = [
    { rollout: web, causes: [MISMATCH, others], pods: webPods(), timeline: webTimeline(), history: webHistory() },
    { rollout: rollout('payments', 'ledger', 'failed', { kind: 'StatefulSet', terminal: true, pace: 'stuck', since: ago(5400), gates: gates(3, 1, 1, 0), pods: pods(3, 1, { failing: 1, serving: 1 }, 1), cause: cause('target_group_not_in_use', { terminal: true, pods: 1, message: 'No listener forwards to the target group.', action: 'Attach target group k8s-payments-ledger to a listener of the load balancer.' }) }) },
    { rollout: rollout('shop', 'checkout', 'exposed', { since: ago(190), gates: gates(6, 6, 0, 0), pods: pods(6, 6, { exposed: 2, serving: 4 }), cause: cause('target_unhealthy_after_open', { severity: 'warning', since: ago(190), pods: 2, action: 'See why 2 targets became unhealthy: Target.Timeout on port 8443.' }) }), pods: [pod('checkout-1', 'exposed', { contradiction: 'open_but_unhealthy', targets: [target('healthy', { administrative_override: 'zonal_shift_active' }), target('unhealthy', { anomaly: 'anomalous' })] }), ...Array.from({ length: 40 }, (_, i) => pod(`checkout-${i + 10}`, 'serving'))] },
    { rollout: rollout('search', 'indexer', 'slow', { pace: 'slow', since: ago(75), started_at: ago(200), eta: ago(75), gates: gates(8, 5, 2, 1), pods: pods(8, 5, { serving: 5, checking: 2, registering: 1 }), cause: cause('initial_health_checks', { severity: 'warning', since: ago(75), action: 'Wait; past the limit look whether the app listens on the check port.' }) }) },
    { rollout: rollout('legacy', 'mailer', 'unknown', { since: ago(400), stale: true, usual_seconds: null }) },
    { rollout: rollout('media', 'thumbnails', 'progressing', { since: ago(22), started_at: ago(22), eta: ago(-19), gates: gates(20, 9, 6, 5), pods: pods(20, 9, { serving: 9, checking: 6, registering: 2, starting: 3 }, 11) }), pods: Array.from({ length: 20 }, (_, i) => pod(`thumbnails-${i}`, i < 9 ? 'serving' : i < 15 ? 'checking' : i < 17 ? 'registering' : 'starting', { created_at: ago(40 - i), containers_ready_at: i < 17 ? ago(22 - i) : null, gates: [gate(i < 9 ? 'open' : 'closed', { opened_at: i < 9 ? ago(12 - i) : null })] })) },
    { rollout: rollout('media', 'encoder', 'paused', { since: ago(3000), gates: gates(4, 2, 0, 0, 2) }) },
    { rollout: rollout('ops', 'node-agent', 'not_gated', { kind: 'DaemonSet', gates: gates(0, 0, 0, 0), usual_seconds: null, since: ago(900000) }) },
    { rollout: rollout('ops', 'nightly', 'idle', { gates: gates(0, 0, 0, 0), pods: pods(0, 0, {}), since: ago(400000), usual_seconds: null }) },
    { rollout: rollout('shop', `${LONG}web`.slice(0, 250), 'serving', { since: ago(100) }) },
    hostile(),
    ...['api', 'auth', 'billing', 'cart', 'catalog', 'gateway', 'inventory', 'orders', 'pricing', 'reviews', 'shipping', 'users'].map((n, i) => ({ rollout: rollout(i % 2 ? 'shop' : 'platform', n, 'serving', { since: ago(3600 * (i + 1) ** 2) }) })),
  ];
  const map = new Map();
  for (const one of list) {
    const r = one.rollout;
    map.set(`${r.namespace}/${r.kind.toLowerCase()}/${r.name}`, { causes: r.cause ? [r.cause] : [], pods: [], timeline: [], history: [], ...one });
  }
  return map;
}
