/*
 * What the node keeps from a pod that has done its part: the node is not ready, so that Kubernetes
 * calls its pods not ready and the controller takes them out; or kubelet does not take notice that
 * containers and gates are all there. A pod on its way that has not got there yet waits for other
 * things first, so for it a node is worth a word only as its pace says.
 */
#include "model/cause_in.h"

#include <string.h>

bool node_is_down(const struct judge *j, const struct pod_sheet *p)
{
    const struct facts_node *n = node_of(j, p->fp->pod);
    return n != NULL && n->ready[0] != '\0' && strcmp(n->ready, "True") != 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t unready_since(const struct pod_sheet *p)
{
    const struct condition *c = condition_get(&p->fp->pod->conditions, "Ready");
    return c != NULL ? c->transition_at : 0;
}

/* A pod that has been ready loses traffic. */
static enum severity node_severity(const struct pod_sheet *p)
{
    enum severity pace = severity_of_pace(p);
    bool had_it = p->containers_ready || p->track->ready_at != 0;
    return had_it && pace < SEVERITY_WARNING ? SEVERITY_WARNING : pace;
}

static void node_not_ready(struct judge *j, struct pod_sheet *p)
{
    const struct facts_node *n = node_of(j, p->fp->pod);
    const char *object = object_of(j, "Node", n->name);
    struct finding *f = claim_pod(
        j, p,
        &(struct claim){.code = "node_not_ready",
                        .object = object,
                        .severity = node_severity(p),
                        .since = unready_since(p),
                        .a = n->name,
                        .b = strcmp(n->ready, "Unknown") == 0 ? "its kubelet is silent" : ""});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, object, "condition Ready", "%s", n->ready);
    }
    if (wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name), "spec.nodeName", "%s",
                         n->name);
    }
}

/* When the last of what Ready asks for was there; 0 = it is not. */
static int64_t complete_at(const struct pod_sheet *p)
{
    int64_t at = p->containers_ready_at;
    for (uint32_t i = 0; i < p->n_gates; i++) {
        if (p->gates[i].status != GATE_OPEN) {
            return 0;
        }
        at = later(at, track_of_gate(p, &p->gates[i])->changed_at);
    }
    return at;
}

static void kubelet_lagging(struct judge *j, struct pod_sheet *p)
{
    int64_t since = complete_at(p);
    int64_t at = since + RECHECKS_LATE * j->f->policy->recheck_ms;
    if (since == 0 || j->sight->now < at) {
        if (since != 0) {
            judge_look_at(j, at);
        }
        return;
    }
    enum severity pace = severity_of_pace(p);
    struct finding *f =
        claim_pod(j, p,
                  &(struct claim){.code = "kubelet_lagging",
                                  .object = j->sight->workload,
                                  .severity = pace < SEVERITY_WARNING ? SEVERITY_WARNING : pace,
                                  .likely = node_of(j, p->fp->pod) == NULL,
                                  .since = since,
                                  .a = "",
                                  .b = ""});
    if (wants_evidence(f)) {
        const struct condition *c = condition_get(&p->fp->pod->conditions, "Ready");
        const char *object = object_of(j, "Pod", p->fp->pod->meta.name);
        finding_evidence(j, f, object, "condition ContainersReady", "True");
        finding_evidence(j, f, object, "gates", "%u of %u True", p->n_gates, p->n_gates);
        finding_evidence(j, f, object, "condition Ready", "%s %s",
                         c != NULL ? c->status : "does not exist", c != NULL ? c->reason : "");
    }
}

void causes_node(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (!is_live(p) || p->ready) {
            continue;
        }
        if (node_is_down(j, p)) {
            node_not_ready(j, p);
        } else if (p->containers_ready && p->v->state != POD_UNKNOWN) {
            kubelet_lagging(j, p);
        }
    }
}
