// Single keys (WCAG 2.1.4: can be switched off in the help dialog; Escape and Enter stay).
import { paused, setPaused } from './state/live.js';
import { refreshNow } from './state/refresh.js';
import { settle } from './state/rollouts.js';
import { keys } from './state/prefs.js';
import { filters, go, listBack, route, setFilters } from './state/route.js';
import { openHelp } from './view/help.jsx';
import { showMore } from './view/list.jsx';

function typing(target) {
  return target.closest('input, select, textarea, [contenteditable]') !== null;
}

// Focus moves from row to row; a focused row is the current one.
function step(by) {
  const rows = [...document.querySelectorAll('a[data-row]')];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement?.closest('.row')?.querySelector('a[data-row]'));
  if (at === rows.length - 1 && by > 0 && showMore()) {
    requestAnimationFrame(() => requestAnimationFrame(() => step(by)));
    return;
  }
  const next = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next].focus();
  rows[next].closest('.row').scrollIntoView({ block: 'nearest' });
}

function escape(target) {
  if (target.id === 'search') {
    if (filters.value.q !== '') setFilters({ q: '' });
    target.blur();
  } else if (route.value.view !== 'list') go(listBack());
}

const LIST = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  u: settle,
};
const ROLLOUT = { r: refreshNow };
const EVERYWHERE = {
  '?': openHelp,
  p: () => setPaused(!paused.value),
  '/': () => {
    const search = () => document.getElementById('search')?.select();
    if (route.value.view === 'list') search(); // at once: the next key is already text
    else {
      go(listBack());
      requestAnimationFrame(() => requestAnimationFrame(search));
    }
  },
};

function handlerOf(event) {
  if (Object.hasOwn(EVERYWHERE, event.key)) return EVERYWHERE[event.key];
  if (route.value.view === 'rollout' && Object.hasOwn(ROLLOUT, event.key)) return ROLLOUT[event.key];
  if (route.value.view !== 'list' || !Object.hasOwn(LIST, event.key)) return null;
  // Arrows scroll the page unless someone walks through the list or from the filter into it.
  const walks = document.activeElement?.closest('.row, .filters') !== null || document.activeElement === document.body;
  return event.key.startsWith('Arrow') && !walks ? null : LIST[event.key];
}

export function keysStart() {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    if (document.querySelector('dialog[open]')) return;
    if (event.key === 'Escape') {
      escape(target);
      return;
    }
    if (typing(target)) {
      if (target.id === 'search' && (event.key === 'ArrowDown' || event.key === 'Enter')) {
        event.preventDefault();
        step(1);
      }
      return;
    }
    if (keys.value === 'off' && event.key.length === 1) return;
    const handler = handlerOf(event);
    if (!handler) return;
    event.preventDefault();
    handler();
  });
}
