// One rollout as a row: state, name, gate progress, pods, since, usual time; below it what holds it and what to do.
import { seconds } from '../lib/format.js';
import { causeName, clean } from '../lib/text.js';
import { facets, keyOf, rowOf } from '../state/rollouts.js';
import { isOld } from '../state/health.js';
import { rolloutHref } from '../state/route.js';
import { POD_STATES, stateWord } from '../state/words.js';
import { GateBar } from './gatebar.jsx';
import { Icon, State } from './icons.jsx';
import { Eta, Since } from './time.jsx';

export function Pods({ pods }) {
  const states = POD_STATES.filter((s) => pods.by_state[s] > 0);
  return (
    <span class="pods">
      <span class="num ready" title="pods of this revision that Kubernetes calls ready, of those wanted">
        <b>{pods.ready}</b>/{pods.desired} <span class="unit">ready</span>
      </span>
      {states.map((s) => (
        <span key={s} class={`podcount s-${s}`} title={`${pods.by_state[s]} ${stateWord(s)}`}>
          <Icon of={s} />
          <span class="num">{pods.by_state[s]}</span>
          <span class="sr"> {stateWord(s)}, </span>
        </span>
      ))}
      {pods.old > 0 && <span class="num unit" title={`${pods.old} pods of older revisions`}>+{pods.old} old</span>}
    </span>
  );
}

export function Usual({ usual }) {
  if (!usual) return <span class="muted">–</span>;
  const from = usual.from === 'history' ? 'learned from history' : 'by the health check settings';
  return (
    <span class="num" title={`half within ${seconds(usual.p50)}, 95 % within ${seconds(usual.p95)}; ${from}`}>
      ~{seconds(usual.p50)}
    </span>
  );
}

function CauseLine({ cause }) {
  if (!cause) return null;
  return (
    <div class="cause-line" role="cell">
      <b class={`sev sev-${cause.severity}`}>{causeName(cause.code, cause.title)}</b>
      {cause.action && (
        <span class="do">
          <span aria-hidden="true">→</span> <bdi>{clean(cause.action, 300)}</bdi>
        </span>
      )}
    </div>
  );
}

const worth = (r) => r.cause && r.cause.severity !== 'info';

export function Row({ id }) {
  const r = rowOf(id)?.value;
  if (!r) return null;
  const moving = r.eta && !r.complete;
  return (
    <div role="row" class={`row s-${r.state}${r.gone ? ' gone' : ''}${r.stale ? ' stale' : ''}`} data-key={keyOf(r)}>
      <div role="cell" class="c-state">
        <State of={r.state} />
        {r.gone && <span class="tag">deleted</span>}
        {r.stale && !isOld.value && <span class="tag">old data</span>}
      </div>
      <div role="rowheader" class="c-name">
        <a href={rolloutHref(r, facets.value.clusters > 1)} data-view data-row>
          <bdi>{clean(r.name, 253)}</bdi>
        </a>
        <span class="where">
          <bdi>{clean(r.namespace, 80)}</bdi> <span class="kind">{clean(r.kind, 40)}</span>
        </span>
      </div>
      <div role="cell" class="c-gates"><GateBar rollout={r} /></div>
      <div role="cell" class="c-pods"><Pods pods={r.pods} /></div>
      <div role="cell" class="c-since">
        <span class="label" aria-hidden="true">for </span>
        <Since at={r.since} />
      </div>
      <div role="cell" class="c-usual">
        <span class="label" aria-hidden="true">usual </span>
        <Usual usual={r.usual_seconds} />
      </div>
      <div role="cell" class="c-eta">{moving ? <Eta at={r.eta} /> : null}</div>
      {worth(r) ? <CauseLine cause={r.cause} /> : null}
    </div>
  );
}
