// How long a pod took to get where it is. Pure.
import { time } from './format.js';

// When a pod was done waiting for its gates: the last one's opening; null while it waits or when it has none.
function openedAt(pod) {
  if (pod.gates.length === 0) return null;
  const times = pod.gates.map((g) => (g.status === 'open' ? time(g.opened_at) : null));
  return times.includes(null) ? null : Math.max(...times);
}

// {startMs, waitMs, waiting}: how long containers took to get ready, and the gates after that. Null where unknown.
export function pace(pod, now) {
  const created = time(pod.created_at);
  const ready = time(pod.containers_ready_at);
  if (created === null) return null;
  if (ready === null) return pod.state === 'starting' ? { startMs: now - created, waitMs: 0, waiting: false } : null;
  const opened = openedAt(pod);
  const startMs = Math.max(0, ready - created);
  if (opened !== null) return { startMs, waitMs: Math.max(0, opened - ready), waiting: false };
  if (pod.gates.length === 0) return { startMs, waitMs: 0, waiting: false };
  return { startMs, waitMs: Math.max(0, now - ready), waiting: pod.deleted_at === null };
}
