/* Not at the gate yet: what a pod that starts, or cannot be made, says. */
#include "unit/model/cause_case.h"

static struct container_status *status_of(struct lab *l, int pod)
{
    return (struct container_status *)(uintptr_t)l->pods[pod]->statuses.items;
}

static void waits(struct lab *l, const char *reason, const char *message)
{
    for (int i = 0; i < 2; i++) {
        struct container_status *c = status_of(l, i);
        c->is_running = 0;
        c->is_waiting = 1;
        c->waiting_reason = reason;
        c->waiting_message = message;
    }
}

static void boots(struct lab *l)
{
    (void)l;
}
static void no_node(struct lab *l)
{
    (void)lab_condition(l, l->pods[0], "PodScheduled", "False", "Unschedulable",
                        "0/3 nodes are available: 3 Insufficient cpu.");
}
static void no_node_for_long(struct lab *l)
{
    no_node(l);
    shop_after(l, 700);
}
static void bad_image(struct lab *l)
{
    waits(l, "ImagePullBackOff", "Back-off pulling image");
}
static void bad_image_name(struct lab *l)
{
    waits(l, "InvalidImageName", "couldn't parse image name");
}
static void crashes(struct lab *l)
{
    waits(l, "CrashLoopBackOff", "back-off 10s restarting failed container");
    status_of(l, 0)->restarts = 1;
    status_of(l, 0)->last_exit_code = 1;
    status_of(l, 0)->last_reason = "Error";
}
static void crashes_on(struct lab *l)
{
    crashes(l);
    status_of(l, 0)->restarts = 5;
}
static void between_crashes(struct lab *l)
{
    status_of(l, 0)->restarts = 2;
    status_of(l, 0)->last_finished_at = l->f.now - 20000;
    status_of(l, 0)->last_reason = "OOMKilled";
}
static void one_restart_long_ago(struct lab *l)
{
    status_of(l, 0)->restarts = 1;
    status_of(l, 0)->last_finished_at = l->f.now - 3600000;
}
static void init_container(struct lab *l, const char *reason)
{
    waits(l, "PodInitializing", "");
    (void)lab_condition(l, l->pods[0], "Initialized", "False", "ContainersNotInitialized", "");
    struct container_status *c = lab_item(l, &l->pods[0]->init_statuses, sizeof *c);
    *c = *status_of(l, 0);
    c->name = "migrate";
    c->waiting_reason = reason;
    c->is_waiting = reason[0] != '\0';
    c->is_running = reason[0] == '\0';
}
static void init_runs(struct lab *l)
{
    init_container(l, "");
}
static void init_crashes(struct lab *l)
{
    init_container(l, "CrashLoopBackOff");
}
static void sidecar_runs(struct lab *l)
{
    init_container(l, "");
    (void)lab_condition(l, l->pods[0], "Initialized", "True", "", "");
}
static void probe_fails(struct lab *l)
{
    (void)lab_event(l, "Pod", "web-1", "Unhealthy",
                    "Readiness probe failed: HTTP probe failed with statuscode: 503");
}
static void probe_fails_for_long(struct lab *l)
{
    shop_after(l, 400);
    probe_fails(l);
}
static void not_ready_for_long(struct lab *l)
{
    shop_after(l, 700);
}
static void config_error(struct lab *l)
{
    waits(l, "CreateContainerConfigError", "secret \"web\" not found");
    shop_after(l, 700);
}

static const struct scene_case starting[] = {
    {.name = "containers start", .scene = boots},
    {.name = "no node yet",
     .scene = no_node,
     .code = "unschedulable",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "Insufficient cpu"},
    {.name = "no node for long",
     .scene = no_node_for_long,
     .code = "unschedulable",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "image",
     .scene = bad_image,
     .code = "image_pull",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "example.org/app:1"},
    {.name = "image name",
     .scene = bad_image_name,
     .code = "image_pull",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "one crash",
     .scene = crashes,
     .code = "crash_loop",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "kubectl -n shop logs web-1 -c app --previous"},
    {.name = "many crashes",
     .scene = crashes_on,
     .code = "crash_loop",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "between two crashes",
     .scene = between_crashes,
     .code = "crash_loop",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "OOMKilled"},
    {.name = "an old restart", .scene = one_restart_long_ago, .never = "crash_loop"},
    {.name = "init container",
     .scene = init_runs,
     .code = "init_running",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "migrate"},
    {.name = "init container crashes",
     .scene = init_crashes,
     .code = "crash_loop",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "side-car", .scene = sidecar_runs, .never = "init_running"},
    {.name = "probe",
     .scene = probe_fails,
     .code = "probe_failing",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "statuscode: 503"},
    {.name = "probe for long",
     .scene = probe_fails_for_long,
     .code = "probe_failing",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "not ready for long",
     .scene = not_ready_for_long,
     .code = "probe_failing",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "config error",
     .scene = config_error,
     .code = "container_not_created",
     .primary = true,
     .severity = SEVERITY_ERROR},
};

static void pods_that_start(void **state)
{
    (void)state;
    HOLD_CASES(starting);
}

/* ---- pods that cannot be made ---- */

static struct kube_workload *replicaset(struct lab *l)
{
    return (struct kube_workload *)(uintptr_t)l->revisions[0].replicaset;
}

static void refused(struct lab *l, const char *message, int64_t ago_s)
{
    l->f.pods.n = 0;
    struct condition *c = lab_item(l, &replicaset(l)->conditions, sizeof *c);
    *c = (struct condition){.type = "ReplicaFailure",
                            .status = "True",
                            .reason = "FailedCreate",
                            .message = message,
                            .transition_at = l->f.now - ago_s * 1000};
}

#define CALL                                                                                       \
    "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to call "      \
    "webhook: Post "                                                                               \
    "\"https://aws-load-balancer-webhook-service.kube-system.svc:443/mutate-v1-pod?timeout=10s\":" \
    " "

static void quota(struct lab *l)
{
    refused(l, "pods \"web-1\" is forbidden: exceeded quota: pods", 5);
}
static void healed(struct lab *l)
{
    quota(l);
    ((struct condition *)(uintptr_t)replicaset(l)->conditions.items)->status = "False";
}
static void not_missing(struct lab *l)
{
    quota(l);
    l->f.pods.n = 2;
}
static void no_endpoints(struct lab *l)
{
    refused(l, CALL "no endpoints available for service \"aws-load-balancer-webhook-service\"", 90);
}
static void no_endpoints_yet(struct lab *l)
{
    refused(l, CALL "no endpoints available for service \"aws-load-balancer-webhook-service\"", 10);
}
static void locked_out(struct lab *l)
{
    no_endpoints(l);
    shop_hook(l)->failure_policy = "Fail";
    shop_hook(l)->object_selector = (struct selector){0};
    struct kube_namespace *ns = arena_array(l->a, struct kube_namespace, 1);
    *ns = l->ns_object;
    ns->meta.name = "kube-system";
    l->cluster.controller_namespaces = (struct list){ns, 1};
}
static void exempt(struct lab *l)
{
    locked_out(l);
    shop_hook(l)->object_selector.present = 1;
    struct selector_term *term = lab_item(l, &shop_hook(l)->object_selector.terms, sizeof *term);
    *term = (struct selector_term){.key = "app.kubernetes.io/name", .op = "NotIn"};
    lab_str(l, &term->values, "aws-load-balancer-controller");
}
static void connection_refused(struct lab *l)
{
    refused(l, CALL "dial tcp 10.0.0.1:9443: connect: connection refused", 90);
}
static void deadline_exceeded(struct lab *l)
{
    refused(l, CALL "context deadline exceeded", 90);
}
static void untrusted(struct lab *l)
{
    refused(l,
            CALL "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            90);
}
static void service_missing(struct lab *l)
{
    refused(l, CALL "service \"aws-load-balancer-webhook-service\" not found", 5);
}
static void unknown_config(struct lab *l)
{
    connection_refused(l);
    l->cluster.webhook_configs.n = 0;
}
static void denied_by_other(struct lab *l)
{
    refused(l,
            "Internal error occurred: failed calling webhook \"policy.example.org\": failed to "
            "call webhook: Post \"https://policy.default.svc\": context deadline exceeded",
            90);
}
static void long_name(struct lab *l)
{
    static const char name[] =
        "long-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    (void)lab_binding(l, name, "web", "80", "ip");
    refused(l,
            "Pod \"web-1\" is invalid: spec.readinessGates[0].conditionType: Invalid value: "
            "\"target-health.elbv2.k8s.aws/"
            "long-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\": name part "
            "must be no more than 63 bytes",
            5);
}
static void long_name_of_nobody(struct lab *l)
{
    long_name(l);
    l->ns.bindings.n = 1;
}
static void statefulset(struct lab *l)
{
    l->f.pods.n = 0;
    l->f.revisions.n = 0;
    (void)lab_workload(l, KIND_STATEFULSET, "web", 2);
    l->workload.update_revision = "web-1";
    (void)lab_event(l, "StatefulSet", "web", "FailedCreate",
                    "create Pod web-0 in StatefulSet web failed error: pods \"web-0\" is "
                    "forbidden: exceeded quota");
}

static const struct scene_case creating[] = {
    {.name = "quota",
     .scene = quota,
     .code = "pod_creation_refused",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "exceeded quota"},
    {.name = "quota, over", .scene = healed, .never = "pod_creation_refused"},
    {.name = "quota, nothing missing", .scene = not_missing, .never = "pod_creation_refused"},
    {.name = "no endpoints",
     .scene = no_endpoints,
     .code = "webhook_no_endpoints",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "kube-system/aws-load-balancer-webhook-service"},
    {.name = "no endpoints, a moment",
     .scene = no_endpoints_yet,
     .code = "webhook_no_endpoints",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "no endpoints, locked out",
     .scene = locked_out,
     .code = "webhook_no_endpoints",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "no endpoints, exempt",
     .scene = exempt,
     .code = "webhook_no_endpoints",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = false},
    {.name = "connection refused",
     .scene = connection_refused,
     .code = "webhook_unreachable",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "9443"},
    {.name = "deadline",
     .scene = deadline_exceeded,
     .code = "webhook_unreachable",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "x509",
     .scene = untrusted,
     .code = "webhook_certificate_untrusted",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "expired is made anew first"},
    {.name = "service missing",
     .scene = service_missing,
     .code = "webhook_service_missing",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "configuration not known",
     .scene = unknown_config,
     .code = "webhook_unreachable",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "another webhook",
     .scene = denied_by_other,
     .code = "pod_creation_refused",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "webhook_unreachable"},
    {.name = "long name",
     .scene = long_name,
     .code = "binding_name_too_long",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "long name, binding gone",
     .scene = long_name_of_nobody,
     .code = "pod_creation_refused",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "statefulset",
     .scene = statefulset,
     .code = "pod_creation_refused",
     .primary = true,
     .severity = SEVERITY_ERROR},
};

static void pods_that_cannot_be_made(void **state)
{
    (void)state;
    HOLD_CASES(creating);
}

static void a_terminal_refusal_fails_the_rollout(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    service_missing(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.state, ROLLOUT_FAILED);
    assert_true(l->v.terminal);
    lab_free(l);
}

static void pods_of_one_cause_share_a_finding(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    bad_image(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.findings.n, 1);
    assert_int_equal(l->v.primary->pods, 2);
    assert_string_equal(l->v.primary->object, "Deployment/web");
    assert_non_null(strstr(l->v.primary->message, "2 pods of Deployment web wait since"));
    lab_free(l);
}

static void old_pods_are_never_primary(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    bad_image(l);
    lab_new_revision(l, "hash2", 2);
    struct kube_pod *p = lab_pod(l, "web-3", "hash2");
    lab_gate(l, p, GATE);
    (void)lab_judge(l);
    assert_non_null(lab_finding(l, "image_pull"));
    assert_null(l->v.primary);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_that_start),
        cmocka_unit_test(pods_that_cannot_be_made),
        cmocka_unit_test(a_terminal_refusal_fails_the_rollout),
        cmocka_unit_test(pods_of_one_cause_share_a_finding),
        cmocka_unit_test(old_pods_are_never_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
