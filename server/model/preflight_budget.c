/*
 * Preflight: what a PodDisruptionBudget means for gated pods. It has no say in rollouts, only in
 * evictions, and counts a pod as healthy once it is Ready, so with its gates open. Each eviction of
 * a node drain therefore waits for the load balancer to take the pod before it; and a budget that
 * wants every pod lets no drain end. Both may be meant: they are told as info.
 */
#include <stdlib.h>
#include <string.h>

#include "model/preflight_in.h"

/* A managed node group gives up on a node that is not drained by then (EKS user guide, managed node
 * update behaviour: PodEvictionFailure). */
enum { NODE_DRAIN_MS = 15 * 60 * 1000 };

/* IntOrString; the disruption controller rounds percentages up, of either field. */
static int64_t share_up(const char *text, int64_t n)
{
    char *end = NULL;
    long long v = strtoll(text, &end, 10);
    if (end == text || v < 0 || v > 1000000) {
        return 0;
    }
    return *end == '%' ? (v * n + 99) / 100 : v;
}

/* How many of n pods may be missing; at most 0 = none. */
static int64_t room_of(const struct kube_pdb *b, int64_t n)
{
    if (b->max_unavailable[0] != '\0') {
        return share_up(b->max_unavailable, n);
    }
    return n - (b->min_available[0] != '\0' ? share_up(b->min_available, n) : 1);
}

static const struct kube_pdb *cached_named(const struct pf_scope *s, const char *name)
{
    for (uint32_t i = 0; i < s->cached->pdbs.n; i++) {
        const struct kube_pdb *b = LIST_AT(struct kube_pdb, s->cached->pdbs, i);
        if (strcmp(b->meta.name, name) == 0) {
            return b;
        }
    }
    return NULL;
}

static const struct kube_pdb *manifest_named(const struct pf *p, const struct pf_scope *s,
                                             const char *name)
{
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->kind == KIND_PDB && pf_scope_of(p, m) == s && strcmp(m->name, name) == 0) {
            return (const struct kube_pdb *)(const void *)m->record;
        }
    }
    return NULL;
}

/* The pods it is about: those of the manifests that it selects, and what the disruption controller
 * counts beside them now. */
static int64_t pods_of(const struct pf *p, const struct pf_scope *s, const struct kube_pdb *b,
                       const struct kube_pdb *cached)
{
    int64_t n = 0;
    int64_t now = 0;
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        struct pod_template t;
        if (m->record == NULL || !pf_template(m, &t) || pf_scope_of(p, m) != s ||
            !selector_match(&b->selector, t.labels)) {
            continue;
        }
        const struct kube_workload *w = pf_present_of(p, m);
        n += m->kind == KIND_POD ? 1 : pf_replicas_of(p, m);
        now += w != NULL && w->replicas > 0 ? w->replicas : 0;
    }
    int64_t others = cached != NULL ? cached->expected_pods - now : 0;
    return n + (others > 0 ? others : 0);
}

static void say_no_room(struct pf *p, const struct manifest *m, const struct kube_pdb *b, int64_t n)
{
    const char *pods =
        n == 1 ? "its only pod" : arena_printf(p->a, "all its %lld pods", (long long)n);
    PF_SAY(p, m, .code = "budget_blocks_eviction", .severity = SEVERITY_INFO,
           .message = arena_printf(p->a,
                                   "PodDisruptionBudget %s wants %s available: none may be "
                                   "evicted, so a node drain waits until somebody deletes %s. "
                                   "Rollouts go on.",
                                   b->meta.name, pods, n == 1 ? "it" : "them"),
           .action = "Let it spare one pod (maxUnavailable: 1), unless drains are done by hand. "
                     "unhealthyPodEvictionPolicy: AlwaysAllow lets them take pods whose gate does "
                     "not open.");
}

static void say_slow(struct pf *p, const struct manifest *m, const struct kube_pdb *b, int64_t room,
                     const struct preflight_rollout *r)
{
    int64_t fit = NODE_DRAIN_MS / r->gate_ms * room;
    PF_SAY(p, m, .code = "budget_blocks_eviction", .severity = SEVERITY_INFO,
           .confidence = CONFIDENCE_LIKELY,
           .message = arena_printf(p->a,
                                   "PodDisruptionBudget %s spares %lld at a time, and an evicted "
                                   "pod is missing until the gate of the next one opens, usually "
                                   "within %lld s (%s): a node with more than %lld of these pods "
                                   "is not drained in 15 min, when a managed node group gives up.",
                                   b->meta.name, (long long)room, (long long)r->gate_ms / 1000,
                                   r->from_history ? "measured" : "by formula", (long long)fit),
           .action = "Spread the pods over more nodes (topologySpreadConstraints), or let the "
                     "budget spare more of them.");
}

static void check(struct pf *p, const struct manifest *m, const struct kube_pdb *b,
                  const struct preflight_rollout *r)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    struct pod_template t;
    if (!pf_template(m, &t) || !selector_match(&b->selector, t.labels)) {
        return;
    }
    int64_t n = pods_of(p, s, b, cached_named(s, b->meta.name));
    int64_t room = room_of(b, n);
    if (n <= 0) {
        return;
    }
    if (room <= 0) {
        say_no_room(p, m, b, n);
    } else if (r->gate_ms > 0 && r->replicas > NODE_DRAIN_MS / r->gate_ms * room) {
        say_slow(p, m, b, room, r);
    }
}

void pf_check_budgets(struct pf *p, const struct manifest *m, const struct preflight_rollout *r)
{
    if (m->kind == KIND_DAEMONSET || m->kind == KIND_POD) {
        return; /* drains leave the former alone; the latter are nobody's replicas */
    }
    const struct pf_scope *s = pf_scope_of(p, m);
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *other = pf_manifest(p, i);
        if (other->kind == KIND_PDB && pf_scope_of(p, other) == s) {
            check(p, m, (const struct kube_pdb *)(const void *)other->record, r);
        }
    }
    for (uint32_t i = 0; i < s->cached->pdbs.n; i++) {
        const struct kube_pdb *b = LIST_AT(struct kube_pdb, s->cached->pdbs, i);
        if (manifest_named(p, s, b->meta.name) == NULL) {
            check(p, m, b, r);
        }
    }
}
