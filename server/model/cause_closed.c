/*
 * A gate that cannot open. Gates are fixed at creation, so a gate whose binding is gone, or whose
 * Service selects other pods now, stays as it is until the pod is replaced: terminal for the pod.
 * Gates of other owners are only passed on, with what their own controller wrote. They are never
 * terminal: whoever owns them may open them yet, minutes later and without a word to us, and a
 * deploy that was failed for it would have been served.
 *
 * A binding that was deleted a moment ago has its gates set True by the controller a moment later,
 * and some operators make the binding after the pod. So nothing is terminal before it held for a
 * while; a pod that had waited for long when we first saw it needs no such grace.
 */
#include "model/cause_in.h"

#include <string.h>

enum { GONE_GRACE = 10 * SECOND_MS, LONG_WAIT = 30 * SECOND_MS, LATE_BINDING = MINUTE_MS };

static bool in_template(const struct judge *j, const char *type)
{
    const struct kube_workload *w = j->f->workload;
    for (uint32_t i = 0; w != NULL && i < w->template_gates.n; i++) {
        if (strcmp(w->template_gates.items[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* Since when the pod waits for its gates, or simply is there. */
static int64_t waits_since(const struct pod_sheet *p)
{
    return p->waiting_since != 0 ? p->waiting_since : p->fp->pod->meta.created_at;
}

/* Has it been so for long enough? Else it is looked at again. */
static bool lasts(struct judge *j, const struct pod_sheet *p, const struct claim *c, int64_t grace)
{
    int64_t prior = judge_prior_since(j, c->code, c->object);
    bool first_sight = p->fp->track->state < 0;
    if (first_sight && j->sight->now - waits_since(p) >= LONG_WAIT) {
        return true;
    }
    int64_t since = prior != 0 ? prior : j->sight->now;
    int64_t settled = since + grace;
    if (j->sight->now >= settled) {
        return true;
    }
    judge_look_at(j, settled);
    return false;
}

static void say_gate(struct judge *j, struct finding *f, const struct pod_sheet *p,
                     const struct pod_gate *g)
{
    if (!wants_evidence(f)) {
        return;
    }
    const struct condition *c = g->condition;
    const char *object = object_of(j, "Pod", p->fp->pod->meta.name);
    const char *field = arena_printf(j->a, "condition %s", g->type);
    if (c == NULL) {
        finding_evidence(j, f, object, field, "does not exist");
    } else {
        finding_evidence(j, f, object, field, "%s%s%s%s%.400s",
                         c->status[0] != '\0' ? c->status : "no status",
                         c->reason[0] != '\0' ? " " : "", c->reason,
                         c->message[0] != '\0' ? ": " : "", c->message);
    }
}

/* A claim that is terminal once it lasted. */
static struct finding *claim_shut(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                                  struct claim *c, int64_t grace)
{
    bool sure = lasts(j, p, c, grace);
    c->severity = sure ? SEVERITY_ERROR : SEVERITY_INFO;
    c->likely = c->likely || !sure;
    c->since = sure ? waits_since(p) : 0;
    struct finding *f = claim_pod(j, p, c);
    f->terminal = sure || (f->terminal && f->pods > 1);
    say_gate(j, f, p, g);
    return f;
}

/* ---- the binding is gone ---- */

/* Another ip binding that takes the pod now: what its gate should have been. */
static const char *other_binding(const struct pod_sheet *p)
{
    for (uint32_t i = 0; i < p->n_near; i++) {
        if (p->near[i]->wants_gate) {
            return p->near[i]->fb->binding->meta.name;
        }
    }
    return "";
}

/* Operators of game servers name a gate after the pod and make its binding later. */
static int64_t grace_of(const struct pod_sheet *p, const struct pod_gate *g)
{
    const char *name = p->fp->pod->meta.name;
    if (strncmp(g->binding_name, name, strlen(name)) == 0) {
        return p->stuck_at - waits_since(p) > LATE_BINDING ? p->stuck_at - waits_since(p)
                                                           : LATE_BINDING;
    }
    return GONE_GRACE;
}

static void binding_gone(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                         bool likely)
{
    bool by_hand = in_template(j, g->type);
    const char *other = other_binding(p);
    struct claim c = {.code = by_hand ? "gate_in_pod_template" : "gate_binding_gone",
                      .object = by_hand ? j->sight->workload
                                        : object_of(j, "TargetGroupBinding", g->binding_name),
                      .likely = likely,
                      .a = g->binding_name,
                      .b = other};
    int64_t grace = by_hand ? LATE_BINDING : grace_of(p, g);
    if (grace > GONE_GRACE && j->sight->now - waits_since(p) < grace) {
        judge_look_at(j, waits_since(p) + grace);
        return;
    }
    struct finding *f = claim_shut(j, p, g, &c, GONE_GRACE);
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "TargetGroupBinding", g->binding_name), "metadata.name",
                         "no binding of that name in namespace %s", j->sight->ns);
    }
}

/* ---- the binding does not take the pod ---- */

static const char *labels_text(struct judge *j, const struct kvs *kvs)
{
    const char *text = "";
    for (uint32_t i = 0; i < kvs->n; i++) {
        text = arena_printf(j->a, "%s%s%s=%s", text, i > 0 ? "," : "", kvs->items[i].key,
                            kvs->items[i].value);
    }
    return text;
}

/* Why a binding does not take the pod, and what to do. */
static void say_why(struct claim *c, bool of_nodes)
{
    c->a = of_nodes ? "the binding has targets of type instance now, whose gates nobody opens"
                    : "the binding's Service selects other labels now";
    c->b = of_nodes ? "Delete the pod: what comes after gets no gate of this binding; where one is "
                      "wanted, make a binding of type ip."
                    : "Delete the pod, or give Service and pods matching labels again; in a "
                      "rollout, move the Service after the new pods are ready.";
}

/* Blue-green and canary move a Service by a revision's hash and leave the old pods behind. */
static bool left_behind(const struct judge *j, const struct pod_sheet *p,
                        const struct pod_binding *pb)
{
    bool moves = has_hash_selector(pb->fb->service) || strcmp(j->f->kind, "Rollout") == 0;
    return moves && p->is_old;
}

static void not_selected(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    const struct view *v = view_of(j, p, g->pb);
    bool by_hand = in_template(j, g->type);
    if (left_behind(j, p, g->pb)) {
        return;
    }
    struct claim c = {.code = by_hand ? "gate_in_pod_template" : "gate_service_does_not_select_pod",
                      .object = by_hand ? j->sight->workload : v->object,
                      .view = v,
                      .a = g->binding_name,
                      .b = ""};
    if (!by_hand) {
        say_why(&c, !g->pb->ip);
    }
    struct finding *f = claim_shut(j, p, g, &c, GONE_GRACE);
    if (wants_evidence(f) && v->fb->service != NULL && g->pb->ip) {
        finding_evidence(j, f, object_of(j, "Service", v->fb->service->meta.name), "selector", "%s",
                         labels_text(j, &v->fb->service->selector));
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name), "labels", "%.500s",
                         labels_text(j, &p->fp->pod->meta.labels));
    } else if (wants_evidence(f) && !g->pb->ip) {
        finding_evidence(j, f, v->object, "spec.targetType", "%s", v->fb->binding->target_type);
    }
}

/* Open for ever, and it says nothing: exposure, not a wait. Where another binding serves the pod,
 * its old gate is of no interest. */
static void frozen_open(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    bool moves = has_hash_selector(g->pb->fb->service);
    if (p->v->state != POD_EXPOSED || left_behind(j, p, g->pb) ||
        (moves && other_binding(p)[0] != '\0')) {
        return;
    }
    const struct view *v = view_of(j, p, g->pb);
    struct claim c = {.code = "gate_service_does_not_select_pod",
                      .object = v->object,
                      .severity = SEVERITY_WARNING,
                      .view = v};
    say_why(&c, false);
    struct finding *f = claim_pod(j, p, &c);
    f->terminal = f->terminal && f->pods > 1;
    say_gate(j, f, p, g);
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Service", v->fb->service->meta.name), "selector", "%s",
                         labels_text(j, &v->fb->service->selector));
    }
}

/* ---- other owners ---- */

/* The type as it is called in words; a configured family's name says whom to ask. */
static const char *type_words(struct judge *j, const struct pod_gate *g)
{
    const char *name = "";
    size_t len = 0;
    enum gate_family family = gate_family_in(g->type, j->f->policy->families, &name, &len);
    return family == FAMILY_CONFIGURED ? arena_printf(j->a, "%s (%.*s)", g->type, (int)len, name)
                                       : g->type;
}

/* Reason and message: the message names the group or backend. */
static const char *what_it_says(struct judge *j, const struct condition *c)
{
    if (c == NULL) {
        return "no condition yet";
    }
    bool both = c->reason[0] != '\0' && c->message[0] != '\0';
    bool none = c->reason[0] == '\0' && c->message[0] == '\0';
    return none ? "no reason given"
                : arena_printf(j->a, "%s%s%.300s", c->reason, both ? ": " : "", c->message);
}

static void other_owner(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    const struct facts_cluster *cluster = j->f->cluster;
    bool legacy = g->family == FAMILY_AWS_ALB_V1 && (cluster->has_lbc || cluster->has_auto);
    if (legacy) {
        struct claim c = {.code = "gate_legacy_type",
                          .object = j->sight->workload,
                          .severity = SEVERITY_ERROR,
                          .since = waits_since(p),
                          .a = g->type,
                          .b = inject_key(!cluster->has_lbc)};
        say_gate(j, claim_pod(j, p, &c), p, g);
        return;
    }
    if (!p->containers_ready) {
        return; /* it waits for its containers first */
    }
    struct claim c = {.code =
                          g->family == FAMILY_GENERIC ? "gate_owner_unknown" : "other_gate_closed",
                      .object = j->sight->workload,
                      .severity = severity_of_pace(p),
                      .since = p->waiting_since,
                      .a = type_words(j, g),
                      .b = what_it_says(j, g->condition)};
    say_gate(j, claim_pod(j, p, &c), p, g);
}

/* ---- all together ---- */

/* The cluster went over to the other controller: there are no bindings of this family any more. */
static bool moved_away(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    const struct facts_cluster *c = j->f->cluster;
    bool is_auto = g->family == FAMILY_EKS_AUTO;
    bool served = is_auto ? c->has_auto : c->has_lbc;
    bool other = is_auto ? c->has_lbc : c->has_auto;
    return !served && other && p->pace != PACE_ON_TIME && !kind_denied(j, "targetgroupbindings");
}

static void look_at_gate(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    bool open = g->status == GATE_OPEN;
    if (!is_v2(g->family)) {
        if (!open) {
            other_owner(j, p, g);
        }
        return;
    }
    if (g->pb == NULL) {
        bool seen = bindings_seen(j, g->family);
        if (!open && (seen || moved_away(j, p, g))) {
            binding_gone(j, p, g, !seen);
        }
        return;
    }
    if (pod_binding_frozen(g->pb) && open) {
        frozen_open(j, p, g);
    } else if (!open && (pod_binding_frozen(g->pb) || !g->pb->ip)) {
        not_selected(j, p, g);
    }
}

void causes_closed(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            look_at_gate(j, p, &p->gates[k]);
        }
    }
}
