/* Waiting (see wait.h). */
#include "api/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/problem.h"
#include "api/query.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum { BUCKETS = 256, JITTER_SHARE = 16, WAIT_BYTES = 1 << 20 };

struct waiter {
    struct waiters *ws;
    struct exchange *x;
    struct waiter *next; /* in its bucket */
    struct waiter **at;
    struct wait_ask ask;
    int64_t deadline_ms;
    bool touched;
};

struct waiters {
    struct worker *w;
    struct waiter *buckets[BUCKETS];
    unsigned n_touched;
};

/* ---- verdicts ---- */

const char *verdict_name(enum verdict v)
{
    static const char *const names[] = {"serving", "waiting", "failed", "superseded", "timeout"};
    return names[v];
}

/* Is the image one of the JSON array's strings? */
static bool has_image(const char *images, const char *image)
{
    AUTO(buf) quoted = BUF_INIT(16 << 10);
    struct json_out j = json_out(&quoted);
    json_str(&j, image); /* as the writer wrote it */
    return !quoted.overflow && strstr(images, buf_str(&quoted)) != NULL;
}

static bool whole_number(const char *text, long long *ret)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != '\0') {
        return false;
    }
    *ret = strtoll(text, NULL, 10);
    return true;
}

static enum pin pin_revision(const struct wait_ask *ask, const struct rollout_info *info, bool past)
{
    long long want = 0;
    long long have = 0;
    if (strcmp(ask->revision, info->revision) == 0 ||
        strcmp(ask->revision, info->revision_hash) == 0) {
        return PIN_FITS;
    }
    if (past || (whole_number(ask->revision, &want) && whole_number(info->revision, &have) &&
                 have > want)) {
        return PIN_LATER;
    }
    return PIN_EARLIER;
}

enum pin wait_pin(struct wait_ask *ask, const struct rollout_info *info, bool past)
{
    if (ask->revision != NULL) {
        enum pin pin = pin_revision(ask, info, past);
        if (pin != PIN_FITS) {
            return pin;
        }
    }
    if (ask->image == NULL && ask->generation == 0) {
        return PIN_FITS;
    }
    bool fits = (ask->image == NULL || has_image(info->images, ask->image)) &&
                info->generation >= ask->generation;
    if (ask->matched[0] != '\0') {
        return fits && strncmp(ask->matched, info->revision_hash, HASH_TEXT - 1) == 0 ? PIN_FITS
                                                                                      : PIN_LATER;
    }
    if (fits && info->observed) { /* before that, the hash is the old one's */
        (void)snprintf(ask->matched, sizeof ask->matched, "%s", info->revision_hash);
    }
    return fits ? PIN_FITS : PIN_EARLIER;
}

enum verdict wait_verdict(const struct wait_ask *ask, const struct rollout_info *info, enum pin pin,
                          bool *ret_met)
{
    *ret_met = false;
    if (pin == PIN_LATER) {
        return VERDICT_SUPERSEDED;
    }
    bool mine = pin == PIN_FITS && info->observed;
    bool serves = mine && (info->state == ROLLOUT_SERVING || info->state == ROLLOUT_NOT_GATED ||
                           info->state == ROLLOUT_IDLE);
    bool fails = mine && !serves && (info->state == ROLLOUT_FAILED || info->terminal);
    switch (ask->what) {
    case WAIT_SERVING:
        *ret_met = serves;
        break;
    case WAIT_COMPLETE:
        *ret_met = mine && info->complete;
        break;
    case WAIT_CHANGE:
        *ret_met = pin == PIN_FITS && info->rev > ask->index;
        break;
    }
    return serves ? VERDICT_SERVING : fails ? VERDICT_FAILED : VERDICT_WAITING;
}

/* ---- one look ---- */

static bool pinned(const struct wait_ask *ask)
{
    return ask->revision != NULL || ask->image != NULL || ask->generation != 0;
}

struct look {
    bool met;
    bool over; /* answer now */
    enum verdict verdict;
    int64_t index;
};

/* In a snapshot. Writes the answer but for its tail. ERR_NOT_FOUND only when nothing is pinned. */
static bool look(struct worker *w, struct wait_ask *ask, struct buf *out, struct look *ret,
                 struct err *err)
{
    struct object_name name = {.namespace = ask->namespace, .kind = ask->kind, .name = ask->name};
    const char *cluster = NULL;
    int64_t id = 0;
    struct rollout_info info = {0};
    AUTO(buf) value = BUF_INIT(WAIT_BYTES);
    struct json_out v = json_out(&value);
    bool past = false;
    bool ok =
        reader_cluster(w->reader, ask->cluster, &name.cluster, &cluster, err) &&
        reader_find(w->reader, &name, &id, err) &&
        reader_rollout(w->reader, id, false, &v, &info, err) &&
        (ask->revision == NULL || reader_revision_past(w->reader, id, ask->revision, &past, err));
    if (!ok && (err->code != ERR_NOT_FOUND || !pinned(ask))) {
        return false;
    }
    *ret = (struct look){.verdict = VERDICT_WAITING, .index = info.rev};
    if (ok) {
        if (ask->index < 0) {
            ask->index = info.rev;
        }
        ret->verdict = wait_verdict(ask, &info, wait_pin(ask, &info, past), &ret->met);
    }
    ret->over = ret->met || ret->verdict == VERDICT_FAILED || ret->verdict == VERDICT_SUPERSEDED;
    buf_clear(out);
    (void)buf_addz(out, ok ? buf_str(&value) : "null");
    return true;
}

static void write_answer(struct worker *w, struct exchange *x, const struct look *l,
                         const struct buf *rollout)
{
    struct reply *r = &x->reply;
    struct err err = {0};
    buf_init(&r->tail, WAIT_BYTES);
    struct json_out j = json_out(&r->tail);
    json_open(&j, '{');
    json_kbool(&j, "met", l->met);
    json_kstr(&j, "verdict", verdict_name(l->verdict));
    json_kbool(&j, "terminal", l->verdict == VERDICT_FAILED || l->verdict == VERDICT_SUPERSEDED);
    json_kint(&j, "index", l->index);
    json_key(&j, "rollout");
    json_raw(&j, buf_str(rollout));
    if (!view_tail(w, VIEW_WAIT, &r->tail, &err)) {
        problem_of(x, &err);
        return;
    }
    r->status = 200;
    r->content_type = "application/json";
    r->cache_control = "no-store";
}

/* Looks once. true: the reply is filled. `last`: it is filled in any case. */
static bool look_and_answer(struct worker *w, struct exchange *x, struct wait_ask *ask, bool last)
{
    struct err err = {0};
    struct look l;
    AUTO(buf) rollout = BUF_INIT(WAIT_BYTES);
    bool ok = reader_begin(w->reader, &err) && look(w, ask, &rollout, &l, &err);
    reader_end(w->reader);
    if (!ok) {
        problem_of(x, &err);
        return true;
    }
    if (!l.over && !last) {
        return false;
    }
    if (!l.over && x->waiter != NULL) {
        l.verdict = VERDICT_TIMEOUT;
    }
    write_answer(w, x, &l, &rollout);
    return true;
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

/* Looks at those that `which` picks. An answer may free its waiter, never another one. */
static void look_at(struct waiters *ws, bool touched_only, int64_t now_ms, bool last)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct waiter *wt = ws->buckets[i]; wt != NULL;) {
            struct waiter *next = wt->next;
            struct exchange *x = wt->x;
            bool due = last || now_ms >= wt->deadline_ms;
            if (touched_only ? wt->touched : due) {
                ws->n_touched -= wt->touched;
                wt->touched = false;
                if (look_and_answer(ws->w, x, &wt->ask, !touched_only)) {
                    waiter_gone(x);
                    x->ops->answer(x);
                }
            }
            wt = next;
        }
    }
}

void waiters_tick(struct waiters *ws)
{
    if (ws->n_touched > 0) {
        look_at(ws, true, 0, false);
    }
}

void waiters_beat(struct waiters *ws, int64_t now_ms)
{
    look_at(ws, false, now_ms, false);
}

void waiters_close(struct waiters *ws)
{
    look_at(ws, false, 0, true);
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

static void park(struct worker *w, struct exchange *x, const struct wait_ask *ask,
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
}

enum outcome get_wait(struct worker *w, struct exchange *x)
{
    struct wait_ask ask;
    int64_t timeout_s = query_int(x, "timeout", 1, 600, 55);
    if (!read_ask(x, &ask) || look_and_answer(w, x, &ask, x->req.head || w->draining)) {
        return OUTCOME_ANSWER;
    }
    struct counters *c = &w->shared->counters;
    if (atomic_fetch_add(&c->waiters, 1) >= atomic_load(&w->shared->max_waiters)) {
        (void)atomic_fetch_sub(&c->waiters, 1);
        (void)atomic_fetch_add(&c->refused, 1);
        problem(x, PROBLEM_TOO_MANY, "http.max_waiters wait already");
        return OUTCOME_ANSWER;
    }
    park(w, x, &ask, timeout_s);
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
