// Gate progress as a bar and numbers.
import { gateProgress, gateWords } from '../lib/gates.js';

const PARTS = ['open', 'closed', 'absent', 'missing'];

export function GateBar({ rollout }) {
  const p = gateProgress(rollout);
  if (p.whole === 0) return <span class="muted none">{rollout.complete ? 'no gates' : 'no gates yet'}</span>;
  let x = 0;
  const cells = PARTS.filter((part) => p[part] > 0).map((part) => {
    const width = (100 * p[part]) / p.whole;
    const cell = <rect key={part} class={`g-${part}`} x={`${x}%`} y="0" width={`${width}%`} height="100%" />;
    x += width;
    return cell;
  });
  return (
    <span class="gatebar" title={gateWords(p)}>
      <svg class="bar" height="8" role="img" aria-label={gateWords(p)}>
        {cells}
      </svg>
      <span class="num count" aria-hidden="true">
        {p.ungated ? <b>{p.missing}</b> : <><b>{p.open}</b>/{p.whole}</>} <span class="unit">{p.ungated ? 'missing' : 'open'}</span>
      </span>
    </span>
  );
}
