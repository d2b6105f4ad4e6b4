// Gate progress: open, closed and absent of all gates, and the pods that should have a gate and have none.
const PARTS = ['open', 'closed', 'absent', 'missing'];

export function gateWords(g) {
  const parts = PARTS.filter((p) => g[p] > 0).map((p) => `${g[p]} ${p}`);
  return parts.length > 0 ? `${parts.join(', ')} of ${g.total + (g.missing ?? 0)} gates` : 'no gates';
}

export function GateBar({ gates, wide = false }) {
  const all = gates.total + (gates.missing ?? 0);
  if (all === 0) return <span class="muted none">no gates</span>;
  let x = 0;
  const cells = PARTS.filter((p) => gates[p] > 0).map((part) => {
    const width = (100 * gates[part]) / all;
    const cell = <rect key={part} class={`g-${part}`} x={`${x}%`} y="0" width={`${width}%`} height="100%" />;
    x += width;
    return cell;
  });
  return (
    <span class={`gatebar${wide ? ' wide' : ''}`} title={gateWords(gates)}>
      <svg class="bar" height="8" role="img" aria-label={gateWords(gates)}>
        {cells}
      </svg>
      <span class="num count" aria-hidden="true">
        <b>{gates.open}</b>/{all} <span class="unit">open</span>
      </span>
    </span>
  );
}
