/*
 * Where a pod's three truths disagree. Kubelet's and the gate's are plain conditions (pod.c);
 * ELBv2's is drawn here from all bindings that count for the pod. A frozen gate's binding counts
 * only when there is no other, since the pod was never meant to be behind it any more.
 */
#include "model/judge.h"

#include <string.h>

enum truth truth_of_elb(const struct pod_sheet *p)
{
    uint32_t counts[3] = {0}; /* by enum truth */
    uint32_t frozen[3] = {0};
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct pod_binding *pb = p->near[i];
        if (!pod_binding_applies(pb)) {
            continue;
        }
        enum elb_word word = elb_word_of(pb);
        enum truth t = word == ELB_HEALTHY   ? TRUTH_YES
                       : word == ELB_UNKNOWN ? TRUTH_UNKNOWN
                                             : TRUTH_NO;
        (pod_binding_frozen(pb) ? frozen : counts)[t]++;
    }
    bool only_frozen = counts[0] + counts[1] + counts[2] == 0;
    const uint32_t *c = only_frozen ? frozen : counts;
    if (c[TRUTH_NO] > 0) {
        return TRUTH_NO;
    }
    return c[TRUTH_UNKNOWN] == 0 && c[TRUTH_YES] > 0 ? TRUTH_YES : TRUTH_UNKNOWN;
}

static enum contradiction contradiction_at(const struct pod_sheet *p, const struct pod_binding *pb)
{
    enum elb_word word = elb_word_of(pb);
    const struct pod_gate *g = pod_gate_of(p, pb);
    bool open = g == NULL ? p->ready : g->status == GATE_OPEN;
    if (word == ELB_ABSENT && pb->target != NULL &&
        strstr(pb->target->t.state, "draining") != NULL) {
        return CONTRADICTION_DRAINING_BUT_NOT_TERMINATING;
    }
    if (word == ELB_ABSENT && p->ready) {
        return CONTRADICTION_READY_BUT_NOT_REGISTERED;
    }
    if (word == ELB_HEALTHY) {
        return g != NULL && !open ? CONTRADICTION_HEALTHY_BUT_CLOSED : CONTRADICTION_NONE;
    }
    bool no = word == ELB_BAD || word == ELB_CHECKING || word == ELB_REGISTERING;
    if (no && g != NULL && open) {
        return CONTRADICTION_OPEN_BUT_UNHEALTHY;
    }
    if (word == ELB_BAD && pb->target != NULL && pb->all_unhealthy) {
        return CONTRADICTION_FAIL_OPEN;
    }
    return CONTRADICTION_NONE;
}

/* The worst in this order; bindings in the namespace's order. */
enum contradiction contradiction_of(const struct pod_sheet *p)
{
    static const int ranks[CONTRADICTION_COUNT] = {
        [CONTRADICTION_NONE] = 0,
        [CONTRADICTION_FAIL_OPEN] = 1,
        [CONTRADICTION_HEALTHY_BUT_CLOSED] = 2,
        [CONTRADICTION_READY_BUT_NOT_REGISTERED] = 3,
        [CONTRADICTION_OPEN_BUT_UNHEALTHY] = 4,
        [CONTRADICTION_DRAINING_BUT_NOT_TERMINATING] = 5,
    };
    enum contradiction worst = CONTRADICTION_NONE;
    for (uint32_t i = 0; i < p->n_near; i++) {
        const struct pod_binding *pb = p->near[i];
        if (pod_binding_applies(pb) && !pod_binding_frozen(pb)) {
            enum contradiction c = contradiction_at(p, pb);
            worst = ranks[c] > ranks[worst] ? c : worst;
        }
    }
    return worst;
}
