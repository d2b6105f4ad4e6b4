/*
 * Registration fails: what the newest warning of a binding says, held against the objects. A
 * warning is a hint: it counts while some pod of the binding waits in the way it explains, and it
 * came after that pod was ready, or the pod has waited for long and nothing moved since.
 *
 * Controllers before v3.1.0 write no such events: then cause_controller.c infers what it can.
 */
#include "model/cause_in.h"

#include <string.h>

enum { SILENT_RECHECKS = 2, CLEANUP_GRACE = 2 * MINUTE_MS };

/* ---- which pods ---- */

static bool unregistered(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    switch (fresh_word(j, p, g)) {
    case ELB_ABSENT:
        return true;
    case ELB_UNKNOWN:
        return g->status == GATE_ABSENT;
    case ELB_HEALTHY:
    case ELB_REGISTERING:
    case ELB_CHECKING:
    case ELB_BAD:
        break;
    }
    return false;
}

/* The pod waits in the way the fault explains; an open gate too, when its target is gone. */
static bool is_held(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                    enum holds holds)
{
    if (!gate_can_open(g) || !p->containers_ready) {
        return false;
    }
    if (g->status == GATE_OPEN) {
        return holds == HOLDS_UNREGISTERED && !gate_forced_open(g) &&
               fresh_word(j, p, g) == ELB_ABSENT &&
               g->pb->fb->group->observed_at > track_of_gate(p, g)->changed_at;
    }
    return holds == HOLDS_WAITING || unregistered(j, p, g);
}

/* Did the warning come while this pod could already be acted on? Else it needs a long silence. */
static bool explains(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                     const struct kube_event *e, bool at_once)
{
    int64_t since = actable_since(p, g->pb);
    int64_t recheck = j->f->policy->recheck_ms;
    int64_t quiet = since + (at_once ? 0 : recheck);
    if (event_at(e) + SECOND_MS - 1 >= since && j->sight->now >= quiet) {
        return true;
    }
    int64_t patience = since + SILENT_RECHECKS * recheck;
    if (j->sight->now >= patience) {
        return true;
    }
    judge_look_at(j, event_at(e) + SECOND_MS - 1 >= since ? quiet : patience);
    return false;
}

/* e: the binding's own warning, or one about another object that tells of the same. */
static void hold(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                 const struct fault *fault, const struct kube_event *e)
{
    struct view *v = view_of(j, p, g->pb);
    bool own = e == v->reconcile;
    bool since_ready = event_at(e) + SECOND_MS - 1 >= actable_since(p, g->pb);
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = fault->code,
                                                  .object = v->object,
                                                  .severity = SEVERITY_ERROR,
                                                  .likely = !since_ready || !own,
                                                  .since = actable_since(p, g->pb),
                                                  .view = v,
                                                  .a = message_error(e->message),
                                                  .b = cause_hint(fault->code, e->message)});
    if (strcmp(fault->code, "controller_credentials") == 0 &&
        (!own || !message_denied(e->message))) {
        f->terminal = false; /* the node's metadata service may come back */
    }
    if (strcmp(fault->code, "controller_cannot_patch_pods") == 0) {
        f->terminal = f->terminal || since_ready; /* its own words; else it was only inferred */
    }
    v->blocked++;
    if (f->evidence.n == 0) {
        event_evidence(j, f, e);
    }
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name),
                         arena_printf(j->a, "condition %s", g->type), "%s",
                         g->condition == NULL ? "does not exist" : g->condition->status);
    }
}

static void look_at_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    struct view *v = view_of(j, p, g->pb);
    const struct kube_event *e = event_live(j, v, v->reconcile);
    if (v->fb->group->gone) {
        return;
    }
    if (e == NULL) {
        e = event_live(j, v, j->sight->no_identity);
    }
    if (e == NULL) {
        return;
    }
    struct fault fault = message_fault(j, e->message);
    if (fault.code != NULL && is_held(j, p, g, fault.holds) &&
        explains(j, p, g, e, fault.at_once)) {
        hold(j, p, g, &fault, e);
    }
}

/* A controller without an identity can do nothing for any object. One before v3.1.0 does not warn
 * about bindings, but about Ingresses and Services it does. Of two controllers it is not known
 * whose warning it is. */
static const struct kube_event *no_identity(const struct judge *j)
{
    const struct list *events = &j->f->ns->events;
    const struct kube_event *best = NULL;
    bool both = j->f->cluster->has_lbc && j->f->cluster->has_auto;
    for (uint32_t i = 0; !both && i < events->n; i++) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        bool models = strcmp(e->reason, "FailedBuildModel") == 0 ||
                      strcmp(e->reason, "FailedDeployModel") == 0;
        if (models && message_no_identity(e->message) &&
            (best == NULL || event_at(e) > event_at(best))) {
            best = e;
        }
    }
    return best;
}

/* ---- the group is gone, by our own poll ---- */

static void group_gone(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    struct view *v = view_of(j, p, pb);
    if (!v->fb->group->gone || !p->containers_ready || pod_binding_frozen(pb)) {
        return;
    }
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "target_group_gone",
                                                  .object = v->object,
                                                  .severity = SEVERITY_ERROR,
                                                  .view = v,
                                                  .a = "ELBv2 does not know it",
                                                  .b = v->fb->binding->arn});
    v->blocked++;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", v->fb->binding->arn), "error",
                         "TargetGroupNotFound");
    }
}

/* ---- the Service's named port ---- */

/* The pod's address is in a slice without the port, since no container has one of that name. */
static void port_missing(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct service_port *sp = service_port_of(pb->fb);
    if (!pb->selects || pb->port != 0 || sp == NULL || pb->endpoint == NULL ||
        !p->containers_ready) {
        return;
    }
    struct view *v = view_of(j, p, pb);
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "target_port_missing",
                                  .object = v->object,
                                  .severity = SEVERITY_ERROR,
                                  .since = actable_since(p, pb),
                                  .view = v,
                                  .a = arena_printf(j->a, "port %lld", (long long)sp->port),
                                  .b = sp->target_port});
    v->blocked++;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, object_of(j, "Service", v->fb->service->meta.name),
                         "spec.ports targetPort", "%s", sp->target_port);
    }
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name), "containers' ports",
                         "none named %s", sp->target_port);
    }
}

/* ---- the binding cannot be cleaned up ---- */

/* A finalizer is tried again at once, and mostly goes: its warning counts once time has passed. */
static const char *cleanup_message(struct judge *j, const struct view *v, bool late,
                                   const char **ret_field)
{
    const struct condition *c = condition_get(&v->fb->binding->conditions, "Ready");
    *ret_field = "condition Ready";
    if (c != NULL && strcmp(c->status, "False") == 0 && strcmp(c->reason, "FailedCleanup") == 0) {
        return c->message;
    }
    const struct kube_event *e = v->cleanup;
    bool counts = e != NULL && event_at(e) + SECOND_MS >= v->fb->binding->meta.deleted_at &&
                  (late || strcmp(e->reason, "FailedCleanup") == 0);
    if (!counts) {
        return NULL;
    }
    *ret_field = arena_printf(j->a, "event %s", e->reason);
    return e->message;
}

static void claim_deregister(struct judge *j, struct view *v, const char *message)
{
    struct finding *f = claim_object(j, &(struct claim){.code = "deregister_denied",
                                                        .object = v->object,
                                                        .severity = SEVERITY_ERROR,
                                                        .view = v,
                                                        .a = message_error(message),
                                                        .b = v->fb->binding->arn});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "condition Ready", "%.600s", message);
    }
}

/* Deletion begins now minus grace; bindings have none. */
void cause_cleanup(struct judge *j, struct view *v, bool waiting)
{
    const struct meta *meta = &v->fb->binding->meta;
    bool late = meta->deleted_at != 0 && j->sight->now - meta->deleted_at >= CLEANUP_GRACE;
    const char *field = "";
    const char *message = meta->deleted_at != 0 ? cleanup_message(j, v, late, &field) : NULL;
    if (meta->deleted_at != 0 && message == NULL && !late) {
        judge_look_at(j, meta->deleted_at + CLEANUP_GRACE);
    }
    if (message == NULL && !late) {
        return;
    }
    bool denied = message != NULL && message_denied(message);
    struct finding *f = claim_object(
        j, &(struct claim){.code = "binding_cleanup_failing",
                           .object = v->object,
                           .severity = waiting ? SEVERITY_ERROR : SEVERITY_WARNING,
                           .likely = message == NULL,
                           .since = meta->deleted_at,
                           .view = v,
                           .a = message != NULL ? message_error(message) : "no reason is given",
                           .b = ""});
    f->terminal = denied;
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "metadata.deletionTimestamp", "set, still there");
        finding_evidence(j, f, v->object, field, "%.600s",
                         message != NULL ? message : "no reason given");
    }
    if (denied && message_names(j, message, "DeregisterTargets")) {
        claim_deregister(j, v, message);
    }
}

static void cleanup_pods(struct judge *j, struct view *v)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            const struct pod_gate *g = &p->gates[k];
            if (g->pb == NULL || g->pb->fb != v->fb || g->status == GATE_OPEN) {
                continue;
            }
            finding_pod(j, judge_finding(j, "binding_cleanup_failing", v->object), p);
            if (claimed(j, "deregister_denied", v->object) != NULL) {
                finding_pod(j, judge_finding(j, "deregister_denied", v->object), p);
            }
            v->blocked++;
        }
    }
}

/* ---- security group rules ---- */

/* Registration and gates go on without the rules, so they matter where targets stay unhealthy on
 * the network. */
static bool on_network(const struct judge *j, const struct pod_sheet *p,
                       const struct pod_binding *pb)
{
    const struct pod_gate *g = pod_gate_of(p, pb);
    const char *reason = "";
    enum elb_word word = g != NULL ? fresh_word(j, p, g) : elb_word_of(pb);
    if (word == ELB_BAD && pb->target != NULL) {
        reason = pb->target->t.reason;
    } else if (word == ELB_UNKNOWN && g != NULL && g->status == GATE_CLOSED) {
        reason = g->condition->reason;
    }
    return strcmp(reason, "Target.Timeout") == 0 ||
           strcmp(reason, "Target.FailedHealthChecks") == 0;
}

static void claim_network(struct judge *j, struct view *v, const struct kube_event *e,
                          struct pod_sheet *p)
{
    bool ambiguous = strstr(e->message, "exactly one securityGroup tagged") != NULL ||
                     strstr(e->message, "exactly one security group tagged") != NULL;
    struct claim c = {.code = ambiguous ? "security_group_ambiguous" : "network_reconcile_failed",
                      .object = v->object,
                      .severity = p != NULL ? SEVERITY_ERROR : SEVERITY_WARNING,
                      .since = e->first_at,
                      .view = v,
                      .a = e->message,
                      .b = ""};
    struct finding *f = p != NULL ? claim_pod(j, p, &c) : claim_object(j, &c);
    f->aside = p == NULL && f->pods == 0;
    if (f->evidence.n == 0) {
        event_evidence(j, f, e);
    }
}

void cause_network(struct judge *j, struct view *v)
{
    const struct kube_event *e = v->network;
    if (e == NULL || j->sight->now - event_at(e) > EVENT_RATION_MS) {
        return;
    }
    /* A pass that left nothing to do writes the checkpoint: the rules were written too. */
    const char *checkpoint = kvs_get(&v->fb->binding->meta.annotations, "elbv2.k8s.aws/checkpoint");
    if (checkpoint != NULL && checkpoint[0] != '\0' && v->acted_at > event_at(e) + SECOND_MS) {
        return;
    }
    judge_look_at(j, event_at(e) + EVENT_RATION_MS + 1);
    claim_network(j, v, e, NULL);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && p->containers_ready && k < p->n_near; k++) {
            const struct pod_binding *pb = p->near[k];
            if (pb->fb == v->fb && pod_binding_applies(pb) && on_network(j, p, pb)) {
                claim_network(j, v, e, p);
            }
        }
    }
}

/* ---- all together ---- */

static bool is_near(const struct judge *j, uint32_t i)
{
    for (uint32_t k = 0; k < j->n_pods; k++) {
        const struct pod_sheet *p = &j->pods[k];
        if (is_live(p) && (p->bindings[i].selects || p->bindings[i].gated)) {
            return true;
        }
    }
    return false;
}

void causes_register(struct judge *j)
{
    j->sight->no_identity = no_identity(j);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            if (p->gates[k].pb != NULL) {
                look_at_gate(j, p, &p->gates[k]);
            }
        }
        for (uint32_t k = 0; is_live(p) && k < p->n_near; k++) {
            if (pod_binding_applies(p->near[k])) {
                group_gone(j, p, p->near[k]);
                port_missing(j, p, p->near[k]);
            }
        }
    }
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        struct view *v = &j->sight->views[i];
        bool concerns = v->network != NULL || v->fb->binding->meta.deleted_at != 0;
        if (!concerns || !is_near(j, i)) {
            continue;
        }
        uint32_t before = j->n_findings;
        cause_cleanup(j, v, v->waiting > 0);
        if (j->n_findings != before) {
            cleanup_pods(j, v);
        }
        cause_network(j, v);
    }
}
