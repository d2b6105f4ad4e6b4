/*
 * Open, yet exposed: Kubernetes calls the pod ready, and the load balancer does not serve it. The
 * controller does not look again at targets it once saw healthy, so nothing in Kubernetes shows
 * this; only ELBv2 does, and the objects where a gate was forced open.
 *
 * Our poll may be older than a gate that has just opened: nothing is said before a poll after it.
 */
#include "model/cause_in.h"

#include <string.h>

enum { FLAP_RECHECKS = 3, BEGIN_GRACE = 2 * MINUTE_MS, FOREIGN_GRACE = 5 * MINUTE_MS };

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

/* Gates are set True, and targets go, at the controller's next pass. */
static void backend(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct view *v = view_of(j, p, pb);
    const struct pod_gate *g = pod_gate_of(p, pb);
    bool noticed = (g != NULL && gate_forced_open(g)) || elb_word_of(pb) == ELB_ABSENT;
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "binding_backend_not_found",
                                  .object = v->object,
                                  .severity = noticed ? SEVERITY_ERROR : SEVERITY_WARNING,
                                  .view = v,
                                  .a = backend_text(j, v),
                                  .b = v->fb->binding->service});
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

/* ---- shared and failing open: of a binding, with or without a rollout ---- */

bool slices_have(const struct list *slices, const char *service, const char *address)
{
    for (uint32_t i = 0; i < slices->n; i++) {
        const struct kube_slice *s = LIST_AT(struct kube_slice, *slices, i);
        const char *of = kvs_get(&s->meta.labels, "kubernetes.io/service-name");
        if (of == NULL || strcmp(of, service) != 0) {
            continue;
        }
        for (uint32_t k = 0; k < s->endpoints.n; k++) {
            const struct strs *a = &LIST_AT(struct endpoint, s->endpoints, k)->addresses;
            for (uint32_t n = 0; n < a->n; n++) {
                if (strcmp(a->items[n], address) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* A healthy target that has long been there and no endpoint of the Service explains (one that is
 * not healthy is rather left over from a pod of ours); a younger one is looked at again. At most a
 * few are looked up, so that the cost stays linear. */
static const struct facts_target *foreign_target(struct judge *j, const struct view *v)
{
    enum { LOOKUPS = 20 };
    const struct facts_group *g = v->fb->group;
    uint32_t left[2] = {LOOKUPS, LOOKUPS}; /* of old ones, of young ones */
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        int64_t old_at = later(t->first_seen_at, t->state_since) + FOREIGN_GRACE;
        bool young = j->sight->now < old_at;
        if (strcmp(t->t.state, "healthy") != 0 || left[young] == 0) {
            continue;
        }
        left[young]--;
        if (slices_have(&j->f->ns->slices, v->fb->binding->service, t->t.id)) {
            continue;
        }
        if (!young) {
            return t;
        }
        judge_look_at(j, old_at);
    }
    return NULL;
}

static bool holds(const struct pod_sheet *p, uint32_t finding)
{
    for (const struct pod_finding *pf = p->findings; pf != NULL; pf = pf->next) {
        if (pf->finding == finding) {
            return true;
        }
    }
    return false;
}

/* Targets that are gone from a group with another owner are gone for that: the findings of their
 * loss stand aside, and their pods are this one's. */
static void take_over(struct judge *j, struct claim c)
{
    static const char *const losses[] = {"target_not_registered",
                                         "target_deregistered_while_serving"};
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        const struct finding *found = claimed(j, losses[i], c.object);
        if (found == NULL || found->aside) {
            continue;
        }
        uint32_t at = (uint32_t)(found - j->findings);
        j->findings[at].aside = true;
        c.severity = found->severity;
        c.since = found->since;
        for (uint32_t k = 0; k < j->n_pods; k++) {
            if (holds(&j->pods[k], at)) {
                (void)claim_pod(j, &j->pods[k], &c);
            }
        }
    }
}

void cause_shared(struct judge *j, const struct view *v, bool look_for_foreign)
{
    const struct kube_binding *b = v->fb->binding;
    if (!binding_is_ip(v->fb) || b->multi_cluster == 1 || b->meta.deleted_at != 0) {
        return;
    }
    struct claim c = {.code = "target_group_shared",
                      .object = v->object,
                      .severity = SEVERITY_WARNING,
                      .view = v,
                      .a = "another binding names the same target group",
                      .b = b->arn};
    if (v->fb->sharers > 0) {
        struct finding *f = claim_object(j, &c);
        if (f->evidence.n == 0) {
            finding_evidence(j, f, v->object, "spec.targetGroupARN", "%s, in %u other binding%s",
                             b->arn, v->fb->sharers, v->fb->sharers == 1 ? "" : "s");
        }
        take_over(j, c);
        return;
    }
    const struct kube_event *failing = event_live(j, v, v->reconcile);
    bool blind = kind_denied(j, "endpointslices") || v->fb->service == NULL || failing != NULL;
    if (look_for_foreign && failing != NULL) {
        judge_look_at(j, event_at(failing) + EVENT_LIVE_MS + 1);
    }
    const struct facts_target *t = look_for_foreign && !blind ? foreign_target(j, v) : NULL;
    if (t != NULL) {
        c.likely = true;
        c.a = "a target in it belongs to no pod of this Service, so probably to another cluster";
        struct finding *f = claim_object(j, &c);
        if (f->evidence.n == 0) {
            finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", b->arn),
                             arena_printf(j->a, "target %s:%lld", t->t.id, (long long)t->t.port),
                             "%s, in no EndpointSlice of Service %s", t->t.state, b->service);
        }
        take_over(j, c);
    }
}

/* Every target unhealthy: the load balancer sends to all of them. Where none was healthy ever, pods
 * that start may be published or checked too early: that passes, or it is worth a word. */
void cause_fail_open(struct judge *j, const struct view *v)
{
    const struct facts_group *g = v->fb->group;
    uint32_t unhealthy_targets = 0;
    bool served = v->open > 0;
    int64_t since = 0;
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        if (strstr(t->t.state, "draining") != NULL) {
            continue;
        }
        if (strcmp(t->t.state, "unhealthy") != 0) {
            return;
        }
        unhealthy_targets++;
        served = served || t->healthy_at != 0;
        since = later(since, t->state_since);
    }
    if (unhealthy_targets == 0) {
        return;
    }
    if (g->observed_at < v->acted_at) { /* a gate has moved since our poll */
        judge_look_at(j, j->f->now + j->f->policy->recheck_ms);
        return;
    }
    if (!served && j->sight->now - since < BEGIN_GRACE) {
        judge_look_at(j, since + BEGIN_GRACE);
        return;
    }
    struct finding *f =
        claim_object(j, &(struct claim){.code = "load_balancer_fail_open",
                                        .object = v->object,
                                        .severity = served ? SEVERITY_ERROR : SEVERITY_WARNING,
                                        .since = since,
                                        .view = v,
                                        .a = g->arn,
                                        .b = ""});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->arn), "targets unhealthy",
                         "%u of %u", unhealthy_targets, unhealthy_targets);
        route_say_limits(j, f, g);
    }
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
