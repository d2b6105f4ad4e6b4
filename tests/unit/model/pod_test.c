/* One pod in all the ways it may stand: its state, the three truths, and where they disagree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/build.h"

#define NOTHING "-" /* in `elb`: the group answers, and does not have the target */

struct row {
    const char *name;
    const char *gate;   /* condition type; NULL = the pod has no gate */
    const char *status; /* of its condition; NULL = absent */
    const char *reason;
    const char *message;
    const char *elb; /* target state; NULL = the group does not answer */
    const char *elb_reason;
    const char *type;  /* of the binding; NULL = no binding */
    const char *ready; /* kubelet's Ready; NULL = by kubelet's rule */
    bool containers;
    bool no_service;
    bool moved; /* the Service selects other pods */
    bool no_port;
    bool gone;       /* the target group does not exist */
    bool poll_newer; /* ELBv2 was asked after the gate changed */
    enum pod_state state;
    enum truth kubelet, gate_truth, elb_truth;
    enum contradiction contradiction;
    bool missing;
};

#define G       LBC "web"
#define U       TRUTH_UNKNOWN
#define Y       TRUTH_YES
#define F       TRUTH_NO
#define REG     "Elb.RegistrationInProgress"
#define INI     "Elb.InitialHealthChecking"
#define DELETED "Target Group Binding is deleted"

/* clang-format off */
static const struct row rows[] = {
    {"containers not ready", .gate = G, .type = "ip",
     .state = POD_STARTING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"gate open before its containers are ready (publishNotReadyAddresses)", .gate = G, .status = "True", .type = "ip",
     .elb = "healthy",
     .state = POD_STARTING, .kubelet = F, .gate_truth = Y, .elb_truth = Y},
    {"gate absent, ELBv2 silent", .gate = G, .containers = true, .type = "ip",
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"registration in progress, ELBv2 silent", .gate = G, .status = "False", .reason = REG, .containers = true, .type = "ip",
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"initial checks, ELBv2 silent", .gate = G, .status = "False", .reason = INI, .containers = true, .type = "ip",
     .state = POD_CHECKING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"mismatch, ELBv2 silent", .gate = G, .status = "False", .reason = "Target.ResponseCodeMismatch", .containers = true, .type = "ip",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"internal error, ELBv2 silent", .gate = G, .status = "False", .reason = "Elb.InternalError", .containers = true, .type = "ip",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"condition Unknown is closed", .gate = G, .status = "Unknown", .reason = "", .containers = true, .type = "ip",
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"the gate says registering, ELBv2 says checks", .gate = G, .status = "False", .reason = REG, .containers = true, .type = "ip",
     .elb = "initial", .elb_reason = INI,
     .state = POD_CHECKING, .kubelet = F, .gate_truth = F, .elb_truth = F},
    {"the gate says registering, ELBv2 says unhealthy", .gate = G, .status = "False", .reason = REG, .containers = true, .type = "ip",
     .elb = "unhealthy", .elb_reason = "Target.Timeout",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = F, .contradiction = CONTRADICTION_FAIL_OPEN},
    {"the gate says registering for ever, ELBv2 does not know it (step 72)", .gate = G, .status = "False", .reason = REG, .containers = true,
     .type = "ip", .elb = "unused", .elb_reason = "Target.NotRegistered",
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = F},
    {"the gate says registering, the target drains (step 72)", .gate = G, .status = "False", .reason = REG, .containers = true,
     .type = "ip", .elb = "draining", .elb_reason = "Target.DeregistrationInProgress",
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = F,
     .contradiction = CONTRADICTION_DRAINING_BUT_NOT_TERMINATING},
    {"not in use", .gate = G, .status = "False", .reason = "Target.NotInUse", .containers = true, .type = "ip",
     .elb = "unused", .elb_reason = "Target.NotInUse",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = F},
    {"unavailable", .gate = G, .status = "False", .reason = "Target.HealthCheckDisabled", .containers = true, .type = "ip",
     .elb = "unavailable", .elb_reason = "Target.HealthCheckDisabled",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = F},
    {"not registered yet", .gate = G, .containers = true, .type = "ip", .elb = NOTHING,
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = F},
    {"healthy, the controller may not patch (step 64)", .gate = G, .containers = true, .type = "ip", .elb = "healthy",
     .state = POD_CHECKING, .kubelet = F, .gate_truth = F, .elb_truth = Y, .contradiction = CONTRADICTION_HEALTHY_BUT_CLOSED},
    {"healthy, the gate closed still", .gate = G, .status = "False", .reason = INI, .containers = true, .type = "ip", .elb = "healthy",
     .state = POD_CHECKING, .kubelet = F, .gate_truth = F, .elb_truth = Y, .contradiction = CONTRADICTION_HEALTHY_BUT_CLOSED},
    {"target group gone", .gate = G, .status = "False", .reason = REG, .containers = true, .type = "ip", .gone = true,
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = F},

    {"serving", .gate = G, .status = "True", .containers = true, .type = "ip", .elb = "healthy",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = Y},
    {"True with the old reason left over (step 33)", .gate = G, .status = "True", .reason = REG, .containers = true, .type = "ip",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"gate decides while ELBv2 is silent", .gate = G, .status = "True", .containers = true, .type = "ip",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"all open, kubelet has not said so yet", .gate = G, .status = "True", .containers = true, .type = "ip", .elb = "healthy",
     .ready = "False",
     .state = POD_CHECKING, .kubelet = F, .gate_truth = Y, .elb_truth = Y},
    {"unhealthy after open (step 13)", .gate = G, .status = "True", .containers = true, .type = "ip",
     .elb = "unhealthy", .elb_reason = "Target.Timeout", .poll_newer = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = F, .contradiction = CONTRADICTION_OPEN_BUT_UNHEALTHY},
    {"deregistered while serving (step 70)", .gate = G, .status = "True", .containers = true, .type = "ip", .elb = NOTHING,
     .poll_newer = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = F, .contradiction = CONTRADICTION_READY_BUT_NOT_REGISTERED},
    {"the gate opened after our last poll", .gate = G, .status = "True", .containers = true, .type = "ip",
     .elb = "initial", .elb_reason = INI,
     .state = POD_CHECKING, .kubelet = Y, .gate_truth = Y, .elb_truth = F, .contradiction = CONTRADICTION_OPEN_BUT_UNHEALTHY},
    {"forced open: the Service is gone (step 42)", .gate = G, .status = "True", .message = DELETED, .containers = true, .type = "ip",
     .no_service = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"the Service is gone, the controller has not noticed, targets are healthy", .gate = G, .status = "True", .containers = true,
     .type = "ip", .no_service = true, .elb = "healthy",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = Y},
    {"the Service is gone and nothing else is known", .gate = G, .status = "True", .containers = true, .type = "ip", .no_service = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"forced open: the port never existed (step 49)", .gate = G, .status = "True", .message = DELETED, .containers = true, .type = "ip",
     .no_port = true, .elb = NOTHING,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = F, .contradiction = CONTRADICTION_READY_BUT_NOT_REGISTERED},
    {"forced open: the binding is deleted (step 45)", .gate = G, .status = "True", .message = DELETED, .containers = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"binding deleted, gate never written", .gate = G, .containers = true,
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"frozen True: the selector moved away (step 48)", .gate = G, .status = "True", .containers = true, .type = "ip", .moved = true,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"frozen True, and ELBv2 does not have it", .gate = G, .status = "True", .containers = true, .type = "ip", .moved = true,
     .elb = NOTHING,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = F},
    {"forced open, all is back, the controller has not come round", .gate = G, .status = "True", .message = DELETED,
     .containers = true, .type = "ip",
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"frozen False (step 40)", .gate = G, .status = "False", .reason = REG, .containers = true, .type = "ip", .moved = true,
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"a gate made by hand for an instance binding", .gate = G, .containers = true, .type = "instance",
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},

    {"no gate, ELBv2 silent", .containers = true, .type = "ip",
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = U, .elb_truth = U, .missing = true},
    {"no gate, healthy", .containers = true, .type = "ip", .elb = "healthy",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = U, .elb_truth = Y, .missing = true},
    {"no gate, registering", .containers = true, .type = "ip", .elb = "initial", .elb_reason = REG,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = U, .elb_truth = F, .missing = true},
    {"no gate, not registered", .containers = true, .type = "ip", .elb = NOTHING,
     .state = POD_EXPOSED, .kubelet = Y, .gate_truth = U, .elb_truth = F, .missing = true,
     .contradiction = CONTRADICTION_READY_BUT_NOT_REGISTERED},
    {"no gate, not ready: not missing yet", .type = "ip",
     .state = POD_STARTING, .kubelet = F, .gate_truth = U, .elb_truth = U},
    {"instance bindings have no gates (step 35)", .containers = true, .type = "instance",
     .state = POD_SERVING, .kubelet = Y, .gate_truth = U, .elb_truth = U},
    {"no binding at all", .containers = true,
     .state = POD_SERVING, .kubelet = Y, .gate_truth = U, .elb_truth = U},
    {"a binding of other pods", .containers = true, .type = "ip", .moved = true,
     .state = POD_SERVING, .kubelet = Y, .gate_truth = U, .elb_truth = U},

    {"v1 gate beside a v2 controller", .gate = V1 "a_b_80", .containers = true,
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"Lattice, not there yet", .gate = "application-networking.k8s.aws/pod-readiness-gate", .containers = true,
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"Lattice initial", .gate = "application-networking.k8s.aws/pod-readiness-gate", .status = "False", .reason = "Initial",
     .containers = true,
     .state = POD_CHECKING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"Lattice unhealthy", .gate = "application-networking.k8s.aws/pod-readiness-gate", .status = "False", .reason = "Unhealthy",
     .containers = true,
     .state = POD_FAILING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"GKE pending: status left empty", .gate = "cloud.google.com/load-balancer-neg-ready", .status = "",
     .reason = "LoadBalancerNegNotReady", .containers = true,
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"GKE open", .gate = "cloud.google.com/load-balancer-neg-ready", .status = "True", .reason = "LoadBalancerNegReady",
     .containers = true,
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
    {"any other gate, closed", .gate = "kapacity.traas.io/online", .status = "False", .containers = true,
     .state = POD_REGISTERING, .kubelet = F, .gate_truth = F, .elb_truth = U},
    {"any other gate, open", .gate = "kapacity.traas.io/online", .status = "True", .containers = true,
     .state = POD_SERVING, .kubelet = Y, .gate_truth = Y, .elb_truth = U},
};
/* clang-format on */

static struct facts_binding *make_binding(struct lab *l, const struct row *r)
{
    if (r->type == NULL) {
        return NULL;
    }
    if (!r->no_service) {
        (void)lab_service(l, "web", "app", r->moved ? "other" : "web", 80, "8080");
    }
    struct facts_binding *b = lab_binding(l, "web", "web", r->no_port ? "81" : "80", r->type);
    b->group->gone = r->gone;
    return b;
}

static void make_elb(struct lab *l, const struct row *r, struct facts_binding *b,
                     struct kube_pod *p)
{
    if (r->elb == NULL) {
        return;
    }
    if (strcmp(r->elb, NOTHING) == 0) {
        lab_group_known(l, b);
        return;
    }
    (void)lab_target(l, b, p, 8080, r->elb, r->elb_reason != NULL ? r->elb_reason : "");
}

static void check(const struct row *r)
{
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    struct facts_binding *b = make_binding(l, r);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    if (r->gate != NULL) {
        lab_gate(l, p, r->gate);
    }
    if (!r->poll_newer) {
        make_elb(l, r, b, p);
    }
    lab_clock(l, 2);
    lab_containers_ready(l, p, r->containers);
    if (r->status != NULL) {
        (void)lab_condition(l, p, r->gate, r->status, r->reason != NULL ? r->reason : "",
                            r->message != NULL ? r->message : "");
        lab_kubelet(l, p);
    }
    if (r->ready != NULL) {
        (void)lab_condition(l, p, "Ready", r->ready, "", "");
    }
    lab_clock(l, 6);
    if (r->poll_newer) {
        make_elb(l, r, b, p);
    }
    (void)lab_judge(l);
    const struct pod_verdict *v = lab_pod_verdict(l, 0);
    if (v->state != r->state || v->kubelet != r->kubelet || v->gate != r->gate_truth ||
        v->elb != r->elb_truth || v->contradiction != r->contradiction ||
        v->gate_missing != r->missing) {
        fail_msg("%s: %s, kubelet %s, gate %s, elb %s, %s%s", r->name, pod_state_name(v->state),
                 truth_name(v->kubelet), truth_name(v->gate), truth_name(v->elb),
                 contradiction_name(v->contradiction), v->gate_missing ? ", gate missing" : "");
    }
    lab_free(l);
}

static void each_row_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check(&rows[i]);
    }
}

static void lifecycle_before_gates(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 3);
    struct kube_pod *deleted = lab_pod(l, "web-1", "hash1");
    struct kube_pod *evicted = lab_pod(l, "web-2", "hash1");
    struct kube_pod *lost = lab_pod(l, "web-3", "hash1");
    struct kube_pod *job = lab_pod(l, "web-4", "");
    lab_containers_ready(l, deleted, true);
    lab_delete(l, deleted);
    evicted->phase = "Failed";
    l->nodes[0] = (struct facts_node){"node-9", "Unknown", ""};
    l->cluster.nodes = (struct list){l->nodes, 1};
    lost->node = "node-9";
    struct owner *o = lab_item(l, &job->meta.owners, sizeof *o);
    *o = (struct owner){"batch/v1", "Job", "job", "uid-job", 1};
    const struct rollout_verdict *v = lab_judge(l);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_DRAINING);
    assert_int_equal(lab_pod_verdict(l, 1)->state, POD_FINISHED);
    assert_int_equal(lab_pod_verdict(l, 2)->state, POD_UNKNOWN);
    assert_int_equal(lab_pod_verdict(l, 3)->state, POD_FINISHED);
    assert_int_equal(v->updated, 1);
    assert_int_equal(v->by_state[POD_UNKNOWN], 1);
    assert_int_equal(v->by_state[POD_DRAINING] + v->by_state[POD_FINISHED], 0);
    lab_free(l);
}

static struct kube_pod *two_bindings(struct lab *l, struct facts_binding **ret_a,
                                     struct facts_binding **ret_b)
{
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "http");
    struct kube_service *s = lab_service(l, "admin", "app", "web", 90, "9090");
    s->ports = (struct list){0};
    struct service_port *sp = lab_item(l, &s->ports, sizeof *sp);
    *sp = (struct service_port){"admin", "TCP", 90, "9090", 0};
    *ret_a = lab_binding(l, "web", "web", "http", "ip");
    *ret_b = lab_binding(l, "admin", "admin", "admin", "ip");
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    lab_gate(l, p, LBC "admin");
    lab_gate(l, p, LBC "web"); /* a pod may carry one twice */
    lab_containers_ready(l, p, true);
    return p;
}

static void all_bindings_must_agree(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *a = NULL;
    struct facts_binding *b = NULL;
    struct kube_pod *p = two_bindings(l, &a, &b);
    lab_gate_set(l, p, LBC "web", "True", "");
    lab_gate_set(l, p, LBC "admin", "False", REG);
    lab_clock(l, 1);
    (void)lab_target(l, a, p, 8080, "healthy", "");
    (void)lab_target(l, b, p, 9090, "initial", REG);
    const struct rollout_verdict *v = lab_judge(l);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_REGISTERING);
    assert_int_equal(lab_pod_verdict(l, 0)->elb, TRUTH_NO);
    assert_int_equal(v->gates_total, 2);
    assert_int_equal(v->gates_open, 1);
    assert_int_equal(v->gates_closed, 1);
    assert_int_equal(lab_pod_verdict(l, 0)->targets.n, 2);
    const struct pod_target *t = LIST_AT(struct pod_target, lab_pod_verdict(l, 0)->targets, 0);
    assert_int_equal(t->port, 8080); /* by the name of the container's port */
    assert_non_null(t->target);

    lab_gate_set(l, p, LBC "admin", "True", "");
    lab_clock(l, 6);
    (void)lab_target(l, b, p, 9090, "healthy", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    (void)lab_target(l, b, p, 9090, "unhealthy", "Target.Timeout");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);

    /* A gate of the other binding only: the pod is half gated. */
    p->gates.n = 1;
    (void)lab_target(l, b, p, 9090, "healthy", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_true(lab_pod_verdict(l, 0)->gate_missing);
    b->group->known = false;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    assert_int_equal(lab_pod_verdict(l, 0)->elb, TRUTH_UNKNOWN); /* one is healthy, one silent */
    lab_free(l);
}

static void pods_of_one_rollout_may_differ_in_their_labels(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 3);
    (void)lab_service(l, "web", "role", "front", 80, "8080");
    (void)lab_binding(l, "web", "web", "80", "ip");
    for (int i = 0; i < 3; i++) {
        struct kube_pod *p = lab_pod(l, arena_printf(l->a, "web-%d", i), "hash1");
        lab_kv(l, &p->meta.labels, "role", i == 1 ? "back" : "front");
        lab_containers_ready(l, p, true);
    }
    (void)lab_judge(l);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_EXPOSED);
    assert_int_equal(lab_pod_verdict(l, 1)->state, POD_SERVING);
    assert_int_equal(lab_pod_verdict(l, 2)->state, POD_EXPOSED);
    assert_int_equal(lab_pod_verdict(l, 1)->targets.n, 0);
    lab_free(l);
}

static void a_frozen_gate_beside_a_serving_one_does_not_matter(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *a = NULL;
    struct facts_binding *b = NULL;
    struct kube_pod *p = two_bindings(l, &a, &b);
    lab_gate_set(l, p, LBC "web", "True", "");
    lab_gate_set(l, p, LBC "admin", "True", "");
    l->services[1].selector = (struct kvs){0};
    lab_kv(l, &l->services[1].selector, "app", "elsewhere");
    lab_clock(l, 1);
    (void)lab_target(l, a, p, 8080, "healthy", "");
    lab_group_known(l, b);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_int_equal(lab_pod_verdict(l, 0)->elb, TRUTH_YES);
    assert_int_equal(lab_pod_verdict(l, 0)->contradiction, CONTRADICTION_NONE);
    lab_free(l);
}

/* Conditions carry whole seconds, and answers are dated when they are applied. */
static void an_answer_of_the_same_moment_does_not_contradict_the_gate(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", REG);
    (void)lab_target(l, b, p, 8080, "initial", REG);
    lab_step(l, 10);
    lab_gate_set(l, p, LBC "web", "True", "");
    lab_clock(l, 4);
    (void)lab_target(l, b, p, 8080, "initial", REG);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_CHECKING);
    lab_after(l, 1);
    (void)lab_target(l, b, p, 8080, "initial", REG);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    lab_free(l);
}

static void the_poll_that_never_confirms_is_believed_after_four_rechecks(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    (void)lab_target(l, b, p, 8080, "initial", INI);
    lab_containers_ready(l, p, true);
    lab_step(l, 10);
    lab_gate_set(l, p, LBC "web", "True", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_CHECKING);
    assert_int_equal(l->v.next_look, l->f.now + 60000);
    lab_after(l, 60);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    lab_free(l);
}

static void a_group_whose_source_fails_is_believed_for_a_while(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    struct kube_pod *p = lab_pod(l, "web-1", "hash1"); /* no gate: ELBv2's word alone decides */
    lab_containers_ready(l, p, true);
    (void)lab_target(l, b, p, 8080, "healthy", "");
    lab_step(l, 3600); /* idle groups are asked rarely */
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    for (int i = 0; i < 2; i++) {
        b->group->observed_at = l->f.now;
        int64_t asked = l->f.now;
        b->group->error = i == 0 ? "AccessDenied" : "";
        l->cluster.aws_known = i == 0;
        assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
        assert_int_equal(l->v.next_look, asked + 90000);
        lab_after(l, 90);
        assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
        assert_int_equal(lab_pod_verdict(l, 0)->elb, TRUTH_UNKNOWN);
        l->cluster.started_at = l->f.now; /* a fresh process has not asked yet */
        assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
        lab_remember(l);
    }
    lab_free(l);
}

static void addresses_are_compared_as_addresses(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    ((struct kube_binding *)(uintptr_t)b->binding)->ip_address_type = "ipv6";
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_str(l, &p->ips, "2001:db8:0:0::1");
    lab_gate(l, p, LBC "web");
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    lab_clock(l, 6);
    struct facts_target *t = lab_target(l, b, p, 8080, "healthy", "");
    t->t.id = "2001:0db8::0001";
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_ptr_equal(LIST_AT(struct pod_target, lab_pod_verdict(l, 0)->targets, 0)->target, t);
    t->t.port = 8081; /* an address may stand on two ports */
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    t->t.port = 8080;
    t->t.id = "not an address";
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    lab_free(l);
}

static void both_binding_families_stand_side_by_side(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    l->cluster.has_auto = true;
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *lbc = lab_binding(l, "web", "web", "80", "ip");
    struct facts_binding *aut = lab_binding(l, "web", "web", "80", "ip");
    ((struct kube_binding *)(uintptr_t)aut->binding)->meta.kind = KIND_BINDING_AUTO;
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, AUTO_GATE "web");
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, AUTO_GATE "web", "True", "");
    lab_clock(l, 1);
    (void)lab_target(l, aut, p, 8080, "healthy", "");
    (void)lab_target(l, lbc, p, 8080, "healthy", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_true(lab_pod_verdict(l, 0)->gate_missing); /* of the open-source controller's binding */
    const struct gate_verdict *g = LIST_AT(struct gate_verdict, lab_pod_verdict(l, 0)->gates, 0);
    assert_int_equal(g->family, FAMILY_EKS_AUTO);
    assert_string_equal(g->binding, "web");
    lbc->service = NULL; /* the gate is the other one's: nothing is missing or frozen */
    (void)lab_target(l, lbc, p, 8080, "unhealthy", "Target.Timeout");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_false(lab_pod_verdict(l, 0)->gate_missing);
    lab_free(l);
}

static void gates_of_unreadable_bindings_decide(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    l->cluster.denied_kinds = "targetgroupbindings";
    (void)lab_deployment(l, "web", 1);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", INI);
    (void)lab_judge(l);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_CHECKING);
    lab_gate_set(l, p, LBC "web", "True", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    lab_free(l);
}

static void an_endless_list_of_gates_is_cut(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    for (int i = 0; i < 500; i++) {
        lab_gate(l, p, arena_printf(l->a, "example.org/g%d", i));
    }
    assert_int_equal(lab_judge(l)->gates_total, 64);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table),
        cmocka_unit_test(lifecycle_before_gates),
        cmocka_unit_test(all_bindings_must_agree),
        cmocka_unit_test(pods_of_one_rollout_may_differ_in_their_labels),
        cmocka_unit_test(a_frozen_gate_beside_a_serving_one_does_not_matter),
        cmocka_unit_test(an_answer_of_the_same_moment_does_not_contradict_the_gate),
        cmocka_unit_test(the_poll_that_never_confirms_is_believed_after_four_rechecks),
        cmocka_unit_test(a_group_whose_source_fails_is_believed_for_a_while),
        cmocka_unit_test(addresses_are_compared_as_addresses),
        cmocka_unit_test(both_binding_families_stand_side_by_side),
        cmocka_unit_test(gates_of_unreadable_bindings_decide),
        cmocka_unit_test(an_endless_list_of_gates_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
