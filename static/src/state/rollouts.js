// The rollouts this page knows, and the order in which it shows them.
//
// Two different things on purpose: a row's contents follow the cluster at once (each row is a signal of its own, so one
// event redraws one row), but the order is settled at most every few seconds and never while someone's pointer or focus is in
// the list. What would move is counted instead, and the list offers to move it.
import { batch, computed, effect, signal } from '@preact/signals';
import { clean } from '../lib/text.js';
import { filters } from './route.js';
import { stateGroup, stateRank } from './words.js';

const SETTLE_MS = 3000;
const IDLE_MS = 60_000; // someone who has left does not hold the list

const rows = new Map(); // key → signal of a rollout; {…, gone: true} once deleted and still shown
const dirty = signal(0); // moves with every change of a row
const settled = new Map(); // key → what decided its place when the order was made

export const order = signal([]); // [{key, group}], filtered
export const moves = signal(0); // how many rows would move, come or go
export const facets = signal({ states: {}, namespaces: [], total: 0, clusters: 0 });
export const loaded = signal(false);
// {loaded, total} while the server has more rollouts than the page holds.
export const truncated = signal(null);

export function keyOf(r) {
  return `${r.cluster ?? ''}/${r.namespace}/${r.kind.toLowerCase()}/${r.name}`;
}

export function rowOf(key) {
  return rows.get(key);
}

export function findRow({ namespace, kind, name }) {
  const tail = `/${namespace}/${kind.toLowerCase()}/${name}`;
  for (const [key, row] of rows) if (key.endsWith(tail)) return row.value;
  return null;
}

// One event. A name that the page cannot read is not worth a broken page.
export function applyRollout(item) {
  if (typeof item?.kind !== 'string' || typeof item.name !== 'string') return;
  if (item.deleted) {
    const tail = `/${item.namespace}/${item.kind.toLowerCase()}/${item.name}`;
    for (const [key, row] of rows) {
      if (key.endsWith(tail) && (!item.cluster || row.value.cluster === item.cluster)) {
        row.value = { ...row.value, gone: true };
      }
    }
  } else put(item);
  dirty.value++;
}

function put(item) {
  const key = keyOf(item);
  const row = rows.get(key);
  if (row) row.value = item;
  else rows.set(key, signal(item));
}

// A whole list: what is not in it is gone.
export function replaceRollouts(items, { total = items.length, complete = true } = {}) {
  batch(() => {
    const seen = new Set(items.map(keyOf));
    for (const item of items) put(item);
    for (const [key, row] of rows) if (!seen.has(key)) row.value = { ...row.value, gone: true };
    truncated.value = complete ? null : { loaded: items.length, total };
    const first = !loaded.value;
    loaded.value = true;
    dirty.value++;
    if (first) settle();
  });
}

function matches(r, f) {
  if (f.states.size > 0 && !f.states.has(r.state)) return false;
  return matchesRest(r, f);
}

function matchesRest(r, f) {
  if (r.gone) return false;
  if (f.namespace !== '' && r.namespace !== f.namespace) return false;
  if (f.q === '') return true;
  return `${r.namespace}/${r.name}`.toLowerCase().includes(f.q.toLowerCase());
}

const sortKey = (r) => `${String(stateRank(r.state)).padStart(2, '0')} ${r.since ?? '9'} ${r.namespace}/${r.name}`;

function wanted() {
  const f = filters.peek();
  const list = [];
  for (const [key, row] of rows) {
    const r = row.peek();
    if (matches(r, f)) list.push({ key, group: stateGroup(r.state), place: sortKey(r) });
  }
  list.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0));
  return list;
}

let settledAt = 0;

// Makes the order anew, now.
export function settle() {
  batch(() => {
    for (const [key, row] of rows) if (row.peek().gone) rows.delete(key);
    const list = wanted();
    settled.clear();
    for (const { key, place } of list) settled.set(key, place);
    const old = order.peek();
    const same = old.length === list.length && old.every((o, i) => o.key === list[i].key && o.group === list[i].group);
    if (!same) order.value = list;
    moves.value = 0;
    settledAt = performance.now();
    count();
  });
}

function countMoves() {
  let n = 0;
  const list = wanted();
  for (const { key, place } of list) if (settled.get(key) !== place) n++;
  const still = new Set(list.map((l) => l.key));
  for (const key of settled.keys()) if (!still.has(key)) n++;
  return n;
}

// Counts by state and namespace, each under the other filters.
function count() {
  const f = filters.peek();
  const states = {};
  const namespaces = new Map();
  const clusters = new Set();
  let total = 0;
  for (const row of rows.values()) {
    const r = row.peek();
    if (r.gone) continue;
    clusters.add(r.cluster);
    namespaces.set(r.namespace, (namespaces.get(r.namespace) ?? 0) + 1);
    if (!matchesRest(r, f)) continue;
    states[r.state] = (states[r.state] ?? 0) + 1;
    total++;
  }
  const names = [...namespaces].map(([name, n]) => ({ name, label: clean(name, 80), n }));
  names.sort((a, b) => (a.name < b.name ? -1 : 1));
  facets.value = { states, namespaces: names, total, clusters: clusters.size };
}

// Who is in the list: told by the list itself.
let inside = false;
let movedAt = 0;

export function touchList(isInside) {
  inside = isInside;
  movedAt = performance.now();
}

const isHeld = () => inside && performance.now() - movedAt < IDLE_MS;

export const severeCount = computed(() => {
  const s = facets.value.states;
  return (s.failed ?? 0) + (s.stuck ?? 0) + (s.exposed ?? 0);
});

// A changed filter is a wish of the person: at once. A changed row waits its turn.
export function rolloutsStart() {
  effect(() => {
    void filters.value;
    settle();
  });
  let seen = 0;
  setInterval(() => {
    if (dirty.peek() === seen && (moves.peek() === 0 || isHeld())) return;
    if (performance.now() - settledAt < SETTLE_MS) return;
    seen = dirty.peek();
    if (!isHeld()) {
      settle();
      return;
    }
    batch(() => {
      moves.value = countMoves();
      count();
    });
  }, 500);
}
