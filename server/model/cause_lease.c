/*
 * The lease of the open-source controller, its sign of life; EKS Auto Mode has none. A leftover of
 * another installation does not count: the webhook that serves the cluster tells which it is.
 */
#include "model/cause_in.h"

#include <string.h>

const struct kube_lease *cause_lease(const struct judge *j)
{
    const struct list *leases = &j->f->cluster->leases;
    const struct webhook *w = j->sight->injectors[0];
    const struct kube_lease *found = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < leases->n; i++) {
        const struct kube_lease *l = LIST_AT(struct kube_lease, *leases, i);
        if (strcmp(l->meta.name, "aws-load-balancer-controller-leader") != 0) {
            continue;
        }
        if (w != NULL && w->service_namespace[0] != '\0') {
            found = strcmp(l->meta.namespace, w->service_namespace) == 0 ? l : found;
            continue;
        }
        found = l;
        n++;
    }
    return n > 1 ? NULL : found;
}

const struct kube_lease *cause_lease_stale(struct judge *j)
{
    const struct kube_lease *l = cause_lease(j);
    if (l == NULL || l->renew_at == 0) {
        return NULL;
    }
    int64_t at = l->renew_at + j->f->policy->lease_stale_ms;
    if (j->sight->now < at) {
        judge_look_at(j, at);
        return NULL;
    }
    return l;
}
