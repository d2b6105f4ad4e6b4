/*
 * No binding: it was deleted under open gates, or the controller never made it though a Service or
 * an Ingress asks for it. What the controller itself says of the owner is nearer to the root than
 * that the binding is not there.
 */
#include "model/cause_in.h"

#include <string.h>

const struct kube_event *cause_refused(const struct judge *j, const char *kind, const char *name)
{
    static const char *const reasons[] = {"FailedDeployModel", "FailedBuildModel"};
    const struct kube_event *best = NULL;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        const struct kube_event *e = event_about(j, kind, name, reasons[i], NULL);
        if (e != NULL && j->sight->now - event_at(e) <= EVENT_LIVE_MS &&
            (best == NULL || event_at(e) > event_at(best))) {
            best = e;
        }
    }
    return best;
}

/* The part after the controller's own words. */
static const char *why(const char *message)
{
    const char *at = strstr(message, "due to ");
    return at != NULL ? at + strlen("due to ") : message;
}

struct finding *cause_not_deployed(struct judge *j, struct pod_sheet *p, const char *object,
                                   const struct kube_event *e)
{
    struct claim c = {.code = "load_balancer_not_deployed",
                      .object = object,
                      .severity = SEVERITY_WARNING,
                      .since = e->first_at,
                      .a = object,
                      .b = why(e->message)};
    struct finding *f = p != NULL ? claim_pod(j, p, &c) : claim_object(j, &c);
    if (f->evidence.n == 0) {
        event_evidence(j, f, e);
    }
    judge_look_at(j, event_at(e) + EVENT_LIVE_MS + 1);
    return f;
}

static bool applies_any(const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_near; i++) {
        if (p->near[i]->wants_gate) {
            return true;
        }
    }
    return false;
}

static void say_owner(struct judge *j, struct finding *f, const struct lb_owner *o)
{
    finding_evidence(j, f, object_of(j, o->kind, o->meta->name), "target type",
                     "ip, and no binding for Service/%s", o->service->meta.name);
}

/* ---- open gates of a binding that is gone ---- */

static void deleted_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                         const struct lb_owner *o)
{
    struct finding *f = claim_pod(
        j, p,
        &(struct claim){.code = "binding_deleted",
                        .object = object_of(j, "TargetGroupBinding", g->binding_name),
                        .severity = o != NULL ? SEVERITY_WARNING : SEVERITY_INFO,
                        .since = g->condition->transition_at,
                        .a = arena_printf(j->a,
                                          "%s was deleted, and its gates stay open and say nothing",
                                          g->binding_name),
                        .b = o != NULL ? object_of(j, o->kind, o->meta->name) : ""});
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name),
                         arena_printf(j->a, "condition %s", g->type), "True: %s",
                         g->condition->message);
    }
    if (o != NULL && f->pods == 1) {
        say_owner(j, f, o);
    }
}

static bool deleted_gates(struct judge *j, struct pod_sheet *p, const struct lb_owner *o)
{
    bool any = false;
    for (uint32_t k = 0; k < p->n_gates; k++) {
        const struct pod_gate *g = &p->gates[k];
        bool gone = g->pb == NULL || g->pb->fb->binding->meta.deleted_at != 0;
        if (is_v2(g->family) && gone && gate_forced_open(g) && bindings_seen(j, g->family)) {
            deleted_gate(j, p, g, o);
            any = true;
        }
    }
    return any;
}

/* ---- an owner without its binding ---- */

/* The API must be readable, else there may be one. */
static void never_made(struct judge *j, struct pod_sheet *p, const struct lb_owner *o)
{
    const char *owner = object_of(j, o->kind, o->meta->name);
    struct finding *f = claim_pod(
        j, p,
        &(struct claim){
            .code = "binding_deleted",
            .object = object_of(j, "Service", o->service->meta.name),
            .severity = SEVERITY_WARNING,
            .likely = true,
            .a = arena_printf(j->a, "%s asks for targets of type ip, and nothing binds Service %s",
                              owner, o->service->meta.name),
            .b = owner});
    if (f->evidence.n == 0) {
        say_owner(j, f, o);
    }
}

void causes_unbound(struct judge *j)
{
    bool seen = bindings_seen(j, FAMILY_AWS_LBC) || bindings_seen(j, FAMILY_EKS_AUTO);
    for (uint32_t i = 0; seen && i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        struct lb_owner o = {0};
        if (!is_live(p) || applies_any(p)) {
            continue; /* another binding may have taken its place */
        }
        bool owned = owner_without_binding(j, p, &o);
        const struct kube_event *e = owned ? cause_refused(j, o.kind, o.meta->name) : NULL;
        bool told = deleted_gates(j, p, owned ? &o : NULL);
        if (!owned || !p->is_new || !p->ready) {
            continue;
        }
        if (e != NULL) {
            struct finding *f = cause_not_deployed(j, p, object_of(j, o.kind, o.meta->name), e);
            if (f->pods == 1) {
                say_owner(j, f, &o);
            }
        } else if (!told && o.made) {
            never_made(j, p, &o);
        }
    }
}
