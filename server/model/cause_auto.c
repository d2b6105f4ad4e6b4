/*
 * What to do where EKS Auto Mode's controller is the one concerned: it runs outside the cluster, so
 * there is no pod to restart, no log and no flag, and its rights are the cluster role's.
 */
#include "model/cause_text.h"

#include <stddef.h>
#include <string.h>

#define ROLE(action)                                                                               \
    "Allow elasticloadbalancing:" action " on the target group in the cluster's IAM role; AWS's "  \
    "own policy covers the groups that are tagged for the cluster."

static const struct {
    const char *code;
    const char *action;
} actions[] = {
    {"gate_missing_injection_failed",
     "Restart the workload. If the new pods have no gate either, ask AWS: the webhook runs outside "
     "the cluster."},
    {"controller_not_acting", "Read the binding's events. EKS Auto Mode runs the controller: "
                              "touching the binding wakes it; if that does not help, ask AWS."},
    {"controller_lagging", "EKS Auto Mode runs the controller: touching the binding wakes it; if "
                           "that does not help, ask AWS."},
    {"controller_checkpoint_stale",
     "Touch the binding to wake it; if that does not help, ask AWS."},
    {"controller_throttled",
     "Use fewer bindings an account and region, or ask AWS for a higher limit."},
    {"controller_cannot_patch_pods",
     "See whether a ClusterRole or an admission policy was changed that kept it from writing "
     "pods/status, and ask AWS."},
    {"controller_stalled", "EKS Auto Mode runs the controller: see the health of the cluster in "
                           "EKS, and ask AWS."},
    {"controller_credentials",
     "See the cluster's IAM role: its trust policy, that AmazonEKSLoadBalancingPolicy is attached, "
     "and, where the binding names a role of its own, that it may assume that one."},
    {"register_denied", ROLE("RegisterTargets")},
    {"deregister_denied", ROLE("DeregisterTargets")},
    {"describe_denied", ROLE("DescribeTargetHealth")},
    {"register_quota_exceeded",
     "Raise the quota (targets per target group or load balancer), or spread the pods over more "
     "groups."},
};

const char *cause_action_for(const struct cause_text *text, bool is_auto)
{
    for (size_t i = 0; is_auto && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].code, text->code) == 0) {
            return actions[i].action;
        }
    }
    return text->action;
}
