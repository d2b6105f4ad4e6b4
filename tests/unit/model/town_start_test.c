/*
 * Cases of other people in which the pods never come as far as their gate: the fault is
 * Kubernetes', the node's or the webhook's, and must not be put on the load balancer.
 */
#include "unit/model/town.h"

static void waiting(struct town *t, const char *reason, const char *message)
{
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        struct container_status *c = (struct container_status *)(uintptr_t)p->statuses.items;
        p->phase = "Pending";
        c->is_running = 0;
        c->running_since = 0;
        c->is_waiting = 1;
        c->waiting_reason = reason;
        c->waiting_message = message;
    }
}

/* ---- scheduling ---- */

static void no_room(struct town *t)
{
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        p->phase = "Pending";
        p->node = "";
        p->statuses.n = 0;
        (void)lab_condition(t->l, p, "PodScheduled", "False", "Unschedulable",
                            "0/14 nodes are available: 6 node(s) had untolerated taint "
                            "{spot: true}, 8 Insufficient memory.");
    }
    town_after(t, 400);
}

static void host_ports_are_taken(struct town *t)
{
    no_room(t);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], "PodScheduled", "False", "Unschedulable",
                            "0/3 nodes are available: 3 node(s) didn't have free ports for the "
                            "requested pod ports.");
    }
}

static void volume_of_another_zone(struct town *t)
{
    no_room(t);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], "PodScheduled", "False", "Unschedulable",
                            "0/3 nodes are available: 3 node(s) had volume node affinity "
                            "conflict.");
    }
    town_after(t, 300);
}

/* ---- the node cannot start the pod ---- */

static void no_addresses_left(struct town *t)
{
    town_pods(t, t->gate);
    waiting(t, "ContainerCreating", "");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        t->l->pods[i]->ip = "";
        t->l->pods[i]->ips = (struct strs){0};
    }
    town_slices(t);
    town_after(t, 60);
    town_pods_warn(t, "FailedCreatePodSandBox",
                   "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup "
                   "network for sandbox \"9f3c\": plugin type=\"aws-cni\" name=\"aws-cni\" failed "
                   "(add): add cmd: failed to assign an IP address to container");
    town_after(t, 300);
}

static void a_secret_is_missing(struct town *t)
{
    town_pods(t, t->gate);
    waiting(t, "ContainerCreating", "");
    town_after(t, 60);
    town_pods_warn(
        t, "FailedMount",
        "MountVolume.SetUp failed for volume \"tls\" : secret \"checkout-tls\" not found");
    town_after(t, 300);
}

static void a_key_of_the_config_is_missing(struct town *t)
{
    town_pods(t, t->gate);
    waiting(t, "CreateContainerConfigError", "configmap \"app-env\" not found");
    town_after(t, 120);
}

static void the_command_does_not_exist(struct town *t)
{
    town_pods(t, t->gate);
    waiting(t, "RunContainerError",
            "failed to create containerd task: exec: \"/app/sever\": stat /app/sever: no such file "
            "or directory");
    town_after(t, 60);
}

static void a_volume_is_still_attached(struct town *t)
{
    struct kube_workload *w = lab_workload(t->l, KIND_STATEFULSET, t->app, 2);
    w->update_revision = "hash1";
    w->current_revision = "hash1";
    (void)town_pod(t, "hash1", t->gate);
    waiting(t, "ContainerCreating", "");
    town_after(t, 60);
    town_pods_warn(t, "FailedAttachVolume",
                   "Multi-Attach error for volume \"pvc-0c1\" Volume is already exclusively "
                   "attached to one node and can't be attached to another");
    town_after(t, 320);
}

/* ---- containers ---- */

static void wrong_tag(struct town *t)
{
    town_pods(t, t->gate);
    waiting(t, "ImagePullBackOff",
            "Back-off pulling image \"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1.2.34\"");
    town_after(t, 90);
}

static void it_crashes(struct town *t)
{
    town_pods(t, t->gate);
    town_after(t, 20);
    waiting(t, "CrashLoopBackOff", "back-off 2m40s restarting failed container=app");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct container_status *c =
            (struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items;
        t->l->pods[i]->phase = "Running";
        c->restarts = 5;
        c->last_reason = "OOMKilled";
        c->last_exit_code = 137;
        c->last_finished_at = t->l->f.now;
    }
    town_after(t, 60);
}

static void its_probe_fails(struct town *t)
{
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        ((struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items)->started = 1;
    }
    town_after(t, 30);
    town_pods_warn(t, "Unhealthy",
                   "Readiness probe failed: HTTP probe failed with statuscode: 503");
    town_after(t, 620);
}

static void migrations_run(struct town *t)
{
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        struct container_status *c = lab_item(t->l, &p->init_statuses, sizeof *c);
        *c = (struct container_status){.name = "wait-for-db",
                                       .image = "busybox:1",
                                       .waiting_reason = "",
                                       .waiting_message = "",
                                       .is_running = 1,
                                       .running_since = t->l->f.now,
                                       .terminated_reason = "",
                                       .exit_code = -1,
                                       .last_reason = ""};
        (void)lab_condition(t->l, p, "Initialized", "False", "ContainersNotInitialized",
                            "containers with incomplete status: [wait-for-db]");
    }
    waiting(t, "PodInitializing", "");
    town_after(t, 620);
}

static void a_sidecar_is_not_ready(struct town *t)
{
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        struct container_status *c = lab_item(t->l, &p->statuses, sizeof *c);
        *c = (struct container_status){.name = "istio-proxy",
                                       .image = "istio/proxyv2:1",
                                       .started = 1,
                                       .waiting_reason = "",
                                       .waiting_message = "",
                                       .is_running = 1,
                                       .running_since = t->l->f.now,
                                       .terminated_reason = "",
                                       .exit_code = -1,
                                       .last_reason = ""};
        ((struct container_status *)(uintptr_t)p->statuses.items)->ready = 1;
        ((struct container_status *)(uintptr_t)p->statuses.items)->started = 1;
    }
    town_after(t, 30);
    town_pods_warn(t, "Unhealthy",
                   "Readiness probe failed: Get \"http://10.0.0.1:15021/healthz/ready\": dial tcp "
                   "10.0.0.1:15021: connect: connection refused");
    town_after(t, 400);
}

/* ---- pods that cannot be made ---- */

static void refused(struct town *t, const char *message)
{
    struct kube_workload *rs = (struct kube_workload *)(uintptr_t)t->l->revisions[0].replicaset;
    struct condition *c = lab_item(t->l, &rs->conditions, sizeof *c);
    *c = (struct condition){"ReplicaFailure", "True", "FailedCreate", message, t->l->f.now, 0};
    (void)town_warns(t, "ReplicaSet", rs->meta.name, "FailedCreate", message);
    town_after(t, 120);
}

static void quota(struct town *t)
{
    refused(t, "pods \"checkout-x\" is forbidden: exceeded quota: compute, requested: "
               "requests.cpu=2, used: requests.cpu=19, limited: requests.cpu=20");
}

static void pod_security(struct town *t)
{
    refused(t, "pods \"checkout-x\" is forbidden: violates PodSecurity \"restricted:latest\": "
               "allowPrivilegeEscalation != false (container \"app\" must set "
               "securityContext.allowPrivilegeEscalation=false)");
}

static void policy_engine(struct town *t)
{
    refused(t, "admission webhook \"validate.kyverno.svc-fail\" denied the request: "
               "resource Pod/shop/ was blocked due to the following policies");
}

static void other_webhook_down(struct town *t)
{
    refused(t, "Internal error occurred: failed calling webhook \"sidecar-injector.istio.io\": "
               "failed to call webhook: Post \"https://istiod.istio-system.svc:443/inject?"
               "timeout=10s\": no endpoints available for service \"istiod\"");
}

static void controller_not_up(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": Post "
               "https://aws-load-balancer-controller-webhook-service.kube-system.svc:443/"
               "mutate-v1-pod?timeout=30s: no endpoints available for service "
               "\"aws-load-balancer-controller-webhook-service\"");
}

static void controller_locked_out(struct town *t)
{
    /* its own namespace is labelled, and an old chart exempts nobody */
    struct webhook *w = shop_hook(t->l);
    w->failure_policy = "Fail";
    w->object_selector.present = 0;
    w->service_namespace = "shop";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.shop.svc:443/"
               "mutate-v1-pod?timeout=10s\": no endpoints available for service "
               "\"aws-load-balancer-webhook-service\"");
}

static void port_closed(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": Post "
               "https://aws-load-balancer-webhook-service.kube-system.svc:443/mutate-v1-pod?"
               "timeout=30s: context deadline exceeded");
}

static void overlay_network(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.kube-system.svc:443/"
               "mutate-v1-pod?timeout=10s\": Address is not allowed");
}

static void certificate(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.kube-system.svc:443/"
               "mutate-v1-pod?timeout=10s\": tls: failed to verify certificate: x509: certificate "
               "signed by unknown authority (possibly because of \"crypto/rsa: verification error\""
               " while trying to verify candidate authority certificate "
               "\"aws-load-balancer-controller-ca\")");
}

static void certificate_expired(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.kube-system.svc:443/"
               "mutate-v1-pod?timeout=10s\": x509: certificate has expired or is not yet valid: "
               "current time 2026-11-24T10:00:00Z is after 2026-11-20T08:00:00Z");
}

static void uninstalled_by_half(struct town *t)
{
    shop_hook(t->l)->failure_policy = "Fail";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.kube-system.svc:443/"
               "mutate-v1-pod?timeout=10s\": service \"aws-load-balancer-webhook-service\" not "
               "found");
}

static void a_long_name(struct town *t)
{
    town_spec(t->b)->meta.name =
        "checkout-with-a-very-long-name-that-somebody-chose-for-its-binding-in-spring";
    refused(t,
            "Pod \"checkout-x\" is invalid: spec.readinessGates[0].conditionType: Invalid value: "
            "\"target-health.elbv2.k8s.aws/checkout-with-a-very-long-name-that-somebody-chose-"
            "for-its-binding-in-spring\": name part must be no more than 63 bytes");
}

/* ---- nodes ---- */

static void a_node_falls(struct town *t, const char *ready)
{
    town_serves(t);
    town_after(t, 7200);
    struct facts_node *n = LAB_LIST(t->l, t->l->cluster.nodes, t->l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", ready, "eu-west-1a"};
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], "Ready", "False", "", "");
    }
    town_slices(t);
    town_after(t, 60);
}

static void node_not_ready(struct town *t)
{
    a_node_falls(t, "False");
}

static void node_lost(struct town *t)
{
    a_node_falls(t, "Unknown");
    town_after(t, 240);
}

static void new_pods_on_a_node_not_ready(struct town *t)
{
    /* the pods start, the node falls, the controller leaves them out */
    town_pods(t, t->gate);
    town_after(t, 10);
    town_up(t);
    struct facts_node *n = LAB_LIST(t->l, t->l->cluster.nodes, t->l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "False", "eu-west-1a"};
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
    town_after(t, 70);
}

static const struct public_case cases[] = {
    {.name = "no node has room",
     .source = "kubernetes-sigs/karpenter#1121",
     .scene = no_room,
     .want = {"unschedulable", SEVERITY_WARNING, false, "8 Insufficient memory"}},
    {.name = "a volume is in another zone",
     .source = "kubernetes/kubernetes#34583",
     .scene = volume_of_another_zone,
     .want = {"unschedulable", SEVERITY_ERROR, false, "volume node affinity"}},
    {.name = "a new pod asks for host ports that the old one holds",
     .source = "traefik/traefik-helm-chart#645",
     .scene = host_ports_are_taken,
     .want = WARN("unschedulable", "free ports")},
    {.name = "the subnet has no addresses left",
     .source = "aws/amazon-vpc-cni-k8s#59",
     .scene = no_addresses_left,
     .want = {"container_not_created", SEVERITY_WARNING, false, "failed to assign an IP address"},
     .unless = {{IN(DEAF), {"container_not_created", SEVERITY_WARNING, false, "describe pod"}}}},
    {.name = "a mounted Secret is missing",
     .source = "kubernetes/kubernetes#28750",
     .scene = a_secret_is_missing,
     .want = {"container_not_created", SEVERITY_WARNING, false,
              "secret \"checkout-tls\" not found"},
     .unless = {{IN(DEAF), {"container_not_created", SEVERITY_WARNING, false, "describe pod"}}}},
    {.name = "a ConfigMap of the environment is missing",
     .source = "kubernetes/kubernetes#57923",
     .scene = a_key_of_the_config_is_missing,
     .want = {"container_not_created", SEVERITY_WARNING, false, "configmap \"app-env\" not found"}},
    {.name = "the container's command does not exist",
     .source = "kubernetes/kubernetes#57291",
     .scene = the_command_does_not_exist,
     .want = {"container_not_created", SEVERITY_WARNING, false, "no such file"}},
    {.name = "a volume is still attached elsewhere",
     .source = "kubernetes/kubernetes#53059",
     .scene = a_volume_is_still_attached,
     .want = {"container_not_created", SEVERITY_WARNING, false, "Multi-Attach"},
     .unless = {{IN(DEAF), {"container_not_created", SEVERITY_WARNING, false, NULL}}}},
    {.name = "the image's tag does not exist",
     .source = "aws/eks-charts#433",
     .scene = wrong_tag,
     .want = {"image_pull", SEVERITY_WARNING, false, "example.org/app:1"}},
    {.name = "the container is killed for its memory",
     .source = "kubernetes/kubernetes#65825",
     .scene = it_crashes,
     .want = {"crash_loop", SEVERITY_ERROR, false, "OOMKilled"}},
    {.name = "the readiness probe is answered with 503 for ten minutes",
     .source = "aws-load-balancer-controller#3678",
     .scene = its_probe_fails,
     .want = {"probe_failing", SEVERITY_ERROR, false, "statuscode: 503"},
     .unless = {{IN(DEAF), {"probe_failing", SEVERITY_ERROR, false, "kubectl -n shop logs"}}}},
    {.name = "the app is ready, its side-car is not",
     .source = "istio/istio#39290",
     .scene = a_sidecar_is_not_ready,
     .want = {"probe_failing", SEVERITY_WARNING, false, "istio-proxy"}},
    {.name = "an init container waits for a database that does not come",
     .source = "kubernetes/enhancements#1003",
     .scene = migrations_run,
     .want = {"init_running", SEVERITY_ERROR, false, "wait-for-db"}},
    {.name = "a quota is used up",
     .source = "kubernetes/kubernetes#67761",
     .scene = quota,
     .want = {"pod_creation_refused", SEVERITY_ERROR, false, "exceeded quota"}},
    {.name = "pod security forbids the pods",
     .source = "kubernetes/kubernetes#111434",
     .scene = pod_security,
     .want = {"pod_creation_refused", SEVERITY_ERROR, false, "violates PodSecurity"}},
    {.name = "a policy engine denies the pods",
     .source = "kyverno/kyverno#3300",
     .scene = policy_engine,
     .want = {"pod_creation_refused", SEVERITY_ERROR, false, "kyverno"}},
    {.name = "somebody else's webhook has no endpoints",
     .source = "istio/istio#39290",
     .scene = other_webhook_down,
     .want = {"pod_creation_refused", SEVERITY_ERROR, false, "istiod"}},
    {.name = "the controller is not up, its webhook must be passed",
     .source = "aws-load-balancer-controller#1628",
     .scene = controller_not_up,
     .want = {"webhook_no_endpoints", SEVERITY_ERROR, false, "kubectl -n kube-system get pods"},
     .skip = IN(AUTO)},
    {.name = "the controller's own namespace is labelled and it is down",
     .source = "aws/eks-charts#433",
     .scene = controller_locked_out,
     .want = {"webhook_no_endpoints", SEVERITY_ERROR, true,
              "kubectl label namespace shop elbv2.k8s.aws/pod-readiness-gate-inject-"},
     .skip = IN(AUTO)},
    {.name = "the control plane cannot reach the webhook's port",
     .source = "aws-load-balancer-controller#2019",
     .scene = port_closed,
     .want = {"webhook_unreachable", SEVERITY_ERROR, false, "9443"},
     .skip = IN(AUTO)},
    {.name = "the pods' overlay network is foreign to the control plane",
     .source = "aws/karpenter-provider-aws#2983",
     .scene = overlay_network,
     .want = {"webhook_unreachable", SEVERITY_ERROR, false, "hostNetwork"},
     .skip = IN(AUTO)},
    {.name = "the webhook's certificate is of another authority",
     .source = "aws-load-balancer-controller#4605",
     .scene = certificate,
     .want = {"webhook_certificate_untrusted", SEVERITY_ERROR, false,
              "kubectl -n kube-system rollout restart deployment/aws-load-balancer-controller"},
     .skip = IN(AUTO)},
    {.name = "the webhook's certificate has expired",
     .source = "notmattlucas/auto-tracing-webhook#1",
     .scene = certificate_expired,
     .want = {"webhook_certificate_untrusted", SEVERITY_ERROR, false, NULL},
     .skip = IN(AUTO)},
    {.name = "the controller was uninstalled, its webhook configuration was not",
     .source = "aws-load-balancer-controller#2013",
     .scene = uninstalled_by_half,
     .want = {"webhook_service_missing", SEVERITY_ERROR, true,
              "delete mutatingwebhookconfiguration aws-load-balancer-webhook"},
     .skip = IN(AUTO)},
    {.name = "a binding's name is longer than a gate can bear",
     .source = "aws-load-balancer-controller docs/guide/targetgroupbinding",
     .scene = a_long_name,
     .want = {"binding_name_too_long", SEVERITY_ERROR, true, NULL}},
    {.name = "the node of serving pods is not ready",
     .source = "aws-load-balancer-controller#2085",
     .scene = node_not_ready,
     .want = {"node_not_ready", SEVERITY_WARNING, false, "kubectl describe node node-1"}},
    {.name = "the node of serving pods is lost",
     .source = "aws-load-balancer-controller#2085",
     .scene = node_lost,
     .want = {"node_not_ready", SEVERITY_WARNING, false, "kubectl describe node node-1"}},
    {.name = "the node of new pods is not ready",
     .source = "aws-load-balancer-controller#2085",
     .scene = new_pods_on_a_node_not_ready,
     .want = {"node_not_ready", SEVERITY_WARNING, false, "kubectl describe node node-1"}},
};

static void pods_that_do_not_start_are_not_put_on_the_load_balancer(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_that_do_not_start_are_not_put_on_the_load_balancer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
