// Asked when the server wants a bearer token. It is kept for this tab only.
import { setToken, tokenWanted } from '../lib/http.js';
import { retry } from '../state/live.js';

export function Token() {
  if (!tokenWanted.value) return null;
  const submit = (event) => {
    event.preventDefault();
    const value = event.currentTarget.elements.token.value.trim();
    if (value === '') return;
    setToken(value);
    retry();
  };
  return (
    <main id="main" class="token">
      <h1>This gatehouse asks for a token</h1>
      <form onSubmit={submit}>
        <label>
          Token <input name="token" type="password" autocomplete="off" required />
        </label>
        <button type="submit">go on</button>
      </form>
      <p class="muted">It is kept until you close this tab, and sent to this server only.</p>
    </main>
  );
}
