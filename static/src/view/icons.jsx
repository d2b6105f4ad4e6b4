// One icon shape per word; drawn in the text's colour, so forced colours keep them. Decorative: the word stands beside it.
import { stateHelp, stateWord } from '../state/words.js';

const line = { fill: 'none', stroke: 'currentColor', 'stroke-width': 1.75, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' };
const solid = { fill: 'currentColor' };

const SHAPES = {
  failed: [<path d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2L1.5 10.8V5.2z" {...solid} />, <path d="M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8" {...line} class="cut" />],
  failing: [<path d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2L1.5 10.8V5.2z" {...solid} />, <path d="M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8" {...line} class="cut" />],
  stuck: [<circle cx="8" cy="8" r="6.6" {...solid} />, <path d="M4.8 8h6.4" {...line} class="cut" stroke-width="2.2" />],
  exposed: [<path d="M8 1.6l6.9 12.6H1.1z" {...solid} />, <path d="M8 6.2v3.6m0 2.1v.1" {...line} class="cut" />],
  slow: [<circle cx="8" cy="8" r="6.2" {...line} />, <path d="M8 4.4V8l2.5 1.8" {...line} />],
  unknown: [<circle cx="8" cy="8" r="6.2" {...line} stroke-dasharray="2.6 2.2" />, <path d="M6.2 6.3c.2-2.3 3.7-2.2 3.6 0 0 1.3-1.8 1.3-1.8 2.7m0 2.2v.1" {...line} />],
  progressing: [<path d="M8 1.8a6.2 6.2 0 1 1-5.9 4.3" {...line} />, <path d="M8 5v3.2l2 1.4" {...line} stroke="none" />, <path d="M8 1.8l2.4-.6M8 1.8l1.7 1.9" {...line} />],
  paused: [<path d="M4 2.5h2.8v11H4zM9.2 2.5H12v11H9.2z" {...solid} />],
  serving: [<circle cx="8" cy="8" r="6.6" {...solid} />, <path d="M5 8.2l2.1 2.1L11 6" {...line} class="cut" />],
  not_gated: [<circle cx="8" cy="8" r="6.2" {...line} />, <path d="M5 8.2l2.1 2.1L11 6" {...line} />],
  idle: [<path d="M2.5 8h11" {...line} />],
  superseded: [<path d="M3 4l4 4-4 4m5-8l4 4-4 4" {...line} />],
  starting: [<circle cx="8" cy="8" r="6.2" {...line} stroke-dasharray="1.2 3" />],
  registering: [<path d="M2 8h8.5M7.5 4.5L11 8l-3.5 3.5M14 3v10" {...line} />],
  checking: [<path d="M1.5 8h3l1.8-4.5 3.2 9L11.5 8h3" {...line} />],
  draining: [<path d="M8 2v8.5M4.5 7L8 10.5 11.5 7M3 14h10" {...line} />],
  finished: [<path d="M3.5 2v12M3.5 3h8.5l-2 2.7 2 2.8H3.5" {...line} />],
};

export function Icon({ of }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      {SHAPES[of] ?? SHAPES.unknown}
    </svg>
  );
}

// A state as icon and word in its colour.
export function State({ of, big = false }) {
  const known = Object.hasOwn(SHAPES, of) ? of : 'unknown';
  return (
    <span class={`state s-${known}${big ? ' big' : ''}`} title={stateHelp(of)}>
      <Icon of={of} />
      <span class="word">{stateWord(of)}</span>
    </span>
  );
}

const TRUTHS = { yes: 'M3.2 8.4l3.2 3.2 6.4-7', no: 'M3.8 3.8l8.4 8.4m0-8.4l-8.4 8.4' };

// yes, no or unknown as icon and word.
export function Truth({ value }) {
  const known = Object.hasOwn(TRUTHS, value) ? value : 'unknown';
  const d = TRUTHS[known] ?? 'M5.6 5.9c.2-3.2 5-3.1 4.8 0 0 1.8-2.4 1.8-2.4 3.6m0 3v.1';
  return (
    <span class={`truth t-${known}`}>
      <svg class="icon small" viewBox="0 0 16 16" width="12" height="12" aria-hidden="true" focusable="false">
        <path d={d} {...line} stroke-width="2.2" />
      </svg>
      {known}
    </span>
  );
}

const GLYPHS = {
  search: <path d="M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zm3.6 8.4l3.4 3.4" {...line} />,
  back: <path d="M9.5 3L4.5 8l5 5" {...line} />,
  pause: <path d="M4 2.5h2.8v11H4zM9.2 2.5H12v11H9.2z" {...solid} />,
  play: <path d="M4 2.2l9 5.8-9 5.8z" {...solid} />,
  copy: <path d="M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z" {...line} />,
  open: <path d="M9.5 2.5h4v4m0-4l-6 6M6 3.5H2.5v10h10V10" {...line} />,
  chevron: <path d="M6 3.5L10.5 8 6 12.5" {...line} />,
  warn: [<path d="M8 1.6l6.9 12.6H1.1z" {...line} />, <path d="M8 6.2v3.6m0 2.1v.1" {...line} />],
  info: [<circle cx="8" cy="8" r="6.2" {...line} />, <path d="M8 7.4v3.6M8 5v.1" {...line} />],
  refresh: <path d="M13.6 8a5.6 5.6 0 1 1-1.7-4m.1-2.5v3h-3" {...line} />,
  close: <path d="M3.8 3.8l8.4 8.4m0-8.4l-8.4 8.4" {...line} />,
  arrow: <path d="M2.5 8h10.5M9 4l4 4-4 4" {...line} />,
};

export function Glyph({ of }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      {GLYPHS[of]}
    </svg>
  );
}
