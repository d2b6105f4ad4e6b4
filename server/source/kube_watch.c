/*
 * The watch machine. Rules, with client-go's reflector as the model:
 *   - a watch that ends goes on from the last resourceVersion; only 410 (as status or as ERROR
 * event) makes a list
 *   - refused, 429, 5xx: back off (0.8 s doubling to 30 s, jittered, reset after two good minutes)
 * and try the same again
 *   - any trouble before the end of a WatchList falls back to pages, for this kind, until the
 * process ends
 *   - a list replaces only when it is whole: LIST_BEGIN ... LIST_END; a broken one is LIST_ABORT
 * and deletes nothing
 *   - resourceVersions of initial events are not stored before the bookmark that ends them
 * Batches leave when they are full or the sockets are empty. A full queue pauses the transfer; TCP
 * holds the server.
 */
#include "source/kube_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum {
    BATCH_OBJECTS = 256,
    BATCH_BYTES = 256 << 10,
    BACKOFF_FIRST_MS = 800,
    BACKOFF_MAX_MS = 30000,
    BACKOFF_RESET_MS = 120000,
    SHORT_WATCH_MS = 1000,
    DENIED_RETRY_MS = 300000,
    BLOCKED_MAX_MS = 60000,
    WATCH_SECONDS_MIN = 300
};

static int64_t jitter(int64_t ms)
{
    uint32_t r = 0;
    digest_random(&r, sizeof r);
    return ms + (int64_t)((uint64_t)ms * r / UINT32_MAX);
}

void kube_watch_init(struct kube_watch *w, enum kind kind, const struct kube_options *opt,
                     struct kube_client *client, struct queue *out, struct watch_counters *counters)
{
    *w = (struct kube_watch){.kind = kind,
                             .state = WATCH_ABSENT,
                             .options = opt,
                             .client = client,
                             .out = out,
                             .counters = counters,
                             .try_stream = opt->watch_list,
                             .reported = SOURCE_STARTING};
    buf_init(&w->in, KUBE_PAGE_LIMIT);
}

void kube_watch_fini(struct kube_watch *w)
{
    kube_call_cancel(w->call);
    w->call = NULL;
    change_free(w->batch);
    w->batch = NULL;
    free(w->continue_token);
    w->continue_token = NULL;
    buf_fini(&w->in);
}

/* ---- what goes to the writer ---- */

/* Control changes are small and must not be lost: they wait for room (the consumer always drains).
 */
static void push_control(struct kube_watch *w, struct change *c)
{
    c->kind = w->kind;
    c->received_at = clock_unix_ms();
    if (queue_push(w->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c); /* closed: the process stops */
    }
}

static bool flush(struct kube_watch *w)
{
    if (w->batch == NULL) {
        return true;
    }
    enum queue_result r = queue_try_push(w->out, w->batch, change_weight(w->batch));
    if (r == QUEUE_FULL) {
        if (w->blocked_since_ms == 0) {
            w->blocked_since_ms = clock_mono_ms();
        }
        return false;
    }
    if (r == QUEUE_CLOSED) {
        change_free(w->batch);
    }
    w->batch = NULL;
    w->blocked_since_ms = 0;
    return true;
}

static void flush_wait(struct kube_watch *w)
{
    if (w->batch != NULL) {
        struct change *c = w->batch;
        w->batch = NULL;
        w->blocked_since_ms = 0;
        if (queue_push(w->out, c, change_weight(c), -1) != QUEUE_OK) {
            change_free(c);
        }
    }
}

void kube_watch_flush(struct kube_watch *w)
{
    (void)flush(w); /* full: the next turn tries again */
}

void kube_watch_report(struct kube_watch *w, enum source_state state, const char *message)
{
    if (state == SOURCE_OK) {
        w->ok_at = clock_unix_ms();
    }
    if (state == w->reported && strcmp(message, w->reported_message) == 0) {
        return;
    }
    w->reported = state;
    (void)snprintf(w->reported_message, sizeof w->reported_message, "%s", message);
    struct change *c = change_new(CHANGE_SOURCE, 1024);
    c->source = (struct change_source){
        .source = arena_printf(c->arena, "kubernetes/%s%s%s", kind_info(w->kind)->resource,
                               kind_info(w->kind)->group[0] != '\0' ? "." : "",
                               kind_info(w->kind)->group),
        .state = state,
        .message = arena_strdup(c->arena, message),
        .at = clock_unix_ms(),
        .ok_at = w->ok_at};
    push_control(w, c);
}

static void list_begin(struct kube_watch *w)
{
    if (w->in_list) {
        return;
    }
    flush_wait(w);
    struct change *c = change_new(CHANGE_LIST_BEGIN, 256);
    c->verify = w->verifying;
    w->in_list = true;
    w->counters->lists++;
    push_control(w, c);
}

static void list_abort(struct kube_watch *w)
{
    if (w->in_list) {
        flush_wait(w);
        w->in_list = false;
        push_control(w, change_new(CHANGE_LIST_ABORT, 256));
    }
    free(w->continue_token);
    w->continue_token = NULL;
    w->inconsistent = false;
}

static void list_end(struct kube_watch *w, const char *rv)
{
    flush_wait(w);
    struct change *c = change_new(CHANGE_LIST_END, 512);
    c->resource_version = arena_strdup(c->arena, rv);
    w->in_list = false;
    w->synced = true;
    w->verifying = false;
    (void)snprintf(w->rv, sizeof w->rv, "%s", rv);
    push_control(w, c);
    int64_t every = w->options->verify_interval_ms;
    w->verify_due_ms = every > 0 ? clock_mono_ms() + every / 2 + jitter(every / 2) : 0;
    kube_watch_report(w, SOURCE_OK, "");
}

/* A place for the next record in the batch, after making room. false: the queue is full. */
static bool batch_slot(struct kube_watch *w, void **ret_record)
{
    bool full = w->batch != NULL &&
                (w->batch->n_objects == BATCH_OBJECTS || change_weight(w->batch) > BATCH_BYTES);
    if (full && !flush(w)) {
        return false;
    }
    if (w->batch == NULL) {
        struct change *c = change_new(CHANGE_OBJECTS, 16384);
        c->objects = arena_array(c->arena, struct change_object, BATCH_OBJECTS);
        c->kind = w->kind;
        c->received_at = clock_unix_ms();
        struct timespec ts;
        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        c->received_us = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
        c->in_list = w->in_list;
        w->batch = c;
    }
    *ret_record = arena_alloc(w->batch->arena, kind_info(w->kind)->table->size);
    return true;
}

static void batch_add(struct kube_watch *w, void *record, bool deleted)
{
    const struct meta *meta = record;
    if (meta->name[0] == '\0') {
        w->counters->decode_errors++; /* nothing can be keyed by it */
        return;
    }
    w->batch->objects[w->batch->n_objects++] = (struct change_object){deleted, record};
    w->counters->events++;
}

static void remember_rv(struct kube_watch *w, const char *rv)
{
    if (rv[0] != '\0' && w->state == WATCH_WATCHING) {
        (void)snprintf(w->rv, sizeof w->rv, "%s", rv);
    }
}

/* ---- watch events, in either form ---- */

struct bookmark {
    const char *rv;
    struct kvs annotations;
};
static const struct field bookmark_meta_fields[] = {
    {.json = "resourceVersion",
     .pb = 6,
     .type = FIELD_STR,
     .offset = offsetof(struct bookmark, rv)},
    {.json = "annotations",
     .pb = 12,
     .type = FIELD_KVS,
     .offset = offsetof(struct bookmark, annotations)}};
static const struct field_table bookmark_meta = {
    .name = "metadata", .size = sizeof(struct bookmark), .n = 2, .fields = bookmark_meta_fields};
static const struct field bookmark_fields[] = {
    {.json = "metadata", .pb = 1, .type = FIELD_MSG, .sub = &bookmark_meta}};
static const struct field_table bookmark_table = {
    .name = "bookmark", .size = sizeof(struct bookmark), .n = 1, .fields = bookmark_fields};

/* One event: its object either as protobuf bytes or as JSON. */
struct event {
    char type[16];
    const json_t *json;
    struct pb pb;
};

static bool read_any(const struct event *e, const struct field_table *table, struct arena *a,
                     void *record, struct err *err)
{
    if (e->json != NULL) {
        return json_read_table(table, e->json, a, record, err);
    }
    return pb_read_table(table, e->pb.p, (size_t)(e->pb.end - e->pb.p), a, record, err);
}

static bool on_bookmark(struct kube_watch *w, const struct event *e, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct bookmark b;
    if (!read_any(e, &bookmark_table, a, &b, err)) {
        return false;
    }
    const char *end = kvs_get(&b.annotations, "k8s.io/initial-events-end");
    if (w->state == WATCH_STREAMING && end != NULL && strcmp(end, "true") == 0) {
        list_end(w, b.rv);
        w->state = WATCH_WATCHING;
        return true;
    }
    if (w->state != WATCH_WATCHING || b.rv[0] == '\0') {
        return true;
    }
    flush_wait(w); /* the rows it vouches for go first */
    remember_rv(w, b.rv);
    w->ok_at = clock_unix_ms();
    struct change *c = change_new(CHANGE_BOOKMARK, 256);
    c->resource_version = arena_strdup(c->arena, b.rv);
    push_control(w, c);
    return true;
}

static bool on_error_event(struct kube_watch *w, const struct event *e, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status s;
    if (!read_any(e, &kube_status_table, a, &s, err)) {
        return false;
    }
    w->relist = s.code == 410 || (s.code != 429 && s.code < 500);
    w->counters->relists_410 += s.code == 410 ? 1 : 0;
    return err_set(err, ERR_REMOTE, "the server ended the watch: %" PRId64 " %.200s", s.code,
                   s.message);
}

/* true: handled; false with err set: abort; *ret_wait: no room now, nothing was consumed. */
static bool on_event(struct kube_watch *w, const struct event *e, bool *ret_wait, struct err *err)
{
    if (strcmp(e->type, "BOOKMARK") == 0) {
        return on_bookmark(w, e, err);
    }
    if (strcmp(e->type, "ERROR") == 0) {
        return on_error_event(w, e, err);
    }
    void *record = NULL;
    if (!batch_slot(w, &record)) {
        *ret_wait = true;
        return true;
    }
    struct err inner = {0};
    bool ok = e->json != NULL ? json_read_object(w->kind, e->json, w->batch->arena, record, &inner)
                              : pb_read_object(w->kind, e->pb.p, (size_t)(e->pb.end - e->pb.p),
                                               w->batch->arena, record, &inner);
    if (!ok) {
        w->counters->decode_errors++; /* one odd object must not stop the stream */
        return true;
    }
    const struct meta *meta = record;
    remember_rv(w, meta->resource_version);
    batch_add(w, record, strcmp(e->type, "DELETED") == 0);
    return true;
}

static bool event_from_protobuf(const char *data, size_t len, struct event *e, struct err *err)
{
    struct pb in = pb_of(data, len);
    struct pb_item item;
    bool bad = false;
    struct pb object = {NULL, NULL};
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 1 && item.wire == 2) {
            (void)snprintf(e->type, sizeof e->type, "%.*s", (int)(item.bytes.end - item.bytes.p),
                           (const char *)item.bytes.p);
        } else if (item.number == 2 && item.wire == 2) {
            struct pb ext = item.bytes; /* RawExtension {1: raw} */
            struct pb_item raw;
            while (pb_next(&ext, &raw, &bad)) {
                if (raw.number == 1 && raw.wire == 2) {
                    object = raw.bytes;
                }
            }
        }
    }
    if (bad || object.p == NULL) {
        return err_set(err, ERR_INPUT, "a damaged watch event");
    }
    return frame_unwrap(object.p, (size_t)(object.end - object.p), &e->pb, err);
}

static bool one_frame(struct kube_watch *w, const char *data, size_t len, bool *ret_wait,
                      struct err *err)
{
    struct event e = {.type = ""};
    if (w->call->protobuf) {
        return event_from_protobuf(data, len, &e, err) && on_event(w, &e, ret_wait, err);
    }
    json_error_t je;
    json_t *doc = json_loadb(data, len, JSON_ALLOW_NUL, &je);
    const char *type = json_string_value(json_object_get(doc, "type"));
    e.json = json_object_get(doc, "object");
    bool ok = type != NULL && e.json != NULL;
    if (ok) {
        (void)snprintf(e.type, sizeof e.type, "%s", type);
        ok = on_event(w, &e, ret_wait, err);
    } else {
        (void)err_set(err, ERR_INPUT, "a watch event that is not one: %.100s",
                      doc == NULL ? je.text : "no type or object");
    }
    json_decref(doc);
    return ok;
}

static bool on_watch_data(void *arg, const char *data, size_t len, bool *ret_wait)
{
    struct kube_watch *w = arg;
    if (w->blocked_since_ms != 0 && !flush(w)) {
        *ret_wait = true;
        return clock_mono_ms() - w->blocked_since_ms < BLOCKED_MAX_MS;
    }
    struct err err = {0};
    bool ok = buf_add(&w->in, data, len);
    size_t used_all = 0;
    while (ok) {
        size_t off = 0;
        size_t n = 0;
        size_t used = 0;
        const char *front = w->in.data + used_all;
        size_t left = w->in.len - used_all;
        bool whole = w->call->protobuf
                         ? frame_next_protobuf(front, left, &off, &n, &used, &err)
                         : frame_next_json(front, left, &w->scan, &off, &n, &used, &err);
        if (!whole) {
            ok = err.code == ERR_NONE;
            break;
        }
        bool wait = false;
        ok = one_frame(w, front + off, n, &wait, &err);
        if (wait) { /* bytes stay in w->in; the next call (with whatever comes) goes on from here */
            w->scan = (struct json_scan){0};
            break;
        }
        used_all += used;
    }
    buf_consume(&w->in, used_all);
    if (!ok) {
        (void)snprintf(w->call->error, sizeof w->call->error, "%.250s", err.text);
    }
    return ok;
}

/* ---- pages ---- */

static bool on_page_data(void *arg, const char *data, size_t len, bool *ret_wait)
{
    (void)ret_wait;
    struct kube_watch *w = arg;
    return buf_add(&w->in, data, len);
}

static void add_page_object(struct kube_watch *w, const struct event *e)
{
    void *record = NULL;
    if (!batch_slot(w, &record)) {
        flush_wait(w); /* the page is whole already: no socket waits on us */
        (void)batch_slot(w, &record);
    }
    struct err err = {0};
    bool ok = e->json != NULL ? json_read_object(w->kind, e->json, w->batch->arena, record, &err)
                              : pb_read_object(w->kind, e->pb.p, (size_t)(e->pb.end - e->pb.p),
                                               w->batch->arena, record, &err);
    if (ok) {
        batch_add(w, record, false);
    } else {
        w->counters->decode_errors++;
    }
}

static bool page_protobuf(struct kube_watch *w, struct kube_status *meta, struct arena *a,
                          struct err *err)
{
    struct pb list;
    if (!frame_unwrap(buf_str(&w->in), w->in.len, &list, err)) {
        return false;
    }
    struct pb_item item;
    bool bad = false;
    for (struct pb in = list;
         pb_next(&in, &item, &bad);) { /* damage is found before anything is applied */
    }
    if (bad ||
        !pb_read_table(&kube_status_table, list.p, (size_t)(list.end - list.p), a, meta, err)) {
        /* the table reads ListMeta {2: resourceVersion, 3: continue} where a Status has its own
         * metadata */
        return err->code != ERR_NONE ? false : err_set(err, ERR_INPUT, "damaged list");
    }
    while (pb_next(&list, &item, &bad)) {
        if (item.number == 2 && item.wire == 2) {
            struct event e = {.type = "", .pb = item.bytes};
            add_page_object(w, &e);
        }
    }
    return true;
}

static bool page_json(struct kube_watch *w, struct kube_status *meta, struct arena *a,
                      struct err *err)
{
    json_error_t je;
    json_t *list = json_loadb(buf_str(&w->in), w->in.len, JSON_ALLOW_NUL, &je);
    if (list == NULL) {
        return err_set(err, ERR_INPUT, "not JSON at byte %d: %.100s", je.position, je.text);
    }
    bool ok = json_read_table(&kube_status_table, list, a, meta, err);
    const json_t *items = json_object_get(list, "items");
    for (size_t i = 0; ok && i < json_array_size(items); i++) {
        struct event e = {.type = "", .json = json_array_get(items, i)};
        add_page_object(w, &e);
    }
    json_decref(list);
    return ok;
}

/* A page has come whole. Returns false when it was not a list after all. */
static bool take_page(struct kube_watch *w, bool protobuf, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status meta = {.resource_version = "", .continue_token = ""};
    list_begin(w);
    if (!(protobuf ? page_protobuf(w, &meta, a, err) : page_json(w, &meta, a, err))) {
        return false;
    }
    if (w->continue_token == NULL) {
        (void)snprintf(w->list_rv, sizeof w->list_rv, "%s", meta.resource_version);
    }
    free(w->continue_token);
    w->continue_token = meta.continue_token[0] != '\0' ? xstrdup(meta.continue_token) : NULL;
    if (w->continue_token == NULL) {
        list_end(w, w->list_rv);
        w->inconsistent = false;
    }
    return true;
}

/* ---- moves ---- */

static void wait_then_retry(struct kube_watch *w, int64_t at_least_ms)
{
    if (w->backoff_ms == 0) {
        w->backoff_ms = BACKOFF_FIRST_MS;
    }
    int64_t ms = jitter(w->backoff_ms);
    w->backoff_ms = w->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : w->backoff_ms * 2;
    w->state = WATCH_WAITING;
    w->due_ms = clock_mono_ms() + (ms > at_least_ms ? ms : at_least_ms);
    w->counters->retries++;
}

static void add_selector(enum kind kind, struct buf *path)
{
    if (kind == KIND_EVENT) {
        (void)buf_addz(path, "&fieldSelector=type%21%3DNormal");
    } else if (kind == KIND_LEASE) {
        (void)buf_addz(path, "&fieldSelector=metadata.name%3Daws-load-balancer-controller-leader");
    }
}

static void base_path(const struct kube_watch *w, struct buf *path)
{
    const struct kind_info *k = kind_info(w->kind);
    if (k->group[0] == '\0') {
        (void)buf_addf(path, "/api/%s/%s", w->version, k->resource);
    } else {
        (void)buf_addf(path, "/apis/%s/%s/%s", k->group, w->version, k->resource);
    }
}

static bool is_custom(enum kind kind)
{
    return kind == KIND_BINDING_LBC || kind == KIND_BINDING_AUTO || kind == KIND_ARGO_ROLLOUT;
}

static void on_done(void *arg, struct kube_call *call);

static void start(struct kube_watch *w, enum watch_state state)
{
    AUTO(buf) path = BUF_INIT(16384);
    base_path(w, &path);
    int64_t seconds = jitter(WATCH_SECONDS_MIN);
    bool stream = state != WATCH_LISTING;
    if (state == WATCH_LISTING) {
        (void)buf_addf(&path, "?limit=%" PRId64, w->options->page_size);
        if (w->continue_token != NULL) {
            char *escaped = curl_easy_escape(NULL, w->continue_token, 0);
            (void)buf_addf(&path, "&continue=%s", escaped);
            curl_free(escaped);
        }
    } else {
        (void)buf_addf(&path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRId64, seconds);
        if (state == WATCH_STREAMING) {
            (void)buf_addz(
                &path,
                "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=");
        } else {
            (void)buf_addf(&path, "&resourceVersion=%s", w->rv);
        }
    }
    add_selector(w->kind, &path);
    struct kube_call_options opt = {.path = buf_str(&path),
                                    .stream = stream,
                                    .protobuf = w->options->protobuf && !is_custom(w->kind),
                                    .gzip = w->options->compress && !stream,
                                    .deadline_ms = (seconds + 30) * 1000};
    buf_clear(&w->in);
    w->scan = (struct json_scan){0};
    w->relist = false;
    w->state = state;
    w->began_ms = clock_mono_ms();
    w->events_before = w->counters->events;
    struct err err = {0};
    if (state == WATCH_STREAMING) {
        list_begin(w);
    }
    w->call =
        kube_call_start(w->client, &opt, stream ? on_watch_data : on_page_data, on_done, w, &err);
    if (w->call == NULL) {
        list_abort(w);
        kube_watch_report(w, SOURCE_DENIED, err.text);
        wait_then_retry(w, 0);
    }
}

static void start_list(struct kube_watch *w)
{
    start(w, w->try_stream && w->continue_token == NULL ? WATCH_STREAMING : WATCH_LISTING);
}

/* The server's own words about a failure, short. */
static void failure_text(const struct kube_call *call, char text[256])
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status s;
    struct err err = {0};
    json_t *doc = json_loadb(buf_str(&call->error_body), call->error_body.len, 0, NULL);
    const char *message = "";
    struct pb raw;
    if (doc != NULL && json_read_table(&kube_status_table, doc, a, &s, &err)) {
        message = s.message;
    } else if (frame_unwrap(buf_str(&call->error_body), call->error_body.len, &raw, &err) &&
               pb_read_table(&kube_status_table, raw.p, (size_t)(raw.end - raw.p), a, &s, &err)) {
        message = s.message;
    }
    json_decref(doc);
    if (call->status == 0 || (call->status == 200 && call->error[0] != '\0')) {
        (void)snprintf(text, 256, "%.250s", call->error);
    } else {
        (void)snprintf(text, 256, "HTTP %d %.200s", call->status, message);
    }
}

static char *continuation_of(const struct kube_call *call)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status s = {.continue_token = ""};
    struct err err = {0};
    struct pb raw;
    json_t *doc = json_loadb(buf_str(&call->error_body), call->error_body.len, 0, NULL);
    bool ok =
        doc != NULL
            ? json_read_table(&kube_status_table, doc, a, &s, &err)
            : frame_unwrap(buf_str(&call->error_body), call->error_body.len, &raw, &err) &&
                  pb_read_table(&kube_status_table, raw.p, (size_t)(raw.end - raw.p), a, &s, &err);
    json_decref(doc);
    return ok && s.continue_token[0] != '\0' ? xstrdup(s.continue_token) : NULL;
}

static void on_expired(struct kube_watch *w, const struct kube_call *call)
{
    char *token = w->state == WATCH_LISTING ? continuation_of(call) : NULL;
    w->counters->relists_410++;
    if (token != NULL && !w->inconsistent) { /* go on with newer pages; the watch from the first
                                                page's version repairs */
        free(w->continue_token);
        w->continue_token = token;
        w->inconsistent = true;
        start(w, WATCH_LISTING);
        return;
    }
    free(token);
    list_abort(w);
    w->rv[0] = '\0';
    wait_then_retry(w, 0);
}

/* X(status, what to do): anything else that is not 200 backs off and tries the same again. */
static void on_refused(struct kube_watch *w, const struct kube_call *call, const char *text)
{
    bool first_page =
        w->state == WATCH_STREAMING || (w->state == WATCH_LISTING && w->continue_token == NULL);
    switch (call->status) {
    case 401:
        kube_client_renew(w->client);
        list_abort(w);
        kube_watch_report(w, SOURCE_DENIED, text);
        wait_then_retry(w, 0);
        return;
    case 403:
        list_abort(w);
        kube_watch_report(w, SOURCE_DENIED, text);
        wait_then_retry(w, jitter(DENIED_RETRY_MS));
        return;
    case 404:
        list_abort(w);
        kube_watch_gone(w);
        return;
    case 410:
        on_expired(w, call);
        return;
    case 400:
    case 406:
    case 422:
        if (w->state == WATCH_STREAMING) { /* the server has no WatchList */
            w->try_stream = false;
            list_abort(w);
            start(w, WATCH_LISTING);
            return;
        }
        break;
    default:
        break;
    }
    if (first_page || w->state == WATCH_LISTING) {
        list_abort(w);
    }
    kube_watch_report(w,
                      call->status == 429 ? SOURCE_THROTTLED
                      : call->status == 0 ? SOURCE_UNREACHABLE
                                          : SOURCE_FAILING,
                      text);
    wait_then_retry(w, call->retry_after_ms);
}

static void on_list_done(struct kube_watch *w, const struct kube_call *call, const char *text)
{
    struct err err = {0};
    if (call->result != CURLE_OK || !take_page(w, call->protobuf, &err)) {
        list_abort(w); /* a truncated page is a failed page, never the end of the list */
        kube_watch_report(w, SOURCE_FAILING, err.code != ERR_NONE ? err.text : text);
        wait_then_retry(w, 0);
        return;
    }
    start(w, w->continue_token != NULL ? WATCH_LISTING : WATCH_WATCHING);
}

static void on_stream_done(struct kube_watch *w, const struct kube_call *call, const char *text)
{
    int64_t lived = clock_mono_ms() - w->began_ms;
    bool quiet = w->counters->events == w->events_before;
    if (lived > BACKOFF_RESET_MS || !quiet) {
        w->backoff_ms = 0;
    }
    if (w->state == WATCH_STREAMING) { /* it ended before its initial events did */
        w->try_stream = false;
        list_abort(w);
        kube_watch_report(w, SOURCE_FAILING,
                          text[0] != '\0' ? text : "the streaming list ended early; using pages");
        wait_then_retry(w, 0);
        return;
    }
    if (w->relist) {
        w->rv[0] = '\0';
        wait_then_retry(w, 0);
        return;
    }
    bool clean = call->result == CURLE_OK;
    w->counters->closed_early += clean && lived < (int64_t)WATCH_SECONDS_MIN * 900 ? 1 : 0;
    if (clean && (lived >= SHORT_WATCH_MS || !quiet)) {
        start(w, WATCH_WATCHING);
        return;
    }
    if (!clean) {
        kube_watch_report(w, SOURCE_UNREACHABLE, text);
    }
    wait_then_retry(w, 0);
}

static void on_done(void *arg, struct kube_call *call)
{
    struct kube_watch *w = arg;
    char text[256] = "";
    if (call->status != 200 || call->result != CURLE_OK) {
        failure_text(call, text);
    }
    kube_watch_flush(w);
    w->call = NULL;
    if (call->status != 200) {
        on_refused(w, call, text);
    } else if (w->state == WATCH_LISTING) {
        on_list_done(w, call, text);
    } else {
        on_stream_done(w, call, text);
    }
}

void kube_watch_found(struct kube_watch *w, const char *version)
{
    bool changed = strcmp(w->version, version) != 0;
    (void)snprintf(w->version, sizeof w->version, "%s", version);
    if (w->state == WATCH_ABSENT || changed) {
        kube_call_cancel(w->call);
        w->call = NULL;
        list_abort(w);
        w->state = WATCH_QUEUED;
        kube_watch_report(w, SOURCE_SYNCING, "");
    }
}

void kube_watch_gone(struct kube_watch *w)
{
    if (w->state == WATCH_ABSENT && w->reported == SOURCE_ABSENT) {
        return;
    }
    kube_call_cancel(w->call);
    w->call = NULL;
    list_abort(w);
    flush_wait(w);
    w->state = WATCH_ABSENT;
    w->rv[0] = '\0';
    w->synced = true; /* nothing to wait for */
    push_control(w, change_new(CHANGE_KIND_GONE, 256));
    kube_watch_report(w, SOURCE_ABSENT, "");
}

bool kube_watch_syncing(const struct kube_watch *w)
{
    return (w->state == WATCH_STREAMING || w->state == WATCH_LISTING) && !w->synced;
}

static void verify_if_due(struct kube_watch *w, int64_t now)
{
    if (w->state != WATCH_WATCHING || w->verify_due_ms == 0 || now < w->verify_due_ms) {
        return;
    }
    kube_call_cancel(w->call);
    w->call = NULL;
    flush_wait(w);
    w->verifying = true;
    w->verify_due_ms = 0;
    start(w, WATCH_LISTING); /* pages: cheap for the server and flat for us */
}

int64_t kube_watch_step(struct kube_watch *w, bool may_sync)
{
    int64_t now = clock_mono_ms();
    kube_watch_flush(w);
    if (w->blocked_since_ms == 0 && w->call != NULL && w->call->paused) {
        kube_client_resume(w->call);
    }
    verify_if_due(w, now);
    bool due = w->state == WATCH_QUEUED || (w->state == WATCH_WAITING && now >= w->due_ms);
    if (due && w->call == NULL) {
        if (w->rv[0] != '\0') {
            start(w, WATCH_WATCHING);
            w->synced = true; /* resumed: the stored rows stand */
            kube_watch_report(w, SOURCE_OK, "");
        } else if (may_sync || w->synced) {
            start_list(w);
        }
    }
    if (w->blocked_since_ms != 0) {
        return now + 5;
    }
    return w->state == WATCH_WAITING ? w->due_ms : w->verify_due_ms;
}
