/*
 * Registered, not healthy: the reasons of targets, from ELBv2 where it answers, else from the
 * controller's condition.
 */
#include "model/cause_in.h"

void causes_health(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (p->v->state != POD_REGISTERING && p->v->state != POD_CHECKING) {
            continue;
        }
        bool checking = p->v->state == POD_CHECKING;
        struct finding *f =
            judge_finding(j, checking ? "initial_health_checks" : "registration_in_progress",
                          arena_printf(j->a, "%s/%s", j->f->kind, j->f->name));
        finding_pod(j, f, p);
    }
}
