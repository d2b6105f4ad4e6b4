/* The rollout, its surroundings, what stays unexplained; namespaces and the cluster; the catalogue.
 */
#include "unit/model/cause_case.h"

#include "model/cause_text.h"

static struct condition *progressing(struct lab *l, const char *status, const char *reason)
{
    struct condition *c = lab_item(l, &l->workload.conditions, sizeof *c);
    *c = (struct condition){.type = "Progressing",
                            .status = status,
                            .reason = reason,
                            .message = "ReplicaSet \"web-hash1\" has timed out progressing.",
                            .transition_at = l->f.now};
    return c;
}

static void deadline(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    (void)progressing(l, "False", "ProgressDeadlineExceeded");
}
static void deadline_with_a_cause(struct lab *l)
{
    deadline(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
}
static void deadline_and_yet_served(struct lab *l)
{
    shop_serves(l);
    (void)progressing(l, "False", "ProgressDeadlineExceeded");
}
static void paused(struct lab *l)
{
    l->workload.paused = 1;
}
/* What Argo gave up may stand paused too. */
static void aborted_and_paused(struct lab *l)
{
    l->workload.meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    l->workload.current_pod_hash = "hash2";
    l->workload.stable_rs = "hash1";
    l->workload.abort = 1;
    l->workload.phase_message = "RolloutAborted: metric \"success-rate\" failed";
    paused(l);
}
static struct kube_pdb *budget(struct lab *l, int64_t healthy)
{
    struct kube_pdb *b = LAB_LIST(l, l->ns.pdbs, l->pdbs, LAB_MANY);
    record_clear(kind_info(KIND_PDB)->table, b);
    b->meta.name = "web";
    b->selector.present = 1;
    lab_kv(l, &b->selector.labels, "app", "web");
    b->expected_pods = 2;
    b->desired_healthy = 1;
    b->current_healthy = healthy;
    b->disruptions_allowed = 0;
    return b;
}
static void budget_used_up(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    (void)budget(l, 1);
}
static void budget_slow(struct lab *l)
{
    budget_used_up(l);
    shop_after(l, 130);
}
static void budget_of_others(struct lab *l)
{
    budget_used_up(l);
    lab_kv(l, &l->pdbs[0].selector.labels, "app", "other");
}
static void budget_beyond_gates(struct lab *l)
{
    budget_used_up(l);
    l->pdbs[0].desired_healthy = 5;
    l->pdbs[0].current_healthy = 1;
}
static void budget_allows(struct lab *l)
{
    budget_used_up(l);
    l->pdbs[0].disruptions_allowed = 1;
}
static void autoscaler(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    struct kube_hpa *h = LAB_LIST(l, l->ns.hpas, l->hpas, LAB_MANY);
    record_clear(kind_info(KIND_HPA)->table, h);
    h->meta.name = "web";
    h->target_kind = "Deployment";
    h->target_name = "web";
    h->desired_replicas = 4;
    h->current_replicas = 2;
}
static void own_endpoints(struct lab *l)
{
    shop_ready(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "False", "Target.ResponseCodeMismatch",
                            "Health checks failed with these codes: [503]");
    }
    struct kube_service *s = lab_service(l, "web-peers", "app", "web", 80, "8080");
    s->cluster_ip = "None";
    shop_after(l, 150);
}
static void own_endpoints_published(struct lab *l)
{
    own_endpoints(l);
    l->services[1].publish_not_ready = 1;
}
static void app_answers(struct lab *l)
{
    own_endpoints(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "False", "Target.ResponseCodeMismatch",
                            "Health checks failed with these codes: [404]");
    }
}
static void silent(struct lab *l)
{
    shop_ready(l);
    l->cluster.kube_stale = true;
    l->cluster.kube_state = "unreachable";
    l->cluster.kube_message = "connection refused";
    lab_clock(l, 600);
    l->cluster.kube_ok_at = l->f.now - 590000;
}
static void silent_at_rest(struct lab *l)
{
    shop_serves(l);
    l->cluster.kube_stale = true;
    l->cluster.kube_state = "unreachable";
}
static void stale(struct lab *l)
{
    silent(l);
    l->cluster.kube_state = "ok";
}
static void denied(struct lab *l)
{
    silent(l);
    l->cluster.kube_state = "denied";
    l->cluster.kube_message = "pods is forbidden";
}
static void stale_at_rest(struct lab *l)
{
    shop_serves(l);
    l->cluster.kube_stale = true;
}
static void not_silent(struct lab *l)
{
    shop_ready(l);
    l->cluster.kube_ok_at = l->f.now - 89000;
}
static void node_lost(struct lab *l)
{
    shop_after(l, 1);
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], "Ready", "Unknown", "NodeStatusUnknown", "");
    }
}
static void replicas_missing(struct lab *l)
{
    l->f.pods.n = 0;
    shop_after(l, 1);
    shop_after(l, 700);
}

static const struct scene_case around[] = {
    {.name = "deadline",
     .scene = deadline,
     .code = "progress_deadline_exceeded",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .text = "kubectl -n shop rollout undo deployment/web"},
    {.name = "deadline, with a cause",
     .scene = deadline_with_a_cause,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "deadline, beside the cause",
     .scene = deadline_with_a_cause,
     .code = "progress_deadline_exceeded",
     .primary = false,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "deadline, and yet served",
     .scene = deadline_and_yet_served,
     .never = "progress_deadline_exceeded"},
    {.name = "paused",
     .scene = paused,
     .code = "rollout_paused",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "kubectl -n shop rollout resume deployment/web"},
    {.name = "aborted and paused",
     .scene = aborted_and_paused,
     .code = "rollout_aborted",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .never = "rollout_paused"},
    {.name = "budget",
     .scene = budget_used_up,
     .code = "budget_blocks_eviction",
     .primary = false,
     .severity = SEVERITY_INFO},
    {.name = "budget, slow",
     .scene = budget_slow,
     .code = "budget_blocks_eviction",
     .primary = false,
     .severity = SEVERITY_WARNING},
    {.name = "budget of others", .scene = budget_of_others, .never = "budget_blocks_eviction"},
    {.name = "budget that open gates would not help",
     .scene = budget_beyond_gates,
     .never = "budget_blocks_eviction"},
    {.name = "budget allows", .scene = budget_allows, .never = "budget_blocks_eviction"},
    {.name = "autoscaler",
     .scene = autoscaler,
     .code = "autoscaler_waits",
     .primary = false,
     .severity = SEVERITY_INFO},
    {.name = "waits for itself",
     .scene = own_endpoints,
     .code = "app_needs_own_endpoints",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true,
     .text = "web-peers"},
    {.name = "peers are published",
     .scene = own_endpoints_published,
     .code = "health_check_code_mismatch",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "app_needs_own_endpoints"},
    {.name = "the app answers 404",
     .scene = app_answers,
     .code = "health_check_code_mismatch",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "app_needs_own_endpoints"},
    {.name = "Kubernetes silent",
     .scene = silent,
     .code = "kubernetes_unreachable",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "controller_not_acting"},
    {.name = "Kubernetes silent, at rest",
     .scene = silent_at_rest,
     .never = "kubernetes_unreachable"},
    {.name = "data stale",
     .scene = stale,
     .code = "data_stale",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "kubernetes_unreachable",
     .text = "no sign of life since"},
    {.name = "data stale, at rest", .scene = stale_at_rest, .never = "data_stale"},
    {.name = "data not stale", .scene = not_silent, .never = "data_stale"},
    {.name = "Kubernetes denies",
     .scene = denied,
     .code = "kubernetes_denied",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "kubernetes_unreachable"},
    {.name = "replicas missing",
     .scene = replicas_missing,
     .code = "unexplained",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "No fault was found in nodes, containers"},
    {.name = "node lost", .scene = node_lost, .never = "unexplained"},
};

static void what_surrounds_a_rollout(void **state)
{
    (void)state;
    HOLD_CASES(around);
}

/* ---- scopes ---- */

static const struct finding *find_in(const struct list *findings, const char *code)
{
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        assert_true(well_written(f));
        if (strcmp(f->code, code) == 0) {
            return f;
        }
    }
    return NULL;
}

static void expect_in_namespace(struct lab *l, const char *code, enum severity severity)
{
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    const struct finding *f = find_in(&found.findings, code);
    if (f == NULL || f->severity != severity) {
        fail_msg("namespace: wanted %s, it says %s", code, f != NULL ? "another severity" : "no");
    }
}

static void a_namespace_in_order_says_nothing(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    assert_int_equal(found.findings.n, 0);
    lab_free(l);
}

static void a_namespace_tells_what_will_bite(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->ns_object.meta.labels = (struct kvs){0};
    expect_in_namespace(l, "gates_not_used", SEVERITY_INFO);
    lab_kv(l, &l->ns_object.meta.labels, "elbv2.k8s.aws/pod-readiness-gate-inject", "yes");
    expect_in_namespace(l, "gate_missing_wrong_label", SEVERITY_WARNING);
    lab_inject(l);
    (void)lab_binding(l, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                      "web", "80", "ip");
    expect_in_namespace(l, "binding_name_too_long", SEVERITY_WARNING);
    l->ns.bindings.n = 1;
    l->bindings[0].service = NULL;
    expect_in_namespace(l, "binding_backend_not_found", SEVERITY_WARNING);
    l->bindings[0].service = &l->services[0];
    l->bindings[0].group->gone = true;
    expect_in_namespace(l, "target_group_gone", SEVERITY_ERROR);
    l->bindings[0].group->gone = false;
    (void)lab_event(l, "TargetGroupBinding", "web", "FailedReconcile",
                    "Failed reconcile due to operation error Elastic Load Balancing v2: "
                    "DeregisterTargets, api error AccessDenied");
    expect_in_namespace(l, "deregister_denied", SEVERITY_WARNING);
    (void)lab_event(l, "Ingress", "front", "FailedDeployModel",
                    "Failed deploy model due to Internal error occurred: failed calling webhook "
                    "\"mtargetgroupbinding.elbv2.k8s.aws\": failed to call webhook: Post "
                    "\"https://x\": context deadline exceeded");
    expect_in_namespace(l, "webhook_unreachable", SEVERITY_WARNING);
    l->bindings[0].group->error = "AccessDenied: not authorized to perform sts:AssumeRole";
    expect_in_namespace(l, "aws_denied", SEVERITY_WARNING);
    lab_free(l);
}

/* What needs time says when: nobody else looks at a namespace in which nothing changes. */
static int64_t look_in_namespace(struct lab *l, const char *not_yet)
{
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    assert_null(find_in(&found.findings, not_yet));
    return found.next_look;
}

static void a_namespace_names_its_next_look(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    assert_int_equal(look_in_namespace(l, "binding_backend_not_found"), 0);
    struct kube_binding *b = (struct kube_binding *)(uintptr_t)l->bindings[0].binding;
    b->meta.created_at = l->f.now - 20000;
    l->bindings[0].service = NULL;
    int64_t look = look_in_namespace(l, "binding_backend_not_found");
    assert_int_equal(look, l->f.now + 40000);
    lab_clock(l, 40);
    assert_int_equal(l->f.now, look);
    expect_in_namespace(l, "binding_backend_not_found", SEVERITY_WARNING);
    l->bindings[0].service = &l->services[0];

    const struct kube_pod foreign = {.ip = "10.9.9.9"};
    (void)lab_target(l, &l->bindings[0], &foreign, 8080, "healthy", "");
    look = look_in_namespace(l, "target_group_shared");
    assert_int_equal(look, l->f.now + 300000);
    lab_clock(l, 300);
    expect_in_namespace(l, "target_group_shared", SEVERITY_WARNING);
    (void)lab_event(l, "TargetGroupBinding", "web", "FailedReconcile", "api error Throttling");
    look = look_in_namespace(l, "target_group_shared"); /* what fails explains it */
    assert_int_equal(look, l->f.now + 35 * 60 * 1000 + 1);
    lab_free(l);
}

static void failing_open_waits_for_a_poll_after_the_last_gate(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "unhealthy", "Target.Timeout");
    }
    l->bindings[0].gate_flipped_at = l->bindings[0].group->observed_at + 1;
    assert_int_equal(look_in_namespace(l, "load_balancer_fail_open"), l->f.now + 15000);
    l->bindings[0].group->observed_at += 10000;
    lab_clock(l, 15);
    expect_in_namespace(l, "load_balancer_fail_open", SEVERITY_ERROR);
    lab_free(l);
}

static void a_foreign_target_is_told(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    const struct kube_pod foreign = {.ip = "10.9.9.9"};
    (void)lab_target(l, &l->bindings[0], &foreign, 8080, "healthy", "");
    lab_clock(l, 600);
    expect_in_namespace(l, "target_group_shared", SEVERITY_WARNING);
    (void)lab_target(l, &l->bindings[0], &foreign, 8080, "draining", "");
    lab_clock(l, 600);
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    assert_null(find_in(&found.findings, "target_group_shared"));
    lab_free(l);
}

static void expect_in_cluster(struct lab *l, const char *code, enum severity severity)
{
    struct scope_verdict found;
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    const struct finding *f = find_in(&found.findings, code);
    if (f == NULL || f->severity != severity) {
        fail_msg("cluster: wanted %s, it says %s", code, f != NULL ? "another severity" : "no");
    }
}

static void the_cluster_tells_of_its_sources_and_controller(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct scope_verdict found;
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    assert_int_equal(found.findings.n, 0);
    l->leases[0].renew_at = l->f.now - 70000;
    expect_in_cluster(l, "controller_stalled", SEVERITY_WARNING);
    l->cluster.waiting_pods = 3;
    expect_in_cluster(l, "controller_stalled", SEVERITY_ERROR);
    l->cluster.aws_state = "denied";
    expect_in_cluster(l, "aws_denied", SEVERITY_WARNING);
    l->cluster.aws_state = "throttled";
    expect_in_cluster(l, "aws_throttled", SEVERITY_INFO);
    l->cluster.aws_state = "unreachable";
    expect_in_cluster(l, "aws_unreachable", SEVERITY_WARNING);
    l->cluster.denied_kinds = "events";
    expect_in_cluster(l, "kubernetes_denied", SEVERITY_WARNING);
    l->cluster.kube_stale = true;
    expect_in_cluster(l, "data_stale", SEVERITY_WARNING);
    l->cluster.kube_state = "unreachable";
    expect_in_cluster(l, "kubernetes_unreachable", SEVERITY_WARNING);
    lab_free(l);
}

/* What each state of a source says, and when it says nothing. */
static const struct source_case {
    const char *kube; /* state */
    bool stale;
    const char *aws;
    const char *denied_kinds;
    const char *codes; /* "code object severity value\n" of all, in their order */
} sources[] = {
    {"ok", false, "ok", "", ""},
    {"syncing", false, "syncing", "", ""},
    {"ok", false, "off", "", ""},
    {"failing", false, "ok", "", ""}, /* for a moment: the age decides */
    {"ok", true, "ok", "",
     "data_stale Source/kubernetes warning 2025-10-09T08:51:50Z, state ok: words\n"},
    {"syncing", true, "ok", "",
     "data_stale Source/kubernetes warning 2025-10-09T08:51:50Z, state syncing: words\n"},
    {"failing", true, "ok", "",
     "kubernetes_unreachable Source/kubernetes warning 2025-10-09T08:51:50Z, state failing: "
     "words\n"},
    {"unreachable", false, "ok", "",
     "kubernetes_unreachable Source/kubernetes warning 2025-10-09T08:51:50Z, state unreachable: "
     "words\n"},
    {"denied", true, "ok", "",
     "kubernetes_denied Source/kubernetes warning 2025-10-09T08:51:50Z, state denied: words\n"},
    {"ok", false, "ok", "leases,events",
     "kubernetes_denied Source/kubernetes warning leases,events\n"},
    {"ok", false, "denied", "",
     "aws_denied Source/aws warning denied: AccessDenied: ... DescribeTargetHealth\n"},
    {"ok", true, "denied", "",
     "data_stale Source/kubernetes warning 2025-10-09T08:51:50Z, state ok: words\n"
     "aws_denied Source/aws warning denied: AccessDenied: ... DescribeTargetHealth\n"},
    {"ok", false, "throttled", "",
     "aws_throttled Source/aws info throttled: AccessDenied: ... DescribeTargetHealth\n"},
    {"ok", false, "failing", "",
     "aws_unreachable Source/aws warning failing: AccessDenied: ... DescribeTargetHealth\n"},
};

static const char *said_of(struct lab *l, const struct list *findings)
{
    const char *text = "";
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        assert_true(well_written(f));
        text = arena_printf(l->a, "%s%s %s %s %s\n", text, f->code, f->object,
                            severity_name(f->severity),
                            LIST_AT(struct evidence, f->evidence, 0)->value);
    }
    return text;
}

/* Health is read, so the source is fine; an action that only some findings need is refused. */
static void a_right_that_only_some_findings_need_is_told_quietly(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct scope_verdict found;
    l->cluster.aws_state = "ok";
    l->cluster.aws_message = "denied: elasticloadbalancing:DescribeRules";
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    assert_string_equal(said_of(l, &found.findings),
                        "aws_denied Source/aws info ok: denied: elasticloadbalancing:"
                        "DescribeRules\n");
    lab_free(l);
}

static void each_state_of_a_source_has_its_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        const struct source_case *c = &sources[i];
        struct lab *l = shop_new();
        struct scope_verdict found;
        l->cluster.kube_state = c->kube;
        l->cluster.kube_message = "words";
        l->cluster.kube_stale = c->stale;
        l->cluster.kube_ok_at = INT64_C(1759999910000);
        l->cluster.aws_state = c->aws;
        l->cluster.aws_message =
            strcmp(c->aws, "ok") == 0 ? "" : "AccessDenied: ... DescribeTargetHealth";
        l->cluster.denied_kinds = c->denied_kinds;
        judge_cluster(&l->cluster, &l->policy, l->a, &found);
        const char *said = said_of(l, &found.findings);
        if (strcmp(said, c->codes) != 0) {
            fail_msg("%s%s, aws %s: it says\n%swanted\n%s", c->kube, c->stale ? " and silent" : "",
                     c->aws, said, c->codes);
        }
        if (c->stale) {
            const struct finding *f = LIST_AT(struct finding, found.findings, 0);
            assert_int_equal(f->since, l->cluster.kube_ok_at);
        }
        lab_free(l);
    }
}

/* One account's role is denied: its bindings say so and no other. */
static void a_group_that_is_denied_is_told_of_its_binding_alone(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    const char *why = "AccessDenied: not authorized to perform sts:AssumeRole";
    (void)lab_binding(l, "other", "web", "80", "ip");
    l->bindings[0].group->error = why;
    l->bindings[0].group->known = false;
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    const struct finding *f = find_in(&found.findings, "aws_denied");
    assert_non_null(f);
    assert_string_equal(f->object, "TargetGroupBinding/web");
    assert_non_null(strstr(f->message, "sts:AssumeRole"));
    assert_string_equal(LIST_AT(struct evidence, f->evidence, 0)->value, why);
    assert_non_null(strstr(f->action, "IAM policy"));
    l->bindings[0].group->error = "connection reset";
    assert_int_equal(look_in_namespace(l, "aws_denied"), 0);
    l->bindings[0].group->error = why;
    l->bindings[0].group->known = true; /* it was answered before: what is known stays */
    assert_int_equal(look_in_namespace(l, "aws_denied"), 0);
    lab_free(l);
}

static void the_cluster_tells_what_stands_behind_the_webhook(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct facts_span spans[] = {{l->f.now - 30000, 0}, {l->f.now - 900000, l->f.now - 800000}};
    l->cluster.injector_down = (struct list){&spans[1], 1};
    struct scope_verdict found;
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    assert_int_equal(found.findings.n, 0); /* it was down once, and is not now */
    l->cluster.injector_down = (struct list){spans, 2};
    expect_in_cluster(l, "webhook_no_endpoints", SEVERITY_INFO); /* a restart, perhaps */
    spans[0].from = l->f.now - 61000;
    expect_in_cluster(l, "webhook_no_endpoints", SEVERITY_WARNING);
    l->cluster.injector_service_missing = true;
    expect_in_cluster(l, "webhook_service_missing", SEVERITY_WARNING);
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    assert_int_equal(found.findings.n, 1);
    const struct finding *f = LIST_AT(struct finding, found.findings, 0);
    assert_false(f->terminal); /* nobody waits for it */
    assert_true(well_written(f));
    assert_int_equal(f->since, spans[0].from);
    l->cluster.denied_kinds = "services";
    expect_in_cluster(l, "webhook_no_endpoints", SEVERITY_WARNING);
    lab_free(l);
}

static void no_credentials_are_no_fault(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->cluster.aws_known = false;
    l->cluster.aws_state = "absent";
    struct scope_verdict found;
    judge_cluster(&l->cluster, &l->policy, l->a, &found);
    assert_int_equal(found.findings.n, 0);
    lab_free(l);
}

/* ---- shutdown ---- */

static const struct finding *drain_of(struct lab *l)
{
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "drain_shorter_than_deregistration");
    assert_true(f == NULL || (well_written(f) && !f->primary));
    return f;
}

/* Both pods serve, and a third, of address 10.9.9.9, was gone `ago` seconds before the last answer
 * of ELBv2, which calls its target so. */
static struct lab *shop_after_a_pod(struct facts_gone *gone, int64_t ago, const char *state)
{
    static const struct kube_pod ended = {.ip = "10.9.9.9"};
    struct lab *l = shop_new();
    shop_serves(l);
    lab_kv(l, &l->workload.template_labels, "app", "web");
    lab_target(l, &l->bindings[0], &ended, 8080, state, "")->healthy_at = l->f.now - 600000;
    l->bindings[0].group->observed_at = l->f.now;
    *gone = (struct facts_gone){7, "web-9", "10.9.9.9", l->f.now - ago * 1000, 0};
    l->f.gone = (struct list){gone, 1};
    return l;
}

/* What a target of a pod that is gone may say, how long after, and whether that is harm. */
static const struct {
    const char *state;
    int64_t ago;
    bool harm;
    bool look; /* it cannot be told yet */
} ends[] = {
    {"draining", 1, false, false}, {"draining", 200, false, false},
    {"unused", 10, false, false},  {"unhealthy.draining", 10, false, false},
    {"initial", 10, false, false}, {"healthy", 5, true, false},
    {"unhealthy", 5, true, false}, {"healthy", 4, false, true},
    {"healthy", 299, true, false}, {"healthy", 300, false, false}, /* nobody knows whose by now */
    {"unhealthy", 0, false, true},
};

static void a_pod_that_is_gone_while_it_gets_requests_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct facts_gone gone;
        struct lab *l = shop_after_a_pod(&gone, ends[i].ago, ends[i].state);
        const struct finding *f = drain_of(l);
        bool looks = l->v.next_look == l->f.now + 10000;
        if ((f != NULL) != ends[i].harm || looks != ends[i].look ||
            l->v.cut.n != (ends[i].harm ? 1 : 0)) {
            fail_msg("%s after %lld s: %s, look %d, %u marked", ends[i].state,
                     (long long)ends[i].ago, f != NULL ? f->message : "quiet", looks, l->v.cut.n);
        }
        lab_free(l);
    }
}

static void a_cut_is_a_warning_beside_a_rollout_that_serves(void **state)
{
    (void)state;
    struct facts_gone gone[2];
    struct lab *l = shop_after_a_pod(gone, 10, "healthy");
    const struct finding *f = drain_of(l);
    assert_non_null(f);
    assert_int_equal(*LIST_AT(int64_t, l->v.cut, 0), 7);
    assert_string_equal(f->object, "Deployment/web");
    assert_true(f->severity == SEVERITY_WARNING && f->confidence == CONFIDENCE_LIKELY);
    assert_null(l->v.primary);
    assert_int_equal(l->v.state, ROLLOUT_SERVING);
    assert_non_null(strstr(f->message, "pod web-9 was gone at"));
    assert_true(says_text(f, "preStop sleep"));
    assert_int_equal(f->since, gone[0].gone_at);
    /* remembered: whatever became of the target, until it is forgotten */
    int64_t seen = l->f.now;
    gone[0].cut_at = seen;
    gone[1] = (struct facts_gone){6, "web-8", "10.9.9.8", gone[0].gone_at - 60000, seen - 50000};
    l->f.gone.n = 2;
    l->bindings[0].group->targets.n = 2;
    shop_after(l, 500);
    f = drain_of(l);
    assert_non_null(f);
    assert_int_equal(l->v.cut.n, 0);
    assert_true(says_text(f, "web-9 was gone") && says_text(f, "1 more"));
    assert_int_equal(l->v.next_look, gone[0].gone_at + GONE_KEPT_MS + 1);
    l->f.gone.n = 0;
    assert_null(drain_of(l));
    lab_free(l);
}

/* Each is why a target of a pod that is gone may get requests and no pod is to blame. */
static void a_failing_controller_or_a_shared_group_is_no_short_grace(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct facts_gone gone;
        struct lab *l = shop_after_a_pod(&gone, 10, "healthy");
        struct kube_binding *b = (struct kube_binding *)(uintptr_t)l->bindings[0].binding;
        switch (i) {
        case 0: /* another pod of ours has the address */
            l->pods[1]->ip = "10.9.9.9";
            break;
        case 1: /* ... another workload's, behind the same Service, or the slice is late */
            gone.ip = l->pods[1]->ip;
            l->f.pods.n = 1;
            break;
        case 2:
            b->multi_cluster = 1;
            break;
        case 3:
            l->bindings[0].sharers = 1;
            break;
        case 4:
            b->meta.deleted_at = l->f.now;
            break;
        case 5: /* the binding takes other pods */
            lab_kv(l, &l->workload.template_labels, "app", "other");
            break;
        case 6: /* the controller says that it cannot */
            (void)lab_event(l, "TargetGroupBinding", "web", "FailedReconcile",
                            "Failed reconcile due to AccessDenied: DeregisterTargets");
            break;
        case 7: /* ... or is not there */
            l->leases[0].renew_at = l->f.now - 600000;
            break;
        case 8: /* it never got requests */
            for (uint32_t k = 0; k < l->bindings[0].group->targets.n; k++) {
                struct facts_target *t = (struct facts_target *)(uintptr_t)LIST_AT(
                    struct facts_target, l->bindings[0].group->targets, k);
                t->healthy_at = strcmp(t->t.id, gone.ip) == 0 ? 0 : t->healthy_at;
            }
            break;
        default: /* what Kubernetes says is old */
            l->cluster.kube_stale = true;
            break;
        }
        const struct finding *f = drain_of(l);
        if (f != NULL || l->v.cut.n != 0) {
            fail_msg("case %d: %s", i, f != NULL ? f->message : "marked");
        }
        lab_free(l);
    }
}

static void findings_of_a_namespace_keep_their_since(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->ns_object.meta.labels = (struct kvs){0};
    const struct prior_finding known = {"gates_not_used", "Namespace/shop", LAB_T0 - 5000};
    l->ns.findings = (struct list){&known, 1};
    struct scope_verdict found;
    judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
    assert_int_equal(LIST_AT(struct finding, found.findings, 0)->since, LAB_T0 - 5000);
    lab_free(l);
}

static void an_idle_rollout_asks_for_no_look(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    shop_after(l, 300);
    assert_int_equal(lab_judge(l)->next_look, 0);
    lab_free(l);
}

/* ---- the catalogue ---- */

static void every_code_is_found_and_unique(void **state)
{
    (void)state;
    unsigned n = 0;
    const struct cause *all = cause_all(&n);
    assert_int_equal(n, 83); /* the rows of the catalogue; only ever more */
    for (unsigned i = 0; i < n; i++) {
        assert_ptr_equal(cause_get(all[i].code), &all[i]);
        assert_non_null(cause_text_of(all[i].code));
        assert_true(all[i].title[0] != '\0' && all[i].section[0] != '\0' && all[i].nearness > 0);
        for (unsigned k = 0; k < i; k++) {
            assert_int_not_equal(all[i].nearness, all[k].nearness);
        }
    }
    assert_null(cause_get("no_such_code"));
    assert_null(cause_get(""));
}

static void the_runbook_stands_in_the_action(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->policy.runbook = "https://runbooks.example.org/web";
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    (void)lab_judge(l);
    assert_non_null(strstr(l->v.primary->action, "Runbook: https://runbooks.example.org/web"));
    lab_free(l);
}

static void hostile_names_are_quoted_in_commands(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->f.pods.n = 1;
    l->pods[0]->meta.name = "web-1; rm -rf '/'";
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    (void)lab_judge(l);
    assert_true(says_text(l->v.primary, "describe pod 'web-1; rm -rf '\\''/'\\'''"));
    lab_free(l);
}

static void texts_do_not_change_with_the_clock(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    (void)lab_judge(l);
    const char *before = l->v.primary->message;
    lab_after(l, 40);
    l->bindings[0].group->observed_at = l->f.now;
    (void)lab_judge(l);
    assert_string_equal(before, l->v.primary->message);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_surrounds_a_rollout),
        cmocka_unit_test(a_namespace_in_order_says_nothing),
        cmocka_unit_test(a_namespace_tells_what_will_bite),
        cmocka_unit_test(a_namespace_names_its_next_look),
        cmocka_unit_test(failing_open_waits_for_a_poll_after_the_last_gate),
        cmocka_unit_test(a_foreign_target_is_told),
        cmocka_unit_test(the_cluster_tells_of_its_sources_and_controller),
        cmocka_unit_test(each_state_of_a_source_has_its_words),
        cmocka_unit_test(a_right_that_only_some_findings_need_is_told_quietly),
        cmocka_unit_test(a_group_that_is_denied_is_told_of_its_binding_alone),
        cmocka_unit_test(the_cluster_tells_what_stands_behind_the_webhook),
        cmocka_unit_test(no_credentials_are_no_fault),
        cmocka_unit_test(a_pod_that_is_gone_while_it_gets_requests_is_told),
        cmocka_unit_test(a_cut_is_a_warning_beside_a_rollout_that_serves),
        cmocka_unit_test(a_failing_controller_or_a_shared_group_is_no_short_grace),
        cmocka_unit_test(findings_of_a_namespace_keep_their_since),
        cmocka_unit_test(an_idle_rollout_asks_for_no_look),
        cmocka_unit_test(every_code_is_found_and_unique),
        cmocka_unit_test(the_runbook_stands_in_the_action),
        cmocka_unit_test(hostile_names_are_quoted_in_commands),
        cmocka_unit_test(texts_do_not_change_with_the_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
