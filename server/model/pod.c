/*
 * One pod: its gates and its state (the three truths are truth.c's).
 *
 * The rules, first match:
 *   finished   Succeeded, Failed or of a Job
 *   draining   deletionTimestamp
 *   unknown    kubelet or node lost, so that nothing the API holds is about now
 *   starting   containers not ready (its gates may be open already: publishNotReadyAddresses)
 *   failing, registering, checking
 *              some gate is not open: the furthest behind decides. Where ELBv2 answers, its word
 *              does, since the controller's reason may be its own text or long ago
 *   exposed    kubelet says ready, and some ip binding that counts for the pod is not known to
 *              serve it: ELBv2 says no, or ELBv2 is silent and there is no gate, or the gate was
 *              forced open or is frozen
 *   serving    else
 *
 * Between the opening of a gate and our next look at ELBv2 our poll is older than the
 * controller's: the pod is `checking` until the poll confirms, at most CONFIRM_RECHECKS re-checks
 * long, and never flashes `exposed`.
 */
#include "model/judge.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONFIRM_RECHECKS = 4,
    /* Conditions carry whole seconds, and an answer is dated when it is applied, some time after it
     * was asked for. */
    ANSWER_MS = 5000
};

bool pod_binding_applies(const struct pod_binding *pb)
{
    return pb->ip && (pb->gated || pb->wants_gate);
}

bool pod_binding_frozen(const struct pod_binding *pb)
{
    return pb->gated && !pb->selects && pb->fb->service != NULL;
}

const struct pod_gate *pod_gate_of(const struct pod_sheet *p, const struct pod_binding *pb)
{
    for (uint32_t i = 0; pb->gated && i < p->n_gates; i++) {
        if (p->gates[i].pb == pb) {
            return &p->gates[i];
        }
    }
    return NULL;
}

/* The controller writes this text with True when binding, Service or port are gone; reasons left
 * over from False are other texts. */
bool gate_forced_open(const struct pod_gate *g)
{
    return g->status == GATE_OPEN &&
           strstr(g->condition->message, "Target Group Binding is deleted") != NULL;
}

enum elb_word elb_word_of(const struct pod_binding *pb)
{
    const struct facts_group *g = pb->fb->group;
    if (!pb->heard) {
        return ELB_UNKNOWN;
    }
    if (g->gone) {
        return ELB_BAD;
    }
    if (pb->target == NULL) {
        bool port_unknown = pb->port == 0 && pb->fb->service != NULL && !pb->service_port_missing;
        return port_unknown ? ELB_UNKNOWN : ELB_ABSENT;
    }
    const struct elb_target *t = &pb->target->t;
    if (strcmp(t->state, "healthy") == 0) {
        return ELB_HEALTHY;
    }
    if (strcmp(t->state, "initial") == 0) {
        return strcmp(t->reason, "Elb.InitialHealthChecking") == 0 ? ELB_CHECKING : ELB_REGISTERING;
    }
    bool draining =
        strcmp(t->state, "draining") == 0 || strcmp(t->state, "unhealthy.draining") == 0;
    return draining || strcmp(t->reason, "Target.NotRegistered") == 0 ? ELB_ABSENT : ELB_BAD;
}

/* ---- a pod that waits ---- */

/* Can we see bindings of this family at all? Else a gate's binding may exist unseen. */
static bool bindings_readable(const struct judge *j, enum gate_family family)
{
    const struct facts_cluster *c = j->f->cluster;
    bool served = family == FAMILY_EKS_AUTO ? c->has_auto : c->has_lbc;
    return served && strstr(c->denied_kinds, "targetgroupbindings") == NULL;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* What the controller wrote, when ELBv2 itself cannot be asked. */
static enum pod_state state_by_reason(const struct pod_gate *g)
{
    if (g->status == GATE_ABSENT) {
        return POD_REGISTERING;
    }
    const char *reason = g->condition->reason;
    if (strcmp(reason, "Elb.InitialHealthChecking") == 0 || strcmp(reason, "Initial") == 0) {
        return POD_CHECKING;
    }
    bool bad = starts(reason, "Target.") || strcmp(reason, "Elb.InternalError") == 0 ||
               strcmp(reason, "Unhealthy") == 0 || strcmp(reason, "Unused") == 0 ||
               strcmp(reason, "HealthCheckUnavailable") == 0;
    return bad && strcmp(reason, "Target.NotRegistered") != 0 ? POD_FAILING : POD_REGISTERING;
}

static enum pod_state state_by_word(const struct pod_gate *g)
{
    switch (elb_word_of(g->pb)) {
    case ELB_HEALTHY: /* the controller has to say so yet */
    case ELB_CHECKING:
        return POD_CHECKING;
    case ELB_ABSENT:
    case ELB_REGISTERING:
        return POD_REGISTERING;
    case ELB_BAD:
        return POD_FAILING;
    case ELB_UNKNOWN:
        break;
    }
    return state_by_reason(g);
}

static enum pod_state gate_state(const struct judge *j, const struct pod_gate *g)
{
    bool v2 = g->family == FAMILY_AWS_LBC || g->family == FAMILY_EKS_AUTO;
    if (g->family == FAMILY_AWS_ALB_V1 && (j->f->cluster->has_lbc || j->f->cluster->has_auto)) {
        return POD_FAILING; /* nobody is left to open it */
    }
    if (!v2 || (g->pb == NULL && !bindings_readable(j, g->family))) {
        return state_by_reason(g);
    }
    if (g->pb == NULL || pod_binding_frozen(g->pb) || !g->pb->ip) {
        return POD_FAILING; /* cannot open */
    }
    return state_by_word(g);
}

/* The furthest behind: failing, then registering, then checking. */
static enum pod_state waiting_state(const struct judge *j, const struct pod_sheet *p)
{
    enum pod_state worst = POD_CHECKING;
    for (uint32_t i = 0; i < p->n_gates; i++) {
        if (p->gates[i].status == GATE_OPEN) {
            continue;
        }
        enum pod_state s = gate_state(j, &p->gates[i]);
        if (s == POD_FAILING) {
            return s;
        }
        worst = s == POD_REGISTERING ? s : worst;
    }
    return worst;
}

/* ---- a pod that Kubernetes calls ready ---- */

struct tally {
    uint32_t served;   /* bindings that serve it, as far as can be said */
    uint32_t exposed;  /* bindings that should and do not, or are not known to */
    uint32_t awaiting; /* gate opened after our last look at ELBv2 */
    uint32_t stray;    /* open gates that say nothing: frozen, or their binding is gone */
};

static int64_t opened_at(const struct pod_sheet *p, const struct pod_gate *g)
{
    for (uint32_t i = 0; i < p->track->gates.n; i++) {
        const struct gate_track *t = LIST_AT(struct gate_track, p->track->gates, i);
        if (strcmp(t->type, g->type) == 0) {
            return t->changed_at;
        }
    }
    return 0;
}

/* The gate opened after our last look at the group, a moment ago. */
static bool is_newer(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                     const struct facts_group *group)
{
    int64_t at = opened_at(p, g);
    int64_t until = at + CONFIRM_RECHECKS * j->f->policy->recheck_ms;
    int64_t before = p->fp->track->state;
    bool confirmed = before == POD_SERVING || before == POD_EXPOSED;
    int64_t sure_at = confirmed ? at : at + ANSWER_MS;
    if (group->gone || group->observed_at >= sure_at || j->f->now >= until || gate_forced_open(g)) {
        return false;
    }
    judge_look_at(j, until);
    return true;
}

/* The controller's own binding (by its name) is gone or going, and so is who asked for it: the load
 * balancer was taken away on purpose, and the open gate is no more than a remainder. */
static bool is_remainder(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    return (gate_forced_open(g) || g->pb != NULL) && starts(g->binding_name, "k8s-") &&
           nobody_wants_it(j, p);
}

static void count_binding(struct judge *j, const struct pod_sheet *p, const struct pod_binding *pb,
                          struct tally *t)
{
    const struct pod_gate *g = pod_gate_of(p, pb);
    enum elb_word word = elb_word_of(pb);
    if (pod_binding_frozen(pb)) {
        t->stray++;
    } else if (pb->fb->binding->meta.deleted_at != 0 && word != ELB_HEALTHY) {
        t->stray += g != NULL && !is_remainder(j, p, g); /* as if it were gone already */
    } else if (word == ELB_HEALTHY) {
        t->served++;
    } else if (word == ELB_UNKNOWN) {
        bool trusted = g != NULL && !gate_forced_open(g) && pb->fb->service != NULL &&
                       !pb->service_port_missing;
        t->served += trusted;
        t->exposed += !trusted;
    } else if (g != NULL && is_newer(j, p, g, pb->fb->group)) {
        t->awaiting++;
    } else {
        t->exposed++;
    }
}

/* Owned by a workload that does not manage it any more. */
static bool was_let_go(const struct meta *meta)
{
    bool owned = false;
    for (uint32_t i = 0; i < meta->owners.n; i++) {
        const struct owner *o = LIST_AT(struct owner, meta->owners, i);
        owned = owned || strcmp(o->kind, "ReplicaSet") == 0 ||
                strcmp(o->kind, "StatefulSet") == 0 || strcmp(o->kind, "DaemonSet") == 0;
    }
    return owned && meta_controller(meta) == NULL;
}

/* Taken out of its workload and its Service by its labels, to be looked at or to finish what it
 * serves: nobody expects traffic at it. That it had a workload shows by the hash it still carries,
 * or by the owner that let it go. */
static bool is_quarantined(const struct judge *j, const struct pod_sheet *p)
{
    bool selected = false;
    for (uint32_t i = 0; i < p->n_near; i++) {
        selected = selected || p->near[i]->selects;
    }
    const struct kvs *labels = &p->fp->pod->meta.labels;
    bool had_workload = kvs_get(labels, "pod-template-hash") != NULL ||
                        kvs_get(labels, "rollouts-pod-template-hash") != NULL ||
                        kvs_get(labels, "controller-revision-hash") != NULL ||
                        was_let_go(&p->fp->pod->meta);
    return !selected && had_workload && strcmp(j->f->kind, "Pod") == 0;
}

static enum pod_state ready_state(struct judge *j, const struct pod_sheet *p)
{
    struct tally t = {0};
    for (uint32_t i = 0; i < p->n_near; i++) {
        if (pod_binding_applies(p->near[i])) {
            count_binding(j, p, p->near[i], &t);
        }
    }
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        bool v2 = g->family == FAMILY_AWS_LBC || g->family == FAMILY_EKS_AUTO;
        bool gone = gate_forced_open(g) || bindings_readable(j, g->family);
        if (v2 && g->pb == NULL && gone && !is_remainder(j, p, g)) {
            t.stray++;
        }
    }
    bool strays = t.stray > 0 && t.served == 0 && t.awaiting == 0 && !is_quarantined(j, p);
    if (t.exposed > 0 || strays) {
        return POD_EXPOSED;
    }
    return t.awaiting > 0 ? POD_CHECKING : POD_SERVING;
}

/* ---- all together ---- */

static int by_name(const void *key, const void *item)
{
    return strcmp(key, ((const struct facts_node *)item)->name);
}

const struct facts_node *node_of(const struct judge *j, const struct kube_pod *pod)
{
    const struct list *nodes = &j->f->cluster->nodes;
    return pod->node[0] != '\0' && nodes->n > 0
               ? bsearch(pod->node, nodes->items, nodes->n, sizeof(struct facts_node), by_name)
               : NULL;
}

static bool is_lost(const struct judge *j, const struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    const struct condition *ready = condition_get(&pod->conditions, "Ready");
    if (strcmp(pod->phase, "Unknown") == 0 ||
        (ready != NULL && strcmp(ready->status, "Unknown") == 0)) {
        return true;
    }
    const struct facts_node *node = p->ready ? NULL : node_of(j, pod);
    return node != NULL && strcmp(node->ready, "Unknown") == 0;
}

static bool gates_open(const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_gates; i++) {
        if (p->gates[i].status != GATE_OPEN) {
            return false;
        }
    }
    return true;
}

static enum pod_state pod_state(struct judge *j, const struct pod_sheet *p)
{
    if (p->finished) {
        return POD_FINISHED;
    }
    if (p->deleting) {
        return POD_DRAINING;
    }
    if (is_lost(j, p)) {
        return POD_UNKNOWN;
    }
    if (!p->containers_ready) {
        return POD_STARTING;
    }
    if (!gates_open(p)) {
        return waiting_state(j, p);
    }
    if (!p->ready) { /* kubelet is about to say so, or the node is not ready */
        return p->n_gates > 0 ? POD_CHECKING : POD_STARTING;
    }
    return ready_state(j, p);
}

static bool misses_gate(const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_near; i++) {
        if (p->near[i]->wants_gate && !p->near[i]->gated) {
            return true;
        }
    }
    return false;
}

static void fill_gates(struct judge *j, struct pod_sheet *p)
{
    struct gate_verdict *items = arena_array(j->a, struct gate_verdict, p->n_gates);
    for (uint32_t i = 0; i < p->n_gates; i++) {
        const struct pod_gate *g = &p->gates[i];
        const struct gate_track *t = LIST_AT(struct gate_track, p->track->gates, i);
        items[i] =
            (struct gate_verdict){.type = g->type,
                                  .family = g->family,
                                  .binding = g->binding_name,
                                  .status = g->status,
                                  .reason = g->condition != NULL ? g->condition->reason : "",
                                  .message = g->condition != NULL ? g->condition->message : "",
                                  .first_seen_at = t->first_seen_at,
                                  .opened_at = t->opened_at};
    }
    p->v->gates = (struct list){items, p->n_gates};
}

static void fill_targets(struct judge *j, struct pod_sheet *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_near; i++) {
        n += pod_binding_applies(p->near[i]);
    }
    struct pod_target *items = arena_array(j->a, struct pod_target, n);
    n = 0;
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct pod_binding *pb = p->near[i];
        if (!pod_binding_applies(pb)) {
            continue;
        }
        const struct facts_group *g = pb->fb->group;
        items[n++] = (struct pod_target){
            .group_arn = g->arn,
            .group_name = g->group != NULL ? g->group->name : pb->fb->binding->group_name,
            .target = pb->target,
            .binding = pb->fb->binding->meta.name,
            .port = pb->port};
    }
    p->v->targets = (struct list){items, n};
}

static enum truth yes_no(bool yes)
{
    return yes ? TRUTH_YES : TRUTH_NO;
}

/* Since when the pod is not ready, as Kubernetes dates it: kubelet moves it on change only. */
static int64_t unready_since(const struct pod_sheet *p)
{
    const struct condition *c = condition_get(&p->fp->pod->conditions, "Ready");
    return c != NULL && strcmp(c->status, "True") != 0 ? c->transition_at : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t last_closed_again(const struct pod_sheet *p)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < p->track->gates.n; i++) {
        const struct gate_track *t = LIST_AT(struct gate_track, p->track->gates, i);
        at = t->status != GATE_OPEN ? later(at, t->closed_again_at) : at;
    }
    return at;
}

static int64_t last_opened(const struct pod_sheet *p)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < p->track->gates.n; i++) {
        at = later(at, LIST_AT(struct gate_track, p->track->gates, i)->changed_at);
    }
    return at;
}

/* A pod that lost its gate waits from then on, one that never had it from containers ready; one
 * that fell with its gates open (its node did) from its fall. */
static int64_t waiting_since(const struct pod_sheet *p)
{
    int64_t closed = unready_since(p);
    if (p->ready || gates_open(p)) {
        return later(later(p->containers_ready_at, last_opened(p)), closed);
    }
    return later(p->containers_ready_at, closed != 0 ? closed : last_closed_again(p));
}

/* A pod that never served starts from its creation, however often its containers were ready for a
 * moment; one that served, from its last fall. */
static int64_t starting_since(const struct judge *j, const struct pod_sheet *p)
{
    int64_t created = p->fp->pod->meta.created_at;
    bool watched_never_served = p->fp->track->state >= 0 && p->track->served_at == 0;
    int64_t since = watched_never_served
                        ? created
                        : later(created, later(unready_since(p), p->track->containers_unready_at));
    return since != 0 ? since : j->f->now;
}

static void judge_pod(struct judge *j, struct pod_sheet *p)
{
    const struct kube_pod *pod = p->fp->pod;
    struct pod_verdict *v = p->v;
    p->containers_ready = condition_true(&pod->conditions, "ContainersReady");
    p->ready = condition_true(&pod->conditions, "Ready");
    track_facts(j, p);
    p->containers_ready_at = p->track->spell_ready_at;
    v->is_new = p->is_new;
    bool stale = j->f->cluster->kube_stale; /* what they said is not what they say now */
    v->kubelet = stale ? TRUTH_UNKNOWN : yes_no(p->ready);
    v->gate = stale || p->n_gates == 0 ? TRUTH_UNKNOWN : yes_no(gates_open(p));
    v->elb = truth_of_elb(p);
    v->state = pod_state(j, p);
    if (p->is_new || p->is_old) {
        v->gate_missing = p->ready && misses_gate(p);
        v->contradiction = contradiction_of(p);
        bool waits =
            v->state == POD_REGISTERING || v->state == POD_CHECKING || v->state == POD_FAILING;
        p->waiting_since = waits ? waiting_since(p) : 0;
        p->starting_since = v->state == POD_STARTING ? starting_since(j, p) : 0;
        p->crashing = pod_crashing(j, pod);
    }
    fill_gates(j, p);
    fill_targets(j, p);
    track_state(j, p);
}

void judge_pods(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        judge_pod(j, &j->pods[i]);
    }
}
