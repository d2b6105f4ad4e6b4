// The pods of a rollout, the troubled ones first and in full, the serving ones as single lines until asked.
import { useState } from 'preact/hooks';
import { tick } from '../lib/clock.js';
import { pace } from '../lib/pace.js';
import { podRank, POD_STATES } from '../state/words.js';
import { State } from './icons.jsx';
import { Pod } from './pod.jsx';

const FIRST = 10; // of a group
const IN_FULL = 3; // of a group of troubled pods: the others are likely alike

function Group({ state, pods, scale, usual }) {
  const [all, setAll] = useState(false);
  const cut = !all && pods.length > FIRST + 2;
  const list = cut ? pods.slice(0, FIRST) : pods;
  return (
    <div role="rowgroup" class="podgroup" aria-label={state}>
      <div role="row" class="grouphead">
        <div role="cell" class="title"><State of={state} /> <span class="num">{pods.length}</span></div>
      </div>
      {list.map((p, i) => <Pod key={p.uid || p.name} pod={p} scale={scale} usual={usual} inFull={i < IN_FULL} />)}
      {cut && (
        <div role="row" class="morerow">
          <div role="cell">
            <button type="button" class="small" onClick={() => setAll(true)}>show all {pods.length}</button>
          </div>
        </div>
      )}
    </div>
  );
}


function Table({ label, pods, usual }) {
  const now = Math.floor(tick.value / 5000) * 5000;
  let longest = (usual?.p95 ?? 0) * 1200;
  for (const p of pods) {
    const at = pace(p, now);
    if (at) longest = Math.max(longest, at.startMs + at.waitMs);
  }
  const groups = new Map();
  for (const p of pods) groups.set(p.state, [...(groups.get(p.state) ?? []), p]);
  const states = [...groups.keys()].sort((a, b) => podRank(a) - podRank(b) || POD_STATES.indexOf(a) - POD_STATES.indexOf(b));
  return (
    <div role="table" aria-label={label} class="podtable">
      <div role="rowgroup" class="heads">
        <div role="row" class="pod head">
          <div role="columnheader" class="c-pod">Pod</div>
          <div role="columnheader" class="c-truths"><span>Kubelet</span> <span>Gate</span> <span>Load balancer</span></div>
          <div role="columnheader" class="c-lane">Started, then waited at its gates</div>
          <div role="columnheader" class="c-psince">For</div>
        </div>
      </div>
      {states.map((s) => <Group key={s} state={s} pods={groups.get(s)} scale={longest || 1} usual={usual} />)}
    </div>
  );
}

export function PodList({ pods, rollout }) {
  if (!pods) return <section class="panel"><h2>Pods</h2><p class="empty late">Reading the pods…</p></section>;
  const now = pods.items.filter((p) => p.is_new);
  const old = pods.items.filter((p) => !p.is_new);
  const usual = rollout.usual_seconds;
  return (
    <section class="panel" aria-labelledby="pods-title">
      <h2 id="pods-title">Pods <span class="num">{pods.items.length}{pods.next ? '+' : ''}</span></h2>
      {pods.items.length === 0 && <p class="empty">There are no pods.</p>}
      {now.length > 0 && <Table label="Pods of the new revision" pods={now} usual={usual} />}
      {old.length > 0 && (
        <>
          <h3 class="sub">Older revisions <span class="num">{old.length}</span></h3>
          <Table label="Pods of older revisions" pods={old} usual={usual} />
        </>
      )}
      {pods.next && <p class="note">Showing the {pods.items.length} newest pods.</p>}
    </section>
  );
}
