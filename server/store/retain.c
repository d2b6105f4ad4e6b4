/*
 * History has limits: age first, then size (the oldest goes), a few rows at a time so that the
 * writer is never held long. Rows of objects are not history: they go when the objects do. Also the
 * numbers of the store for /metrics.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/state.h"

enum { BALANCER_UNUSED_MS = 3600000 };

/* What can go, least missed first. */
static const unsigned by_age[] = {SQL_OLD_TRANSITIONS, SQL_OLD_FINDINGS,  SQL_OLD_ATTEMPTS,
                                  SQL_OLD_DELIVERIES,  SQL_OLD_REVISIONS, SQL_OLD_ALERTS,
                                  SQL_OLD_SPANS,       SQL_OLD_USUAL};

static bool remove_older(struct store *s, int64_t before, int64_t rows, int64_t *ret_removed,
                         struct err *err)
{
    int64_t removed = 0;
    for (size_t i = 0; i < sizeof by_age / sizeof by_age[0] && removed < rows; i++) {
        sqlite3_stmt *st = db_get(&s->db, by_age[i]);
        db_bind(st, "ii", before, rows - removed);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
        removed += sqlite3_changes64(s->db.handle);
    }
    *ret_removed = removed;
    return true;
}

static bool pragma(struct store *s, unsigned sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, sql);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

/* Bytes in use: pages on the free list are filled again before the file grows. */
static bool used_bytes(struct store *s, int64_t *ret, struct err *err)
{
    int64_t pages = 0;
    int64_t unused = 0;
    int64_t size = 0;
    if (!pragma(s, SQL_PAGE_COUNT, &pages, err) || !pragma(s, SQL_FREE_COUNT, &unused, err) ||
        !pragma(s, SQL_PAGE_SIZE, &size, err)) {
        return false;
    }
    *ret = (pages - unused) * size;
    return true;
}

/* Those that no group names any more. One may be described before its group is: it has an hour. */
static bool drop_balancers(struct store *s, int64_t now, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_BALANCERS_UNUSED);
    db_bind(st, "i", now - BALANCER_UNUSED_MS);
    return db_run(&s->db, st, err);
}

bool store_retain(struct store *s, int64_t now, int rows, bool *ret_left, struct err *err)
{
    int64_t removed = 0;
    int64_t more = 0;
    int64_t used = 0;
    int64_t keep_ms = atomic_load(&s->keep_history_ms);
    int64_t keep_bytes = atomic_load(&s->keep_bytes);
    if (keep_ms > 0 && !remove_older(s, now - keep_ms, rows, &removed, err)) {
        return false;
    }
    if (!used_bytes(s, &used, err)) {
        return false;
    }
    bool large = keep_bytes > 0 && used > keep_bytes;
    if (large && removed < rows && !remove_older(s, now, rows - removed, &more, err)) {
        return false;
    }
    if (!groups_drop_unbound(s, err) || !drop_balancers(s, now, err)) {
        return false;
    }
    *ret_left = removed + more >= rows;
    return true;
}

static int64_t size_of(const char *path, const char *tail)
{
    char name[4200];
    struct stat st;
    (void)snprintf(name, sizeof name, "%s%s", path, tail);
    return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

void store_metrics(struct store *s, struct store_metrics *ret)
{
    *ret = (struct store_metrics){.file_bytes = size_of(s->path, ""),
                                  .wal_bytes = size_of(s->path, "-wal"),
                                  .commits = atomic_load(&s->m_commits),
                                  .rows_written = atomic_load(&s->m_rows),
                                  .rows_unchanged = atomic_load(&s->m_unchanged),
                                  .repaired = atomic_load(&s->m_repaired)};
    checkpoint_metrics(s->checkpoint, ret);
}
