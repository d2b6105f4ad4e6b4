/* The row of a rollout: what it says, its runbook, its JSON (see reader_row.h). */
#include "store/reader_row.h"

#include <string.h>
#include <strings.h>

enum { FINDING_AT = 39 };

struct rollout_row rollout_row_of(sqlite3_stmt *st)
{
    return (struct rollout_row){.st = st,
                                .id = db_int(st, 0),
                                .rank = db_int(st, 35),
                                .since = db_int(st, 8),
                                .namespace = db_text(st, 2, NULL),
                                .kind = db_text(st, 3, NULL),
                                .name = db_text(st, 4, NULL),
                                .state = (enum rollout_state)db_int(st, 6),
                                .cause = db_text(st, 33, NULL),
                                .has_finding = sqlite3_column_type(st, FINDING_AT) != SQLITE_NULL};
}

/* ---- runbooks ---- */

static const char *annotated(const struct kvs *annotations)
{
    const char *url = kvs_get(annotations, "gatehouse.dev/runbook");
    return url != NULL && config_web_address(url) ? url : NULL;
}

static bool override_matches(const struct config_override *o, const struct rollout_row *w)
{
    if (o->namespace[0] != '\0' && strcmp(o->namespace, w->namespace) != 0) {
        return false;
    }
    const char *slash = strchr(o->workload, '/');
    if (slash == NULL) {
        return o->workload[0] == '\0' || strcmp(o->workload, w->name) == 0;
    }
    size_t len = (size_t)(slash - o->workload);
    return strlen(w->kind) == len && strncasecmp(o->workload, w->kind, len) == 0 &&
           strcmp(slash + 1, w->name) == 0;
}

static const char *override_runbook(const struct config *config, const struct rollout_row *w)
{
    for (size_t i = 0; config != NULL && i < config->n_overrides; i++) {
        if (override_matches(&config->overrides[i], w)) {
            return config->overrides[i].runbook;
        }
    }
    return "";
}

const char *rollout_row_runbook(struct reader *r, const struct rollout_row *w)
{
    const struct meta *meta =
        reader_record(r, kind_info(KIND_DEPLOYMENT)->table, w->st, ROLLOUT_BODY_AT);
    const char *url = meta != NULL ? annotated(&meta->annotations) : NULL;
    if (url != NULL) {
        return url;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_OBJECT_GET);
    db_bind(st, "iiit", db_int(w->st, 38), (int64_t)KIND_NAMESPACE, INT64_C(0), w->namespace);
    bool found = false;
    struct err ignored; /* then there is no such annotation to see */
    if (db_step(&r->db, st, &found, &ignored) && found) {
        meta = reader_record(r, kind_info(KIND_NAMESPACE)->table, st, 3);
        url = meta != NULL ? annotated(&meta->annotations) : NULL;
    }
    (void)sqlite3_reset(st);
    return url != NULL ? url : override_runbook(r->config, w);
}

/* ---- one row as JSON ---- */

static void pods_json(sqlite3_stmt *st, struct json_out *j)
{
    json_key(j, "pods");
    json_open(j, '{');
    json_kint(j, "desired", db_int(st, 20));
    json_kint(j, "updated", db_int(st, 21));
    json_kint(j, "ready", db_int(st, 22));
    json_kint(j, "old", db_int(st, 23));
    json_stored(j, "by_state", db_text(st, 24, NULL), "{}");
    json_close(j, '}');
    json_key(j, "gates");
    json_open(j, '{');
    json_kint(j, "total", db_int(st, 25));
    json_kint(j, "open", db_int(st, 26));
    json_kint(j, "closed", db_int(st, 27));
    json_kint(j, "absent", db_int(st, 28));
    json_kint(j, "missing", db_int(st, 29));
    json_close(j, '}');
}

void rollout_row_json(const struct rollout_row *w, const char *runbook, struct json_out *j)
{
    sqlite3_stmt *st = w->st;
    json_kstr(j, "cluster", db_text(st, 37, NULL));
    json_kstr(j, "namespace", w->namespace);
    json_kstr(j, "kind", w->kind);
    json_kstr(j, "name", w->name);
    json_kstr(j, "uid", db_text(st, 5, NULL));
    json_kstr(j, "revision", db_text(st, 12, NULL));
    json_kstr(j, "revision_hash", db_text(st, 13, NULL));
    json_stored(j, "images", db_text(st, 19, NULL), "[]");
    json_kstr(j, "state", rollout_state_name(w->state));
    json_kstr(j, "pace", pace_name((enum pace)db_int(st, 7)));
    json_ktime(j, "since", w->since);
    json_ktime(j, "started_at", db_int(st, 9));
    json_ktime(j, "served_at", db_int(st, 10));
    json_ktime(j, "eta", db_int(st, 11));
    json_kint(j, "generation", db_int(st, 14));
    json_kbool(j, "observed", db_int(st, 15) != 0);
    json_kbool(j, "complete", db_int(st, 16) != 0);
    json_kbool(j, "terminal", db_int(st, 17) != 0);
    json_kbool(j, "stale", db_int(st, 18) != 0);
    pods_json(st, j);
    json_usual(j, db_int(st, 30), db_int(st, 31), db_text(st, 32, NULL));
    json_key(j, "cause");
    if (w->has_finding) {
        struct finding_row f = finding_of(st, FINDING_AT, NULL);
        finding_json(&f, runbook, j);
    } else {
        json_nil(j);
    }
}
