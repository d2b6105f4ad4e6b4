/*
 * The outcome of a judgement: counts, the rollout's state by ordered rules, and since when.
 *
 * First match:
 *   idle         no pods are wanted
 *   progressing  the controller has not observed the last change: the new revision is not known yet
 *   failed       the workload's controller gave up, or a terminal cause holds every pod that waits
 *                (or the pods that are missing); not once all pods serve
 *   stuck        a wait is past its limit
 *   exposed      a new pod is ready and not known to be served
 *   slow         a wait is past the usual time
 *   unknown      nothing can be said: pods lost, or the source is silent while something waits
 *   paused       on purpose, before it was complete
 *   progressing  not complete, or a new pod does not serve yet
 *   not_gated    complete; no gate, and no binding selects the pods
 *   serving      complete
 *
 * Silent sources: pods keep their last known state and a wait keeps its last known pace; what would
 * have got worse in the dark is unknown. A state at rest stays, marked stale.
 */
#include "model/judge.h"

#include <string.h>

struct sums {
    int64_t exposed;
    int64_t waiting; /* starting, registering, checking, failing */
    int64_t unknown;
    int64_t terminal; /* of the waiting ones */
};

static bool is_waiting(const struct pod_sheet *p)
{
    enum pod_state s = p->v->state;
    return s == POD_STARTING || s == POD_REGISTERING || s == POD_CHECKING || s == POD_FAILING;
}

static void count_gates(struct rollout_verdict *v, const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_gates; i++) {
        v->gates_total++;
        v->gates_open += p->gates[i].status == GATE_OPEN;
        v->gates_closed += p->gates[i].status == GATE_CLOSED;
        v->gates_absent += p->gates[i].status == GATE_ABSENT;
    }
    v->gated = v->gated || p->n_gates > 0;
    for (uint32_t i = 0; i < p->n_near && !v->gated; i++) {
        v->gated = p->near[i]->selects;
    }
}

static struct sums count_pods(struct judge *j)
{
    struct sums s = {0};
    struct rollout_verdict *v = j->v;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        if (!p->is_new) {
            continue;
        }
        v->by_state[p->v->state]++;
        v->ready += p->ready;
        v->gates_missing += p->v->gate_missing;
        count_gates(v, p);
        s.exposed += p->v->state == POD_EXPOSED;
        s.unknown += p->v->state == POD_UNKNOWN;
        s.waiting += is_waiting(p);
        s.terminal += is_waiting(p) && pod_is_terminal(j, p);
    }
    return s;
}

/* A cause that holds no pod because it keeps pods from being made. */
static bool terminal_for_missing(const struct judge *j)
{
    for (uint32_t i = 0; i < j->n_findings; i++) {
        const struct finding *f = &j->findings[i];
        const struct cause *c = cause_get(f->code);
        if (f->terminal && f->pods == 0 && c != NULL && strcmp(c->section, "not_at_gate") == 0) {
            return true;
        }
    }
    return false;
}

static bool is_served(const struct judge *j)
{
    return j->v->complete && j->v->by_state[POD_SERVING] == j->v->updated;
}

static bool is_terminal(const struct judge *j, const struct sums *s)
{
    if (is_served(j)) {
        return false; /* it can recover */
    }
    if (j->deadline_passed) {
        return true;
    }
    if (s->waiting > 0) {
        return s->terminal == s->waiting;
    }
    return j->missing > 0 && s->unknown == 0 && terminal_for_missing(j);
}

/* Paused on purpose before it was done: of a Deployment whose template went on while paused, no pod
 * is an updated one. */
static bool is_paused(const struct judge *j)
{
    const struct kube_workload *w = j->f->workload;
    if (w == NULL || (w->paused != 1 && w->pause_conditions.n == 0)) {
        return false;
    }
    return !j->v->complete || w->updated_replicas < j->v->desired;
}

/* The pace as far as it can be seen: in the dark none gets worse, and what has become unknown stays
 * so until the source speaks again. */
static enum pace visible_pace(const struct judge *j, bool *ret_dark)
{
    enum pace pace = j->v->pace;
    const struct rollout_prior *prior = j->f->prior;
    *ret_dark = false;
    if (!j->f->cluster->kube_stale) {
        return pace;
    }
    enum pace known = prior->state >= 0 && prior->pace >= 0 && prior->pace < PACE_COUNT
                          ? (enum pace)prior->pace
                          : PACE_ON_TIME;
    bool same = strcmp(prior->revision_hash, j->v->revision_hash) == 0;
    bool was_dark = same && prior->state == ROLLOUT_UNKNOWN && !is_served(j);
    *ret_dark = was_dark || pace > known;
    return *ret_dark ? known : pace;
}

static enum rollout_state state_of(struct judge *j, const struct sums *s)
{
    struct rollout_verdict *v = j->v;
    bool dark = false;
    v->pace = visible_pace(j, &dark);
    if (v->desired == 0) {
        return ROLLOUT_IDLE;
    }
    if (!v->observed) {
        return ROLLOUT_PROGRESSING;
    }
    v->terminal = is_terminal(j, s);
    if (v->terminal) {
        return ROLLOUT_FAILED;
    }
    if (v->pace == PACE_STUCK) {
        return ROLLOUT_STUCK;
    }
    if (s->exposed > 0) {
        return ROLLOUT_EXPOSED;
    }
    if (dark || (s->unknown > 0 && s->waiting == 0)) {
        return ROLLOUT_UNKNOWN;
    }
    if (v->pace == PACE_SLOW) {
        return ROLLOUT_SLOW;
    }
    if (is_paused(j)) {
        return ROLLOUT_PAUSED;
    }
    if (!is_served(j)) {
        return ROLLOUT_PROGRESSING;
    }
    return v->gated ? ROLLOUT_SERVING : ROLLOUT_NOT_GATED;
}

/* The moment the state was reached, as far as the facts tell, when we did not see it ourselves. */
static int64_t first_since(const struct judge *j)
{
    const struct rollout_verdict *v = j->v;
    int64_t now = j->f->now;
    int64_t at = 0;
    if (v->state == ROLLOUT_STUCK) {
        return j->stuck_at;
    }
    if (v->state == ROLLOUT_SLOW) {
        return j->slow_at;
    }
    if (v->state == ROLLOUT_PROGRESSING) {
        at = v->started_at;
    }
    bool served = v->state == ROLLOUT_SERVING || v->state == ROLLOUT_NOT_GATED;
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_verdict *p = j->pods[i].v;
        if (!j->pods[i].is_new) {
            continue;
        }
        if (served && p->state_since > at) {
            at = p->state_since;
        }
        if (v->state == ROLLOUT_EXPOSED && p->state == POD_EXPOSED &&
            (at == 0 || p->state_since < at)) {
            at = p->state_since;
        }
    }
    return at != 0 && at < now ? at : now;
}

static void set_times(struct judge *j)
{
    struct rollout_verdict *v = j->v;
    const struct rollout_prior *prior = j->f->prior;
    bool judged = prior->state >= 0;
    bool same_revision = judged && strcmp(prior->revision_hash, v->revision_hash) == 0;
    if (same_revision && prior->state == (int64_t)v->state) {
        v->since = prior->since;
    } else {
        v->since = judged ? j->f->now : first_since(j);
    }
    bool served = v->state == ROLLOUT_SERVING || v->state == ROLLOUT_NOT_GATED;
    v->served_at = same_revision ? prior->served_at : 0;
    if (served && (v->served_at == 0 || prior->state != (int64_t)v->state)) {
        v->served_at = v->since;
    }
}

static void tell_rollout(struct judge *j)
{
    const struct rollout_verdict *v = j->v;
    const struct rollout_prior *prior = j->f->prior;
    if (prior->state == (int64_t)v->state) {
        return;
    }
    judge_transition(
        j, &(struct transition){.at = prior->state >= 0 ? j->f->now : v->since,
                                .what = "rollout",
                                .pod = "",
                                .subject = "",
                                .from = prior->state >= 0
                                            ? rollout_state_name((enum rollout_state)prior->state)
                                            : "",
                                .to = rollout_state_name(v->state),
                                .reason = v->primary != NULL ? v->primary->code : "",
                                .message = v->primary != NULL ? v->primary->message : ""});
}

/* A pod whose gate cannot open waits for nothing. */
static void fail_terminal_pods(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        bool at_gate = p->v->state == POD_REGISTERING || p->v->state == POD_CHECKING;
        if (at_gate && pod_is_terminal(j, p)) {
            p->v->state = POD_FAILING;
            track_state(j, p);
        }
    }
}

void judge_outcome(struct judge *j)
{
    struct rollout_verdict *v = j->v;
    fail_terminal_pods(j);
    struct sums s = count_pods(j);
    v->stale = j->f->cluster->kube_stale;
    v->state = state_of(j, &s);
    bool moves = v->state == ROLLOUT_PROGRESSING || v->state == ROLLOUT_SLOW;
    v->eta = moves && v->observed && !v->stale ? judge_eta(j) : 0;
    set_times(j);
    tell_rollout(j);
}
