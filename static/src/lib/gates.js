// Gate progress towards the whole rollout. The API counts the gates of pods that exist; pods that are still to be created
// will bring gates too, and a bar that leaves them out would be full at a third of the way. Pure.

// {open, closed, absent, missing, coming, whole}: gates; missing: pods that should have one; coming: with pods to come;
// ungated: there is no gate at all, and there should be.
export function gateProgress({ gates, pods, complete }) {
  const seen = gates.total + (gates.missing ?? 0);
  const left = complete ? 0 : Math.max(0, pods.desired - pods.updated);
  const coming = pods.updated > 0 ? Math.round((seen / pods.updated) * left) : 0;
  const { open, closed, absent, missing = 0 } = gates;
  return { open, closed, absent, missing, coming, whole: seen + coming, ungated: gates.total === 0 && missing > 0 };
}

const WORDS = { open: 'open', closed: 'closed', absent: 'absent', missing: 'missing', coming: 'still to come' };

export function gateWords(p) {
  const parts = Object.keys(WORDS).filter((k) => p[k] > 0).map((k) => `${p[k]} ${WORDS[k]}`);
  return parts.length > 0 ? `${parts.join(', ')} of ${p.whole} ${p.whole === 1 ? 'gate' : 'gates'}` : 'no gates';
}
