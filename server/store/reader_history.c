/* What a rollout has been through: transitions and past revisions (see reader.h). */
#include <string.h>

#include "model/cause.h"
#include "store/reader_in.h"

/* Steps over a page of rows with a falling id in column 0: render writes one item. */
static bool id_page(struct reader *r, sqlite3_stmt *st, struct page *page,
                    void (*render)(sqlite3_stmt *st, struct json_out *j), struct json_out *j,
                    struct err *err)
{
    struct page_scan s = page_scan(page, page->limit);
    bool row = true;
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (row) {
            s.last = (struct keyset){true, {db_int(st, 0), 0, 0}, NULL};
            render(st, j);
        }
    }
    return true;
}

static void transition_json(sqlite3_stmt *st, struct json_out *j)
{
    static const char *const what[] = {"rollout", "pod", "gate", "target"};
    int64_t n = db_int(st, 2);
    json_open(j, '{');
    json_ktime(j, "at", db_int(st, 1));
    json_kstr(j, "what", n >= 0 && n < 4 ? what[n] : "unknown");
    json_kstr(j, "pod", db_text(st, 3, NULL));
    json_kstr(j, "subject", db_text(st, 4, NULL));
    json_kstr(j, "from", db_text(st, 5, NULL));
    json_kstr(j, "to", db_text(st, 6, NULL));
    json_kstr(j, "reason", db_text(st, 7, NULL));
    json_kstr(j, "message", db_text(st, 8, NULL));
    json_close(j, '}');
}

static void revision_json(sqlite3_stmt *st, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "revision", db_text(st, 1, NULL));
    json_kstr(j, "revision_hash", db_text(st, 2, NULL));
    json_stored(j, "images", db_text(st, 3, NULL), "[]");
    json_ktime(j, "started_at", db_int(st, 4));
    json_ktime(j, "finished_at", db_int(st, 5));
    json_ktime(j, "served_at", db_int(st, 6));
    json_kstr(j, "outcome", db_text(st, 7, NULL));
    json_kint(j, "pods", db_int(st, 8));
    const char *cause = db_text(st, 9, NULL);
    json_kopt(j, "cause", cause);
    json_kopt(j, "cause_title", cause_title(cause));
    json_close(j, '}');
}

bool reader_timeline(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                     struct err *err)
{
    sqlite3_stmt *st = db_get(&r->db, READ_TIMELINE);
    db_bind(st, "iii", workload_id, page->after.set ? page->after.n[0] : INT64_MAX,
            (int64_t)page->limit + 1);
    return id_page(r, st, page, transition_json, j, err);
}

bool reader_history(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                    struct err *err)
{
    sqlite3_stmt *st = db_get(&r->db, READ_HISTORY);
    db_bind(st, "iii", workload_id, page->after.set ? page->after.n[0] : INT64_MAX,
            (int64_t)page->limit + 1);
    return id_page(r, st, page, revision_json, j, err);
}

/* The newest row of that revision, stepped to; *ret_found. The caller resets. */
static sqlite3_stmt *find_revision(struct reader *r, int64_t id, const char *revision,
                                   bool *ret_found, bool *ret_ok, struct err *err)
{
    sqlite3_stmt *st = db_get(&r->db, READ_REVISION_NAMED);
    db_bind(st, "it", id, revision);
    *ret_ok = db_step(&r->db, st, ret_found, err);
    return st;
}

bool reader_revision_past(struct reader *r, int64_t id, const char *revision, bool *ret_past,
                          struct err *err)
{
    bool found = false;
    bool ok = false;
    sqlite3_stmt *st = find_revision(r, id, revision, &found, &ok, err);
    if (!ok) {
        return false;
    }
    *ret_past = found && db_int(st, 5) != 0; /* finished_at */
    (void)sqlite3_reset(st);
    return true;
}

/* What history keeps is little: the rest of the shape is left at nothing. */
static void past_json(sqlite3_stmt *st, const struct rollout_info *now, struct json_out *j)
{
    bool failed = strcmp(db_text(st, 7, NULL), "failed") == 0;
    json_kstr(j, "cluster", now->cluster);
    json_kstr(j, "namespace", now->namespace);
    json_kstr(j, "kind", now->kind);
    json_kstr(j, "name", now->name);
    json_kstr(j, "uid", "");
    json_kstr(j, "revision", db_text(st, 1, NULL));
    json_kstr(j, "revision_hash", db_text(st, 2, NULL));
    json_stored(j, "images", db_text(st, 3, NULL), "[]");
    json_kstr(j, "state", rollout_state_name(failed ? ROLLOUT_FAILED : ROLLOUT_SUPERSEDED));
    json_kstr(j, "pace", pace_name(PACE_ON_TIME));
    json_ktime(j, "since", db_int(st, 5));
    json_ktime(j, "started_at", db_int(st, 4));
    json_ktime(j, "served_at", db_int(st, 6));
    json_ktime(j, "finished_at", db_int(st, 5));
    json_kstr(j, "outcome", db_text(st, 7, NULL));
    json_ktime(j, "eta", 0);
    json_kint(j, "generation", 0);
    json_kbool(j, "observed", true);
    json_kbool(j, "complete", db_int(st, 6) != 0);
    json_kbool(j, "terminal", failed);
    json_kbool(j, "stale", false);
    json_key(j, "pods");
    json_raw(j, "{\"desired\":0,\"updated\":0,\"ready\":0,\"old\":0,\"by_state\":{}}");
    json_key(j, "gates");
    json_raw(j, "{\"total\":0,\"open\":0,\"closed\":0,\"absent\":0,\"missing\":0}");
    json_usual(j, 0, 0, "");
    json_key(j, "cause");
    json_nil(j);
    const char *cause = db_text(st, 9, NULL);
    json_kopt(j, "cause_code", cause);
    json_kopt(j, "cause_title", cause_title(cause));
    json_key(j, "causes");
    json_raw(j, "[]");
}

bool reader_past_rollout(struct reader *r, int64_t id, const char *revision, struct json_out *j,
                         struct err *err)
{
    struct rollout_info now;
    if (!reader_rollout(r, id, false, NULL, &now, err)) {
        return false;
    }
    bool found = false;
    bool ok = false;
    sqlite3_stmt *st = find_revision(r, id, revision, &found, &ok, err);
    if (!ok) {
        return false;
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND, "no revision %.100s is known of it", revision);
    }
    past_json(st, &now, j);
    (void)sqlite3_reset(st);
    return true;
}
