/* Alerts, deliveries and attempts as rows (see outbox.h). */
#include "store/outbox.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/sql.h"
#include "store/store.h"

/* The deliver thread's statements are the same list, on its own connection. */
enum outbox_sql {
#define X(name, text) AT_##name,
#include "store/sql_outbox.def"
#undef X
    OUTBOX_SQL_COUNT
};
static const char *const outbox_sql[] = {
#define X(name, text) text,
#include "store/sql_outbox.def"
#undef X
};

struct outbox {
    struct db db;
};

/* ---- rows ---- */

static void read_alert(sqlite3_stmt *st, struct arena *a, struct outbox_alert *ret)
{
    *ret = (struct outbox_alert){.id = db_int(st, 0),
                                 .ns_id = db_int(st, 1),
                                 .workload_id = db_int(st, 2),
                                 .key = db_text(st, 3, a),
                                 .type = db_text(st, 4, a),
                                 .cause = db_text(st, 5, a),
                                 .severity = db_int(st, 6),
                                 .started_at = db_int(st, 7),
                                 .ended_at = db_int(st, 8),
                                 .body = db_text(st, 9, a),
                                 .revision_hash = db_text(st, 10, a)};
}

static void read_delivery(sqlite3_stmt *st, struct arena *a, struct outbox_delivery *ret)
{
    *ret = (struct outbox_delivery){.id = db_int(st, 0),
                                    .webhook_id = db_text(st, 1, a),
                                    .alert_id = db_int(st, 2),
                                    .receiver = db_text(st, 3, a),
                                    .type = db_text(st, 4, a),
                                    .body = db_text(st, 5, a),
                                    .state = db_int(st, 6),
                                    .created_at = db_int(st, 7),
                                    .next_at = db_int(st, 8),
                                    .attempts = db_int(st, 9)};
}

/* Steps once; a row is read as an alert. Leaves the statement reset. */
static bool one_alert(struct db *db, sqlite3_stmt *st, struct arena *a, struct outbox_alert *ret,
                      bool *ret_found, struct err *err)
{
    bool row = false;
    if (!db_step(db, st, &row, err)) {
        return false;
    }
    if (row) {
        read_alert(st, a, ret);
    }
    (void)sqlite3_reset(st); /* one row was wanted */
    *ret_found = row;
    return true;
}

/* ---- writer's part ---- */

int64_t outbox_now(const struct store *s)
{
    return store_now(s);
}

bool outbox_firing(struct store *s, const char *key, struct arena *a, struct outbox_alert *ret,
                   bool *ret_found, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_FIRING);
    db_bind(st, "t", key);
    return one_alert(store_db(s), st, a, ret, ret_found, err);
}

bool outbox_firing_of(struct store *s, int64_t workload_id, struct arena *a,
                      struct outbox_alert *ret, bool *ret_found, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_FIRING_OF);
    db_bind(st, "i", workload_id);
    return one_alert(store_db(s), st, a, ret, ret_found, err);
}

bool outbox_last_ended(struct store *s, const struct outbox_alert *of, int64_t after,
                       int64_t *ret_at, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_LAST_ENDED);
    db_bind(st, "iit", of->workload_id, after, of->revision_hash);
    bool row = false;
    if (!db_step(store_db(s), st, &row, err)) {
        return false;
    }
    *ret_at = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool outbox_orphan(struct store *s, struct arena *a, struct outbox_alert *ret, bool *ret_found,
                   struct err *err)
{
    return one_alert(store_db(s), db_get(store_db(s), SQL_OUTBOX_ORPHAN), a, ret, ret_found, err);
}

bool outbox_open(struct store *s, const struct outbox_alert *alert, int64_t *ret_id,
                 struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_ALERT_INSERT);
    db_bind(st, "iiitttiit", store_cluster_id(s), alert->ns_id, alert->workload_id, alert->key,
            alert->type, alert->cause, alert->severity, alert->started_at, alert->body);
    if (!db_run(store_db(s), st, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(store_db(s)->handle);
    return true;
}

bool outbox_update(struct store *s, int64_t id, const char *cause, const char *body,
                   struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_ALERT_UPDATE);
    db_bind(st, "itti", id, cause, body, store_now(s));
    return db_run(store_db(s), st, err);
}

bool outbox_end(struct store *s, int64_t id, const char *body, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_ALERT_END);
    db_bind(st, "iit", id, store_now(s), body);
    return db_run(store_db(s), st, err);
}

bool outbox_add(struct store *s, const struct outbox_delivery *delivery, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_DELIVERY_INSERT);
    db_bind(st, "tittti", delivery->webhook_id, delivery->alert_id, delivery->receiver,
            delivery->type, delivery->body, store_now(s));
    return db_run(store_db(s), st, err);
}

void outbox_tell(struct store *s, const struct outbox_news *news)
{
    struct feed_item item = {.what = FEED_ALERT,
                             .workload_id = news->alert->workload_id,
                             .ns_id = news->alert->ns_id,
                             .namespace = news->namespace,
                             .kind = news->type,
                             .name = news->name,
                             .state = news->state,
                             .from_state = news->from_state};
    store_feed(s, &item);
}

bool outbox_delivery(struct store *s, int64_t id, struct arena *a, struct outbox_delivery *ret,
                     bool *ret_found, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_DELIVERY);
    bool row = false;
    db_bind(st, "i", id);
    if (!db_step(store_db(s), st, &row, err)) {
        return false;
    }
    if (row) {
        read_delivery(st, a, ret);
    }
    (void)sqlite3_reset(st); /* one row was wanted */
    *ret_found = row;
    return true;
}

bool outbox_book(struct store *s, const struct outbox_booking *b, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_DELIVERY_BOOK);
    db_bind(st, "iiiiit", b->id, (int64_t)b->state, b->next_at, b->done_at, b->status, b->error);
    return db_run(store_db(s), st, err);
}

bool outbox_again(struct store *s, int64_t delivery_id, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_DELIVERY_AGAIN);
    db_bind(st, "ii", delivery_id, store_now(s));
    return db_run(store_db(s), st, err);
}

bool outbox_attempt(struct store *s, const struct outbox_attempt *at, struct err *err)
{
    sqlite3_stmt *st = db_get(store_db(s), SQL_OUTBOX_ATTEMPT_INSERT);
    db_bind(st, "iiiitt", at->delivery_id, at->at, at->status, at->latency_ms, at->error,
            at->reply);
    return db_run(store_db(s), st, err);
}

/* ---- reader's part ---- */

bool outbox_reader_open(const char *path, struct outbox **ret, struct err *err)
{
    struct outbox *o = xcalloc(1, sizeof *o);
    if (!db_open(path, true, 0, (struct sql_list){outbox_sql, OUTBOX_SQL_COUNT}, &o->db, err)) {
        free(o);
        return false;
    }
    *ret = o;
    return true;
}

void outbox_reader_close(struct outbox *o)
{
    if (o != NULL) {
        db_close(&o->db);
        free(o);
    }
}

/* All rows as deliveries; the query's max is the statement's limit. */
static bool all_deliveries(struct db *db, sqlite3_stmt *st, const struct outbox_query *q,
                           struct list *ret, struct err *err)
{
    struct outbox_delivery *items = arena_array(q->arena, struct outbox_delivery, q->max);
    uint32_t n = 0;
    for (bool row = true; row;) {
        if (!db_step(db, st, &row, err)) {
            return false;
        }
        if (row) {
            read_delivery(st, q->arena, &items[n++]);
        }
    }
    *ret = (struct list){items, n};
    return true;
}

bool outbox_due(struct outbox *o, const struct outbox_query *q, struct list *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_DUE);
    db_bind(st, "tiii", q->receiver, q->now, q->horizon, (int64_t)q->max);
    return all_deliveries(&o->db, st, q, ret, err);
}

bool outbox_next(struct outbox *o, const char *receiver, int64_t now, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_NEXT);
    bool row = false;
    db_bind(st, "ti", receiver, now);
    if (!db_step(&o->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st); /* one row was wanted */
    return true;
}

bool outbox_receivers(struct outbox *o, struct arena *a, struct strs *ret, struct err *err)
{
    enum { MOST = 256 };
    const char **names = arena_array(a, const char *, MOST);
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_RECEIVERS);
    uint32_t n = 0;
    for (bool row = true; row && n < MOST;) {
        if (!db_step(&o->db, st, &row, err)) {
            return false;
        }
        if (row) {
            names[n++] = db_text(st, 0, a);
        }
    }
    (void)sqlite3_reset(st); /* more names come next time */
    *ret = (struct strs){names, n};
    return true;
}

bool outbox_of_receiver(struct outbox *o, const struct outbox_query *q, struct list *ret,
                        struct err *err)
{
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_OF_RECEIVER);
    db_bind(st, "tii", q->receiver, q->before, (int64_t)q->max);
    return all_deliveries(&o->db, st, q, ret, err);
}

bool outbox_booked(struct outbox *o, int64_t delivery_id, int64_t attempts, bool *ret,
                   struct err *err)
{
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_BOOKED);
    bool row = false;
    db_bind(st, "i", delivery_id);
    if (!db_step(&o->db, st, &row, err)) {
        return false;
    }
    *ret = !row || db_int(st, 0) > attempts || db_int(st, 1) != DELIVERY_PENDING;
    (void)sqlite3_reset(st); /* one row was wanted */
    return true;
}

bool outbox_all_firing(struct outbox *o, const struct outbox_query *q, struct list *ret,
                       struct err *err)
{
    struct outbox_alert *items = arena_array(q->arena, struct outbox_alert, q->max);
    sqlite3_stmt *st = db_get(&o->db, AT_OUTBOX_ALL_FIRING);
    uint32_t n = 0;
    db_bind(st, "iti", q->after, q->type, (int64_t)q->max);
    for (bool row = true; row;) {
        if (!db_step(&o->db, st, &row, err)) {
            return false;
        }
        if (row) {
            read_alert(st, q->arena, &items[n++]);
        }
    }
    *ret = (struct list){items, n};
    return true;
}
