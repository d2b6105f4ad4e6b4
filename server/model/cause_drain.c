/*
 * Shutdown: a gate does nothing there. On deletion the controller takes the target out, and the
 * load balancer goes on with what is under way (an NLB with new flows too) for the deregistration
 * delay; the pod lives for its grace period, in which preStop runs. Where the pod ends first,
 * requests break.
 */
#include "model/cause_in.h"

#include <stdlib.h>
#include <string.h>

enum { GRACE_DEFAULT_S = 30, DELAY_DEFAULT_S = 300 };

static int64_t grace_of(const struct kube_workload *w)
{
    return w->template_grace_seconds > 0 ? w->template_grace_seconds : GRACE_DEFAULT_S;
}

/* The group's delay; *ret_known tells whether it was read. */
static int64_t delay_of(const struct facts_group *g, bool *ret_known)
{
    *ret_known = false;
    for (uint32_t i = 0; g->group != NULL && i < g->group->attributes.n; i++) {
        const struct elb_attribute *a = LIST_AT(struct elb_attribute, g->group->attributes, i);
        if (strcmp(a->key, "deregistration_delay.timeout_seconds") == 0) {
            *ret_known = true;
            return strtoll(a->value, NULL, 10);
        }
    }
    return DELAY_DEFAULT_S;
}

/* preStop: sleep.seconds, or a command "sleep N", alone or in a shell; -1 = none. */
static int64_t prestop_of(const struct container_spec *c)
{
    if (c->prestop_sleep_seconds >= 0) {
        return c->prestop_sleep_seconds;
    }
    for (uint32_t i = 0; i < c->prestop_command.n; i++) {
        const char *word = c->prestop_command.items[i];
        const char *at = strstr(word, "sleep");
        if (at == NULL) {
            continue;
        }
        const char *rest = at + strlen("sleep");
        if (*rest == '\0' && i + 1 < c->prestop_command.n) {
            rest = c->prestop_command.items[i + 1];
        }
        return strtoll(rest, NULL, 10);
    }
    return -1;
}

static int64_t shortest_prestop(const struct kube_workload *w)
{
    int64_t least = -1;
    for (uint32_t i = 0; i < w->template_containers.n; i++) {
        int64_t s = prestop_of(LIST_AT(struct container_spec, w->template_containers, i));
        if (s >= 0 && (least < 0 || s < least)) {
            least = s;
        }
    }
    return least;
}

/* A target that drains though no endpoint has its address any more. */
static const struct facts_target *seen_gone(const struct drain_question *q)
{
    const struct facts_group *g = q->binding->group;
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        if (strcmp(t->t.state, "draining") == 0 &&
            !slices_have(&q->ns->slices, q->binding->binding->service, t->t.id)) {
            return t;
        }
    }
    return NULL;
}

bool judge_drain(const struct drain_question *q, struct arena *arena, struct finding *ret)
{
    static const struct list none = {NULL, 0};
    bool known = false;
    int64_t delay = delay_of(q->binding->group, &known);
    int64_t grace = grace_of(q->workload);
    int64_t prestop = shortest_prestop(q->workload);
    if (grace >= delay) {
        return false;
    }
    const struct facts_target *gone = seen_gone(q);
    struct judge *j = scope_open(q->ns, q->cluster, q->policy, &none, arena);
    struct facts *facts = arena_alloc(arena, sizeof *facts);
    *facts = *j->f;
    facts->workload = q->workload;
    facts->kind = kind_info(q->workload->meta.kind)->name;
    facts->name = q->workload->meta.name;
    j->f = facts;
    const char *object = object_of(j, facts->kind, facts->name);
    struct finding *f = claim_object(
        j, &(struct claim){.code = "drain_shorter_than_deregistration",
                           .object = object,
                           .severity = gone != NULL ? SEVERITY_WARNING : SEVERITY_INFO,
                           .likely = !known,
                           .a = arena_printf(arena,
                                             "they have %lld s to end, the load balancer takes up "
                                             "to %lld s to let go",
                                             (long long)grace, (long long)delay),
                           .b = ""});
    finding_evidence(j, f, object, "terminationGracePeriodSeconds", "%lld", (long long)grace);
    finding_evidence(j, f, object, "preStop sleep", "%s",
                     prestop < 0 ? "none" : arena_printf(arena, "%lld s", (long long)prestop));
    finding_evidence(j, f, arena_printf(arena, "TargetGroup/%s", q->binding->group->arn),
                     "deregistration_delay.timeout_seconds", "%lld%s", (long long)delay,
                     known ? "" : " (the default)");
    if (gone != NULL) {
        finding_evidence(j, f, arena_printf(arena, "TargetGroup/%s", q->binding->group->arn),
                         arena_printf(arena, "target %s:%lld", gone->t.id, (long long)gone->t.port),
                         "draining, its pod is gone");
    }
    const struct list findings = scope_close(j).findings;
    *ret = *LIST_AT(struct finding, findings, 0);
    return true;
}
