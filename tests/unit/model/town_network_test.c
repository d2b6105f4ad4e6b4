/*
 * Cases of other people in which the way between load balancer and pods is broken: addresses that
 * cannot be registered, groups that are full, rules of security groups, checks, other hands.
 */
#include "unit/model/town.h"

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

static void fails(struct town *t, const char *message)
{
    up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedReconcile", message);
    town_after(t, 60);
}

/* ---- what ELBv2 does not take ---- */

static void cidr_without_subnet(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: RegisterTargets, "
             "https response error StatusCode: 400, api error ValidationError: The Availability "
             "Zone is required for IP address '10.4.40.87' because it is not in the VPC");
}

static void group_of_a_peered_network(struct town *t)
{
    fails(t, "Failed reconcile due to ValidationError: You must specify a valid Availability Zone "
             "or select 'all' for all enabled Availability zones, since the IP address "
             "'10.130.6.97' is outside the VPC status code: 400, request id: e9f1daa7");
}

static void zone_is_overridden(struct town *t)
{
    fails(t, "Failed reconcile due to ValidationError: The IP address '10.2.3.4' is within the "
             "VPC, and cannot have its Availability Zone overridden to 'all' from 'us-east-1b'");
}

static void balancer_is_full(struct town *t)
{
    fails(t, "Failed reconcile due to TooManyTargets: The maximum number of targets per load "
             "balancer '1000' has been reached on load balancer "
             "'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/k8s-x/1' "
             "status code: 400, request id: 1");
}

static void second_group_starves(struct town *t)
{
    /* the first port's targets took all that the account has left */
    struct service_port *tls = lab_item(t->l, &t->s->ports, sizeof *tls);
    *tls = (struct service_port){"https", "TCP", 443, "8443", 0};
    struct facts_binding *second = town_binding(t, "edge-tls", t->app, "443");
    const char *gate = town_gate(t, "edge-tls");
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_gate(t->l, t->l->pods[i], gate);
    }
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "", "");
    if (t->vary != BLIND) {
        lab_group_known(t->l, second);
    }
    (void)town_warns(t, "TargetGroupBinding", "edge-tls", "FailedReconcile",
                     "Failed reconcile due to operation error Elastic Load Balancing v2: "
                     "RegisterTargets, api error TooManyTargets: The maximum number of targets");
    town_after(t, 60);
}

/* ---- rules of security groups ---- */

static void eni_of_pods_is_unknown(struct town *t)
{
    (void)town_group(t, t->b);
    up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                     "cannot resolve pod ENI for pods: [shop/checkout-hash1-kz0x "
                     "shop/checkout-hash1-kz1x]");
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 300);
}

static void answers_get_lost(struct town *t)
{
    (void)town_group(t, t->b);
    up(t);
    town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
    town_after(t, 20);
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 400);
}

static void pods_of_other_nodes_flip(struct town *t)
{
    (void)town_group(t, t->b);
    town_serves(t);
    for (int i = 0; i < 3; i++) {
        town_after(t, 40);
        town_elb(t, t->b, i % 2 == 0 ? "unhealthy" : "healthy", i % 2 == 0 ? "Target.Timeout" : "",
                 "");
        if (t->vary != BLIND) { /* the one beside the load balancer's way in */
            (void)lab_target(t->l, t->b, t->l->pods[0], 8080, "healthy", "");
        }
    }
    town_after(t, 20);
}

static void rule_is_revoked(struct town *t)
{
    (void)town_group(t, t->b);
    town_serves(t);
    town_after(t, 7200);
    town_elb(t, t->b, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 90);
}

static void two_tagged_groups_of_instances(struct town *t)
{
    /* a search engine behind node ports */
    struct kube_workload *w = lab_workload(t->l, KIND_STATEFULSET, t->app, t->pods);
    w->update_revision = "hash1";
    w->current_revision = "hash1";
    town_spec(t->b)->target_type = "instance";
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                     "expect exactly one securityGroup tagged with kubernetes.io/cluster/prod for "
                     "eni eni-04c2, got: [sg-1 sg-2] (clusterName: prod)");
    town_after(t, 300);
}

/* ---- the app's own probes ---- */

static void serving_pods_fail_their_probe(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        ((struct container_status *)(uintptr_t)p->statuses.items)->ready = 0;
        ((struct container_status *)(uintptr_t)p->statuses.items)->started = 1;
        lab_containers_ready(t->l, p, false);
    }
    town_elb(t, t->b, "draining", "Target.DeregistrationInProgress", "");
    town_slices(t);
    town_after(t, 720);
    town_pods_warn(t, "Unhealthy",
                   "Readiness probe failed: HTTP probe failed with statuscode: 500");
    town_after(t, 20);
}

static void it_never_gets_through_its_start(struct town *t)
{
    town_pods(t, t->gate);
    for (int n = 1; n <= 3; n++) {
        town_after(t, 60);
        for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
            struct container_status *c =
                (struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items;
            c->restarts = n;
            c->last_reason = "Error";
            c->last_exit_code = 143;
            c->last_finished_at = t->l->f.now;
            c->running_since = t->l->f.now;
        }
        town_pods_warn(t, "Unhealthy", "Liveness probe failed: connection refused");
    }
    town_after(t, 30);
}

static void the_stand_by_is_never_ready(struct town *t)
{
    /* one leads and is ready; the others wait for its end, and a gate came with them */
    town_pods(t, t->gate);
    town_after(t, 10);
    struct kube_pod *leader = t->l->pods[0];
    lab_containers_ready(t->l, leader, true);
    (void)lab_condition(t->l, leader, t->gate, "True", "", "");
    lab_kubelet(t->l, leader);
    if (t->vary != BLIND) {
        (void)lab_target(t->l, t->b, leader, 8080, "healthy", "");
    }
    for (uint32_t i = 1; i < t->l->f.pods.n; i++) {
        ((struct container_status *)(uintptr_t)t->l->pods[i]->statuses.items)->started = 1;
    }
    town_slices(t);
    town_after(t, 640);
    for (uint32_t i = 1; i < t->l->f.pods.n; i++) {
        (void)town_warns(t, "Pod", t->l->pods[i]->meta.name, "Unhealthy",
                         "Readiness probe failed: service unhealthy (responded with NOT_SERVING)");
    }
    town_after(t, 10);
}

/* ---- other hands ---- */

static void targets_vanish(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    t->b->group->targets.n = 0;
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
}

static void another_tool_owns_the_group(struct town *t)
{
    targets_vanish(t);
    town_after(t, 300);
}

static void leader_lost_and_targets_gone(struct town *t)
{
    targets_vanish(t);
    if (town_lease(t) != NULL) {
        town_lease(t)->renew_at = t->l->f.now - 60000;
    }
    town_after(t, 360);
}

static void orphans_fill_the_group(struct town *t)
{
    /* nodes went by force; what is left in the group belongs to nobody */
    targets_vanish(t);
    struct kube_pod gone = *t->l->pods[0];
    for (int i = 0; t->vary != BLIND && i < 5; i++) {
        gone.ip = arena_printf(t->l->a, "10.0.200.%d", i + 7);
        (void)lab_target(t->l, t->b, &gone, 8080, "unhealthy", "Target.FailedHealthChecks");
    }
    town_after(t, 300);
}

static void all_instances_are_unhealthy(struct town *t)
{
    /* externalTrafficPolicy Local, and kube-proxy does not know its node's name */
    town_spec(t->b)->target_type = "instance";
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    struct kube_pod node = *t->l->pods[0];
    for (int i = 0; t->vary != BLIND && i < 3; i++) {
        node.ip = arena_printf(t->l->a, "i-0abc%d", i);
        (void)lab_target(t->l, t->b, &node, 31000, "unhealthy", "Target.FailedHealthChecks");
    }
    town_after(t, 600);
}

/* ---- no load balancer, or no binding that works ---- */

static void never_bound(struct town *t)
{
    t->l->ns.bindings.n = 0;
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_after(t, 300);
}

static void protocol_in_curly_quotes(struct town *t)
{
    t->s->type = "LoadBalancer";
    t->s->load_balancer_class = t->vary == AUTO ? "eks.amazonaws.com/nlb" : "service.k8s.aws/nlb";
    if (t->vary != AUTO) {
        lab_kv(t->l, &t->s->meta.annotations,
               "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type", "ip");
    }
    (void)town_warns(t, "Service", t->app, "FailedBuildModel",
                     "Failed build model due to Unsupported health check protocol \xe2\x80\x98HTTP"
                     "\xe2\x80\x99");
    never_bound(t);
}

static void no_certificate(struct town *t)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "prod-ingress";
    ing->meta.created_at = LAB_T0 - 86400000;
    lab_kv(t->l, &ing->meta.annotations, "kubernetes.io/ingress.class", "alb");
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    ing->default_service = t->app;
    (void)town_warns(t, "Ingress", "prod-ingress", "FailedBuildModel",
                     "Failed build model due to ingress: shop/prod-ingress: no certificate found "
                     "for host: *.example.org");
    never_bound(t);
}

static void instances_of_a_cluster_ip(struct town *t)
{
    town_spec(t->b)->target_type = "instance";
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedReconcile",
                     "Failed reconcile due to service type must be either 'NodePort' or "
                     "'LoadBalancer': shop/checkout");
    town_after(t, 300);
}

static void nobody_filled_in_the_type(struct town *t)
{
    (void)town_group(t, t->b);
    town_spec(t->b)->target_type = "";
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedReconcile",
                     "Failed reconcile due to targetType is not specified: shop/checkout");
    town_after(t, 300);
}

static void no_right_to_create_groups(struct town *t)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "traefik-ingress";
    ing->meta.created_at = LAB_T0 - 3600000;
    ing->class_name = "alb";
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    ing->default_service = t->app;
    (void)town_warns(t, "Ingress", "traefik-ingress", "FailedDeployModel",
                     "Failed deploy model due to AccessDenied: User: arn:aws:sts::1:assumed-role/x "
                     "is not authorized to perform: elasticloadbalancing:CreateTargetGroup");
    never_bound(t);
}

static void no_right_to_look_groups_up(struct town *t)
{
    town_spec(t->b)->group_name = "checkout-blue";
    fails(t, "Failed reconcile due to AccessDenied: User: arn:aws:sts::1:assumed-role/nodes/i-0 is "
             "not authorized to perform: elasticloadbalancing:DescribeTargetGroups status code: "
             "403, request id: 1");
}

static void no_right_to_revoke_rules(struct town *t)
{
    (void)town_group(t, t->b);
    up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                     "operation error EC2: RevokeSecurityGroupIngress, api error "
                     "UnauthorizedOperation: You are not authorized to perform this operation. "
                     "Encoded authorization failure message: kVVQ1uoUEH");
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 300);
}

static void a_rule_names_nobody(struct town *t)
{
    town_serves(t);
    for (int i = 0; i < 4; i++) {
        town_after(t, 300);
        (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                         "operation error EC2: AuthorizeSecurityGroupIngress, api error "
                         "InvalidGroup.NotFound: The security group 'sg-0bad' does not exist");
    }
    town_after(t, 60);
}

static void another_binding_has_the_same_group(struct town *t)
{
    town_serves(t);
    town_after(t, 3600);
    const char **names = arena_array(t->l->a, const char *, 1);
    names[0] = "team-b/web";
    t->b->sharers = 1;
    t->b->sharer_names = (struct strs){names, 1};
    t->b->group->targets.n = 0;
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
    town_after(t, 300);
}

static void a_matcher_that_is_none(struct town *t)
{
    struct kube_ingress *ing = LAB_LIST(t->l, t->l->ns.ingresses, t->l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "test";
    ing->meta.created_at = LAB_T0 - 3600000;
    ing->class_name = "alb";
    lab_kv(t->l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    ing->default_service = t->app;
    (void)town_warns(t, "Ingress", "test", "FailedDeployModel",
                     "Failed deploy model due to ValidationError: Health check matcher GRPC code "
                     "'200' must be within '0-99' inclusive");
    never_bound(t);
}

static void http_is_checked_where_grpc_is_spoken(struct town *t)
{
    (void)lab_service(t->l, "argogrpc", "app", t->app, 80, "8080");
    struct facts_binding *b = town_binding(t, "argogrpc-tgb", "argogrpc", "80");
    const char *gate = town_gate(t, "argogrpc-tgb");
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_gate(t->l, t->l->pods[i], gate);
    }
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "", "");
    town_elb(t, b, "unhealthy", "Target.ResponseCodeMismatch",
             "Health checks failed with these codes: [415]");
    town_write(t, gate, "False", "Target.ResponseCodeMismatch",
               "Health checks failed with these codes: [415]");
    town_after(t, 300);
}

static void true_by_an_old_word(struct town *t)
{
    targets_vanish(t);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_condition(t->l, t->l->pods[i], t->gate, "True", "Elb.RegistrationInProgress",
                      "Target registration is in progress")
            ->transition_at = 0;
    }
    town_after(t, 400);
}

static void an_own_group_without_the_clusters_tag(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: RegisterTargets, "
             "https response error StatusCode: 403, api error AccessDenied: User: "
             "arn:aws:sts::1:assumed-role/AmazonEKSAutoClusterRole/1 is not authorized to perform: "
             "elasticloadbalancing:RegisterTargets on resource: arn:aws:x because no "
             "identity-based policy allows the elasticloadbalancing:RegisterTargets action");
}

static void nobody_serves_the_root(struct town *t)
{
    /* the load balancer fails open, so that everybody is content */
    (void)town_group(t, t->b);
    t->l->ns_object.meta.labels = (struct kvs){0};
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_elb(t, t->b, "unhealthy", "Target.ResponseCodeMismatch",
             "Health checks failed with these codes: [404]");
    town_after(t, 600);
}

#define SILENT                                                                                     \
    {                                                                                              \
        IN(DEAF), WARN("controller_not_acting", "logs deployment/aws-load-balancer-controller")    \
    }
static const struct public_case cases[] = {
    {.name = "the network has an address range without a subnet",
     .source = "aws-load-balancer-controller#3714",
     .scene = cidr_without_subnet,
     .want = ERR("register_failed", "VPC"),
     .unless = {SILENT}},
    {.name = "the group is of a peered network",
     .source = "aws-load-balancer-controller#3084",
     .scene = group_of_a_peered_network,
     .want = ERR("register_failed", "VPC"),
     .unless = {SILENT}},
    {.name = "an address inside is registered as one outside",
     .source = "aws-load-balancer-controller#561",
     .scene = zone_is_overridden,
     .want = ERR("register_failed", "VPC"),
     .unless = {SILENT}},
    {.name = "the pods' network interface cannot be found, and they time out",
     .source = "aws-load-balancer-controller#2116",
     .scene = eni_of_pods_is_unknown,
     .want = ERR("network_reconcile_failed", "cannot resolve pod ENI"),
     .unless = {{IN(DEAF), ERR("health_check_timeout", NULL)}}},
    {.name = "the app answers the check, and the answer gets lost",
     .source = "aws-load-balancer-controller#1276",
     .scene = answers_get_lost,
     .want = ERR("health_check_timeout", "security groups")},
    {.name = "pods on other nodes flip between healthy and not",
     .source = "aws-load-balancer-controller#4179",
     .scene = pods_of_other_nodes_flip,
     .want = WARN("target_unhealthy_after_open", "Target.Timeout"),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "the rule for the check is revoked by the controller itself",
     .source = "aws-load-balancer-controller#2178",
     .scene = rule_is_revoked,
     .want = ERR("target_unhealthy_after_open", "Target.Timeout"),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "the load balancer takes no more targets",
     .source = "aws-load-balancer-controller#2302",
     .scene = balancer_is_full,
     .want = ERR("register_quota_exceeded", NULL),
     .unless = {SILENT}},
    {.name = "one port's group has all targets, the other's none",
     .source = "aws-load-balancer-controller#4025",
     .scene = second_group_starves,
     .want = ERR("register_quota_exceeded", "edge-tls"),
     .unless = {SILENT}},
    {.name = "serving pods fail their own probe, their targets drain",
     .source = "aws-load-balancer-controller#1633",
     .scene = serving_pods_fail_their_probe,
     .want = ERR("probe_failing", NULL)},
    {.name = "the app is killed by its liveness probe again and again",
     .source = "aws-load-balancer-controller#1275",
     .scene = it_never_gets_through_its_start,
     .want = ERR("crash_loop", "--previous")},
    {.name = "another tool thinks the group is its own and empties it",
     .source = "aws-controllers-k8s/community#2934",
     .scene = another_tool_owns_the_group,
     .want = ERR("target_deregistered_while_serving", NULL),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "targets are gone since the leader changed",
     .source = "aws-load-balancer-controller#1141",
     .scene = leader_lost_and_targets_gone,
     .want = ERR("target_deregistered_while_serving", NULL),
     .unless = {{IN(BLIND), QUIET}},
     .around = "controller_stalled"},
    {.name = "instance targets cannot have their rules written",
     .source = "kannanak.com/p/when-one-aws-tag-broke-our-production",
     .scene = two_tagged_groups_of_instances,
     .around = "security_group_ambiguous"},
    {.name = "every node fails the check of a local Service",
     .source = "kubernetes/kubernetes#101529",
     .scene = all_instances_are_unhealthy,
     .around = "load_balancer_fail_open"},
    {.name = "only orphans are left in the group",
     .source = "envoyproxy/gateway#5098",
     .scene = orphans_fill_the_group,
     .want = ERR("target_deregistered_while_serving", NULL),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "a stand-by is never ready by design",
     .source = "llm-d/llm-d-router#2568",
     .scene = the_stand_by_is_never_ready,
     .want = ERR("probe_failing", NULL)},
    {.name = "a Service asks for a check protocol that is none",
     .source = "aws-load-balancer-controller#1714",
     .scene = protocol_in_curly_quotes,
     .want = WARN("load_balancer_not_deployed", "Unsupported health check protocol"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "no certificate fits the Ingress's host",
     .source = "snowdrop/godaddy-webhook#17",
     .scene = no_certificate,
     .want = WARN("load_balancer_not_deployed", "no certificate found"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "a group of instances is bound to a Service without node ports",
     .source = "aws-load-balancer-controller#2741",
     .scene = instances_of_a_cluster_ip,
     .around = "register_failed"},
    {.name = "nobody filled in the binding's target type",
     .source = "aws-load-balancer-controller#1778",
     .scene = nobody_filled_in_the_type,
     .want = WARN("gate_missing", "targetType"),
     .unless = {{IN(BLIND), QUIET}},
     .around = "register_failed"},
    {.name = "the controller may not create target groups",
     .source = "aws-load-balancer-controller#2307",
     .scene = no_right_to_create_groups,
     .want = WARN("load_balancer_not_deployed", "CreateTargetGroup"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "the controller may not look a group up by its name",
     .source = "aws-load-balancer-controller#1629",
     .scene = no_right_to_look_groups_up,
     .want = ERR("register_failed", "policy of the controller's IAM role"),
     .unless = {SILENT}},
    {.name = "the controller may not revoke rules",
     .source = "aws-load-balancer-controller#2578",
     .scene = no_right_to_revoke_rules,
     .want = ERR("network_reconcile_failed", "RevokeSecurityGroupIngress"),
     .unless = {{IN(DEAF), ERR("health_check_timeout", NULL)}}},
    {.name = "a rule names a security group that is not there, and all serve",
     .source = "aws-load-balancer-controller#3809",
     .scene = a_rule_names_nobody,
     .around = "network_reconcile_failed"},
    {.name = "another namespace's binding has the same group",
     .source = "aws/containers-roadmap#2672",
     .scene = another_binding_has_the_same_group,
     .want = ERR("target_group_shared", "binding team-b/web"),
     .unless = {{IN(BLIND), WARN("target_group_shared", NULL)}}},
    {.name = "a check of HTTP is asked of a gRPC group",
     .source = "aws-load-balancer-controller#2804",
     .scene = a_matcher_that_is_none,
     .want = WARN("load_balancer_not_deployed", "matcher GRPC"),
     .unless = {{IN(DEAF), QUIET}}},
    {.name = "one of two groups checks in the wrong protocol",
     .source = "argoproj/argo-cd#21328",
     .scene = http_is_checked_where_grpc_is_spoken,
     .want = ERR("health_check_code_mismatch", "argogrpc-tgb")},
    {.name = "an open gate keeps its old word while the target is gone",
     .source = "aws-load-balancer-controller#2420",
     .scene = true_by_an_old_word,
     .want = ERR("target_deregistered_while_serving", NULL),
     .unless = {{IN(BLIND), QUIET}}},
    {.name = "a group of one's own does not carry the cluster's tag",
     .source = "aws/containers-roadmap#2508",
     .scene = an_own_group_without_the_clusters_tag,
     .want = DEAD("register_denied", "RegisterTargets"),
     .unless = {SILENT, {IN(AUTO), DEAD("register_denied", "tagged for the cluster")}}},
    {.name = "the check asks for a path that nobody serves, and no gate waits for it",
     .source = "aws-load-balancer-controller#1284",
     .scene = nobody_serves_the_root,
     .want = WARN("health_check_code_mismatch", "[404]"),
     .unless = {{IN(BLIND), WARN("gates_not_used", NULL)}}},
};

static void broken_ways_of_others_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_ways_of_others_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
