// Numbers and times as people read them. Pure; `now` and times are Unix milliseconds, durations milliseconds.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const two = (n) => String(n).padStart(2, '0');

// "42s", "3m 05s", "14m", "2h 05m", "3d 4h": two units at most, seconds only while they matter.
export function duration(ms) {
  if (!Number.isFinite(ms)) return '';
  const v = Math.max(0, ms);
  if (v < MINUTE) return `${Math.floor(v / SECOND)}s`;
  if (v < 10 * MINUTE) return `${Math.floor(v / MINUTE)}m ${two(Math.floor((v % MINUTE) / SECOND))}s`;
  if (v < HOUR) return `${Math.floor(v / MINUTE)}m`;
  if (v < DAY) return `${Math.floor(v / HOUR)}h ${two(Math.floor((v % HOUR) / MINUTE))}m`;
  return `${Math.floor(v / DAY)}d ${Math.floor((v % DAY) / HOUR)}h`;
}

export function seconds(s) {
  return s === null || s === undefined ? '' : duration(s * SECOND);
}

// RFC 3339 text to milliseconds; null for null, missing or unreadable.
export function time(text) {
  if (!text) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

// How long ago, "" when unknown.
export function age(text, now) {
  const at = time(text);
  return at === null ? '' : duration(now - at);
}

// "14:02:11" today, "3 Mar 14:02" otherwise.
export function clock(text, now) {
  const at = time(text);
  if (at === null) return '';
  const d = new Date(at);
  const hm = `${two(d.getHours())}:${two(d.getMinutes())}`;
  if (new Date(now).toDateString() === d.toDateString()) return `${hm}:${two(d.getSeconds())}`;
  const month = d.toLocaleString('en', { month: 'short' });
  return `${d.getDate()} ${month} ${hm}`;
}

// For titles: "2026-03-03 14:02:11 +01:00".
export function absolute(text) {
  const at = time(text);
  if (at === null) return '';
  const d = new Date(at);
  const zone = -d.getTimezoneOffset();
  const sign = zone < 0 ? '-' : '+';
  const zoneText = `${sign}${two(Math.floor(Math.abs(zone) / 60))}:${two(Math.abs(zone) % 60)}`;
  return (
    `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())} ${zoneText}`
  );
}

export function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}
