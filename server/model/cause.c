/*
 * The catalogue of causes, in the order of its sections. Nearness, smaller = nearer to the root:
 *
 *    90-110  nobody acts, or pods cannot even be made
 *   148-158  the pod does not start
 *   200-212  a gate that cannot open
 *   245-282  credentials, the binding or its registration is broken (a broken rule of a security
 *            group comes before the time-out that follows from it)
 *   300-309  the controller, or kubelet, is late
 *   350-394  the target's own health, at last the normal waits
 *   515-558  nothing waits, but pods are exposed
 *   700-990  consequences, surroundings, sources, and what could not be explained
 *
 * So what blocks a rollout comes before what merely exposes it, and a reason before the state it
 * leads to. Invariant: `sorted` holds every row once, by code.
 */
#include "model/cause.h"

#include <stdlib.h>
#include <string.h>

#define LBC       "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/"
#define K8S       "https://kubernetes.io/docs/"
#define ELB       "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/"
#define GATES     LBC "deploy/pod_readiness_gate/"
#define FLAGS     LBC "deploy/configurations/"
#define SETUP     LBC "deploy/installation/"
#define BINDING   LBC "guide/targetgroupbinding/targetgroupbinding/"
#define SECGROUPS LBC "deploy/security_groups/"
#define SCALING   LBC "deploy/scaling/"
#define CHECKS    ELB "target-group-health-checks.html"

static const struct cause causes[] = {
    {"node_not_ready", "not_at_gate", 148, SEVERITY_WARNING, false, "Node is not ready",
     K8S "concepts/architecture/nodes/#condition"},
    {"unschedulable", "not_at_gate", 150, SEVERITY_WARNING, false, "No node takes the pod",
     K8S "concepts/scheduling-eviction/"},
    {"image_pull", "not_at_gate", 152, SEVERITY_WARNING, false, "Image cannot be pulled",
     K8S "concepts/containers/images/"},
    {"container_not_created", "not_at_gate", 153, SEVERITY_WARNING, false,
     "Node cannot start the containers", K8S "tasks/debug/debug-application/debug-pods/"},
    {"crash_loop", "not_at_gate", 156, SEVERITY_WARNING, false, "Container crashes again and again",
     K8S "tasks/debug/debug-application/debug-running-pod/"},
    {"init_running", "not_at_gate", 154, SEVERITY_INFO, false, "Init container still runs",
     K8S "tasks/debug/debug-application/debug-init-containers/"},
    {"probe_failing", "not_at_gate", 158, SEVERITY_INFO, false, "Probe does not pass",
     K8S "tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"},
    {"pod_creation_refused", "not_at_gate", 110, SEVERITY_ERROR, false,
     "Pods are refused at creation", K8S "concepts/policy/resource-quotas/"},
    {"binding_name_too_long", "not_at_gate", 100, SEVERITY_ERROR, true,
     "Binding name too long for a gate", GATES},
    {"webhook_no_endpoints", "not_at_gate", 104, SEVERITY_ERROR, false,
     "Controller's webhook has no endpoints", GATES},
    {"webhook_unreachable", "not_at_gate", 108, SEVERITY_ERROR, false,
     "Controller's webhook out of reach", SETUP},
    {"webhook_service_missing", "not_at_gate", 102, SEVERITY_ERROR, true,
     "Controller's webhook Service is missing", SETUP},
    {"webhook_certificate_untrusted", "not_at_gate", 106, SEVERITY_ERROR, false,
     "Controller's webhook certificate is not trusted", SETUP},
    {"gates_not_used", "no_gate", 556, SEVERITY_INFO, false, "Namespace has no injection label",
     GATES},
    {"gate_missing_wrong_label", "no_gate", 540, SEVERITY_WARNING, false,
     "Injection label is wrong", GATES},
    {"gate_missing_pod_predates_binding", "no_gate", 548, SEVERITY_WARNING, false,
     "Pod is older than its binding or the label", GATES},
    {"gate_missing_target_type", "no_gate", 542, SEVERITY_INFO, false,
     "Instance targets have no gates", GATES},
    {"gate_missing_opted_out", "no_gate", 544, SEVERITY_WARNING, false,
     "Webhook's selector excludes the pod", GATES},
    {"gate_missing_selector_moved", "no_gate", 546, SEVERITY_WARNING, false,
     "Service moved to pods without its gate",
     "https://argo-rollouts.readthedocs.io/en/stable/features/traffic-management/alb/"},
    {"gate_missing_injection_failed", "no_gate", 550, SEVERITY_WARNING, false,
     "Injector was down when the pod was made", GATES},
    {"gate_missing", "no_gate", 558, SEVERITY_WARNING, false, "Gate is missing", GATES},
    {"gate_legacy_type", "cannot_open", 200, SEVERITY_ERROR, true,
     "Gate of a controller that no longer runs", LBC "deploy/upgrade/migrate_v1_v2/"},
    {"gate_binding_gone", "cannot_open", 204, SEVERITY_ERROR, true,
     "Gate names a binding that is gone", GATES},
    {"gate_in_pod_template", "cannot_open", 202, SEVERITY_ERROR, true,
     "Gate written into the pod template", GATES},
    {"gate_service_does_not_select_pod", "cannot_open", 206, SEVERITY_ERROR, true,
     "Binding no longer takes the pod", GATES},
    {"other_gate_closed", "cannot_open", 210, SEVERITY_INFO, false,
     "Gate of another controller is closed",
     K8S "concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate"},
    {"gate_owner_unknown", "cannot_open", 212, SEVERITY_INFO, false,
     "Gate of an unknown owner is closed",
     K8S "concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate"},
    {"controller_not_acting", "controller", 308, SEVERITY_WARNING, false,
     "Controller does not act on the pod", FLAGS},
    {"kubelet_lagging", "controller", 309, SEVERITY_WARNING, false,
     "Kubelet does not call the pod ready",
     K8S "concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate"},
    {"controller_lagging", "controller", 306, SEVERITY_WARNING, false,
     "Target healthy, controller does not say so", SCALING},
    {"controller_checkpoint_stale", "controller", 304, SEVERITY_WARNING, false,
     "Controller skips the binding by its checkpoint", FLAGS},
    {"controller_throttled", "controller", 302, SEVERITY_WARNING, false,
     "AWS throttles the controller", FLAGS},
    {"controller_cannot_patch_pods", "controller", 262, SEVERITY_ERROR, false,
     "Controller may not write pod status", SETUP},
    {"controller_stalled", "controller", 95, SEVERITY_ERROR, false, "Controller has stopped",
     SCALING},
    {"endpoints_stale", "controller", 300, SEVERITY_WARNING, false,
     "Ready pod is in no EndpointSlice", K8S "concepts/services-networking/endpoint-slices/"},
    {"controller_credentials", "registration", 246, SEVERITY_ERROR, true,
     "Controller has no AWS credentials", SETUP},
    {"register_denied", "registration", 254, SEVERITY_ERROR, true,
     "Controller may not register targets", SETUP},
    {"deregister_denied", "registration", 252, SEVERITY_ERROR, true,
     "Controller may not deregister targets", SETUP},
    {"describe_denied", "registration", 256, SEVERITY_ERROR, true,
     "Controller may not read target health", SETUP},
    {"binding_cleanup_failing", "registration", 250, SEVERITY_ERROR, false,
     "Binding cannot be cleaned up", BINDING},
    {"target_port_missing", "registration", 247, SEVERITY_ERROR, false,
     "Service names a port that no container has",
     K8S "concepts/services-networking/service/#field-spec-ports"},
    {"register_quota_exceeded", "registration", 258, SEVERITY_ERROR, false, "Target group is full",
     ELB "load-balancer-limits.html"},
    {"register_address_family", "registration", 260, SEVERITY_ERROR, false,
     "Address family does not fit the target group", BINDING},
    {"target_group_gone", "registration", 248, SEVERITY_ERROR, true, "Target group does not exist",
     BINDING},
    {"security_group_ambiguous", "registration", 280, SEVERITY_WARNING, false,
     "More than one tagged security group", SECGROUPS},
    {"network_reconcile_failed", "registration", 282, SEVERITY_WARNING, false,
     "Security group rules cannot be written", SECGROUPS},
    {"register_failed", "registration", 266, SEVERITY_ERROR, false, "Registration fails", BINDING},
    {"registration_in_progress", "health", 390, SEVERITY_INFO, false, "Target is being registered",
     ELB "target-group-register-targets.html"},
    {"initial_health_checks", "health", 392, SEVERITY_INFO, false, "First health checks", CHECKS},
    {"gate_awaits_recheck", "health", 394, SEVERITY_INFO, false,
     "Target healthy, gate opens at the next look", GATES},
    {"health_check_code_mismatch", "health", 362, SEVERITY_ERROR, false,
     "Health check gets another HTTP code", CHECKS},
    {"health_check_timeout", "health", 364, SEVERITY_ERROR, false, "Health check times out",
     CHECKS},
    {"health_check_failed", "health", 366, SEVERITY_ERROR, false, "Health check fails", CHECKS},
    {"health_check_internal_error", "health", 360, SEVERITY_ERROR, false,
     "Internal error of the load balancer", CHECKS},
    {"app_needs_own_endpoints", "health", 155, SEVERITY_WARNING, false,
     "App waits for its own Service",
     K8S "concepts/services-networking/service/#headless-services"},
    {"target_group_not_in_use", "health", 350, SEVERITY_ERROR, true,
     "No listener forwards to the target group", CHECKS},
    {"target_zone_not_enabled", "health", 351, SEVERITY_ERROR, false,
     "Target's zone is not enabled", ELB "load-balancer-subnets.html"},
    {"target_ip_unusable", "health", 353, SEVERITY_ERROR, false,
     "Address is in use by a load balancer", CHECKS},
    {"target_invalid_state", "health", 354, SEVERITY_ERROR, false, "Target's instance is stopped",
     CHECKS},
    {"target_not_registered", "health", 370, SEVERITY_ERROR, false, "Target is not registered",
     CHECKS},
    {"health_checks_disabled", "health", 352, SEVERITY_ERROR, false, "Health checks are disabled",
     CHECKS},
    {"binding_backend_not_found", "exposed", 245, SEVERITY_ERROR, false,
     "Binding's Service or port does not exist", BINDING},
    {"binding_deleted", "exposed", 524, SEVERITY_WARNING, false, "Binding was deleted", BINDING},
    {"load_balancer_not_deployed", "exposed", 518, SEVERITY_WARNING, false,
     "Load balancer cannot be deployed", LBC "guide/ingress/annotations/"},
    {"target_unhealthy_after_open", "exposed", 522, SEVERITY_ERROR, false,
     "Gate open, target unhealthy", GATES},
    {"target_deregistered_while_serving", "exposed", 520, SEVERITY_ERROR, false,
     "Gate open, target not registered", BINDING},
    {"target_group_shared", "exposed", 515, SEVERITY_WARNING, false,
     "Target group has more than one owner", BINDING},
    {"container_restarted_after_open", "exposed", 380, SEVERITY_WARNING, false,
     "Containers went away after the gate opened", GATES},
    {"serving_pod_gate_closed", "exposed", 382, SEVERITY_INFO, false, "Serving pod lost its gate",
     GATES},
    {"load_balancer_fail_open", "exposed", 700, SEVERITY_ERROR, false, "Every target is unhealthy",
     CHECKS},
    {"drain_shorter_than_deregistration", "exposed", 850, SEVERITY_INFO, false,
     "Pods end before the load balancer stops sending",
     "https://docs.aws.amazon.com/eks/latest/best-practices/load-balancing.html"},
    {"progress_deadline_exceeded", "rollout", 900, SEVERITY_ERROR, true, "Progress deadline passed",
     K8S "concepts/workloads/controllers/deployment/#failed-deployment"},
    {"rollout_aborted", "rollout", 895, SEVERITY_ERROR, true, "Argo Rollouts gave up",
     "https://argo-rollouts.readthedocs.io/en/stable/features/analysis/"},
    {"rollout_paused", "rollout", 880, SEVERITY_INFO, false, "Rollout is paused",
     K8S "concepts/workloads/controllers/deployment/#pausing-and-resuming-a-deployment"},
    {"budget_blocks_eviction", "rollout", 860, SEVERITY_WARNING, false,
     "Closed gates use up the disruption budget", K8S "tasks/run-application/configure-pdb/"},
    {"autoscaler_waits", "rollout", 870, SEVERITY_INFO, false,
     "Autoscaler ignores pods that are not ready",
     K8S "concepts/workloads/autoscaling/horizontal-pod-autoscale/"},
    {"data_stale", "source", 924, SEVERITY_WARNING, false, "Data is old", ""},
    {"kubernetes_unreachable", "source", 920, SEVERITY_WARNING, false,
     "Kubernetes cannot be reached", ""},
    {"kubernetes_denied", "source", 926, SEVERITY_WARNING, false, "Kubernetes denies a read",
     K8S "reference/access-authn-authz/rbac/"},
    {"aws_denied", "source", 930, SEVERITY_WARNING, false, "AWS denies a read",
     "https://docs.aws.amazon.com/service-authorization/latest/reference/"
     "list_awselasticloadbalancingv2.html"},
    {"aws_throttled", "source", 932, SEVERITY_INFO, false, "AWS throttles our reads",
     "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html"},
    {"aws_unreachable", "source", 928, SEVERITY_WARNING, false, "AWS cannot be reached", ""},
    {"unexplained", "source", 990, SEVERITY_WARNING, false, "No cause found", ""},
};
enum { CAUSES = sizeof causes / sizeof causes[0] };

/* Row numbers by code, for the search. */
static const unsigned char sorted[CAUSES] = {
    54, 75, 79, 80, 81, 61, 39, 62, 8,  74, 3,  67, 32, 30, 35, 29, 27, 33, 31, 4,  76,
    37, 38, 70, 34, 49, 22, 23, 21, 20, 19, 17, 15, 18, 16, 14, 26, 24, 13, 50, 52, 53,
    51, 60, 2,  5,  48, 28, 78, 77, 69, 63, 45, 0,  25, 7,  6,  71, 42, 36, 46, 41, 47,
    72, 73, 44, 68, 65, 43, 55, 66, 58, 57, 59, 40, 64, 56, 82, 1,  12, 9,  11, 10};

static int by_code(const void *key, const void *item)
{
    return strcmp(key, causes[*(const unsigned char *)item].code);
}

const struct cause *cause_get(const char *code)
{
    const unsigned char *row = bsearch(code, sorted, CAUSES, sizeof sorted[0], by_code);
    return row != NULL ? &causes[*row] : NULL;
}

const char *cause_title(const char *code)
{
    const struct cause *c = cause_get(code);
    return c != NULL ? c->title : code;
}

const struct cause *cause_all(unsigned *ret_n)
{
    *ret_n = CAUSES;
    return causes;
}
