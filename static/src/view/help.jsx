// Keys and settings, in a dialog.
import { useEffect, useRef } from 'preact/hooks';
import { signal } from '@preact/signals';
import { clean } from '../lib/text.js';
import { summary } from '../state/live.js';
import { keys, theme } from '../state/prefs.js';
import { ROLLOUT_STATES, stateHelp } from '../state/words.js';
import { Glyph, State } from './icons.jsx';

const shown = signal(false);

export function openHelp() {
  shown.value = true;
}

const KEYS = [
  ['/', 'filter by name'],
  ['j k ↓ ↑', 'next, previous rollout'],
  ['Enter', 'open it'],
  ['Esc', 'back; clear what you typed'],
  ['u', 'move the rows that changed'],
  ['p', 'pause, resume'],
  ['r', 'on a rollout: ask its load balancer now'],
  ['?', 'this page'],
];

function Settings() {
  return (
    <div class="settings">
      <label>
        Theme{' '}
        <select value={theme.value} onChange={(e) => { theme.value = e.currentTarget.value; }}>
          <option value="auto">as the system</option>
          <option value="light">light</option>
          <option value="dark">dark</option>
        </select>
      </label>
      <label>
        <input type="checkbox" checked={keys.value === 'on'} onChange={(e) => { keys.value = e.currentTarget.checked ? 'on' : 'off'; }} />{' '}
        single-letter keys
      </label>
    </div>
  );
}

export function Help() {
  const ref = useRef(null);
  useEffect(() => {
    const dialog = ref.current;
    if (shown.value && !dialog.open) dialog.showModal();
    else if (!shown.value && dialog.open) dialog.close();
  }, [shown.value]);
  return (
    <dialog ref={ref} class="help" aria-labelledby="help-title" onClose={() => { shown.value = false; }}>
      <button type="button" class="quiet close" title="Close (Esc)" onClick={() => { shown.value = false; }}>
        <Glyph of="close" />
        <span class="sr">Close</span>
      </button>
      <h2 id="help-title">Keys and settings</h2>
      <table class="keys">
        <tbody>
          {KEYS.map(([key, what]) => (
            <tr key={key}>
              <th scope="row">{key.split(' ').map((k) => <kbd key={k}>{k}</kbd>)}</th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Settings />
      <h3>States</h3>
      <table class="words">
        <tbody>
          {ROLLOUT_STATES.map((s) => <tr key={s}><th scope="row"><State of={s} /></th><td>{stateHelp(s)}</td></tr>)}
        </tbody>
      </table>
      <p class="muted small">
        gatehouse {clean(summary.value?.version, 60)} · <a href="/api/v1/openapi.yaml">API</a>
      </p>
    </dialog>
  );
}
