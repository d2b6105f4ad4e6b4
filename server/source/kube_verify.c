/*
 * The periodic verification: a list in pages, taken beside the watch, of what stood at the version
 * where the watch was. What differs there is a fault and no mere change; what is newer than that
 * version is the watch's (see store/list.c, which decides). So the watch never waits, and the
 * list's objects have batches of their own: theirs may stand before or behind the watch's in the
 * queue, as long as LIST_BEGIN stands before everything newer than its version.
 *
 * It needs versions that can be compared; a kind with opaque ones is not verified. One that breaks
 * is left out: it is nobody's news, and the next comes in its time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/kube_watch_in.h"

enum { CHECK_TRIES_MAX = 5 };

void verify_init(struct kube_watch *w, struct queue *out)
{
    struct watch_check *c = &w->check;
    *c = (struct watch_check){.active = false};
    emit_init(&c->emit, w->kind, out);
    stream_init(&c->stream, &c->emit, w->counters);
    c->stream.watch = w;
}

void verify_fini(struct kube_watch *w)
{
    stream_fini(&w->check.stream);
    emit_fini(&w->check.emit);
}

void verify_plan(struct kube_watch *w)
{
    int64_t every = w->options->verify_interval_ms;
    w->check.due_ms = every > 0 ? clock_mono_ms() + every / 2 + watch_jitter(every / 2) / 2 : 0;
}

static void verify_end(struct kube_watch *w)
{
    stream_set_token(&w->check.stream, NULL);
    w->check.active = false;
    verify_plan(w);
}

void verify_cancel(struct kube_watch *w)
{
    struct watch_check *c = &w->check;
    if (c->active) {
        kube_call_cancel(c->stream.call);
        c->stream.call = NULL;
        emit_list_abort(&c->emit);
        verify_end(w);
    }
}

/* ---- pages ---- */

static void on_open(void *arg, struct kube_call *call)
{
    stream_open(arg, call->protobuf);
}

static void on_done(void *arg, struct kube_call *call);

static void ask_page(struct kube_watch *w)
{
    struct watch_check *c = &w->check;
    struct watch_stream *s = &c->stream;
    struct kube_handler handler = {on_open, stream_data, on_done, s};
    struct err ignored = {0}; /* the watch says so, too */
    s->namespace = w->streams[c->at].namespace;
    s->exact = w->n_streams == 1 && !c->no_exact;
    s->call = watch_ask(s, STREAM_PAGE, &handler, &ignored);
    if (s->call == NULL) {
        verify_cancel(w);
    }
}

static void on_page(struct kube_watch *w)
{
    struct watch_check *c = &w->check;
    struct watch_stream *s = &c->stream;
    c->tries = 0;
    stream_set_token(s, steal(&s->page_continue));
    if (s->token != NULL || ++c->at < w->n_streams) {
        ask_page(w);
        return;
    }
    emit_list_end(&c->emit, s->rv);
    verify_end(w);
}

static void on_failed(struct kube_watch *w, struct kube_call *call)
{
    struct watch_check *c = &w->check;
    struct watch_stream *s = &c->stream;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status st;
    watch_read_status(call, a, &st);
    bool first = s->token == NULL;
    bool refused = call->status >= 400 && call->status < 500 && call->status != 429;
    if (s->exact && first && call->status == 504 && stream_too_large(&st)) {
        watch_relist(w, &w->streams[0]); /* the server was set back: a watch would wait for ever */
        return;
    }
    if (call->status == 401) {
        kube_client_renew(w->client, call);
    } else if (s->exact && first && refused) {
        c->no_exact = true; /* this one is left out; the next goes by the newest state */
    } else if (call->status == 410 && st.continue_token[0] != '\0') {
        stream_set_token(s, xstrdup(st.continue_token)); /* newer pages: the rest is the watch's */
        refused = false;
    }
    if (first || refused || c->tries == CHECK_TRIES_MAX ||
        call->retry_after_ms > w->timing->page_retry_max) {
        verify_cancel(w);
        return;
    }
    int64_t wait = watch_jitter(w->timing->backoff_first << c->tries);
    c->tries++;
    s->due_ms = clock_mono_ms() + (wait > call->retry_after_ms ? wait : call->retry_after_ms);
}

static void on_done(void *arg, struct kube_call *call)
{
    struct watch_stream *s = arg;
    struct err ignored = {0}; /* tried again, or left out */
    bool whole = call->status == 200 && call->result == CURLE_OK && stream_finish(s, &ignored) &&
                 s->page_rv[0] != '\0';
    s->call = NULL;
    if (whole) {
        on_page(s->watch);
    } else {
        on_failed(s->watch, call);
    }
}

/* ---- when ---- */

/* Where the kind's watches stand: the oldest of their versions. false: they cannot be compared. */
static bool stands_at(const struct kube_watch *w, char *ret, size_t size)
{
    const char *oldest = w->streams[0].rv;
    for (uint32_t i = 0; i < w->n_streams; i++) {
        if (!version_numeric(w->streams[i].rv)) {
            return false;
        }
        oldest = version_older(w->streams[i].rv, oldest) ? w->streams[i].rv : oldest;
    }
    (void)snprintf(ret, size, "%s", oldest);
    return true;
}

static void begin(struct kube_watch *w)
{
    struct watch_check *c = &w->check;
    if (!stands_at(w, c->stream.rv, sizeof c->stream.rv)) {
        verify_plan(w);
        return;
    }
    emit_flush_wait(&w->emit); /* what the watch has seen up to here is no news to the list */
    emit_list_begin(&c->emit, c->stream.rv);
    w->counters->lists++;
    c->active = true;
    c->at = 0;
    c->tries = 0;
    ask_page(w);
}

int64_t verify_step(struct kube_watch *w, int64_t now)
{
    struct watch_check *c = &w->check;
    if (!c->active && c->due_ms != 0 && now >= c->due_ms) {
        begin(w);
    } else if (c->active && c->stream.call == NULL && now >= c->stream.due_ms) {
        ask_page(w);
    }
    return !c->active ? c->due_ms : c->stream.call == NULL ? c->stream.due_ms : 0;
}
