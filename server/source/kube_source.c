/*
 * Thread `kube`: one client, one discovery, one watch machine a kind. The loop runs transfers,
 * steps the machines and reports the connection's state. Small kinds first, pods last, at most
 * three initial syncs at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "source/kube_source_in.h"

enum { SYNCS_AT_ONCE = 3, HEARTBEAT_MS = 10000, DOUBT_MS = 2000, LOOP_MS = 200 };

bool kube_source_new(const struct kube_options *opt, struct queue *out, struct kube_source **ret,
                     struct err *err)
{
    struct kube_source *k = xcalloc(1, sizeof *k);
    k->arena = arena_new(0);
    k->options = *opt;
    size_t named = 0;
    while (opt->namespaces != NULL && opt->namespaces[named] != NULL) {
        named++;
    }
    if (named > KUBE_NAMESPACES_MAX) {
        arena_free(k->arena);
        free(k);
        return err_set(
            err, ERR_INPUT,
            "kubernetes.namespaces: %zu are named, at most %d can be watched one by one; "
            "leave it empty to watch all",
            named, KUBE_NAMESPACES_MAX);
    }
    k->out = out;
    if (!kube_access_load(opt->kubeconfig, opt->context, k->arena, &k->access, err)) {
        arena_free(k->arena);
        free(k);
        return false;
    }
    k->scoped = named > 0;
    buf_init(&k->answer, DISCOVERY_LIMIT);
    *ret = k;
    return true;
}

const char *kube_source_context(const struct kube_source *k)
{
    return k->access.context;
}

void source_push(struct kube_source *k, struct change *c)
{
    c->received_at = clock_unix_ms();
    if (queue_push(k->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c);
    }
}

void source_report(struct kube_source *k, enum source_state state, const char *message)
{
    int64_t now = clock_unix_ms();
    if (state == SOURCE_OK) {
        k->ok_ms = clock_mono_ms();
    } else if (atomic_load(&k->stop)) {
        return; /* what the stop itself broke off is no news */
    }
    bool same = state == k->state && strcmp(message, k->message) == 0;
    if (same && (state != SOURCE_OK || clock_mono_ms() < k->heartbeat_due)) {
        return;
    }
    if (!same) {
        log_line(state == SOURCE_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "kubernetes",
                 "state=%s server=%s message=\"%s\"", source_state_name(state), k->access.server,
                 message);
    }
    bool back = state == SOURCE_OK && k->state != SOURCE_OK && k->state != SOURCE_STARTING;
    for (int i = 0; i < KIND_COUNT && back; i++) {
        kube_watch_hurry(&k->watches[i]);
    }
    k->state = state;
    (void)snprintf(k->message, sizeof k->message, "%s", message);
    k->heartbeat_due = clock_mono_ms() + HEARTBEAT_MS;
    struct change *c = change_new(CHANGE_SOURCE, 512);
    c->source = (struct change_source){.source = "kubernetes",
                                       .state = state,
                                       .message = arena_strdup(c->arena, message),
                                       .at = now,
                                       .ok_at = clock_unix_of(k->ok_ms)};
    source_push(k, c);
}

/* ---- the thread ---- */

static void report_connection(struct kube_source *k)
{
    bool trouble = false;
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kube_watch *w = &k->watches[i];
        int64_t seen = kube_watch_seen_ms(w);
        k->ok_ms = seen > k->ok_ms ? seen : k->ok_ms;
        trouble = trouble || w->emit.reported == SOURCE_UNREACHABLE;
    }
    if (k->state == SOURCE_OK && !trouble && clock_mono_ms() >= k->heartbeat_due) {
        k->heartbeat_due = clock_mono_ms() + HEARTBEAT_MS;
        struct change *c = change_new(CHANGE_SOURCE, 512);
        c->source = (struct change_source){.source = "kubernetes",
                                           .state = SOURCE_OK,
                                           .message = "",
                                           .at = clock_unix_ms(),
                                           .ok_at = clock_unix_of(k->ok_ms)};
        source_push(k, c);
    } else if (k->state == SOURCE_OK && trouble && clock_mono_ms() >= k->doubt_due) {
        k->doubt_due = clock_mono_ms() + DOUBT_MS;
        k->discovery_due = 0; /* ask the server itself whether it is there */
    }
}

static void publish_metrics(struct kube_source *k)
{
    atomic_store(&k->m_events, k->counters.events);
    atomic_store(&k->m_bytes, kube_client_bytes(k->client));
    atomic_store(&k->m_lists, k->counters.lists);
    atomic_store(&k->m_410, k->counters.relists_410);
    atomic_store(&k->m_early, k->counters.closed_early);
    atomic_store(&k->m_decode, k->counters.decode_errors);
    atomic_store(&k->m_retries, k->counters.retries);
}

/* A server that is full sends kinds away one by one. When it has taken one of them, the others need
 * not wait out their long back-offs, only as long as it asked: a few at once (SYNCS_AT_ONCE), they
 * come in while there is room, and each that is refused again waits on as long as before. */
static void share_room(struct kube_source *k)
{
    bool room = false;
    for (int i = 0; i < KIND_COUNT; i++) {
        enum source_state now = k->watches[i].emit.reported;
        room = room || (k->throttled[i] && now == SOURCE_OK);
        k->throttled[i] = now == SOURCE_THROTTLED;
    }
    for (int i = 0; i < KIND_COUNT && room; i++) {
        kube_watch_room(&k->watches[i]);
    }
}

/* Pods come last, so that what explains them is there; a kind that cannot sync must not hold them
 * back. */
static int64_t step_all(struct kube_source *k)
{
    int syncing = 0;
    bool others_wait = false;
    share_room(k);
    int64_t next = clock_mono_ms() + LOOP_MS;
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kube_watch *w = &k->watches[i];
        syncing += w->state == WATCH_LISTING && !w->synced ? 1 : 0;
        others_wait = others_wait || (i != KIND_POD && kube_watch_syncing(w));
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        struct kube_watch *w = &k->watches[i];
        bool was = w->state == WATCH_LISTING;
        bool may = syncing < SYNCS_AT_ONCE && (i != KIND_POD || !others_wait);
        int64_t wish = kube_watch_step(w, may);
        syncing += !was && w->state == WATCH_LISTING ? 1 : 0;
        next = wish > 0 && wish < next ? wish : next;
        k->missing = k->missing || w->missing;
        w->missing = false; /* asked once; an answer that fails is asked for again when it is due */
    }
    kube_client_bulk(k->client, syncing > 0);
    return next;
}

static void *kube_main(void *arg)
{
    struct kube_source *k = arg;
    log_name_thread("kube");
    while (!atomic_load(&k->stop)) {
        source_discover_if_due(k);
        int64_t next = step_all(k);
        int64_t wait = next - clock_mono_ms();
        kube_client_run(k->client, wait < 0 ? 0 : (int)wait);
        report_connection(k);
        publish_metrics(k);
    }
    return NULL;
}

/* A plugin that hangs does not hold the stop. */
static bool is_stopping(void *arg)
{
    const struct kube_source *k = arg;
    return atomic_load(&k->stop);
}

bool kube_source_start(struct kube_source *k, const struct kube_resume *resume, struct err *err)
{
    k->access.exec.cancelled = is_stopping;
    k->access.exec.cancelled_arg = k;
    k->client = kube_client_new(&k->access);
    k->question = ASK_NOTHING;
    k->state = SOURCE_STARTING;
    for (int i = 0; i < KIND_COUNT; i++) {
        kube_watch_init(&k->watches[i], (enum kind)i, &k->options, k->client, k->out, &k->counters);
        const char *rv = resume != NULL ? resume->resource_version[i] : NULL;
        (void)snprintf(k->resume_rv[i], sizeof k->resume_rv[i], "%s", rv != NULL ? rv : "");
    }
    const char *uid = resume != NULL ? resume->cluster_uid : NULL;
    (void)snprintf(k->resume_uid, sizeof k->resume_uid, "%s", uid != NULL ? uid : "");
    int rc = pthread_create(&k->thread, NULL, kube_main, k);
    if (rc != 0) {
        return err_set(err, ERR_BUSY, "thread kube: %s", strerror(rc));
    }
    k->started = true;
    return true;
}

void kube_source_stop(struct kube_source *k)
{
    if (k != NULL && k->started) {
        atomic_store(&k->stop, true);
        kube_client_wake(k->client);
        (void)pthread_join(k->thread, NULL);
        k->started = false;
    }
}

void kube_source_free(struct kube_source *k)
{
    if (k == NULL) {
        return;
    }
    kube_source_stop(k);
    if (k->client != NULL) {
        for (int i = 0; i < KIND_COUNT; i++) {
            kube_watch_fini(&k->watches[i]);
        }
        kube_client_free(k->client);
    }
    buf_fini(&k->answer);
    arena_free(k->arena);
    free(k);
}

void kube_source_metrics(const struct kube_source *k, struct source_metrics *m)
{
    struct kube_source *s =
        (struct kube_source *)(uintptr_t)k; /* atomics are read through a plain pointer */
    m->kube_events = atomic_load(&s->m_events);
    m->kube_bytes = atomic_load(&s->m_bytes);
    m->kube_lists = atomic_load(&s->m_lists);
    m->kube_relists_410 = atomic_load(&s->m_410);
    m->kube_watch_closed_early = atomic_load(&s->m_early);
    m->kube_decode_errors = atomic_load(&s->m_decode);
    m->kube_retries = atomic_load(&s->m_retries);
}
