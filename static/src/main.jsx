// Starts the page.
import { effect } from '@preact/signals';
import { render } from 'preact';
import { keysStart } from './keys.js';
import { clockStart } from './lib/clock.js';
import { clean } from './lib/text.js';
import { detail, detailStart } from './state/detail.js';
import { liveStart, paused, summary } from './state/live.js';
import { prefsStart } from './state/prefs.js';
import { rolloutsStart, severeCount } from './state/rollouts.js';
import { routeStart } from './state/route.js';
import { stateWord } from './state/words.js';
import { App } from './view/app.jsx';

prefsStart();
routeStart();
rolloutsStart();
detailStart(() => paused.value);
clockStart();
render(<App />, document.getElementById('app'));
liveStart();
keysStart();

effect(() => {
  const cluster = summary.value?.cluster ? ` · ${clean(summary.value.cluster, 60)}` : '';
  const d = detail.value;
  if (d?.rollout) document.title = `${clean(d.rollout.name, 80)} is ${stateWord(d.rollout.state)}${cluster}`;
  else document.title = `${severeCount.value > 0 ? `(${severeCount.value}) ` : ''}gatehouse${cluster}`;
});
