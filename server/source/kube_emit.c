/* From one kind's machine to the writer (see kube_emit.h). */
#include "source/kube_emit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

/* BATCH_BYTES: a batch of a list fills four shared chunks of its arena and begins no fifth. */
enum { BATCH_OBJECTS = 256, BATCH_BYTES = 240 << 10, EVENTS_CHUNK = 16384, ALIVE_MS = 20000 };

void emit_init(struct kube_emit *e, enum kind kind, struct queue *out)
{
    *e = (struct kube_emit){.kind = kind, .out = out, .reported = SOURCE_STARTING};
}

void emit_fini(struct kube_emit *e)
{
    change_free(e->batch);
    e->batch = NULL;
}

bool emit_flush(struct kube_emit *e)
{
    if (e->batch == NULL) {
        e->blocked = false;
        return true;
    }
    enum queue_result r = queue_try_push(e->out, e->batch, change_weight(e->batch));
    e->blocked = r == QUEUE_FULL;
    if (e->blocked) {
        return false;
    }
    if (r == QUEUE_CLOSED) {
        change_free(e->batch); /* the process stops */
    }
    e->batch = NULL;
    return true;
}

static void push_wait(struct kube_emit *e, struct change *c)
{
    if (queue_push(e->out, c, change_weight(c), -1) != QUEUE_OK) {
        change_free(c); /* closed: the process stops */
    }
}

void emit_flush_wait(struct kube_emit *e)
{
    if (e->batch != NULL) {
        struct change *c = e->batch;
        e->batch = NULL;
        push_wait(e, c);
    }
    e->blocked = false;
}

static bool is_full(const struct kube_emit *e)
{
    return e->batch != NULL &&
           (e->batch->n_objects == BATCH_OBJECTS || arena_used(e->batch->arena) > BATCH_BYTES);
}

bool emit_ready(struct kube_emit *e)
{
    return !is_full(e) || emit_flush(e);
}

void *emit_record(struct kube_emit *e, struct arena **ret_arena)
{
    if (e->batch == NULL) {
        struct change *c = change_new(CHANGE_OBJECTS, e->in_list ? ARENA_SHARED : EVENTS_CHUNK);
        c->objects = arena_array(c->arena, struct change_object, BATCH_OBJECTS);
        c->kind = e->kind;
        c->received_at = clock_unix_ms();
        c->received_us = clock_mono_us();
        c->in_list = e->in_list;
        c->partial = e->partial;
        e->batch = c;
    }
    *ret_arena = e->batch->arena;
    return arena_alloc(e->batch->arena, kind_info(e->kind)->table->size);
}

bool emit_add(struct kube_emit *e, void *record, bool deleted)
{
    const struct meta *meta = record;
    if (meta->name[0] == '\0') {
        return false;
    }
    e->batch->objects[e->batch->n_objects++] = (struct change_object){deleted, record};
    return true;
}

/* Control changes keep their place: what was seen before goes first. */
static void push_control(struct kube_emit *e, struct change *c)
{
    emit_flush_wait(e);
    c->kind = e->kind;
    c->received_at = clock_unix_ms();
    push_wait(e, c);
}

void emit_list_begin(struct kube_emit *e, const char *verify)
{
    if (e->in_list) {
        return;
    }
    struct change *c = change_new(CHANGE_LIST_BEGIN, 256);
    c->verify = verify != NULL;
    c->resource_version = arena_strdup(c->arena, verify != NULL ? verify : "");
    push_control(e, c);
    e->in_list = true;
}

void emit_list_end(struct kube_emit *e, const char *rv)
{
    struct change *c = change_new(CHANGE_LIST_END, 512);
    c->resource_version = arena_strdup(c->arena, e->partial ? "" : rv);
    push_control(e, c);
    e->in_list = false;
}

void emit_list_abort(struct kube_emit *e)
{
    if (e->in_list) {
        push_control(e, change_new(CHANGE_LIST_ABORT, 256));
        e->in_list = false;
    }
}

void emit_bookmark(struct kube_emit *e, const char *rv)
{
    e->ok_ms = clock_mono_ms();
    if (e->partial) {
        return;
    }
    struct change *c = change_new(CHANGE_BOOKMARK, 256);
    c->resource_version = arena_strdup(c->arena, rv);
    push_control(e, c);
}

void emit_gone(struct kube_emit *e)
{
    push_control(e, change_new(CHANGE_KIND_GONE, 256));
}

static void push_source(struct kube_emit *e)
{
    const struct kind_info *info = kind_info(e->kind);
    struct change *c = change_new(CHANGE_SOURCE, 1024);
    c->source = (struct change_source){
        .source = arena_printf(c->arena, "kubernetes/%s%s%s", info->resource,
                               info->group[0] != '\0' ? "." : "", info->group),
        .state = e->reported,
        .message = arena_strdup(c->arena, e->reported_message),
        .at = clock_unix_ms(),
        .ok_at = clock_unix_of(e->ok_ms)};
    c->settled = e->settled;
    e->alive_due_ms = clock_mono_ms() + ALIVE_MS;
    push_control(e, c);
}

void emit_report(struct kube_emit *e, enum source_state state, const char *message)
{
    if (state == SOURCE_OK) {
        e->ok_ms = clock_mono_ms();
    }
    if (state == e->reported && strcmp(message, e->reported_message) == 0) {
        return;
    }
    e->reported = state;
    (void)snprintf(e->reported_message, sizeof e->reported_message, "%s", message);
    push_source(e);
}

void emit_settle(struct kube_emit *e)
{
    if (!e->settled) {
        e->settled = true;
        push_source(e);
    }
}

void emit_alive(struct kube_emit *e, int64_t seen_ms)
{
    e->ok_ms = seen_ms > e->ok_ms ? seen_ms : e->ok_ms;
    if (e->reported == SOURCE_OK && clock_mono_ms() >= e->alive_due_ms) {
        push_source(e);
    }
}
