// A stand-in for gatehouse in the dashboard's tests: serves dist/ and a made-up cluster over the API's paths, pushes events, and
// fails on demand. Node's own library only. By hand: node static/test/mock.mjs [PORT] (a lively demo).
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sources, world } from './fixtures.mjs';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
// As server/api sends it.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const RANK = ['failed', 'stuck', 'exposed', 'slow', 'unknown', 'progressing', 'paused', 'serving', 'not_gated', 'idle'];

const keyOf = (r) => `${r.namespace}/${r.kind.toLowerCase()}/${r.name}`;

export class Mock {
  constructor() {
    this.world = world();
    this.sources = sources();
    this.revision = 100;
    this.ring = []; // {id, text}
    this.streams = new Set();
    this.broken = null; // null, 'refuse' (503 for all of the API), 'nostream' (503 for /events), 'hang'
    this.token = null;
    this.requests = []; // "GET /api/v1/…"
    // One target group behind every rollout. refusal: the problem that a refresh gets; mute: it is started, no answer comes.
    this.group = { id: 7, arn: 'arn:tg/web', name: 'k8s-web', targets: 12, healthy: 7, health_at: new Date(Date.now() - 60_000).toISOString() };
    this.refusal = null;
    this.mute = false;
    this.server = createServer((q, s) => this.#answer(q, s).catch((e) => { s.writeHead(500); s.end(String(e)); }));
    this.beat = setInterval(() => this.#write(': beat\n\n'), 15_000);
  }

  async listen(port = 0) {
    await new Promise((done) => { this.server.listen(port, '127.0.0.1', done); });
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async close() {
    clearInterval(this.beat);
    this.cutStreams();
    this.server.closeAllConnections();
    await new Promise((done) => { this.server.close(done); });
  }

  cutStreams() {
    for (const s of this.streams) s.destroy();
    this.streams.clear();
  }

  #write(text) {
    for (const s of this.streams) s.write(text);
  }

  emit(type, data) {
    this.revision++;
    const text = `id: ${this.revision}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
    this.ring.push({ id: this.revision, text });
    this.#write(text);
  }

  // Changes a rollout and tells the streams, unless quietly.
  patch(key, change, { quietly = false } = {}) {
    const one = this.world.get(key);
    Object.assign(one.rollout, change);
    if (change.cause !== undefined) one.causes = change.cause ? [change.cause] : [];
    if (quietly) this.revision++;
    else this.emit('rollout', one.rollout);
  }

  add(one) {
    const full = { causes: [], pods: [], timeline: [], history: [], ...one };
    this.world.set(keyOf(one.rollout), full);
    this.emit('rollout', one.rollout);
  }

  remove(key) {
    const { namespace, kind, name } = this.world.get(key).rollout;
    this.world.delete(key);
    this.emit('rollout', { namespace, kind, name, deleted: true });
  }

  setSource(name, change) {
    const source = this.sources.find((s) => s.name === name);
    Object.assign(source, change);
    this.emit('source', source);
  }

  list() {
    const all = [...this.world.values()].map((o) => o.rollout);
    const place = (r) => `${String(RANK.indexOf(r.state)).padStart(2, '0')} ${r.since}`;
    return all.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  }

  #envelope(more) {
    const now = new Date().toISOString();
    for (const s of this.sources) if (s.state === 'ok' && !s.frozen) s.ok_at = now;
    const named = this.sources.map(({ frozen, ...s }) => s);
    return { ...more, revision: this.revision, now, observed_at: this.sources.find((s) => s.name === 'kubernetes').ok_at, sources: named };
  }

  #summary() {
    const by_state = {};
    for (const r of this.list()) by_state[r.state] = (by_state[r.state] ?? 0) + 1;
    return this.#envelope({
      version: '0.0-mock', cluster: 'prod-eu', rollouts: { total: this.world.size, by_state }, pods: { total: 90, by_state: { serving: 90 } },
      findings: { error: 2, warning: 2, info: 0 },
    });
  }

  #page(items, params) {
    const limit = Number(params.get('limit') ?? 100);
    const from = Number(params.get('cursor') ?? 0);
    const next = from + limit < items.length ? String(from + limit) : null;
    return this.#envelope({ items: items.slice(from, from + limit), next });
  }

  #filtered(params) {
    const states = params.getAll('state').flatMap((s) => s.split(','));
    const namespaces = params.getAll('namespace');
    const q = params.get('q') ?? '';
    return this.list().filter((r) => (states.length === 0 || states.includes(r.state)) &&
      (namespaces.length === 0 || namespaces.includes(r.namespace)) && `${r.namespace}/${r.name}`.includes(q));
  }

  #api(path, params) {
    if (path === '/summary') return this.#summary();
    if (path === '/rollouts') return this.#page(this.#filtered(params), params);
    if (path === `/targetgroups/${this.group.id}`) return this.#envelope(this.group);
    const match = /^\/namespaces\/([^/]+)\/rollouts\/([^/]+)\/([^/]+)(\/[a-z]+)?$/.exec(path);
    if (!match) return null;
    const [namespace, kind, name] = match.slice(1, 4).map(decodeURIComponent);
    const one = this.world.get(`${namespace}/${kind.toLowerCase()}/${name}`);
    if (!one) return null;
    if (match[4]) return this.#page(one[match[4].slice(1)] ?? [], params);
    const { revision: index, ...rest } = this.#envelope({});
    return { ...rest, index, ...one.rollout, causes: one.causes };
  }

  // The next list is written now and sent when the returned function is called. `listHeld` tells when it was asked for.
  holdList() {
    let release;
    this.hold = new Promise((done) => { release = done; });
    this.listHeld = new Promise((done) => { this.sayHeld = done; });
    return () => { this.hold = null; release(); };
  }

  #refresh(response, problem) {
    if (this.refusal) return problem(this.refusal.status, 'refused', this.refusal);
    const now = new Date();
    const started = [{ id: this.group.id, arn: this.group.arn, name: this.group.name, binding: 'web', started: true }];
    if (!this.mute) setTimeout(() => Object.assign(this.group, { healthy: 12, health_at: new Date().toISOString() }), 300);
    response.writeHead(202, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ target_groups: started, now: now.toISOString() }));
    return undefined;
  }

  async #answer(request, response) {
    const url = new URL(request.url, this.url);
    if (!url.pathname.startsWith('/api/v1/')) return this.#file(url.pathname, response);
    this.requests.push(`${request.method} ${url.pathname}${url.search}`);
    const problem = (status, title, more = {}) => {
      response.writeHead(status, { 'Content-Type': 'application/problem+json' });
      response.end(JSON.stringify({ type: '/problems/x', title, status, request_id: 'r1', ...more }));
    };
    const path = url.pathname.slice('/api/v1'.length);
    if (this.broken === 'hang') return undefined;
    if (this.broken === 'refuse') return problem(503, 'the store is closed');
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`) return problem(401, 'a token is needed');
    if (path === '/events') return this.broken === 'nostream' ? problem(503, 'no streams') : this.#events(request, response);
    if (request.method === 'POST') return path.endsWith('/refresh') ? this.#refresh(response, problem) : problem(405, 'no');
    const body = JSON.parse(JSON.stringify(this.#api(path, url.searchParams)));
    if (path === '/rollouts' && this.hold) {
      this.sayHeld();
      await this.hold;
    }
    if (!body) return problem(404, 'there is no such rollout');
    return this.#json(request, response, body);
  }

  #json(request, response, body) {
    const { now, revision, index, observed_at, sources: s, ...content } = body;
    const states = s.map(({ ok_at, ...rest }) => rest);
    const etag = `"${createHash('sha256').update(JSON.stringify([content, states])).digest('hex').slice(0, 16)}"`;
    const headers = { ETag: etag, 'Cache-Control': 'no-cache, private', 'Content-Type': 'application/json' };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, headers);
      response.end();
      return;
    }
    response.writeHead(200, headers);
    response.end(JSON.stringify(body));
  }

  #events(request, response) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(': hello\n\n');
    const since = Number(request.headers['last-event-id'] ?? new URL(request.url, this.url).searchParams.get('since') ?? this.revision);
    this.resumedFrom = since;
    const oldest = this.ring.length > 0 ? this.ring[0].id : this.revision + 1;
    if (since + 1 < oldest && since < this.revision) response.write(`id: ${this.revision}\nevent: resync\ndata: {}\n\n`);
    else for (const { id, text } of this.ring) if (id > since) response.write(text);
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
  }

  async #file(path, response) {
    const page = path === '/' || path.startsWith('/r/');
    const name = page ? 'index.html' : path.slice(1);
    try {
      if (name.includes('..')) throw new Error('outside');
      const bytes = await readFile(DIST + name);
      response.writeHead(200, {
        'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP,
        'X-Content-Type-Options': 'nosniff', 'Cache-Control': page ? 'no-cache' : 'max-age=31536000, immutable',
      });
      response.end(bytes);
    } catch {
      response.writeHead(404);
      response.end();
    }
  }
}

// By hand: rollouts that move, so that the page can be looked at while it lives.
async function demo() {
  const mock = await new Mock().listen(Number(process.argv[2] ?? 8090));
  console.log(mock.url);
  let step = 0;
  setInterval(() => {
    step++;
    const { rollout } = mock.world.get('media/deployment/thumbnails');
    const open = Math.min(20, 9 + (step % 14));
    const done = open === 20;
    mock.patch('media/deployment/thumbnails', {
      gates: { ...rollout.gates, open, closed: 20 - open, absent: 0 }, state: done ? 'serving' : 'progressing', complete: done,
      pods: { ...rollout.pods, ready: open, by_state: { serving: open, checking: 20 - open } },
      since: rollout.state === (done ? 'serving' : 'progressing') ? rollout.since : new Date().toISOString(),
    });
  }, 2000);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await demo();
