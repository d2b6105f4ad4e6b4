/* Alerts, deliveries and their attempts (see reader.h). */
#include "store/reader_in.h"

#include <string.h>

static void alert_json(sqlite3_stmt *st, struct json_out *j)
{
    json_open(j, '{');
    json_kint(j, "id", db_int(st, 0));
    json_kstr(j, "type", db_text(st, 1, NULL));
    json_kstr(j, "key", db_text(st, 2, NULL));
    json_kstr(j, "namespace", db_text(st, 3, NULL));
    json_kstr(j, "kind", db_text(st, 4, NULL));
    json_kstr(j, "name", db_text(st, 5, NULL));
    json_kopt(j, "cause", db_text(st, 6, NULL));
    json_kstr(j, "severity", severity_name((enum severity)db_int(st, 7)));
    json_ktime(j, "started_at", db_int(st, 8));
    json_ktime(j, "ended_at", db_int(st, 9));
    json_ktime(j, "updated_at", db_int(st, 10));
    json_stored(j, "data", db_text(st, 11, NULL), "{}");
    json_close(j, '}');
}

static bool alert_wanted(const struct alert_filter *f, sqlite3_stmt *st)
{
    bool firing = db_int(st, 9) == 0;
    return (f->firing < 0 || firing == (f->firing != 0)) &&
           (f->namespace == NULL || strcmp(f->namespace, db_text(st, 3, NULL)) == 0);
}

bool reader_alerts(struct reader *r, const struct alert_filter *f, struct page *page,
                   struct json_out *j, struct err *err)
{
    struct page_scan s = page_scan(page, SCAN_MAX);
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_ALERTS);
    db_bind(st, "iii", f->cluster, page->after.set ? page->after.n[0] : INT64_MAX,
            page->after.set ? page->after.n[1] : INT64_MAX);
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (row) {
            s.last = (struct keyset){true, {db_int(st, 8), db_int(st, 0), 0}, NULL};
        }
        if (row && alert_wanted(f, st)) {
            alert_json(st, j);
            s.n++;
        }
    }
    return true;
}

static const char *delivery_state_name(int64_t state)
{
    static const char *const names[] = {"pending", "delivered", "dead", "dropped"};
    return state >= 0 && state < 4 ? names[state] : "unknown";
}

/* Members of an open object. */
static void delivery_json(sqlite3_stmt *st, struct json_out *j)
{
    json_kint(j, "id", db_int(st, 0));
    json_kstr(j, "webhook_id", db_text(st, 1, NULL));
    json_kint(j, "alert", db_int(st, 2));
    json_kstr(j, "receiver", db_text(st, 3, NULL));
    json_kstr(j, "type", db_text(st, 4, NULL));
    json_kstr(j, "state", delivery_state_name(db_int(st, 5)));
    json_ktime(j, "created_at", db_int(st, 6));
    json_ktime(j, "next_at", db_int(st, 5) == 0 ? db_int(st, 7) : 0);
    json_ktime(j, "done_at", db_int(st, 8));
    json_kint(j, "attempts", db_int(st, 9));
    json_kint(j, "last_status", db_int(st, 10));
    json_kstr(j, "last_error", db_text(st, 11, NULL));
}

bool reader_deliveries(struct reader *r, int state, int64_t alert_id, struct page *page,
                       struct json_out *j, struct err *err)
{
    struct page_scan s = page_scan(page, SCAN_MAX);
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, alert_id != 0 ? READ_DELIVERIES_OF_ALERT : READ_DELIVERIES);
    int64_t before = page->after.set ? page->after.n[0] : INT64_MAX;
    if (alert_id != 0) {
        db_bind(st, "ii", before, alert_id);
    } else {
        db_bind(st, "i", before);
    }
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (row) {
            s.last = (struct keyset){true, {db_int(st, 0), 0, 0}, NULL};
        }
        if (row && (state < 0 || db_int(st, 5) == state)) {
            json_open(j, '{');
            delivery_json(st, j);
            json_close(j, '}');
            s.n++;
        }
    }
    return true;
}

static bool tries_json(struct reader *r, int64_t id, struct json_out *j, struct err *err)
{
    json_key(j, "tries");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_ATTEMPTS);
    db_bind(st, "i", id);
    bool row = true;
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            json_open(j, '{');
            json_ktime(j, "at", db_int(st, 0));
            json_kint(j, "status", db_int(st, 1));
            json_kint(j, "latency_ms", db_int(st, 2));
            json_kstr(j, "error", db_text(st, 3, NULL));
            json_kstr(j, "reply", db_text(st, 4, NULL));
            json_close(j, '}');
        }
    }
    json_close(j, ']');
    return true;
}

bool reader_delivery(struct reader *r, int64_t id, struct json_out *j, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_DELIVERY);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no delivery %lld", (long long)id);
    }
    delivery_json(st, j);
    json_kstr(j, "body", db_text(st, 12, NULL));
    (void)sqlite3_reset(st);
    return tries_json(r, id, j, err);
}
