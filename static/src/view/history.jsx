// Past revisions with how long each took: a chart that is also its own table.
import { duration, time } from '../lib/format.js';
import { causeName, clean, shortImage } from '../lib/text.js';
import { Icon } from './icons.jsx';
import { Clock } from './time.jsx';

const OUTCOMES = { served: 'serving', failed: 'failed', superseded: 'superseded', '': 'progressing' };

function took(h, now) {
  const start = time(h.started_at);
  const end = time(h.served_at) ?? time(h.finished_at) ?? (h.outcome === '' ? now : null);
  return start === null || end === null ? null : Math.max(0, end - start);
}

function Past({ h, ms, longest }) {
  const state = OUTCOMES[h.outcome] ?? 'unknown';
  const word = h.outcome === '' ? 'under way' : clean(h.outcome, 30);
  return (
    <tr>
      <th scope="row" class="num">{clean(h.revision, 40) || '–'} <code class="hash">{clean(h.revision_hash, 64)}</code></th>
      <td class="what">
        {h.images.map((image) => <code key={image} class="image" title={clean(image, 500)}>{shortImage(image)}</code>)}
      </td>
      <td><Clock at={h.started_at} /></td>
      <td class="num right">{h.pods}</td>
      <td><span class={`state s-${state}`}><Icon of={state} /> {word}</span>{h.cause && h.outcome !== 'served' && <span class="muted"> {causeName(h.cause, h.cause_title)}</span>}</td>
      <td class="took">
        <svg class={`bar s-${state}`} height="8" aria-hidden="true">
          <rect x="0" y="0" height="100%" width={`${ms === null ? 0 : Math.max(1, (100 * ms) / longest)}%`} fill="currentColor" />
        </svg>
        <span class="num">{ms === null ? '–' : duration(ms)}</span>
      </td>
    </tr>
  );
}

export function History({ history }) {
  if (!history || history.items.length === 0) return null;
  const now = time(history.now);
  const times = history.items.map((h) => took(h, now));
  const longest = Math.max(1, ...times.filter((t) => t !== null));
  return (
    <section class="panel" aria-labelledby="history-title">
      <h2 id="history-title">Revisions <span class="num">{history.items.length}{history.next ? '+' : ''}</span></h2>
      <div class="scroll" role="region" aria-label="Revisions" tabIndex={0}>
        <table class="history">
          <thead>
            <tr>
              <th scope="col">Revision</th><th scope="col">Images</th><th scope="col">Started</th><th scope="col" class="right">Pods</th>
              <th scope="col">Outcome</th><th scope="col">Until it served</th>
            </tr>
          </thead>
          <tbody>
            {history.items.map((h, i) => <Past key={`${h.revision_hash} ${h.started_at}`} h={h} ms={times[i]} longest={longest} />)}
          </tbody>
        </table>
      </div>
    </section>
  );
}
