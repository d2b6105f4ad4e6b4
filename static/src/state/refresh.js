// Asking ELBv2 now about the rollout on the page: what was asked, what it answered, or why it did not. A POST starts it; the
// target groups' health_at tells when an answer is there; the source "aws" tells why none comes.
import { signal } from '@preact/signals';
import { serverNow } from '../lib/clock.js';
import { plural, time } from '../lib/format.js';
import { get, post, rolloutPath } from '../lib/http.js';
import { clean } from '../lib/text.js';
import { announce } from './announce.js';
import { detail, detailRefresh } from './detail.js';

const LOOK_MS = 700;
const LIMIT_MS = 20_000;
const MOMENT_MS = 3_000; // a good answer may be on its way while the source still says what was wrong
const ASKED_BEFORE_MS = 5_000; // a group that was not started was asked for within this

// {id, busy, tone, text, until}: of the rollout `id`; tone good, bad or ''; until: by the server's clock, when to ask again.
export const refresh = signal(null);

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

function troubleOf(body) {
  return body.sources.find((s) => s.name === 'aws' && s.state !== 'ok' && s.state !== 'starting');
}

// What /targetgroups says now; a group that nobody knew yet has no id and is found by its ARN.
async function read(group) {
  if (group.id > 0) {
    const { body } = await get(`/targetgroups/${group.id}`);
    return { now: body, trouble: troubleOf(body) };
  }
  const { body } = await get('/targetgroups', { params: { q: group.arn } });
  return { now: body.items[0], trouble: troubleOf(body) };
}

async function follow(started) {
  const open = new Map(started.target_groups.map((g) => [g.arn, g]));
  const answers = [];
  const began = performance.now();
  for (;;) {
    let trouble;
    for (const [arn, group] of open) {
      const seen = await read(group);
      trouble ??= seen.trouble;
      const since = time(started.now) - (group.started ? 0 : ASKED_BEFORE_MS);
      if (seen.now && time(seen.now.health_at) >= since) {
        answers.push(seen.now);
        open.delete(arn);
      }
    }
    const spent = performance.now() - began;
    if (open.size === 0) return answered(answers);
    if (trouble && spent > MOMENT_MS) {
      return { tone: 'bad', text: `No answer: AWS is ${clean(trouble.state, 40)}. ${clean(trouble.message, 400)}` };
    }
    if (spent > LIMIT_MS) return { tone: '', text: 'No answer yet. It is shown here when it comes.' };
    await sleep(LOOK_MS);
  }
}

function answered(groups) {
  const sum = (key) => groups.reduce((n, g) => n + g[key], 0);
  const of = groups.length > 1 ? ` in ${groups.length} target groups` : '';
  return { tone: 'good', text: `ELBv2 answered: ${sum('healthy')} of ${plural(sum('targets'), 'target')} healthy${of}.` };
}

function refused(e) {
  if (e.status !== 429) return { tone: 'bad', text: `Not asked: ${clean(e.message, 400)}` };
  return { tone: '', text: 'ELBv2 was asked a moment ago.', until: serverNow() + e.retryAfterMs };
}

async function ask(d) {
  let started;
  try {
    started = await post(rolloutPath(d, '/refresh'));
  } catch (e) {
    return refused(e);
  }
  try {
    return await follow(started);
  } catch (e) {
    return { tone: 'bad', text: `Asked, but the answer could not be read: ${clean(e.message, 400)}` };
  }
}

export async function refreshNow() {
  const d = detail.value;
  const last = refresh.value?.id === d?.id ? refresh.value : null;
  if (!d?.rollout || last?.busy || last?.until > serverNow()) return;
  refresh.value = { id: d.id, busy: true, tone: '', text: 'ELBv2 is being asked…' };
  const outcome = await ask(d);
  if (refresh.value.id !== d.id) return; // asked about another one meanwhile
  refresh.value = { id: d.id, busy: false, ...outcome };
  if (detail.value?.id !== d.id) return;
  announce(outcome.text);
  detailRefresh();
}
