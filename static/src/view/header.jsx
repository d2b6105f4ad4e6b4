// The top: whose page this is, whether it is live, how old each source is.
import { duration } from '../lib/format.js';
import { clean } from '../lib/text.js';
import { banners, connections } from '../state/health.js';
import { link, paused, retry, setPaused, summary } from '../state/live.js';
import { listBack } from '../state/route.js';
import { openHelp } from './help.jsx';
import { Glyph } from './icons.jsx';

const LINKS = {
  live: { level: 'ok', word: 'live', help: 'changes appear as they happen' },
  polling: { level: 'warn', word: 'every 10 s', help: 'the event stream is down; asking every 10 seconds instead' },
  connecting: { level: 'busy', word: 'connecting', help: 'opening the event stream' },
  offline: { level: 'bad', word: 'no answer', help: 'gatehouse does not answer' },
  paused: { level: 'warn', word: 'paused', help: 'nothing changes until you resume' },
  token: { level: 'bad', word: 'locked', help: 'the server wants a token' },
};

function Link() {
  const { state, silentMs } = link.value;
  const { level, word, help } = LINKS[state];
  const age = (state === 'offline' || state === 'paused') && silentMs !== null ? ` ${duration(silentMs)}` : '';
  return (
    <span class={`health h-${level}`} title={help} data-link={state}>
      <i class="dot" aria-hidden="true" />
      <span class="sr">connection: </span>
      {word}
      <span class="num">{age}</span>
    </span>
  );
}

function Source({ source }) {
  const { label, level, word, ageMs, message } = source;
  const age = ageMs !== null && level !== 'off' && ageMs > 20_000 ? duration(ageMs) : '';
  const title = clean(message, 300) || (ageMs === null ? '' : `last heard from ${duration(ageMs)} ago`);
  return (
    <span class={`health h-${level}`} title={title} data-source={clean(source.name, 40)}>
      <i class="dot" aria-hidden="true" />
      <span class="name">{label}</span> {word}
      {age && <span class="num"> · {age}</span>}
    </span>
  );
}

function PauseButton() {
  const is = paused.value;
  return (
    <button type="button" class="quiet" onClick={() => setPaused(!is)} aria-pressed={is} title={is ? 'Resume (p)' : 'Pause (p)'}>
      <Glyph of={is ? 'play' : 'pause'} />
      <span class="sr">{is ? 'Resume live updates' : 'Pause live updates'}</span>
    </button>
  );
}

export function Header() {
  const name = summary.value?.cluster;
  return (
    <header class="top">
      <a class="brand" href={listBack()} data-view>
        <svg class="mark" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path d="M4 29V11a12 9 0 0 1 24 0v18" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" />
          <path d="M11 29V14m5 15V13m5 16V14" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" />
        </svg>
        gatehouse
      </a>
      {name && <span class="cluster"><span class="sr">cluster </span><bdi>{clean(name, 80)}</bdi></span>}
      <div class="healths">
        {connections.value.map((s) => <Source key={s.name} source={s} />)}
        <Link />
      </div>
      <div class="tools">
        <PauseButton />
        <button type="button" class="quiet" onClick={openHelp} title="Keys and settings (?)">
          <span aria-hidden="true" class="glyphtext">?</span>
          <span class="sr">Keys and settings</span>
        </button>
      </div>
    </header>
  );
}

const BANNER_GLYPH = { bad: 'warn', warn: 'warn', info: 'info' };

export function Banners() {
  if (banners.value.length === 0) return null;
  return (
    <section class="banners" aria-label="Age of the data">
      {banners.value.map((b) => (
        <p key={b.id} class={`banner b-${b.level}`}>
          <Glyph of={BANNER_GLYPH[b.level]} />
          <span>{b.text}</span>
          {b.id === 'link' && <button type="button" class="small" onClick={retry}>try again</button>}
        </p>
      ))}
    </section>
  );
}
