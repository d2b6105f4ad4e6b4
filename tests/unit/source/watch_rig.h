/*
 * A watch machine on a scripted server, stepped by the test: what it tells the writer becomes one
 * text, an entry a change, so that a test says in one line what must happen in which order:
 *   "BEGIN +a@1 +b@2 END:5 +a@6 -b@7 MARK:9"
 */
#ifndef GATEHOUSE_TESTS_WATCH_RIG_H
#define GATEHOUSE_TESTS_WATCH_RIG_H

#include "base/clock.h"
#include "base/mem.h"
#include "kube_text.h"
#include "script_server.h"
#include "source/kube_watch.h"

/* Fast, but slow enough to be told apart. */
static const struct watch_timing rig_timing = {.backoff_first = 4,
                                               .backoff_max = 40,
                                               .backoff_reset = 2000,
                                               .short_watch = 30,
                                               .good_after = 15,
                                               .denied_retry = 150,
                                               .page_retry_max = 3000,
                                               .watch = 300000,
                                               .silence = 400,
                                               .initial_silence = 400};

/* For servers that are quiet on purpose, and machines under load. */
static inline struct watch_timing patient(void)
{
    struct watch_timing t = rig_timing;
    t.silence = t.initial_silence = 5000;
    return t;
}

struct rig {
    struct script *server;
    struct kube_access access;
    struct kube_options options;
    struct kube_client *client;
    struct kube_watch watch;
    struct watch_counters counters;
    struct queue *queue;
    struct buf log;     /* without sources */
    struct buf sources; /* "syncing ok unreachable ..." */
    char message[512];  /* of the last source */
    char server_url[64];
    bool keep_queue; /* the writer sleeps: nothing is drained */
};

static inline void rig_access(struct kube_access *a)
{
    *a = (struct kube_access){.context = "test",
                              .server = "",
                              .ca_pem = "",
                              .ca_file = "",
                              .tls_server_name = "",
                              .proxy_url = "",
                              .cert_pem = "",
                              .key_pem = "",
                              .cert_file = "",
                              .key_file = "",
                              .token = "",
                              .token_file = "",
                              .username = "",
                              .password = "",
                              .exec = {.command = "", .api_version = "", .cluster_info = ""},
                              .as_user = "",
                              .as_uid = ""};
}

static inline void rig_note(struct rig *r, const struct change *c)
{
    switch (c->type) {
    case CHANGE_OBJECTS:
        for (uint32_t i = 0; i < c->n_objects; i++) {
            const struct meta *m = c->objects[i].record;
            (void)buf_addf(&r->log, " %c%s@%s", c->objects[i].deleted ? '-' : '+', m->name,
                           m->resource_version);
        }
        break;
    case CHANGE_LIST_BEGIN:
        (void)buf_addf(&r->log, c->verify ? " VERIFY:%s" : " BEGIN%s", c->resource_version);
        break;
    case CHANGE_LIST_END:
        (void)buf_addf(&r->log, " END:%s", c->resource_version);
        break;
    case CHANGE_LIST_ABORT:
        (void)buf_addz(&r->log, " ABORT");
        break;
    case CHANGE_BOOKMARK:
        (void)buf_addf(&r->log, " MARK:%s", c->resource_version);
        break;
    case CHANGE_KIND_GONE:
        (void)buf_addz(&r->log, " GONE");
        break;
    case CHANGE_SOURCE:
        (void)buf_addf(&r->sources, " %s%s", source_state_name(c->source.state),
                       c->settled ? "(settled)" : "");
        (void)snprintf(r->message, sizeof r->message, "%s", c->source.message);
        break;
    case CHANGE_CLUSTER:
    case CHANGE_TARGETS:
    case CHANGE_GROUPS:
    case CHANGE_GROUP_GONE:
    case CHANGE_COMMAND:
        break;
    }
}

static inline void rig_drain(struct rig *r)
{
    void *items[64];
    size_t n = 0;
    while (!r->keep_queue && (n = queue_drain(r->queue, items, 64, 0)) > 0) {
        for (size_t i = 0; i < n; i++) {
            rig_note(r, items[i]);
            change_free(items[i]);
        }
    }
}

static inline void rig_turn(struct rig *r)
{
    int64_t next = kube_watch_step(&r->watch, true);
    int64_t wait = next > 0 ? next - clock_mono_ms() : 5;
    rig_drain(r);
    kube_client_run(r->client, wait < 0 ? 0 : wait > 5 ? 5 : (int)wait);
}

/* Turns until the log has the text (at most 5 s; true) or for ms (false when it never came). */
static inline bool rig_until(struct rig *r, const char *text)
{
    int64_t end = clock_mono_ms() + 5000;
    while (clock_mono_ms() < end) {
        if (strstr(buf_str(&r->log), text) != NULL || strstr(buf_str(&r->sources), text) != NULL) {
            return true;
        }
        rig_turn(r);
    }
    print_error("waited for \"%s\", log is \"%s\", sources \"%s\" (%s)\n", text, buf_str(&r->log),
                buf_str(&r->sources), r->message);
    return false;
}

static inline bool rig_requests(struct rig *r, unsigned n)
{
    int64_t end = clock_mono_ms() + 5000;
    while (clock_mono_ms() < end && atomic_load(&r->server->requests) < n) {
        rig_turn(r);
    }
    return atomic_load(&r->server->requests) >= n;
}

/* Turns until the first stream waits for most of a minute. */
static inline bool rig_waits_long(struct rig *r)
{
    const struct watch_stream *s = &r->watch.streams[0];
    int64_t end = clock_mono_ms() + 5000;
    while (clock_mono_ms() < end && s->due_ms < clock_mono_ms() + 20000) {
        rig_turn(r);
    }
    return s->due_ms >= clock_mono_ms() + 20000;
}

static inline void rig_for(struct rig *r, int64_t ms)
{
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        rig_turn(r);
    }
}

/* Before rig_start: options may be changed. */
static inline void rig_init(struct rig *r)
{
    *r = (struct rig){.log = BUF_INIT(1 << 20), .sources = BUF_INIT(1 << 16)};
    rig_access(&r->access);
    r->options = (struct kube_options){.protobuf = false, .watch_list = false, .page_size = 500};
    r->queue = queue_new(4096, 16 << 20);
}

static inline void rig_start(struct rig *r, script_fn fn, void *arg)
{
    r->server = script_start(fn, arg);
    (void)snprintf(r->server_url, sizeof r->server_url, "http://127.0.0.1:%d", r->server->port);
    r->access.server = r->server_url;
    r->client = kube_client_new(&r->access);
    kube_watch_init(&r->watch, KIND_POD, &r->options, r->client, r->queue, &r->counters);
    r->watch.timing = &rig_timing;
}

static inline void rig_drop(void *c)
{
    change_free(c);
}

static inline void rig_fini(struct rig *r)
{
    kube_watch_fini(&r->watch);
    kube_client_free(r->client);
    script_stop(r->server);
    queue_free(r->queue, rig_drop);
    buf_fini(&r->log);
    buf_fini(&r->sources);
}

/* A writer that sleeps between changes, on a thread of its own, until the log has a text. */
struct sleepy {
    struct rig *rig;
    const char *until;
    int pause_ms;
    atomic_bool done;
    pthread_t thread;
};

static inline void *sleepy_main(void *arg)
{
    struct sleepy *s = arg;
    int64_t end = clock_mono_ms() + 20000;
    while (strstr(buf_str(&s->rig->log), s->until) == NULL && clock_mono_ms() < end) {
        void *item = NULL;
        if (queue_drain(s->rig->queue, &item, 1, 10) == 1) {
            rig_note(s->rig, item);
            change_free(item);
        }
        (void)poll(NULL, 0, s->pause_ms);
    }
    atomic_store(&s->done, true);
    while (queue_stats(s->rig->queue).items > 0) { /* nobody may wait for room when this ends */
        void *item = NULL;
        if (queue_drain(s->rig->queue, &item, 1, 0) == 1) {
            rig_note(s->rig, item);
            change_free(item);
        }
    }
    return NULL;
}

/* Turns while such a writer takes what comes; the queue holds few changes. True: the text came. */
static inline bool rig_with_sleepy_writer(struct rig *r, const char *until, int pause_ms)
{
    struct sleepy s = {.rig = r, .until = until, .pause_ms = pause_ms};
    r->keep_queue = true;
    (void)pthread_create(&s.thread, NULL, sleepy_main, &s);
    while (!atomic_load(&s.done)) {
        rig_turn(r);
    }
    (void)pthread_join(s.thread, NULL);
    r->keep_queue = false;
    return strstr(buf_str(&r->log), until) != NULL;
}

#define assert_log(rig, text) assert_string_equal(buf_str(&(rig)->log), text)

/* ---- what many tests use ---- */

static inline bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static inline bool is_watch(const struct script_request *r)
{
    return has(r->path, "watch=1");
}

static inline void reply_list(struct script_conn *c, const char *rv, const char *token,
                              const char *names)
{
    AUTO(buf) b = BUF_INIT(1 << 16);
    script_json(c, 200, json_pod_list(&b, rv, token, names));
}

static inline void begin_watch(struct script_conn *c)
{
    script_begin(c, "application/json");
}

/* A quiet watch that lives until the test ends. */
static inline void quiet_watch(struct script_conn *c)
{
    begin_watch(c);
    (void)script_hold(c, -1);
}

static inline void expect(script_fn fn, const char *log, const char *until)
{
    struct rig r;
    rig_init(&r);
    rig_start(&r, fn, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, until));
    assert_log(&r, log);
    rig_fini(&r);
}

static inline void plain(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}

#endif
