/*
 * The writer: one thread that owns the store.
 *
 * It takes what is queued, at once and with no timed window: under load a batch grows by itself,
 * since more arrives while one commits. Each batch is one transaction (transact.c), then the
 * revision is published, the poller hears what to look at, and the deliver thread is woken.
 *
 * A transaction that fails (a full disk) is rolled back and tried again each second with the same
 * changes, which stay here until they are committed; nothing more is taken meanwhile, so the queue
 * fills and the sources wait. Nothing is lost, and writer_metrics says so. Only what fails by our
 * own mistake (ERR_BUG: a row that breaks the schema) is put aside with a line in the log, so that
 * one bad object cannot hold up a cluster.
 */
#include "pipeline/writer_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/change.h"

/* ---- what is held ---- */

/* Takes what is queued; waits for the first one. Returns how many came. */
static size_t take(struct writer *w, int timeout_ms)
{
    enum { SLICE = 32 };
    void *items[SLICE];
    size_t taken = 0;
    size_t bytes = 0;
    while (taken < BATCH_ITEMS && bytes < BATCH_BYTES) {
        size_t n = queue_drain(w->opt.in, items, SLICE, taken == 0 ? timeout_ms : 0);
        w->held = xgrow(w->held, &w->cap_held, w->n_held + n + 1, sizeof(struct change *));
        for (size_t i = 0; i < n; i++) {
            bytes += change_weight(items[i]);
            w->held[w->n_held++] = items[i];
        }
        taken += n;
        if (n < SLICE) {
            break;
        }
    }
    w->held_bytes += bytes;
    return taken;
}

static void book_latency(struct writer *w, int64_t us)
{
    static const int64_t limits_us[LATENCY_BUCKETS - 1] = {
        1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000};
    unsigned i = 0;
    while (i < LATENCY_BUCKETS - 1 && us > limits_us[i]) {
        i++;
    }
    (void)atomic_fetch_add_explicit(&w->m_latency[i], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&w->m_latency_sum_us, us > 0 ? (uint64_t)us : 0,
                                    memory_order_relaxed);
}

static void drop_held(struct writer *w, bool committed)
{
    int64_t now = clock_mono_us();
    for (size_t i = 0; i < w->n_held; i++) {
        if (committed && w->held[i]->received_us != 0) {
            book_latency(w, now - w->held[i]->received_us);
        }
        change_free(w->held[i]);
    }
    if (committed) {
        (void)atomic_fetch_add(&w->m_changes, w->n_held);
    }
    w->n_held = 0;
    w->n_applied = 0;
    w->held_bytes = 0;
}

/* ---- after a commit ---- */

static uint64_t hash_wish(uint64_t hash, const struct elb_wish *wish)
{
    const char *const texts[] = {wish->arn,         wish->name,   wish->role_arn,
                                 wish->external_id, wish->vpc_id, wish->balancer};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hash = hash_part(hash, texts[i]);
    }
    return (hash ^ (wish->hot ? 2U : 0U) ^ (wish->attributes ? 1U : 0U)) * HASH_PRIME;
}

/* At most once a second, and only what is new to the poller. */
static void tell_wishes(struct writer *w)
{
    struct err err = {0};
    struct list groups = {0};
    if (w->opt.elb == NULL || !w->wishes_due || w->in_tx ||
        clock_mono_ms() - w->wishes_at < WISH_MS) {
        return;
    }
    w->wishes_at = clock_mono_ms();
    arena_reset(w->arena);
    if (!store_group_wishes(w->opt.store, w->arena, &groups, &err)) {
        log_warn("wishes", "error=\"%s\" next=\"in a second\"", err.text);
        return;
    }
    struct elb_wish *wishes = arena_array(w->arena, struct elb_wish, groups.n + 1);
    uint64_t hash = groups.n;
    for (uint32_t i = 0; i < groups.n; i++) {
        const struct group_wish *g = LIST_AT(struct group_wish, groups, i);
        wishes[i] = (struct elb_wish){.arn = g->arn,
                                      .name = g->name,
                                      .role_arn = g->role_arn,
                                      .external_id = g->external_id,
                                      .vpc_id = g->vpc_id,
                                      .hot = g->hot,
                                      .attributes = g->attributes,
                                      .balancer = g->balancer};
        hash = hash_wish(hash, &wishes[i]);
    }
    w->wishes_due = false;
    if (hash != w->wishes_hash) {
        w->wishes_hash = hash;
        w->opt.elb_wish(w->opt.elb, wishes, groups.n);
    }
}

static void set_error(struct writer *w, const char *text)
{
    (void)pthread_mutex_lock(&w->lock);
    bool fresh = strcmp(w->error, text) != 0;
    (void)snprintf(w->error, sizeof w->error, "%s", text);
    (void)pthread_mutex_unlock(&w->lock);
    if (fresh && text[0] != '\0') {
        log_error("commit", "error=\"%s\" held=%zu next=\"the same again each second\"", text,
                  w->n_held);
    } else if (fresh) {
        log_info("commit", "error=none held=%zu", w->n_held);
    }
}

static void committed(struct writer *w, const struct commit *c)
{
    int64_t now = clock_unix_ms();
    bool deliveries = w->queued > 0 || w->booked;
    (void)atomic_fetch_add(&w->m_commits, 1);
    (void)atomic_fetch_add(&w->m_judged, w->judged);
    atomic_store(&w->m_last_commit_at, now);
    atomic_store(&w->m_failing, false);
    set_error(w, "");
    drop_held(w, true);
    if (c->revision != w->revision) {
        w->revision = c->revision;
        w->wishes_due = true; /* bindings or what is hot may have changed */
        feed_publish(w->opt.feed, c, now);
    }
    if (deliveries && w->opt.on_delivery != NULL) {
        w->opt.on_delivery(w->opt.on_delivery_arg);
    }
}

/* ---- the thread ---- */

static void failed(struct writer *w, const struct err *err)
{
    (void)atomic_fetch_add(&w->m_failures, 1);
    atomic_store(&w->m_failing, true);
    set_error(w, err->text[0] != '\0' ? err->text : "unknown error");
}

/* Until the next try; stopping cuts it short. */
static void wait_retry(struct writer *w)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += RETRY_MS / 1000;
    (void)pthread_mutex_lock(&w->lock);
    while (!atomic_load(&w->stopping) && pthread_cond_timedwait(&w->wake, &w->lock, &ts) == 0) {
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* One transaction, tried until it is through; false when stopping has ended the tries. */
static bool persist(struct writer *w)
{
    for (int last_tries = 0; last_tries < LAST_TRIES;) {
        struct commit c = {0};
        struct err err = {0};
        bool is_committed = false;
        atomic_store(&w->m_beat_ms, clock_mono_ms());
        if ((w->revision_known || transact_revision(w, &err)) &&
            transact(w, &c, &is_committed, &err)) {
            if (is_committed) {
                committed(w, &c);
            }
            return true;
        }
        if (transact_put_aside(w, &err)) {
            (void)atomic_fetch_add(&w->m_failures, 1);
            continue;
        }
        failed(w, &err);
        if (atomic_load(&w->stopping)) {
            last_tries++;
            clock_sleep_ms(200); /* an early end only hastens the next try */
        } else {
            wait_retry(w);
        }
    }
    log_error("stop", "uncommitted=%zu error=\"the store refused them\" next=\"they come again\"",
              w->n_held + queue_stats(w->opt.in).items);
    drop_held(w, false);
    return false;
}

/* The feed begins where the store stands, before anything is published. */
static void find_revision(struct writer *w)
{
    struct err err = {0};
    while (!transact_revision(w, &err)) {
        failed(w, &err);
        if (atomic_load(&w->stopping)) {
            return;
        }
        wait_retry(w);
    }
    feed_start(w->opt.feed, w->revision);
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    log_name_thread("writer");
    w->started_at = clock_mono_ms();
    w->housekeeping_at = w->started_at + HOUSEKEEPING_MS;
    store_set_stale_after(w->opt.store, w->config->stale_after_ms);
    find_revision(w);
    for (bool more = true; more;) {
        bool alone = w->judge_alone;
        w->judge_alone = false;
        size_t n = alone ? 1 : take(w, transact_wait_ms(w));
        atomic_store(&w->m_beat_ms, clock_mono_ms());
        /* The queue is closed before `stopping` is set: empty now means empty for ever. */
        more = n > 0 || !atomic_load(&w->stopping);
        if (transact_wanted(w) && !persist(w)) {
            break; /* what is still queued would be refused as well */
        }
        tell_wishes(w);
    }
    return NULL;
}

/* ---- the door ---- */

bool writer_start(const struct writer_options *opt, struct writer **ret, struct err *err)
{
    struct writer *w = xcalloc(1, sizeof *w);
    clock_cond_init(&w->wake);
    (void)pthread_mutex_init(&w->lock, NULL);
    w->opt = *opt;
    w->opt.elb_wish = opt->elb_wish != NULL ? opt->elb_wish : elb_source_wish;
    w->config = config_ref(opt->config);
    w->arena = arena_new(256 << 10);
    w->wishes_due = true;
    w->wishes_at = -WISH_MS;
    int rc = pthread_create(&w->thread, NULL, writer_main, w);
    if (rc != 0) {
        writer_free(w);
        return err_set(err, ERR_BUSY, "thread writer: %s", strerror(rc));
    }
    w->running = true;
    *ret = w;
    return true;
}

void writer_stop(struct writer *w)
{
    if (w == NULL || !w->running) {
        return;
    }
    queue_close(w->opt.in);
    (void)pthread_mutex_lock(&w->lock);
    atomic_store(&w->stopping, true);
    (void)pthread_cond_broadcast(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    w->running = false;
}

void writer_free(struct writer *w)
{
    if (w == NULL) {
        return;
    }
    drop_held(w, false);
    free(w->held);
    arena_free(w->arena);
    config_unref(w->config);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

static void drop_config(void *data)
{
    const struct config **config = data;
    config_unref(*config);
    free(config);
}

void writer_reload(struct queue *in, const struct config *config)
{
    enum { PATIENCE_MS = 10000 };
    struct change *c = change_new(CHANGE_COMMAND, 1024);
    const struct config **holder = xmalloc(sizeof(void *));
    *holder = config_ref(config);
    c->command = COMMAND_RELOADED;
    c->received_at = clock_unix_ms();
    c->data = holder;
    c->data_free = drop_config;
    if (queue_push(in, c, change_weight(c), PATIENCE_MS) != QUEUE_OK) {
        change_free(c); /* the store has refused writes all the while: the next reload counts */
    }
}

void writer_metrics(const struct writer *w, struct writer_metrics *ret)
{
    *ret = (struct writer_metrics){.changes = atomic_load(&w->m_changes),
                                   .commits = atomic_load(&w->m_commits),
                                   .judged = atomic_load(&w->m_judged),
                                   .failures = atomic_load(&w->m_failures),
                                   .last_commit_at = atomic_load(&w->m_last_commit_at),
                                   .beat_ms = atomic_load(&w->m_beat_ms),
                                   .judge_us_max = atomic_load(&w->m_judge_us_max),
                                   .failing = atomic_load(&w->m_failing),
                                   .settled = atomic_load(&w->m_settled),
                                   .latency_sum_us = atomic_load(&w->m_latency_sum_us)};
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        ret->latency[i] = atomic_load(&w->m_latency[i]);
    }
}

char *writer_error(const struct writer *w, char *text, size_t size)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&w->lock; /* the one part that moves */
    (void)pthread_mutex_lock(lock);
    (void)snprintf(text, size, "%s", w->error);
    (void)pthread_mutex_unlock(lock);
    return text;
}
