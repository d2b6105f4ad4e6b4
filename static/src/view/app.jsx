// The page: top, what is wrong with the data, then the list or one rollout.
import { tokenWanted } from '../lib/http.js';
import { announcement } from '../state/announce.js';
import { failure, summary } from '../state/live.js';
import { loaded } from '../state/rollouts.js';
import { route } from '../state/route.js';
import { clean } from '../lib/text.js';
import { Detail } from './detail.jsx';
import { Banners, Header } from './header.jsx';
import { Help } from './help.jsx';
import { List } from './list.jsx';
import { Token } from './token.jsx';

function Lost() {
  return (
    <main id="main">
      <h1>There is no such page</h1>
      <p><a href="/" data-view>All rollouts</a></p>
    </main>
  );
}

function NoAnswer() {
  return (
    <main id="main">
      <p class="empty">gatehouse does not answer yet{failure.value ? `: ${clean(failure.value, 200)}` : ''}. This page goes on trying.</p>
    </main>
  );
}

function View() {
  if (tokenWanted.value) return <Token />;
  const { view } = route.value;
  if (view === 'rollout') return <Detail />;
  if (view === 'lost') return <Lost />;
  return !loaded.value && failure.value !== '' && summary.value === null ? <NoAnswer /> : <List />;
}

export function App() {
  return (
    <>
      <a class="skip" href="#main">Skip to the content</a>
      <Header />
      <Banners />
      <View />
      <Help />
      <p class="sr" role="status" aria-live="polite">{announcement.value}</p>
    </>
  );
}
