// Times: relative in the text, absolute in the title. They tick by themselves, once a second, without redrawing what is
// around them, and only touch the document when the words change.
import { useComputed } from '@preact/signals';
import { tick } from '../lib/clock.js';
import { absolute, age, clock, duration, time } from '../lib/format.js';

// "14m": how long something has been so.
export function Since({ at, class: cls = '' }) {
  return <AgeOf key={at} at={at} cls={cls} />;
}

function AgeOf({ at, cls }) {
  const text = useComputed(() => age(at, tick.value));
  if (time(at) === null) return null;
  return (
    <time class={`num ${cls}`} dateTime={at} title={absolute(at)}>
      {text}
    </time>
  );
}

// "14:02:11": when something was.
export function Clock({ at }) {
  return <ClockOf key={at} at={at} />;
}

function ClockOf({ at }) {
  const text = useComputed(() => clock(at, tick.value));
  if (time(at) === null) return <span class="muted">–</span>;
  return (
    <time class="num" dateTime={at} title={absolute(at)}>
      {text}
    </time>
  );
}

// What is left until an expected time: "about 12s left", "any moment", "3m 02s late".
export function Eta({ at }) {
  return <EtaOf key={at} at={at} />;
}

function EtaOf({ at }) {
  const text = useComputed(() => etaText(time(at), tick.value));
  return (
    <time class="num" dateTime={at} title={`expected at ${absolute(at)}`}>
      {text}
    </time>
  );
}

function etaText(at, now) {
  if (at === null) return '';
  const left = at - now;
  if (left > 1000) return `~${duration(left)} left`;
  if (left > -10_000) return 'any moment';
  return `${duration(-left)} over`;
}
