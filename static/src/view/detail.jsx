// One rollout: what it is and how it goes, what holds it, its pods, what happened, its past.
import { useEffect, useRef } from 'preact/hooks';
import { gateProgress, gateWords } from '../lib/gates.js';
import { clean, humanise, shortImage } from '../lib/text.js';
import { tick } from '../lib/clock.js';
import { seconds } from '../lib/format.js';
import { detail, detailRefresh } from '../state/detail.js';
import { isOld } from '../state/health.js';
import { refresh, refreshNow } from '../state/refresh.js';
import { listBack } from '../state/route.js';
import { stateHelp } from '../state/words.js';
import { Cause, OtherCauses } from './cause.jsx';
import { GateBar } from './gatebar.jsx';
import { History } from './history.jsx';
import { Glyph, State } from './icons.jsx';
import { PodList } from './pods.jsx';
import { Pods, Usual } from './row.jsx';
import { Clock, Eta, Since } from './time.jsx';
import { Timeline } from './timeline.jsx';

function Fact({ label, children, wide = false }) {
  return (
    <div class={`fact${wide ? ' wide' : ''}`}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Images({ images }) {
  if (images.length === 0) return <span class="muted">–</span>;
  return images.map((image) => (
    <code key={image} class="image" title={clean(image, 500)}>{shortImage(image)}</code>
  ));
}

function Facts({ r }) {
  const u = r.usual_seconds;
  return (
    <dl class="facts">
      <Fact label="Gates" wide>
        <GateBar rollout={r} />
        <span class="muted small">{gateWords(gateProgress(r))}</span>
      </Fact>
      <Fact label="Pods" wide>
        <Pods pods={r.pods} />
        <span class="muted small">
          {r.pods.updated} of this revision{r.pods.old > 0 ? `, ${r.pods.old} of older ones` : ''}
        </span>
      </Fact>
      <Fact label="Started"><Clock at={r.started_at} /></Fact>
      <Fact label="Usual time">
        <Usual usual={u} />
        {u && <span class="muted small">95 % within {seconds(u.p95)}</span>}
      </Fact>
      {r.eta && !r.complete && <Fact label="Expected"><Eta at={r.eta} /></Fact>}
      {r.served_at && <Fact label="Served since"><Clock at={r.served_at} /></Fact>}
      <Fact label="Revision">
        <span class="num">{clean(r.revision, 40) || '–'}</span> <code class="hash">{clean(r.revision_hash, 64)}</code>
      </Fact>
      <Fact label={r.images.length === 1 ? 'Image' : 'Images'} wide><Images images={r.images} /></Fact>
    </dl>
  );
}

// It stays focusable while it cannot be pressed: the keyboard keeps its place.
function Ask({ id }) {
  const r = refresh.value?.id === id ? refresh.value : null;
  const waitMs = r?.until ? r.until - tick.value : 0;
  const idle = !r?.busy && waitMs <= 0;
  return (
    <div class="ask">
      <button type="button" class="small" aria-disabled={!idle} onClick={refreshNow}>
        <Glyph of="refresh" /> ask the load balancer now
      </button>
      {r && (
        <span class={`outcome ${r.tone}`}>
          {r.text}{waitMs > 0 && ` It can be asked again in ${Math.ceil(waitMs / 1000)} s.`}
        </span>
      )}
    </div>
  );
}

function Head({ d }) {
  const r = d.rollout;
  const h1 = useRef(null);
  useEffect(() => {
    h1.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [d.id]);
  return (
    <div class="detail-head">
      <a class="back" href={listBack()} data-view>
        <Glyph of="back" /> Rollouts
      </a>
      <div class="names">
        <h1 ref={h1} tabIndex={-1}>
          <bdi>{clean(r?.name ?? d.name, 253)}</bdi>
        </h1>
        <p class="where">
          <bdi>{clean(r?.namespace ?? d.namespace, 80)}</bdi> <span class="kind">{clean(r?.kind ?? d.kind, 40)}</span>
        </p>
      </div>
      {r && (
        <p class="verdict">
          <State of={r.state} big />
          <span>for <Since at={r.since} /></span>
          {r.stale && !isOld.value && <span class="tag">old data</span>}
          <span class="muted">{stateHelp(r.state)}</span>
        </p>
      )}
      {r && <Ask id={d.id} />}
    </div>
  );
}

function Missing({ d }) {
  return (
    <p class="empty">
      gatehouse knows no {humanise(d.kind)} <bdi>{clean(d.name, 253)}</bdi> in namespace <bdi>{clean(d.namespace, 80)}</bdi>. It
      may have been deleted, or you may not see this namespace.
    </p>
  );
}

function Body({ d }) {
  const r = d.rollout;
  if (d.missing) return <Missing d={d} />;
  if (!r) return d.error ? null : <p class="empty late">Reading the rollout…</p>;
  const causes = r.causes ?? (r.cause ? [r.cause] : []);
  return (
    <>
      <Facts r={r} />
      {r.cause && <Cause cause={r.cause} />}
      <OtherCauses causes={causes.filter((c) => !sameCause(c, r.cause))} />
      <PodList pods={d.pods} rollout={r} />
      <Timeline timeline={d.timeline} />
      <History history={d.history} />
    </>
  );
}

const sameCause = (a, b) => b !== null && a.code === b.code && a.object === b.object;

export function Detail() {
  const d = detail.value;
  if (!d) return null;
  return (
    <main id="main" tabIndex={-1} class={`detail${isOld.value ? ' old' : ''}`}>
      <Head d={d} />
      {d.error && (
        <p class="banner b-bad">
          <Glyph of="warn" />
          <span>This rollout could not be read: {clean(d.error, 300)}.</span>
          <button type="button" class="small" onClick={detailRefresh}>try again</button>
        </p>
      )}
      <Body d={d} />
    </main>
  );
}
