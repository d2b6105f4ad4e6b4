// The words of the product with their place on the page: one word, one colour (class s-WORD), one icon shape (view/icons.jsx).
// The server may learn new words before this page does: unknown ones are shown as they are, with the icon of `unknown`.
import { humanise } from '../lib/text.js';

export const GROUPS = [
  { id: 'attention', title: 'Needs attention' },
  { id: 'moving', title: 'Under way' },
  { id: 'quiet', title: 'Quiet' },
];

// In the order of lists, worst first.
const ROLLOUT = {
  failed: { group: 'attention', help: 'waiting cannot help, or the progress deadline has passed' },
  stuck: { group: 'attention', help: 'past the limit, and still waiting' },
  exposed: { group: 'attention', help: 'Kubernetes calls pods ready, the load balancer is not known to serve them' },
  slow: { group: 'attention', help: 'past the usual time' },
  unknown: { group: 'attention', help: 'the data is too old to tell' },
  progressing: { group: 'moving', help: 'on its way, within the usual time' },
  paused: { group: 'moving', help: 'paused by someone' },
  serving: { group: 'quiet', help: 'every pod serves behind its load balancer' },
  not_gated: { group: 'quiet', help: 'complete; no load balancer belongs to it' },
  idle: { group: 'quiet', help: 'no replicas' },
  superseded: { group: 'quiet', help: 'a newer revision took its place' },
};
export const ROLLOUT_STATES = Object.keys(ROLLOUT).filter((s) => s !== 'superseded');

// Worst first too.
const POD = {
  failing: 'target unhealthy or unused, or a gate that cannot open',
  exposed: 'ready for Kubernetes, not known to be served by the load balancer',
  unknown: 'the data is too old to tell',
  checking: 'registered; first health checks are running',
  registering: 'containers ready; being registered with the load balancer',
  starting: 'containers are not ready yet',
  draining: 'being deleted',
  serving: 'kubelet, gate and load balancer agree',
  finished: 'ended; counts nowhere',
};
export const POD_STATES = Object.keys(POD);

export function stateRank(state) {
  const rank = ROLLOUT_STATES.indexOf(state);
  return rank < 0 ? ROLLOUT_STATES.indexOf('unknown') : rank;
}

export function stateGroup(state) {
  return (ROLLOUT[state] ?? ROLLOUT.unknown).group;
}

export function podRank(state) {
  const rank = POD_STATES.indexOf(state);
  return rank < 0 ? POD_STATES.indexOf('unknown') : rank;
}

export function stateHelp(state) {
  return ROLLOUT[state]?.help ?? POD[state] ?? '';
}

export function stateWord(state) {
  return humanise(state).toLowerCase();
}

export const CONTRADICTIONS = {
  open_but_unhealthy: 'The gate is open, but the load balancer calls the target unhealthy',
  healthy_but_closed: 'The load balancer calls the target healthy, but the gate is still closed',
  ready_but_not_registered: 'Kubernetes calls the pod ready, but it is not registered with the load balancer',
  draining_but_not_terminating: 'The load balancer drains the target, but the pod is not being deleted',
  fail_open: 'No target is healthy: the load balancer sends traffic to all of them',
};

export const SOURCE_NAMES = { kubernetes: 'Kubernetes', aws: 'AWS', store: 'The database' };
// State of a source: how bad it is, and the words.
export const SOURCE_STATES = {
  ok: { level: 'ok', word: 'ok' },
  absent: { level: 'ok', word: 'not installed' },
  off: { level: 'off', word: 'off' },
  starting: { level: 'busy', word: 'starting' },
  syncing: { level: 'busy', word: 'reading' },
  throttled: { level: 'warn', word: 'throttled' },
  denied: { level: 'bad', word: 'denied' },
  unreachable: { level: 'bad', word: 'unreachable' },
  failing: { level: 'bad', word: 'failing' },
};
