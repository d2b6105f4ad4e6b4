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
#include "source/kube_discovery.h"
#include "source/kube_watch.h"
#include "source/source.h"

enum {
    SYNCS_AT_ONCE = 3,
    HEARTBEAT_MS = 10000,
    LOOP_MS = 200,
    DISCOVERY_RETRY_MS = 2000,
    DISCOVERY_LIMIT = 16 << 20
};

static const char aggregated_accept[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json";

/* The questions that find out what the server is and has, in order. */
enum question { ASK_VERSION, ASK_CLUSTER, ASK_CORE, ASK_GROUPS, ASK_GROUP, ASK_NOTHING };

struct kube_source {
    struct kube_options options;
    struct arena *arena;
    struct kube_access access;
    struct queue *out;
    struct kube_client *client;
    struct kube_watch watches[KIND_COUNT];
    struct watch_counters counters;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    /* discovery */
    enum question question;
    struct kube_call *call;
    struct buf answer;
    char etags[2][128]; /* of /api and /apis: 304 means that nothing changed */
    struct kube_found found;
    int next_kind; /* ASK_GROUP: kinds looked at so far */
    int64_t discovery_due;
    bool missing; /* a machine got a 404: is its kind gone? */
    char group_asked[64];
    char version[64];
    char cluster_uid[64];
    bool identified;
    bool scoped; /* named namespaces only: every start lists anew */
    char resume_rv[KIND_COUNT][64];
    char resume_uid[64];
    /* the connection */
    enum source_state state;
    char message[256];
    int64_t ok_at;
    int64_t heartbeat_due;
    /* for other threads */
    _Atomic uint64_t m_events, m_bytes, m_lists, m_410, m_early, m_decode, m_retries;
};

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

static void push(struct kube_source *k, struct change *c)
{
    c->received_at = clock_unix_ms();
    if (queue_push(k->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c);
    }
}

static void report(struct kube_source *k, enum source_state state, const char *message)
{
    int64_t now = clock_unix_ms();
    if (state == SOURCE_OK) {
        k->ok_at = now;
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
                                       .ok_at = k->ok_at};
    push(k, c);
}

/* ---- discovery ---- */

static bool on_answer(void *arg, const char *data, size_t len,
                      bool *ret_wait) /* NOLINT(readability-non-const-parameter): a callback */
{
    (void)ret_wait;
    struct kube_source *k = arg;
    bool ok = buf_add(&k->answer, data, len);
    if (!ok && k->call != NULL) {
        (void)snprintf(k->call->error, sizeof k->call->error, "the answer is over %d bytes",
                       DISCOVERY_LIMIT);
    }
    return ok;
}

static void apply_discovery(struct kube_source *k)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (k->found.known[i] && k->found.version[i][0] != '\0') {
            kube_watch_found(&k->watches[i], k->found.version[i]);
        } else if (k->found.known[i]) {
            kube_watch_gone(&k->watches[i]);
        } else {
            kube_watch_unknown(&k->watches[i]);
        }
    }
    k->question = ASK_NOTHING;
    k->discovery_due = clock_mono_ms() + k->options.discovery_interval_ms;
}

static const char *preferred_builtin(enum kind kind)
{
    switch ((int)kind) {
    case KIND_HPA:
        return "v2";
    case KIND_BINDING_LBC:
        return "v1beta1";
    case KIND_ARGO_ROLLOUT:
        return "v1alpha1";
    default:
        return "v1";
    }
}

static void on_question_done(void *arg, struct kube_call *call);

static int etag_of(enum question q)
{
    return q == ASK_CORE ? 0 : q == ASK_GROUPS ? 1 : -1;
}

static bool ask(struct kube_source *k, const char *path, const char *accept)
{
    int etag = etag_of(k->question);
    struct kube_call_options opt = {
        .path = path, .accept = accept, .etag = etag >= 0 ? k->etags[etag] : NULL};
    struct kube_handler handler = {.on_data = on_answer, .on_done = on_question_done, .arg = k};
    struct err err = {0};
    buf_clear(&k->answer);
    k->call = kube_call_start(k->client, &opt, &handler, &err);
    if (k->call == NULL) {
        report(k, SOURCE_DENIED, err.text);
        k->discovery_due = clock_mono_ms() + DISCOVERY_RETRY_MS;
        k->question = ASK_NOTHING;
    }
    return k->call != NULL;
}

/* The plain form: the next group that the server has and we want. */
static void ask_next_group(struct kube_source *k)
{
    for (; k->next_kind < KIND_COUNT; k->next_kind++) {
        const struct kind_info *info = kind_info((enum kind)k->next_kind);
        if (info->group[0] == '\0' || k->found.known[k->next_kind]) {
            continue;
        }
        char path[256];
        (void)snprintf(k->group_asked, sizeof k->group_asked, "%s", info->group);
        (void)snprintf(path, sizeof path, "/apis/%s/%s", info->group,
                       preferred_builtin((enum kind)k->next_kind));
        k->question = ASK_GROUP;
        k->next_kind++;
        (void)ask(k, path, "application/json");
        return;
    }
    apply_discovery(k);
}

static void ask_question(struct kube_source *k, enum question q)
{
    k->question = q;
    if (q == ASK_VERSION) {
        (void)ask(k, "/version", "application/json");
    } else if (q == ASK_CLUSTER) {
        (void)ask(k, "/api/v1/namespaces/kube-system", "application/json");
    } else if (q == ASK_CORE) {
        (void)ask(k, "/api", aggregated_accept);
    } else if (q == ASK_GROUPS) {
        (void)ask(k, "/apis", aggregated_accept);
    }
}

static void send_identity(struct kube_source *k)
{
    struct change *c = change_new(CHANGE_CLUSTER, 512);
    c->cluster_uid = arena_strdup(c->arena, k->cluster_uid);
    c->server_url = arena_strdup(c->arena, k->access.server);
    c->server_version = arena_strdup(c->arena, k->version);
    push(k, c);
    bool same = k->resume_uid[0] != '\0' && strcmp(k->resume_uid, k->cluster_uid) == 0;
    for (int i = 0; i < KIND_COUNT && same; i++) {
        if (k->watches[i].n_streams == 1 && !k->scoped) { /* the rows are of the whole cluster */
            kube_watch_resume(&k->watches[i], k->resume_rv[i]);
        }
    }
    k->identified = true;
}

static void on_identity(struct kube_source *k, const json_t *doc, const struct kube_call *call)
{
    if (k->question == ASK_VERSION) {
        const char *v = json_string_value(json_object_get(doc, "gitVersion"));
        (void)snprintf(k->version, sizeof k->version, "%s", v != NULL ? v : "");
        ask_question(k, ASK_CLUSTER);
        return;
    }
    const char *uid = json_string_value(json_object_get(json_object_get(doc, "metadata"), "uid"));
    bool denied = call->status == 403 || call->status == 404;
    if (uid != NULL || denied) { /* without the right to read it every start lists anew */
        (void)snprintf(k->cluster_uid, sizeof k->cluster_uid, "%s", uid != NULL ? uid : "");
        send_identity(k);
        ask_question(k, ASK_CORE);
    }
}

static void on_discovery(struct kube_source *k, const json_t *doc, const struct kube_call *call)
{
    if (k->question == ASK_CORE) {
        bool same = call->status == 304;
        if (!same && !discovery_read_aggregated(doc, true, &k->found)) { /* the plain form */
            for (int i = 0; i < KIND_COUNT; i++) {
                if (kind_info((enum kind)i)->group[0] == '\0') {
                    k->found.known[i] = true;
                    (void)snprintf(k->found.version[i], sizeof k->found.version[i], "v1");
                }
            }
        }
        ask_question(k, ASK_GROUPS);
    } else if (k->question == ASK_GROUPS) {
        if (call->status == 304 || discovery_read_aggregated(doc, false, &k->found)) {
            apply_discovery(k);
        } else if (discovery_read_groups(doc, &k->found)) {
            k->next_kind = 0;
            ask_next_group(k);
        } else {
            k->question = ASK_NOTHING;
            k->discovery_due = clock_mono_ms() + DISCOVERY_RETRY_MS;
        }
    } else {
        (void)discovery_read_resources(doc, k->group_asked,
                                       &k->found); /* not a list: the group stays unknown */
        ask_next_group(k);
    }
}

static void on_question_done(void *arg, struct kube_call *call)
{
    struct kube_source *k = arg;
    k->call = NULL;
    json_t *doc = json_loadb(buf_str(&k->answer), k->answer.len, 0, NULL);
    bool answered =
        call->status == 304 || (call->status == 200 && call->result == CURLE_OK && doc != NULL);
    int etag = etag_of(k->question);
    if (answered && etag >= 0) {
        bool lists = doc == NULL || discovery_is_aggregated(doc);
        (void)snprintf(k->etags[etag], sizeof k->etags[etag], "%s", lists ? call->etag : "");
    }
    bool refused = call->status == 403 || call->status == 404;
    if (k->question == ASK_VERSION || k->question == ASK_CLUSTER) {
        if (answered || refused) {
            report(k, SOURCE_OK, "");
            on_identity(k, doc, call);
            json_decref(doc);
            return;
        }
    } else if (answered || (refused && k->question == ASK_GROUP)) {
        report(k, SOURCE_OK, "");
        on_discovery(k, doc, call);
        json_decref(doc);
        return;
    }
    json_decref(doc);
    char text[256];
    if (call->status == 401) {
        kube_client_renew(k->client, call);
    }
    (void)snprintf(text, sizeof text, call->status == 0 ? "%s" : "HTTP %.0s%d", call->error,
                   call->status);
    enum source_state s = call->status == 0                            ? SOURCE_UNREACHABLE
                          : call->status == 401 || call->status == 403 ? SOURCE_DENIED
                                                                       : SOURCE_FAILING;
    report(k, s, text);
    k->question = ASK_NOTHING;
    k->discovery_due = clock_mono_ms() + DISCOVERY_RETRY_MS;
}

static void discover_if_due(struct kube_source *k)
{
    bool due = k->missing || clock_mono_ms() >= k->discovery_due;
    if (k->call == NULL && k->question == ASK_NOTHING && due) {
        k->missing = false;
        ask_question(k, k->identified ? ASK_CORE : ASK_VERSION);
    }
}

/* ---- the thread ---- */

static void report_connection(struct kube_source *k)
{
    int64_t ok_at = k->ok_at;
    bool trouble = false;
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kube_watch *w = &k->watches[i];
        int64_t seen = kube_watch_seen_at(w);
        ok_at = seen > ok_at ? seen : ok_at;
        trouble = trouble || w->emit.reported == SOURCE_UNREACHABLE;
    }
    k->ok_at = ok_at;
    if (k->state == SOURCE_OK && !trouble && clock_mono_ms() >= k->heartbeat_due) {
        k->heartbeat_due = clock_mono_ms() + HEARTBEAT_MS;
        struct change *c = change_new(CHANGE_SOURCE, 512);
        c->source = (struct change_source){.source = "kubernetes",
                                           .state = SOURCE_OK,
                                           .message = "",
                                           .at = clock_unix_ms(),
                                           .ok_at = ok_at};
        push(k, c);
    } else if (k->state == SOURCE_OK && trouble) {
        k->discovery_due = clock_mono_ms(); /* ask the server itself whether it is there */
        k->heartbeat_due = clock_mono_ms() + 1000;
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

/* Pods come last, so that what explains them is there; a kind that cannot sync must not hold them
 * back. */
static int64_t step_all(struct kube_source *k)
{
    int syncing = 0;
    bool others_wait = false;
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
    }
    return next;
}

static void *kube_main(void *arg)
{
    struct kube_source *k = arg;
    log_name_thread("kube");
    while (!atomic_load(&k->stop)) {
        discover_if_due(k);
        int64_t next = step_all(k);
        int64_t wait = next - clock_mono_ms();
        kube_client_run(k->client, wait < 0 ? 0 : (int)wait);
        report_connection(k);
        publish_metrics(k);
    }
    return NULL;
}

bool kube_source_start(struct kube_source *k, const struct kube_resume *resume, struct err *err)
{
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
