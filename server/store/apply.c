/*
 * Changes to rows: the dispatcher, and what all kinds share. Objects are compared twice: an equal
 * resourceVersion is not written at all; an equal packed record under a new version writes the
 * version alone and disturbs nobody (heartbeats, managedFields, annotations we do not keep).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "store/state.h"

const char *address_canonical(const char *text, struct arena *a)
{
    unsigned char raw[16];
    char out[INET6_ADDRSTRLEN];
    if (strchr(text, ':') == NULL || inet_pton(AF_INET6, text, raw) != 1 ||
        inet_ntop(AF_INET6, raw, out, sizeof out) == NULL || strcmp(text, out) == 0) {
        return text;
    }
    return arena_strdup(a, out);
}

/* An old ReplicaSet at zero is one of many: its template is history. */
static void make_lean(struct kube_workload *rs)
{
    if (rs->replicas == 0 && rs->status_replicas == 0) {
        struct kube_workload lean;
        record_clear(kind_info(KIND_REPLICASET)->table, &lean);
        lean.meta = rs->meta;
        lean.replicas = 0;
        *rs = lean;
    }
}

bool apply_pack(struct store *s, enum kind kind, const void *record, struct err *err)
{
    const struct field_table *table = kind_info(kind)->table;
    void *copy = arena_alloc(s->scratch, table->size);
    memcpy(copy, record, table->size);
    ((struct meta *)copy)->resource_version = "";
    if (kind == KIND_REPLICASET) {
        make_lean(copy);
    }
    buf_clear(&s->pack);
    pack_record(table, copy, &s->pack);
    if (s->pack.overflow) {
        const struct meta *m = record;
        return err_set(err, ERR_INPUT, "%s %s/%s is larger than %zu bytes", kind_info(kind)->name,
                       m->namespace, m->name, s->pack.limit);
    }
    return true;
}

bool apply_unpack_into(enum kind kind, const void *body, size_t len, const char *rv,
                       struct arena *a, void *ret)
{
    struct err ignored = {0}; /* of another version: the next list writes it anew */
    struct meta *meta = ret;  /* each object's record starts with it */
    if (body == NULL || !unpack_record(kind_info(kind)->table, body, len, a, ret, &ignored)) {
        return false;
    }
    meta->kind = kind;
    meta->resource_version = rv;
    return true;
}

void *apply_unpack(enum kind kind, const void *body, size_t len, const char *rv, struct arena *a)
{
    void *record = arena_alloc(a, kind_info(kind)->table->size);
    return apply_unpack_into(kind, body, len, rv, a, record) ? record : NULL;
}

static bool apply_one(struct store *s, const struct change *c, const struct change_object *o,
                      struct err *err)
{
    switch ((int)c->kind) {
    case KIND_POD:
        return apply_pod(s, o, c->in_list, err);
    case KIND_DEPLOYMENT:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
    case KIND_ARGO_ROLLOUT:
        return apply_workload(s, c->kind, o, c->in_list, err);
    default:
        return apply_object(s, c->kind, o, c->in_list, err);
    }
}

static void remember_rv(struct store *s, enum kind kind, const char *rv)
{
    struct kind_state *k = &s->kinds[kind];
    if (rv[0] != '\0' && strcmp(rv, k->rv) != 0) {
        (void)snprintf(k->rv, sizeof k->rv, "%s", rv);
        k->rv_pending = true;
    }
}

static bool apply_objects(struct store *s, const struct change *c, struct err *err)
{
    s->from_list = c->in_list;
    for (uint32_t i = 0; i < c->n_objects; i++) {
        arena_reset(s->scratch);
        if (!apply_one(s, c, &c->objects[i], err)) {
            if (err->code == ERR_INPUT) {
                continue; /* one object that cannot be kept must not stop the others */
            }
            return false;
        }
    }
    if (!c->in_list && !c->partial && c->n_objects > 0) {
        const struct meta *last = c->objects[c->n_objects - 1].record;
        remember_rv(s, c->kind, last->resource_version);
    }
    return true;
}

/* A list that ends tells for the first time what is absent. */
static bool apply_list_end(struct store *s, const struct change *c, struct err *err)
{
    if (!list_end(s, c->kind, c->resource_version, err)) {
        return false;
    }
    bool tells = c->kind == KIND_ENDPOINT_SLICE || c->kind == KIND_WEBHOOK_CONFIG;
    return !tells || injector_look(s, err);
}

bool store_apply(struct store *s, const struct change *c, struct err *err)
{
    if (!s->in_tx) {
        return err_set(err, ERR_BUG, "apply outside a transaction");
    }
    arena_reset(s->scratch);
    switch (c->type) {
    case CHANGE_OBJECTS:
        return apply_objects(s, c, err);
    case CHANGE_LIST_BEGIN:
        list_begin(s, c->kind, c->verify, c->verify ? c->resource_version : "");
        return true;
    case CHANGE_LIST_END:
        return apply_list_end(s, c, err);
    case CHANGE_LIST_ABORT:
        list_abort(s, c->kind);
        return true;
    case CHANGE_BOOKMARK:
        remember_rv(s, c->kind, c->resource_version);
        return true;
    case CHANGE_KIND_GONE:
        return list_kind_gone(s, c->kind, err);
    case CHANGE_SOURCE:
        return apply_source(s, c, err);
    case CHANGE_CLUSTER:
        return apply_cluster(s, c, err);
    case CHANGE_TARGETS:
        return apply_targets(s, c, err);
    case CHANGE_GROUPS:
        return apply_groups(s, c, err);
    case CHANGE_GROUP_GONE:
        return apply_group_gone(s, c, err);
    case CHANGE_COMMAND:
        break;
    }
    return true;
}
