/* A verdict's pods: state, truths and what to remember of each, written where they differ. */
#include <string.h>

#include "store/facts.h"

static struct pod_cols wanted(const struct pod_verdict *v)
{
    return (struct pod_cols){.id = v->id,
                             .state = (int64_t)v->state,
                             .state_since = v->state_since,
                             .is_new = (int64_t)v->is_new,
                             .gate_missing = (int64_t)v->gate_missing,
                             .truths =
                                 (int64_t)v->kubelet + 4 * (int64_t)v->gate + 16 * (int64_t)v->elb,
                             .contradiction = (int64_t)v->contradiction,
                             .cause = v->cause};
}

static bool same_cols(const struct pod_cols *a, const struct pod_cols *b)
{
    return a->state == b->state && a->state_since == b->state_since && a->is_new == b->is_new &&
           a->gate_missing == b->gate_missing && a->truths == b->truths &&
           a->contradiction == b->contradiction && strcmp(a->cause, b->cause) == 0;
}

static bool write_cols(struct store *s, const struct pod_cols *c, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_VERDICT);
    db_bind(st, "iiiiiiti", c->state, c->state_since, c->is_new, c->gate_missing, c->truths,
            c->contradiction, c->cause, c->id);
    return db_run(&s->db, st, err);
}

static bool write_track(struct store *s, const struct pod_verdict *v, struct err *err)
{
    buf_clear(&s->pack);
    pack_record(&pod_track_table, &v->track, &s->pack);
    if (s->pack.overflow) {
        return true; /* more gates than fit: remembered as before */
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_TRACK);
    db_bind(st, "bi", s->pack.data, s->pack.len, v->id);
    return db_run(&s->db, st, err);
}

static void count(struct store *s, int64_t ns_id, int64_t from, int64_t to)
{
    if (from == to) {
        return;
    }
    if (from != POD_FINISHED) {
        tally_add(s, ns_id, TALLY_PODS, from, -1);
    }
    if (to != POD_FINISHED) {
        tally_add(s, ns_id, TALLY_PODS, to, 1);
    }
}

/* The columns as loaded with the facts; read again when another rollout was loaded since. */
static bool have_cols(struct store *s, int64_t workload_id, const struct facts *f, struct err *err)
{
    if (s->cols_of == workload_id && s->n_cols == f->pods.n) {
        return true;
    }
    if (!facts_load_cols(s, workload_id, s->scratch, err)) {
        return false;
    }
    return s->n_cols == f->pods.n ||
           err_set(err, ERR_BUG, "facts and rows of a rollout differ: %zu pods", s->n_cols);
}

static void tell_pod(struct store *s, const struct saving *w, const struct facts *f,
                     const struct facts_pod *p, const struct pod_cols *old,
                     const struct pod_cols *fresh)
{
    bool first = old->state == POD_UNKNOWN && p->track->state < 0;
    store_feed(s, &(struct feed_item){.what = FEED_POD,
                                      .workload_id = w->workload_id,
                                      .ns_id = w->ns_id,
                                      .namespace = f->ns->name,
                                      .kind = "Pod",
                                      .name = p->pod->meta.name,
                                      .state = (int)fresh->state,
                                      .from_state = first ? -1 : (int)old->state});
}

bool save_pods(struct store *s, struct saving *w, const struct facts *f,
               const struct rollout_verdict *v, struct err *err)
{
    if (!have_cols(s, w->workload_id, f, err)) {
        return false;
    }
    for (uint32_t i = 0; i < v->pods.n && i < f->pods.n; i++) {
        const struct pod_verdict *pv = LIST_AT(struct pod_verdict, v->pods, i);
        struct pod_cols fresh = wanted(pv);
        struct pod_cols *old = &s->cols[i];
        if (old->id != fresh.id) {
            return err_set(err, ERR_BUG, "verdict and facts of a rollout differ");
        }
        if (pv->track_changed && !write_track(s, pv, err)) {
            return false;
        }
        if (same_cols(old, &fresh)) {
            continue;
        }
        if (!write_cols(s, &fresh, err)) {
            return false;
        }
        count(s, w->ns_id, old->state, fresh.state);
        w->changed = true;
        tell_pod(s, w, f, LIST_AT(struct facts_pod, f->pods, i), old, &fresh);
        *old = fresh;
    }
    return true;
}
