// What this browser remembers of its person: theme and whether single keys act (WCAG 2.1.4).
import { effect, signal } from '@preact/signals';

function kept(name, fallback) {
  let value = fallback;
  try {
    value = localStorage.getItem(name) ?? fallback;
  } catch {
    // storage is off: the page works without a memory
  }
  const s = signal(value);
  s.subscribe((v) => {
    try {
      localStorage.setItem(name, v);
    } catch {
      // as above
    }
  });
  return s;
}

export const theme = kept('gatehouse.theme', 'auto'); // auto | light | dark
export const keys = kept('gatehouse.keys', 'on'); // on | off

export function prefsStart() {
  effect(() => {
    if (theme.value === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  });
}
