/*
 * Pods: object columns only. Verdict columns and track belong to save.c; a pod made anew under its
 * old name (StatefulSets do that) starts as a new row. The verdict of a pod that was never judged
 * is `unknown`, and is counted so.
 */
#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "store/state.h"

/* The row as it stands; texts live in scratch. */
struct stored {
    bool found;
    int64_t id;
    int64_t ns_id;
    const char *rv;
    const char *uid;
    const char *owner_uid;
    int64_t workload_id;
    int64_t state;
    int64_t node_key;
};

static void read_row(struct store *s, sqlite3_stmt *st, struct stored *ret)
{
    *ret = (struct stored){.found = true,
                           .id = db_int(st, 0),
                           .ns_id = db_int(st, 1),
                           .rv = db_text(st, 2, s->scratch),
                           .uid = db_text(st, 3, s->scratch),
                           .owner_uid = db_text(st, 4, s->scratch),
                           .workload_id = db_int(st, 5),
                           .state = db_int(st, 6),
                           .node_key = db_int(st, 7)};
}

static bool load(struct store *s, int64_t ns_id, const char *name, struct stored *ret,
                 struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_GET);
    db_bind(st, "it", ns_id, name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = (struct stored){.found = false};
    if (row) {
        read_row(s, st, ret);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

/* Is the stored body what stands in s->pack? */
static bool same_body(struct store *s, int64_t id, bool *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_BODY);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    const void *body = row ? sqlite3_column_blob(st, 0) : NULL;
    size_t len = body != NULL ? (size_t)sqlite3_column_bytes(st, 0) : 0;
    *ret = body != NULL && len == s->pack.len && memcmp(body, s->pack.data, len) == 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static const char *revision_of(const struct meta *m)
{
    static const char *const labels[] = {"rollouts-pod-template-hash", "pod-template-hash",
                                         "controller-revision-hash"};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        const char *value = kvs_get(&m->labels, labels[i]);
        if (value != NULL) {
            return value;
        }
    }
    return "";
}

static int64_t node_key_of(const struct kube_pod *pod)
{
    return pod->node[0] == '\0' ? 0 : (int64_t)(text_hash(pod->node) & 0xffffffff) | 1;
}

static void changed(struct store *s, int64_t ns_id, int64_t workload_id)
{
    if (workload_id != 0) {
        dirty_mark(s, DIRTY_ROLLOUT, workload_id);
        tx_touch_rollout(s, workload_id);
    } else {
        tx_touch_namespace(s, ns_id);
    }
}

static bool remove_row(struct store *s, const struct stored *row, const char *name, struct err *err)
{
    if (row->workload_id != 0 && !gone_add(s, row->id, row->workload_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_DELETE);
    db_bind(st, "i", row->id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    changed(s, row->ns_id, row->workload_id);
    if (row->workload_id == 0) {
        return true;
    }
    if (row->state != POD_FINISHED) {
        tally_add(s, row->ns_id, TALLY_PODS, row->state, -1);
    }
    store_feed(s, &(struct feed_item){.what = FEED_POD,
                                      .workload_id = row->workload_id,
                                      .ns_id = row->ns_id,
                                      .namespace = names_text(s, row->ns_id),
                                      .kind = "Pod",
                                      .name = name,
                                      .state = -1,
                                      .from_state = (int)row->state});
    return true;
}

bool apply_remove_pod(struct store *s, int64_t id, struct err *err)
{
    arena_reset(s->scratch);
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_BY_ID);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return true;
    }
    struct stored r;
    read_row(s, st, &r);
    const char *name = db_text(st, 8, s->scratch);
    (void)sqlite3_reset(st); /* the row was read */
    return remove_row(s, &r, name, err);
}

/* *ret_added false: there is a row of this name. */
static bool add(struct store *s, int64_t ns_id, const struct kube_pod *pod, bool *ret_added,
                struct err *err)
{
    const struct meta *m = &pod->meta;
    const struct owner *owner = meta_controller(m);
    int64_t workload = 0;
    if (!workload_of_owner(s, ns_id, owner, m, &workload, err) ||
        !apply_pack(s, KIND_POD, pod, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_ADD);
    db_bind(st, "iitttittiitb", s->cluster_id, ns_id, m->name, m->uid, m->resource_version,
            workload, owner != NULL ? owner->uid : "", revision_of(m), m->created_at, m->deleted_at,
            address_canonical(pod->ip, s->scratch), s->pack.data, s->pack.len);
    (void)sqlite3_bind_int64(st, 13, node_key_of(pod)); /* a fixed place: cannot be refused */
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    *ret_added = sqlite3_changes(s->db.handle) == 1;
    if (!*ret_added) {
        return true;
    }
    list_saw(s, KIND_POD, sqlite3_last_insert_rowid(s->db.handle), true);
    if (workload != 0) {
        tally_add(s, ns_id, TALLY_PODS, POD_UNKNOWN, 1);
    }
    changed(s, ns_id, workload);
    return true;
}

/* A pod's controller rarely changes: adopted, or orphaned by a deletion with its pods kept. */
static bool move(struct store *s, const struct stored *row, const struct kube_pod *pod,
                 int64_t *ret_workload, struct err *err)
{
    const struct owner *owner = meta_controller(&pod->meta);
    const char *uid = owner != NULL ? owner->uid : "";
    bool same = strcmp(uid, row->owner_uid) == 0 && row->workload_id != 0;
    *ret_workload = row->workload_id;
    if (same || (owner != NULL && strcmp(owner->kind, "Job") == 0 && row->workload_id == 0)) {
        return true;
    }
    int64_t to = 0;
    if (!workload_of_owner(s, row->ns_id, owner, &pod->meta, &to, err)) {
        return false;
    }
    if (to == row->workload_id && strcmp(uid, row->owner_uid) == 0) {
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_MOVE);
    db_bind(st, "iti", to, uid, row->id);
    if (row->state != POD_FINISHED) {
        tally_add(s, row->ns_id, TALLY_PODS, row->state,
                  (int64_t)(to != 0) - (int64_t)(row->workload_id != 0));
    }
    changed(s, row->ns_id, row->workload_id);
    *ret_workload = to;
    return db_run(&s->db, st, err);
}

static bool update(struct store *s, const struct stored *row, const struct kube_pod *pod,
                   struct err *err)
{
    const struct meta *m = &pod->meta;
    bool same = false;
    int64_t workload = 0;
    if (!apply_pack(s, KIND_POD, pod, err) || !same_body(s, row->id, &same, err)) {
        return false;
    }
    if (same) {
        sqlite3_stmt *st = db_get(&s->db, SQL_POD_VERSION);
        db_bind(st, "ti", m->resource_version, row->id);
        return db_run(&s->db, st, err);
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_UPDATE);
    db_bind(st, "tttibi", m->resource_version, revision_of(m),
            address_canonical(pod->ip, s->scratch), m->deleted_at, s->pack.data, s->pack.len,
            row->id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    int64_t node_key = node_key_of(pod);
    if (node_key != row->node_key) { /* indexed: set only when it changes */
        st = db_get(&s->db, SQL_POD_NODE);
        db_bind(st, "ii", node_key, row->id);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
    }
    if (!move(s, row, pod, &workload, err)) {
        return false;
    }
    changed(s, row->ns_id, workload);
    return true;
}

/* A first list brings nothing that is there already: its pods are added without a look. Whether
 * the table was empty only saves time, a name that stands there is seen all the same. */
static bool add_unseen(struct store *s, int64_t ns_id, const struct change_object *o,
                       bool *ret_added, struct err *err)
{
    struct listing *l = &s->lists[KIND_POD];
    *ret_added = false;
    if (!s->from_list || !l->open || l->verify || o->deleted) {
        return true;
    }
    if (!l->asked) {
        bool row = false;
        sqlite3_stmt *st = db_get(&s->db, SQL_POD_ANY);
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        (void)sqlite3_reset(st); /* the row was read */
        l->asked = true;
        l->cold = !row;
    }
    return !l->cold || add(s, ns_id, o->record, ret_added, err);
}

bool apply_pod(struct store *s, const struct change_object *o, bool in_list, struct err *err)
{
    const struct kube_pod *pod = o->record;
    const struct meta *m = &pod->meta;
    int64_t ns_id = 0;
    struct stored row;
    bool added = false;
    if (!names_id(s, m->namespace, &ns_id, err) || !add_unseen(s, ns_id, o, &added, err)) {
        return false;
    }
    if (added) {
        return true;
    }
    if (!load(s, ns_id, m->name, &row, err)) {
        return false;
    }
    bool same_uid = row.found && strcmp(row.uid, m->uid) == 0;
    if (o->deleted) {
        list_gone(s, KIND_POD, ns_id, m->name);
        return !row.found || !same_uid || remove_row(s, &row, m->name, err);
    }
    if (list_leaves(s, KIND_POD, &(struct list_item){ns_id, m, row.found, row.id, row.rv})) {
        return true;
    }
    bool same_rv =
        row.found && m->resource_version[0] != '\0' && strcmp(row.rv, m->resource_version) == 0;
    if (same_uid) {
        list_saw(s, KIND_POD, row.id, !same_rv);
    }
    if (same_uid && same_rv) {
        atomic_fetch_add_explicit(&s->m_unchanged, 1, memory_order_relaxed);
        return true;
    }
    if (same_uid && !in_list && version_older(m->resource_version, row.rv)) {
        return true; /* a replay from before what we have */
    }
    if (row.found && !same_uid && !remove_row(s, &row, m->name, err)) {
        return false;
    }
    return same_uid ? update(s, &row, pod, err) : add(s, ns_id, pod, &added, err);
}

/* The ids of pods that wait for their owner, into *ret. */
static bool waiting_ids(struct store *s, int64_t **ret, size_t *ret_n, struct err *err)
{
    size_t cap = 0;
    *ret = NULL;
    *ret_n = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_ORPHAN_IDS);
    db_bind(st, "i", s->cluster_id);
    for (;;) {
        bool row = false;
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        *ret = xgrow(*ret, &cap, *ret_n + 1, sizeof **ret);
        (*ret)[(*ret_n)++] = db_int(st, 0);
    }
}

static bool join_waiting(struct store *s, int64_t id, struct err *err)
{
    arena_reset(s->scratch);
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_BY_ID);
    db_bind(st, "i", id);
    bool found = false;
    struct stored row = {0};
    if (!db_step(&s->db, st, &found, err)) {
        return false;
    }
    read_row(s, st, &row);
    (void)sqlite3_reset(st); /* the row was read */
    st = db_get(&s->db, SQL_POD_BODY);
    db_bind(st, "i", id);
    if (!db_step(&s->db, st, &found, err)) {
        return false;
    }
    size_t len = 0;
    const void *body = db_blob(st, 0, s->scratch, &len);
    (void)sqlite3_reset(st); /* the row was read */
    const struct kube_pod *pod = apply_unpack(KIND_POD, body, len, row.rv, s->scratch);
    int64_t workload = 0;
    if (pod == NULL) {
        return true;
    }
    if (!move(s, &row, pod, &workload, err)) {
        return false;
    }
    changed(s, row.ns_id, workload);
    return true;
}

bool apply_waiting_pods(struct store *s, struct err *err)
{
    AUTO_FREE int64_t *ids = NULL;
    size_t n = 0;
    if (!waiting_ids(s, &ids, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!join_waiting(s, ids[i], err)) {
            return false;
        }
    }
    return true;
}
