/* No gate where one belongs, and gates that cannot open. */
#include "unit/model/cause_case.h"

/* ---- missing ---- */

/* Two pods without a gate, ready and healthy, an hour after all else was made. */
static void bare(struct lab *l, const char *state)
{
    for (uint32_t i = 0; i < 2; i++) {
        l->pods[i]->gates = (struct strs){0};
    }
    shop_ready(l);
    for (uint32_t i = 0; i < 2 && state[0] != '\0'; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, state, "");
    }
    shop_after(l, 60);
}

static void label(struct lab *l, const char *key, const char *value)
{
    l->ns_object.meta.labels = (struct kvs){0};
    if (key != NULL) {
        lab_kv(l, &l->ns_object.meta.labels, key, value);
    }
}

static void no_label(struct lab *l)
{
    label(l, NULL, NULL);
    bare(l, "");
}
static void no_label_but_healthy(struct lab *l)
{
    label(l, NULL, NULL);
    bare(l, "healthy");
}
static void no_label_and_no_binding(struct lab *l)
{
    label(l, NULL, NULL);
    l->ns.bindings.n = 0;
    bare(l, "");
}
static void wrong_value(struct lab *l)
{
    label(l, "elbv2.k8s.aws/pod-readiness-gate-inject", "true");
    bare(l, "healthy");
}
static void other_family(struct lab *l)
{
    label(l, "eks.amazonaws.com/pod-readiness-gate-inject", "enabled");
    bare(l, "");
}
static void auto_mode_with_old_label(struct lab *l)
{
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->meta.kind = KIND_BINDING_AUTO;
    l->cluster.has_auto = true;
    bare(l, "");
}
static void lattice_label(struct lab *l)
{
    label(l, "application-networking.k8s.aws/pod-readiness-gate-inject", "enabled");
    bare(l, "");
}
static void annotation(struct lab *l)
{
    label(l, NULL, NULL);
    lab_kv(l, &l->ns_object.meta.annotations, "elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");
    bare(l, "");
}
static void on_the_pod(struct lab *l)
{
    label(l, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        lab_kv(l, &l->pods[i]->meta.labels, "elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");
    }
    bare(l, "");
}
static void own_selector(struct lab *l)
{
    struct selector_term *t =
        (struct selector_term *)(uintptr_t)shop_hook(l)->namespace_selector.terms.items;
    t->key = "team";
    bare(l, "");
}
static void pod_excluded(struct lab *l)
{
    lab_kv(l, &l->pods[0]->meta.labels, "app.kubernetes.io/name", "aws-load-balancer-controller");
    lab_kv(l, &l->pods[1]->meta.labels, "app.kubernetes.io/name", "aws-load-balancer-controller");
    bare(l, "");
}
static void binding_younger(struct lab *l)
{
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->meta.created_at = l->f.now;
    bare(l, "");
}
static void binding_younger_but_healthy(struct lab *l)
{
    binding_younger(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "healthy", "");
    }
}
static void label_younger(struct lab *l)
{
    l->ns.label_seen_at = l->f.now;
    bare(l, "");
}
static void service_younger(struct lab *l)
{
    l->services[0].meta.created_at = l->f.now;
    bare(l, "");
}
static void hash_selector(struct lab *l)
{
    lab_kv(l, &l->services[0].selector, "pod-template-hash", "hash1");
    bare(l, "");
}
static void injector_down(struct lab *l)
{
    struct facts_span *span = arena_array(l->a, struct facts_span, 1);
    *span = (struct facts_span){LAB_T0 - 60000, LAB_T0 + 60000};
    l->cluster.injector_down = (struct list){span, 1};
    bare(l, "");
}
static void injector_down_later(struct lab *l)
{
    injector_down(l);
    struct facts_span *span = arena_array(l->a, struct facts_span, 1);
    *span = (struct facts_span){LAB_T0 + 3600000, 0};
    l->cluster.injector_down = (struct list){span, 1};
}
static void older_sister_has_it(struct lab *l)
{
    l->cluster.started_at = l->f.now;
    l->pods[0]->meta.created_at -= 3600000;
    bare(l, "");
    lab_gate(l, l->pods[0], GATE);
    shop_gates(l, "True", "", "");
}
static void younger_sister_has_it(struct lab *l)
{
    l->cluster.started_at = l->f.now;
    l->pods[1]->meta.created_at -= 3600000;
    bare(l, "");
    lab_gate(l, l->pods[0], GATE);
    shop_gates(l, "True", "", "");
}
static void fail_policy_and_no_reason(struct lab *l)
{
    shop_hook(l)->failure_policy = "Fail";
    bare(l, "");
}
static void no_webhook(struct lab *l)
{
    l->cluster.webhook_configs.n = 0;
    bare(l, "");
}
static void no_webhook_may_be_read(struct lab *l)
{
    l->cluster.denied_kinds = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
    no_webhook(l);
}
static void no_target_type(struct lab *l)
{
    struct elb_group *g = arena_alloc(l->a, sizeof *g);
    record_clear(&elb_group_table, g);
    g->target_type = "ip";
    l->bindings[0].group->group = g;
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->target_type = "";
    bare(l, "");
}
static void instances(struct lab *l)
{
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->target_type = "instance";
    bare(l, "");
}
static void instances_unlabelled(struct lab *l)
{
    label(l, NULL, NULL);
    instances(l);
}
static void not_ready_yet(struct lab *l)
{
    label(l, NULL, NULL);
    l->pods[0]->gates = (struct strs){0};
    l->pods[1]->gates = (struct strs){0};
}

static const struct scene_case missing[] = {
    {.name = "no label",
     .scene = no_label,
     .code = "gates_not_used",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "kubectl label namespace shop elbv2.k8s.aws/pod-readiness-gate-inject=enabled"},
    {.name = "no label, healthy",
     .scene = no_label_but_healthy,
     .code = "gates_not_used",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "no label, no binding", .scene = no_label_and_no_binding, .never = "gates_not_used"},
    {.name = "value true",
     .scene = wrong_value,
     .code = "gate_missing_wrong_label",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "pod-readiness-gate-inject=true"},
    {.name = "the other family's label",
     .scene = other_family,
     .code = "gate_missing_wrong_label",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "Auto Mode, old label",
     .scene = auto_mode_with_old_label,
     .code = "gate_missing_wrong_label",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "eks.amazonaws.com/pod-readiness-gate-inject=enabled"},
    {.name = "Lattice's label",
     .scene = lattice_label,
     .code = "gates_not_used",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "annotation",
     .scene = annotation,
     .code = "gate_missing_wrong_label",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "annotation"},
    {.name = "label on the pod",
     .scene = on_the_pod,
     .code = "gate_missing_wrong_label",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "pods' label"},
    {.name = "own namespace selector",
     .scene = own_selector,
     .code = "gate_missing_opted_out",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "team In [enabled]"},
    {.name = "pod excluded",
     .scene = pod_excluded,
     .code = "gate_missing_opted_out",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "objectSelector"},
    {.name = "binding younger",
     .scene = binding_younger,
     .code = "gate_missing_pod_predates_binding",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "kubectl -n shop rollout restart deployment/web"},
    {.name = "binding younger, healthy",
     .scene = binding_younger_but_healthy,
     .code = "gate_missing_pod_predates_binding",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "label younger",
     .scene = label_younger,
     .code = "gate_missing_pod_predates_binding",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "Service younger",
     .scene = service_younger,
     .code = "gate_missing_pod_predates_binding",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "Service/web"},
    {.name = "hash in the selector",
     .scene = hash_selector,
     .code = "gate_missing_selector_moved",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "injector down",
     .scene = injector_down,
     .code = "gate_missing_injection_failed",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "injector down later",
     .scene = injector_down_later,
     .code = "gate_missing_injection_failed",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "an older sister has it",
     .scene = older_sister_has_it,
     .code = "gate_missing_injection_failed",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "a younger sister has it",
     .scene = younger_sister_has_it,
     .code = "gate_missing_pod_predates_binding",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "failurePolicy Fail",
     .scene = fail_policy_and_no_reason,
     .code = "gate_missing",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "no webhook",
     .scene = no_webhook,
     .code = "gate_missing",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true},
    {.name = "webhooks cannot be read",
     .scene = no_webhook_may_be_read,
     .code = "gate_missing",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .likely = true,
     .text = "webhook configurations cannot be read"},
    {.name = "no target type",
     .scene = no_target_type,
     .code = "gate_missing",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "spec.targetType"},
    {.name = "instance targets",
     .scene = instances,
     .code = "gate_missing_target_type",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "instance targets, no label",
     .scene = instances_unlabelled,
     .never = "gate_missing_target_type"},
    {.name = "not ready yet", .scene = not_ready_yet, .never = "gates_not_used"},
};

static void pods_without_a_gate(void **state)
{
    (void)state;
    HOLD_CASES(missing);
}

/* ---- gates that cannot open ---- */

static void gate(struct lab *l, const char *type, bool ready)
{
    for (uint32_t i = 0; i < 2; i++) {
        l->pods[i]->gates = (struct strs){0};
        lab_gate(l, l->pods[i], type);
    }
    if (ready) {
        shop_ready(l);
    }
}

static void gone(struct lab *l)
{
    gate(l, LBC "old", true);
    shop_after(l, 1);
    shop_after(l, 30);
}
static void gone_a_moment_ago(struct lab *l)
{
    gate(l, LBC "old", true);
}
static void gone_but_unreadable(struct lab *l)
{
    gone(l);
    l->cluster.denied_kinds = "targetgroupbindings.elbv2.k8s.aws";
}
static void moved_to_auto_mode(struct lab *l)
{
    gate(l, LBC "old", true);
    l->cluster.has_lbc = false;
    l->cluster.has_auto = true;
    shop_after(l, 400);
    shop_after(l, 20);
}
static void made_by_an_operator(struct lab *l)
{
    gate(l, LBC "web-1-8080", true);
    l->f.pods.n = 1;
    shop_after(l, 20);
}
static void seen_late(struct lab *l)
{
    gate(l, LBC "old", true);
    l->tracks[0].state = -1;
    l->tracks[1].state = -1;
    l->prior.findings.n = 0;
    lab_clock(l, 600);
}
static void by_hand(struct lab *l)
{
    gate(l, LBC "mine", true);
    lab_str(l, &l->workload.template_gates, LBC "mine");
    shop_after(l, 61);
    shop_after(l, 15);
}
static void legacy(struct lab *l)
{
    gate(l, V1 "ing_web_80", false);
}
static void legacy_where_it_serves(struct lab *l)
{
    gate(l, V1 "ing_web_80", true);
    l->cluster.has_lbc = false;
    l->ns.bindings.n = 0;
}
static void selector_changed(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "");
    lab_kv(l, &l->services[0].selector, "app", "other");
    shop_after(l, 1);
    shop_after(l, 20);
}
/* The binding was made anew with nodes for targets; the gates are of the old one. */
static void of_nodes_now(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "");
    ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->target_type = "instance";
    shop_after(l, 1);
    shop_after(l, 20);
}
static void frozen_open(struct lab *l)
{
    shop_serves(l);
    lab_kv(l, &l->services[0].selector, "app", "other");
}
static void left_behind(struct lab *l)
{
    shop_serves(l);
    lab_kv(l, &l->services[0].selector, "pod-template-hash", "hash2");
    lab_new_revision(l, "hash2", 2);
    struct kube_pod *p = lab_pod(l, "web-3", "hash2");
    lab_gate(l, p, GATE);
}
static void neg(struct lab *l)
{
    gate(l, "cloud.google.com/load-balancer-neg-ready", true);
    shop_gates(l, "", "LoadBalancerNegNotReady", "");
}
static void neg_for_long(struct lab *l)
{
    neg(l);
    shop_after(l, 700);
}
static void lattice(struct lab *l)
{
    gate(l, "application-networking.k8s.aws/pod-readiness-gate", true);
}
static void unknown_owner(struct lab *l)
{
    gate(l, "example.org/ready", true);
    shop_after(l, 700);
}
static const char *const duty[] = {"all=other.example.org/", "duty=example.org/", NULL};
static void configured_owner(struct lab *l)
{
    unknown_owner(l);
    l->policy.families = duty;
}
static void configured_elsewhere(struct lab *l)
{
    static const char *const other[] = {"duty=duty.example.org/", NULL};
    unknown_owner(l);
    l->policy.families = other;
}
static void unknown_owner_open(struct lab *l)
{
    gate(l, "example.org/ready", true);
    shop_gates(l, "True", "", "");
    l->ns.bindings.n = 0;
}

static const struct scene_case closed[] = {
    {.name = "binding gone",
     .scene = gone,
     .code = "gate_binding_gone",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .text = "kubectl -n shop delete pod web-1"},
    {.name = "binding gone a moment ago",
     .scene = gone_a_moment_ago,
     .code = "gate_binding_gone",
     .primary = true,
     .severity = SEVERITY_INFO,
     .likely = true},
    {.name = "bindings cannot be read", .scene = gone_but_unreadable, .never = "gate_binding_gone"},
    {.name = "the cluster went over to Auto Mode",
     .scene = moved_to_auto_mode,
     .code = "gate_binding_gone",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .likely = true},
    {.name = "binding comes after the pod",
     .scene = made_by_an_operator,
     .never = "gate_binding_gone"},
    {.name = "seen late",
     .scene = seen_late,
     .code = "gate_binding_gone",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "gate by hand",
     .scene = by_hand,
     .code = "gate_in_pod_template",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .never = "gate_binding_gone"},
    {.name = "v1 gate",
     .scene = legacy,
     .code = "gate_legacy_type",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "v1 gate of a v1 controller",
     .scene = legacy_where_it_serves,
     .never = "gate_legacy_type"},
    {.name = "selector changed",
     .scene = selector_changed,
     .code = "gate_service_does_not_select_pod",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .text = "the binding's Service selects other labels now"},
    {.name = "made anew for nodes",
     .scene = of_nodes_now,
     .code = "gate_service_does_not_select_pod",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true,
     .text = "targets of type instance now"},
    {.name = "selector changed, gate open",
     .scene = frozen_open,
     .code = "gate_service_does_not_select_pod",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "left behind by blue-green",
     .scene = left_behind,
     .never = "gate_service_does_not_select_pod"},
    {.name = "NEG",
     .scene = neg,
     .code = "other_gate_closed",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "LoadBalancerNegNotReady"},
    {.name = "NEG for long",
     .scene = neg_for_long,
     .code = "other_gate_closed",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "Lattice",
     .scene = lattice,
     .code = "other_gate_closed",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "unknown owner",
     .scene = unknown_owner,
     .code = "gate_owner_unknown",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "example.org/ready"},
    {.name = "owner by configuration",
     .scene = configured_owner,
     .code = "other_gate_closed",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "example.org/ready (duty)",
     .never = "gate_owner_unknown"},
    {.name = "another owner by configuration",
     .scene = configured_elsewhere,
     .code = "gate_owner_unknown",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "other_gate_closed"},
    {.name = "unknown owner, open", .scene = unknown_owner_open, .never = "gate_owner_unknown"},
};

static void gates_that_cannot_open(void **state)
{
    (void)state;
    HOLD_CASES(closed);
}

static void a_gate_that_is_gone_fails_the_rollout(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    gone(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.state, ROLLOUT_FAILED);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_FAILING);
    lab_free(l);
}

static void the_grace_names_its_next_look(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    gone_a_moment_ago(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.next_look, l->f.now + 10000);
    lab_after(l, 10);
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "gate_binding_gone");
    assert_true(f != NULL && f->terminal);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_without_a_gate),
        cmocka_unit_test(gates_that_cannot_open),
        cmocka_unit_test(a_gate_that_is_gone_fails_the_rollout),
        cmocka_unit_test(the_grace_names_its_next_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
