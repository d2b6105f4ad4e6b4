/*
 * Cases of other people in which the controller or its webhook is at fault: it backs off, hangs,
 * has no identity, is full, keeps an old word, or lets pods be made without a gate.
 */
#include "unit/model/town.h"

static void version(struct town *t, const char *v)
{
    if (t->vary != AUTO) {
        lab_kv(t->l, &t->l->webhook_configs[0].meta.labels, "app.kubernetes.io/version", v);
    }
}

static void up(struct town *t)
{
    town_pods(t, t->gate);
    town_after(t, 10);
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
    town_up(t);
    town_after(t, 2);
}

/* The first n pods serve, the others are ready but for the gate, which nobody touches. */
static void some_open(struct town *t, uint32_t n, uint32_t rest)
{
    t->pods = n;
    town_serves(t);
    t->w->replicas = n + rest;
    for (uint32_t i = 0; i < rest; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_containers_ready(t->l, p, true);
    }
    town_slices(t);
}

/* ---- it does not act ---- */

static void some_pods_wait_for_their_condition(struct town *t)
{
    version(t, "v2.1.3");
    some_open(t, t->pods > 2 ? 5 : 1, t->pods > 2 ? 2 : 1);
    town_after(t, 660);
}

static void eni_cannot_be_found(struct town *t)
{
    /* before v2.7.0 that stopped the registration, and stood in the log alone */
    version(t, "v2.1.3");
    up(t);
    town_after(t, 400);
}

static void a_thousand_targets(struct town *t)
{
    version(t, "v2.8.1");
    some_open(t, 1000, 6);
    town_after(t, 840);
}

static void a_cap_drops_the_rest(struct town *t)
{
    some_open(t, 24, 3);
    town_after(t, 40);
    /* one of the others is replaced, and the controller serves it */
    struct kube_pod *p = t->l->pods[0];
    (void)lab_condition(t->l, p, t->gate, "False", "Elb.RegistrationInProgress", "");
    lab_kubelet(t->l, p);
    town_after(t, 20);
    (void)lab_condition(t->l, p, t->gate, "True", "", "");
    lab_kubelet(t->l, p);
    town_slices(t);
    town_after(t, 180);
}

/* ---- throttled ---- */

static void another_binding_is_throttled(struct town *t)
{
    (void)lab_service(t->l, "reports", "app", "reports", 80, "8080");
    (void)town_binding(t, "k8s-shop-reports-77aa10b2c3", "reports", "80");
    up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 30);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 120);
    (void)town_warns(t, "TargetGroupBinding", "k8s-shop-reports-77aa10b2c3", "FailedReconcile",
                     "Failed reconcile due to Throttling: Rate exceeded status code: 400, request "
                     "id: 4eef24db-b4b3-46bf-88da-5ed3eb4");
    town_after(t, 60);
}

/* ---- it hangs ---- */

static void waits_for_nobody(struct town *t)
{
    town_serves(t);
    t->l->cluster.waiting_pods = 40;
    lab_new_revision(t->l, "hash2", 2);
    for (uint32_t i = 0; i < t->pods; i++) {
        (void)town_pod(t, "hash2", t->gate);
        lab_containers_ready(t->l, t->l->pods[t->pods + i], true);
    }
    town_slices(t);
    town_after(t, 120);
}

static void leader_lost_and_hanging(struct town *t)
{
    /* it lives in a namespace of its own; an older installation left its lease behind */
    struct webhook *w = shop_hook(t->l);
    w->service_namespace = "ingress-system";
    t->l->leases[0].renew_at = t->l->f.now - INT64_C(864000000);
    struct kube_lease *own = shop_lease(t->l);
    own->meta.namespace = "ingress-system";
    own->renew_at = t->l->f.now - 480000;
    t->l->cluster.controller_flip_at = t->l->f.now - 500000;
    waits_for_nobody(t);
}

static void the_lock_is_a_config_map(struct town *t)
{
    t->l->cluster.leases.n = 0;
    version(t, "v2.4.2");
    t->l->cluster.controller_flip_at = t->l->f.now - 420000;
    waits_for_nobody(t);
}

static void it_restarts_meanwhile(struct town *t)
{
    up(t);
    town_after(t, 33);
    if (town_lease(t) != NULL) {
        town_lease(t)->renew_at = t->l->f.now - 35000;
    }
}

/* ---- it has no identity ---- */

static void ingress_of(struct town *t)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "edge";
    ing->meta.created_at = LAB_T0 - 86400000;
    ing->class_name = "alb";
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    struct ingress_rule *rule = lab_item(t->l, &ing->rules, sizeof *rule);
    struct ingress_backend *b = lab_item(t->l, &rule->backends, sizeof *b);
    *b = (struct ingress_backend){t->app, 80, ""};
    struct lb_ingress *at = lab_item(t->l, &ing->ingress, sizeof *at);
    *at = (struct lb_ingress){"edge-1.eu-west-1.elb.amazonaws.com", ""};
}

static void only_the_ingress_says_why(struct town *t)
{
    /* a controller before v3.1.0 warns about Ingresses, not about bindings */
    version(t, "v2.2.1");
    ingress_of(t);
    up(t);
    (void)town_warns(t, "Ingress", "edge", "FailedBuildModel",
                     "Failed build model due to couldn't auto-discover subnets: WebIdentityErr: "
                     "failed to retrieve credentials caused by: AccessDenied: Not authorized to "
                     "perform sts:AssumeRoleWithWebIdentity status code: 403");
    town_after(t, 300);
}

/* ---- it keeps an old word ---- */

static void address_registered_anew(struct town *t)
{
    version(t, "v2.13.4");
    up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    if (t->vary != AUTO) {
        lab_kv(t->l, &town_spec(t->b)->meta.annotations, "elbv2.k8s.aws/checkpoint",
               "Xv2mHqOS3p7aBc/9f8e7d6");
    }
    town_after(t, 40);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 240);
}

/* ---- its webhook ---- */

static void refused(struct town *t, const char *message)
{
    struct kube_workload *rs = (struct kube_workload *)(uintptr_t)t->l->revisions[0].replicaset;
    struct condition *c = lab_item(t->l, &rs->conditions, sizeof *c);
    *c = (struct condition){"ReplicaFailure", "True", "FailedCreate", message, t->l->f.now, 0};
    (void)town_warns(t, "ReplicaSet", rs->meta.name, "FailedCreate", message);
}

static void certificate_expired_unnoticed(struct town *t)
{
    /* failure policy Ignore: a call that fails is no call */
    town_serves(t);
    town_after(t, 3600);
    lab_new_revision(t->l, "hash2", 2);
    t->w->replicas = t->pods + 1;
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash2", NULL);
        lab_containers_ready(t->l, p, true);
        if (t->vary != BLIND) {
            lab_target(t->l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
        }
    }
    town_slices(t);
    town_after(t, 20);
}

static void certificate_of_another_namespace(struct town *t)
{
    struct webhook *w = shop_hook(t->l);
    w->failure_policy = "Fail";
    w->service_namespace = "fg-csc-uat";
    refused(t, "Internal error occurred: failed calling webhook \"mpod.elbv2.k8s.aws\": failed to "
               "call webhook: Post \"https://aws-load-balancer-webhook-service.fg-csc-uat.svc:443/"
               "mutate-v1-pod?timeout=10s\": x509: certificate is valid for "
               "aws-load-balancer-webhook-service.kube-system.svc, "
               "aws-load-balancer-webhook-service.kube-system.svc.cluster.local, not "
               "aws-load-balancer-webhook-service.fg-csc-uat.svc");
    town_after(t, 120);
}

static void certificate_was_renewed(struct town *t)
{
    /* serving certificate and trusted one changed some seconds apart */
    shop_hook(t->l)->failure_policy = "Fail";
    (void)town_warns(t, "ReplicaSet", t->l->revisions[0].name, "FailedCreate",
                     "Error creating: Internal error occurred: failed calling webhook "
                     "\"mpod.elbv2.k8s.aws\": x509: certificate signed by unknown authority");
    town_after(t, 20);
    town_serves(t);
    town_after(t, 300);
}

static void finalizer_cannot_be_removed(struct town *t)
{
    town_serves(t);
    town_after(t, 600);
    town_spec(t->b)->meta.deleted_at = t->l->f.now;
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    town_write(t, t->gate, "True", "", "Target Group Binding is deleted");
    (void)town_warns(
        t, "TargetGroupBinding", t->binding, "FailedRemoveFinalizer",
        "Failed remove finalizer due to Internal error occurred: failed calling webhook "
        "\"mtargetgroupbinding.elbv2.k8s.aws\": failed to call webhook: Post \"https://aws-load-"
        "balancer-webhook-service.kube-system.svc:443/mutate-elbv2-k8s-aws-v1beta1-"
        "targetgroupbinding?timeout=10s\": tls: failed to verify certificate: x509: certificate "
        "signed by unknown authority");
    town_after(t, 240);
}

static void uninstalled_before_its_ingresses(struct town *t)
{
    /* nobody is left to take finalizers off; what was registered serves on */
    ingress_of(t);
    town_serves(t);
    t->l->ingresses[0].meta.deleted_at = t->l->f.now;
    town_spec(t->b)->meta.deleted_at = t->l->f.now;
    t->l->cluster.leases.n = 0;
    t->l->cluster.webhook_configs.n = 0;
    town_after(t, 3600);
}

static void bindings_are_refused_for_the_certificate(struct town *t)
{
    ingress_of(t);
    t->l->ns.bindings.n = 0;
    (void)town_warns(
        t, "Ingress", "edge", "FailedDeployModel",
        "Failed deploy model due to Internal error occurred: failed calling webhook "
        "\"mtargetgroupbinding.elbv2.k8s.aws\": Post \"https://aws-load-balancer-webhook-service."
        "kube-system.svc:443/mutate-elbv2-k8s-aws-v1beta1-targetgroupbinding?timeout=10s\": x509: "
        "certificate signed by unknown authority");
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 300);
}

static void killed_three_times(struct town *t)
{
    /* 20 s without a leader each, and a pod at its gate each time */
    for (int i = 0; i < 3; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_containers_ready(t->l, p, true);
        town_slices(t);
        town_after(t, 25);
        town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
        town_after(t, 20);
        town_says(t, "healthy", "", "");
        town_after(t, 120);
    }
    t->w->replicas = 3;
    town_after(t, 20);
}

static void a_successor_is_not_in_its_cache(struct town *t)
{
    version(t, "v2.5.4");
    town_serves(t);
    town_after(t, 7200);
    lab_delete(t->l, t->l->pods[0]);
    struct kube_pod *p = town_pod(t, "hash1", t->gate);
    town_after(t, 15);
    lab_containers_ready(t->l, p, true);
    if (t->vary != BLIND) { /* the old one's target is gone */
        struct facts_target *x = (struct facts_target *)(uintptr_t)t->b->group->targets.items;
        x[0].t.state = "draining";
    }
    town_slices(t);
    town_after(t, 400);
}

static void hundreds_at_once(struct town *t)
{
    /* it gets round to half of them, and to them but once */
    version(t, "v2.6.1");
    t->pods = 200;
    t->w->replicas = 200;
    up(t);
    town_elb(t, t->b, "initial", "Elb.RegistrationInProgress", "");
    for (uint32_t i = 0; i < t->pods; i += 2) {
        (void)lab_condition(t->l, t->l->pods[i], t->gate, "False", "Elb.RegistrationInProgress",
                            "Target registration is in progress");
    }
    town_after(t, 40);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 600);
}

static const struct public_case cases[] = {
    {.name = "of a hundred pods some wait ten minutes for their condition",
     .source = "aws-load-balancer-controller#1960",
     .scene = some_pods_wait_for_their_condition,
     .want = ERR("controller_not_acting", "16 min 40 s"),
     .unless = {{IN(AUTO), ERR("controller_not_acting", "ask AWS")}}},
    {.name = "no pod beyond the thousandth gets ready",
     .source = "aws-load-balancer-controller#3984",
     .scene = a_thousand_targets,
     .want = ERR("register_quota_exceeded", "quota")},
    {.name = "another binding's reads are throttled",
     .source = "aws-load-balancer-controller#1871",
     .scene = another_binding_is_throttled,
     .want = ERR("controller_throttled", NULL),
     .unless = {{IN(DEAF), ERR("controller_lagging", NULL)},
                {IN(BLIND), ERR("registration_in_progress", NULL)}}},
    {.name = "the leader lost its lease and hangs",
     .source = "aws-load-balancer-controller#879",
     .scene = leader_lost_and_hanging,
     .want = ERR("controller_stalled", "-n ingress-system"),
     .skip = IN(AUTO)},
    {.name = "the controller is dead and has no lease to show it",
     .source = "aws-load-balancer-controller#2701",
     .scene = the_lock_is_a_config_map,
     .want = ERR("controller_stalled", NULL),
     .unless = {{IN(FRESH), WARN("controller_not_acting", NULL)}}},
    {.name = "the controller restarts in the middle of a rollout",
     .source = "aws-load-balancer-controller#3126",
     .scene = it_restarts_meanwhile},
    {.name = "the missing trust stands on the Ingress alone",
     .source = "aws-load-balancer-controller#2117",
     .scene = only_the_ingress_says_why,
     .want = ERR("controller_credentials", "trust"),
     .unless = {{IN(DEAF), ERR("controller_not_acting", NULL)}},
     .skip = IN(AUTO)},
    {.name = "the webhook's certificate expired and nobody was refused",
     .source = "aws-load-balancer-controller#2927",
     .scene = certificate_expired_unnoticed,
     .want = WARN("gate_missing_injection_failed", "rollout restart")},
    {.name = "the webhook's certificate is for another namespace",
     .source = "aws-load-balancer-controller#3050",
     .scene = certificate_of_another_namespace,
     .want = ERR("webhook_certificate_untrusted", "-n fg-csc-uat"),
     .skip = IN(AUTO)},
    {.name = "the webhook's certificate was renewed a moment ago",
     .source = "aws-load-balancer-controller#4019",
     .scene = certificate_was_renewed},
    {.name = "a binding's finalizer cannot be removed for the webhook",
     .source = "aws-load-balancer-controller#3337",
     .scene = finalizer_cannot_be_removed,
     .want = WARN("binding_cleanup_failing", "x509"),
     .unless = {{IN(DEAF), WARN("binding_cleanup_failing", NULL)}}},
    {.name = "an old controller cannot find the pods' network interface",
     .source = "aws-load-balancer-controller#1854",
     .scene = eni_cannot_be_found,
     .want = ERR("controller_not_acting", "log")},
    {.name = "an address was registered anew and its gate stays closed",
     .source = "aws-load-balancer-controller#4737",
     .scene = address_registered_anew,
     .want = ERR("controller_checkpoint_stale", "annotate"),
     .unless = {{IN(AUTO), ERR("controller_lagging", NULL)},
                {IN(BLIND), ERR("registration_in_progress", NULL)}}},
    {.name = "the controller's own cap drops the rest silently",
     .source = "aws-load-balancer-controller#4361",
     .scene = a_cap_drops_the_rest,
     .want = ERR("register_quota_exceeded", "max-targets-per-target-group"),
     .unless = {{IN(AUTO), ERR("register_quota_exceeded", "quota")}}},
    {.name = "the controller was uninstalled before its Ingresses",
     .source = "aws-load-balancer-controller#1629",
     .scene = uninstalled_before_its_ingresses,
     .want = WARN("binding_cleanup_failing", "finalizer")},
    {.name = "bindings are refused for the webhook's certificate",
     .source = "aws-load-balancer-controller#1909",
     .scene = bindings_are_refused_for_the_certificate,
     .want = WARN("load_balancer_not_deployed", "x509"),
     .unless = {{IN(DEAF), WARN("binding_deleted", NULL)}}},
    {.name = "the controller is killed for its memory again and again",
     .source = "aws-load-balancer-controller#3533",
     .scene = killed_three_times},
    {.name = "a pod is not in the controller's cache",
     .source = "aws-load-balancer-controller#3299",
     .scene = a_successor_is_not_in_its_cache,
     .want = ERR("controller_not_acting", NULL)},
    {.name = "hundreds of pods are rolled out at once",
     .source = "aws-load-balancer-controller#3417",
     .scene = hundreds_at_once,
     .want = ERR("controller_lagging", "16 min 40 s"),
     .unless = {{IN(AUTO), ERR("controller_lagging", NULL)},
                {IN(BLIND), ERR("controller_not_acting", NULL)}}},
};

static void faults_of_the_controller_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_of_the_controller_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
