// How old and how whole the data is, as sentences. The rule of the page: when in doubt, say so at the top.
import { computed } from '@preact/signals';
import { tick } from '../lib/clock.js';
import { clock, duration, time } from '../lib/format.js';
import { clean } from '../lib/text.js';
import { failure, link, sources, summary } from './live.js';
import { SOURCE_NAMES, SOURCE_STATES } from './words.js';

const SILENT_MS = 90_000; // the server's own default for "stale"

// Sources that are connections, with their age and words.
export const connections = computed(() => {
  const now = tick.value;
  const list = sources.value.filter((s) => !s.name.includes('/')).map((s) => describe(s, now));
  // A server that does not ask AWS at all may not name it: the missing third truth is worth a word.
  if (summary.value !== null && !list.some((s) => s.name === 'aws')) list.push(describe(NO_AWS, now));
  return list.sort((a, b) => (a.name < b.name ? 1 : -1));
});

const NO_AWS = { name: 'aws', state: 'off', message: 'gatehouse does not ask AWS: what the load balancer says is unknown', ok_at: null };

function describe(source, now) {
  const known = SOURCE_STATES[source.state] ?? { level: 'warn', word: clean(source.state, 40) };
  const okAt = time(source.ok_at);
  const ageMs = okAt === null ? null : now - okAt;
  // Parts of a source (kubernetes/pods) tell when they were last read whole, which is no sign of life.
  const part = source.name.includes('/');
  const silent = !part && known.level === 'ok' && ageMs !== null && ageMs > SILENT_MS;
  return {
    ...source,
    label: SOURCE_NAMES[source.name] ?? clean(source.name, 60),
    level: silent ? 'bad' : known.level,
    word: silent ? 'silent' : known.word,
    ageMs,
  };
}

const isTrouble = (s) => s.level === 'bad' || s.level === 'warn';

function sourceBanner(s, now) {
  const message = clean(s.message, 300);
  const why = message ? `: ${message}` : '';
  if (s.level === 'busy') {
    const what = s.ok_at ? 'is being read again' : 'is being read for the first time; counts are not complete yet';
    return { id: s.name, level: 'info', text: `${s.label} ${what}${why}.` };
  }
  if (!isTrouble(s)) return null;
  const old = s.ageMs === null ? 'There is no data from it yet' : `Its data is ${duration(s.ageMs)} old`;
  const seen = s.ageMs === null ? '' : `; showing what was last seen at ${clock(s.ok_at, now)}`;
  const level = s.level === 'bad' && s.name !== 'aws' ? 'bad' : 'warn';
  return { id: s.name, level, text: `${s.label} is ${s.word}${why}. ${old}${seen}.` };
}

function partsBanner(now) {
  // Where the whole connection is down, its parts are no news.
  const down = new Set(connections.value.filter((s) => isTrouble(s)).map((s) => s.name));
  const parts = sources.value.filter((s) => s.name.includes('/') && !down.has(s.name.split('/')[0]));
  const bad = parts.map((s) => describe(s, now)).filter(isTrouble);
  if (bad.length === 0) return null;
  const first = bad[0];
  const message = clean(first.message, 200);
  const more = bad.length > 1 ? `, and ${bad.length - 1} more` : '';
  return { id: 'parts', level: 'warn', text: `${first.label} is ${first.word}${more}${message ? `: ${message}` : ''}.` };
}

function linkBanner(now) {
  const { state, silentMs } = link.value;
  if (state !== 'offline') return null;
  const why = failure.value ? ` (${clean(failure.value, 200)})` : '';
  if (silentMs === null || summary.value === null) return { id: 'link', level: 'bad', text: `gatehouse does not answer${why}.` };
  const at = clock(new Date(now - silentMs).toISOString(), now);
  return {
    id: 'link',
    level: 'bad',
    text: `gatehouse does not answer${why}. What you see is ${duration(silentMs)} old; it was last seen at ${at}.`,
  };
}

export const banners = computed(() => {
  const now = tick.value;
  const list = [linkBanner(now), ...connections.value.map((s) => sourceBanner(s, now)), partsBanner(now)];
  return list.filter((b) => b !== null);
});

// True when what is shown may be wrong by now: rows are dimmed a little.
export const isOld = computed(() => banners.value.some((b) => b.level === 'bad'));
