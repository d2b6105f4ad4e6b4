/*
 * The transaction and what it changed: views touched, the feed, the revision counter. A commit that
 * changed nothing visible keeps the revision. A failure rolls back to where store_begin stood: rows
 * by SQLite, memory here.
 */
#include <string.h>

#include "base/mem.h"
#include "store/state.h"

/* Values of touched_namespaces: what the feed says of it. */
enum { TELL_NOBODY, TELL_CHANGED, TELL_GONE };

bool store_begin(struct store *s, int64_t now, struct err *err)
{
    if (s->in_tx) {
        return err_set(err, ERR_BUG, "a transaction is open already");
    }
    if (!db_run(&s->db, db_get(&s->db, SQL_BEGIN), err)) {
        return false;
    }
    facts_begin(s);
    s->in_tx = true;
    s->now = now;
    s->visible = false;
    s->repaired = 0;
    s->commit = (struct commit){.revision = s->revision};
    arena_reset(s->feed_arena);
    idmap_clear(&s->touched_rollouts);
    idmap_clear(&s->touched_namespaces);
    idmap_clear(&s->touched_groups);
    idmap_clear(&s->tallies);
    s->changes_before = sqlite3_total_changes64(s->db.handle);
    memcpy(s->kinds_before, s->kinds, sizeof s->kinds);
    s->identity_before = s->identity;
    return true;
}

bool tx_row(struct store *s, sqlite3_stmt *st, bool *ret_row, struct err *err)
{
    return db_step(&s->db, st, ret_row, err);
}

void tx_visible(struct store *s)
{
    s->visible = true;
}

void tx_touch_rollout(struct store *s, int64_t id)
{
    if (id != 0) {
        (void)idmap_put(&s->touched_rollouts, id, 0); /* once is enough */
        s->visible = true;
    }
}

void tx_touch_namespace(struct store *s, int64_t id)
{
    if (id != 0 && !idmap_has(&s->touched_namespaces, id)) {
        (void)idmap_put(&s->touched_namespaces, id, 0);
        s->visible = true;
    }
}

void tx_tell_namespace(struct store *s, int64_t id)
{
    if (id != 0 && idmap_get(&s->touched_namespaces, id, 0) != TELL_GONE) {
        (void)idmap_put(&s->touched_namespaces, id, TELL_CHANGED);
        s->visible = true;
    }
}

void tx_tell_namespace_gone(struct store *s, int64_t id)
{
    (void)idmap_put(&s->touched_namespaces, id, TELL_GONE);
    s->visible = true;
}

void tx_touch_group(struct store *s, int64_t id)
{
    if (id != 0) {
        (void)idmap_put(&s->touched_groups, id, 0); /* once is enough */
        s->visible = true;
    }
}

void store_feed(struct store *s, const struct feed_item *item)
{
    s->visible = true;
    if (s->commit.n_items >= FEED_MAX) {
        s->commit.overflow = true;
        return;
    }
    s->feed = xgrow(s->feed, &s->cap_feed, s->commit.n_items + 1, sizeof *s->feed);
    struct feed_item *f = &s->feed[s->commit.n_items++];
    *f = *item;
    f->namespace = arena_strdup(s->feed_arena, item->namespace);
    f->kind = arena_strdup(s->feed_arena, item->kind);
    f->name = arena_strdup(s->feed_arena, item->name);
}

static bool run_rev(struct store *s, unsigned sql, int64_t rev, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, sql);
    db_bind(st, "ii", rev, id);
    return db_run(&s->db, st, err);
}

static bool put_counter(struct store *s, const char *name, int64_t n, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_COUNTER_PUT);
    db_bind(st, "ti", name, n);
    return db_run(&s->db, st, err);
}

static bool flush_touched(struct store *s, int64_t rev, struct err *err)
{
    size_t pos = 0;
    int64_t id = 0;
    int64_t tell = 0;
    while (idmap_next(&s->touched_rollouts, &pos, &id, NULL)) {
        if (!run_rev(s, SQL_WORKLOAD_REV, rev, id, err)) {
            return false;
        }
    }
    pos = 0;
    while (idmap_next(&s->touched_groups, &pos, &id, NULL)) {
        if (!run_rev(s, SQL_GROUP_REV, rev, id, err)) {
            return false;
        }
    }
    pos = 0;
    while (idmap_next(&s->touched_namespaces, &pos, &id, &tell)) {
        if (!run_rev(s, SQL_NAMESPACE_REV, rev, id, err)) {
            return false;
        }
        if (tell != TELL_NOBODY) {
            const char *name = names_text(s, id);
            store_feed(s, &(struct feed_item){.what = FEED_NAMESPACE,
                                              .ns_id = id,
                                              .namespace = name,
                                              .kind = "",
                                              .name = name,
                                              .state = tell == TELL_GONE ? -1 : 0});
        }
    }
    return true;
}

static bool flush_counters(struct store *s, struct err *err)
{
    if (s->next_workload_id != s->workload_id_stored &&
        !put_counter(s, "workload_id", s->next_workload_id, err)) {
        return false;
    }
    if (s->flip_at != s->flip_at_stored && !put_counter(s, "controller_flip_at", s->flip_at, err)) {
        return false;
    }
    if (!s->visible) {
        return true;
    }
    int64_t rev = s->revision + 1;
    s->commit.revision = rev;
    return flush_touched(s, rev, err) && put_counter(s, "revision", rev, err) &&
           (!s->commit.list_changed || put_counter(s, "rev_rollouts", rev, err)) &&
           (!s->commit.summary_changed || put_counter(s, "rev_summary", rev, err));
}

/* All kinds are known for the first time in this process: what has not changed since the last one
 * is judged too. */
static void look_settled(struct store *s)
{
    if (s->settled_at == 0 && store_settled(s, NULL, 0)) {
        s->settled_at = s->now;
        store_dirty_all(s);
    }
}

static void committed(struct store *s)
{
    s->in_tx = false;
    look_settled(s);
    s->revision = s->commit.revision;
    s->workload_id_stored = s->next_workload_id;
    s->flip_at_stored = s->flip_at;
    lists_commit(s);
    atomic_store(&s->listing, store_in_list(s));
    dirty_commit(s);
    int64_t rows = sqlite3_total_changes64(s->db.handle) - s->changes_before;
    atomic_fetch_add(&s->m_rows, (uint64_t)rows);
    atomic_fetch_add(&s->m_commits, 1);
    atomic_fetch_add(&s->m_repaired, s->repaired);
    s->commit.items = s->feed;
}

bool store_commit(struct store *s, struct commit *ret, struct err *err)
{
    if (!s->in_tx) {
        return err_set(err, ERR_BUG, "no transaction is open");
    }
    bool ok = tally_flush(s, err) && sync_flush(s, false, err) && flush_counters(s, err) &&
              db_run(&s->db, db_get(&s->db, SQL_COMMIT), err);
    if (!ok) {
        store_rollback(s);
        return err_wrap(err, "commit");
    }
    committed(s);
    *ret = s->commit;
    return true;
}

void store_rollback(struct store *s)
{
    if (!s->in_tx) {
        return;
    }
    for (size_t i = 0; i < s->db.n; i++) {
        if (s->db.statements[i] != NULL) {
            (void)sqlite3_reset(s->db.statements[i]); /* repeats its last error */
        }
    }
    if (sqlite3_get_autocommit(s->db.handle) == 0) { /* else SQLite has rolled back itself */
        (void)sqlite3_exec(s->db.handle, "ROLLBACK", NULL, NULL, NULL); /* cannot be refused */
    }
    s->in_tx = false;
    s->flip_at = s->flip_at_stored;
    memcpy(s->kinds, s->kinds_before, sizeof s->kinds);
    s->identity = s->identity_before;
    lists_rollback(s);
    dirty_rollback(s);
    names_drop(s);
    owners_drop(s);
    injector_drop(s);
    facts_drop_all(s);
    s->cols_of = 0;
    struct err ignored = {0};
    if (!sources_load(s, &ignored)) {
        s->n_sources = 0; /* the next report writes them anew */
    }
}
