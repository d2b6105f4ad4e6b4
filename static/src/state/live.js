// Keeps the page true: loads the list, follows the event stream, polls while the stream is down, and says at any time how
// far what is shown can be trusted.
import { computed, signal } from '@preact/signals';
import { tick } from '../lib/clock.js';
import { get, lastAnswer, tokenWanted } from '../lib/http.js';
import { Stream } from '../lib/stream.js';
import { announceChange } from './announce.js';
import { detailEvent, detailRefresh } from './detail.js';
import { applyRollout, findRow, replaceRollouts } from './rollouts.js';
import { filters } from './route.js';

const POLL_MS = 10_000;
const PAGE = 500;
const MAX_PAGES = 10; // 5,000 rollouts in one page; past that the filters are asked of the server
const SILENT_MS = 12_000; // no byte from the server for this long: say so
const WAKE_MS = 5_000; // a tab that was brought back gets this long before it calls itself offline
const HIDDEN_MS = 30_000; // a tab nobody sees gives its connection back

export const summary = signal(null);
export const sources = signal([]);
export const streamUp = signal(false);
export const paused = signal(false);
export const failure = signal(''); // of the last request, "" when it was answered

// {state, silentMs}: live | polling | connecting | offline | paused | token, and how long the server has been silent.
export const link = computed(() => {
  void tick.value;
  const silentMs = lastAnswer.value === null ? null : performance.now() - lastAnswer.value;
  return { state: linkState(silentMs), silentMs };
});

function linkState(silentMs) {
  if (tokenWanted.value) return 'token';
  if (paused.value) return 'paused';
  const up = streamUp.value;
  const failed = failure.value !== '';
  if (silentMs === null) return failed ? 'offline' : 'connecting';
  if (performance.now() - wokenAt < WAKE_MS) return up ? 'live' : 'connecting';
  if (silentMs > SILENT_MS && (failed || !up)) return 'offline';
  if (up) return 'live';
  if (failed) return 'offline';
  return pollsDone > 0 ? 'polling' : 'connecting';
}

let wokenAt = -Infinity; // when the tab was last brought back
let pollsDone = 0; // since the stream went down
let revision = null; // everything up to it is shown
let loading = null;
let during = []; // events that came while a list was being read: it may be older than they are
let serverFilter = false; // the list is too long: it was asked for with the filters

async function readPages(params) {
  const items = [];
  let cursor;
  let first = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { body } = await get('/rollouts', { params: { ...params, limit: PAGE, cursor } });
    first ??= body;
    items.push(...body.items);
    cursor = body.next;
    if (!cursor) break;
  }
  return { items, complete: !cursor, first };
}

async function readList() {
  const f = filters.peek();
  const params = serverFilter ? { state: [...f.states], namespace: f.namespace, q: f.q } : {};
  const list = await readPages(params);
  if (!list.complete) serverFilter = true;
  const total = summary.value?.rollouts.total ?? list.items.length;
  replaceRollouts(list.items, { complete: list.complete && !serverFilter, total });
  revision = list.first.revision;
  for (const { id, item } of during) if (id > revision) applyRollout(item);
  stream.read(revision);
}

async function readSummary() {
  const { body } = await get('/summary');
  summary.value = body;
  sources.value = body.sources;
}

// Reads everything again. Calls that come while one runs share it.
export function reload() {
  loading ??= (async () => {
    during = [];
    try {
      await readSummary();
      await readList();
      failure.value = '';
      detailRefresh();
    } catch (e) {
      failure.value = e.message || 'no answer';
      throw e;
    } finally {
      loading = null;
      during = [];
    }
  })();
  return loading;
}

const HANDLERS = {
  rollout(item, id) {
    if (loading) during.push({ id, item });
    const before = item.deleted ? null : findRow(item);
    applyRollout(item);
    announceChange(before, item);
    detailEvent(item);
  },
  source(item) {
    const others = sources.value.filter((s) => s.name !== item.name);
    sources.value = [...others, item].sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  resync() {
    reload().catch(() => {});
  },
};

const stream = new Stream({
  up() {
    streamUp.value = true;
    failure.value = '';
    pollsDone = 0;
    if (revision === null) reload().catch(() => {});
  },
  down(error) {
    streamUp.value = false;
    if (error && lastAnswer.value === null) failure.value = error.message;
  },
  event({ type, data, id }) {
    const handle = HANDLERS[type];
    if (!handle) return;
    let item;
    try {
      item = JSON.parse(data);
    } catch {
      reload().catch(() => {}); // an event we cannot read may have been anything
      return;
    }
    handle(item, Number(id));
  },
});

async function poll() {
  if (paused.value) return;
  try {
    if (revision !== null && (document.hidden || streamUp.value)) await readSummary();
    else {
      await reload();
      pollsDone++;
    }
    failure.value = '';
  } catch (e) {
    failure.value = e.message || 'no answer';
  }
}

async function begin() {
  try {
    await reload();
  } catch {
    // said by `failure`; the polls go on trying
  }
  if (!paused.value && !tokenWanted.value) stream.open(revision);
}

export function setPaused(value) {
  paused.value = value;
  if (value) {
    stream.close();
    streamUp.value = false;
  } else begin();
}

// After a token was given, or when someone presses "try again".
export function retry() {
  begin();
}

function watchTab() {
  let timer;
  let away = false;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) {
      timer = setTimeout(() => {
        away = true;
        stream.close();
        streamUp.value = false;
      }, HIDDEN_MS);
    } else if (away) {
      away = false;
      wokenAt = performance.now();
      if (!paused.value) begin();
    }
  });
}

// With a list too long for the page, a changed filter is a new question to the server.
function watchFilters() {
  let timer;
  let last = '';
  filters.subscribe((f) => {
    const text = JSON.stringify([[...f.states], f.namespace, f.q]);
    if (text === last) return;
    last = text;
    if (!serverFilter) return;
    clearTimeout(timer);
    timer = setTimeout(() => reload().catch(() => {}), 250);
  });
}

export function liveStart() {
  watchTab();
  watchFilters();
  setInterval(poll, POLL_MS);
  begin();
}
