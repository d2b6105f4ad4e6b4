// The timeline for reading: newest first, and what happened to many pods at about the same time is one line. Pure.
import { time } from './format.js';

const TOGETHER_MS = 15_000;

export const turnKey = (t) => JSON.stringify([t.at, t.what, t.pod, t.subject, t.from, t.to, t.reason, t.message]);

// What is known of a timeline and a page of it, together: pages overlap, and a newer first page must not lose what was read
// of older ones.
export function mergeTurns(known, page) {
  const all = new Map();
  for (const t of [...page, ...known]) all.set(turnKey(t), t);
  return [...all.values()];
}

const alike = (t) => JSON.stringify([t.what, t.from, t.to, t.reason, t.message, t.what === 'rollout' ? t.at : '']);

// [{…first, pods: [names], subjects: [names]}]: `at` is the newest of each line.
export function turnsOf(items) {
  const sorted = [...items].sort((a, b) => (time(b.at) ?? 0) - (time(a.at) ?? 0));
  const lines = [];
  const open = new Map(); // alike → the line that still takes more
  for (const t of sorted) {
    const key = alike(t);
    const line = open.get(key);
    if (line && time(line.at) - time(t.at) <= TOGETHER_MS) {
      if (!line.pods.includes(t.pod)) line.pods.push(t.pod);
      if (!line.subjects.includes(t.subject)) line.subjects.push(t.subject);
      continue;
    }
    const fresh = { ...t, pods: [t.pod], subjects: [t.subject] };
    open.set(key, fresh);
    lines.push(fresh);
  }
  return lines;
}
