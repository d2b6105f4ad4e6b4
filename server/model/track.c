/*
 * What is remembered of a pod, in two steps: facts (containers, gates, targets) before its state is
 * known, and the state after. Times come from the condition where it has one, else from our own
 * first sight, since lastTransitionTime may be null. Here also: measured opening times, and the
 * steps of the timeline, which are the differences between what was remembered and what is.
 *
 * A pod that was there before we came (watched = 0) gives no sample and no step at first sight.
 *
 * Invariant: track.gates has one entry for each gate of the sheet, in its order.
 */
#include "model/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/field_rows.h"

static const struct field gate_fields[] = {
    STR("type", 0, gate_track, type),
    INT("first_seen_at", 0, gate_track, first_seen_at),
    INT("opened_at", 0, gate_track, opened_at),
    INT("changed_at", 0, gate_track, changed_at),
    INT("closed_again_at", 0, gate_track, closed_again_at),
    INT("status", 0, gate_track, status),
    STR("reason", 0, gate_track, reason),
    INT("reason_since", 0, gate_track, reason_since),
};
TABLE(gate_table, "gate", struct gate_track, gate_fields);
static const struct field target_fields[] = {
    STR("binding", 0, target_track, binding),
    INT("port", 0, target_track, port),
    STR("state", 0, target_track, state),
    STR("reason", 0, target_track, reason),
};
TABLE(target_table, "target", struct target_track, target_fields);
static const struct field track_fields[] = {
    INT("first_seen_at", 0, pod_track, first_seen_at),
    INT("containers_ready_at", 0, pod_track, containers_ready_at),
    INT("containers_unready_at", 0, pod_track, containers_unready_at),
    INT("spell_ready_at", 0, pod_track, spell_ready_at),
    INT("ready_at", 0, pod_track, ready_at),
    INT("served_at", 0, pod_track, served_at),
    INT("restarts", 0, pod_track, restarts),
    INT("restarts_at_open", 0, pod_track, restarts_at_open),
    PINT("state", 0, pod_track, state),
    INT("state_since", 0, pod_track, state_since),
    INT("healthy_at", 0, pod_track, healthy_at),
    INT("watched", 0, pod_track, watched),
    LIST("gates", 0, pod_track, gates, gate_table),
    LIST("targets", 0, pod_track, targets, target_table),
};
PUBLIC_TABLE(pod_track_table, "track", struct pod_track, track_fields);

static bool is_first_sight(const struct pod_sheet *p)
{
    return p->fp->track->state < 0;
}

static const struct gate_track *prior_gate(const struct pod_sheet *p, const char *type)
{
    const struct list *gates = &p->fp->track->gates;
    for (uint32_t i = 0; i < gates->n; i++) {
        const struct gate_track *t = LIST_AT(struct gate_track, *gates, i);
        if (strcmp(t->type, type) == 0) {
            return t;
        }
    }
    return NULL;
}

/* When a status was taken: the condition's own time, else now. */
static int64_t time_of(const struct judge *j, const struct condition *c)
{
    return c != NULL && c->transition_at != 0 ? c->transition_at : j->f->now;
}

/* ---- containers ---- */

static int64_t restarts_of(const struct kube_pod *pod)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < pod->statuses.n; i++) {
        n += LIST_AT(struct container_status, pod->statuses, i)->restarts;
    }
    return n;
}

static void track_containers(struct judge *j, struct pod_sheet *p, struct pod_track *t)
{
    const struct kube_pod *pod = p->fp->pod;
    const struct condition *c = condition_get(&pod->conditions, "ContainersReady");
    if (!p->containers_ready) {
        if (t->spell_ready_at != 0) {
            t->containers_unready_at = time_of(j, c);
        }
        t->spell_ready_at = 0;
    } else if (t->spell_ready_at == 0) {
        t->spell_ready_at = time_of(j, c);
    } else if (c != NULL && c->transition_at > t->spell_ready_at) {
        /* It went away and came back between two looks. */
        t->containers_unready_at = c->transition_at;
        t->spell_ready_at = c->transition_at;
    }
    if (p->containers_ready && t->containers_ready_at == 0) {
        t->containers_ready_at = t->spell_ready_at;
    }
    const struct condition *ready = condition_get(&pod->conditions, "Ready");
    if (p->ready) {
        int64_t before = p->fp->track->state;
        bool was = t->ready_at != 0 && (before == POD_SERVING || before == POD_EXPOSED);
        t->ready_at = ready->transition_at != 0 ? ready->transition_at
                      : was                     ? t->ready_at
                                                : j->f->now;
    }
    t->restarts = restarts_of(pod);
}

/* ---- gates ---- */

/* When the condition came to be so, at first sight. Old controllers leave the date of an open gate
 * out: it was open by the time that the pod was Ready. */
static int64_t first_time_of(const struct judge *j, const struct pod_sheet *p,
                             const struct pod_gate *g)
{
    const struct condition *ready = condition_get(&p->fp->pod->conditions, "Ready");
    bool dated = g->condition == NULL || g->condition->transition_at != 0;
    bool by_ready = !dated && g->status == GATE_OPEN && p->ready && ready->transition_at != 0;
    return time_of(j, by_ready ? ready : g->condition);
}

static void track_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                       struct gate_track *t)
{
    const struct gate_track *prior = prior_gate(p, g->type);
    *t = prior != NULL ? *prior : (struct gate_track){.reason = "", .status = GATE_ABSENT};
    t->type = g->type;
    bool changed = prior == NULL || prior->status != (int64_t)g->status;
    int64_t at = prior == NULL ? first_time_of(j, p, g)
                               : j->f->now; /* our own look decides once there was one */
    if (changed && g->condition != NULL && g->condition->transition_at != 0) {
        at = g->condition->transition_at;
    }
    if (g->condition != NULL && t->first_seen_at == 0) {
        t->first_seen_at = at;
    }
    if (changed && g->status == GATE_OPEN && t->opened_at == 0) {
        t->opened_at = at;
    }
    if (changed && g->status != GATE_OPEN && t->opened_at != 0) {
        t->closed_again_at = at;
    }
    if (changed) {
        t->changed_at = g->status == GATE_ABSENT && prior == NULL ? 0 : at;
    }
    bool closed = g->condition != NULL && g->status == GATE_CLOSED;
    const char *reason = closed ? g->condition->reason : "";
    if (strcmp(t->reason, reason) != 0 || changed) {
        t->reason_since = reason[0] != '\0' ? at : 0;
    }
    t->reason = reason;
    t->status = (int64_t)g->status;
}

/* Containers ready -> gate open, when we saw the pod from its creation, saw the gate not open
 * before, and nothing disturbed the wait. */
static void sample_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                        const struct gate_track *t)
{
    const struct gate_track *prior = prior_gate(p, g->type);
    if (g->status != GATE_OPEN || is_first_sight(p) || prior == NULL || prior->opened_at != 0 ||
        p->track->watched == 0 || g->pb == NULL || !g->pb->selects || gate_forced_open(g)) {
        return;
    }
    bool undisturbed = p->track->containers_unready_at == 0 && p->containers_ready &&
                       p->track->first_seen_at >= j->f->cluster->started_at;
    int64_t ms = t->opened_at - p->track->spell_ready_at;
    if (undisturbed && ms >= 0) {
        judge_sample(j, g->binding_name, ms);
    }
}

static bool any_opened(const struct list *gates)
{
    for (uint32_t i = 0; i < gates->n; i++) {
        if (LIST_AT(struct gate_track, *gates, i)->opened_at != 0) {
            return true;
        }
    }
    return false;
}

static void track_gates(struct judge *j, struct pod_sheet *p, struct pod_track *t)
{
    struct gate_track *items = arena_array(j->a, struct gate_track, p->n_gates);
    t->gates = (struct list){items, p->n_gates};
    for (uint32_t i = 0; i < p->n_gates; i++) {
        track_gate(j, p, &p->gates[i], &items[i]);
    }
    if (any_opened(&t->gates) && !any_opened(&p->fp->track->gates)) {
        t->restarts_at_open = t->restarts;
    }
}

/* ---- targets ---- */

static const struct target_track *prior_target(const struct pod_sheet *p, const char *binding,
                                               int64_t port)
{
    const struct list *targets = &p->fp->track->targets;
    for (uint32_t i = 0; i < targets->n; i++) {
        const struct target_track *t = LIST_AT(struct target_track, *targets, i);
        if (t->port == port && strcmp(t->binding, binding) == 0) {
            return t;
        }
    }
    return NULL;
}

/* While a group does not answer, what it said last is kept. */
static void track_targets(struct judge *j, struct pod_sheet *p, struct pod_track *t)
{
    struct target_track *items = arena_array(j->a, struct target_track, p->n_near);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct pod_binding *pb = p->near[i];
        if (!pod_binding_applies(pb)) {
            continue;
        }
        const char *name = pb->fb->binding->meta.name;
        const struct target_track *prior = prior_target(p, name, pb->port);
        if (pb->heard) {
            const struct facts_target *target = pb->target;
            items[n++] =
                (struct target_track){name, pb->port, target != NULL ? target->t.state : "",
                                      target != NULL ? target->t.reason : ""};
        } else if (prior != NULL) {
            items[n++] = *prior;
        }
    }
    t->targets = (struct list){items, n};
}

static int64_t healthy_since(const struct judge *j, const struct pod_sheet *p)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct facts_target *t = p->near[i]->target;
        if (t == NULL || !pod_binding_applies(p->near[i]) || strcmp(t->t.state, "healthy") != 0) {
            continue;
        }
        int64_t seen = t->healthy_at != 0 ? t->healthy_at : j->f->now;
        at = at == 0 || seen < at ? seen : at;
    }
    return at;
}

/* creationTimestamp has whole seconds. */
static bool seen_from_creation(const struct judge *j, const struct kube_pod *pod)
{
    return pod->meta.created_at + 999 >= j->f->cluster->started_at;
}

void track_facts(struct judge *j, struct pod_sheet *p)
{
    struct pod_track *t = &p->v->track;
    *t = *p->fp->track;
    p->track = t;
    if (is_first_sight(p)) {
        t->first_seen_at = t->first_seen_at != 0 ? t->first_seen_at : j->f->now;
        t->watched = seen_from_creation(j, p->fp->pod);
    }
    track_containers(j, p, t);
    track_gates(j, p, t);
    for (uint32_t i = 0; i < p->n_gates; i++) {
        sample_gate(j, p, &p->gates[i], LIST_AT(struct gate_track, t->gates, i));
    }
    track_targets(j, p, t);
    if (t->healthy_at == 0) {
        t->healthy_at = healthy_since(j, p);
    }
}

/* At first sight: since when it probably is so. */
static int64_t first_since(const struct judge *j, const struct pod_sheet *p)
{
    enum pod_state state = p->v->state;
    if (state == POD_SERVING || state == POD_EXPOSED) {
        return p->track->ready_at;
    }
    int64_t since = state == POD_STARTING ? p->starting_since : p->waiting_since;
    return since != 0 ? since : j->f->now;
}

void track_state(struct judge *j, struct pod_sheet *p)
{
    struct pod_track *t = &p->v->track;
    const struct pod_track *prior = p->fp->track;
    enum pod_state state = p->v->state;
    t->state = (int64_t)state;
    if (prior->state != (int64_t)state) {
        int64_t since = is_first_sight(p) ? first_since(j, p) : j->f->now;
        t->state_since = since != 0 && since < j->f->now ? since : j->f->now;
    } else {
        t->state_since = prior->state_since;
    }
    if (state == POD_SERVING && prior->served_at == 0) {
        t->served_at = t->state_since;
    }
    p->v->state_since = t->state_since;
}

/* ---- the timeline ---- */

static void step_gates(struct judge *j, const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        const struct gate_track *now = LIST_AT(struct gate_track, p->track->gates, i);
        const struct gate_track *was = prior_gate(p, g->type);
        int64_t before = was != NULL ? was->status : GATE_ABSENT;
        bool reason_changed = was != NULL && strcmp(was->reason, now->reason) != 0;
        if (before == now->status && !reason_changed) {
            continue;
        }
        judge_transition(
            j, &(struct transition){.at = before != now->status ? now->changed_at : j->f->now,
                                    .what = "gate",
                                    .pod = p->fp->pod->meta.name,
                                    .subject = g->type,
                                    .from = gate_status_name((enum gate_status)before),
                                    .to = gate_status_name(g->status),
                                    .reason = now->reason,
                                    .message = g->condition != NULL ? g->condition->message : ""});
    }
}

static const struct pod_binding *binding_named(const struct pod_sheet *p, const char *name,
                                               int64_t port)
{
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct pod_binding *pb = p->near[i];
        if (pod_binding_applies(pb) && pb->port == port &&
            strcmp(pb->fb->binding->meta.name, name) == 0) {
            return pb;
        }
    }
    return NULL;
}

/* "ARN ADDRESS:PORT". Put together by hand: at first sight of a large rollout there are thousands,
 * and printf would be a quarter of the judgement. */
static const char *target_name(struct judge *j, const char *arn, const char *id, int64_t port)
{
    char digits[24];
    size_t n = sizeof digits;
    digits[--n] = '\0';
    for (int64_t left = port > 0 ? port : 0; n == sizeof digits - 1 || left > 0; left /= 10) {
        digits[--n] = (char)('0' + left % 10);
    }
    char *text = arena_alloc(j->a, strlen(arn) + strlen(id) + 2 + sizeof digits);
    char *end = stpcpy(text, arn);
    *end++ = ' ';
    end = stpcpy(end, id);
    *end++ = ':';
    (void)stpcpy(end, digits + n);
    return text;
}

static const char *state_or_none(const char *state)
{
    return state[0] != '\0' ? state : "absent";
}

static void step_targets(struct judge *j, const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->track->targets.n; i++) {
        const struct target_track *now = LIST_AT(struct target_track, p->track->targets, i);
        const struct target_track *was = prior_target(p, now->binding, now->port);
        bool appeared = was == NULL && now->state[0] != '\0' && p->track->watched != 0;
        bool changed = was != NULL && (strcmp(was->state, now->state) != 0 ||
                                       strcmp(was->reason, now->reason) != 0);
        const struct pod_binding *pb = binding_named(p, now->binding, now->port);
        if ((!appeared && !changed) || pb == NULL) {
            continue;
        }
        const struct facts_target *t = pb->target;
        judge_transition(
            j, &(struct transition){
                   .at = t != NULL && t->state_since != 0 ? t->state_since : j->f->now,
                   .what = "target",
                   .pod = p->fp->pod->meta.name,
                   .subject = target_name(j, pb->fb->group->arn,
                                          t != NULL ? t->t.id : p->fp->pod->ip, now->port),
                   .from = state_or_none(was != NULL ? was->state : ""),
                   .to = state_or_none(now->state),
                   .reason = now->reason,
                   .message = t != NULL ? t->t.description : ""});
    }
}

static void step_pod(struct judge *j, const struct pod_sheet *p)
{
    int64_t before = p->fp->track->state;
    if (before == p->track->state) {
        return;
    }
    judge_transition(
        j, &(struct transition){.at = is_first_sight(p) ? p->track->state_since : j->f->now,
                                .what = "pod",
                                .pod = p->fp->pod->meta.name,
                                .subject = "",
                                .from = before >= 0 ? pod_state_name((enum pod_state)before) : "",
                                .to = pod_state_name(p->v->state),
                                .reason = p->v->cause,
                                .message = ""});
}

static bool same_gates(const struct list *a, const struct list *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        const struct gate_track *x = LIST_AT(struct gate_track, *a, i);
        const struct gate_track *y = LIST_AT(struct gate_track, *b, i);
        if (x->first_seen_at != y->first_seen_at || x->opened_at != y->opened_at ||
            x->changed_at != y->changed_at || x->closed_again_at != y->closed_again_at ||
            x->status != y->status || x->reason_since != y->reason_since ||
            strcmp(x->type, y->type) != 0 || strcmp(x->reason, y->reason) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_targets(const struct list *a, const struct list *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        const struct target_track *x = LIST_AT(struct target_track, *a, i);
        const struct target_track *y = LIST_AT(struct target_track, *b, i);
        if (x->port != y->port || strcmp(x->binding, y->binding) != 0 ||
            strcmp(x->state, y->state) != 0 || strcmp(x->reason, y->reason) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_track(const struct pod_track *a, const struct pod_track *b)
{
    return a->first_seen_at == b->first_seen_at &&
           a->containers_ready_at == b->containers_ready_at &&
           a->containers_unready_at == b->containers_unready_at &&
           a->spell_ready_at == b->spell_ready_at && a->ready_at == b->ready_at &&
           a->served_at == b->served_at && a->restarts == b->restarts &&
           a->restarts_at_open == b->restarts_at_open && a->state == b->state &&
           a->state_since == b->state_since && a->healthy_at == b->healthy_at &&
           a->watched == b->watched && same_gates(&a->gates, &b->gates) &&
           same_targets(&a->targets, &b->targets);
}

void track_close(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        p->v->track_changed = !same_track(p->fp->track, p->track);
        bool tell = !is_first_sight(p) || p->track->watched != 0;
        if (p->v->track_changed && tell && !p->finished) {
            step_pod(j, p);
            step_gates(j, p);
            step_targets(j, p);
        }
    }
}
