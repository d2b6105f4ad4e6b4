/*
 * The usual time from containers ready to an open gate: from history when there is enough, else by
 * formula (an ALB serves after one passed check and the
 * controller's re-check; an NLB takes about 180 s to register, then its healthy threshold).
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

enum {
    ALB_INTERVAL_S = 15, /* controller's defaults, when the group is not described */
    NLB_INTERVAL_S = 10,
    NLB_HEALTHY = 3,
    ALB_EXTRA_MS = 10000,
    NLB_REGISTER_MS = 180000
};

static int by_number(const void *pa, const void *pb)
{
    int64_t a = *(const int64_t *)pa;
    int64_t b = *(const int64_t *)pb;
    return (a > b) - (a < b);
}

/* Nearest rank. */
static int64_t percentile(const int64_t *sorted, size_t n, size_t percent)
{
    size_t rank = (n * percent + 99) / 100;
    return sorted[rank == 0 ? 0 : rank - 1];
}

static bool has_label(const struct kube_binding *binding, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        if (kvs_get(&binding->meta.labels, *keys) != NULL) {
            return true;
        }
    }
    return false;
}

/* By its owner, an Ingress or a Service. Who is unknown gets the longer time: a wait that is called
 * stuck too early is a false alarm. */
static bool network_by_owner(const struct kube_binding *binding)
{
    static const char *const application[] = {
        "ingress.k8s.aws/stack",           "ingress.k8s.aws/stack-name",
        "ingress.eks.amazonaws.com/stack", "ingress.eks.amazonaws.com/stack-name",
        "gateway.k8s.aws.alb/stack-name",  NULL};
    return !has_label(binding, application);
}

static bool is_network(const struct kube_binding *binding, const struct elb_group *group,
                       const struct elb_balancer *balancer)
{
    if (balancer != NULL && balancer->type[0] != '\0') {
        return strcmp(balancer->type, "application") != 0;
    }
    static const char *const network[] = {"TCP", "UDP", "TLS", "TCP_UDP", "QUIC", "TCP_QUIC"};
    const char *protocol =
        group != NULL && group->protocol[0] != '\0' ? group->protocol : binding->protocol;
    if (protocol[0] == '\0') {
        return network_by_owner(binding);
    }
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++) {
        if (strcmp(protocol, network[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct usual by_formula(bool network, const struct elb_group *group)
{
    int64_t interval = group != NULL && group->health_interval > 0 ? group->health_interval
                       : network                                   ? NLB_INTERVAL_S
                                                                   : ALB_INTERVAL_S;
    int64_t healthy =
        group != NULL && group->healthy_threshold > 0 ? group->healthy_threshold : NLB_HEALTHY;
    int64_t ms =
        network ? NLB_REGISTER_MS + interval * healthy * 1000 : interval * 1000 + ALB_EXTRA_MS;
    return (struct usual){ms, ms, false};
}

struct usual usual_of(const int64_t *samples, size_t n, const struct kube_binding *binding,
                      const struct elb_group *group, const struct elb_balancer *balancer)
{
    if (n < USUAL_ENOUGH) {
        return by_formula(is_network(binding, group, balancer), group);
    }
    int64_t sorted[USUAL_SAMPLES];
    size_t take = n < USUAL_SAMPLES ? n : USUAL_SAMPLES;
    memcpy(sorted, samples + (n - take), take * sizeof *sorted);
    qsort(sorted, take, sizeof *sorted, by_number);
    return (struct usual){percentile(sorted, take, 50), percentile(sorted, take, 95), true};
}
