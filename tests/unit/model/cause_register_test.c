/* Registration that fails, and what the controller does not do. */
#include "unit/model/cause_case.h"

#define ERROR_TEXT(op, code)                                                                       \
    "Failed reconcile due to operation error Elastic Load Balancing v2: " op                       \
    ", https response error StatusCode: 403, RequestID: 1, " code
#define DENIED(op)                                                                                 \
    ERROR_TEXT(op, "api error AccessDenied: User: arn:aws:sts::1:assumed-role/c/1 is not "         \
                   "authorized to perform: elasticloadbalancing:" op " on resource: "              \
                   "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1")

static struct kube_binding *binding(struct lab *l)
{
    return (struct kube_binding *)(uintptr_t)l->bindings[0].binding;
}

static struct kube_event *fails(struct lab *l, const char *message)
{
    return lab_event(l, "TargetGroupBinding", "web", "FailedReconcile", message);
}

/* Containers ready, no condition, and a warning a second later. */
static void absent_and(struct lab *l, const char *message)
{
    shop_ready(l);
    shop_after(l, 1);
    (void)fails(l, message);
}

static void register_denied(struct lab *l)
{
    absent_and(l, DENIED("RegisterTargets"));
}
static void deregister_denied(struct lab *l)
{
    absent_and(l, DENIED("DeregisterTargets"));
}
static void merged(struct lab *l)
{
    absent_and(l, DENIED("DeregisterTargets"));
    struct kube_event *e = fails(l, "(combined from similar events): " DENIED("RegisterTargets"));
    e->meta.resource_version = "2";
    l->events[0].event = e;
    l->events[1].event = e;
}
static void newest_counts(struct lab *l)
{
    absent_and(l, DENIED("RegisterTargets"));
    shop_after(l, 30);
    (void)fails(l, ERROR_TEXT("RegisterTargets", "TooManyTargets: limit"));
}
static void describe_denied(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "");
    shop_after(l, 2);
    (void)fails(l, DENIED("DescribeTargetHealth"));
}
static void denied_before(struct lab *l)
{
    (void)fails(l, DENIED("RegisterTargets"));
    shop_after(l, 600);
    shop_ready(l);
    shop_after(l, 2);
}
static void denied_before_and_silent_since(struct lab *l)
{
    denied_before(l);
    shop_after(l, 60);
}
static void allowed_again(struct lab *l)
{
    denied_before(l);
    l->bindings[0].gate_flipped_at = l->f.now;
    shop_after(l, 60);
}
static void registered_meanwhile(struct lab *l)
{
    absent_and(l, DENIED("RegisterTargets"));
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
}
static void too_many(struct lab *l)
{
    absent_and(l, ERROR_TEXT("RegisterTargets", "TooManyTargets: You've reached the limit"));
}
static void wrong_family(struct lab *l)
{
    absent_and(l, ERROR_TEXT("RegisterTargets",
                             "api error ValidationError: The IP address '10.0.0.1' is not a valid "
                             "IPv6 address"));
}
static void group_not_found(struct lab *l)
{
    absent_and(l, ERROR_TEXT("DescribeTargetHealth", "TargetGroupNotFound: not found"));
}
static void group_gone(struct lab *l)
{
    shop_serves(l);
    l->bindings[0].group->gone = true;
    l->bindings[0].group->known = false;
}
static void other_error(struct lab *l)
{
    absent_and(l, ERROR_TEXT("RegisterTargets", "api error InvalidTarget: no such subnet"));
    shop_after(l, 20);
    (void)fails(l, ERROR_TEXT("RegisterTargets", "api error InvalidTarget: no such subnet"));
}
static void other_error_once(struct lab *l)
{
    absent_and(l, "Failed reconcile due to Operation cannot be fulfilled on pods \"web-1\": the "
                  "object has been modified");
}
#define NO_PATCH                                                                                   \
    "Failed reconcile due to pods \"web-1\" is forbidden: User \"c\" cannot patch resource "       \
    "\"pods/status\" in API group \"\" in the namespace \"shop\""
static void no_patch(struct lab *l)
{
    absent_and(l, NO_PATCH);
}
static void no_patch_of_old(struct lab *l)
{
    (void)fails(l, NO_PATCH);
    shop_after(l, 600);
    shop_ready(l);
    shop_after(l, 60);
}
static void nobody_waits(struct lab *l)
{
    shop_serves(l);
    (void)fails(l, DENIED("RegisterTargets"));
}
static void of_the_other_family(struct lab *l)
{
    register_denied(l);
    ((struct kube_event *)(uintptr_t)l->events[0].event)->object_api_version =
        "eks.amazonaws.com/v1";
}
static void cleanup(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "");
    binding(l)->meta.deleted_at = l->f.now;
    struct condition *c = lab_item(l, &binding(l)->conditions, sizeof *c);
    *c = (struct condition){.type = "Ready",
                            .status = "False",
                            .reason = "FailedCleanup",
                            .message = DENIED("DeregisterTargets")};
}
static void being_deleted(struct lab *l)
{
    shop_ready(l);
    binding(l)->meta.deleted_at = l->f.now;
    shop_after(l, 5);
}
static void deleted_for_long(struct lab *l)
{
    being_deleted(l);
    shop_after(l, 200);
}
static void network(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "initial");
    (void)lab_event(l, "TargetGroupBinding", "web", "FailedNetworkReconcile",
                    "operation error EC2: AuthorizeSecurityGroupIngress, api error UnauthorizedOp");
}
static void network_and_timeout(struct lab *l)
{
    network(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
}
static void network_over(struct lab *l)
{
    network(l);
    shop_after(l, 1200);
    shop_gates(l, "True", "", "healthy");
}
static void network_mended(struct lab *l)
{
    network(l);
    shop_after(l, 60);
    lab_kv(l, &binding(l)->meta.annotations, "elbv2.k8s.aws/checkpoint", "abc");
    lab_kv(l, &binding(l)->meta.annotations, "elbv2.k8s.aws/checkpoint-timestamp",
           arena_printf(l->a, "%lld", (long long)(l->f.now / 1000)));
}
static void ambiguous(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    (void)lab_event(l, "TargetGroupBinding", "web", "FailedNetworkReconcile",
                    "expected exactly one securityGroup tagged with kubernetes.io/cluster/c for "
                    "eni eni-1, got: [sg-1 sg-2]");
}

static const struct scene_case registering[] = {
    {.name = "register denied",
     .scene = register_denied,
     .code = "register_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .never = "deregister_denied"},
    {.name = "deregister denied",
     .scene = deregister_denied,
     .code = "deregister_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .never = "register_denied"},
    {.name = "merged event",
     .scene = merged,
     .code = "register_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "the newest warning counts",
     .scene = newest_counts,
     .code = "register_quota_exceeded",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "register_denied"},
    {.name = "describe denied",
     .scene = describe_denied,
     .code = "describe_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "denied before the pod", .scene = denied_before, .never = "register_denied"},
    {.name = "denied before, silence since",
     .scene = denied_before_and_silent_since,
     .code = "register_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .likely = true},
    {.name = "allowed again",
     .scene = allowed_again,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true,
     .never = "register_denied"},
    {.name = "registered meanwhile", .scene = registered_meanwhile, .never = "register_denied"},
    {.name = "too many targets",
     .scene = too_many,
     .code = "register_quota_exceeded",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "address family",
     .scene = wrong_family,
     .code = "register_address_family",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "group not found",
     .scene = group_not_found,
     .code = "target_group_gone",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "group gone by our poll",
     .scene = group_gone,
     .code = "target_group_gone",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "another error",
     .scene = other_error,
     .code = "register_failed",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "InvalidTarget"},
    {.name = "a conflict, once", .scene = other_error_once, .never = "register_failed"},
    {.name = "cannot patch",
     .scene = no_patch,
     .code = "controller_cannot_patch_pods",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "could not patch before this pod was ready",
     .scene = no_patch_of_old,
     .code = "controller_cannot_patch_pods",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "nobody waits", .scene = nobody_waits, .never = "register_denied"},
    {.name = "event of the other family", .scene = of_the_other_family, .never = "register_denied"},
    {.name = "clean-up fails",
     .scene = cleanup,
     .code = "binding_cleanup_failing",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "clean-up fails, beside it",
     .scene = cleanup,
     .code = "deregister_denied",
     .primary = false,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "being deleted", .scene = being_deleted, .never = "binding_cleanup_failing"},
    {.name = "deleted for long",
     .scene = deleted_for_long,
     .code = "binding_cleanup_failing",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = false,
     .likely = true},
    {.name = "security group rules",
     .scene = network,
     .code = "network_reconcile_failed",
     .primary = false,
     .severity = SEVERITY_WARNING},
    {.name = "security group rules, time-outs",
     .scene = network_and_timeout,
     .code = "network_reconcile_failed",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "security group rules, over",
     .scene = network_over,
     .never = "network_reconcile_failed"},
    {.name = "security group rules, mended",
     .scene = network_mended,
     .never = "network_reconcile_failed"},
    {.name = "two security groups",
     .scene = ambiguous,
     .code = "security_group_ambiguous",
     .primary = true,
     .severity = SEVERITY_ERROR},
};

static void registration_that_fails(void **state)
{
    (void)state;
    HOLD_CASES(registering);
}

/* ---- the controller ---- */

static void not_yet(struct lab *l)
{
    shop_ready(l);
    shop_after(l, 20);
}
static void not_acting(struct lab *l)
{
    shop_ready(l);
    lab_group_known(l, &l->bindings[0]);
    shop_after(l, 50);
}
static void not_acting_node_not_ready(struct lab *l)
{
    struct facts_node *n = LAB_LIST(l, l->cluster.nodes, l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "False", "eu-west-1a"};
    not_acting(l);
}
static void not_acting_nodes_unreadable(struct lab *l)
{
    l->cluster.denied_kinds = "nodes";
    not_acting(l);
}
static void not_acting_for_long(struct lab *l)
{
    not_acting(l);
    shop_after(l, 200);
}
static void not_acting_without_elb(struct lab *l)
{
    shop_ready(l);
    shop_after(l, 50);
}
static void fresh_server(struct lab *l)
{
    not_acting(l);
    l->tracks[0].first_seen_at = l->f.now;
    l->tracks[1].first_seen_at = l->f.now;
}
static void old_version(struct lab *l)
{
    lab_kv(l, &l->webhook_configs[0].meta.labels, "app.kubernetes.io/version", "v2.13.0");
    not_acting(l);
}
static void auto_gates(struct lab *l)
{
    binding(l)->meta.kind = KIND_BINDING_AUTO;
    l->cluster.has_auto = true;
    for (int i = 0; i < 2; i++) {
        l->pods[i]->gates = (struct strs){0};
        lab_gate(l, l->pods[i], AUTO_GATE "web");
    }
}
static void lag(struct lab *l, int64_t seconds)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "initial");
    shop_after(l, 5);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "healthy", "");
    }
    shop_after(l, seconds);
}
static void lagging_a_little(struct lab *l)
{
    lag(l, 18);
}
static void awaiting_an_old_version(struct lab *l)
{
    lab_kv(l, &l->webhook_configs[0].meta.labels, "app.kubernetes.io/version", "v2.13.0");
    lagging_a_little(l);
}
static void awaiting_auto_mode(struct lab *l)
{
    auto_gates(l);
    lagging_a_little(l);
}
static void awaiting_rarer_looks(struct lab *l)
{
    l->policy.recheck_ms = 60000;
    lag(l, 170);
}
static void awaiting_in_vain(struct lab *l)
{
    lagging_a_little(l);
    l->leases[0].renew_at = l->f.now - 70000;
}
static void awaiting_with_reads_denied(struct lab *l)
{
    lagging_a_little(l);
    (void)fails(l, ERROR_TEXT("DescribeTargetHealth", "api error AccessDenied: not authorized"));
}
static void awaiting_on_a_node_that_is_down(struct lab *l)
{
    struct facts_node *n = LAB_LIST(l, l->cluster.nodes, l->nodes, LAB_MANY);
    *n = (struct facts_node){"node-1", "False", "eu-west-1a"};
    lagging_a_little(l);
}
/* The controller has looked since our poll, and does not call them healthy. */
static void awaiting_by_an_older_poll(struct lab *l)
{
    lagging_a_little(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "");
    l->bindings[0].group->observed_at = l->f.now - 5000;
}
/* They served for long, and the controller has closed their gates a moment ago. */
static void closed_a_moment_ago(struct lab *l)
{
    shop_serves(l);
    shop_after(l, 3600);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "");
    shop_after(l, 10);
}
static void closed_a_minute_ago(struct lab *l)
{
    closed_a_moment_ago(l);
    shop_after(l, 50);
}
/* A pod long past its usual time whose target was healthy when we first asked. */
static void lagging_at_first_sight(struct lab *l)
{
    lag(l, 900);
    (void)lab_judge(l);
    for (int i = 0; i < 2; i++) {
        l->tracks[i].first_seen_at = l->f.now;
        struct facts_target *t = lab_target(l, &l->bindings[0], l->pods[i], 8080, "healthy", "");
        t->first_seen_at = l->f.now;
        t->state_since = l->f.now;
    }
}
/* The same, but we saw it turn healthy. */
static void healthy_at_last(struct lab *l)
{
    lagging_at_first_sight(l);
    for (int i = 0; i < 2; i++) {
        lab_target(l, &l->bindings[0], l->pods[i], 8080, "healthy", "")->first_seen_at =
            l->f.now - 60000;
    }
}
static void lagging(struct lab *l)
{
    lag(l, 60);
}
static void checkpoint(struct lab *l)
{
    lag(l, 60);
    lab_kv(l, &binding(l)->meta.annotations, "elbv2.k8s.aws/checkpoint", "abc");
}
static void checkpoint_of_old_version(struct lab *l)
{
    checkpoint(l);
    lab_kv(l, &l->webhook_configs[0].meta.labels, "app.kubernetes.io/version", "v2.9.2");
}
static void throttled(struct lab *l)
{
    lag(l, 60);
    (void)fails(l, ERROR_TEXT("DescribeTargetHealth", "api error Throttling: Rate exceeded"));
}
static void throttled_elsewhere(struct lab *l)
{
    (void)lab_service(l, "other", "app", "other", 80, "8080");
    (void)lab_binding(l, "other", "other", "80", "ip");
    lag(l, 60);
    (void)lab_event(l, "TargetGroupBinding", "other", "FailedReconcile",
                    ERROR_TEXT("DescribeTargetHealth", "api error Throttling: Rate exceeded"));
}
static void register_throttled(struct lab *l)
{
    not_acting(l);
    (void)fails(l, ERROR_TEXT("RegisterTargets", "api error Throttling: Rate exceeded"));
}
static void unwritten(struct lab *l)
{
    shop_ready(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "healthy", "");
    }
    shop_after(l, 60);
}
static void no_endpoint(struct lab *l)
{
    not_acting(l);
    l->ns.slices.n = 0;
}
static void no_endpoint_but_unreadable(struct lab *l)
{
    no_endpoint(l);
    l->cluster.denied_kinds = "endpointslices.discovery.k8s.io";
}
static void capped(struct lab *l)
{
    shop_ready(l);
    for (int i = 0; i < 25; i++) {
        struct kube_pod *p = shop_pod(l, arena_printf(l->a, "web-x%d", i));
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, GATE, "True", "");
        (void)lab_target(l, &l->bindings[0], p, 8080, "healthy", "");
    }
    (void)lab_slice(l, &l->services[0]);
    shop_after(l, 60);
    l->bindings[0].gate_flipped_at = l->f.now;
    shop_after(l, 5);
}
static void lease_stale(struct lab *l)
{
    not_acting(l);
    l->leases[0].renew_at = l->f.now - 70000;
}
static void lease_stale_a_moment(struct lab *l)
{
    not_acting(l);
    l->leases[0].renew_at = l->f.now - 18000;
}
static void lease_of_another(struct lab *l)
{
    lease_stale(l);
    l->leases[0].meta.namespace = "old";
}
static void lease_stale_but_unhealthy(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    shop_after(l, 60);
    l->leases[0].renew_at = l->f.now - 70000;
}
static void auto_mode_quiet(struct lab *l)
{
    auto_gates(l);
    l->cluster.controller_flip_at = l->f.now;
    not_acting(l);
    shop_after(l, 400);
    l->cluster.waiting_pods = 7;
}
static void auto_mode_busy(struct lab *l)
{
    auto_mode_quiet(l);
    l->cluster.controller_flip_at = l->f.now - 10000;
}

static const struct scene_case acting[] = {
    {.name = "not yet", .scene = not_yet},
    {.name = "not acting",
     .scene = not_acting,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "kubectl -n kube-system logs deployment/aws-load-balancer-controller"},
    {.name = "not acting, node not ready",
     .scene = not_acting_node_not_ready,
     .code = "node_not_ready",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_not_acting",
     .text = "kubectl describe node node-1"},
    {.name = "not acting, and nodes cannot be read",
     .scene = not_acting_nodes_unreadable,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "not acting for long",
     .scene = not_acting_for_long,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "not acting, Kubernetes alone",
     .scene = not_acting_without_elb,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "not acting, fresh server",
     .scene = fresh_server,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "version that backs off",
     .scene = old_version,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "16 min 40 s"},
    {.name = "not late yet",
     .scene = lagging_a_little,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "controller_lagging",
     .text = "looks again (it does so every 15 s)"},
    {.name = "not late yet, when it will be",
     .scene = lagging_a_little,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "still closed 45 s after"},
    {.name = "not late yet by a version that backs off",
     .scene = awaiting_an_old_version,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "looks again (this version of the controller backs off up to 16 min 40 s"},
    {.name = "not late yet, Auto Mode",
     .scene = awaiting_auto_mode,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "looks again (EKS Auto Mode does not tell"},
    {.name = "not late yet by the configured interval",
     .scene = awaiting_rarer_looks,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "controller_lagging",
     .text = "still closed 180 s after"},
    {.name = "not late yet, and the controller is gone",
     .scene = awaiting_in_vain,
     .never = "gate_awaits_recheck"},
    {.name = "not late yet, and it may not read",
     .scene = awaiting_with_reads_denied,
     .code = "describe_denied",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .never = "gate_awaits_recheck"},
    {.name = "not late yet, and the node is down",
     .scene = awaiting_on_a_node_that_is_down,
     .code = "node_not_ready",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "gate_awaits_recheck"},
    {.name = "healthy by a poll before its last look",
     .scene = awaiting_by_an_older_poll,
     .never = "gate_awaits_recheck"},
    {.name = "closed a moment ago",
     .scene = closed_a_moment_ago,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "controller_lagging"},
    {.name = "closed a minute ago",
     .scene = closed_a_minute_ago,
     .code = "controller_lagging",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "gate_awaits_recheck"},
    {.name = "lagging",
     .scene = lagging,
     .code = "controller_lagging",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "after some 20 s, unless AWS throttles it"},
    {.name = "lagging, fresh server",
     .scene = lagging_at_first_sight,
     .code = "controller_lagging",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "healthy at last",
     .scene = healthy_at_last,
     .code = "gate_awaits_recheck",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "unexplained"},
    {.name = "checkpoint",
     .scene = checkpoint,
     .code = "controller_checkpoint_stale",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "checkpoint before v2.10",
     .scene = checkpoint_of_old_version,
     .code = "controller_lagging",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_checkpoint_stale"},
    {.name = "throttled",
     .scene = throttled,
     .code = "controller_throttled",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "throttled elsewhere",
     .scene = throttled_elsewhere,
     .code = "controller_throttled",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "register throttled",
     .scene = register_throttled,
     .code = "controller_throttled",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "registered, not written",
     .scene = unwritten,
     .code = "controller_cannot_patch_pods",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "no endpoint",
     .scene = no_endpoint,
     .code = "endpoints_stale",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "slices cannot be read",
     .scene = no_endpoint_but_unreadable,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true,
     .never = "endpoints_stale"},
    {.name = "capped",
     .scene = capped,
     .code = "register_quota_exceeded",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "lease stale",
     .scene = lease_stale,
     .code = "controller_stalled",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "controller_not_acting"},
    {.name = "lease stale, a moment",
     .scene = lease_stale_a_moment,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_stalled"},
    {.name = "lease of another installation",
     .scene = lease_of_another,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_stalled"},
    {.name = "lease stale, target unhealthy",
     .scene = lease_stale_but_unhealthy,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_stalled"},
    {.name = "Auto Mode, all quiet",
     .scene = auto_mode_quiet,
     .code = "controller_stalled",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "Auto Mode, busy elsewhere",
     .scene = auto_mode_busy,
     .code = "controller_not_acting",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "controller_stalled"},
};

static void a_controller_that_does_not_act(void **state)
{
    (void)state;
    HOLD_CASES(acting);
}

/* That so many pods await the next look, the first of them healthy since that many ms ago. */
static void expect_awaiting(struct lab *l, uint32_t pods, const char *first, int64_t ms)
{
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "gate_awaits_recheck");
    if (f == NULL) {
        fail_msg("no pod awaits the next look");
        return;
    }
    assert_int_equal(f->pods, pods);
    assert_string_equal(f->pod_names.items[0], first);
    assert_int_equal(l->f.now - f->since, ms);
}

/* A normal wait: it is told from the first moment on, holds nothing up, tells of the pods that are
 * there, and asks for the look at which it ends. */
static void a_gate_that_awaits_the_next_look_changes_nothing(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    lag(l, 20);
    expect_awaiting(l, 2, "web-1", 20000);
    assert_int_equal(l->v.state, ROLLOUT_PROGRESSING);
    assert_false(l->v.terminal);
    assert_int_equal(l->v.next_look, l->f.now + 25000);
    shop_after(l, 5);
    lab_gate_set(l, l->pods[0], GATE, "True", "");
    lab_target(l, &l->bindings[0], l->pods[1], 8080, "healthy", "")->state_since = l->f.now - 2000;
    expect_awaiting(l, 1, "web-2", 2000);
    lab_free(l);
}

static void many_pods_have_one_finding_of_their_binding(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    for (int i = 0; i < 200; i++) {
        (void)shop_pod(l, arena_printf(l->a, "web-x%d", i));
    }
    register_denied(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.findings.n, 1);
    assert_int_equal(l->v.primary->pods, 202);
    assert_string_equal(l->v.primary->object, "TargetGroupBinding/web");
    assert_int_equal(l->v.state, ROLLOUT_FAILED);
    lab_free(l);
}

/* A failing clean-up is tried again at once, and each try has an id of its own. */
static void what_fails_again_reads_the_same(void **state)
{
    (void)state;
    static const char first[] = "due to operation error Elastic Load Balancing v2: "
                                "DeregisterTargets, https response error StatusCode: 403, "
                                "RequestID: 0b1f-7, api error AccessDenied: not authorized";
    static const char again[] = "due to operation error Elastic Load Balancing v2: "
                                "DeregisterTargets, https response error StatusCode: 403, "
                                "RequestID: 9c2e-8, api error AccessDenied: not authorized";
    struct lab *l = shop_new();
    cleanup(l);
    struct condition *c = (struct condition *)(uintptr_t)binding(l)->conditions.items;
    c->message = first;
    (void)lab_judge(l);
    const struct list before = l->v.findings;
    assert_non_null(lab_finding(l, "deregister_denied"));
    assert_string_equal(l->v.primary->code, "binding_cleanup_failing");
    assert_non_null(strstr(l->v.primary->message, "StatusCode: 403, api error AccessDenied"));
    c->message = again;
    (void)lab_judge(l);
    assert_int_equal(l->v.findings.n, before.n);
    for (uint32_t i = 0; i < before.n; i++) {
        const struct finding *old = LIST_AT(struct finding, before, i);
        const struct finding *f = LIST_AT(struct finding, l->v.findings, i);
        assert_string_equal(f->message, old->message);
        assert_int_equal(f->evidence.n, old->evidence.n);
        for (uint32_t k = 0; k < f->evidence.n; k++) {
            assert_string_equal(LIST_AT(struct evidence, f->evidence, k)->value,
                                LIST_AT(struct evidence, old->evidence, k)->value);
        }
    }
    lab_free(l);
}

/* client-go marks the event that stands for several, and each probe comes from a port of its own:
 * neither moves the words, nor where a long message is cut. */
static void what_is_warned_of_again_reads_the_same(void **state)
{
    (void)state;
    static const char *const marks[] = {"", "(combined from similar events): "};
    static const char *const ports[] = {"9999", "43210"};
    const char *message = "";
    const char *evidence = "";
    struct lab *l = shop_new();
    struct arena *a = arena_new(0);
    for (int i = 0; i < 2; i++) {
        l->ns.events.n = 0;
        (void)lab_event(l, "Pod", "web-1", "Unhealthy",
                        arena_printf(l->a,
                                     "%sReadiness probe failed: read tcp 10.0.0.1:%s->10.0.0.9:8080"
                                     ": read: connection reset by peer%0700d",
                                     marks[i], ports[i], 7));
        (void)lab_judge(l);
        const struct finding *f = lab_finding(l, "probe_failing");
        if (f == NULL || f->evidence.n < 2) {
            fail_msg("the probe is not told of");
            return;
        }
        const char *value = LIST_AT(struct evidence, f->evidence, 1)->value;
        assert_true(
            strncmp(value, "Readiness probe failed: read tcp 10.0.0.1->10.0.0.9:8080", 56) == 0);
        if (i == 1) {
            assert_string_equal(f->message, message);
            assert_string_equal(value, evidence);
        }
        message = arena_strdup(a, f->message);
        evidence = arena_strdup(a, value);
    }
    arena_free(a);
    lab_free(l);
}

/* All gates open and Ready not: kubelet's, of each node that has such a pod. */
static void every_node_whose_kubelet_lags_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *second; /* node of the second pod */
        const char *text;
        const char *command;
    } cases[] = {{"node-1", "kubelet on node node-1 does not", "kubectl describe node node-1"},
                 {"node-2", "kubelet on nodes node-1 and node-2 does not",
                  "kubectl describe node node-1 node-2"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab *l = shop_new();
        l->pods[1]->node = cases[i].second;
        shop_ready(l);
        shop_gates(l, "True", "", "healthy");
        for (int k = 0; k < 2; k++) {
            (void)lab_condition(l, l->pods[k], "Ready", "False", "ReadinessGatesNotReady", "");
        }
        shop_after(l, 100);
        (void)lab_judge(l);
        const struct finding *f = lab_finding(l, "kubelet_lagging");
        assert_true(f != NULL && says_text(f, cases[i].text));
        assert_true(has_command(f, cases[i].command));
        lab_free(l);
    }
    struct lab *l = shop_new();
    for (int k = 0; k < 8; k++) {
        (void)shop_pod(l, arena_printf(l->a, "web-x%d", k));
    }
    for (uint32_t k = 0; k < l->f.pods.n; k++) {
        l->pods[k]->node = arena_printf(l->a, "node-%u", k);
    }
    shop_ready(l);
    shop_gates(l, "True", "", "healthy");
    for (uint32_t k = 0; k < l->f.pods.n; k++) {
        (void)lab_condition(l, l->pods[k], "Ready", "False", "ReadinessGatesNotReady", "");
    }
    shop_after(l, 100);
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "kubelet_lagging");
    assert_true(f != NULL &&
                says_text(f, "nodes node-0, node-1, node-2, node-3, node-4 and others does not"));
    lab_free(l);
}

/* EKS runs that controller: there is no log, pod or deployment of it, and bindings of two groups
 * can stand in one cluster. */
static void commands_fit_the_controller(void **state)
{
    (void)state;
    for (int is_auto = 0; is_auto < 2; is_auto++) {
        struct lab *l = shop_new();
        if (is_auto) {
            auto_mode_busy(l);
        } else {
            not_acting(l);
        }
        (void)lab_judge(l);
        const struct finding *f = lab_finding(l, "controller_not_acting");
        assert_non_null(f);
        assert_int_equal(has_command(f, "aws-load-balancer-controller"), !is_auto);
        assert_int_equal(has_action(f, "Auto Mode"), is_auto);
        assert_true(has_command(
            f, is_auto ? "kubectl -n shop describe targetgroupbindings.eks.amazonaws.com web"
                       : "kubectl -n shop describe targetgroupbindings.elbv2.k8s.aws web"));
        lab_free(l);
    }
    struct lab *l = shop_new();
    auto_mode_quiet(l);
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "controller_stalled");
    assert_true(has_action(f, "Auto Mode"));
    assert_false(has_command(f, ""));
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration_that_fails),
        cmocka_unit_test(a_controller_that_does_not_act),
        cmocka_unit_test(a_gate_that_awaits_the_next_look_changes_nothing),
        cmocka_unit_test(many_pods_have_one_finding_of_their_binding),
        cmocka_unit_test(what_fails_again_reads_the_same),
        cmocka_unit_test(what_is_warned_of_again_reads_the_same),
        cmocka_unit_test(every_node_whose_kubelet_lags_is_named),
        cmocka_unit_test(commands_fit_the_controller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
