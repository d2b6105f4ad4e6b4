/* Waiting (see wait.h). */
#include "api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/problem.h"
#include "api/query.h"
#include "api/sse.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum { BUCKETS = 256, JITTER_SHARE = 16, LEFT_MS = 2000 };

struct waiter {
    struct waiters *ws;
    struct exchange *x;
    struct waiter *next; /* in its bucket */
    struct waiter **at;
    struct wait_ask ask;
    int64_t deadline_ms;
    bool touched;

    /* one that is told each step; at most one frame is under way, what changes meanwhile is one
     * later look */
    bool stream;
    bool sending; /* frame is being written, or the head is not out yet */
    bool due;     /* time is up: the next frame is the last */
    bool told;    /* there was a frame: index is the last one's */
    int64_t index;
    int64_t sent_ms;
    struct buf frame;
};

struct waiters {
    struct worker *w;
    struct waiter *buckets[BUCKETS];
    unsigned n_touched;
    int64_t left_asked_ms; /* when all were last asked whether their client is there */
};

/* ---- an answer ---- */

/* Looks once. true: the reply is filled. `last`: it is filled in any case. */
static bool look_and_answer(struct worker *w, struct exchange *x, struct wait_ask *ask, bool last)
{
    struct err err = {0};
    struct wait_look l;
    struct reply *r = &x->reply;
    AUTO(buf) rollout = BUF_INIT(WAIT_BYTES);
    if (!wait_look(w, ask, &l, &rollout, &err)) {
        problem_of(x, &err);
        return true;
    }
    if (!l.over && !last) {
        return false;
    }
    if (!l.over && x->waiter != NULL) {
        l.verdict = VERDICT_TIMEOUT;
    }
    buf_init(&r->tail, WAIT_BYTES);
    if (!wait_write(w, &l, &rollout, &r->tail, &err)) {
        problem_of(x, &err);
        return true;
    }
    r->status = 200;
    r->content_type = "application/json";
    r->cache_control = "no-store";
    return true;
}

/* ---- a stream ---- */

/* One look as an event: progress, or the last one as result or problem. false: nothing new. */
static bool make_frame(struct waiter *wt, bool *ret_last)
{
    struct err err = {0};
    struct wait_look l;
    AUTO(buf) rollout = BUF_INIT(WAIT_BYTES);
    AUTO(buf) body = BUF_INIT(WAIT_BYTES);
    bool ok = wait_look(wt->ws->w, &wt->ask, &l, &rollout, &err);
    if (ok && !l.over && !wt->due && wt->told && l.index == wt->index) {
        return false;
    }
    if (ok && !l.over && wt->due) {
        l.verdict = VERDICT_TIMEOUT;
    }
    ok = ok && wait_write(wt->ws->w, &l, &rollout, &body, &err);
    *ret_last = !ok || l.over || wt->due;
    const char *event = *ret_last ? "result" : "progress";
    const char *data = buf_str(&body);
    if (!ok) {
        int status = wt->x->reply.status; /* went out with the head */
        problem_of(wt->x, &err);
        wt->x->reply.status = status;
        event = "problem";
        data = buf_str(&wt->x->reply.tail);
    }
    wt->told = true;
    wt->index = ok ? l.index : 0;
    buf_clear(&wt->frame);
    return buf_addz(&wt->frame, "event: ") && buf_addz(&wt->frame, event) &&
           buf_addz(&wt->frame, "\ndata: ") && buf_addz(&wt->frame, data) &&
           buf_addz(&wt->frame, "\n\n");
}

/* The last frame's bytes go over to the exchange, which lives until they are written. */
static void send_frame(struct waiter *wt, bool last)
{
    struct exchange *x = wt->x;
    struct piece piece = {wt->frame.data, wt->frame.len};
    wt->sending = true;
    wt->sent_ms = clock_mono_ms();
    if (last) {
        buf_fini(&x->reply.tail);
        x->reply.tail = wt->frame;
        wt->frame = (struct buf){0};
        waiter_gone(x);
    }
    x->ops->send(x, &piece, 1, last);
}

/* Tells a stream what is new, if nothing is under way. May end it. */
static void pump(struct waiter *wt)
{
    bool last = false;
    if (wt->sending || !(wt->touched || wt->due || !wt->told)) {
        return;
    }
    wt->ws->n_touched -= wt->touched;
    wt->touched = false;
    if (make_frame(wt, &last)) {
        send_frame(wt, last);
    }
}

void wait_begin(struct exchange *x)
{
    x->waiter->sending = false;
    pump(x->waiter);
}

void wait_written(struct exchange *x)
{
    x->waiter->sending = false;
    pump(x->waiter);
}

static void beat(struct waiter *wt, int64_t now_ms)
{
    if (!wt->sending && now_ms - wt->sent_ms >= BEAT_MS) {
        buf_clear(&wt->frame);
        (void)buf_addz(&wt->frame, ":\n\n");
        send_frame(wt, false);
    }
}

/* ---- the waiters ---- */

static uint32_t bucket_of(const char *namespace, const char *name)
{
    uint32_t h = 2166136261u;
    for (const char *p = namespace; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * 16777619u;
    }
    for (const char *p = name; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * 16777619u;
    }
    return (h ^ h >> 16) % BUCKETS;
}

struct waiters *waiters_new(struct worker *w)
{
    struct waiters *ws = xcalloc(1, sizeof *ws);
    ws->w = w;
    return ws;
}

void waiters_free(struct waiters *ws)
{
    free(ws);
}

void waiter_gone(struct exchange *x)
{
    struct waiter *wt = x->waiter;
    if (wt == NULL) {
        return;
    }
    x->waiter = NULL;
    *wt->at = wt->next;
    if (wt->next != NULL) {
        wt->next->at = wt->at;
    }
    wt->ws->n_touched -= wt->touched;
    (void)atomic_fetch_sub(&wt->ws->w->shared->counters.waiters, 1);
    buf_fini(&wt->frame);
    free(wt);
}

static void touch(struct waiters *ws, struct waiter *wt)
{
    ws->n_touched += !wt->touched;
    wt->touched = true;
}

/* A commit that does not name all it changed may concern anyone. */
static void touch_all(struct waiters *ws)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct waiter *wt = ws->buckets[i]; wt != NULL; wt = wt->next) {
            touch(ws, wt);
        }
    }
}

void waiters_block(struct waiters *ws, const struct feed_block *b)
{
    if (b->overflow) {
        touch_all(ws);
        return;
    }
    for (uint32_t i = 0; i < b->n; i++) {
        const struct feed_item *item = &b->items[i];
        if (item->what != FEED_ROLLOUT) {
            continue;
        }
        struct waiter *wt = ws->buckets[bucket_of(item->namespace, item->name)];
        for (; wt != NULL; wt = wt->next) {
            if (strcmp(wt->ask.name, item->name) == 0 &&
                strcmp(wt->ask.namespace, item->namespace) == 0 &&
                strcasecmp(wt->ask.kind, item->kind) == 0) {
                touch(ws, wt);
            }
        }
    }
}

bool waiters_touched(const struct waiters *ws)
{
    return ws->n_touched > 0;
}

/* An answer or a last frame frees its waiter, never another one. */
static void look_at(struct waiter *wt, bool time_up)
{
    struct exchange *x = wt->x;
    if (wt->stream) {
        wt->due = wt->due || time_up;
        pump(wt);
        return;
    }
    wt->ws->n_touched -= wt->touched;
    wt->touched = false;
    if (look_and_answer(wt->ws->w, x, &wt->ask, time_up)) {
        waiter_gone(x);
        x->ops->answer(x);
    }
}

void waiters_tick(struct waiters *ws)
{
    for (unsigned i = 0; i < BUCKETS && ws->n_touched > 0; i++) {
        for (struct waiter *wt = ws->buckets[i]; wt != NULL;) {
            struct waiter *next = wt->next;
            if (wt->touched) {
                look_at(wt, false);
            }
            wt = next;
        }
    }
}

/* A client that has left gets its answer now: it holds one of http.max_waiters. */
void waiters_beat(struct waiters *ws, int64_t now_ms)
{
    bool ask = now_ms - ws->left_asked_ms >= LEFT_MS;
    ws->left_asked_ms = ask ? now_ms : ws->left_asked_ms;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct waiter *wt = ws->buckets[i]; wt != NULL;) {
            struct waiter *next = wt->next;
            bool due = now_ms >= wt->deadline_ms;
            if (!due && wt->stream) {
                beat(wt, now_ms);
            } else if (due || (ask && wt->x->ops->left(wt->x))) {
                look_at(wt, true);
            }
            wt = next;
        }
    }
}

void waiters_close(struct waiters *ws)
{
    waiters_beat(ws, INT64_MAX);
}

/* ---- handlers ---- */

static bool read_ask(struct exchange *x, struct wait_ask *ask)
{
    static const char words[] = "serving|complete|change";
    *ask = (struct wait_ask){.what = (enum wait_for)query_word(x, "for", words, WAIT_SERVING),
                             .cluster = query_one(x, "cluster"),
                             .namespace = x->req.args[0],
                             .kind = kind_canonical(x->req.args[1]),
                             .name = x->req.args[2],
                             .revision = query_one(x, "revision"),
                             .image = query_one(x, "image"),
                             .generation = query_int(x, "generation", 1, INT64_MAX, 0),
                             .index = query_int(x, "index", 0, INT64_MAX, -1)};
    if (x->n_errors > 0) {
        problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        return false;
    }
    return true;
}

/* Seconds asked for, and up to a sixteenth more, as the deadline. */
static int64_t deadline(int64_t timeout_s)
{
    uint16_t random = 0;
    digest_random(&random, sizeof random);
    int64_t ms = timeout_s * 1000;
    return clock_mono_ms() + ms + ms / JITTER_SHARE * random / 65536;
}

static struct waiter *park(struct worker *w, struct exchange *x, const struct wait_ask *ask,
                           int64_t timeout_s)
{
    struct waiters *ws = w->waiters;
    struct waiter *wt = xcalloc(1, sizeof *wt);
    *wt = (struct waiter){.ws = ws, .x = x, .ask = *ask, .deadline_ms = deadline(timeout_s)};
    wt->at = &ws->buckets[bucket_of(ask->namespace, ask->name)];
    wt->next = *wt->at;
    if (wt->next != NULL) {
        wt->next->at = &wt->next;
    }
    *wt->at = wt;
    x->waiter = wt;
    return wt;
}

/* false: a problem is in the reply. */
static bool room_for_one(struct worker *w, struct exchange *x)
{
    struct counters *c = &w->shared->counters;
    if (atomic_fetch_add(&c->waiters, 1) < atomic_load(&w->shared->max_waiters)) {
        return true;
    }
    (void)atomic_fetch_sub(&c->waiters, 1);
    (void)atomic_fetch_add(&c->refused, 1);
    problem(x, PROBLEM_TOO_MANY, "http.max_waiters wait already");
    return false;
}

/* The head of a stream. What can only be a problem is one, before anything is streamed. */
static enum outcome stream(struct worker *w, struct exchange *x, struct wait_ask *ask,
                           int64_t timeout_s)
{
    struct err err = {0};
    struct wait_look l;
    AUTO(buf) rollout = BUF_INIT(WAIT_BYTES);
    if (!wait_look(w, ask, &l, &rollout, &err)) {
        problem_of(x, &err);
        return OUTCOME_ANSWER;
    }
    if (!x->req.head && !room_for_one(w, x)) {
        return OUTCOME_ANSWER;
    }
    x->reply.status = 200;
    x->reply.content_type = "text/event-stream";
    x->reply.cache_control = "no-store";
    reply_header(&x->reply, "x-accel-buffering", "no");
    if (x->req.head) {
        return OUTCOME_ANSWER;
    }
    struct waiter *wt = park(w, x, ask, timeout_s);
    wt->stream = true;
    wt->sending = true;
    wt->due = w->draining;
    buf_init(&wt->frame, WAIT_BYTES);
    return OUTCOME_STREAM;
}

enum outcome get_wait(struct worker *w, struct exchange *x)
{
    struct wait_ask ask;
    int64_t timeout_s = query_int(x, "timeout", 1, 600, 55);
    reply_header(&x->reply, "vary", "accept");
    if (!read_ask(x, &ask)) {
        return OUTCOME_ANSWER;
    }
    if (query_accepts(x->req.accept, "text/event-stream", "application/json")) {
        return stream(w, x, &ask, timeout_s);
    }
    if (look_and_answer(w, x, &ask, x->req.head || w->draining) || !room_for_one(w, x)) {
        return OUTCOME_ANSWER;
    }
    (void)park(w, x, &ask, timeout_s);
    return OUTCOME_PARKED;
}

enum outcome get_gate(struct worker *w, struct exchange *x)
{
    struct wait_ask ask;
    if (!read_ask(x, &ask)) {
        return OUTCOME_ANSWER;
    }
    (void)look_and_answer(w, x, &ask, true);
    if (x->reply.status == 200 && strstr(buf_str(&x->reply.tail), "{\"met\":true") == NULL) {
        x->reply.status = 503;
        reply_header(&x->reply, "retry-after", "5");
    }
    return OUTCOME_ANSWER;
}
