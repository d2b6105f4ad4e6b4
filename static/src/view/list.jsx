// All rollouts, worst first, in groups. Rows stay where they are under a pointer or focus; what would move is offered.
import { useEffect, useRef } from 'preact/hooks';
import { effect, signal } from '@preact/signals';
import { plural } from '../lib/format.js';
import { loaded, moves, order, settle, touchList } from '../state/rollouts.js';
import { isOld } from '../state/health.js';
import { filters, route } from '../state/route.js';
import { GROUPS } from '../state/words.js';
import { clearFilters, Filters } from './filters.jsx';
import { Row } from './row.jsx';

const STEP = 200; // rows drawn at first and at each "more"
const shown = signal(STEP);
filters.subscribe(() => {
  shown.value = STEP;
});

export function showMore() {
  if (shown.value >= order.value.length) return false;
  shown.value += STEP;
  return true;
}

function Heads() {
  const heads = ['State', 'Rollout', 'Gates', 'Pods', 'For', 'Usual', 'Left'];
  const names = ['state', 'name', 'gates', 'pods', 'since', 'usual', 'eta'];
  return (
    <div role="rowgroup" class="heads">
      <div role="row" class="row head">
        {heads.map((h, i) => <div key={h} role="columnheader" class={`c-${names[i]}`}>{h}</div>)}
      </div>
    </div>
  );
}

function Group({ group, rows }) {
  if (rows.length === 0) return null;
  const total = order.value.filter((o) => o.group === group.id).length;
  return (
    <div role="rowgroup" class={`group g-${group.id}`} aria-label={group.title}>
      <div role="row" class="grouphead">
        <div role="cell" class="title">
          {group.title} <span class="num">{total}</span>
        </div>
      </div>
      {rows.map((o) => <Row key={o.key} id={o.key} />)}
    </div>
  );
}

function Moves() {
  const n = moves.value;
  return (
    <div class={`moves${n > 0 ? ' on' : ''}`}>
      {n > 0 && (
        <button type="button" onClick={settle}>
          {plural(n, 'row')} would move · show <kbd aria-hidden="true">u</kbd>
        </button>
      )}
    </div>
  );
}

function Empty() {
  const f = filters.value;
  if (!loaded.value) return <p class="empty late">Reading the rollouts…</p>;
  if (f.states.size > 0 || f.namespace || f.q) {
    return (
      <p class="empty">
        No rollout matches. <button type="button" class="small" onClick={clearFilters}>clear the filters</button>
      </p>
    );
  }
  return (
    <p class="empty">
      gatehouse sees no rollouts in this cluster yet. Deployments, StatefulSets, DaemonSets and Argo Rollouts appear here as soon
      as they exist.
    </p>
  );
}

// Tells the order keeper who is in the list.
function watch(list) {
  const state = { pointer: false, focus: false };
  const say = () => touchList(state.pointer || state.focus);
  const on = {
    pointerenter: (e) => { state.pointer = e.pointerType !== 'touch'; say(); },
    pointermove: say,
    pointerleave: () => { state.pointer = false; say(); },
    focusin: () => { state.focus = true; say(); },
    focusout: () => { state.focus = list.contains(document.activeElement); say(); },
    keydown: say,
  };
  for (const [name, fn] of Object.entries(on)) list.addEventListener(name, fn);
  return () => {
    for (const [name, fn] of Object.entries(on)) list.removeEventListener(name, fn);
    touchList(false);
  };
}

// Going back lands where one left: on the row that was opened, at the same height.
let left = null;
effect(() => {
  // Runs as the address changes, while the list still stands.
  if (route.value.view === 'list' || !document.querySelector('.list')) return;
  const at = document.activeElement;
  left = { href: at?.dataset?.row === undefined ? null : at.getAttribute('href'), y: scrollY };
});

function comeBack(list) {
  if (left === null) return;
  const { href, y } = left;
  left = null;
  scrollTo(0, y);
  const rows = [...list.querySelectorAll('a[data-row]')];
  rows.find((a) => a.getAttribute('href') === href)?.focus({ preventScroll: true });
}

export function List() {
  const ref = useRef(null);
  useEffect(() => {
    comeBack(ref.current);
    return watch(ref.current);
  }, []);
  const rows = order.value.slice(0, shown.value);
  const more = order.value.length - rows.length;
  return (
    <main id="main" tabIndex={-1}>
      <h1 class="sr">Rollouts</h1>
      <Filters />
      <Moves />
      <div ref={ref} role="table" aria-label="Rollouts, worst first" class={`list${isOld.value ? ' old' : ''}`}>
        {rows.length > 0 && <Heads />}
        {GROUPS.map((g) => <Group key={g.id} group={g} rows={rows.filter((o) => o.group === g.id)} />)}
      </div>
      {rows.length === 0 && <Empty />}
      {more > 0 && (
        <button type="button" class="more" onClick={showMore}>{plural(more, 'more row', 'more rows')}</button>
      )}
    </main>
  );
}
