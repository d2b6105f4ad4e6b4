/* One rollout, its labels and its findings; which need attention (see reader.h). */
#include <string.h>

#include "store/reader_row.h"

bool reader_find(struct reader *r, const struct object_name *name, int64_t *ret_id, struct err *err)
{
    static const enum sql_read tries[] = {READ_WORKLOAD_BY_NAME, READ_WORKLOAD_BY_NAME_NOCASE};
    for (size_t i = 0; i < 2; i++) {
        bool row = false;
        sqlite3_stmt *st = db_get(&r->db, tries[i]);
        db_bind(st, "ittt", name->cluster, name->namespace, name->kind, name->name);
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            *ret_id = db_int(st, 0);
            (void)sqlite3_reset(st);
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no %.100s %.200s in namespace %.100s", name->kind,
                   name->name, name->namespace);
}

static struct rollout_info info_of(struct reader *r, const struct rollout_row *w,
                                   const char *runbook)
{
    struct arena *a = r->arena;
    return (struct rollout_info){.id = w->id,
                                 .rev = db_int(w->st, 34),
                                 .cluster = db_text(w->st, 37, a),
                                 .namespace = arena_strdup(a, w->namespace),
                                 .kind = arena_strdup(a, w->kind),
                                 .name = arena_strdup(a, w->name),
                                 .state = w->state,
                                 .since = w->since,
                                 .observed = db_int(w->st, 15) != 0,
                                 .complete = db_int(w->st, 16) != 0,
                                 .terminal = db_int(w->st, 17) != 0,
                                 .stale = db_int(w->st, 18) != 0,
                                 .generation = db_int(w->st, 14),
                                 .revision = db_text(w->st, 12, a),
                                 .revision_hash = db_text(w->st, 13, a),
                                 .images = db_text(w->st, 19, a),
                                 .cause = arena_strdup(a, w->cause),
                                 .runbook = arena_strdup(a, runbook),
                                 .gates_total = db_int(w->st, 25),
                                 .gates_open = db_int(w->st, 26)};
}

static bool causes_json(struct reader *r, int64_t id, const char *runbook, struct json_out *j,
                        struct err *err)
{
    struct list findings;
    if (!reader_findings(r, id, &findings, err)) {
        return false;
    }
    json_key(j, "causes");
    json_open(j, '[');
    for (uint32_t i = 0; i < findings.n; i++) {
        finding_json(LIST_AT(struct finding_row, findings, i), runbook, j);
    }
    json_close(j, ']');
    return true;
}

bool reader_labels(struct reader *r, int64_t id, struct kvs *ret, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_ROLLOUT_BY_ID);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    const struct meta *meta =
        row ? reader_record(r, kind_info(KIND_DEPLOYMENT)->table, st, ROLLOUT_BODY_AT) : NULL;
    *ret = meta != NULL ? meta->labels : (struct kvs){NULL, 0};
    (void)sqlite3_reset(st);
    return true;
}

bool reader_rollout(struct reader *r, int64_t id, bool causes, struct json_out *j,
                    struct rollout_info *ret_info, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_ROLLOUT_BY_ID);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "the workload is gone");
    }
    struct rollout_row w = rollout_row_of(st);
    const char *runbook = w.has_finding ? rollout_row_runbook(r, &w) : "";
    if (ret_info != NULL) {
        *ret_info = info_of(r, &w, runbook);
    }
    if (j != NULL) {
        json_open(j, '{');
        rollout_row_json(&w, runbook, j);
    }
    (void)sqlite3_reset(st);
    if (j == NULL) {
        return true;
    }
    if (causes) {
        return causes_json(r, id, runbook, j, err);
    }
    json_close(j, '}');
    return true;
}

bool reader_findings(struct reader *r, int64_t workload_id, struct list *ret, struct err *err)
{
    enum { FINDINGS_MAX = 200 };
    struct finding_row *rows = arena_array(r->arena, struct finding_row, FINDINGS_MAX);
    uint32_t n = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_FINDINGS);
    db_bind(st, "i", workload_id);
    while (db_step(&r->db, st, &row, err)) {
        if (!row || n == FINDINGS_MAX) {
            (void)sqlite3_reset(st);
            *ret = (struct list){rows, n};
            return true;
        }
        rows[n++] = finding_of(st, 0, r->arena);
    }
    return false;
}

bool reader_attention(struct reader *r, int64_t cluster, int max, struct list *ret, struct err *err)
{
    struct rollout_info *rows = arena_array(r->arena, struct rollout_info, max);
    uint32_t n = 0;
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_ATTENTION); /* ranks below paused */
    db_bind(st, "ii", cluster, (int64_t)max);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row && reader_rollout(r, db_int(st, 0), false, NULL, &rows[n], err)) {
            n++;
        } else if (row) {
            return false;
        }
    }
    *ret = (struct list){rows, n};
    return true;
}
