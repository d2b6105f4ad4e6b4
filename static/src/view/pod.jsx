// One pod: its three truths, how long it started and waited, and on a second line its gates and targets.
import { useState } from 'preact/hooks';
import { useComputed } from '@preact/signals';
import { tick } from '../lib/clock.js';
import { duration } from '../lib/format.js';
import { pace } from '../lib/pace.js';
import { causeName, clean, humanise, shortGate } from '../lib/text.js';
import { CONTRADICTIONS } from '../state/words.js';
import { Glyph, Truth } from './icons.jsx';
import { Clock, Since } from './time.jsx';

// Dark: containers starting; light: waiting at the gates; the mark is the usual time.
function Lane({ pod, scale, usual }) {
  const at = useComputed(() => pace(pod, tick.value)).value;
  if (!at) return <span class="muted">–</span>;
  const percent = (ms) => `${Math.min(100, (100 * ms) / scale).toFixed(2)}%`;
  const words = at.waiting ? `waiting ${duration(at.waitMs)}` : at.waitMs > 0 ? `waited ${duration(at.waitMs)}` : '';
  const start = `started in ${duration(at.startMs)}`;
  const usualMs = (usual?.p50 ?? 0) * 1000;
  const label = [start, words, usualMs ? `usual ${duration(usualMs)}` : ''].filter((t) => t !== '').join(', ');
  return (
    <span class="lane" title={label}>
      <svg class="bar" height="10" role="img" aria-label={label}>
        <rect class="l-start" x="0" y="2" width={percent(at.startMs)} height="6" />
        <rect class={at.waiting ? 'l-wait on' : 'l-wait'} x={percent(at.startMs)} y="2" width={percent(at.waitMs)} height="6" />
        {usualMs > 0 && at.waitMs > 0 && (
          <rect class="l-usual" x={percent(at.startMs + usualMs)} y="0" width="2" height="10" />
        )}
      </svg>
      <span class="num" aria-hidden="true">{words || duration(at.startMs)}</span>
    </span>
  );
}

function Gate({ gate }) {
  const open = gate.status === 'open';
  const word = gate.status === 'absent' ? 'no condition yet' : clean(gate.status, 20);
  return (
    <li class={`gate g-${open ? 'open' : gate.status === 'absent' ? 'absent' : 'closed'}`}>
      <span class="mark"><svg class="icon small" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path d={open ? 'M3 14V3m10 11V3M3 6l-2 1m12-1l2 1' : 'M3 14V3m10 11V3M3 6h10M3 10.5h10'} fill="none" stroke="currentColor"
          stroke-width="1.8" stroke-dasharray={gate.status === 'absent' ? '2 1.6' : undefined} />
      </svg> <span class="thing">gate</span> {word}</span>
      <span class="gname" title={clean(gate.type, 317)}><bdi>{shortGate(gate)}</bdi></span>
      {!open && gate.reason && <code>{clean(gate.reason, 120)}</code>}
      <span class="when">
        {gate.first_seen_at && <>seen <Clock at={gate.first_seen_at} /></>}
        {gate.opened_at && <>, opened <Clock at={gate.opened_at} /></>}
      </span>
      {!open && gate.message && <span class="msg"><bdi>{clean(gate.message, 1000)}</bdi></span>}
    </li>
  );
}

// What keeps traffic from a target although its health is fine.
function besideHealth(t) {
  if (t.administrative_override === 'zonal_shift_active') return 'zonal shift: its zone gets no traffic';
  if (t.administrative_override === 'zonal_shift_delegated_to_dns') return 'zonal shift, by DNS';
  return t.anomaly === 'anomalous' ? 'anomalous: ELBv2 may send it less' : '';
}

function Target({ target: t }) {
  const level = t.state === 'healthy' ? 'ok' : /^unhealthy|^unused|^unavailable/.test(t.state) ? 'bad' : 'busy';
  const host = t.ip.includes(':') ? `[${t.ip}]` : t.ip;
  return (
    <li class="target">
      <span class={`mark h-${level}`}><i class="dot" aria-hidden="true" /> <span class="thing">target</span> {clean(t.state, 60)}</span>
      <span class="gname" title={clean(t.target_group, 400)}>
        <bdi>{clean(t.name, 100) || clean(t.target_group, 200)}</bdi>{' '}
        <span class="num">{clean(host, 60)}:{t.port}</span>
      </span>
      {t.reason && <code>{clean(t.reason, 120)}</code>}
      <span class="when">
        {t.zone && <>{clean(t.zone, 40)} · </>}
        {t.first_seen_at && <>seen <Clock at={t.first_seen_at} /></>}
        {t.healthy_at && <>, healthy <Clock at={t.healthy_at} /></>}
      </span>
      {besideHealth(t) && <span class="beside"><Glyph of="warn" /> {besideHealth(t)}</span>}
      {t.description && <span class="msg"><bdi>{clean(t.description, 1000)}</bdi></span>}
    </li>
  );
}

function More({ pod }) {
  return (
    <div role="cell" class="c-more">
      {pod.contradiction && (
        <p class="contradiction"><Glyph of="warn" /> {CONTRADICTIONS[pod.contradiction] ?? humanise(pod.contradiction)}.</p>
      )}
      {pod.cause && <p class="podcause"><span class="muted">cause</span> {causeName(pod.cause, pod.cause_title)}</p>}
      {pod.gate_missing && <p class="podcause"><span class="muted">gate</span> This pod should have a gate and has none.</p>}
      {(pod.gates.length > 0 || pod.targets.length > 0) && (
        <ul class="marklist">
          {pod.gates.map((g) => <Gate key={g.type} gate={g} />)}
          {pod.targets.map((t) => <Target key={`${t.target_group} ${t.ip} ${t.port}`} target={t} />)}
        </ul>
      )}
      <p class="podfacts muted">
        <span class="num">{clean(pod.ip, 60) || 'no address'}</span>
        {pod.node && <span>on <bdi>{clean(pod.node, 253)}</bdi></span>}
        <span>created <Clock at={pod.created_at} /></span>
        {pod.containers_ready_at && <span>containers ready <Clock at={pod.containers_ready_at} /></span>}
        {pod.deleted_at && <span>deleted <Clock at={pod.deleted_at} /></span>}
      </p>
    </div>
  );
}

const QUIET = new Set(['serving', 'draining', 'finished', 'starting']);

export function Pod({ pod, scale, usual, inFull }) {
  const [asked, setAsked] = useState(null);
  const open = asked ?? (inFull && (!QUIET.has(pod.state) || Boolean(pod.contradiction) || pod.gate_missing));
  const t = pod.truth;
  return (
    <div role="row" class={`pod s-${pod.state}${open ? ' open' : ''}`}>
      <div role="rowheader" class="c-pod">
        <button type="button" class="twist" aria-expanded={open} onClick={() => setAsked(!open)}>
          <Glyph of="chevron" /> <bdi>{clean(pod.name, 253)}</bdi>
        </button>
      </div>
      <div role="cell" class="c-truths">
        <span class="truth-of"><span class="label">kubelet</span> <Truth value={t.kubelet} /></span>
        <span class="truth-of"><span class="label">gate</span> <Truth value={t.gate} /></span>
        <span class="truth-of"><span class="label">load balancer</span> <Truth value={t.elb} /></span>
      </div>
      <div role="cell" class="c-lane"><Lane key={pod.uid} pod={pod} scale={scale} usual={usual} /></div>
      <div role="cell" class="c-psince"><Since at={pod.since} /></div>
      {open && <More pod={pod} />}
    </div>
  );
}
