// What holds a rollout: the sentence, what to do, the commands, and the evidence to check it by.
import { plural } from '../lib/format.js';
import { causeName, clean, linkOf } from '../lib/text.js';
import { Command } from './copy.jsx';
import { Glyph } from './icons.jsx';
import { Since } from './time.jsx';

function Link({ href, children }) {
  const safe = linkOf(href);
  if (!safe) return null;
  return (
    <a class="out" href={safe} target="_blank" rel="noopener noreferrer">
      {children} <Glyph of="open" />
      <span class="sr"> (opens in a new tab)</span>
    </a>
  );
}

function Evidence({ evidence }) {
  if (!evidence || evidence.length === 0) return null;
  return (
    <div class="scroll" role="region" aria-label="Evidence" tabIndex={0}>
      <table class="evidence" role="table">
        <caption class="sr">Evidence</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader">Object</th><th role="columnheader">Field</th><th role="columnheader">Value seen</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {evidence.map((e, i) => (
            <tr role="row" key={i}>
              <td role="cell"><bdi>{clean(e.object, 400)}</bdi></td>
              <td role="cell"><bdi>{clean(e.field, 400)}</bdi></td>
              <td role="cell" class="value"><bdi>{clean(e.value, 1000)}</bdi></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Marks({ cause }) {
  return (
    <p class="marks">
      <span class={`sev sev-${cause.severity}`}>{clean(cause.severity, 20)}</span>
      <span>for <Since at={cause.since} /></span>
      {cause.pods > 0 && <span>{plural(cause.pods, 'pod')}</span>}
      {cause.object && <span><bdi>{clean(cause.object, 300)}</bdi></span>}
      {cause.confidence === 'likely' && <span title="this rests on inference">likely, not certain</span>}
      {cause.terminal && <b>waiting longer cannot help</b>}
    </p>
  );
}

function Body({ cause }) {
  return (
    <>
      <Marks cause={cause} />
      <p class="message"><bdi>{clean(cause.message)}</bdi></p>
      {cause.action && (
        <div class="action">
          <h3>Do this</h3>
          <p><bdi>{clean(cause.action)}</bdi></p>
          {(cause.commands ?? []).map((c) => <Command key={c} text={c} />)}
        </div>
      )}
      <p class="links">
        <Link href={cause.runbook}>Runbook</Link>
        <Link href={cause.docs}>Documentation</Link>
      </p>
      <Evidence evidence={cause.evidence} />
    </>
  );
}

const titleOf = (cause) => causeName(cause.code, cause.title);

export function Cause({ cause }) {
  return (
    <section class={`panel cause sevb-${cause.severity}`} aria-labelledby="cause-title">
      <h2 id="cause-title">{titleOf(cause)}</h2>
      <Body cause={cause} />
    </section>
  );
}

export function OtherCauses({ causes }) {
  if (causes.length === 0) return null;
  return (
    <section class="panel others" aria-labelledby="others-title">
      <h2 id="others-title">Also found <span class="num">{causes.length}</span></h2>
      {causes.map((c) => (
        <details key={`${c.code} ${c.object}`}>
          <summary>
            <b class={`sev sev-${c.severity}`}>{titleOf(c)}</b> <span class="muted"><bdi>{clean(c.object, 200)}</bdi></span>
          </summary>
          <div class="cause"><Body cause={c} /></div>
        </details>
      ))}
    </section>
  );
}
