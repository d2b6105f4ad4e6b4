/*
 * What must be judged anew: a queue of marks without repeats. Marks taken in a transaction come
 * back when it is rolled back. The second half says whom a changed object concerns; too many is
 * only slow, too few would be wrong.
 */
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

static int64_t key_of(enum dirty_what what, int64_t id)
{
    return id * 4 + (int64_t)what;
}

static void push(struct dirty_queue *q, int64_t key)
{
    if (!idmap_put(&q->pending, key, 0)) {
        return;
    }
    if (q->head > 1024 && q->head * 2 > q->head + q->n) { /* the front half is used up */
        memmove(q->keys, q->keys + q->head, q->n * sizeof *q->keys);
        q->head = 0;
    }
    q->keys = xgrow(q->keys, &q->cap, q->head + q->n + 1, sizeof *q->keys);
    q->keys[q->head + q->n++] = key;
}

void dirty_mark(struct store *s, enum dirty_what what, int64_t id)
{
    push(&s->dirty, key_of(what, id));
}

bool store_next_dirty(struct store *s, struct dirty *ret)
{
    struct dirty_queue *q = &s->dirty;
    if (q->all_wanted) {
        store_dirty_all(s);
    }
    if (q->n == 0) {
        return false;
    }
    int64_t key = q->keys[q->head++];
    q->n--;
    (void)idmap_remove(&q->pending, key); /* it was there */
    if (q->n == 0) {
        q->head = 0;
    }
    q->taken = xgrow(q->taken, &q->cap_taken, q->n_taken + 1, sizeof *q->taken);
    q->taken[q->n_taken++] = key;
    *ret = (struct dirty){.what = (enum dirty_what)(key & 3), .id = key / 4};
    return true;
}

size_t store_dirty_count(const struct store *s)
{
    return s->dirty.n + (s->dirty.all_wanted ? 1 : 0);
}

void dirty_commit(struct store *s)
{
    s->dirty.n_taken = 0;
}

void dirty_rollback(struct store *s)
{
    for (size_t i = 0; i < s->dirty.n_taken; i++) {
        push(&s->dirty, s->dirty.taken[i]);
    }
    s->dirty.n_taken = 0;
}

bool dirty_rows(struct store *s, sqlite3_stmt *st, enum dirty_what what, struct err *err)
{
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        if (db_int(st, 0) != 0) {
            dirty_mark(s, what, db_int(st, 0));
        }
    }
}

bool dirty_pod(struct store *s, int64_t ns_id, const char *pod, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_WORKLOAD);
    db_bind(st, "it", ns_id, pod);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (row && db_int(st, 0) != 0) {
        dirty_mark(s, DIRTY_ROLLOUT, db_int(st, 0));
    }
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

void store_dirty_all(struct store *s)
{
    struct err ignored = {0}; /* tried again by the next look at the queue */
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_ALL);
    db_bind(st, "i", s->cluster_id);
    bool ok = dirty_rows(s, st, DIRTY_ROLLOUT, &ignored);
    st = db_get(&s->db, SQL_NAMESPACE_ALL);
    db_bind(st, "i", s->cluster_id);
    ok = dirty_rows(s, st, DIRTY_NAMESPACE, &ignored) && ok;
    dirty_mark(s, DIRTY_CLUSTER, 0);
    s->dirty.all_wanted = !ok;
}

void dirty_look_at(struct store *s, int64_t ns_id, int64_t at)
{
    if (ns_id == 0) {
        s->cluster_look_at = at != 0 && at < s->cluster_look_at ? at : s->cluster_look_at;
        return;
    }
    (void)idmap_remove(&s->namespace_looks, ns_id); /* it may have had none */
    if (at != 0) {
        (void)idmap_put(&s->namespace_looks, ns_id, at); /* new now */
    }
}

/* Marks namespaces whose look has come; returns the earliest still ahead or `next`. */
static int64_t namespaces_due(struct store *s, int64_t now, int64_t next)
{
    size_t pos = 0;
    int64_t id = 0;
    int64_t at = 0;
    while (idmap_next(&s->namespace_looks, &pos, &id, &at)) {
        if (at != 0 && at <= now) {
            dirty_mark(s, DIRTY_NAMESPACE, id);
            (void)idmap_put(&s->namespace_looks, id, 0); /* no longer; the key is there */
        } else if (at != 0 && at < next) {
            next = at;
        }
    }
    return next;
}

int64_t store_dirty_due(struct store *s, int64_t now)
{
    struct err ignored = {0}; /* the next tick looks again */
    bool stale = store_is_stale(s, now);
    if (stale != s->was_stale) {
        s->was_stale = stale;
        facts_drop_cluster(s);
        store_dirty_all(s);
    }
    if (now >= s->cluster_look_at || s->cluster_look_at - now > LOOK_CLUSTER_MS) {
        s->cluster_look_at = now + LOOK_CLUSTER_MS;
        dirty_mark(s, DIRTY_CLUSTER, 0);
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_DUE);
    db_bind(st, "i", now);
    if (!dirty_rows(s, st, DIRTY_ROLLOUT, &ignored)) {
        return now + 1000;
    }
    st = db_get(&s->db, SQL_WORKLOAD_NEXT);
    db_bind(st, "i", now);
    bool row = false;
    int64_t next = namespaces_due(s, now, s->cluster_look_at);
    if (db_step(&s->db, st, &row, &ignored) && row) {
        int64_t look = db_int(st, 0);
        next = look > 0 && look < next ? look : next;
        (void)sqlite3_reset(st); /* the row was read */
    }
    return next;
}

bool dirty_namespace_rollouts(struct store *s, int64_t ns_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_OF_NS);
    db_bind(st, "i", ns_id);
    return dirty_rows(s, st, DIRTY_ROLLOUT, err);
}

bool dirty_bound(struct store *s, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_BOUND);
    return dirty_rows(s, st, DIRTY_ROLLOUT, err);
}
