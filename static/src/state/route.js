// The address bar is the view: "/" is the list with its filters in the query, "/r/NAMESPACE/KIND/NAME" one rollout.
import { computed, signal } from '@preact/signals';
import { cluster } from '../lib/http.js';

export const route = signal(parse(location));

function parse({ pathname, search }) {
  const params = new URLSearchParams(search);
  cluster.value = params.get('cluster') ?? '';
  const parts = pathname.split('/').slice(1);
  if (parts[0] === 'r' && parts.length === 4 && parts.every((p) => p !== '')) {
    try {
      const [namespace, kind, name] = parts.slice(1).map(decodeURIComponent);
      return { view: 'rollout', namespace, kind, name, params };
    } catch {
      return { view: 'lost', params };
    }
  }
  return { view: pathname === '/' ? 'list' : 'lost', params };
}

export function rolloutHref({ namespace, kind, name, cluster: of }, several = false) {
  const path = ['', 'r', ...[namespace, kind, name].map(encodeURIComponent)].join('/');
  const wanted = cluster.value || (several ? of : '');
  return wanted ? `${path}?cluster=${encodeURIComponent(wanted)}` : path;
}

// The list's address as it was left, so that going back keeps the filters.
let listHref = '/';

export function listBack() {
  return listHref;
}

function update() {
  route.value = parse(location);
  if (route.value.view === 'list') listHref = location.pathname + location.search;
}

export function go(href, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  update();
}

export function routeStart() {
  addEventListener('popstate', update);
  update();
  // Plain clicks on links of ours stay on the page; all others (new tab, foreign) are the browser's.
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const a = event.target.closest?.('a[data-view]');
    if (!a) return;
    event.preventDefault();
    go(a.getAttribute('href'));
  });
}

// {states: Set, namespace, q} of the list.
export const filters = computed(() => {
  const p = route.value.params;
  const states = p.getAll('state').flatMap((s) => s.split(',')).filter((s) => s !== '');
  return { states: new Set(states), namespace: p.get('namespace') ?? '', q: p.get('q') ?? '' };
});

export function setFilters(change, { replace = true } = {}) {
  const next = { ...filters.value, ...change };
  const p = new URLSearchParams();
  if (next.states.size > 0) p.set('state', [...next.states].join(','));
  if (next.namespace) p.set('namespace', next.namespace);
  if (next.q) p.set('q', next.q);
  if (cluster.value) p.set('cluster', cluster.value);
  const query = p.toString().replaceAll('%2C', ',');
  go(query ? `/?${query}` : '/', { replace });
}
