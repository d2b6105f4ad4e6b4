/* From bytes to events to records (see kube_stream.h). */
#include "source/kube_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/field_rows.h"
#include "source/kube_watch.h"

void stream_init(struct watch_stream *s, struct kube_emit *emit, struct watch_counters *counters)
{
    *s = (struct watch_stream){.emit = emit, .counters = counters, .namespace = ""};
    frame_init(&s->reader);
}

void stream_fini(struct watch_stream *s)
{
    kube_call_cancel(s->call);
    s->call = NULL;
    free(s->page_continue);
    s->page_continue = NULL;
    stream_set_token(s, NULL);
    frame_fini(&s->reader);
}

void stream_set_token(struct watch_stream *s, char *token)
{
    free(s->token);
    s->token = token;
}

void stream_reset(struct watch_stream *s, enum stream_mode mode)
{
    s->mode = mode;
    s->page_rv[0] = '\0';
    free(s->page_continue);
    s->page_continue = NULL;
    s->good = false;
    s->expired = false;
    s->too_large = false;
    s->throttled = false;
    s->told = false;
    s->received = 0;
    s->began_ms = clock_mono_ms();
    s->opened_ms = 0;
    frame_start(&s->reader, FRAME_JSON_WATCH);
}

void stream_open(struct watch_stream *s, bool protobuf)
{
    bool page = s->mode == STREAM_PAGE;
    frame_start(&s->reader, protobuf ? (page ? FRAME_PB_LIST : FRAME_PB_WATCH)
                                     : (page ? FRAME_JSON_LIST : FRAME_JSON_WATCH));
    s->opened_ms = clock_mono_ms();
}

/* ---- one object, in either form ---- */

struct form {
    const json_t *json; /* NULL: protobuf */
    struct pb pb;
};

static bool read_any(const struct form *f, const struct field_table *table, struct arena *a,
                     void *record, struct err *err)
{
    if (f->json != NULL) {
        return json_read_table(table, f->json, a, record, err);
    }
    return pb_read_table(table, f->pb.p, (size_t)(f->pb.end - f->pb.p), a, record, err);
}

/* One odd object must not stop the stream: it is counted and passed over. */
static const struct meta *take_object(struct watch_stream *s, const struct form *f, bool deleted)
{
    struct arena *a = NULL;
    void *record = emit_record(s->emit, &a);
    struct err err = {0};
    enum kind kind = s->emit->kind;
    bool ok = f->json != NULL
                  ? json_read_object(kind, f->json, a, record, &err)
                  : pb_read_object(kind, f->pb.p, (size_t)(f->pb.end - f->pb.p), a, record, &err);
    if (!ok || !emit_add(s->emit, record, deleted)) {
        s->counters->decode_errors++;
        return NULL;
    }
    s->counters->events++;
    return record;
}

/* ---- pages ---- */

static bool take_page_meta(struct watch_stream *s, const struct form *f, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status meta = {.resource_version = "", .continue_token = ""};
    if (!read_any(f, &kube_list_meta_table, a, &meta, err)) {
        return false;
    }
    (void)snprintf(s->page_rv, sizeof s->page_rv, "%s", meta.resource_version);
    free(s->page_continue);
    s->page_continue = meta.continue_token[0] != '\0' ? xstrdup(meta.continue_token) : NULL;
    return true;
}

static bool on_page_frame(struct watch_stream *s, enum frame_what what, const char *data,
                          size_t len, struct err *err)
{
    struct form f = {NULL, pb_of(data, len)};
    json_t *doc = NULL;
    if (s->reader.form == FRAME_JSON_LIST) {
        json_error_t je;
        doc = json_read_bytes(data, len, &je);
        if (doc == NULL && what == FRAME_META) {
            return err_set(err, ERR_INPUT, "list metadata is not JSON: %.100s", je.text);
        }
        if (doc == NULL) {
            s->counters->decode_errors++;
            return true;
        }
        f.json = doc;
    }
    bool ok = true;
    if (what == FRAME_META) {
        ok = take_page_meta(s, &f, err);
    } else {
        (void)take_object(s, &f, false); /* an odd object is counted there */
    }
    json_decref(doc);
    return ok;
}

/* ---- watch events ---- */

struct bookmark {
    const char *rv;
    struct kvs annotations;
};
static const struct field bookmark_meta_fields[] = {STR("resourceVersion", 6, bookmark, rv),
                                                    KVS("annotations", 12, bookmark, annotations)};
TABLE(bookmark_meta, "metadata", struct bookmark, bookmark_meta_fields);
static const struct field bookmark_fields[] = {MSG("metadata", 1, bookmark_meta)};
TABLE(bookmark_table, "bookmark", struct bookmark, bookmark_fields);

/* One event. */
struct event {
    char type[16];
    char kind[64]; /* of the object; "" = not said */
    struct form object;
};

static void set_rv(struct watch_stream *s, const char *rv)
{
    if (rv[0] != '\0') {
        (void)snprintf(s->rv, sizeof s->rv, "%s", rv);
    }
}

static bool on_bookmark(struct watch_stream *s, const struct event *e, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct bookmark b = {.rv = ""};
    if (!read_any(&e->object, &bookmark_table, a, &b, err)) {
        return false;
    }
    const char *end = kvs_get(&b.annotations, "k8s.io/initial-events-end");
    if (s->mode == STREAM_INITIAL) {
        if (end != NULL && strcmp(end, "true") == 0 && b.rv[0] != '\0') {
            kube_watch_initial_ended(s->watch, b.rv);
        }
        return true;
    }
    if (b.rv[0] != '\0') {
        set_rv(s, b.rv);
        emit_bookmark(s->emit, b.rv);
    }
    return true;
}

bool stream_too_large(const struct kube_status *status)
{
    return status->code == 504 && strstr(status->message, "Too large resource version") != NULL;
}

/* The watch ends here; what the error means is for the machine to act on. */
static bool on_error_event(struct watch_stream *s, const struct event *e, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_status st = {.message = "", .reason = ""};
    if (!read_any(&e->object, &kube_status_table, a, &st, err)) {
        return false;
    }
    s->told = true;
    s->too_large = stream_too_large(&st);
    s->throttled = st.code == 429;
    s->expired = st.code == 410 || (st.code != 429 && st.code < 500);
    s->counters->relists_410 += st.code == 410 ? 1 : 0;
    return err_set(err, ERR_REMOTE, "the server ended the watch: %" PRId64 " %.180s", st.code,
                   st.message);
}

static bool on_event(struct watch_stream *s, const struct event *e, struct err *err)
{
    if (strcmp(e->type, "ERROR") == 0) {
        return on_error_event(s, e, err);
    }
    s->received++;
    s->good = true;
    if (strcmp(e->type, "BOOKMARK") == 0) {
        return on_bookmark(s, e, err);
    }
    bool deleted = strcmp(e->type, "DELETED") == 0;
    bool known = deleted || strcmp(e->type, "ADDED") == 0 || strcmp(e->type, "MODIFIED") == 0;
    bool other = e->kind[0] != '\0' && strcmp(e->kind, kind_info(s->emit->kind)->name) != 0;
    if (!known || other) { /* client-go passes over both, too */
        s->counters->decode_errors++;
        return true;
    }
    const struct meta *meta = take_object(s, &e->object, deleted);
    if (meta != NULL && s->mode == STREAM_WATCH) { /* initial events come in no order */
        set_rv(s, meta->resource_version);
    }
    return true;
}

static void copy_text(char *to, size_t size, struct pb from)
{
    size_t n = (size_t)(from.end - from.p);
    n = n < size - 1 ? n : size - 1;
    if (n > 0) {
        memcpy(to, from.p, n);
    }
    to[n] = '\0';
}

/* WatchEvent {1: type, 2: RawExtension {1: raw}}; raw has the envelope again. */
static bool event_from_protobuf(const char *data, size_t len, struct event *e, struct err *err)
{
    struct pb in = pb_of(data, len);
    struct pb_item item;
    bool bad = false;
    bool bad_raw = false;
    struct pb object = {NULL, NULL};
    struct pb kind = {NULL, NULL};
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 1 && item.wire == 2) {
            copy_text(e->type, sizeof e->type, item.bytes);
        } else if (item.number == 2 && item.wire == 2) {
            struct pb ext = item.bytes;
            struct pb_item raw;
            while (pb_next(&ext, &raw, &bad_raw)) {
                if (raw.number == 1 && raw.wire == 2) {
                    object = raw.bytes;
                }
            }
        }
    }
    if (bad || bad_raw || object.p == NULL) {
        return err_set(err, ERR_INPUT, "a damaged watch event");
    }
    if (!frame_unwrap_kind(object.p, (size_t)(object.end - object.p), &e->object.pb, &kind, err)) {
        return false;
    }
    copy_text(e->kind, sizeof e->kind, kind);
    return true;
}

static bool on_json_frame(struct watch_stream *s, const char *data, size_t len, struct err *err)
{
    json_error_t je = {.text = ""};
    json_t *doc = json_read_bytes(data, len, &je);
    const char *type = json_string_value(json_object_get(doc, "type"));
    struct event e = {.type = ""};
    e.object.json = json_object_get(doc, "object");
    bool ok = type != NULL && e.object.json != NULL;
    if (ok) {
        const char *kind = json_string_value(json_object_get(e.object.json, "kind"));
        (void)snprintf(e.type, sizeof e.type, "%s", type);
        (void)snprintf(e.kind, sizeof e.kind, "%s", kind != NULL ? kind : "");
        ok = on_event(s, &e, err);
    } else {
        (void)err_set(err, ERR_INPUT, "a watch event that is not one: %.100s",
                      doc == NULL ? je.text : "no type or object");
    }
    json_decref(doc);
    return ok;
}

static bool on_watch_frame(struct watch_stream *s, const char *data, size_t len, struct err *err)
{
    struct event e = {.type = ""};
    if (s->reader.form == FRAME_JSON_WATCH) {
        return on_json_frame(s, data, len, err);
    }
    return event_from_protobuf(data, len, &e, err) && on_event(s, &e, err);
}

/* ---- the loop ---- */

bool stream_drain(struct watch_stream *s)
{
    struct err err = {0};
    while (emit_ready(s->emit)) {
        const char *data = NULL;
        size_t len = 0;
        bool ok = true;
        switch (frame_next(&s->reader, &data, &len, &err)) {
        case FRAME_MORE:
            return true;
        case FRAME_SKIPPED:
            s->counters->decode_errors++;
            break;
        case FRAME_BAD:
            ok = false;
            break;
        case FRAME_META:
            ok = on_page_frame(s, FRAME_META, data, len, &err);
            break;
        case FRAME_ITEM:
            ok = s->mode == STREAM_PAGE ? on_page_frame(s, FRAME_ITEM, data, len, &err)
                                        : on_watch_frame(s, data, len, &err);
            break;
        }
        if (!ok) {
            if (s->call != NULL) {
                (void)snprintf(s->call->error, sizeof s->call->error, "%.250s", err.text);
            }
            return false;
        }
    }
    return true;
}

bool stream_data(void *arg, const char *data, size_t len, bool *ret_wait)
{
    struct watch_stream *s = arg;
    if (!stream_drain(s)) {
        return false;
    }
    if (!emit_ready(s->emit)) {
        *ret_wait = true;
        return true;
    }
    if (len == 0) {
        return true;
    }
    struct err err = {0};
    if (!frame_feed(&s->reader, data, len, &err)) {
        (void)snprintf(s->call->error, sizeof s->call->error, "%.250s", err.text);
        return false;
    }
    return stream_drain(s);
}

bool stream_finish(struct watch_stream *s, struct err *err)
{
    for (;;) {
        if (!stream_drain(s)) {
            return err_set(err, ERR_REMOTE, "%s",
                           s->call != NULL ? s->call->error : "a damaged answer");
        }
        if (emit_ready(s->emit)) {
            return frame_whole(&s->reader, err);
        }
        emit_flush_wait(s->emit); /* the bytes are here already: no socket waits on us */
    }
}
