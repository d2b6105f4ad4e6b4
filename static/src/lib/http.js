// Requests to the API. One place knows the prefix, the cluster, the token, time limits and what an error looks like.
import { signal } from '@preact/signals';
import { clockSync } from './clock.js';

const PREFIX = '/api/v1';
const TIMEOUT_MS = 10_000;
const TOKEN_KEY = 'gatehouse.token';

// When the server last sent us anything, by our own steady clock; null before the first time.
export const lastAnswer = signal(null);
// True once the server asked for a token.
export const tokenWanted = signal(false);
// Which cluster the page is about; "" lets the server decide.
export const cluster = signal('');

export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the server answered ${status}`);
    this.status = status;
    this.retryAfterMs = (problem.retry_after_seconds ?? 0) * 1000;
  }
}

export function heard() {
  lastAnswer.value = performance.now();
}

export function setToken(token) {
  sessionStorage.setItem(TOKEN_KEY, token);
  tokenWanted.value = false;
}

export function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

// params: values may be arrays (repeated) and empty ones are left out.
export function url(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ cluster: cluster.value, ...params })) {
    for (const one of [value].flat()) {
      if (one !== '' && one !== null && one !== undefined) query.append(name, one);
    }
  }
  const text = query.toString();
  return PREFIX + path + (text ? `?${text}` : '');
}

export function rolloutPath({ namespace, kind, name }, view = '') {
  const parts = [namespace, kind, name].map(encodeURIComponent);
  return `/namespaces/${parts[0]}/rollouts/${parts[1]}/${parts[2]}${view}`;
}

// The problem body of an error, or an empty one.
export async function problemOf(response) {
  try {
    const body = await response.json();
    return body && typeof body === 'object' ? body : {};
  } catch {
    return {};
  }
}

export function checkStatus(response, problem) {
  if (response.status === 401) tokenWanted.value = true;
  const retry = Number(response.headers.get('Retry-After'));
  if (!problem.retry_after_seconds && retry > 0) problem.retry_after_seconds = retry;
  throw new ApiError(response.status, problem);
}

// GET as JSON. With `etag` the answer may be {notModified: true}. The browser's own cache is kept out of it: it would hand
// back an old body with an old `now`.
export async function get(path, { params, etag, signal: outer } = {}) {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const response = await send(url(path, params), {
    cache: 'no-store',
    headers: headers(etag ? { 'If-None-Match': etag } : {}),
    signal: outer ? anySignal(outer, limit) : limit,
  });
  heard();
  if (response.status === 304) return { notModified: true, etag };
  if (!response.ok) checkStatus(response, await problemOf(response));
  const body = await response.json();
  heard();
  clockSync(body.now);
  return { body, etag: response.headers.get('ETag') };
}

// POST without a body, as JSON.
export async function post(path, { params } = {}) {
  const response = await send(url(path, params), {
    method: 'POST', cache: 'no-store', headers: headers(), signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  heard();
  if (!response.ok) checkStatus(response, await problemOf(response));
  return response.json();
}

// fetch, with the browsers' different words for "no connection" made one.
async function send(address, options) {
  try {
    return await fetch(address, options);
  } catch (e) {
    if (e.name === 'TimeoutError') throw new ApiError(0, { detail: `not within ${TIMEOUT_MS / 1000} s` });
    if (e instanceof TypeError) throw new ApiError(0, { detail: 'no connection' });
    throw e;
  }
}

// AbortSignal.any, which browsers of 2023 lack.
function anySignal(a, b) {
  const control = new AbortController();
  for (const s of [a, b]) {
    if (s.aborted) control.abort(s.reason);
    else s.addEventListener('abort', () => control.abort(s.reason), { once: true });
  }
  return control.signal;
}
