// What a screen reader is told of live changes: only turns for the worse and recoveries, a few at a time.
import { signal } from '@preact/signals';
import { clean } from '../lib/text.js';
import { stateGroup, stateWord } from './words.js';

const COLLECT_MS = 2000;

export const announcement = signal('');

let waiting = [];
let timer = null;

export function announce(text) {
  waiting.push(text);
  timer ??= setTimeout(() => {
    timer = null;
    const said = waiting.slice(0, 3);
    if (waiting.length > 3) said.push(`and ${waiting.length - 3} more changes`);
    waiting = [];
    announcement.value = said.join('. ');
  }, COLLECT_MS);
}

export function announceChange(before, after) {
  if (!before || after.deleted || before.state === after.state) return;
  const was = stateGroup(before.state) === 'attention';
  const is = stateGroup(after.state) === 'attention';
  if (is || was) announce(`${clean(after.namespace, 80)}/${clean(after.name, 80)} is ${stateWord(after.state)}`);
}
