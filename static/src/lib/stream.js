// One event stream: opens it, resumes where it left off, notices silence, comes back with growing pauses. Built on fetch
// and not on EventSource, because only so the 15 s heartbeat is seen (a dead peer would look alive for minutes) and a
// bearer token can be sent.
import { checkStatus, headers, heard, problemOf, url } from './http.js';
import { sseParser } from './sse.js';

const SILENCE_MS = 40_000; // heartbeats come every 15 s
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;

// on: {event({type, data, id}), up(), down(error)}. since: revision to start from.
export class Stream {
  constructor(on) {
    this.on = on;
    this.lastId = '';
    this.pause = RETRY_MIN_MS;
    this.control = null;
    this.timer = null;
  }

  open(since) {
    this.close();
    if (since !== undefined && since !== null) this.lastId = String(since);
    this.#run();
  }

  // A list was read that holds everything up to this revision: no need to hear it again.
  read(revision) {
    if (revision > Number(this.lastId)) this.lastId = String(revision);
  }

  close() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.control?.abort();
    this.control = null;
  }

  async #run() {
    const control = new AbortController();
    this.control = control;
    let error = null;
    try {
      await this.#read(control);
    } catch (e) {
      error = e;
    }
    clearTimeout(this.watchdog);
    if (this.control !== control) return; // closed or opened anew meanwhile
    this.on.down(error);
    const wait = Math.max(error?.retryAfterMs ?? 0, this.pause * (0.75 + Math.random() / 2));
    this.pause = Math.min(this.pause * 2, RETRY_MAX_MS);
    this.timer = setTimeout(() => this.#run(), wait);
  }

  async #read(control) {
    this.#watch(control);
    const more = { Accept: 'text/event-stream' };
    if (this.lastId !== '') more['Last-Event-ID'] = this.lastId;
    const response = await fetch(url('/events'), { cache: 'no-store', headers: headers(more), signal: control.signal });
    if (!response.ok || response.status === 204) checkStatus(response, await problemOf(response));
    this.#alive(control);
    this.on.up();
    this.pause = RETRY_MIN_MS;
    const decoder = new TextDecoder();
    const feed = sseParser((event) => {
      if (this.control !== control) return;
      if (event.id !== '') this.lastId = event.id;
      this.on.event(event);
    });
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#alive(control);
      feed(decoder.decode(value, { stream: true }));
    }
  }

  #alive(control) {
    if (this.control !== control) return;
    heard();
    this.#watch(control);
  }

  #watch(control) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => control.abort(new Error('the event stream fell silent')), SILENCE_MS);
  }
}
