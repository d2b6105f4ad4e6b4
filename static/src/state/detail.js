// One rollout as the page shows it: itself, its pods, its timeline, its past. Read with ETags, so that asking often is cheap;
// asked again when an event names it, and every 10 s since targets move without events.
import { effect, signal } from '@preact/signals';
import { get, rolloutPath } from '../lib/http.js';
import { mergeTurns } from '../lib/turns.js';
import { findRow } from './rollouts.js';
import { route } from './route.js';

const DEBOUNCE_MS = 300;
const AGAIN_MS = 10_000;
const PODS = 500;
const VIEWS = {
  rollout: { view: '', params: {} },
  pods: { view: '/pods', params: { limit: PODS } },
  timeline: { view: '/timeline', params: { limit: 100 } },
  history: { view: '/history', params: { limit: 20 } },
};

// {id, namespace, kind, name, rollout, pods, timeline, history, error, missing}; the views are bodies or null.
export const detail = signal(null);

let etags = {};
let running = null;
let again = false;
let timer = null;

function idOf({ namespace, kind, name }) {
  return `${namespace}/${kind.toLowerCase()}/${name}`;
}

function update(id, change) {
  if (detail.value?.id === id) detail.value = { ...detail.value, ...change };
}

async function readView(id, at, name, signalOf) {
  const { view, params } = VIEWS[name];
  const answer = await get(rolloutPath(at, view), { params, etag: etags[name], signal: signalOf });
  if (answer.notModified || detail.value?.id !== id) return;
  etags[name] = answer.etag;
  const known = detail.value[name];
  const body = name === 'timeline' && known
    ? { ...answer.body, items: mergeTurns(known.items, answer.body.items), next: known.next }
    : answer.body;
  update(id, { [name]: body, missing: false });
}

// The next older page of the timeline. A cursor that the server has forgotten starts it anew.
export async function readOlder() {
  const { id, timeline } = detail.value;
  try {
    const params = { ...VIEWS.timeline.params, cursor: timeline.next };
    const { body } = await get(rolloutPath(detail.value, VIEWS.timeline.view), { params });
    const known = detail.value?.id === id ? detail.value.timeline : null;
    if (known) update(id, { timeline: { ...known, items: mergeTurns(known.items, body.items), next: body.next } });
  } catch (e) {
    if (e.status !== 410) {
      update(id, { error: e.message });
      return;
    }
    delete etags.timeline;
    update(id, { timeline: null });
    detailRefresh();
  }
}

async function readAll(id, at, signalOf) {
  const names = Object.keys(VIEWS);
  const results = await Promise.allSettled(names.map((name) => readView(id, at, name, signalOf)));
  if (signalOf.aborted) return;
  const bad = results.find((r) => r.status === 'rejected');
  if (!bad) update(id, { error: '' });
  else if (bad.reason.status === 404) update(id, { missing: true, error: '' });
  else update(id, { error: bad.reason.message });
}

export function detailRefresh() {
  const at = detail.value;
  if (!at) return;
  if (running) {
    again = true;
    return;
  }
  const control = new AbortController();
  running = control;
  readAll(at.id, at, control.signal).finally(() => {
    if (running !== control) return;
    running = null;
    if (again) {
      again = false;
      detailSoon();
    }
  });
}

function detailSoon() {
  timer ??= setTimeout(() => {
    timer = null;
    detailRefresh();
  }, DEBOUNCE_MS);
}

// An event about some rollout: if it is ours, what it says is shown at once and the rest is read again.
export function detailEvent(item) {
  const d = detail.value;
  if (!d || idOf(item) !== d.id) return;
  if (!item.deleted && d.rollout) {
    update(d.id, { rollout: { ...d.rollout, ...item, causes: d.rollout.causes } });
  }
  detailSoon();
}

export function detailStart(isPaused) {
  effect(() => {
    const r = route.value;
    const id = r.view === 'rollout' ? idOf(r) : null;
    if ((detail.peek()?.id ?? null) === id) return;
    running?.abort();
    running = null;
    again = false;
    etags = {};
    if (id === null) {
      detail.value = null;
      return;
    }
    const { namespace, kind, name } = r;
    const known = findRow(r);
    detail.value = { id, namespace, kind, name, rollout: known?.gone ? null : known, pods: null, timeline: null,
                     history: null, error: '', missing: false };
    detailRefresh();
  });
  setInterval(() => {
    if (!isPaused() && !document.hidden) detailRefresh();
  }, AGAIN_MS);
}
