/*
 * What a verdict adds to history: transitions, the rollout's row of its revision, measured opening
 * times, and when gates of a binding last moved.
 */
#include <stdlib.h>
#include <string.h>

#include "store/facts.h"

enum { MESSAGE_MAX = 1024 };

/* ---- transitions ---- */

static int64_t what_of(const char *what)
{
    static const char *const names[] = {"rollout", "pod", "gate", "target"};
    for (int64_t i = 0; i < 4; i++) {
        if (strcmp(names[i], what) == 0) {
            return i;
        }
    }
    return 0;
}

static const char *shortened(struct store *s, const char *text)
{
    return strlen(text) <= MESSAGE_MAX ? text : arena_strndup(s->scratch, text, MESSAGE_MAX);
}

static bool add_transition(struct store *s, int64_t workload_id, const struct transition *t,
                           struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_TRANSITION_ADD);
    db_bind(st, "iiittttt", t->at, workload_id, what_of(t->what), t->pod, t->subject, t->from,
            t->to, t->reason);
    (void)sqlite3_bind_text(st, 9, shortened(s, t->message), -1, SQLITE_STATIC); /* fixed place */
    return db_run(&s->db, st, err);
}

/* The binding behind a gate type moved: remembered with its object. */
static bool flip_binding(struct store *s, int64_t ns_id, const char *gate, struct err *err)
{
    enum gate_family family = gate_family_of(gate);
    bool v2 = family == FAMILY_AWS_LBC || family == FAMILY_EKS_AUTO;
    if (!v2) {
        return true;
    }
    enum kind kind = family == FAMILY_AWS_LBC ? KIND_BINDING_LBC : KIND_BINDING_AUTO;
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_TRACK_BY_NAME);
    db_bind(st, "iiit", s->cluster_id, (int64_t)kind, ns_id, gate_binding_name(gate));
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    s->flip_at = s->now;
    if (!row) {
        return true;
    }
    int64_t id = db_int(st, 0);
    struct binding_track t =
        binding_track_read(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
    (void)sqlite3_reset(st); /* the row was read */
    if (t.gate_flipped_at == s->now) {
        return true;
    }
    t.gate_flipped_at = s->now;
    unsigned char out[BINDING_TRACK_SIZE];
    binding_track_write(&t, out);
    facts_drop_namespace(s, ns_id);
    st = db_get(&s->db, SQL_OBJECT_SET_TRACK);
    db_bind(st, "bi", out, sizeof out, id);
    return db_run(&s->db, st, err);
}

static bool save_transitions(struct store *s, int64_t workload_id, int64_t ns_id,
                             const struct list *transitions, struct err *err)
{
    for (uint32_t i = 0; i < transitions->n; i++) {
        const struct transition *t = LIST_AT(struct transition, *transitions, i);
        if (!add_transition(s, workload_id, t, err) ||
            (strcmp(t->what, "gate") == 0 && !flip_binding(s, ns_id, t->subject, err))) {
            return false;
        }
    }
    return true;
}

/* ---- usual times ---- */

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int64_t percentile(const int32_t *sorted, size_t n, size_t percent)
{
    return sorted[(n * percent + 99) / 100 - 1]; /* nearest rank */
}

static bool add_sample(struct store *s, int64_t ns_id, const struct usual_sample *sample,
                       struct err *err)
{
    int32_t ms[USUAL_SAMPLES + 1];
    size_t n = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_USUAL_GET);
    db_bind(st, "iit", s->cluster_id, ns_id, sample->binding);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    const char *blob = row ? sqlite3_column_blob(st, 0) : NULL;
    if (blob != NULL) {
        n = (size_t)sqlite3_column_bytes(st, 0) / 4;
        n = n > USUAL_SAMPLES ? USUAL_SAMPLES : n;
        memcpy(ms, blob, n * 4);
    }
    (void)sqlite3_reset(st); /* the row was read */
    ms[n++] = sample->ms > INT32_MAX ? INT32_MAX : (int32_t)sample->ms;
    const int32_t *newest = n > USUAL_SAMPLES ? ms + 1 : ms;
    n = n > USUAL_SAMPLES ? USUAL_SAMPLES : n;
    int32_t sorted[USUAL_SAMPLES];
    memcpy(sorted, newest, n * 4);
    qsort(sorted, n, sizeof sorted[0], by_value);
    st = db_get(&s->db, SQL_USUAL_PUT);
    db_bind(st, "iitbiii", s->cluster_id, ns_id, sample->binding, newest, n * 4,
            percentile(sorted, n, 50), percentile(sorted, n, 95), s->now);
    facts_drop_namespace(s, ns_id);
    return db_run(&s->db, st, err);
}

/* ---- revisions ---- */

struct current {
    bool found;
    int64_t id;
    const char *hash;
    int64_t served_at;
    const char *outcome;
    int64_t pods;
    const char *cause;
    const char *revision;
};

static bool load_current(struct store *s, int64_t workload_id, struct current *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_REVISION_CURRENT);
    db_bind(st, "i", workload_id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (row) {
        *ret = (struct current){.found = true,
                                .id = db_int(st, 0),
                                .hash = db_text(st, 1, s->scratch),
                                .served_at = db_int(st, 2),
                                .outcome = db_text(st, 3, s->scratch),
                                .pods = db_int(st, 4),
                                .cause = db_text(st, 5, s->scratch),
                                .revision = db_text(st, 6, s->scratch)};
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

static bool start_revision(struct store *s, int64_t workload_id, const struct rollout_verdict *v,
                           struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_REVISION_CLOSE);
    db_bind(st, "ii", s->now, workload_id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    st = db_get(&s->db, SQL_REVISION_ADD);
    db_bind(st, "ittti", workload_id, v->revision, v->revision_hash, save_images(s, &v->images),
            v->started_at != 0 ? v->started_at : s->now);
    return db_run(&s->db, st, err);
}

static bool save_revision(struct store *s, int64_t workload_id, const struct rollout_verdict *v,
                          struct err *err)
{
    struct current c = {.hash = "", .outcome = "", .cause = "", .revision = ""};
    if (v->revision_hash[0] == '\0') {
        return true; /* nothing to name it by */
    }
    if (!load_current(s, workload_id, &c, err)) {
        return false;
    }
    bool other = !c.found || strcmp(c.hash, v->revision_hash) != 0;
    if (other && !v->observed) {
        return true; /* made or changed just now: the hash is still that of the pods before */
    }
    if (other) {
        if (!start_revision(s, workload_id, v, err) || !load_current(s, workload_id, &c, err)) {
            return false;
        }
    }
    int64_t served = c.served_at != 0 ? c.served_at : v->served_at;
    const char *outcome = served != 0 ? "served" : v->state == ROLLOUT_FAILED ? "failed" : "";
    /* The number goes with the objects that told it, before the last pods do. */
    const char *number = v->revision[0] != '\0' ? v->revision : c.revision;
    const char *cause = v->primary != NULL ? v->primary->code : c.cause;
    bool same = served == c.served_at && strcmp(outcome, c.outcome) == 0 && c.pods == v->desired &&
                strcmp(cause, c.cause) == 0 && strcmp(c.revision, number) == 0;
    if (same) {
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_REVISION_UPDATE);
    db_bind(st, "ititti", served, outcome, v->desired, cause, number, c.id);
    return db_run(&s->db, st, err);
}

bool save_history(struct store *s, int64_t workload_id, int64_t ns_id,
                  const struct rollout_verdict *v, struct err *err)
{
    if (!save_transitions(s, workload_id, ns_id, &v->transitions, err)) {
        return false;
    }
    for (uint32_t i = 0; i < v->samples.n; i++) {
        if (!add_sample(s, ns_id, LIST_AT(struct usual_sample, v->samples, i), err)) {
            return false;
        }
    }
    return save_revision(s, workload_id, v, err);
}
