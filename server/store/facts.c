/*
 * The facts of one rollout: its object, its revision objects, its pods with what we remember of
 * them, and its prior verdict. Everything lives in the caller's arena. The pods' verdict columns
 * are kept beside (store.cols), so that saving writes only what differs.
 */
#include <string.h>

#include "base/mem.h"
#include "store/facts.h"

/* ---- the workload's row ---- */

struct row {
    int64_t ns_id;
    const void *body;
    size_t len;
    const char *rv;
    int64_t judged_at;
    struct rollout_prior *prior;
};

static bool load_row(struct store *s, int64_t id, struct arena *a, struct facts *f, struct row *ret,
                     struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_FACTS);
    db_bind(st, "i", id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no such workload");
    }
    struct rollout_prior *prior = arena_zalloc(a, sizeof *prior);
    *ret = (struct row){.ns_id = db_int(st, 0),
                        .rv = db_text(st, 4, a),
                        .judged_at = db_int(st, 6),
                        .prior = prior};
    ret->body = db_blob(st, 5, a, &ret->len);
    f->kind = db_text(st, 1, a);
    f->name = db_text(st, 2, a);
    f->uid = db_text(st, 3, a);
    *prior = (struct rollout_prior){.state = ret->judged_at != 0 ? db_int(st, 7) : -1,
                                    .since = db_int(st, 8),
                                    .started_at = db_int(st, 9),
                                    .revision_hash = db_text(st, 10, a),
                                    .pace = db_int(st, 11),
                                    .served_at = db_int(st, 12),
                                    .cause = db_text(st, 13, a),
                                    .cause_since = db_int(st, 14)};
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static bool read_prior_finding(const struct facts_rows *rows, void *item)
{
    *(struct prior_finding *)item = (struct prior_finding){
        db_text(rows->st, 0, rows->arena), db_text(rows->st, 1, rows->arena), db_int(rows->st, 2)};
    return true;
}

static bool take_prior_findings(struct store *s, sqlite3_stmt *st, struct arena *a,
                                struct list *ret, struct err *err)
{
    const struct facts_rows rows = {.db = &s->db,
                                    .st = st,
                                    .arena = a,
                                    .size = sizeof(struct prior_finding),
                                    .read = read_prior_finding};
    return facts_list(&rows, ret, err);
}

static bool load_prior_findings(struct store *s, int64_t id, struct arena *a, struct list *ret,
                                struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_FINDINGS_PRIOR);
    db_bind(st, "i", id);
    return take_prior_findings(s, st, a, ret, err);
}

bool facts_scope_findings(struct store *s, int64_t ns_id, struct arena *a, struct list *ret,
                          struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_FINDINGS_PRIOR_OF_SCOPE);
    db_bind(st, "i", ns_id);
    return take_prior_findings(s, st, a, ret, err);
}

/* ---- revisions ---- */

static int64_t number_of(const struct meta *m)
{
    static const char *const keys[] = {"deployment.kubernetes.io/revision",
                                       "rollout.argoproj.io/revision"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *v = kvs_get(&m->annotations, keys[i]);
        if (v != NULL) {
            return strtoll(v, NULL, 10);
        }
    }
    return 0;
}

static const char *label_or(const struct meta *m, const char *key, const char *otherwise)
{
    const char *v = kvs_get(&m->labels, key);
    return v != NULL ? v : otherwise;
}

static void from_replicaset(const struct kube_workload *rs, struct facts_revision *r)
{
    const char *argo = label_or(&rs->meta, "rollouts-pod-template-hash", "");
    *r = (struct facts_revision){
        .name = rs->meta.name,
        .hash = argo[0] != '\0' ? argo : label_or(&rs->meta, "pod-template-hash", ""),
        .number = number_of(&rs->meta),
        .created_at = rs->meta.created_at,
        .replicaset = rs};
}

/* DaemonSets put the hash on their pods, StatefulSets the revision's whole name. */
static void from_controller_revision(const struct kube_revision *c, struct facts_revision *r)
{
    *r = (struct facts_revision){.name = c->meta.name,
                                 .hash =
                                     label_or(&c->meta, "controller-revision-hash", c->meta.name),
                                 .number = c->revision,
                                 .created_at = c->meta.created_at};
}

static bool read_revision(const struct facts_rows *rows, void *item)
{
    void *record = arena_alloc(rows->arena, kind_info(rows->kind)->table->size);
    if (!facts_read_object(rows, record)) {
        return false;
    }
    if (rows->kind == KIND_REPLICASET) {
        from_replicaset(record, item);
    } else {
        from_controller_revision(record, item);
    }
    return true;
}

static bool load_revisions(struct store *s, int64_t ns_id, const char *uid, struct arena *a,
                           struct list *ret, struct err *err)
{
    static const enum kind kinds[] = {KIND_REPLICASET, KIND_CONTROLLER_REVISION};
    AUTO(facts_array) all = {0};
    for (size_t k = 0; k < 2 && uid[0] != '\0'; k++) {
        const struct facts_rows rows = {.db = &s->db,
                                        .st = db_get(&s->db, SQL_OBJECTS_BY_REF),
                                        .arena = a,
                                        .size = sizeof(struct facts_revision),
                                        .read = read_revision,
                                        .kind = kinds[k]};
        db_bind(rows.st, "iit", (int64_t)kinds[k], ns_id, uid);
        if (!facts_add(&rows, &all, err)) {
            return false;
        }
    }
    *ret = facts_take(&all, sizeof(struct facts_revision), a);
    return true;
}

/* ---- pods ---- */

static const struct pod_track *read_track(sqlite3_stmt *st, int column, struct arena *a)
{
    struct pod_track *t = arena_alloc(a, sizeof *t);
    if (!facts_unpack(&pod_track_table, st, column, a, t)) { /* as if never seen */
        record_clear(&pod_track_table, t);
        t->state = -1;
    }
    return t;
}

static void read_cols(sqlite3_stmt *st, int64_t id, struct arena *a, struct pod_cols *c)
{
    *c = (struct pod_cols){.id = id,
                           .state = db_int(st, 5),
                           .state_since = db_int(st, 6),
                           .is_new = db_int(st, 7),
                           .gate_missing = db_int(st, 8),
                           .truths = db_int(st, 9),
                           .contradiction = db_int(st, 10),
                           .cause = db_text(st, 11, a)};
}

static struct pod_cols *cols_slot(struct store *s)
{
    s->cols = xgrow(s->cols, &s->cap_cols, s->n_cols + 1, sizeof *s->cols);
    return &s->cols[s->n_cols++];
}

static bool load_pods(struct store *s, int64_t workload_id, struct arena *a, struct list *ret,
                      struct err *err)
{
    AUTO(facts_array) all = {0};
    s->cols_of = 0;
    s->n_cols = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_PODS_FACTS);
    db_bind(st, "i", workload_id);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            break;
        }
        size_t len = 0;
        int64_t id = db_int(st, 0);
        const char *rv = db_text(st, 2, a);
        const void *body = db_blob(st, 3, a, &len);
        const struct kube_pod *pod = apply_unpack(KIND_POD, body, len, rv, a);
        if (pod == NULL) {
            continue;
        }
        struct facts_pod *p = facts_push(&all, sizeof *p);
        *p = (struct facts_pod){
            .id = id, .pod = pod, .revision = db_text(st, 1, a), .track = read_track(st, 4, a)};
        read_cols(st, id, a, cols_slot(s));
    }
    s->cols_of = workload_id;
    *ret = facts_take(&all, sizeof(struct facts_pod), a);
    return true;
}

bool facts_load_cols(struct store *s, int64_t workload_id, struct arena *a, struct err *err)
{
    struct list ignored;
    return load_pods(s, workload_id, a, &ignored, err);
}

bool store_rollout_facts(struct store *s, int64_t workload_id, struct arena *a, struct facts *ret,
                         struct err *err)
{
    struct facts f = {.now = s->now, .uid = ""};
    struct row row = {0};
    arena_reset(s->scratch);
    if (!load_row(s, workload_id, a, &f, &row, err) ||
        !load_pods(s, workload_id, a, &f.pods, err)) {
        return false;
    }
    if (row.body == NULL && f.pods.n == 0) {
        if (!workload_drop(s, workload_id, err)) {
            return false;
        }
        return err_set(err, ERR_NOT_FOUND, "%s %s has neither object nor pods", f.kind, f.name);
    }
    enum kind kind = workload_kind(f.kind);
    if (row.body != NULL && kind != KIND_COUNT) {
        f.workload = apply_unpack(kind, row.body, row.len, row.rv, a);
    }
    if (!gone_load(s, workload_id, a, &f.gone, err) ||
        !load_prior_findings(s, workload_id, a, &row.prior->findings, err) ||
        !load_revisions(s, row.ns_id, f.uid, a, &f.revisions, err) ||
        !store_namespace_facts(s, row.ns_id, &f.ns, err) ||
        !store_cluster_facts(s, &f.cluster, err)) {
        return false;
    }
    f.prior = row.prior;
    *ret = f;
    return true;
}
