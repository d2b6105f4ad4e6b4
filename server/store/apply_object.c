/*
 * Objects of all kinds but pods and workloads: one row each in `object`, keyed by kind, namespace
 * and name. Some kinds have company: namespaces their row in `namespace`, bindings in
 * `binding_group`, ReplicaSets decide what pods belong to, leases are kept in memory between rare
 * writes.
 */
#include <stdio.h>
#include <string.h>

#include "store/state.h"

/* The row as it stands. */
struct stored {
    bool found;
    int64_t id;
    const char *rv;
    const char *uid;
    const char *ref;
    const void *body;
    size_t len;
};

static bool load(struct store *s, enum kind kind, int64_t ns_id, const char *name,
                 struct stored *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_GET);
    db_bind(st, "iiit", s->cluster_id, (int64_t)kind, ns_id, name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = (struct stored){.found = row};
    if (row) {
        ret->id = db_int(st, 0);
        ret->rv = db_text(st, 1, s->scratch);
        ret->uid = db_text(st, 2, s->scratch);
        ret->body = db_blob(st, 3, s->scratch, &ret->len);
        ret->ref = db_text(st, 4, s->scratch);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

static const char *controller_uid(const struct meta *m)
{
    const struct owner *o = meta_controller(m);
    return o != NULL ? o->uid : "";
}

/* What the kind is looked up by (see the schema). */
static const char *ref_of(struct store *s, enum kind kind, const void *record)
{
    const struct meta *m = record;
    switch ((int)kind) {
    case KIND_EVENT: {
        const struct kube_event *e = record;
        return arena_printf(s->scratch, "%s/%s", e->object_kind, e->object_name);
    }
    case KIND_ENDPOINT_SLICE: {
        const char *service = kvs_get(&m->labels, "kubernetes.io/service-name");
        return service != NULL ? service : "";
    }
    case KIND_REPLICASET:
    case KIND_CONTROLLER_REVISION:
        return controller_uid(m);
    case KIND_BINDING_LBC:
    case KIND_BINDING_AUTO:
        return ((const struct kube_binding *)record)->service;
    default:
        return "";
    }
}

/* ---- company ---- */

#define INJECT "pod-readiness-gate-inject"
static const char *const injection_labels[] = {("elbv2.k8s.aws/" INJECT),
                                               ("eks.amazonaws.com/" INJECT),
                                               ("application-networking.k8s.aws/" INJECT)};

static bool injection_differs(const struct kube_namespace *a, const struct kube_namespace *b)
{
    for (size_t i = 0; i < sizeof injection_labels / sizeof injection_labels[0]; i++) {
        const char *x = kvs_get(&a->meta.labels, injection_labels[i]);
        const char *y = kvs_get(&b->meta.labels, injection_labels[i]);
        if ((x == NULL) != (y == NULL) || (x != NULL && y != NULL && strcmp(x, y) != 0)) {
            return true;
        }
    }
    return false;
}

/* Thresholds may stand in a namespace's annotations. */
static bool annotations_differ(const struct kube_namespace *a, const struct kube_namespace *b)
{
    const struct kvs *x = &a->meta.annotations;
    const struct kvs *y = &b->meta.annotations;
    bool differ = x->n != y->n;
    for (uint32_t i = 0; i < x->n && !differ; i++) {
        differ = strcmp(x->items[i].key, y->items[i].key) != 0 ||
                 strcmp(x->items[i].value, y->items[i].value) != 0;
    }
    return differ;
}

/* The namespace's own row: present, and since when its injection label says what it says. */
static bool namespace_written(struct store *s, const struct kube_namespace *old,
                              const struct kube_namespace *fresh, bool in_list, struct err *err)
{
    int64_t id = 0;
    const char *name = fresh != NULL ? fresh->meta.name : old->meta.name;
    if (!names_id(s, name, &id, err)) {
        return false;
    }
    bool flipped = old != NULL && fresh != NULL && injection_differs(old, fresh);
    bool born = old == NULL && !in_list;
    bool quiet = old != NULL && fresh != NULL && !flipped && !annotations_differ(old, fresh);
    sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_PRESENT);
    db_bind(st, "iii", (int64_t)(fresh != NULL), flipped || born ? s->now : INT64_C(0), id);
    if (fresh != NULL) {
        tx_tell_namespace(s, id);
    } else {
        tx_tell_namespace_gone(s, id);
    }
    facts_drop_namespace(s, id);
    dirty_mark(s, DIRTY_NAMESPACE, id);
    return db_run(&s->db, st, err) && (quiet || dirty_namespace_rollouts(s, id, err));
}

/* Which row, and in which stream its object came. */
struct spot {
    enum kind kind;
    int64_t ns_id;
    bool in_list;
};

static bool company(struct store *s, const struct spot *at, int64_t id, const void *old,
                    const void *fresh, struct err *err)
{
    switch ((int)at->kind) {
    case KIND_NAMESPACE:
        facts_drop_cluster(s); /* the controller's own may be among them */
        return (old == NULL && fresh == NULL) || namespace_written(s, old, fresh, at->in_list, err);
    case KIND_REPLICASET:
        return replicaset_changed(s, at->ns_id, old, fresh, err);
    case KIND_BINDING_LBC:
    case KIND_BINDING_AUTO:
        return fresh != NULL ? binding_written(s, id, at->ns_id, old, fresh, err)
                             : binding_removed(s, id, err);
    default:
        return true;
    }
}

static bool after_write(struct store *s, enum kind kind, int64_t ns_id, const void *old,
                        const void *fresh, struct err *err)
{
    bool hidden = kind == KIND_EVENT || kind == KIND_LEASE || kind == KIND_NODE ||
                  kind == KIND_REPLICASET || kind == KIND_CONTROLLER_REVISION;
    if (!hidden) {
        tx_touch_namespace(s, ns_id);
    }
    return dirty_object(s, kind, ns_id, old, fresh, err);
}

/* ---- leases ---- */

static struct lease_memo *lease_memo(struct store *s, int64_t id)
{
    struct lease_memo *oldest = &s->leases[0];
    for (size_t i = 0; i < sizeof s->leases / sizeof s->leases[0]; i++) {
        if (s->leases[i].object_id == id) {
            return &s->leases[i];
        }
        if (s->leases[i].written_at < oldest->written_at) {
            oldest = &s->leases[i];
        }
    }
    *oldest = (struct lease_memo){.object_id = id};
    return oldest;
}

enum lease_news { LEASE_CHANGED, LEASE_RENEWED, LEASE_RENEWED_LATELY };

/* A renewal alone disturbs nobody; memory is enough for it most times. */
static enum lease_news lease_news(struct store *s, int64_t id, const struct kube_lease *old,
                                  const struct kube_lease *fresh)
{
    struct lease_memo *memo = lease_memo(s, id);
    memo->renew_at = fresh->renew_at;
    memo->name_hash = text_hash(fresh->meta.name);
    bool same = old != NULL && strcmp(old->holder, fresh->holder) == 0 &&
                old->duration_seconds == fresh->duration_seconds &&
                old->transitions == fresh->transitions && old->acquire_at == fresh->acquire_at;
    bool lately = s->now - memo->written_at < OK_WRITE_MS && s->now >= memo->written_at;
    if (same && lately) {
        return LEASE_RENEWED_LATELY;
    }
    memo->written_at = s->now;
    return same ? LEASE_RENEWED : LEASE_CHANGED;
}

/* ---- rows ---- */

static bool write_version(struct store *s, int64_t id, const char *rv, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_VERSION);
    db_bind(st, "ti", rv, id);
    return db_run(&s->db, st, err);
}

static bool write_row(struct store *s, enum kind kind, int64_t ns_id, struct stored *old,
                      const void *record, struct err *err)
{
    const struct meta *m = record;
    const char *ref = ref_of(s, kind, record);
    if (old->found) {
        sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_UPDATE);
        db_bind(st, "ttbi", m->uid, m->resource_version, s->pack.data, s->pack.len, old->id);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
        if (strcmp(ref, old->ref) == 0) {
            return true;
        }
        st = db_get(&s->db, SQL_OBJECT_REF); /* indexed: set only when it changes */
        db_bind(st, "ti", ref, old->id);
        return db_run(&s->db, st, err);
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_ADD);
    db_bind(st, "iiittttib", s->cluster_id, (int64_t)kind, ns_id, m->name, m->uid,
            m->resource_version, ref, s->now, s->pack.data, s->pack.len);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    old->id = sqlite3_last_insert_rowid(s->db.handle);
    return true;
}

static bool delete_row(struct store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_DELETE);
    db_bind(st, "i", id);
    return db_run(&s->db, st, err);
}

static bool remove_loaded(struct store *s, const struct spot *at, int64_t id, const void *old,
                          struct err *err)
{
    return delete_row(s, id, err) && company(s, at, id, old, NULL, err) &&
           after_write(s, at->kind, at->ns_id, old, NULL, err);
}

bool apply_remove_object(struct store *s, enum kind kind, int64_t id, struct err *err)
{
    arena_reset(s->scratch);
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_BY_ID);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return true;
    }
    size_t len = 0;
    const struct spot at = {.kind = kind, .ns_id = db_int(st, 0)};
    const char *rv = db_text(st, 1, s->scratch);
    const void *body = db_blob(st, 2, s->scratch, &len);
    (void)sqlite3_reset(st); /* the row was read */
    void *old = apply_unpack(kind, body, len, rv, s->scratch);
    return remove_loaded(s, &at, id, old, err);
}

static bool keep(struct store *s, const struct spot *at, struct stored *row, const void *record,
                 struct err *err)
{
    const struct meta *m = record;
    enum kind kind = at->kind;
    void *old = row->found ? apply_unpack(kind, row->body, row->len, row->rv, s->scratch) : NULL;
    enum lease_news lease =
        row->found && kind == KIND_LEASE ? lease_news(s, row->id, old, record) : LEASE_CHANGED;
    if (lease == LEASE_RENEWED_LATELY) {
        return true;
    }
    if (!apply_pack(s, kind, record, err)) {
        return false;
    }
    bool same =
        row->found && s->pack.len == row->len && memcmp(s->pack.data, row->body, row->len) == 0;
    bool added = !row->found;
    if (same) {
        return write_version(s, row->id, m->resource_version, err);
    }
    if (!write_row(s, kind, at->ns_id, row, record, err)) {
        return false;
    }
    if (added) {
        list_saw(s, kind, row->id, true);
    }
    if (kind == KIND_LEASE && added) {
        (void)lease_news(s, row->id, NULL, record); /* remembers it */
    }
    if (lease == LEASE_RENEWED) {
        return true;
    }
    return company(s, at, row->id, old, record, err) &&
           after_write(s, kind, at->ns_id, old, record, err);
}

static bool is_noise(enum kind kind, const struct change_object *o)
{
    return kind == KIND_EVENT &&
           strcmp(((const struct kube_event *)o->record)->type, "Normal") == 0;
}

bool apply_object(struct store *s, enum kind kind, const struct change_object *o, bool in_list,
                  struct err *err)
{
    const struct meta *m = o->record;
    struct spot at = {.kind = kind, .in_list = in_list};
    struct stored row = {0};
    if (is_noise(kind, o)) {
        return true;
    }
    if (!names_id(s, m->namespace, &at.ns_id, err) ||
        !load(s, kind, at.ns_id, m->name, &row, err)) {
        return false;
    }
    bool same_uid = row.found && strcmp(row.uid, m->uid) == 0;
    if (o->deleted) {
        list_gone(s, kind, at.ns_id, m->name);
        if (!row.found || (!same_uid && row.uid[0] != '\0' && m->uid[0] != '\0')) {
            return true; /* gone already, or another object of that name stands here now */
        }
        void *old = apply_unpack(kind, row.body, row.len, row.rv, s->scratch);
        return remove_loaded(s, &at, row.id, old, err);
    }
    if (list_leaves(s, kind, &(struct list_item){at.ns_id, m, row.found, row.id, row.rv})) {
        return true;
    }
    bool same_rv =
        m->resource_version[0] != '\0' && row.found && strcmp(row.rv, m->resource_version) == 0;
    if (same_uid) {
        list_saw(s, kind, row.id, !same_rv && kind != KIND_LEASE); /* its row may lag, on purpose */
    }
    if (same_uid && same_rv) {
        atomic_fetch_add_explicit(&s->m_unchanged, 1, memory_order_relaxed);
        return true;
    }
    if (same_uid && !in_list && version_older(m->resource_version, row.rv)) {
        return true; /* a replay from before what we have */
    }
    if (row.found && !same_uid) { /* made anew under its old name: nothing of the old one counts */
        void *old = apply_unpack(kind, row.body, row.len, row.rv, s->scratch);
        if (!remove_loaded(s, &at, row.id, old, err)) {
            return false;
        }
        row.found = false;
    }
    return keep(s, &at, &row, o->record, err);
}
