/*
 * A verdict becomes rows: the workload's columns, its pods' columns and tracks, and with the other
 * two files of saving its findings and history. Only what differs is written; what was written is
 * told to the feed, the counters and the change counters of the views.
 */
#include <string.h>

#include "base/json_out.h"
#include "store/facts.h"

enum { TEXT_LIMIT = 256 << 10 };

/* ---- texts ---- */

const char *save_images(struct store *s, const struct strs *images)
{
    AUTO(buf) out = BUF_INIT(TEXT_LIMIT);
    struct json_out j = json_out(&out);
    json_open(&j, '[');
    for (uint32_t i = 0; i < images->n && i < 64; i++) {
        json_str(&j, images->items[i]);
    }
    json_close(&j, ']');
    return arena_strdup(s->scratch, out.overflow ? "[]" : buf_str(&out));
}

static const char *states_json(struct store *s, const struct rollout_verdict *v)
{
    AUTO(buf) out = BUF_INIT(4096);
    struct json_out j = json_out(&out);
    json_open(&j, '{');
    for (int i = 0; i < POD_STATE_COUNT; i++) {
        if (v->by_state[i] != 0) {
            json_kint(&j, pod_state_name((enum pod_state)i), v->by_state[i]);
        }
    }
    json_close(&j, '}');
    return arena_strdup(s->scratch, buf_str(&out));
}

static int64_t worst_severity(const struct list *findings)
{
    int64_t worst = -1;
    for (uint32_t i = 0; i < findings->n; i++) {
        int64_t severity = (int64_t)LIST_AT(struct finding, *findings, i)->severity;
        worst = severity > worst ? severity : worst;
    }
    return worst;
}

/* Pods whose containers are ready and that wait for a gate of an AWS family. */
static int64_t count_waiting(const struct facts *f, const struct rollout_verdict *v)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < v->pods.n && i < f->pods.n; i++) {
        const struct pod_verdict *pv = LIST_AT(struct pod_verdict, v->pods, i);
        const struct kube_pod *pod = LIST_AT(struct facts_pod, f->pods, i)->pod;
        bool closed = false;
        for (uint32_t g = 0; g < pv->gates.n; g++) {
            const struct gate_verdict *gate = LIST_AT(struct gate_verdict, pv->gates, g);
            bool v2 = gate->family == FAMILY_AWS_LBC || gate->family == FAMILY_EKS_AUTO;
            closed = closed || (v2 && gate->status != GATE_OPEN);
        }
        bool ready = condition_true(&pod->conditions, "ContainersReady");
        n += closed && ready && pod->meta.deleted_at == 0 ? 1 : 0;
    }
    return n;
}

/* ---- the workload's row ---- */

static void bind_verdict(struct store *s, sqlite3_stmt *st, int64_t id,
                         const struct rollout_verdict *v)
{
    const char *cause = v->primary != NULL ? v->primary->code : "";
    const char *from = !v->usual_known ? "" : v->usual.from_history ? "history" : "formula";
    db_bind(st, "iiiiiiiittiiiiit", id, (int64_t)v->state, (int64_t)rollout_state_rank(v->state),
            (int64_t)v->pace, v->since, v->started_at, v->served_at, v->eta, v->revision,
            v->revision_hash, v->generation, (int64_t)v->observed, (int64_t)v->complete,
            (int64_t)v->terminal, (int64_t)v->stale, save_images(s, &v->images));
    const int64_t counts[] = {v->desired,      v->updated,      v->ready,
                              v->old,          v->gates_total,  v->gates_open,
                              v->gates_closed, v->gates_absent, v->gates_missing};
    int at = 17;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        (void)sqlite3_bind_int64(st, at++, counts[i]); /* in range: cannot be refused */
    }
    (void)sqlite3_bind_text(st, at++, states_json(s, v), -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, at++, v->usual_known ? v->usual.p50_ms : 0);
    (void)sqlite3_bind_int64(st, at++, v->usual_known ? v->usual.p95_ms : 0);
    (void)sqlite3_bind_text(st, at++, from, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(st, at++, cause, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, at++, v->primary != NULL ? v->primary->since : 0);
    (void)sqlite3_bind_int64(st, at++, worst_severity(&v->findings));
}

static bool save_row(struct store *s, int64_t id, const struct rollout_verdict *v,
                     bool *ret_changed, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_SAVE);
    bind_verdict(s, st, id, v);
    (void)sqlite3_bind_int64(st, 33, s->now); /* judged_at */
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    *ret_changed = sqlite3_changes(s->db.handle) > 0;
    return true;
}

static bool save_quiet(struct store *s, int64_t id, const struct verdict_row *b, int64_t waiting,
                       int64_t next_look, struct err *err)
{
    if (waiting == b->waiting && next_look == b->next_look) {
        return true;
    }
    tally_add(s, b->ns_id, TALLY_WAITING, 0, waiting - b->waiting);
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_LOOK);
    db_bind(st, "iii", waiting, next_look, id);
    return db_run(&s->db, st, err);
}

static void tell_rollout(struct store *s, int64_t id, const struct verdict_row *b,
                         const struct facts *f, const struct rollout_verdict *v)
{
    tx_touch_rollout(s, id);
    store_feed(s, &(struct feed_item){.what = FEED_ROLLOUT,
                                      .workload_id = id,
                                      .ns_id = b->ns_id,
                                      .namespace = f->ns->name,
                                      .kind = f->kind,
                                      .name = f->name,
                                      .state = (int)v->state,
                                      .from_state = b->judged_at != 0 ? (int)b->state : -1});
}

/* The rollout's own columns are others now. */
static void count_rollout(struct store *s, const struct verdict_row *b,
                          const struct rollout_verdict *v)
{
    int64_t severity = worst_severity(&v->findings);
    if (b->state != (int64_t)v->state) {
        tally_add(s, b->ns_id, TALLY_ROLLOUTS, b->state, -1);
        tally_add(s, b->ns_id, TALLY_ROLLOUTS, (int64_t)v->state, 1);
    }
    if (b->severity != severity) {
        tally_add(s, b->ns_id, TALLY_SEVERITY, b->severity, -1);
        tally_add(s, b->ns_id, TALLY_SEVERITY, severity, 1);
    }
    tx_touch_namespace(s, b->ns_id);
}

bool store_save_rollout(struct store *s, int64_t workload_id, const struct facts *facts,
                        const struct rollout_verdict *v, struct saved *ret, struct err *err)
{
    struct verdict_row b;
    bool changed = false;
    struct saving w = {.workload_id = workload_id};
    arena_reset(s->scratch);
    if (!workload_verdict(s, workload_id, &b, err)) {
        return false;
    }
    if (!b.found) {
        return err_set(err, ERR_NOT_FOUND, "no such workload");
    }
    w.ns_id = b.ns_id;
    if (!save_history(s, workload_id, b.ns_id, v, err) ||
        !save_row(s, workload_id, v, &changed, err) || !save_pods(s, &w, facts, v, err) ||
        !gone_save(s, &v->cut, err) || !save_findings(s, &w, &v->findings, err) ||
        !save_quiet(s, workload_id, &b, count_waiting(facts, v), v->next_look, err)) {
        return false;
    }
    if (changed) {
        count_rollout(s, &b, v);
    }
    if (changed || w.told) { /* a finding shows in the rollout's views, whatever its columns say */
        tell_rollout(s, workload_id, &b, facts, v);
        s->commit.list_changed = s->commit.list_changed || changed || w.listed;
    } else if (w.changed) {
        tx_touch_rollout(s, workload_id);
    }
    *ret = (struct saved){.changed = changed,
                          .from_state = b.judged_at != 0 ? (int)b.state : -1,
                          .cluster_name = s->cluster_name,
                          .ns_id = b.ns_id};
    return true;
}
