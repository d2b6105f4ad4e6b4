/*
 * What a watch machine makes of an answer: the next page, the watch, the same again later, or all
 * anew. The rules stand at the top of kube_watch.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/kube_watch_in.h"

/* A server that starts refuses everybody until it has read the roles: a 403 means no only when it
 * stays. */
enum { PAGE_TRIES_MAX = 5, DENIED_TRIES = 5 };

void watch_read_status(const struct kube_call *call, struct arena *a, struct kube_status *ret)
{
    *ret = (struct kube_status){.message = "", .reason = "", .continue_token = ""};
    struct err err = {0};
    struct pb raw;
    const char *body = buf_str(&call->error_body);
    size_t len = call->error_body.len;
    json_t *doc = json_loadb(body, len, 0, NULL);
    bool ok = doc != NULL ? json_read_table(&kube_status_table, doc, a, ret, &err)
                          : frame_unwrap(body, len, &raw, &err) &&
                                pb_read_table(&kube_status_table, raw.p, (size_t)(raw.end - raw.p),
                                              a, ret, &err);
    json_decref(doc);
    if (!ok) { /* a proxy's page, or nothing */
        *ret = (struct kube_status){.message = "", .reason = "", .continue_token = ""};
    }
}

static enum source_state state_of(int status)
{
    switch (status) {
    case 0:
        return SOURCE_UNREACHABLE;
    case 401:
    case 403:
        return SOURCE_DENIED;
    case 429:
        return SOURCE_THROTTLED;
    default:
        return SOURCE_FAILING;
    }
}

static void on_expired(struct kube_watch *w, struct watch_stream *s, const struct kube_status *st)
{
    w->counters->relists_410++;
    bool go_on = s->mode == STREAM_PAGE && st->continue_token[0] != '\0' && !w->inconsistent;
    if (go_on) { /* newer pages; the watch from the first page's version repairs the mix */
        stream_set_token(s, xstrdup(st->continue_token));
        w->page_tries = 0;
        w->inconsistent = true;
        watch_start(s, STREAM_PAGE);
        return;
    }
    watch_relist(w, s);
}

/* The same page again, if it is worth waiting for; false: the list must be given up. */
static bool retry_page(struct kube_watch *w, struct watch_stream *s, int64_t retry_after_ms)
{
    bool worth = s->mode == STREAM_PAGE && w->emit.in_list && s->token != NULL &&
                 retry_after_ms <= w->timing->page_retry_max && w->page_tries < PAGE_TRIES_MAX;
    if (worth) {
        w->page_tries++;
        watch_wait(s, retry_after_ms);
    }
    return worth;
}

/* Try the same again later. */
static void retry(struct watch_stream *s, int64_t at_least_ms)
{
    struct kube_watch *w = s->watch;
    if (s->mode == STREAM_WATCH) {
        watch_wait(s, at_least_ms);
    } else if (!retry_page(w, s, at_least_ms)) {
        watch_give_up(w, s, at_least_ms);
    }
}

/* An answer other than 200, or none. */
static void on_refused(struct watch_stream *s, const struct kube_call *call)
{
    struct kube_watch *w = s->watch;
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status st;
    char text[256];
    watch_read_status(call, a, &st);
    if (call->status == 0) {
        (void)snprintf(text, sizeof text, "%.250s", call->error);
    } else if (call->retry_after_ms > 0) {
        (void)snprintf(text, sizeof text, "HTTP %d%s%.180s, the server asks to wait %" PRId64 " s",
                       call->status, st.message[0] != '\0' ? " " : "", st.message,
                       call->retry_after_ms / 1000);
    } else {
        (void)snprintf(text, sizeof text, "HTTP %d %.200s", call->status, st.message);
    }
    s->failures++;
    s->denials = call->status == 403 ? s->denials + 1 : 0;
    bool quiet = s->failures == 1 &&
                 (call->status == 401 || call->status == 404 || (call->status == 403 && w->synced));
    bool future = stream_too_large(&st) && s->mode == STREAM_WATCH;
    bool no_watch_list = call->status == 400 || call->status == 406 || call->status == 422;
    int64_t wait = call->retry_after_ms;
    if (call->status == 410) {
        on_expired(w, s, &st);
        return;
    }
    if (s->mode == STREAM_INITIAL && no_watch_list) {
        w->no_watch_list = true;
        watch_list_start(w);
        return;
    }
    if (call->status == 401) {
        kube_client_renew(w->client, call);
    } else if (call->status == 403 && s->denials >= DENIED_TRIES) {
        wait = watch_jitter(w->timing->denied_retry);
    } else if (call->status == 404) {
        w->missing = true;
    } else if (future && s->failures > 1) { /* an etcd restored from a backup */
        watch_relist(w, s);
        return;
    }
    if (!quiet) {
        emit_report(&w->emit, state_of(call->status), text);
    }
    retry(s, wait);
}

static void on_page_done(struct watch_stream *s, struct kube_call *call)
{
    struct kube_watch *w = s->watch;
    struct err err = {0};
    if (call->result != CURLE_OK) {
        (void)err_set(&err, ERR_REMOTE, "%s", call->error);
    } else if (stream_finish(s, &err) && s->page_rv[0] == '\0') {
        (void)err_set(&err, ERR_REMOTE, "a list without a resourceVersion");
    }
    s->call = NULL;
    if (err.code != ERR_NONE) { /* a broken page is never the end of the list */
        s->failures++;
        emit_report(&w->emit, SOURCE_FAILING, err.text);
        retry(s, 0);
        return;
    }
    s->failures = 0;
    s->denials = 0;
    if (s->token == NULL && w->list_at == 0) {
        (void)snprintf(w->list_rv, sizeof w->list_rv, "%s", s->page_rv);
    }
    w->page_tries = 0;
    stream_set_token(s, steal(&s->page_continue));
    if (s->token == NULL && ++w->list_at == w->n_streams) {
        watch_list_ended(w);
        return;
    }
    watch_start(&w->streams[w->list_at], STREAM_PAGE);
}

/* A WatchList that ended before its initial events did. */
static void on_initial_done(struct watch_stream *s, const struct kube_call *call)
{
    struct kube_watch *w = s->watch;
    w->pages_next = true;
    emit_report(&w->emit, SOURCE_FAILING,
                call->error[0] != '\0' ? call->error
                                       : "the streaming list ended early; using pages");
    watch_give_up(w, s, 0);
}

static void on_watch_done(struct watch_stream *s, const struct kube_call *call)
{
    struct kube_watch *w = s->watch;
    int64_t lived = clock_mono_ms() - s->began_ms;
    bool clean = call->result == CURLE_OK;
    if (lived > w->timing->backoff_reset || s->received > 0) {
        s->backoff_ms = 0;
    }
    s->stuck = s->received > 0 ? 0 : s->stuck + (call->aborted && !s->told ? 1u : 0u);
    s->failures = s->good ? 0 : s->failures + 1;
    s->denials = 0;
    w->counters->closed_early += clean && lived < w->timing->watch * 9 / 10 ? 1 : 0;
    /* What breaks at the same place again is healed by a list, or by nothing. */
    if (s->expired || (s->too_large && s->failures > 1) || s->stuck > 1) {
        s->stuck = 0;
        watch_relist(w, s);
        return;
    }
    if (clean && (lived >= w->timing->short_watch || s->received > 0)) {
        s->due_ms = 0;
        return;
    }
    if (!s->good && !clean) {
        emit_report(&w->emit,
                    s->throttled    ? SOURCE_THROTTLED
                    : call->aborted ? SOURCE_FAILING
                                    : SOURCE_UNREACHABLE,
                    call->error);
    }
    watch_wait(s, 0);
}

/* A try that comes further than the one before begins the back-off anew: a server that starts
 * refuses, then says 410, and each of these must not cost the long waits of its absence again. */
static void note_reach(struct watch_stream *s, const struct kube_call *call)
{
    enum stream_reach now = call->status == 200                        ? REACH_OPEN
                            : call->status == 0 || call->status >= 500 ? REACH_NOTHING
                                                                       : REACH_ANSWER;
    if (now > s->reach) {
        s->backoff_ms = 0;
    }
    s->reach = now;
}

void watch_on_done(void *arg, struct kube_call *call)
{
    struct watch_stream *s = arg;
    note_reach(s, call);
    if (call->status == 200 && s->mode == STREAM_PAGE) {
        on_page_done(s, call);
        return;
    }
    s->call = NULL;
    (void)emit_flush(&s->watch->emit); /* full: it leaves with the next turn */
    if (call->status != 200) {
        on_refused(s, call);
    } else if (s->mode == STREAM_INITIAL) {
        on_initial_done(s, call);
    } else {
        on_watch_done(s, call);
    }
}
