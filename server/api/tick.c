/* Ticks (see tick.h). */
#include "api/tick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* ---- who follows what ---- */

static uint32_t hash_any_case(uint32_t h, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        h = (h ^ (unsigned char)(*p | 0x20)) * 16777619u; /* kinds come in any case */
    }
    return (h ^ '/') * 16777619u;
}

static uint32_t follow_slot(const char *namespace, const char *kind, const char *name)
{
    uint32_t h = hash_any_case(hash_any_case(hash_any_case(2166136261u, namespace), kind), name);
    return (h ^ h >> 16) % FOLLOW_SLOTS;
}

void follow_add(struct follow *f, const struct stream_filter *filter, int by)
{
    unsigned step = (unsigned)by;
    if (filter_is_single(filter)) {
        uint16_t *slot = &f->slots[follow_slot(filter->namespaces[0], filter->kind, filter->name)];
        *slot = (uint16_t)(*slot + step);
        f->n += step;
    } else {
        f->wide += step;
    }
    if (filter->states != 0 || filter->cause != NULL || filter->labels != NULL) {
        f->picky += step;
    }
    f->labelled += filter->labels != NULL ? step : 0;
}

static bool followed(const struct follow *f, const char *namespace, const char *kind,
                     const char *name)
{
    return f->n > 0 && f->slots[follow_slot(namespace, kind, name)] > 0;
}

/* ---- building ---- */

struct build {
    struct worker *w;
    const struct follow *follow;
    struct tick *t;
    int64_t cluster;
    bool sources_read;
    struct list sources;
};

static struct json_out frame_open(struct build *b, struct frame *f, const char *event)
{
    f->at = b->t->bytes.len;
    (void)buf_addf(&b->t->bytes, "event: %s\ndata: ", event);
    return json_out(&b->t->bytes);
}

static void frame_close(struct build *b, struct frame *f)
{
    (void)buf_addz(&b->t->bytes, "\n\n");
    f->len = b->t->bytes.len - f->at;
    b->t->n++;
}

static void name_json(const struct frame *f, const char *mark, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "namespace", f->namespace);
    json_kstr(j, "kind", f->kind);
    json_kstr(j, "name", f->name);
    if (mark != NULL) {
        json_kbool(j, mark, true);
    }
    json_close(j, '}');
}

static void add_left(struct build *b, struct frame *f)
{
    struct buf *out = &b->t->lefts;
    f->left_at = out->len;
    (void)buf_addz(out, "event: rollout\ndata: ");
    struct json_out j = json_out(out);
    name_json(f, f->state < 0 ? "deleted" : "left", &j);
    (void)buf_addz(out, "\n\n");
    f->left_len = out->len - f->left_at;
}

static void copy_labels(struct build *b, int64_t id, struct frame *f)
{
    struct err err;
    struct kvs labels;
    struct arena *a = b->t->arena;
    if (!reader_labels(b->w->reader, id, &labels, &err)) {
        return; /* as if it had none */
    }
    struct kv *copy = arena_array(a, struct kv, labels.n + 1);
    for (uint32_t i = 0; i < labels.n; i++) {
        copy[i] = (struct kv){arena_strdup(a, labels.items[i].key),
                              arena_strdup(a, labels.items[i].value)};
    }
    f->labels = (struct kvs){copy, labels.n};
}

static void rollout_frame(struct build *b, const struct feed_item *item, struct frame *f)
{
    struct err err;
    struct rollout_info info;
    if (b->follow->wide == 0 && !followed(b->follow, item->namespace, item->kind, item->name)) {
        return;
    }
    struct json_out j = frame_open(b, f, "rollout");
    size_t start = b->t->bytes.len;
    if (item->state >= 0 &&
        reader_rollout(b->w->reader, item->workload_id, false, &j, &info, &err)) {
        f->state = (int)info.state;
        f->cause = arena_strdup(b->t->arena, info.cause);
        if (b->follow->labelled > 0) {
            copy_labels(b, item->workload_id, f);
        }
    } else {
        b->t->bytes.len = start;
        j.comma = false;
        f->state = -1;
        name_json(f, "deleted", &j);
    }
    frame_close(b, f);
    if (b->follow->picky > 0) {
        add_left(b, f);
    }
}

static void pod_frame(struct build *b, const struct feed_item *item, struct frame *f)
{
    struct err err;
    struct rollout_info info;
    if (b->follow->n == 0 ||
        !reader_rollout(b->w->reader, item->workload_id, false, NULL, &info, &err) ||
        !followed(b->follow, info.namespace, info.kind, info.name)) {
        return;
    }
    f->kind = arena_strdup(b->t->arena, info.kind);
    f->name = arena_strdup(b->t->arena, info.name);
    struct json_out j = frame_open(b, f, "pod");
    json_open(&j, '{');
    json_key(&j, "workload");
    name_json(f, NULL, &j);
    struct json_out before = j;
    size_t mark = b->t->bytes.len;
    json_key(&j, "pod");
    struct object_name pod = {b->cluster, item->namespace, "Pod", item->name};
    if (item->state < 0 || !reader_pod(b->w->reader, &pod, false, &j, &err)) {
        b->t->bytes.len = mark;
        j = before;
        json_kstr(&j, "name", item->name);
        json_kbool(&j, "deleted", true);
    }
    json_close(&j, '}');
    frame_close(b, f);
}

static void namespace_frame(struct build *b, const struct feed_item *item, struct frame *f)
{
    struct err err;
    const char *name = item->name[0] != '\0' ? item->name : item->namespace;
    f->namespace = name;
    struct json_out j = frame_open(b, f, "namespace");
    json_open(&j, '{');
    struct json_out before = j;
    size_t mark = b->t->bytes.len;
    if (item->state < 0 || !reader_namespace(b->w->reader, b->cluster, name, false, &j, &err)) {
        b->t->bytes.len = mark;
        j = before;
        json_kstr(&j, "namespace", name);
        json_kbool(&j, "deleted", true);
    }
    json_close(&j, '}');
    frame_close(b, f);
}

static void alert_frame(struct build *b, const struct feed_item *item, struct frame *f)
{
    struct err err;
    struct rollout_info info = {.kind = "", .cause = ""};
    if (item->workload_id != 0 &&
        !reader_rollout(b->w->reader, item->workload_id, false, NULL, &info, &err)) {
        info = (struct rollout_info){.kind = "", .cause = ""}; /* gone already: its name must do */
    }
    f->kind = arena_strdup(b->t->arena, info.kind);
    struct json_out j = frame_open(b, f, "alert");
    json_open(&j, '{');
    json_kstr(&j, "type", item->kind);
    json_kstr(&j, "namespace", item->namespace);
    json_kstr(&j, "kind", info.kind);
    json_kstr(&j, "name", item->name);
    json_kstr(&j, "cause", info.cause[0] != '\0' ? info.cause : NULL);
    json_close(&j, '}');
    frame_close(b, f);
}

static void source_frame(struct build *b, const struct feed_item *item, struct frame *f)
{
    struct err err;
    if (!b->sources_read) {
        b->sources_read = reader_sources(b->w->reader, b->cluster, &b->sources, &err);
    }
    for (uint32_t i = 0; i < b->sources.n; i++) {
        const struct source_seen *s = LIST_AT(struct source_seen, b->sources, i);
        if (strcmp(s->name, item->name) == 0) {
            struct json_out j = frame_open(b, f, "source");
            json_open(&j, '{');
            json_kstr(&j, "name", s->name);
            json_kstr(&j, "state", source_state_name((enum source_state)s->state));
            json_kstr(&j, "message", s->message);
            json_ktime(&j, "since", s->since);
            json_ktime(&j, "ok_at", s->ok_at);
            json_close(&j, '}');
            frame_close(b, f);
            return;
        }
    }
}

static void add_frame(struct build *b, const struct feed_item *item)
{
    struct frame *f = &b->t->frames[b->t->n];
    struct arena *a = b->t->arena;
    *f = (struct frame){.what = item->what,
                        .namespace = arena_strdup(a, item->namespace),
                        .kind = arena_strdup(a, item->kind),
                        .name = arena_strdup(a, item->name),
                        .cause = "",
                        .state = item->state};
    switch (item->what) {
    case FEED_ROLLOUT:
        rollout_frame(b, item, f);
        break;
    case FEED_POD:
        pod_frame(b, item, f);
        break;
    case FEED_NAMESPACE:
        if (b->follow->wide > 0) {
            namespace_frame(b, item, f);
        }
        break;
    case FEED_ALERT:
        alert_frame(b, item, f);
        break;
    case FEED_SOURCE:
        source_frame(b, item, f);
        break;
    case FEED_GROUP:
        break; /* shows in pods and rollouts */
    }
}

/* ---- the newest item of each thing ---- */

enum { SEEN_SLOTS = 4096 };

static uint32_t item_hash(const struct feed_item *i)
{
    uint32_t h = hash_any_case((uint32_t)i->what * 31u + 7u, i->name);
    h = hash_any_case(h, i->namespace);
    if (i->what == FEED_ROLLOUT || i->what == FEED_ALERT) {
        h = hash_any_case(h, i->kind);
    }
    return (h ^ (uint32_t)i->workload_id * 2654435761u) * 2246822519u;
}

static bool same_thing(const struct feed_item *a, const struct feed_item *b)
{
    return a->what == b->what && a->workload_id == b->workload_id && a->ns_id == b->ns_id &&
           strcmp(a->name, b->name) == 0 && strcmp(a->namespace, b->namespace) == 0 &&
           strcmp(a->kind, b->kind) == 0;
}

/* Items of all blocks, newest first, each thing once. -1: more than a tick may have. */
static int distinct(const struct follow *follow, const struct feed_block *const *blocks, size_t n,
                    const struct feed_item **ret)
{
    const struct feed_item **seen = xcalloc(SEEN_SLOTS, sizeof(void *));
    int found = 0;
    for (size_t k = n; k-- > 0 && found >= 0;) {
        for (uint32_t i = blocks[k]->n; i-- > 0 && found >= 0;) {
            const struct feed_item *item = &blocks[k]->items[i];
            if (item->what == FEED_GROUP || (item->what == FEED_POD && follow->n == 0)) {
                continue;
            }
            uint32_t slot = item_hash(item) % SEEN_SLOTS;
            while (seen[slot] != NULL && !same_thing(seen[slot], item)) {
                slot = (slot + 1) % SEEN_SLOTS;
            }
            if (seen[slot] == NULL) {
                seen[slot] = item;
                if (found == TICK_ITEMS_MAX) {
                    found = -1;
                } else {
                    ret[found++] = item;
                }
            }
        }
    }
    free(seen);
    return found;
}

static void render_items(struct build *b, const struct feed_item **items, int n)
{
    struct err err;
    const char *name = NULL;
    if (!reader_begin(b->w->reader, &err)) {
        b->t->resync = true; /* the lists will say what is wrong */
        return;
    }
    struct err none;
    if (!reader_cluster(b->w->reader, NULL, &b->cluster, &name, &none)) {
        b->cluster = 0; /* none is known yet: then there are no rollouts either */
    }
    b->t->frames = xcalloc((size_t)n + 1, sizeof *b->t->frames);
    for (int i = n; i-- > 0;) { /* oldest first */
        add_frame(b, items[i]);
    }
    reader_end(b->w->reader);
    if (b->t->bytes.overflow || b->t->lefts.overflow) {
        b->t->resync = true;
    }
}

struct tick *tick_build(struct worker *w, const struct follow *follow,
                        const struct feed_block *const *blocks, size_t n)
{
    const struct feed_item *items[TICK_ITEMS_MAX];
    struct tick *t = xcalloc(1, sizeof *t);
    t->refs = 1;
    t->revision = n > 0 ? blocks[n - 1]->revision : scopes_revision(w->shared->scopes);
    t->bytes.limit = TICK_BYTES_MAX;
    t->lefts.limit = TICK_BYTES_MAX;
    t->arena = arena_new(4096);
    int len = snprintf(t->trailer, sizeof t->trailer, "id: %lld\n\n", (long long)t->revision);
    t->trailer_len = (size_t)len;
    int found = distinct(follow, blocks, n, items);
    if (found < 0) {
        t->resync = true;
    } else if (found > 0) {
        struct build b = {.w = w, .follow = follow, .t = t};
        render_items(&b, items, found);
    }
    (void)atomic_fetch_add(&w->shared->counters.frames, t->n);
    return t;
}

struct tick *tick_ref(struct tick *t)
{
    t->refs++;
    return t;
}

void tick_unref(struct tick *t)
{
    if (t != NULL && --t->refs == 0) {
        buf_fini(&t->bytes);
        buf_fini(&t->lefts);
        arena_free(t->arena);
        free(t->frames);
        free(t);
    }
}

/* ---- matching ---- */

enum match { MATCH_NO, MATCH_YES, MATCH_LEFT };

static bool in_namespaces(const struct stream_filter *f, const char *namespace)
{
    for (size_t i = 0; i < f->n_namespaces; i++) {
        if (strcmp(f->namespaces[i], namespace) == 0) {
            return true;
        }
    }
    return f->n_namespaces == 0;
}

static bool workload_matches(const struct stream_filter *f, const struct frame *fr)
{
    return in_namespaces(f, fr->namespace) &&
           (f->kind == NULL || strcasecmp(f->kind, fr->kind) == 0) &&
           (f->name == NULL || strcmp(f->name, fr->name) == 0) &&
           reader_text_match(f->q, fr->namespace, fr->name);
}

static enum match rollout_matches(const struct stream_filter *f, const struct frame *fr)
{
    if (!workload_matches(f, fr)) {
        return MATCH_NO;
    }
    if (fr->state < 0) {
        return MATCH_YES;
    }
    bool now = (f->states == 0 || (f->states >> fr->state & 1) != 0) &&
               (f->cause == NULL || strcmp(f->cause, fr->cause) == 0) &&
               (f->labels == NULL || selector_match(f->labels, &fr->labels));
    return now ? MATCH_YES : MATCH_LEFT;
}

static enum match frame_matches(const struct stream_filter *f, const struct frame *fr)
{
    switch (fr->what) {
    case FEED_ROLLOUT:
        return rollout_matches(f, fr);
    case FEED_POD:
        return filter_is_single(f) && workload_matches(f, fr) ? MATCH_YES : MATCH_NO;
    case FEED_ALERT:
        return workload_matches(f, fr) ? MATCH_YES : MATCH_NO;
    case FEED_NAMESPACE:
        return in_namespaces(f, fr->namespace) && !filter_is_single(f) ? MATCH_YES : MATCH_NO;
    case FEED_SOURCE:
        return MATCH_YES;
    case FEED_GROUP:
        break;
    }
    return MATCH_NO;
}

static size_t add_piece(struct piece *pieces, size_t n, const char *data, size_t len)
{
    if (n > 0 && pieces[n - 1].data + pieces[n - 1].len == data) {
        pieces[n - 1].len += len; /* one run */
        return n;
    }
    pieces[n] = (struct piece){data, len};
    return n + 1;
}

size_t tick_pieces(const struct tick *t, const struct stream_filter *f, struct piece *pieces)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct frame *fr = &t->frames[i];
        enum match m = frame_matches(f, fr);
        if (m == MATCH_YES) {
            n = add_piece(pieces, n, t->bytes.data + fr->at, fr->len);
        } else if (m == MATCH_LEFT && fr->left_len > 0) {
            n = add_piece(pieces, n, t->lefts.data + fr->left_at, fr->left_len);
        }
    }
    if (n > 0) {
        pieces[n - 1].len--; /* the last event is closed by the trailer, with the id inside */
        pieces[n] = (struct piece){t->trailer, t->trailer_len};
        n++;
    }
    return n;
}
