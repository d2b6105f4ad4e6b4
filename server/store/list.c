/*
 * Full lists by diff, and where each kind's stream stands. A list under way is a set of row ids in
 * memory: an unchanged row is not written for being seen. LIST_END deletes the rows of its kind
 * that are not in the set. Inside a transaction the set that stood before is kept until the commit,
 * so that a rollback can hand it back.
 *
 * A verification is a list of the past, taken while the watch goes on: it decides only about what
 * stood at the version where the watch was when it began; newer rows, and what was deleted since,
 * are the watch's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

static void listing_fini(struct listing *l)
{
    idmap_fini(&l->seen);
    idmap_fini(&l->gone);
    *l = (struct listing){.seen.is_set = true, .gone.is_set = true};
}

/* Puts an empty one in place; the old one waits for commit or rollback. */
static struct listing *replace(struct store *s, enum kind kind)
{
    struct listing *l = &s->lists[kind];
    if (s->list_moved[kind]) {
        listing_fini(l);
    } else {
        s->lists_before[kind] = *l;
        s->list_moved[kind] = true;
        *l = (struct listing){.seen.is_set = true, .gone.is_set = true};
    }
    return l;
}

void lists_commit(struct store *s)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (s->list_moved[i]) {
            listing_fini(&s->lists_before[i]);
            s->list_moved[i] = false;
        }
    }
}

void lists_rollback(struct store *s)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (s->list_moved[i]) {
            listing_fini(&s->lists[i]);
            s->lists[i] = s->lists_before[i];
            s->lists_before[i] = (struct listing){0};
            s->list_moved[i] = false;
        }
    }
}

bool store_in_list(const struct store *s)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (s->lists[i].open && !s->lists[i].verify) {
            return true;
        }
    }
    return false;
}

void list_saw(struct store *s, enum kind kind, int64_t id, bool wrote)
{
    struct listing *l = &s->lists[kind];
    if (!l->open || !s->from_list || l->cold) {
        return;
    }
    (void)idmap_put(&l->seen, id, 0); /* twice is fine */
    if (wrote) {
        l->wrote++;
    }
}

static int64_t name_key(int64_t ns_id, const char *name)
{
    return (int64_t)((text_hash(name) * 31 + (uint64_t)ns_id) >> 1);
}

void list_gone(struct store *s, enum kind kind, int64_t ns_id, const char *name)
{
    struct listing *l = &s->lists[kind];
    if (l->open && l->verify) {
        (void)idmap_put(&l->gone, name_key(ns_id, name), 0); /* twice is fine */
    }
}

bool list_leaves(struct store *s, enum kind kind, const struct list_item *item)
{
    const struct listing *l = &s->lists[kind];
    const char *version = item->meta->resource_version;
    if (!l->open || !l->verify || !s->from_list) {
        return false;
    }
    bool newer = version_older(l->version, version); /* the watch brings it */
    bool older = item->found && version_older(version, item->row_version);
    bool gone = !item->found && idmap_has(&l->gone, name_key(item->ns_id, item->meta->name));
    if (!newer && !older && !gone) {
        return false;
    }
    if (item->found) {
        list_saw(s, kind, item->row_id, false);
    }
    return true;
}

void list_begin(struct store *s, enum kind kind, bool verify, const char *version)
{
    struct listing *l = replace(s, kind);
    l->open = true;
    l->verify = verify;
    (void)snprintf(l->version, sizeof l->version, "%s", version);
}

void list_abort(struct store *s, enum kind kind)
{
    if (s->lists[kind].open) {
        (void)replace(s, kind);
    }
}

/* ---- the end of a list ---- */

static unsigned ids_statement(enum kind kind)
{
    switch ((int)kind) {
    case KIND_POD:
        return SQL_POD_IDS;
    case KIND_DEPLOYMENT:
    case KIND_STATEFULSET:
    case KIND_DAEMONSET:
    case KIND_ARGO_ROLLOUT:
        return SQL_WORKLOAD_IDS;
    default:
        return SQL_OBJECT_IDS;
    }
}

/* Ids of the kind's rows that the list did not contain. */
static bool find_missing(struct store *s, enum kind kind, const struct listing *l, int64_t **ret,
                         size_t *ret_n, struct err *err)
{
    unsigned which = ids_statement(kind);
    sqlite3_stmt *st = db_get(&s->db, which);
    if (which == SQL_POD_IDS) {
        db_bind(st, "i", s->cluster_id);
    } else if (which == SQL_WORKLOAD_IDS) {
        db_bind(st, "it", s->cluster_id, kind_info(kind)->name);
    } else {
        db_bind(st, "ii", s->cluster_id, (int64_t)kind);
    }
    size_t cap = 0;
    size_t n = 0;
    int64_t *ids = NULL;
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            free(ids);
            return false;
        }
        if (!row) {
            break;
        }
        int64_t id = db_int(st, 0);
        if (!idmap_has(&l->seen, id)) {
            ids = xgrow(ids, &cap, n + 1, sizeof *ids);
            ids[n++] = id;
        }
    }
    *ret = ids;
    *ret_n = n;
    return true;
}

static bool remove_row(struct store *s, enum kind kind, int64_t id, struct err *err)
{
    switch (ids_statement(kind)) {
    case SQL_POD_IDS:
        return apply_remove_pod(s, id, err);
    case SQL_WORKLOAD_IDS:
        return apply_remove_workload(s, id, err);
    default:
        return apply_remove_object(s, kind, id, err);
    }
}

/* Did the row stand at the verification's version? What came later it cannot have seen. */
static bool stood_then(struct store *s, enum kind kind, int64_t id, bool *ret, struct err *err)
{
    unsigned which = ids_statement(kind);
    unsigned sql = which == SQL_POD_IDS        ? SQL_POD_VERSION_OF
                   : which == SQL_WORKLOAD_IDS ? SQL_WORKLOAD_VERSION_OF
                                               : SQL_OBJECT_VERSION_OF;
    const char *version = s->lists[kind].version;
    sqlite3_stmt *st = db_get(&s->db, sql);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    const char *stored = row ? db_text(st, 0, s->scratch) : "";
    (void)sqlite3_reset(st); /* the row was read */
    *ret = version_older(stored, version) || strcmp(stored, version) == 0;
    return true;
}

static bool remove_missing(struct store *s, enum kind kind, const struct listing *l,
                           uint64_t *ret_n, struct err *err)
{
    int64_t *ids = NULL;
    size_t n = 0;
    if (!find_missing(s, kind, l, &ids, &n, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        bool decides = true;
        arena_reset(s->scratch);
        ok = (!l->verify || stood_then(s, kind, ids[i], &decides, err)) &&
             (!decides || remove_row(s, kind, ids[i], err));
        *ret_n += decides ? 1 : 0;
    }
    free(ids);
    return ok;
}

/* A list older than what we had: etcd was restored from a backup, so versions run again. Rows that
 * were believed for their version alone lose it: the next list writes them anew. */
static bool distrust(struct store *s, enum kind kind, const struct listing *l, struct err *err)
{
    unsigned which = ids_statement(kind);
    unsigned sql = which == SQL_POD_IDS        ? SQL_POD_VERSION
                   : which == SQL_WORKLOAD_IDS ? SQL_WORKLOAD_VERSION
                                               : SQL_OBJECT_VERSION;
    size_t pos = 0;
    int64_t id = 0;
    while (idmap_next(&l->seen, &pos, &id, NULL)) {
        sqlite3_stmt *st = db_get(&s->db, sql);
        db_bind(st, "ti", "?", id);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
    }
    return true;
}

static bool put_sync(struct store *s, enum kind kind, struct err *err)
{
    struct kind_state *k = &s->kinds[kind];
    sqlite3_stmt *st = db_get(&s->db, SQL_SYNC_PUT);
    db_bind(st, "iit", s->cluster_id, (int64_t)kind, k->rv);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    k->rv_pending = false;
    k->rv_written_at = s->now;
    return true;
}

bool sync_flush(struct store *s, bool all, struct err *err)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        struct kind_state *k = &s->kinds[i];
        int64_t age = s->now - k->rv_written_at;
        bool due = all || age >= SYNC_WRITE_MS || age < 0;
        if (k->rv_pending && due && !put_sync(s, (enum kind)i, err)) {
            return false;
        }
    }
    return true;
}

bool list_end(struct store *s, enum kind kind, const char *rv, struct err *err)
{
    if (!s->lists[kind].open) {
        return true; /* its begin was lost with another process' queue: nothing is known */
    }
    struct kind_state *k = &s->kinds[kind];
    bool verify = s->lists[kind].verify; /* its watch knows better where it stands */
    uint64_t wrote = s->lists[kind].wrote;
    bool cold = s->lists[kind].cold; /* each row is of this list: none is missing, or of before */
    if (!cold &&
        (!remove_missing(s, kind, &s->lists[kind], &wrote, err) ||
         (!verify && version_older(rv, k->rv) && !distrust(s, kind, &s->lists[kind], err)))) {
        return false;
    }
    if (!verify) {
        (void)snprintf(k->rv, sizeof k->rv, "%s", rv);
    }
    k->settled = true;
    k->absent = false;
    (void)replace(s, kind);
    s->repaired += verify ? wrote : 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_SYNC_LISTED);
    db_bind(st, "iiiii", s->cluster_id, (int64_t)kind, s->now, verify ? s->now : INT64_C(0),
            verify ? (int64_t)wrote : INT64_C(0));
    return put_sync(s, kind, err) && db_run(&s->db, st, err);
}

bool list_kind_gone(struct store *s, enum kind kind, struct err *err)
{
    struct listing *l = replace(s, kind); /* nothing seen: everything is missing */
    uint64_t n = 0;
    if (!remove_missing(s, kind, l, &n, err)) {
        return false;
    }
    struct kind_state *k = &s->kinds[kind];
    bool was_absent = k->absent && k->settled;
    k->settled = true;
    k->absent = true;
    if (!was_absent) {
        facts_drop_cluster(s);
        dirty_mark(s, DIRTY_CLUSTER, 0);
    }
    if (k->rv[0] == '\0') {
        return true;
    }
    k->rv[0] = '\0';
    return put_sync(s, kind, err);
}
