/*
 * Cases of other people about gates that are not there, or that can never open.
 */
#include "unit/model/town.h"

static struct kvs *ns_labels(struct town *t)
{
    return &t->l->ns_object.meta.labels;
}

static void unlabel(struct town *t)
{
    *ns_labels(t) = (struct kvs){0};
}

/* A rollout to a second revision is under way; its first pods are ready, without a gate. */
static void rolls_without_gates(struct town *t)
{
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_elb(t, t->b, "initial", "Elb.RegistrationInProgress", "");
    t->w->replicas = t->pods + 2;
    town_after(t, 20);
}

/* Everybody serves, no pod has a gate. */
static void rests_without_gates(struct town *t)
{
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 3600);
}

/* ---- the label ---- */

static void an_annotation(struct town *t)
{
    unlabel(t);
    lab_kv(t->l, &t->l->ns_object.meta.annotations, town_label(t), "enabled");
    rests_without_gates(t);
}

static void an_annotation_over_a_rollout(struct town *t)
{
    /* Argo's Rollouts are restarted by Argo's own plug-in */
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    t->l->f.kind = "Rollout";
    t->w->canary = 1;
    t->w->current_pod_hash = "hash1";
    t->w->stable_rs = "hash1";
    an_annotation(t);
}

static void value_true(struct town *t)
{
    unlabel(t);
    lab_kv(t->l, ns_labels(t), town_label(t), "true");
    rests_without_gates(t);
}

static void value_enable(struct town *t)
{
    unlabel(t);
    lab_kv(t->l, ns_labels(t), town_label(t), "enable");
    rolls_without_gates(t);
}

static void the_other_family(struct town *t)
{
    unlabel(t);
    lab_kv(t->l, ns_labels(t),
           t->vary == AUTO ? "elbv2.k8s.aws/pod-readiness-gate-inject"
                           : "eks.amazonaws.com/pod-readiness-gate-inject",
           "enabled");
    rolls_without_gates(t);
}

static void label_on_the_pods(struct town *t)
{
    unlabel(t);
    town_pods(t, NULL);
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        lab_kv(t->l, &t->l->pods[i]->meta.labels, town_label(t), "enabled");
    }
    town_after(t, 10);
    town_up(t);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 600);
}

static void label_on_the_controllers_namespace(struct town *t)
{
    unlabel(t);
    rolls_without_gates(t);
}

static void gates_never_asked_for(struct town *t)
{
    unlabel(t);
    rests_without_gates(t);
}

static void only_lattice_is_labelled(struct town *t)
{
    unlabel(t);
    lab_kv(t->l, ns_labels(t), "application-networking.k8s.aws/pod-readiness-gate-inject",
           "enabled");
    rolls_without_gates(t);
}

/* ---- order ---- */

static void helm_makes_pods_first(struct town *t)
{
    int64_t made = t->l->f.now;
    town_pods(t, NULL);
    town_spec(t->b)->meta.created_at = made + 9000;
    t->s->meta.created_at = made + 1000;
    town_after(t, 30);
    town_up(t);
    town_elb(t, t->b, "initial", "Elb.InitialHealthChecking", "");
    town_after(t, 15);
}

static void label_after_the_pods(struct town *t)
{
    town_pods(t, NULL);
    town_after(t, 10);
    town_up(t);
    town_elb(t, t->b, "healthy", "", "");
    town_after(t, 86400);
    t->l->ns.label_seen_at = t->l->f.now;
    town_after(t, 60);
}

static void a_namespace_of_two_installations(struct town *t)
{
    /* three teams with a controller each: another team's webhook is listed first */
    struct kube_webhook_config *mine =
        LAB_LIST(t->l, t->l->cluster.webhook_configs, t->l->webhook_configs, LAB_MANY);
    *mine = t->l->webhook_configs[0];
    mine->meta.name = "aws-load-balancer-webhook-shop";
    struct kube_webhook_config *theirs = &t->l->webhook_configs[0];
    theirs->meta.name = "aws-load-balancer-webhook-bank";
    struct webhook *w = arena_alloc(t->l->a, sizeof *w);
    *w = *LIST_AT(struct webhook, mine->webhooks, 0);
    w->namespace_selector = (struct selector){.present = 1};
    lab_kv(t->l, &w->namespace_selector.labels, "team", "bank");
    theirs->webhooks = (struct list){w, 1};
    helm_makes_pods_first(t);
}

static void some_of_a_revision(struct town *t)
{
    /* the Service was moved while the pods of one ReplicaSet were made */
    struct kube_pod *first = town_pod(t, "hash1", NULL);
    lab_clock(t->l, 3);
    for (uint32_t i = 1; i < t->pods; i++) {
        (void)town_pod(t, "hash1", t->gate);
    }
    lab_kv(t->l, &t->s->selector, "pod-template-hash", "hash1");
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "", "");
    if (t->vary != BLIND) {
        lab_target(t->l, t->b, first, 8080, "initial", "Elb.RegistrationInProgress");
    }
    town_after(t, 20);
}

static void blue_green_switched(struct town *t)
{
    struct lab *l = t->l;
    t->w->meta.kind = KIND_ARGO_ROLLOUT;
    l->f.kind = "Rollout";
    t->w->blue_green = 1;
    t->w->current_pod_hash = "hash2";
    t->w->stable_rs = "hash1";
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash1", t->gate);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", "hash1");
        lab_containers_ready(l, p, true);
        lab_gate_set(l, p, t->gate, "True", "");
    }
    lab_clock(l, 600);
    for (uint32_t i = 0; i < t->pods; i++) {
        struct kube_pod *p = town_pod(t, "hash2", NULL);
        lab_kv(l, &p->meta.labels, "rollouts-pod-template-hash", "hash2");
        lab_containers_ready(l, p, true);
        if (t->vary != BLIND) {
            (void)lab_target(l, t->b, p, 8080, "initial", "Elb.RegistrationInProgress");
        }
    }
    lab_kv(l, &t->s->selector, "rollouts-pod-template-hash", "hash2");
    town_slices(t);
    town_after(t, 20);
}

/* ---- the webhook ---- */

static void injector_was_down(struct town *t)
{
    struct facts_span *span = arena_zalloc(t->l->a, sizeof *span);
    *span = (struct facts_span){t->l->f.now - 60000, t->l->f.now + 60000};
    t->l->cluster.injector_down = (struct list){span, 1};
    rolls_without_gates(t);
}

static void opt_in_by_object_selector(struct town *t)
{
    struct webhook *w = shop_hook(t->l);
    w->object_selector = (struct selector){.present = 1};
    lab_kv(t->l, &w->object_selector.labels, town_label(t), "enabled");
    rolls_without_gates(t);
}

static void chart_has_other_selectors(struct town *t)
{
    struct webhook *w = shop_hook(t->l);
    w->namespace_selector = (struct selector){.present = 1};
    lab_kv(t->l, &w->namespace_selector.labels, "environment", "production");
    rolls_without_gates(t);
}

static void injection_switched_off(struct town *t)
{
    t->l->cluster.webhook_configs.n = 0;
    rolls_without_gates(t);
}

/* ---- gates that cannot open ---- */

static void gates_of_version_1(struct town *t)
{
    const char *old = arena_printf(t->l->a, "%s%s-ingress_%s_80", V1, t->app, t->app);
    lab_str(t->l, &t->w->template_gates, old);
    unlabel(t);
    town_pods(t, old);
    town_after(t, 10);
    town_up(t);
    town_after(t, 300);
}

static void the_group_changed_meanwhile(struct town *t)
{
    /* Ingress group and image changed at once: the pod got the gate of the old binding */
    town_pods(t, town_gate(t, "k8s-shop-checkout-00001111ff"));
    town_after(t, 10);
    town_up(t);
    town_after(t, 120);
}

static void one_gate_too_many(struct town *t)
{
    struct lab *l = t->l;
    struct kube_workload *w = lab_workload(l, KIND_DAEMONSET, t->app, t->pods);
    w->strategy = "RollingUpdate";
    (void)lab_revision(l, "ds-hash1", "hash1", 1);
    town_pods(t, t->gate);
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        lab_kv(l, &l->pods[i]->meta.labels, "controller-revision-hash", "hash1");
        lab_gate(l, l->pods[i], town_gate(t, "ingress-http-before"));
    }
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "", "");
    town_after(t, 13000);
}

static void helm_made_the_binding_anew(struct town *t)
{
    /* the old pod's gate was set True when its binding went; the new pod waits for that binding */
    const char *gone = town_gate(t, "k8s-shop-checkout-a2b6b3aaf3");
    t->l->ns.bindings.n = 0;
    struct kube_pod *old = town_pod(t, "hash1", gone);
    lab_containers_ready(t->l, old, true);
    (void)lab_condition(t->l, old, gone, "True", "", "Target Group Binding is deleted");
    lab_kubelet(t->l, old);
    lab_new_revision(t->l, "hash2", 2);
    for (uint32_t i = 0; i < t->pods; i++) {
        (void)town_pod(t, "hash2", gone);
    }
    town_after(t, 20);
    town_up(t);
    town_after(t, 270);
}

static void an_operator_takes_the_label_off(struct town *t)
{
    /* ready=yes is there at creation, and comes back only when the pod is ready */
    lab_kv(t->l, &t->s->selector, "clickhouse.altinity.com/ready", "yes");
    town_pods(t, t->gate);
    town_after(t, 20);
    town_up(t);
    town_after(t, 120);
}

static void written_by_hand(struct town *t)
{
    const char *hand = town_gate(t, "some-group");
    lab_str(t->l, &t->w->template_gates, hand);
    town_pods(t, hand);
    town_after(t, 10);
    town_up(t);
    town_after(t, 240);
}

/* ---- gates of others ---- */

static void in_place_update(struct town *t)
{
    lab_str(t->l, &t->w->template_gates, "InPlaceUpdateReady");
    town_pods(t, "InPlaceUpdateReady");
    town_after(t, 10);
    town_up(t);
    town_after(t, 640);
}

static void on_gke(struct town *t)
{
    static const char gate[] = "cloud.google.com/load-balancer-neg-ready";
    t->l->ns.bindings.n = 0;
    t->l->cluster.has_lbc = false;
    town_pods(t, gate);
    town_after(t, 10);
    town_up(t);
    town_write(t, gate, "", "LoadBalancerNegNotReady",
               "Waiting for pod to become healthy in at least one of the NEG(s): "
               "[k8s1-74b928a2-default-ww-api-8080-a3c1e454]");
    town_after(t, 400);
}

static void lattice_gates_everybody(struct town *t)
{
    static const char gate[] = "application-networking.k8s.aws/pod-readiness-gate";
    t->l->ns.bindings.n = 0;
    town_pods(t, gate);
    town_after(t, 10);
    town_up(t);
    town_after(t, 640);
}

static void lattice_group_unused(struct town *t)
{
    static const char gate[] = "application-networking.k8s.aws/pod-readiness-gate";
    t->l->ns.bindings.n = 0;
    town_pods(t, gate);
    town_after(t, 10);
    town_up(t);
    town_write(t, gate, "False", "Unused", "Target not in use");
    town_after(t, 640);
}

static void kubelet_does_not_look(struct town *t)
{
    /* a fault of old kubelets: all gates are True, Ready stays False */
    town_pods(t, t->gate);
    town_after(t, 10);
    town_up(t);
    town_says(t, "healthy", "", "");
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)lab_condition(t->l, t->l->pods[i], "Ready", "False", "ReadinessGatesNotReady",
                            "the status of pod readiness gate is not \"True\", but False");
    }
    town_after(t, 300);
}

static void a_chart_writes_the_old_gate(struct town *t)
{
    /* the webhook takes old gates away where a binding is there; these pods came before it */
    const char *old = V1 "web_web_80";
    lab_str(t->l, &t->w->template_gates, old);
    town_pods(t, old);
    town_spec(t->b)->meta.created_at = t->l->f.now + 20000;
    town_after(t, 30);
    town_up(t);
    town_after(t, 60);
}

static const struct public_case cases[] = {
    {.name = "the label was set as an annotation",
     .source = "aws-load-balancer-controller#1808",
     .scene = an_annotation,
     .want =
         WARN("gate_missing_wrong_label", "shop elbv2.k8s.aws/pod-readiness-gate-inject=enabled"),
     .unless = {{IN(AUTO), WARN("gate_missing_wrong_label",
                                "shop eks.amazonaws.com/pod-readiness-gate-inject=enabled")}}},
    {.name = "the same over an Argo Rollout",
     .source = "argoproj/argo-rollouts#792",
     .scene = an_annotation_over_a_rollout,
     .want = WARN("gate_missing_wrong_label", "kubectl argo rollouts -n shop restart ")},
    {.name = "the label's value is true",
     .source = "aws-load-balancer-controller#1444",
     .scene = value_true,
     .want = WARN("gate_missing_wrong_label", "kubectl label --overwrite namespace shop")},
    {.name = "the label's value is enable",
     .source = "aws-load-balancer-controller#3753",
     .scene = value_enable,
     .want = WARN("gate_missing_wrong_label", "inject=enable")},
    {.name = "the label is the other controller's",
     .source = "aws/containers-roadmap#2511",
     .scene = the_other_family,
     .want =
         WARN("gate_missing_wrong_label", "shop elbv2.k8s.aws/pod-readiness-gate-inject=enabled"),
     .unless = {{IN(AUTO), WARN("gate_missing_wrong_label",
                                "shop eks.amazonaws.com/pod-readiness-gate-inject=enabled")}}},
    {.name = "the pods carry the label, their namespace does not",
     .source = "alphagov/govuk-infrastructure#3595",
     .scene = label_on_the_pods,
     .want = WARN("gate_missing_wrong_label", "pods' label")},
    {.name = "the controller's namespace is labelled, the pods' is not",
     .source = "aws-load-balancer-controller#1808",
     .scene = label_on_the_controllers_namespace,
     .want = WARN("gates_not_used", "kubectl label namespace shop")},
    {.name = "nobody ever asked for gates",
     .source = "aws-load-balancer-controller#1124",
     .scene = gates_never_asked_for,
     .unless = {{IN(BLIND), WARN("gates_not_used", NULL)}}},
    {.name = "only VPC Lattice's label is there",
     .source = "aws-application-networking-k8s#623",
     .scene = only_lattice_is_labelled,
     .want = WARN("gates_not_used", NULL)},
    {.name = "the chart makes pods before Service and binding",
     .source = "aws-load-balancer-controller#2979",
     .scene = helm_makes_pods_first,
     .want = WARN("gate_missing_pod_predates_binding", "rollout restart deployment/")},
    {.name = "the namespace was labelled when the pods were there",
     .source = "alphagov/govuk-infrastructure#733",
     .scene = label_after_the_pods,
     .unless = {{IN(BLIND), WARN("gate_missing_pod_predates_binding", "label")}}},
    {.name = "several controllers, each for its team's namespace",
     .source = "aws-load-balancer-controller#1808",
     .scene = a_namespace_of_two_installations,
     .want = WARN("gate_missing_pod_predates_binding", NULL),
     .skip = IN(AUTO)},
    {.name = "the first pod of a revision has no gate, the others have",
     .source = "argoproj/argo-rollouts#1151",
     .scene = some_of_a_revision,
     .want = WARN("gate_missing_selector_moved", NULL)},
    {.name = "a blue-green switch to pods without the active Service's gate",
     .source = "aws-load-balancer-controller#4204",
     .scene = blue_green_switched,
     .want = WARN("gate_missing_selector_moved", "ping-pong")},
    {.name = "the injector was down, failure policy Ignore",
     .source = "alphagov/govuk-infrastructure#3595",
     .scene = injector_was_down,
     .want = WARN("gate_missing_injection_failed", "kubectl -n kube-system get pods"),
     .skip = IN(AUTO)},
    {.name = "the chart's objectSelector wants the pods to opt in",
     .source = "alphagov/govuk-infrastructure#3595",
     .scene = opt_in_by_object_selector,
     .want = WARN("gate_missing_opted_out", "objectSelector")},
    {.name = "the chart's namespace selectors were replaced",
     .source = "aws-load-balancer-controller#3403",
     .scene = chart_has_other_selectors,
     .want = WARN("gate_missing_opted_out", "environment=production")},
    {.name = "injection is switched off in the whole cluster",
     .source = "aws-load-balancer-controller#1808",
     .scene = injection_switched_off,
     .want = WARN("gate_missing", "enable-pod-readiness-gate-inject"),
     .skip = IN(AUTO)},
    {.name = "gates of the v1 controller after the upgrade",
     .source = "aws-load-balancer-controller#1547",
     .scene = gates_of_version_1,
     .want = DEAD("gate_legacy_type", "pod template"),
     .unless = {{IN(AUTO), DEAD("gate_legacy_type",
                                "shop eks.amazonaws.com/pod-readiness-gate-inject=enabled")}}},
    {.name = "Ingress group and image changed at once",
     .source = "aws-load-balancer-controller#2393",
     .scene = the_group_changed_meanwhile,
     .want = DEAD("gate_binding_gone", "kubectl -n shop delete pod ")},
    {.name = "a second gate of a binding that was renamed",
     .source = "aws-load-balancer-controller#2695",
     .scene = one_gate_too_many,
     .want = DEAD("gate_binding_gone", "ingress-http-before")},
    {.name = "a chart's upgrade made the binding anew",
     .source = "aws-load-balancer-controller#3665",
     .scene = helm_made_the_binding_anew,
     .want = DEAD("gate_binding_gone", "k8s-shop-checkout-a2b6b3aaf3")},
    {.name = "an operator takes off the label that the Service asks for",
     .source = "Altinity/clickhouse-operator#812",
     .scene = an_operator_takes_the_label_off,
     .want = DEAD("gate_service_does_not_select_pod", NULL)},
    {.name = "a gate written into the template by hand",
     .source = "aws-load-balancer-controller#1444",
     .scene = written_by_hand,
     .want = DEAD("gate_in_pod_template", "kubectl -n shop edit deployment/")},
    {.name = "an in-place gate in a plain Deployment",
     .source = "openkruise/kruise#114",
     .scene = in_place_update,
     .want = {"gate_owner_unknown", SEVERITY_ERROR, false, "InPlaceUpdateReady"}},
    {.name = "a NEG does not become healthy",
     .source = "kubernetes/ingress-gce#931",
     .scene = on_gke,
     .want = {"other_gate_closed", SEVERITY_WARNING, false, "k8s1-74b928a2"}},
    {.name = "Lattice gates a pod that is in none of its groups",
     .source = "aws-application-networking-k8s#623",
     .scene = lattice_gates_everybody,
     .want = {"other_gate_closed", SEVERITY_ERROR, false, "no condition"}},
    {.name = "Lattice's group is not used by a service",
     .source = "aws-application-networking-k8s#644",
     .scene = lattice_group_unused,
     .want = {"other_gate_closed", SEVERITY_ERROR, false, "Unused"}},
    {.name = "kubelet does not take notice of the open gate",
     .source = "kubernetes/kubernetes#86485",
     .scene = kubelet_does_not_look,
     .want = {"kubelet_lagging", SEVERITY_ERROR, false, "kubectl describe node node-1"}},
    {.name = "a chart writes the v1 controller's gate into the template",
     .source = "aws-load-balancer-controller#2047",
     .scene = a_chart_writes_the_old_gate,
     .want = DEAD("gate_legacy_type", "template")},
};

static void missing_and_dead_gates_are_told_by_their_root(void **state)
{
    (void)state;
    HOLD_PUBLIC(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_and_dead_gates_are_told_by_their_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
