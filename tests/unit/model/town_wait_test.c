/*
 * Cases of other people in which a pod waits at its gate: the controller, its rights, the network,
 * the health check.
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

static void version(struct town *t, const char *v)
{
    if (t->vary != AUTO) {
        lab_kv(t->l, &t->l->webhook_configs[0].meta.labels, "app.kubernetes.io/version", v);
    }
}

/* ---- the controller ---- */

static void long_back_off(struct town *t)
{
    version(t, "v2.7.1");
    up(t);
    town_after(t, 400);
}

static void ten_minutes_late(struct town *t)
{
    version(t, "v2.13.0");
    up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 60);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 500);
}

static void one_gate_of_three_is_wrong(struct town *t)
{
    /* ELBv2 calls all three healthy; one condition says FailedHealthChecks */
    version(t, "v2.4.4");
    const char *names[] = {"athomclo-226c95b632", "athomcl-60c2f7ab01"};
    struct facts_binding *b[2];
    for (int i = 0; i < 2; i++) {
        b[i] = town_binding(t, names[i], t->app, "80");
    }
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_gate(t->l, t->l->pods[i], town_gate(t, names[0]));
        lab_gate(t->l, t->l->pods[i], town_gate(t, names[1]));
    }
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "Elb.RegistrationInProgress", "Target registration is in progress");
    for (int i = 0; i < 2; i++) {
        town_elb(t, b[i], "healthy", "", "");
    }
    town_write(t, town_gate(t, names[0]), "True", "Elb.InitialHealthChecking", "");
    town_write(t, town_gate(t, names[1]), "False", "Target.FailedHealthChecks",
               "Health checks failed");
    town_after(t, 400);
}

static void throttled(struct town *t)
{
    up(t);
    town_after(t, 120);
    (void)town_warns(
        t, "TargetGroupBinding", t->binding, "FailedReconcile",
        "Failed reconcile due to operation error Elastic Load Balancing v2: "
        "DescribeTargetHealth, exceeded maximum number of attempts, 10, https response "
        "error StatusCode: 400, api error Throttling: Rate exceeded");
    town_after(t, 60);
}

static void throttled_at_the_ingress(struct town *t)
{
    up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "");
    town_after(t, 20);
    town_elb(t, t->b, "healthy", "", "");
    (void)town_warns(t, "Ingress", "internal-alb", "FailedDeployModel",
                     "Failed deploy model due to Throttling: Rate exceeded status code: 400");
    town_after(t, 120);
}

static void it_stopped(struct town *t)
{
    town_serves(t);
    struct kube_lease *lease = town_lease(t);
    if (lease != NULL) {
        lease->renew_at = t->l->f.now - 300000;
    }
    t->l->cluster.controller_flip_at = t->l->f.now - 400000;
    t->l->cluster.waiting_pods = 40;
    lab_new_revision(t->l, "hash2", 2);
    for (uint32_t i = 0; i < t->pods; i++) {
        (void)town_pod(t, "hash2", t->gate);
        lab_containers_ready(t->l, t->l->pods[t->pods + i], true);
    }
    town_slices(t);
    town_after(t, 120);
}

static void no_right_to_write_status(struct town *t)
{
    fails(t, "Failed reconcile due to pods \"checkout-x\" is forbidden: User "
             "\"system:serviceaccount:kube-system:aws-load-balancer-controller\" cannot patch "
             "resource \"pods/status\" in API group \"\" in the namespace \"shop\"");
}

static void no_endpoint(struct town *t)
{
    up(t);
    t->l->ns.slices.n = 0;
    t->l->f.ns = &t->l->ns;
    town_step(t, 70);
}

/* ---- its rights ---- */

static void may_not_register(struct town *t)
{
    fails(t, "Failed reconcile due to AccessDenied: User: arn:aws:sts::111122223333:assumed-role/"
             "aws-lb-controller/1604526445790853017 is not authorized to perform: "
             "elasticloadbalancing:RegisterTargets on resource: arn:aws:elasticloadbalancing:"
             "us-west-2:111122223333:targetgroup/app-20201104085105927100000001/161ecbe439f88334 "
             "status code: 403, request id: 75cf841f");
}

static void may_not_deregister(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: DeregisterTargets,"
             " https response error StatusCode: 403, RequestID: 362bc6af, api error AccessDenied: "
             "User: arn:aws:sts::111122223333:assumed-role/lbc/1 is not authorized to perform: "
             "elasticloadbalancing:DeregisterTargets on resource: arn:aws:x because no "
             "identity-based policy allows the elasticloadbalancing:DeregisterTargets action");
}

static void may_not_describe(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: "
             "DescribeTargetHealth, https response error StatusCode: 403, api error AccessDenied: "
             "User: arn:aws:sts::111122223333:assumed-role/lbc/1 is not authorized to perform: "
             "elasticloadbalancing:DescribeTargetHealth because no identity-based policy allows");
}

static void role_does_not_trust_it(struct town *t)
{
    fails(t, "Failed reconcile due to WebIdentityErr: failed to retrieve credentials caused by: "
             "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity status code: "
             "403, request id: 5c3f9ce5-ba7d-495e-98b1-ffcd5cf85133");
}

static void role_does_not_trust_it_any_more(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: "
             "DescribeTargetHealth, get identity: get credentials: failed to refresh cached "
             "credentials, failed to retrieve credentials, operation error STS: "
             "AssumeRoleWithWebIdentity, https response error StatusCode: 403, RequestID: 1, api "
             "error AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity");
}

static void no_credentials(struct town *t)
{
    fails(t, "Failed reconcile due to NoCredentialProviders: no valid providers in chain. "
             "Deprecated. For verbose messaging see aws.Config.CredentialsChainVerboseErrors");
}

static void no_metadata_service(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: RegisterTargets, "
             "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS "
             "role found, operation error ec2imds: GetMetadata, request canceled, context deadline "
             "exceeded");
}

static void other_account(struct town *t)
{
    town_spec(t->b)->role_arn = "arn:aws:iam::999988887777:role/edge-targets";
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: "
             "DescribeTargetHealth, get identity: get credentials: failed to refresh cached "
             "credentials, operation error STS: AssumeRole, https response error StatusCode: 403, "
             "api error AccessDenied: User: arn:aws:sts::111122223333:assumed-role/lbc/1 is not "
             "authorized to perform: sts:AssumeRole on resource: "
             "arn:aws:iam::999988887777:role/edge-targets");
}

/* ---- registration ---- */

static void no_such_group(struct town *t)
{
    fails(t, "Failed reconcile due to ValidationError: 'arn:aws:elasticloadbalancing:us-east-2:"
             "111122223333:targetgroup/websocketWsTg-183db7a/4e446602feb6d777' is not a valid "
             "target group ARN status code: 400, request id: 7aeb81da");
}

static void group_deleted_by_hand(struct town *t)
{
    up(t);
    if (t->vary != BLIND) {
        t->b->group->gone = true;
    }
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedReconcile",
                     "Failed reconcile due to operation error Elastic Load Balancing v2: "
                     "DescribeTargetHealth, api error TargetGroupNotFound: One or more target "
                     "groups not found");
    town_after(t, 60);
}

static void group_of_instances(struct town *t)
{
    fails(t, "Failed reconcile due to ValidationError: Instance ID '10.19.173.98' is not valid "
             "status code: 400, request id: c2b1f56d-4d18-43cd-abd6-4ec175f1e286");
}

static void no_way_to_aws(struct town *t)
{
    fails(t, "Failed reconcile due to RequestError: send request failed caused by: Post "
             "\"https://elasticloadbalancing.eu-west-1.amazonaws.com/\": dial tcp "
             "52.95.115.1:443: i/o timeout");
}

static void group_is_full(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: RegisterTargets, "
             "api error TooManyTargets: You have reached the maximum number of targets for this "
             "target group");
}

static void both_families(struct town *t)
{
    fails(t, "Failed reconcile due to operation error Elastic Load Balancing v2: RegisterTargets, "
             "api error ValidationError: The IP address '10.0.0.5' is not a valid IPv6 address");
}

static void leftover_holds_the_new(struct town *t)
{
    up(t);
    town_spec(t->b)->meta.deleted_at = t->l->f.now;
    struct condition *c = lab_item(t->l, &town_spec(t->b)->conditions, sizeof *c);
    *c = (struct condition){
        "Ready",         "False",
        "FailedCleanup", "ValidationError: 'arn:aws:x' is not a valid target group ARN",
        t->l->f.now,     0};
    town_after(t, 300);
}

/* ---- the network ---- */

static void two_tagged_groups(struct town *t)
{
    up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                     "expect exactly one securityGroup tagged with kubernetes.io/cluster/dev for "
                     "eni eni-0b6ed10e3b4d8b5c1, got: [sg-0b21ca401c50b3bad sg-0d450bf11239af6a2] "
                     "(clusterName: dev)");
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 300);
}

static void other_network(struct town *t)
{
    up(t);
    (void)town_warns(t, "TargetGroupBinding", t->binding, "FailedNetworkReconcile",
                     "InvalidGroup.NotFound: You have specified two resources that belong to "
                     "different networks. status code: 400");
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 300);
}

static void security_group_closed(struct town *t)
{
    (void)town_group(t, t->b);
    up(t);
    town_says(t, "unhealthy", "Target.Timeout", "Request timed out");
    town_after(t, 300);
}

/* ---- the health check ---- */

static void answers(struct town *t, const char *text)
{
    (void)town_group(t, t->b);
    up(t);
    town_says(t, "initial", "Elb.InitialHealthChecking", "Initial health checks in progress");
    town_after(t, 30);
    town_says(t, "unhealthy", "Target.ResponseCodeMismatch", text);
    town_after(t, 300);
}

static void answers_404(struct town *t)
{
    answers(t, "Health checks failed with these codes: [404]");
}

static void answers_301(struct town *t)
{
    answers(t, "Health checks failed with these codes: [301]");
}

static void answers_401(struct town *t)
{
    answers(t, "Health checks failed with these codes: [401]");
}

static void answers_400(struct town *t)
{
    answers(t, "Health checks failed with these codes: [400]");
}

static void another_port(struct town *t)
{
    struct elb_group *g = town_group(t, t->b);
    g->health_port = "9999";
    g->health_protocol = "TCP";
    g->health_path = "";
    g->matcher = "";
    up(t);
    town_says(t, "unhealthy", "Target.FailedHealthChecks", "Health checks failed");
    town_after(t, 300);
}

static void proxy_protocol_on_a_port_of_its_own(struct town *t)
{
    struct elb_group *g = town_group(t, t->b);
    g->protocol = "TCP";
    g->health_port = "10254";
    g->health_path = "/healthz";
    struct elb_attribute *a = lab_item(t->l, &g->attributes, sizeof *a);
    *a = (struct elb_attribute){"proxy_protocol_v2.enabled", "true"};
    up(t);
    town_says(t, "unhealthy", "Target.FailedHealthChecks", "Health checks failed");
    town_after(t, 300);
}

static void a_port_that_no_container_names(struct town *t)
{
    /* the container's port is called http, the Service asks for web */
    ((struct service_port *)(uintptr_t)t->s->ports.items)->target_port = "web";
    town_pods(t, t->gate);
    town_after(t, 10);
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
    }
    town_up(t);
    for (uint32_t i = 0; i < t->l->ns.slices.n; i++) {
        t->l->slices[i].ports = (struct list){0};
    }
    town_after(t, 60);
}

static void one_port_of_two(struct town *t)
{
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
    for (uint32_t i = 0; t->vary != BLIND && i < t->l->f.pods.n; i++) {
        (void)lab_target(t->l, second, t->l->pods[i], 8443, "unhealthy",
                         "Target.FailedHealthChecks");
    }
    town_write(t, gate, "False", "Target.FailedHealthChecks", "Health checks failed");
    town_after(t, 300);
}

static void an_analysis_failed(struct town *t)
{
    struct lab *l = t->l;
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    t->w->canary = 1;
    t->w->current_pod_hash = "hash2";
    t->w->stable_rs = "hash1";
    t->w->abort = 1;
    t->w->phase = "Degraded";
    t->w->phase_message =
        "RolloutAborted: Rollout aborted update to revision 2: Metric \"success-rate\" assessed "
        "Failed due to failed (1) > failureLimit (0)";
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", "hash1");
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, t->gate, "True", "");
        town_elb(t, t->b, "healthy", "", "");
    }
    town_slices(t);
    town_after(t, 120);
}

static void blue_group_without_listener(struct town *t)
{
    struct elb_group *g = town_group(t, t->b);
    g->load_balancer_arns = (struct strs){0};
    up(t);
    town_says(t, "unused", "Target.NotInUse", "Target group is not configured to receive traffic");
    town_after(t, 180);
}

static void zone_not_enabled(struct town *t)
{
    (void)town_group(t, t->b);
    if (t->vary != BLIND) {
        struct elb_balancer *b = arena_alloc(t->l->a, sizeof *b);
        record_clear(&elb_balancer_table, b);
        b->name = "edge";
        lab_str(t->l, &b->zones, "eu-west-1a");
        lab_str(t->l, &b->zones, "eu-west-1b");
        t->b->group->balancer = b;
    }
    struct facts_node *n = LAB_LIST(t->l, t->l->cluster.nodes, t->l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "True", "eu-west-1c"};
    up(t);
    town_says(t, "unused", "Target.NotInUse",
              "Target is in an Availability Zone that is not enabled for the load balancer");
    town_after(t, 180);
}

static void nlb_beyond_all_usual(struct town *t)
{
    t->b->usual = (struct usual){200000, 290000, true};
    up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 1000);
}

static void deadline_behind_an_nlb(struct town *t)
{
    /* twelve minutes by batches of one: the Deployment gave up, the pods at hand are on time */
    nlb_beyond_all_usual(t);
    struct condition *c = lab_item(t->l, &t->w->conditions, sizeof *c);
    *c = (struct condition){"Progressing",
                            "False",
                            "ProgressDeadlineExceeded",
                            "ReplicaSet \"checkout-hash1\" has timed out progressing.",
                            t->l->f.now,
                            0};
    town_after(t, 5);
}

static void peers_behind_the_gate(struct town *t)
{
    /* scaled from zero: nobody is ready, so nobody finds a peer, so nobody gets ready */
    struct kube_workload *w = lab_workload(t->l, KIND_STATEFULSET, t->app, t->pods);
    w->update_revision = "hash1";
    w->current_revision = "hash1";
    w->pod_management = "Parallel";
    t->s->cluster_ip = "None";
    up(t);
    town_says(t, "unhealthy", "Target.FailedHealthChecks", "Health checks failed");
    town_after(t, 300);
}

static void balancers_own_error(struct town *t)
{
    up(t);
    town_says(t, "unhealthy", "Elb.InternalError", "Health checks failed due to an internal error");
    town_after(t, 200);
}

static void checks_disabled(struct town *t)
{
    up(t);
    town_says(t, "unavailable", "Target.HealthCheckDisabled", "Health checks are disabled");
    town_after(t, 100);
}

static void address_of_a_balancer(struct town *t)
{
    up(t);
    town_says(t, "unused", "Target.IpUnusable", "Target IP is in use by a load balancer");
    town_after(t, 100);
}

static void somebody_takes_it_out(struct town *t)
{
    /* two clusters fight for the group: this one registers, the other deregisters */
    up(t);
    town_write(t, t->gate, "False", "Elb.RegistrationInProgress",
               "Target registration is in progress");
    if (t->vary != BLIND) {
        lab_group_known(t->l, t->b);
        struct kube_pod other = *t->l->pods[0];
        other.ip = "10.99.0.17";
        lab_target(t->l, t->b, &other, 8080, "healthy", "")->first_seen_at -= 3600000;
        ((struct facts_target *)(uintptr_t)t->b->group->targets.items)[0].state_since -= 3600000;
    }
    town_after(t, 200);
}

/* Without its events an old controller that cannot register shows only that nothing happens. */
#define SILENT                                                                                     \
    {                                                                                              \
        IN(DEAF), WARN("controller_not_acting", "logs deployment/aws-load-balancer-controller")    \
    }
static const struct public_case cases[] = {
    {.name = "sixteen minutes without a condition",
     .source = "aws-load-balancer-controller#3622",
     .scene = long_back_off,
     .want = ERR("controller_not_acting", "16 min 40 s"),
     .unless = {{IN(AUTO), ERR("controller_not_acting", NULL)}}},
    {.name = "healthy after a minute, open after ten",
     .source = "aws-load-balancer-controller#4180",
     .scene = ten_minutes_late,
     .want = ERR("controller_lagging", "16 min 40 s"),
     .unless = {{IN(BLIND), ERR("registration_in_progress", NULL)},
                {IN(AUTO), ERR("controller_lagging", NULL)}}},
    {.name = "one of three gates keeps an old failure",
     .source = "aws-load-balancer-controller#2857",
     .scene = one_gate_of_three_is_wrong,
     .want = ERR("controller_lagging", "athomcl-60c2f7ab01"),
     .unless = {{IN(BLIND), ERR("health_check_failed", "athomcl-60c2f7ab01")}}},
    {.name = "DescribeTargetHealth is throttled",
     .source = "aws-load-balancer-controller#2755",
     .scene = throttled,
     .want = ERR("controller_throttled", "aws-api-throttle"),
     .unless = {{IN(DEAF), ERR("controller_not_acting", NULL)},
                {IN(AUTO), ERR("controller_throttled", "ask AWS")}}},
    {.name = "the Ingress's controller is throttled",
     .source = "argoproj/argo-rollouts#3333",
     .scene = throttled_at_the_ingress,
     .want = WARN("controller_throttled", NULL),
     .unless = {{IN(DEAF), WARN("controller_lagging", NULL)},
                {IN(BLIND), WARN("registration_in_progress", NULL)}}},
    {.name = "the controller has stopped",
     .source = "aws-load-balancer-controller#2755",
     .scene = it_stopped,
     .want = ERR("controller_stalled", NULL)},
    {.name = "the controller may not write pod status",
     .source = "aws-load-balancer-controller#2079",
     .scene = no_right_to_write_status,
     .want = DEAD("controller_cannot_patch_pods", "pods/status"),
     .unless = {SILENT}},
    {.name = "a ready pod is in no EndpointSlice",
     .source = "aws-load-balancer-controller#3622",
     .scene = no_endpoint,
     .want = WARN("endpoints_stale", "kubectl -n shop get endpointslices")},
    {.name = "a group made outside lacks the tag that the policy asks for",
     .source = "aws-load-balancer-controller#1618",
     .scene = may_not_register,
     .want = DEAD("register_denied", "elasticloadbalancing:RegisterTargets"),
     .unless = {SILENT}},
    {.name = "DeregisterTargets is not in the policy",
     .source = "kubernetes/cloud-provider-aws#62",
     .scene = may_not_deregister,
     .want = DEAD("deregister_denied", "elasticloadbalancing:DeregisterTargets"),
     .unless = {SILENT}},
    {.name = "DescribeTargetHealth is not in the policy",
     .source = "aws-load-balancer-controller#2240",
     .scene = may_not_describe,
     .want = DEAD("describe_denied", "elasticloadbalancing:DescribeTargetHealth"),
     .unless = {SILENT}},
    {.name = "the role does not trust the service account",
     .source = "aws-load-balancer-controller#1935",
     .scene = role_does_not_trust_it,
     .want = DEAD("controller_credentials", "trust"),
     .unless = {SILENT}},
    {.name = "the role stopped trusting the service account, newer SDK",
     .source = "aws-load-balancer-controller#4199",
     .scene = role_does_not_trust_it_any_more,
     .want = DEAD("controller_credentials", "trust"),
     .unless = {SILENT}},
    {.name = "no credentials at all",
     .source = "aws-load-balancer-controller#2893",
     .scene = no_credentials,
     .want = ERR("controller_credentials", "eks.amazonaws.com/role-arn"),
     .unless = {SILENT, {IN(AUTO), ERR("controller_credentials", "cluster's IAM role")}}},
    {.name = "the node's metadata service is out of a pod's reach",
     .source = "aws-load-balancer-controller#2627",
     .scene = no_metadata_service,
     .want = ERR("controller_credentials", NULL),
     .unless = {SILENT}},
    {.name = "the other account's role may not be assumed",
     .source = "aws/containers-roadmap#2730",
     .scene = other_account,
     .want = DEAD("controller_credentials", "sts:AssumeRole"),
     .unless = {SILENT}},
    {.name = "the binding names an ARN that is no group",
     .source = "aws-load-balancer-controller#2341",
     .scene = no_such_group,
     .want = DEAD("target_group_gone", "does not exist"),
     .unless = {SILENT}},
    {.name = "the group was deleted by hand",
     .source = "aws-load-balancer-controller#2341",
     .scene = group_deleted_by_hand,
     .want = DEAD("target_group_gone", "delete the binding")},
    {.name = "the group is of type instance",
     .source = "aws-load-balancer-controller#3668",
     .scene = group_of_instances,
     .want = ERR("register_failed", "type instance"),
     .unless = {SILENT}},
    {.name = "the controller has no way to AWS",
     .source = "aws-load-balancer-controller#3168",
     .scene = no_way_to_aws,
     .want = ERR("register_failed", "VPC endpoint"),
     .unless = {SILENT}},
    {.name = "the group is full",
     .source = "aws-load-balancer-controller#3560",
     .scene = group_is_full,
     .want = ERR("register_quota_exceeded", "quota"),
     .unless = {SILENT}},
    {.name = "a dual-stack Service gives addresses of both families",
     .source = "aws-load-balancer-controller#4775",
     .scene = both_families,
     .want = ERR("register_address_family", NULL),
     .unless = {SILENT}},
    {.name = "a binding of a wrong ARN cannot be deleted",
     .source = "aws-load-balancer-controller#2341",
     .scene = leftover_holds_the_new,
     .want = ERR("binding_cleanup_failing", "is not a valid target group ARN")},
    {.name = "two security groups carry the cluster's tag",
     .source = "aws-load-balancer-controller#1897",
     .scene = two_tagged_groups,
     .want = ERR("security_group_ambiguous", "exactly one"),
     .unless = {{IN(DEAF), ERR("health_check_timeout", "security groups")}}},
    {.name = "controller and group are in different networks",
     .source = "aws-load-balancer-controller#1862",
     .scene = other_network,
     .want = ERR("network_reconcile_failed", "different networks"),
     .unless = {{IN(DEAF), ERR("health_check_timeout", "security groups")}}},
    {.name = "the rule for the pods' port was never written",
     .source = "terraform-aws-modules/terraform-aws-eks#3710",
     .scene = security_group_closed,
     .want = ERR("health_check_timeout", "security groups")},
    {.name = "the check's path answers 404",
     .source = "aws-application-networking-k8s#69",
     .scene = answers_404,
     .want = ERR("health_check_code_mismatch", "does not know the path")},
    {.name = "the app sends the check to https",
     .source = "aws-load-balancer-controller#1547",
     .scene = answers_301,
     .want = ERR("health_check_code_mismatch", "redirects")},
    {.name = "the check's path wants a login",
     .source = "aws-load-balancer-controller#1547",
     .scene = answers_401,
     .want = ERR("health_check_code_mismatch", "wants a login")},
    {.name = "the app speaks https, the check http",
     .source = "kubernetes/ingress-nginx#11813",
     .scene = answers_400,
     .want = ERR("health_check_code_mismatch", "HTTPS")},
    {.name = "the check goes to a port where nobody listens",
     .source = "brikis98/terraform-up-and-running-code#39",
     .scene = another_port,
     .want = ERR("health_check_failed", "9999"),
     .unless = {{IN(BLIND), ERR("health_check_failed", NULL)}}},
    {.name = "the check speaks proxy protocol to a port that does not",
     .source = "kubernetes/ingress-nginx#10982",
     .scene = proxy_protocol_on_a_port_of_its_own,
     .want = ERR("health_check_failed", "/healthz on port 10254, expecting 200, by proxy protocol"),
     .unless = {{IN(BLIND), ERR("health_check_failed", NULL)}}},
    {.name = "the Service names a port that no container has",
     .source = "aws-load-balancer-controller#1069",
     .scene = a_port_that_no_container_names,
     .want = ERR("target_port_missing", "named port web")},
    {.name = "http is healthy, https is not",
     .source = "projectcontour/contour#4833",
     .scene = one_port_of_two,
     .want = ERR("health_check_failed", "edge-tls")},
    {.name = "an analysis failed and Argo gave up",
     .source = "argoproj/argo-rollouts#1924",
     .scene = an_analysis_failed,
     .want = DEAD("rollout_aborted", "kubectl argo rollouts -n shop retry rollout ")},
    {.name = "the blue group is attached to no listener",
     .source = "aws-load-balancer-controller#3753",
     .scene = blue_group_without_listener,
     .want = DEAD("target_group_not_in_use", "Attach"),
     .unless = {{IN(BLIND), ERR("target_group_not_in_use", "Attach")}}},
    {.name = "pods run in a zone that the load balancer does not know",
     .source = "aws-load-balancer-controller#2984",
     .scene = zone_not_enabled,
     .want = ERR("target_zone_not_enabled", "eu-west-1c")},
    {.name = "an NLB registers for a quarter of an hour",
     .source = "aws-load-balancer-controller#1834",
     .scene = nlb_beyond_all_usual,
     .want = ERR("registration_in_progress", NULL)},
    {.name = "the progress deadline passes behind an NLB",
     .source = "aws-load-balancer-controller#1834",
     .scene = deadline_behind_an_nlb,
     .want = ERR("registration_in_progress", NULL)},
    {.name = "a cluster that finds its peers by a gated Service",
     .source = "bitnami/charts#30392",
     .scene = peers_behind_the_gate,
     .want = ERR("app_needs_own_endpoints", "publishNotReadyAddresses")},
    {.name = "the load balancer has an error of its own",
     .source = "aws-load-balancer-controller#3506",
     .scene = balancers_own_error,
     .want = ERR("health_check_internal_error", NULL)},
    {.name = "health checks are disabled",
     .source = "kubernetes/ingress-gce#137",
     .scene = checks_disabled,
     .want = ERR("health_checks_disabled", NULL)},
    {.name = "a pod's address was a load balancer's",
     .source = "aws-load-balancer-controller#1992",
     .scene = address_of_a_balancer,
     .want = ERR("target_ip_unusable", "kubectl -n shop delete pod")},
    {.name = "another cluster takes the targets out",
     .source = "aws-load-balancer-controller#2757",
     .scene = somebody_takes_it_out,
     .want = ERR("target_group_shared", "another cluster"),
     .unless = {{IN(BLIND), ERR("registration_in_progress", NULL)}}},
};

static void waits_of_others_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_of_others_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
