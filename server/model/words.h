/* clang-format off */
/*
 * The words of the product as enums with names: pod and rollout states, pace, severity, confidence,
 * gate families. One list each; code, API, UI, metrics and docs use exactly these names. Stored as
 * integers, so items are only ever appended.
 *
 * Glossary
 *   gate          one entry of a pod's spec.readinessGates: open (condition True), closed, absent
 *                 (no condition)
 *   binding       a TargetGroupBinding of either API group
 *   target        one (target group, address or instance id, port) in ELBv2
 *   workload      Deployment, StatefulSet, DaemonSet, Argo Rollout, bare ReplicaSet, other owner, or
 *                 Pod
 *   rollout       one workload on its way to one revision
 *   three truths  what kubelet says, what the gate says, what ELBv2 says
 *   exposed       Kubernetes calls the pod ready, but the load balancer is not known to serve it
 *   pace          on_time, slow (past the usual time), stuck (past the limit)
 *   cause         a code of the catalogue with evidence, severity and next action
 */
/* clang-format on */
#ifndef GATEHOUSE_MODEL_WORDS_H
#define GATEHOUSE_MODEL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define POD_STATES(X)                                                                              \
    X(STARTING, "starting")       /* containers not ready */                                       \
    X(REGISTERING, "registering") /* containers ready; gate absent or RegistrationInProgress */    \
    X(CHECKING, "checking")       /* initial health checks */                                      \
    X(FAILING, "failing") /* target unhealthy, unused or unavailable; or gate cannot open */       \
    X(SERVING, "serving")                                                                          \
    X(EXPOSED, "exposed")                                                                          \
    X(DRAINING, "draining") /* being deleted */                                                    \
    X(UNKNOWN, "unknown")   /* sources stale */                                                    \
    X(FINISHED, "finished") /* Succeeded, Failed or of a Job: not counted anywhere */

#define ROLLOUT_STATES(X)                                                                          \
    X(PROGRESSING, "progressing")                                                                  \
    X(SLOW, "slow")                                                                                \
    X(STUCK, "stuck")                                                                              \
    X(FAILED, "failed")                                                                            \
    X(SERVING, "serving")                                                                          \
    X(EXPOSED, "exposed")                                                                          \
    X(PAUSED, "paused")                                                                            \
    X(SUPERSEDED, "superseded") /* past revisions only */                                          \
    X(NOT_GATED, "not_gated")                                                                      \
    X(IDLE, "idle")                                                                                \
    X(UNKNOWN, "unknown")

#define PACES(X)       X(ON_TIME, "on_time") X(SLOW, "slow") X(STUCK, "stuck")
#define SEVERITIES(X)  X(INFO, "info") X(WARNING, "warning") X(ERROR, "error")
#define CONFIDENCES(X) X(CERTAIN, "certain") X(LIKELY, "likely")
#define TRUTHS(X)      X(UNKNOWN, "unknown") X(YES, "yes") X(NO, "no")

/* X(suffix, name, conditionType prefix, is it one of AWS's target-health families) */
#define GATE_FAMILIES(X)                                                                           \
    X(AWS_LBC, "aws-lbc", "target-health.elbv2.k8s.aws/", true)                                    \
    X(EKS_AUTO, "eks-auto", "target-health.eks.amazonaws.com/", true)                              \
    X(AWS_ALB_V1, "aws-alb-v1", "target-health.alb.ingress.k8s.aws/", true)                        \
    X(VPC_LATTICE, "vpc-lattice", "application-networking.k8s.aws/pod-readiness-gate", false)      \
    X(GKE_NEG, "gke-neg", "cloud.google.com/load-balancer-neg-ready", false)                       \
    X(GENERIC, "generic", "", false)                                                               \
    X(CONFIGURED, "configured", "", false) /* named by configuration, not by this list */

#define GATE_STATUSES(X) X(ABSENT, "absent") X(CLOSED, "closed") X(OPEN, "open")

/* X(suffix, name): pairs of truths that disagree */
#define CONTRADICTIONS(X)                                                                          \
    X(NONE, "")                                                                                    \
    X(OPEN_BUT_UNHEALTHY, "open_but_unhealthy")                                                    \
    X(HEALTHY_BUT_CLOSED, "healthy_but_closed")                                                    \
    X(READY_BUT_NOT_REGISTERED, "ready_but_not_registered")                                        \
    X(DRAINING_BUT_NOT_TERMINATING, "draining_but_not_terminating")                                \
    X(FAIL_OPEN, "fail_open")

#define ENUM_ITEM(prefix, suffix) prefix##_##suffix,
#define X(s, n)                   ENUM_ITEM(POD, s)
enum pod_state { POD_STATES(X) POD_STATE_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(ROLLOUT, s)
enum rollout_state { ROLLOUT_STATES(X) ROLLOUT_STATE_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(PACE, s)
enum pace { PACES(X) PACE_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(SEVERITY, s)
enum severity { SEVERITIES(X) SEVERITY_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(CONFIDENCE, s)
enum confidence { CONFIDENCES(X) CONFIDENCE_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(TRUTH, s)
enum truth { TRUTHS(X) TRUTH_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(GATE, s)
enum gate_status { GATE_STATUSES(X) GATE_STATUS_COUNT };
#undef X
#define X(s, n) ENUM_ITEM(CONTRADICTION, s)
enum contradiction { CONTRADICTIONS(X) CONTRADICTION_COUNT };
#undef X
#define X(s, n, p, a) ENUM_ITEM(FAMILY, s)
enum gate_family { GATE_FAMILIES(X) FAMILY_COUNT };
#undef X
#undef ENUM_ITEM

const char *pod_state_name(enum pod_state v);
const char *rollout_state_name(enum rollout_state v);
const char *pace_name(enum pace v);
const char *severity_name(enum severity v);
const char *confidence_name(enum confidence v);
const char *truth_name(enum truth v);
const char *gate_status_name(enum gate_status v);
const char *contradiction_name(enum contradiction v);
const char *gate_family_name(enum gate_family v);

bool rollout_state_parse(const char *name, enum rollout_state *ret);
bool pod_state_parse(const char *name, enum pod_state *ret);

/* Order of lists, worst first: failed 0, stuck, exposed, slow, unknown, progressing, paused,
 * serving, not_gated, idle. */
int rollout_state_rank(enum rollout_state v);

/* The family of a condition type by the built-in prefixes, else generic. */
enum gate_family gate_family_of(const char *condition_type);
/* The same with families of the configuration after the built-in ones: each "NAME=PREFIX", the list
 * NULL-ended or NULL. ret_name (may be NULL) becomes the NAME of a configured one, ret_len bytes of
 * it, borrowed from the list; untouched otherwise. */
enum gate_family gate_family_in(const char *condition_type, const char *const *configured,
                                const char **ret_name, size_t *ret_len);
/* The binding name inside a v2 family's condition type ("" for other families). Borrowed from the
 * argument. */
const char *gate_binding_name(const char *condition_type);

#endif
