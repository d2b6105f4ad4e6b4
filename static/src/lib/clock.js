// The server's clock, as far as a browser can know it. Every age on the page is counted from here, so that a laptop with
// a wrong clock still tells the truth. `tick` moves once a second; whoever shows an age reads it.
import { signal } from '@preact/signals';

let offsetMs = null; // server clock minus ours

// Takes the `now` of an answer. Small differences are network jitter and are left alone: ages would flicker.
export function clockSync(nowText) {
  const server = Date.parse(nowText);
  if (Number.isNaN(server)) return;
  const offset = server - Date.now();
  if (offsetMs === null || Math.abs(offset - offsetMs) > 1500) {
    offsetMs = offset;
    tick.value = serverNow();
  }
}

export function serverNow() {
  return Date.now() + (offsetMs ?? 0);
}

export const tick = signal(serverNow());

export function clockStart() {
  return setInterval(() => {
    tick.value = serverNow();
  }, 1000);
}
