// What is shown: states with their counts, namespace, text. All of it lives in the address.
import { useRef } from 'preact/hooks';
import { clean } from '../lib/text.js';
import { facets, truncated } from '../state/rollouts.js';
import { filters, setFilters } from '../state/route.js';
import { ROLLOUT_STATES, stateHelp, stateWord } from '../state/words.js';
import { Glyph, Icon } from './icons.jsx';

function toggle(state) {
  const states = new Set(filters.value.states);
  if (states.has(state)) states.delete(state);
  else states.add(state);
  setFilters({ states }, { replace: false });
}

function Chip({ state }) {
  const n = facets.value.states[state] ?? 0;
  const on = filters.value.states.has(state);
  if (n === 0 && !on) return null;
  return (
    <button type="button" class={`chip s-${state}`} aria-pressed={on} onClick={() => toggle(state)} title={stateHelp(state)}>
      <Icon of={state} />
      <b class="num">{n}</b> <span class="word">{stateWord(state)}</span>
    </button>
  );
}

function Namespace() {
  const f = filters.value;
  const { namespaces } = facets.value;
  const known = namespaces.some((n) => n.name === f.namespace);
  return (
    <label class="field">
      <span class="sr">Namespace</span>
      <select value={f.namespace} onChange={(e) => setFilters({ namespace: e.currentTarget.value }, { replace: false })}>
        <option value="">all namespaces</option>
        {!known && f.namespace && <option value={f.namespace}>{clean(f.namespace, 80)} (0)</option>}
        {namespaces.map((n) => <option key={n.name} value={n.name}>{n.label} ({n.n})</option>)}
      </select>
    </label>
  );
}

function Search() {
  const input = useRef(null);
  const f = filters.value;
  return (
    <label class="field search">
      <span class="sr">Filter by namespace or name</span>
      <Glyph of="search" />
      <input id="search" type="search" ref={input} value={f.q} maxLength={253} placeholder="filter by name" autocomplete="off"
        spellcheck={false} onInput={(e) => setFilters({ q: e.currentTarget.value })} />
      <kbd aria-hidden="true">/</kbd>
    </label>
  );
}

export function clearFilters() {
  setFilters({ states: new Set(), namespace: '', q: '' }, { replace: false });
}

export function Filters() {
  const f = filters.value;
  const active = f.states.size > 0 || f.namespace !== '' || f.q !== '';
  const cut = truncated.value;
  return (
    <section class="filters" aria-label="Filter">
      <div class="chips" role="group" aria-label="Rollouts by state">
        {ROLLOUT_STATES.map((s) => <Chip key={s} state={s} />)}
      </div>
      <div class="fields">
        {active && <button type="button" class="small" onClick={clearFilters}>clear</button>}
        <Namespace />
        <Search />
      </div>
      {cut && (
        <p class="note">Showing the {cut.loaded} worst of {Math.max(cut.total, cut.loaded)} rollouts; filters reach the rest.</p>
      )}
    </section>
  );
}
