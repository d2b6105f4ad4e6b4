/*
 * The watch machine. Rules, with client-go's reflector as the model:
 *   - a watch that ends goes on from the last resourceVersion; only 410 (as status or as ERROR
 *     event), a version from the future twice in a row, or an ERROR event that is no 429 and no 5xx
 *     makes a list
 *   - refused, 429, 5xx: back off (0.8 s doubling to 30 s, jittered, reset when healthy or when a
 *     try comes further than the one before) and try the same again; a page of a list too, a few
 *     times, before the list is given up
 *   - any trouble before the end of a WatchList makes the next list go by pages; a server that
 *     refuses WatchLists is not asked for one again
 *   - a list replaces only when it is whole: LIST_BEGIN ... LIST_END; a broken one is LIST_ABORT
 *     and deletes nothing
 *   - a 404 is a question to discovery, never a deletion by itself: a proxy can say it, too
 *   - versions of initial events are not kept before the bookmark that ends them
 *   - a periodic verification is a list beside the watch (kube_verify.c)
 * A source is reported as failing when trying again has failed, not at the first cut.
 */
#include "source/kube_watch_in.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

const struct watch_timing watch_timing_default = {.backoff_first = 800,
                                                  .backoff_max = 30000,
                                                  .backoff_reset = 120000,
                                                  .short_watch = 1000,
                                                  .good_after = 500,
                                                  .denied_retry = 300000,
                                                  .page_retry_max = 5000,
                                                  .watch = 300000,
                                                  .silence = 150000,
                                                  .initial_silence = 60000};

/* First lists of a kind that fail before nobody waits for it. */
enum { LIST_TRIES = 4 };

/* Between ms and twice that: many clients must not come back at once. */
int64_t watch_jitter(int64_t ms)
{
    return ms + digest_random_below(ms);
}

static uint32_t count_namespaces(const struct kube_options *opt, enum kind kind)
{
    uint32_t n = 0;
    while (opt->namespaces != NULL && kube_kind_namespaced(kind) && opt->namespaces[n] != NULL) {
        n++;
    }
    return n;
}

void kube_watch_init(struct kube_watch *w, enum kind kind, const struct kube_options *opt,
                     struct kube_client *client, struct queue *out, struct watch_counters *counters)
{
    uint32_t named = count_namespaces(opt, kind);
    *w = (struct kube_watch){.kind = kind,
                             .state = WATCH_ABSENT,
                             .options = opt,
                             .timing = &watch_timing_default,
                             .client = client,
                             .counters = counters,
                             .no_watch_list = !opt->watch_list || named > 1,
                             .n_streams = named > 0 ? named : 1};
    emit_init(&w->emit, kind, out);
    w->emit.partial = named > 0;
    verify_init(w, out);
    w->streams = xcalloc(w->n_streams, sizeof *w->streams);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        stream_init(&w->streams[i], &w->emit, counters);
        w->streams[i].watch = w;
        w->streams[i].namespace = named > 0 ? opt->namespaces[i] : "";
    }
}

void kube_watch_fini(struct kube_watch *w)
{
    for (uint32_t i = 0; i < w->n_streams; i++) {
        stream_fini(&w->streams[i]);
    }
    free(w->streams);
    w->streams = NULL;
    w->n_streams = 0;
    verify_fini(w);
    emit_fini(&w->emit);
}

/* ---- lists ---- */

static void watch_list_reset(struct kube_watch *w)
{
    verify_cancel(w);
    emit_list_abort(&w->emit);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        stream_set_token(&w->streams[i], NULL);
    }
    w->page_tries = 0;
    w->list_at = 0;
    w->inconsistent = false;
}

static void watch_cancel(struct kube_watch *w)
{
    for (uint32_t i = 0; i < w->n_streams; i++) {
        kube_call_cancel(w->streams[i].call);
        w->streams[i].call = NULL;
    }
}

static void watch_forget(struct kube_watch *w)
{
    for (uint32_t i = 0; i < w->n_streams; i++) {
        w->streams[i].rv[0] = '\0';
    }
}

void watch_list_ended(struct kube_watch *w)
{
    emit_list_end(&w->emit, w->list_rv);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        struct watch_stream *s = &w->streams[i];
        (void)snprintf(s->rv, sizeof s->rv, "%s", w->list_rv);
        s->due_ms = 0;
        s->failures = 0;
        s->stuck = 0;
    }
    watch_list_reset(w);
    w->pages_next = false;
    w->synced = true;
    w->state = WATCH_LIVE;
    verify_plan(w);
    emit_report(&w->emit, SOURCE_OK, "");
}

void kube_watch_initial_ended(struct kube_watch *w, const char *rv)
{
    struct watch_stream *s = &w->streams[0];
    (void)snprintf(w->list_rv, sizeof w->list_rv, "%s", rv);
    watch_list_ended(w);
    s->mode = STREAM_WATCH;
    s->call->silence_ms = w->timing->silence; /* bookmarks are a minute apart from here on */
}

/* ---- waiting ---- */

void watch_wait(struct watch_stream *s, int64_t at_least_ms)
{
    const struct watch_timing *t = s->watch->timing;
    if (s->backoff_ms == 0) {
        s->backoff_ms = t->backoff_first;
    }
    int64_t ms = watch_jitter(s->backoff_ms);
    s->backoff_ms = s->backoff_ms * 2 > t->backoff_max ? t->backoff_max : s->backoff_ms * 2;
    s->asked_ms = clock_mono_ms() + at_least_ms;
    s->due_ms = clock_mono_ms() + (ms > at_least_ms ? ms : at_least_ms);
    s->counters->retries++;
    if (s->watch->state != WATCH_LIVE) {
        s->watch->state = WATCH_WAITING;
    }
}

/* Everything anew, by a list; at once when the stream was healthy. */
void watch_relist(struct kube_watch *w, struct watch_stream *s)
{
    bool healthy = s->backoff_ms == 0;
    watch_cancel(w);
    watch_list_reset(w);
    watch_forget(w);
    w->state = WATCH_WAITING;
    struct watch_stream *first = &w->streams[0];
    first->backoff_ms = s->backoff_ms;
    watch_wait(first, 0);
    if (healthy) {
        first->due_ms = 0;
    }
}

/* The list is given up; stored versions stay. */
void watch_give_up(struct kube_watch *w, struct watch_stream *s, int64_t at_least_ms)
{
    struct watch_stream *first = &w->streams[0];
    if (!w->synced && s->failures >= LIST_TRIES && w->emit.reported == SOURCE_FAILING) {
        emit_settle(&w->emit); /* tried on, but one broken kind must not hold up the others */
    }
    watch_list_reset(w);
    w->state = WATCH_WAITING;
    first->backoff_ms = s->backoff_ms > first->backoff_ms ? s->backoff_ms : first->backoff_ms;
    watch_wait(first, at_least_ms);
}

/* ---- requests ---- */

static void on_open(void *arg, struct kube_call *call)
{
    struct watch_stream *s = arg;
    struct kube_watch *w = s->watch;
    stream_open(s, call->protobuf);
    if (s->mode != STREAM_WATCH && !w->emit.in_list) {
        w->counters->lists++;
        emit_list_begin(&w->emit, NULL);
    }
}

static bool is_custom(enum kind kind)
{
    return kind == KIND_BINDING_LBC || kind == KIND_BINDING_AUTO || kind == KIND_ARGO_ROLLOUT;
}

/*
 * Seen with curl at kube-apiserver 1.36.3 and 1.37.2, which 800 pods of 10 KB were created at:
 *
 *   offered gzip      1.36.3            1.37.2
 *   page of a list    packed by both from 128 KiB on, one member: 5.7 MB of protobuf in 0.35
 *   WatchList         plain             5.8 MB in 0.37; each flush ends a member, so that an event
 *                                       comes as soon as plain: 7.5 KB in 2.9, nothing held back
 *   watch from rv     plain             plain
 *
 * So it is offered wherever it may be taken. That costs both ends time, hence only who has a slow
 * line asks for it.
 */
static bool offers_gzip(const struct kube_watch *w, enum stream_mode mode)
{
    return w->options->compress && mode != STREAM_WATCH;
}

struct kube_call *watch_ask(struct watch_stream *s, enum stream_mode mode,
                            const struct kube_handler *handler, struct err *err)
{
    struct kube_watch *w = s->watch;
    AUTO(buf) path = BUF_INIT(16384);
    int64_t seconds = watch_jitter(w->timing->watch) / 1000;
    bool page = mode == STREAM_PAGE;
    /* Without a version it would begin in the present: what went before would be lost in silence.
     */
    assert(mode != STREAM_WATCH || s->rv[0] != '\0');
    stream_reset(s, mode);
    kube_watch_path(w, s, seconds > 0 ? seconds : 1, &path);
    struct kube_call_options opt = {
        .path = buf_str(&path),
        .stream = !page,
        .protobuf = w->options->protobuf && !is_custom(w->kind),
        .gzip = offers_gzip(w, mode),
        .deadline_ms = page ? 0 : (seconds + 30) * 1000,
        .silence_ms = mode == STREAM_WATCH ? w->timing->silence : w->timing->initial_silence};
    return kube_call_start(w->client, &opt, handler, err);
}

void watch_start(struct watch_stream *s, enum stream_mode mode)
{
    struct kube_watch *w = s->watch;
    struct kube_handler handler = {on_open, stream_data, watch_on_done, s};
    struct err err = {0};
    s->call = watch_ask(s, mode, &handler, &err);
    if (s->call == NULL) {
        emit_report(&w->emit, SOURCE_DENIED, err.text);
        if (mode == STREAM_WATCH) {
            watch_wait(s, 0);
        } else {
            watch_give_up(w, s, 0);
        }
    }
}

void watch_list_start(struct kube_watch *w)
{
    bool by_stream = !w->no_watch_list && !w->pages_next;
    w->state = WATCH_LISTING;
    w->list_at = 0;
    watch_start(&w->streams[0], by_stream ? STREAM_INITIAL : STREAM_PAGE);
}

/* ---- the door ---- */

void kube_watch_resume(struct kube_watch *w, const char *rv)
{
    for (uint32_t i = 0; i < w->n_streams; i++) {
        (void)snprintf(w->streams[i].rv, sizeof w->streams[i].rv, "%s", rv);
    }
}

void kube_watch_found(struct kube_watch *w, const char *version)
{
    bool first = w->version[0] == '\0';
    bool changed = strcmp(w->version, version) != 0;
    w->missing = false;
    (void)snprintf(w->version, sizeof w->version, "%s", version);
    if (w->state != WATCH_ABSENT && !changed) {
        return;
    }
    watch_cancel(w);
    watch_list_reset(w);
    if (!first && changed) { /* another schema: every object is read anew */
        watch_forget(w);
    }
    for (uint32_t i = 0; i < w->n_streams; i++) {
        w->streams[i].due_ms = 0;
    }
    w->state = WATCH_QUEUED;
    emit_report(&w->emit, SOURCE_SYNCING, "");
}

bool kube_watch_unknown(struct kube_watch *w)
{
    if (w->state != WATCH_ABSENT) {
        return false;
    }
    if (w->emit.reported == SOURCE_STARTING) { /* a server that starts says so, too */
        emit_report(&w->emit, SOURCE_FAILING, "its API group does not answer now");
        return true;
    }
    if (w->emit.reported == SOURCE_FAILING) {
        emit_settle(&w->emit);
    }
    return false;
}

void kube_watch_gone(struct kube_watch *w)
{
    w->missing = false;
    if (w->state == WATCH_ABSENT && w->emit.reported == SOURCE_ABSENT) {
        return;
    }
    watch_cancel(w);
    watch_list_reset(w);
    watch_forget(w);
    w->state = WATCH_ABSENT;
    emit_gone(&w->emit);
    emit_report(&w->emit, SOURCE_ABSENT, "");
}

void kube_watch_hurry(struct kube_watch *w)
{
    bool throttled = w->emit.reported == SOURCE_THROTTLED;
    for (uint32_t i = 0; i < w->n_streams && !throttled; i++) {
        struct watch_stream *s = &w->streams[i];
        if (s->call == NULL && s->due_ms != 0) {
            s->denials = 0; /* those may have been of a server that started */
            s->backoff_ms = 0;
            s->due_ms = clock_mono_ms() + watch_jitter(w->timing->backoff_first) / 4;
        }
    }
}

/* Never sooner than the server has asked; and the back-off stays as long as it was: when there is
 * no room after all, it waits on. */
void kube_watch_room(struct kube_watch *w)
{
    bool throttled = w->emit.reported == SOURCE_THROTTLED;
    for (uint32_t i = 0; i < w->n_streams && throttled; i++) {
        struct watch_stream *s = &w->streams[i];
        if (s->call == NULL && s->due_ms != 0) {
            int64_t soon = clock_mono_ms() + digest_random_below(w->timing->backoff_first) / 4;
            s->due_ms = soon > s->asked_ms ? soon : s->asked_ms;
        }
    }
}

bool kube_watch_syncing(const struct kube_watch *w)
{
    return (w->state == WATCH_LISTING || w->state == WATCH_QUEUED) && !w->synced;
}

int64_t kube_watch_seen_ms(const struct kube_watch *w)
{
    int64_t seen = w->emit.ok_ms;
    for (uint32_t i = 0; i < w->n_streams; i++) {
        const struct watch_stream *s = &w->streams[i];
        bool live = w->state == WATCH_LIVE && s->call != NULL && s->opened_ms != 0;
        int64_t at = live ? s->call->last_byte_ms : 0;
        seen = at > seen ? at : seen;
    }
    return seen;
}

/* Lists, goes on with a list, or goes live from stored rows, when its time has come. */
static void begin_if_due(struct kube_watch *w, int64_t now, bool may_sync)
{
    struct watch_stream *s = &w->streams[w->emit.in_list ? w->list_at : 0];
    bool waiting = w->state == WATCH_QUEUED || w->state == WATCH_WAITING;
    if (!waiting || now < s->due_ms) {
        return;
    }
    if (w->emit.in_list) {
        w->state = WATCH_LISTING;
        watch_start(s, STREAM_PAGE);
    } else if (s->rv[0] != '\0') {
        w->state = WATCH_LIVE;
        w->synced = true;
        if (w->check.due_ms == 0) {
            verify_plan(w);
        }
    } else if (may_sync || w->synced) {
        watch_list_start(w);
    }
}

/* A watch that opened and lives is a good sign, even when nothing happens. */
static void note_good(struct kube_watch *w, int64_t now)
{
    bool all = true;
    for (uint32_t i = 0; i < w->n_streams; i++) {
        struct watch_stream *s = &w->streams[i];
        bool lives = s->call != NULL && s->opened_ms != 0;
        if (lives && now - s->opened_ms >= w->timing->good_after) {
            s->good = true;
        }
        if (lives && s->good) {
            s->failures = 0;
        }
        all = all && lives && s->good;
    }
    if (all && w->emit.reported != SOURCE_OK) {
        emit_report(&w->emit, SOURCE_OK, "");
    }
}

static int64_t step_live(struct kube_watch *w, int64_t now)
{
    int64_t next = verify_step(w, now);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        struct watch_stream *s = &w->streams[i];
        if (s->call == NULL && now >= s->due_ms) {
            watch_start(s, STREAM_WATCH);
        }
        int64_t wish = s->call == NULL ? s->due_ms : !s->good ? now + w->timing->good_after : 0;
        next = wish > 0 && (next == 0 || wish < next) ? wish : next;
    }
    note_good(w, now);
    emit_alive(&w->emit, kube_watch_seen_ms(w));
    return next;
}

/* What waited for room goes on. */
static void unblock(struct watch_stream *s)
{
    if (s->call == NULL || !emit_ready(s->emit)) {
        return;
    }
    if (frame_pending(&s->reader) > 0 && !stream_drain(s)) {
        s->call->aborted = true; /* the client ends it in its next turn */
    } else if (s->call->paused && emit_ready(s->emit)) {
        kube_client_resume(s->call);
    }
}

static void flush(struct kube_watch *w)
{
    (void)emit_flush(&w->emit); /* full: the next turn tries again */
    (void)emit_flush(&w->check.emit);
}

int64_t kube_watch_step(struct kube_watch *w, bool may_sync)
{
    int64_t now = clock_mono_ms();
    flush(w);
    for (uint32_t i = 0; i < w->n_streams; i++) {
        unblock(&w->streams[i]);
    }
    unblock(&w->check.stream);
    begin_if_due(w, now, may_sync);
    int64_t next = w->state == WATCH_LIVE      ? step_live(w, now)
                   : w->state == WATCH_WAITING ? w->streams[w->emit.in_list ? w->list_at : 0].due_ms
                                               : 0;
    flush(w);
    return w->emit.blocked || w->check.emit.blocked ? now + 5 : next;
}
