/*
 * Open, yet exposed: Kubernetes calls the pod ready, and the load balancer does not serve it. The
 * controller does not look again at targets it once saw healthy, so nothing in Kubernetes shows
 * this; only ELBv2 does, and the objects where a gate was forced open.
 *
 * Our poll may be older than a gate that has just opened: nothing is said before a poll after it.
 */
#include "model/cause_in.h"

#include <string.h>

enum { FLAP_RECHECKS = 3 };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static const char *pod_object(struct judge *j, const struct pod_sheet *p)
{
    return object_of(j, "Pod", p->fp->pod->meta.name);
}

static const char *group_object(struct judge *j, const struct pod_binding *pb)
{
    return arena_printf(j->a, "TargetGroup/%s", pb->fb->group->arn);
}

/* ---- the Service or its port is gone ---- */

static bool backend_missing(const struct judge *j, const struct pod_binding *pb)
{
    return (pb->fb->service == NULL && !kind_denied(j, "services")) || pb->service_port_missing;
}

static void say_backend(struct judge *j, struct finding *f, const struct view *v)
{
    const struct kube_binding *b = v->fb->binding;
    finding_evidence(j, f, v->object, "spec.serviceRef", "%s port %s", b->service, b->service_port);
    if (v->fb->service == NULL) {
        finding_evidence(j, f, object_of(j, "Service", b->service), "metadata.name",
                         "no Service of that name in namespace %s", j->sight->ns);
        return;
    }
    const char *ports = "";
    for (uint32_t i = 0; i < v->fb->service->ports.n; i++) {
        const struct service_port *p = LIST_AT(struct service_port, v->fb->service->ports, i);
        ports = arena_printf(j->a, "%s%s%lld%s%s", ports, i > 0 ? ", " : "", (long long)p->port,
                             p->name[0] != '\0' ? " " : "", p->name);
    }
    finding_evidence(j, f, object_of(j, "Service", b->service), "spec.ports", "%s", ports);
}

static const char *backend_text(struct judge *j, const struct view *v)
{
    const struct kube_binding *b = v->fb->binding;
    return v->fb->service == NULL
               ? arena_printf(j->a, "Service %s", b->service)
               : arena_printf(j->a, "Port %s of Service %s", b->service_port, b->service);
}

/* Gates are set True, and targets go, at the controller's next pass: has that come? */
static bool backend_is_noticed(const struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct pod_gate *g = pod_gate_of(p, pb);
    return (g != NULL && gate_forced_open(g)) || elb_word_of(pb) == ELB_ABSENT;
}

/* What it means for the pods, by the worst that is seen of one. */
static const char *backend_fate(const struct judge *j, const struct view *v)
{
    size_t at = (size_t)(v - j->sight->views);
    const char *fate = "not served";
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        const struct pod_binding *pb = &p->bindings[at];
        if (!is_live(p) || !p->ready || !pod_binding_applies(pb)) {
            continue;
        }
        if (backend_is_noticed(p, pb)) {
            return "called ready and not served";
        }
        fate = "served only until the controller looks again";
    }
    return fate;
}

static void backend(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    struct view *v = view_of(j, p, pb);
    const struct pod_gate *g = pod_gate_of(p, pb);
    v->fate = v->fate != NULL ? v->fate : backend_fate(j, v);
    struct finding *f = claim_pod(
        j, p,
        &(struct claim){.code = "binding_backend_not_found",
                        .object = v->object,
                        .severity = backend_is_noticed(p, pb) ? SEVERITY_ERROR : SEVERITY_WARNING,
                        .view = v,
                        .a = backend_text(j, v),
                        .b = v->fate});
    if (f->evidence.n == 0) {
        say_backend(j, f, v);
    }
    if (g != NULL && wants_evidence(f)) {
        finding_evidence(j, f, pod_object(j, p), arena_printf(j->a, "condition %s", g->type), "%s",
                         g->condition != NULL
                             ? state_words(j, g->condition->status, "", g->condition->message)
                             : "absent");
    }
}

/* ---- ELBv2 says otherwise ---- */

/* Since when ELBv2 says so, with a poll after the gate opened; 0 = not known yet. */
static int64_t said_since(const struct pod_sheet *p, const struct pod_binding *pb,
                          const struct pod_gate *g)
{
    int64_t opened = track_of_gate(p, g)->changed_at;
    int64_t ready = later(opened, p->containers_ready_at);
    if (pb->fb->group->observed_at <= ready) {
        return 0;
    }
    if (pb->target != NULL) {
        return later(pb->target->state_since, ready);
    }
    /* Nothing is left to date it by but the pod's own fall. */
    return p->v->state == POD_EXPOSED ? later(p->v->state_since, ready) : ready;
}

/* One failed check, or a target on its way back in, passes; what lasts is an error. */
static enum severity lasting(struct judge *j, int64_t since)
{
    int64_t at = since + FLAP_RECHECKS * j->f->policy->recheck_ms;
    judge_look_at(j, at);
    return j->sight->now >= at ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static void say_target(struct judge *j, struct finding *f, const struct pod_sheet *p,
                       const struct pod_binding *pb)
{
    const struct facts_target *t = pb->target;
    if (!wants_evidence(f)) {
        return;
    }
    finding_evidence(
        j, f, group_object(j, pb),
        arena_printf(j->a, "target %s:%lld", p->fp->pod->ip, (long long)pb->port), "%s",
        t != NULL ? state_words(j, t->t.state, t->t.reason, t->t.description) : "not registered");
    finding_evidence(j, f, pod_object(j, p), "condition Ready", "True, its gate %s True",
                     pb->fb->binding->meta.name);
}

static void unhealthy(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                      int64_t since)
{
    const struct view *v = view_of(j, p, pb);
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "target_unhealthy_after_open",
                                  .object = v->object,
                                  .severity = lasting(j, since),
                                  .since = since,
                                  .view = v,
                                  .a = pb->target->t.reason[0] != '\0' ? pb->target->t.reason
                                                                       : pb->target->t.state,
                                  .b = pb->target->t.description});
    say_target(j, f, p, pb);
    if (f->pods == 1 && strcmp(pb->target->t.reason, "Target.NotInUse") == 0) {
        route_say(j, f, pb->fb->group);
    }
}

static void deregistered(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                         int64_t since)
{
    const struct view *v = view_of(j, p, pb);
    int64_t at = since + j->f->policy->recheck_ms;
    if (j->sight->now < at) { /* taken out and put in again */
        judge_look_at(j, at);
        return;
    }
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "target_deregistered_while_serving",
                                  .object = v->object,
                                  .severity = lasting(j, since),
                                  .since = since,
                                  .view = v,
                                  .a = pb->target != NULL ? pb->target->t.state : "not registered",
                                  .b = ""});
    say_target(j, f, p, pb);
}

static void by_elb(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                   const struct pod_gate *g)
{
    enum elb_word word = elb_word_of(pb);
    if (word == ELB_UNKNOWN || word == ELB_HEALTHY || pb->fb->group->gone || gate_forced_open(g)) {
        return;
    }
    int64_t since = said_since(p, pb, g);
    if (since == 0) {
        return;
    }
    if (word == ELB_ABSENT) {
        if (view_of(j, p, pb)->blocked == 0) {
            deregistered(j, p, pb, since);
        }
        return;
    }
    bool initial = word != ELB_BAD;
    if (initial && j->sight->now - since < FLAP_RECHECKS * j->f->policy->recheck_ms) {
        judge_look_at(j, since + FLAP_RECHECKS * j->f->policy->recheck_ms);
        return; /* registered anew, or our poll was a moment early */
    }
    unhealthy(j, p, pb, since);
}

/* ---- all together ---- */

static void look_at_pod(struct judge *j, struct pod_sheet *p, bool *near, bool *odd)
{
    for (uint32_t k = 0; k < p->n_near; k++) {
        const struct pod_binding *pb = p->near[k];
        const struct pod_gate *g = pod_gate_of(p, pb);
        uint32_t at = (uint32_t)(pb - p->bindings);
        if (!pod_binding_applies(pb)) {
            continue;
        }
        near[at] = true;
        odd[at] = odd[at] || elb_word_of(pb) == ELB_ABSENT;
        if (backend_missing(j, pb)) {
            backend(j, p, pb);
        } else if (g != NULL && g->status == GATE_OPEN && p->ready && !pod_binding_frozen(pb)) {
            by_elb(j, p, pb, g);
        }
    }
}

void causes_exposed(struct judge *j)
{
    bool *near = arena_array(j->a, bool, j->sight->n_views + 1);
    bool *odd = arena_array(j->a, bool, j->sight->n_views + 1);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (is_live(&j->pods[i])) {
            look_at_pod(j, &j->pods[i], near, odd);
        }
    }
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        if (near[i]) {
            cause_shared(j, &j->sight->views[i], odd[i]);
            cause_fail_open(j, &j->sight->views[i]);
        }
    }
}
