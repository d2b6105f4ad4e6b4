/*
 * Findings are kept by object and code: the first sighting stays, the text follows, what no longer
 * holds ends. One file for those of rollouts and those of namespaces or the cluster.
 */
#include <string.h>

#include "base/json_out.h"
#include "store/facts.h"

enum { DETAIL_LIMIT = 256 << 10, NAMES_MAX = 20, EVIDENCE_MAX = 20, COMMANDS_MAX = 20 };

struct old_finding {
    int64_t id;
    const char *code;
    const char *object;
    int64_t severity;
    int64_t terminal;
    int64_t confidence;
    int64_t primary;
    int64_t position;
    int64_t pods;
    int64_t since;
    const char *detail;
    bool kept;
};

static void strs_json(struct json_out *j, const char *key, const struct strs *l, uint32_t max)
{
    json_key(j, key);
    json_open(j, '[');
    for (uint32_t i = 0; i < l->n && i < max; i++) {
        json_str(j, l->items[i]);
    }
    json_close(j, ']');
}

static const char *detail_json(struct store *s, const struct finding *f)
{
    AUTO(buf) out = BUF_INIT(DETAIL_LIMIT);
    struct json_out j = json_out(&out);
    json_open(&j, '{');
    json_kstr(&j, "message", f->message != NULL ? f->message : "");
    json_kstr(&j, "action", f->action != NULL ? f->action : "");
    strs_json(&j, "commands", &f->commands, COMMANDS_MAX);
    json_kstr(&j, "docs", f->docs != NULL ? f->docs : "");
    json_key(&j, "evidence");
    json_open(&j, '[');
    for (uint32_t i = 0; i < f->evidence.n && i < EVIDENCE_MAX; i++) {
        const struct evidence *e = LIST_AT(struct evidence, f->evidence, i);
        json_open(&j, '{');
        json_kstr(&j, "object", e->object);
        json_kstr(&j, "field", e->field);
        json_kstr(&j, "value", e->value);
        json_close(&j, '}');
    }
    json_close(&j, ']');
    strs_json(&j, "pod_names", &f->pod_names, NAMES_MAX);
    json_close(&j, '}');
    return arena_strdup(s->scratch, out.overflow ? "{}" : buf_str(&out));
}

static bool load_old(struct store *s, int64_t ns_id, int64_t workload_id, struct facts_array *all,
                     struct err *err)
{
    sqlite3_stmt *st = NULL;
    if (workload_id != 0) {
        st = db_get(&s->db, SQL_FINDINGS_OF_ROLLOUT);
        db_bind(st, "i", workload_id);
    } else {
        st = db_get(&s->db, SQL_FINDINGS_OF_NS);
        db_bind(st, "ii", ns_id, s->cluster_id);
    }
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        struct old_finding *o = facts_push(all, sizeof *o);
        *o = (struct old_finding){.id = db_int(st, 0),
                                  .code = db_text(st, 1, s->scratch),
                                  .object = db_text(st, 2, s->scratch),
                                  .severity = db_int(st, 3),
                                  .terminal = db_int(st, 4),
                                  .confidence = db_int(st, 5),
                                  .primary = db_int(st, 6),
                                  .position = db_int(st, 7),
                                  .pods = db_int(st, 8),
                                  .since = db_int(st, 9),
                                  .detail = db_text(st, 10, s->scratch)};
    }
}

static struct old_finding *find(struct facts_array *all, const struct finding *f)
{
    struct old_finding *items = all->items;
    for (size_t i = 0; i < all->n; i++) {
        if (!items[i].kept && strcmp(items[i].code, f->code) == 0 &&
            strcmp(items[i].object, f->object) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

static bool same(const struct old_finding *o, const struct finding *f, int64_t position,
                 const char *detail)
{
    return o->severity == (int64_t)f->severity && o->terminal == (int64_t)f->terminal &&
           o->confidence == (int64_t)f->confidence && o->primary == (int64_t)f->primary &&
           o->position == position && o->pods == (int64_t)f->pods && o->since == f->since &&
           strcmp(o->detail, detail) == 0;
}

static void mark(struct saving *w, bool listed)
{
    w->changed = true;
    w->told = true;
    w->listed = w->listed || listed;
}

static bool write_one(struct store *s, struct saving *w, const struct old_finding *o,
                      const struct finding *f, int64_t position, struct err *err)
{
    const char *detail = detail_json(s, f);
    if (o != NULL && same(o, f, position, detail)) {
        return true;
    }
    mark(w, f->primary || (o != NULL && o->primary != 0));
    if (o != NULL) {
        sqlite3_stmt *st = db_get(&s->db, SQL_FINDING_UPDATE);
        db_bind(st, "iiiiiiiiti", (int64_t)f->severity, (int64_t)f->terminal,
                (int64_t)f->confidence, (int64_t)f->primary, position, (int64_t)f->pods, f->since,
                s->now, detail, o->id);
        return db_run(&s->db, st, err);
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_FINDING_ADD);
    db_bind(st, "iiittiiiiiiiit", s->cluster_id, w->ns_id, w->workload_id, f->code, f->object,
            (int64_t)f->severity, (int64_t)f->terminal, (int64_t)f->confidence, (int64_t)f->primary,
            position, s->now, f->since, (int64_t)f->pods, detail);
    return db_run(&s->db, st, err);
}

static bool end_one(struct store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_FINDING_END);
    db_bind(st, "ii", s->now, id);
    return db_run(&s->db, st, err);
}

bool save_findings(struct store *s, struct saving *w, const struct list *findings, struct err *err)
{
    AUTO(facts_array) all = {0};
    if (!load_old(s, w->ns_id, w->workload_id, &all, err)) {
        return false;
    }
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        struct old_finding *o = find(&all, f);
        if (o != NULL) {
            o->kept = true;
        }
        if (!write_one(s, w, o, f, (int64_t)i, err)) {
            return false;
        }
    }
    struct old_finding *items = all.items;
    for (size_t i = 0; i < all.n; i++) {
        if (!items[i].kept) {
            mark(w, items[i].primary != 0);
            if (!end_one(s, items[i].id, err)) {
                return false;
            }
        }
    }
    return true;
}

bool end_findings(struct store *s, int64_t workload_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_FINDINGS_END);
    db_bind(st, "ii", s->now, workload_id);
    return db_run(&s->db, st, err);
}

bool store_save_findings(struct store *s, int64_t ns_id, const struct scope_verdict *v,
                         const char *injection, struct err *err)
{
    struct saving w = {.ns_id = ns_id};
    arena_reset(s->scratch);
    dirty_look_at(s, ns_id, v->next_look);
    if (!save_findings(s, &w, &v->findings, err)) {
        return false;
    }
    if (injection != NULL && ns_id != 0) {
        sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_INJECTION);
        db_bind(st, "ti", injection, ns_id);
        if (!db_run(&s->db, st, err)) {
            return false;
        }
        w.changed = w.changed || sqlite3_changes(s->db.handle) > 0;
    }
    if (w.changed && ns_id != 0) {
        facts_drop_namespace(s, ns_id); /* they hold what was found before */
        tx_tell_namespace(s, ns_id);
    } else if (w.changed) {
        facts_drop_cluster(s);
        s->commit.summary_changed = true;
        tx_visible(s);
    }
    return true;
}
