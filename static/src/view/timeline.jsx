// What happened to a rollout, newest first: turns of the rollout itself, its pods, gates and targets.
import { useState } from 'preact/hooks';
import { clean, shortSubject } from '../lib/text.js';
import { turnKey, turnsOf } from '../lib/turns.js';
import { readOlder } from '../state/detail.js';
import { stateWord } from '../state/words.js';
import { Icon } from './icons.jsx';
import { Clock, Since } from './time.jsx';

const FIRST = 25;
const WHATS = ['all', 'rollout', 'pod', 'gate', 'target'];

function Pods({ names }) {
  if (names[0] === '') return <span class="muted">the whole rollout</span>;
  if (names.length === 1) return <bdi>{clean(names[0], 253)}</bdi>;
  return (
    <details class="names">
      <summary>{names.length} pods</summary>
      {names.map((n) => <bdi key={n}>{clean(n, 253)}</bdi>)}
    </details>
  );
}

function Entry({ t }) {
  const state = t.what === 'rollout' || t.what === 'pod' ? t.to : null;
  return (
    <li class={`turn w-${t.what}`}>
      <span class="at"><Clock at={t.at} /></span>
      <span class="ago muted"><Since at={t.at} /> ago</span>
      <span class="what muted">{clean(t.what, 20)}</span>
      <span class="who">
        <Pods names={t.pods} />
        {t.subject && t.subjects.length === 1 && (
          <span class="muted subject" title={clean(t.subject, 400)}><bdi>{shortSubject(t.subject)}</bdi></span>
        )}
      </span>
      <span class="turned">
        {t.from === t.to && <span class="muted">still </span>}
        {t.from && t.from !== t.to && <><span class="muted">{stateWord(t.from)}</span> <span aria-hidden="true">→</span><span class="sr"> to </span> </>}
        <b class={state ? `state s-${state}` : `to-${clean(t.to, 20)}`}>{state && <Icon of={state} />}{stateWord(t.to) || 'gone'}</b>
      </span>
      {(t.reason || t.message) && (
        <span class="why" title={clean(t.message, 500)}>
          {t.reason && <code>{clean(t.reason, 120)}</code>} <bdi>{clean(t.message, 500)}</bdi>
        </span>
      )}
    </li>
  );
}

export function Timeline({ timeline }) {
  const [all, setAll] = useState(false);
  const [what, setWhat] = useState('all');
  if (!timeline) return null;
  const items = turnsOf(timeline.items.filter((t) => what === 'all' || t.what === what));
  const list = all ? items : items.slice(0, FIRST);
  return (
    <section class="panel" aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      <div class="switch" role="group" aria-label="Show turns of">
        {WHATS.map((w) => (
          <button key={w} type="button" class="small" aria-pressed={w === what} onClick={() => setWhat(w)}>{w}</button>
        ))}
      </div>
      {list.length === 0 && <p class="empty">Nothing has been seen to change yet.</p>}
      <ol class="timeline">
        {list.map((t) => <Entry key={turnKey(t)} t={t} />)}
      </ol>
      {items.length > list.length && (
        <button type="button" class="small" onClick={() => setAll(true)}>show all {items.length}</button>
      )}
      {items.length === list.length && timeline.next && (
        <button type="button" class="small" onClick={() => { setAll(true); readOlder(); }}>older</button>
      )}
    </section>
  );
}
