/*
 * Workloads: one row each, made by the workload's own object or by the first pod that points to it,
 * and dropped when neither is left. Pods find theirs through their controlling owner; a ReplicaSet
 * stands between a pod and a Deployment or Argo Rollout, and is a workload itself when nobody
 * controls it.
 */
#include <stdio.h>
#include <string.h>

#include "store/state.h"

struct stored {
    bool found;
    int64_t id;
    const char *uid;
    const char *rv;
    const void *body;
    size_t len;
};

enum kind workload_kind(const char *kind)
{
    static const enum kind kinds[] = {KIND_DEPLOYMENT, KIND_STATEFULSET, KIND_DAEMONSET,
                                      KIND_ARGO_ROLLOUT, KIND_REPLICASET};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kind_info(kinds[i])->name, kind) == 0) {
            return kinds[i];
        }
    }
    return KIND_COUNT;
}

static bool load(struct store *s, int64_t ns_id, const char *kind, const char *name,
                 struct stored *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_GET);
    db_bind(st, "iitt", s->cluster_id, ns_id, kind, name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = (struct stored){.found = row};
    if (row) {
        ret->id = db_int(st, 0);
        ret->uid = db_text(st, 1, s->scratch);
        ret->rv = db_text(st, 2, s->scratch);
        ret->body = db_blob(st, 3, s->scratch, &ret->len);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

bool workload_find(struct store *s, int64_t ns_id, const char *kind, const char *name, int64_t *ret,
                   struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_FIND);
    db_bind(st, "iitt", s->cluster_id, ns_id, kind, name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static void changed(struct store *s, int64_t ns_id, int64_t id)
{
    dirty_mark(s, DIRTY_ROLLOUT, id);
    tx_touch_rollout(s, id);
    tx_touch_namespace(s, ns_id);
}

bool workload_ensure(struct store *s, struct workload_key key, int64_t *ret, struct err *err)
{
    if (!workload_find(s, key.ns_id, key.kind, key.name, ret, err)) {
        return false;
    }
    if (*ret != 0) {
        return true;
    }
    int64_t id = ++s->next_workload_id;
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_ADD);
    db_bind(st, "iiittt", id, s->cluster_id, key.ns_id, key.kind, key.name, key.uid);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    s->commit.list_changed = true;
    tally_add(s, key.ns_id, TALLY_ROLLOUTS, ROLLOUT_UNKNOWN, 1);
    changed(s, key.ns_id, id);
    dirty_mark(s, DIRTY_NAMESPACE, key.ns_id);
    *ret = id;
    return true;
}

bool workload_verdict(struct store *s, int64_t id, struct verdict_row *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_VERDICT);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = (struct verdict_row){.found = row};
    if (row) {
        ret->ns_id = db_int(st, 0);
        ret->state = db_int(st, 1);
        ret->severity = db_int(st, 2);
        ret->waiting = db_int(st, 3);
        ret->kind = db_text(st, 4, s->scratch);
        ret->name = db_text(st, 5, s->scratch);
        ret->judged_at = db_int(st, 6);
        ret->next_look = db_int(st, 7);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

static bool run_id(struct store *s, unsigned sql, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, sql);
    db_bind(st, "i", id);
    return db_run(&s->db, st, err);
}

static bool close_history(struct store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_REVISION_CLOSE);
    db_bind(st, "ii", s->now, id);
    return end_findings(s, id, err) && db_run(&s->db, st, err);
}

/* What a row that goes, or starts anew, takes back from the counters. */
static void take_back(struct store *s, const struct verdict_row *v)
{
    tally_add(s, v->ns_id, TALLY_ROLLOUTS, v->state, -1);
    tally_add(s, v->ns_id, TALLY_SEVERITY, v->severity, -1);
    tally_add(s, v->ns_id, TALLY_WAITING, 0, -v->waiting);
}

bool workload_drop(struct store *s, int64_t id, struct err *err)
{
    struct verdict_row v;
    if (!workload_verdict(s, id, &v, err)) {
        return false;
    }
    if (!v.found) {
        return true;
    }
    if (!close_history(s, id, err) || !gone_forget(s, id, err) ||
        !run_id(s, SQL_WORKLOAD_DELETE, id, err)) {
        return false;
    }
    take_back(s, &v);
    s->commit.list_changed = true;
    owners_drop(s);
    tx_tell_namespace(s, v.ns_id);
    dirty_mark(s, DIRTY_NAMESPACE, v.ns_id);
    store_feed(s, &(struct feed_item){.what = FEED_ROLLOUT,
                                      .workload_id = id,
                                      .ns_id = v.ns_id,
                                      .namespace = names_text(s, v.ns_id),
                                      .kind = v.kind,
                                      .name = v.name,
                                      .state = -1,
                                      .from_state = (int)v.state});
    return true;
}

/* Another object under the old name: its verdict and findings were the old one's. */
static bool start_anew(struct store *s, int64_t id, struct err *err)
{
    struct verdict_row v;
    if (!workload_verdict(s, id, &v, err) || !close_history(s, id, err) ||
        !gone_forget(s, id, err) || !run_id(s, SQL_WORKLOAD_RESET, id, err)) {
        return false;
    }
    take_back(s, &v);
    tally_add(s, v.ns_id, TALLY_ROLLOUTS, ROLLOUT_UNKNOWN, 1);
    s->commit.list_changed = true;
    return true;
}

/* The object's bytes stand in s->pack. */
static bool write_body(struct store *s, int64_t id, const struct meta *m, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_BODY);
    db_bind(st, "ttbi", m->uid, m->resource_version, s->pack.data, s->pack.len, id);
    return db_run(&s->db, st, err);
}

static bool clear_body(struct store *s, int64_t ns_id, int64_t id, struct err *err)
{
    changed(s, ns_id, id);
    return run_id(s, SQL_WORKLOAD_NO_BODY, id, err);
}

bool apply_remove_workload(struct store *s, int64_t id, struct err *err)
{
    arena_reset(s->scratch);
    struct verdict_row v;
    return workload_verdict(s, id, &v, err) && (!v.found || clear_body(s, v.ns_id, id, err));
}

static bool keep(struct store *s, enum kind kind, int64_t ns_id, struct stored *row,
                 const struct meta *m, struct err *err)
{
    if (!apply_pack(s, kind, m, err)) {
        return false;
    }
    bool same = row->found && s->pack.len == row->len && row->body != NULL &&
                memcmp(s->pack.data, row->body, row->len) == 0;
    if (same) {
        sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_VERSION);
        db_bind(st, "ti", m->resource_version, row->id);
        return db_run(&s->db, st, err);
    }
    bool other = row->found && row->uid[0] != '\0' && strcmp(row->uid, m->uid) != 0;
    int64_t id = row->id;
    if (!row->found &&
        !workload_ensure(s, (struct workload_key){ns_id, kind_info(kind)->name, m->name, m->uid},
                         &id, err)) {
        return false;
    }
    if (other && !start_anew(s, id, err)) {
        return false;
    }
    if (!row->found || strcmp(row->uid, m->uid) != 0) { /* else the caller has told it */
        list_saw(s, kind, id, true);
    }
    changed(s, ns_id, id);
    return write_body(s, id, m, err);
}

bool apply_workload(struct store *s, enum kind kind, const struct change_object *o, bool in_list,
                    struct err *err)
{
    const struct meta *m = o->record;
    int64_t ns_id = 0;
    struct stored row = {0};
    if (!names_id(s, m->namespace, &ns_id, err) ||
        !load(s, ns_id, kind_info(kind)->name, m->name, &row, err)) {
        return false;
    }
    bool same_uid = row.found && strcmp(row.uid, m->uid) == 0;
    if (o->deleted) {
        list_gone(s, kind, ns_id, m->name);
        return !row.found || !same_uid || row.body == NULL || clear_body(s, ns_id, row.id, err);
    }
    bool stands = row.found && row.rv[0] != '\0'; /* a deleted one is remembered without */
    if (list_leaves(s, kind, &(struct list_item){ns_id, m, stands, row.id, row.rv})) {
        return true;
    }
    bool same_rv =
        row.found && m->resource_version[0] != '\0' && strcmp(row.rv, m->resource_version) == 0;
    if (same_uid) {
        list_saw(s, kind, row.id, !same_rv);
    }
    if (same_uid && same_rv) {
        atomic_fetch_add_explicit(&s->m_unchanged, 1, memory_order_relaxed);
        return true;
    }
    if (same_uid && !in_list && version_older(m->resource_version, row.rv)) {
        return true; /* a replay from before what we have */
    }
    return keep(s, kind, ns_id, &row, m, err);
}

/* ---- ReplicaSets ---- */

static bool own_row(struct store *s, int64_t ns_id, const struct kube_workload *rs, struct err *err)
{
    int64_t id = 0;
    struct stored row = {0};
    if (!load(s, ns_id, "ReplicaSet", rs->meta.name, &row, err)) {
        return false;
    }
    bool other = row.found && row.uid[0] != '\0' && strcmp(row.uid, rs->meta.uid) != 0;
    if (!workload_ensure(s, (struct workload_key){ns_id, "ReplicaSet", rs->meta.name, rs->meta.uid},
                         &id, err) ||
        (other && !start_anew(s, id, err))) {
        return false;
    }
    changed(s, ns_id, id);
    return write_body(s, id, &rs->meta, err);
}

static bool no_own_row(struct store *s, int64_t ns_id, const struct kube_workload *rs,
                       struct err *err)
{
    int64_t id = 0;
    return workload_find(s, ns_id, "ReplicaSet", rs->meta.name, &id, err) &&
           (id == 0 || clear_body(s, ns_id, id, err));
}

/* Moves pods of this ReplicaSet from where they are (0 = waiting) to where they belong. */
static bool adopt(struct store *s, int64_t ns_id, const struct kube_workload *rs, int64_t from,
                  struct err *err)
{
    const struct owner self = {.kind = "ReplicaSet",
                               .api_version = "apps/v1",
                               .name = rs->meta.name,
                               .uid = rs->meta.uid,
                               .controller = 1};
    int64_t to = 0;
    /* waiting pods have an index of their own, which only a literal 0 finds */
    sqlite3_stmt *st = db_get(&s->db, from == 0 ? SQL_ORPHANS_OF_OWNER : SQL_PODS_OF_OWNER);
    db_bind(st, "ti", rs->meta.uid, from);
    int64_t pods = 0;
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    pods = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    if (pods == 0) {
        return true;
    }
    if (!workload_of_owner(s, ns_id, &self, &rs->meta, &to, err) || to == from || to == 0) {
        return to == from || to == 0;
    }
    st = db_get(&s->db, from == 0 ? SQL_ORPHANS_ADOPT : SQL_PODS_ADOPT);
    db_bind(st, "tii", rs->meta.uid, from, to);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    if (from == 0) { /* waiting pods were never judged */
        tally_add(s, ns_id, TALLY_PODS, POD_UNKNOWN, pods);
    } else {
        changed(s, ns_id, from);
    }
    changed(s, ns_id, to);
    return true;
}

/* Pods that were joined by their owner's name while ReplicaSets could not be read: to where the
 * ReplicaSet says, should that be elsewhere. */
static bool from_guess(struct store *s, int64_t ns_id, const struct kube_workload *rs,
                       const struct owner *is, struct err *err)
{
    int64_t from = 0;
    struct workload_key key = {.ns_id = ns_id};
    if (!workload_by_name(rs->meta.name, &rs->meta.labels, s->scratch, &key) ||
        (strcmp(key.kind, is->kind) == 0 && strcmp(key.name, is->name) == 0)) {
        return true;
    }
    return workload_find(s, ns_id, key.kind, key.name, &from, err) &&
           (from == 0 || adopt(s, ns_id, rs, from, err));
}

bool replicaset_changed(struct store *s, int64_t ns_id, const struct kube_workload *old,
                        const struct kube_workload *fresh, struct err *err)
{
    const struct owner *was = old != NULL ? meta_controller(&old->meta) : NULL;
    const struct owner *is = fresh != NULL ? meta_controller(&fresh->meta) : NULL;
    bool was_bare = old != NULL && was == NULL;
    bool is_bare = fresh != NULL && is == NULL;
    if (is_bare && !own_row(s, ns_id, fresh, err)) {
        return false;
    }
    if (was_bare && !is_bare && !no_own_row(s, ns_id, old, err)) {
        return false;
    }
    if (fresh == NULL) {
        owners_drop(s);
        return true;
    }
    bool moved =
        old != NULL && (was_bare != is_bare ||
                        (was != NULL && is != NULL &&
                         (strcmp(was->kind, is->kind) != 0 || strcmp(was->name, is->name) != 0)));
    int64_t from = 0;
    if (moved) {
        owners_drop(s);
    }
    if (old == NULL && is != NULL && !from_guess(s, ns_id, fresh, is, err)) {
        return false;
    }
    if (moved && (!workload_find(s, ns_id, was_bare ? "ReplicaSet" : was->kind,
                                 was_bare ? old->meta.name : was->name, &from, err) ||
                  (from != 0 && !adopt(s, ns_id, fresh, from, err)))) {
        return false;
    }
    return adopt(s, ns_id, fresh, 0, err);
}
