/*
 * Pods that were there a moment ago. Bounded twice, by age and by number a workload, each time one
 * is added: a workload that is torn down leaves few rows, and a quiet cluster those of its last
 * quarter of an hour of motion.
 */
#include "store/facts.h"

enum { KEPT = 50 };

bool gone_add(struct store *s, int64_t pod_id, int64_t workload_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_GONE_ADD);
    db_bind(st, "iii", pod_id, s->now, (int64_t)POD_FINISHED);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    if (sqlite3_changes64(s->db.handle) == 0) {
        return true;
    }
    st = db_get(&s->db, SQL_GONE_TRIM);
    db_bind(st, "ii", workload_id, (int64_t)KEPT);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    st = db_get(&s->db, SQL_GONE_OLD);
    db_bind(st, "i", s->now - GONE_KEPT_MS);
    return db_run(&s->db, st, err);
}

bool gone_forget(struct store *s, int64_t workload_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_GONE_FORGET);
    db_bind(st, "i", workload_id);
    return db_run(&s->db, st, err);
}

static bool read_gone(const struct facts_rows *rows, void *item)
{
    sqlite3_stmt *st = rows->st;
    *(struct facts_gone *)item = (struct facts_gone){.id = db_int(st, 0),
                                                     .name = db_text(st, 1, rows->arena),
                                                     .ip = db_text(st, 2, rows->arena),
                                                     .gone_at = db_int(st, 3),
                                                     .cut_at = db_int(st, 4)};
    return true;
}

bool gone_load(struct store *s, int64_t workload_id, struct arena *a, struct list *ret,
               struct err *err)
{
    const struct facts_rows rows = {.db = &s->db,
                                    .st = db_get(&s->db, SQL_GONE_FACTS),
                                    .arena = a,
                                    .size = sizeof(struct facts_gone),
                                    .read = read_gone};
    db_bind(rows.st, "ii", workload_id, s->now - GONE_KEPT_MS);
    return facts_list(&rows, ret, err);
}

bool gone_save(struct store *s, const struct list *cut, struct err *err)
{
    for (uint32_t i = 0; i < cut->n; i++) {
        sqlite3_stmt *st = db_get(&s->db, SQL_GONE_CUT);
        db_bind(st, "ii", s->now, *LIST_AT(int64_t, *cut, i));
        if (!db_run(&s->db, st, err)) {
            return false;
        }
    }
    return true;
}
