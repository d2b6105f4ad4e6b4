/*
 * Preflight: how long the rollout takes when each batch waits for its gates, and whether shutdown
 * covers the load balancer.
 */
#include <stdlib.h>
#include <string.h>

#include "model/preflight_in.h"

enum { DEADLINE_DEFAULT_S = 600, PERCENT_DEFAULT = 25 };

const struct kube_workload *pf_present_of(const struct pf *p, const struct manifest *m)
{
    for (uint32_t i = 0; i < p->in->present.n; i++) {
        const struct preflight_present *x = LIST_AT(struct preflight_present, p->in->present, i);
        if (x->manifest == m) {
            return x->workload;
        }
    }
    return NULL;
}

static bool scales(const struct kube_hpa *h, const struct manifest *m)
{
    return strcmp(h->target_kind, m->kind_name) == 0 && strcmp(h->target_name, m->name) == 0;
}

/* The fewest pods that an autoscaler of the manifests, else of the cluster, keeps; 1 without one.
 */
static int64_t autoscaled_least(const struct pf *p, const struct manifest *m)
{
    const struct pf_scope *scope = pf_scope_of(p, m);
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *other = pf_manifest(p, i);
        if (other->kind == KIND_HPA && pf_scope_of(p, other) == scope) {
            const struct kube_hpa *h = (const struct kube_hpa *)(const void *)other->record;
            if (scales(h, m)) {
                return h->min_replicas > 0 ? h->min_replicas : 1;
            }
        }
    }
    for (uint32_t i = 0; i < scope->cached->hpas.n; i++) {
        const struct kube_hpa *h = LIST_AT(struct kube_hpa, scope->cached->hpas, i);
        if (scales(h, m)) {
            return h->min_replicas > 0 ? h->min_replicas : 1;
        }
    }
    return 1;
}

/* How many pods it will have: a manifest that leaves the number out leaves it as it is, and a new
 * workload to its autoscaler. */
int64_t pf_replicas_of(const struct pf *p, const struct manifest *m)
{
    const struct kube_workload *w = (const struct kube_workload *)(const void *)m->record;
    const struct kube_workload *present = pf_present_of(p, m);
    if (w->meta.kind == KIND_DAEMONSET) {
        return present != NULL && present->desired_scheduled > 0 ? present->desired_scheduled : 1;
    }
    if (w->replicas >= 0) {
        return w->replicas;
    }
    return present != NULL && present->replicas >= 0 ? present->replicas : autoscaled_least(p, m);
}

/* IntOrString of a rolling update; absent gives the default percentage. */
static int64_t share(const char *text, int64_t replicas, bool up, int64_t default_percent)
{
    char *end = NULL;
    long long n = text[0] != '\0' ? strtoll(text, &end, 10) : default_percent;
    bool percent = text[0] == '\0' || (end != NULL && *end == '%');
    if (n < 0 || n > 1000000) {
        return 0;
    }
    return percent ? (replicas * n + (up ? 99 : 0)) / 100 : n;
}

/* How many pods are replaced at once. */
static int64_t batch_of(const struct kube_workload *w, int64_t replicas)
{
    if (w->meta.kind == KIND_STATEFULSET) {
        int64_t n = share(w->max_unavailable, replicas, true, 0);
        return n > 0 ? n : 1;
    }
    if (w->meta.kind == KIND_DAEMONSET) {
        int64_t n = share(w->max_surge, replicas, true, 0);
        int64_t away = w->max_unavailable[0] == '\0' && n == 0
                           ? 1
                           : share(w->max_unavailable, replicas, true, 0);
        return n + away > 0 ? n + away : 1;
    }
    if (strcmp(w->strategy, "Recreate") == 0 || w->blue_green == 1 ||
        w->meta.kind == KIND_REPLICASET) {
        return replicas;
    }
    int64_t n = share(w->max_surge, replicas, true, PERCENT_DEFAULT) +
                share(w->max_unavailable, replicas, false, PERCENT_DEFAULT);
    return n > 0 ? n : 1;
}

static int64_t deadline_of(const struct kube_workload *w)
{
    if (w->meta.kind != KIND_DEPLOYMENT && w->meta.kind != KIND_ARGO_ROLLOUT) {
        return 0;
    }
    return (w->progress_deadline_seconds > 0 ? w->progress_deadline_seconds : DEADLINE_DEFAULT_S) *
           1000;
}

static const struct pf_binding *binding_of(const struct pf_scope *s, const struct preflight_gate *g)
{
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        const struct pf_binding *b = &s->bindings[i];
        if (b->is_auto == (g->family == FAMILY_EKS_AUTO) &&
            strcmp(b->fb.binding->meta.name, g->binding) == 0) {
            return b;
        }
    }
    return NULL;
}

/* The slowest of the gates that the pods will have. */
static void slowest(const struct pf_scope *s, struct preflight_workload *w)
{
    for (uint32_t i = 0; i < w->gates.n; i++) {
        const struct preflight_gate *g = LIST_AT(struct preflight_gate, w->gates, i);
        const struct pf_binding *b = binding_of(s, g);
        if (g->injected != INJECTED_NO && b != NULL && b->fb.usual.p95_ms > w->rollout.gate_ms) {
            w->rollout.gate_ms = b->fb.usual.p95_ms;
            w->rollout.from_history = b->fb.usual.from_history;
            w->rollout.known = true;
        }
    }
}

static void say_deadline(struct pf *p, const struct manifest *m, const struct preflight_rollout *r)
{
    if (r->deadline_ms == 0 || r->gate_ms * 2 <= r->deadline_ms) {
        return;
    }
    bool over = r->gate_ms >= r->deadline_ms;
    PF_SAY(p, m, .code = "progress_deadline_exceeded",
           .severity = over ? SEVERITY_ERROR : SEVERITY_WARNING, .confidence = CONFIDENCE_LIKELY,
           .message = arena_printf(
               p->a,
               "A gate usually takes up to %lld s (%s) and the rollout is called failed after "
               "%lld s without progress%s.",
               (long long)r->gate_ms / 1000, r->from_history ? "measured" : "by formula",
               (long long)r->deadline_ms / 1000,
               over ? ": it cannot be in time" : ": starting the containers must fit the rest"),
           .action = "Raise progressDeadlineSeconds to three times the usual time or more.");
}

static void check_drain(struct pf *p, const struct manifest *m, const struct preflight_workload *w,
                        const struct pod_template *t)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    for (uint32_t i = 0; i < w->gates.n; i++) {
        const struct preflight_gate *g = LIST_AT(struct preflight_gate, w->gates, i);
        const struct pf_binding *b = binding_of(s, g);
        struct drain d;
        if (b != NULL && drain_check(t, g->port, b->fb.group->group, p->a, &d)) {
            PF_SAY(p, m, .code = "drain_shorter_than_deregistration", .severity = d.severity,
                   .message = arena_printf(p->a, "When a pod ends, %s.", d.message),
                   .action = d.action);
        }
    }
}

void pf_check_rollout(struct pf *p, const struct manifest *m, struct preflight_workload *w)
{
    struct preflight_rollout *r = &w->rollout;
    struct pod_template t;
    if (w->gates.n == 0 || !pf_template(m, &t)) {
        return;
    }
    check_drain(p, m, w, &t);
    slowest(pf_scope_of(p, m), w);
    if (m->kind != KIND_POD) {
        r->replicas = pf_replicas_of(p, m);
        pf_check_budgets(p, m, r);
    }
    if (!r->known || m->kind == KIND_POD) {
        r->known = false;
        return;
    }
    const struct kube_workload *kw = (const struct kube_workload *)(const void *)m->record;
    int64_t batch = batch_of(kw, r->replicas);
    r->batches = batch > 0 ? (r->replicas + batch - 1) / batch : 0;
    r->total_ms = r->batches * (r->gate_ms + kw->min_ready_seconds * 1000);
    r->deadline_ms = deadline_of(kw);
    say_deadline(p, m, r);
}
