/*
 * Pod templates: what can be said of pods before they exist. For the audit and for preflight; pure.
 */
#ifndef GATEHOUSE_MODEL_TEMPLATE_H
#define GATEHOUSE_MODEL_TEMPLATE_H

#include "model/model.h"

/* The pod webhook of the open-source controller, or of Auto Mode; NULL = there is none.
 * *ret_config (may be NULL) is the configuration it stands in. Borrowed. */
const struct webhook *webhook_injector(const struct facts_cluster *cluster, bool auto_family,
                                       const struct kube_webhook_config **ret_config);
/* Does its namespaceSelector name that label? */
bool webhook_asks_for(const struct webhook *w, const char *key);

/* The part of a pod, or of a workload's template, that decides about gates and shutdown. */
struct pod_template {
    const struct kvs *labels;
    const struct strs *gates;
    const struct list *containers; /* struct container_spec */
    int64_t grace_seconds;         /* -1 = absent */
};
struct pod_template template_of_workload(const struct kube_workload *w);
struct pod_template template_of_pod(const struct kube_pod *p);
/* Of any record; false when its kind has no pod template. */
bool template_of(enum kind kind, const void *record, struct pod_template *ret);

/* The port of the pods behind a Service port; 0 = a named port that no container has, or sp NULL.
 */
int64_t template_port(const struct pod_template *t, const struct service_port *sp);

/* How shutdown fits the load balancer: SIGTERM comes after the preStop hook, SIGKILL at the end of
 * the grace period, and the load balancer ends connections after the deregistration delay. */
enum { GRACE_DEFAULT_S = 30, DEREGISTRATION_DEFAULT_S = 300, PRE_STOP_UNKNOWN = -1 };
struct drain {
    int64_t grace_s;
    int64_t pre_stop_s; /* 0 = no hook; PRE_STOP_UNKNOWN = a hook whose time cannot be told */
    int64_t delay_s;
    bool delay_known; /* read from ELBv2, else its default */
    enum severity severity;
    const char *message;
    const char *action;
};
/* true: shutdown does not cover what the load balancer may still send, and *ret says how. port: of
 * the container that serves; group may be NULL. */
bool drain_check(const struct pod_template *t, int64_t port, const struct elb_group *group,
                 struct arena *arena, struct drain *ret);

#endif
