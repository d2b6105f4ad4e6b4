/* Preflight over a database of known rows: manifests as people write them, and the codes they get.
 */
#include "unit/reader_fixture.h"

#include "source/manifest.h"
#include "store/reader_facts.h"

struct bed {
    struct fixture f;
    struct reader *r;
    struct arena *a;
};

static void put_namespace(struct fixture *f, int id, const char *name, const char *value)
{
    struct kv label = {"elbv2.k8s.aws/pod-readiness-gate-inject", value};
    struct kube_namespace ns;
    record_clear(kind_info(KIND_NAMESPACE)->table, &ns);
    ns.meta.labels = (struct kvs){&label, value != NULL};
    fixture_object(f, (struct fixture_object){id, KIND_NAMESPACE, 0, "", &ns, name});
}

static void put_group(struct fixture *f)
{
    static const char *const balancer[] = {"arn:lb"};
    struct elb_attribute a = {"deregistration_delay.timeout_seconds", "30"};
    struct elb_group g;
    record_clear(&elb_group_table, &g);
    g.protocol = "HTTP";
    g.target_type = "ip";
    g.health_interval = 15;
    g.load_balancer_arns = (struct strs){balancer, 1};
    g.attributes = (struct list){&a, 1};
    sql_blob(f, "UPDATE target_group SET body = ?1 WHERE id = 5", &elb_group_table, &g);
}

static int setup(void **state)
{
    static struct bed b;
    static const char *const controller[] = {"aws-load-balancer-controller"};
    static const struct selector_term others = {"app.kubernetes.io/name", "NotIn", {controller, 1}};
    struct err err = {0};
    b = (struct bed){.a = arena_new(0)};
    fixture_open(&b.f);
    put_namespace(&b.f, 60, "shop", "enabled");
    put_namespace(&b.f, 61, "pay", NULL);
    fixture_webhook(&b.f, "Fail", (struct selector){.present = 1, .terms = {&others, 1}});
    put_group(&b.f);
    sql(&b.f, "INSERT INTO source VALUES"
              " (1, 'kubernetes/targetgroupbindings.elbv2.k8s.aws', 2, '', 1, 1)");
    if (!reader_open(b.f.path, &b.r, &err)) {
        fail_msg("%s", err.text);
    }
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    reader_close(b->r);
    arena_free(b->a);
    fixture_close(&b->f);
    return 0;
}

static json_t *preflight(struct bed *b, const char *yaml)
{
    struct err err = {0};
    struct list manifests;
    struct preflight p;
    AUTO(buf) out = BUF_INIT(4 << 20);
    struct json_out j = json_out(&out);
    arena_reset(b->a);
    if (!manifest_read("t.yaml", yaml, strlen(yaml), b->a, &manifests, &err) ||
        !reader_begin(b->r, &err) || !reader_preflight(b->r, 1, "shop", &manifests, &p, &err)) {
        fail_msg("%s in:\n%s", err.text, yaml);
    }
    json_open(&j, '{');
    preflight_json(&p, &j);
    json_close(&j, '}');
    reader_end(b->r);
    return parsed(buf_str(&out));
}

/* "severity code, severity code", as they come. */
static const char *codes(json_t *v)
{
    static char text[2048];
    size_t i = 0;
    json_t *f = NULL;
    text[0] = '\0';
    json_array_foreach(at(v, "findings"), i, f)
    {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof text - len, "%s%s %s", i > 0 ? ", " : "",
                       text_at(f, "severity"), text_at(f, "code"));
    }
    return text;
}

#define GOOD_POD                                                                                   \
    "    spec:\n"                                                                                  \
    "      terminationGracePeriodSeconds: 330\n"                                                   \
    "      containers:\n"                                                                          \
    "      - {name: web, image: r/web:2, ports: [{containerPort: 8080, name: http}],\n"            \
    "         lifecycle: {preStop: {sleep: {seconds: 15}}}}\n"
#define DEPLOYMENT_OF(name, ns, spec, labels)                                                      \
    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " name ", namespace: " ns "}\n"  \
    "spec:\n" spec "  template:\n    metadata: {labels: {" labels "}}\n"
#define WEB DEPLOYMENT_OF("web", "shop", "  replicas: 10\n", "app: web")
#define SERVICE(name, ns, selector, port)                                                          \
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: " name ", namespace: " ns "}\n"          \
    "spec: {selector: {" selector "}, ports: [{port: 80, targetPort: " port "}]}\n"
#define BINDING(name, ns, service, arn, more)                                                      \
    "---\napiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: {name: " name     \
    ", namespace: " ns "}\nspec: {targetGroupARN: \"" arn "\", targetType: ip, serviceRef: "       \
    "{name: " service ", port: 80}" more "}\n"

struct one {
    const char *what;
    const char *yaml;
    const char *codes;
};
static const struct one cases[] = {
    {"all is well", WEB GOOD_POD, ""},
    {"no binding takes it", DEPLOYMENT_OF("x", "shop", "", "app: x") GOOD_POD, ""},
    {"the namespace has no label",
     DEPLOYMENT_OF("web", "pay", "", "app: pay") GOOD_POD SERVICE("pay", "pay", "app: pay", "8080")
         BINDING("pay", "pay", "pay", "arn:tg/pay", ""),
     "warning gates_not_used"},
    {"the label has another value",
     "apiVersion: v1\nkind: Namespace\nmetadata: {name: pay, labels: "
     "{elbv2.k8s.aws/pod-readiness-gate-inject: \"true\"}}\n" SERVICE(
         "pay", "pay", "app: pay", "8080") BINDING("pay", "pay", "pay", "arn:tg/pay", "")
         DEPLOYMENT_OF("web", "pay", "", "app: pay") GOOD_POD,
     "warning gate_missing_wrong_label"},
    {"the label is an annotation",
     "apiVersion: v1\nkind: Namespace\nmetadata: {name: pay, annotations: "
     "{elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}\n" SERVICE(
         "pay", "pay", "app: pay", "8080") BINDING("pay", "pay", "pay", "arn:tg/pay", "")
         DEPLOYMENT_OF("web", "pay", "", "app: pay") GOOD_POD,
     "warning gate_missing_wrong_label"},
    {"the namespace's manifest labels it",
     "apiVersion: v1\nkind: Namespace\nmetadata: {name: pay, labels: "
     "{elbv2.k8s.aws/pod-readiness-gate-inject: enabled}}\n" SERVICE(
         "pay", "pay", "app: pay", "8080") BINDING("pay", "pay", "pay", "arn:tg/pay", "")
         DEPLOYMENT_OF("web", "pay", "", "app: pay") GOOD_POD,
     "info gate_missing_pod_predates_binding"},
    {"the webhook leaves the pods out",
     DEPLOYMENT_OF("web", "shop", "",
                   "app: web, app.kubernetes.io/name: aws-load-balancer-controller") GOOD_POD,
     "warning gate_missing_opted_out"},
    {"the binding comes after the workload",
     DEPLOYMENT_OF("new", "shop", "", "app: new") GOOD_POD SERVICE(
         "new", "shop", "app: new", "8080") BINDING("new", "shop", "new", "arn:tg/new", ""),
     "warning gate_missing_pod_predates_binding"},
    {"only the binding comes after the workload",
     SERVICE("new", "shop", "app: new", "8080") DEPLOYMENT_OF("new", "shop", "", "app: new")
         GOOD_POD BINDING("new", "shop", "new", "arn:tg/new", ""),
     "warning gate_missing_pod_predates_binding"},
    {"an Ingress makes the binding later",
     SERVICE("new", "shop", "app: new", "8080") DEPLOYMENT_OF("new", "shop", "", "app: new")
         GOOD_POD "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: new, "
                  "namespace: shop, annotations: {alb.ingress.kubernetes.io/target-type: ip}}\n"
                  "spec: {ingressClassName: alb, rules: [{http: {paths: [{path: /, pathType: "
                  "Prefix, backend: {service: {name: new, port: {number: 80}}}}]}}]}\n",
     "warning gate_missing_pod_predates_binding"},
    {"an Ingress whose targets are nodes",
     SERVICE("new", "shop", "app: new", "8080") DEPLOYMENT_OF("new", "shop", "", "app: new")
         GOOD_POD "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: new, "
                  "namespace: shop}\nspec: {ingressClassName: alb, defaultBackend: {service: "
                  "{name: new, port: {number: 80}}}}\n",
     "info gate_missing_target_type"},
    {"a Service of an NLB makes the binding later",
     "apiVersion: v1\nkind: Service\nmetadata: {name: nlb, namespace: shop, annotations: "
     "{service.beta.kubernetes.io/aws-load-balancer-type: external, "
     "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip}}\nspec: {type: "
     "LoadBalancer, selector: {app: new}, ports: [{port: 80}]}\n" DEPLOYMENT_OF(
         "new", "shop", "", "app: new") GOOD_POD,
     "warning gate_missing_pod_predates_binding"},
    {"a gate of the old controller in the template",
     WEB "    spec: {terminationGracePeriodSeconds: 330, readinessGates: [{conditionType: "
         "target-health.alb.ingress.k8s.aws/a_b_80}], containers: [{name: a, lifecycle: {preStop: "
         "{exec: {command: [sh, -c, sleep 20]}}}}]}\n",
     "error gate_legacy_type"},
    {"a gate of no binding in the template",
     WEB "    spec: {terminationGracePeriodSeconds: 330, readinessGates: [{conditionType: "
         "target-health.elbv2.k8s.aws/nobody}], containers: [{name: a, lifecycle: {preStop: "
         "{sleep: {seconds: 20}}}}]}\n",
     "error gate_in_pod_template"},
    {"the gate of its binding in the template",
     WEB "    spec: {terminationGracePeriodSeconds: 330, readinessGates: [{conditionType: "
         "target-health.elbv2.k8s.aws/web}], containers: [{name: a, lifecycle: {preStop: "
         "{sleep: {seconds: 20}}}}]}\n",
     ""},
    {"a binding with a name too long",
     BINDING("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "shop", "web",
             "arn:tg/long", "") WEB GOOD_POD,
     "error binding_name_too_long, info gate_missing_pod_predates_binding"},
    {"the Service does not exist", BINDING("new", "shop", "nobody", "arn:tg/new", ""),
     "error binding_backend_not_found"},
    {"the Service has no such port",
     SERVICE(
         "new", "shop", "app: new",
         "8080") "---\napiVersion: elbv2.k8s.aws/v1beta1\nkind: TargetGroupBinding\nmetadata: "
                 "{name: new, "
                 "namespace: shop}\nspec: {targetType: ip, serviceRef: {name: new, port: 8080}}\n",
     "error binding_backend_not_found"},
    {"a named port that no container has",
     SERVICE("web", "shop", "app: web", "metrics") WEB GOOD_POD, "error endpoints_stale"},
    {"the Service selects other pods",
     SERVICE("new", "shop", "app: nwe", "8080") BINDING("new", "shop", "new", "arn:tg/new", "")
         DEPLOYMENT_OF("new", "shop", "", "app: new") GOOD_POD,
     "warning gate_service_does_not_select_pod"},
    {"two bindings on one group", BINDING("second", "shop", "web", "arn:tg/web", ""),
     "error target_group_shared"},
    {"two bindings that know of each other",
     BINDING("second", "shop", "web", "arn:tg/web", ", multiClusterTargetGroup: true"), ""},
    {"a binding that is there already", BINDING("web", "shop", "web", "arn:tg/web", ""), ""},
    {"a family that the cluster lacks",
     "apiVersion: eks.amazonaws.com/v1\nkind: TargetGroupBinding\nmetadata: {name: a, namespace: "
     "shop}\nspec: {targetType: ip, serviceRef: {name: web, port: 80}}\n",
     "error gate_missing"},
    {"a deadline shorter than a gate takes",
     DEPLOYMENT_OF("web", "shop", "  progressDeadlineSeconds: 20\n", "app: web") GOOD_POD,
     "error progress_deadline_exceeded"},
    {"a deadline that leaves little",
     DEPLOYMENT_OF("web", "shop", "  progressDeadlineSeconds: 40\n", "app: web") GOOD_POD,
     "warning progress_deadline_exceeded"},
    {"no preStop hook", WEB "    spec: {containers: [{name: a}]}\n",
     "info drain_shorter_than_deregistration"},
    {"a preStop hook that takes it all",
     WEB "    spec: {containers: [{name: a, lifecycle: {preStop: {sleep: {seconds: 30}}}}]}\n",
     "warning drain_shorter_than_deregistration"},
};

static void given_manifests_when_judged_then_these_codes(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = preflight(b, cases[i].yaml);
        if (strcmp(codes(v), cases[i].codes) != 0) {
            fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].what, codes(v), cases[i].codes);
        }
        json_decref(v);
    }
}

static void given_a_good_workload_when_judged_then_gates_and_time(void **state)
{
    struct bed *b = *state;
    json_t *v = preflight(b, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" WEB GOOD_POD);
    assert_string_equal(text_at(v, "verdict"), "fine");
    assert_int_equal(int_at(v, "objects"), 2);
    assert_int_equal(int_at(v, "ignored"), 1);
    assert_int_equal(int_at(v, "workloads.0.line"), 5);
    assert_string_equal(text_at(v, "workloads.0.gates.0.type"), "target-health.elbv2.k8s.aws/web");
    assert_string_equal(text_at(v, "workloads.0.gates.0.injected"), "yes");
    assert_string_equal(text_at(v, "workloads.0.gates.0.webhook"),
                        "aws-load-balancer-webhook/mpod.elbv2.k8s.aws");
    assert_string_equal(text_at(v, "workloads.0.gates.0.target_group"), "arn:tg/web");
    assert_int_equal(int_at(v, "workloads.0.gates.0.port"), 8080);
    /* 10 pods, 25 % surge up and unavailable down: 3 + 2 at once; ALB: 15 s and 10 s */
    assert_int_equal(int_at(v, "workloads.0.rollout.batches"), 2);
    assert_int_equal(int_at(v, "workloads.0.rollout.gate_seconds"), 25);
    assert_int_equal(int_at(v, "workloads.0.rollout.total_seconds"), 50);
    assert_int_equal(int_at(v, "workloads.0.rollout.deadline_seconds"), 600);
    json_decref(v);
}

#define SCALED DEPLOYMENT_OF("scaled", "shop", "", "app: web") GOOD_POD
#define AUTOSCALER(least)                                                                          \
    "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: scaled, "    \
    "namespace: shop}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "      \
    "scaled}, minReplicas: " least ", maxReplicas: 40}\n"

static int64_t replicas(struct bed *b, const char *yaml)
{
    json_t *v = preflight(b, yaml);
    int64_t n = int_at(v, "workloads.0.rollout.replicas");
    json_decref(v);
    return n;
}

static void given_no_replicas_when_judged_then_the_autoscaler_says_how_many(void **state)
{
    struct bed *b = *state;
    struct kube_hpa hpa;
    record_clear(kind_info(KIND_HPA)->table, &hpa);
    assert_int_equal(replicas(b, SCALED), 1);
    assert_int_equal(replicas(b, SCALED AUTOSCALER("12")), 12);
    assert_int_equal(replicas(b, DEPLOYMENT_OF("web", "shop", "  replicas: 10\n", "app: web")
                                     GOOD_POD AUTOSCALER("12")),
                     10); /* it scales another */
    hpa.target_kind = "Deployment";
    hpa.target_name = "scaled";
    hpa.min_replicas = 7;
    fixture_object(&b->f, (struct fixture_object){70, KIND_HPA, 1, "", &hpa, "scaled"});
    assert_int_equal(replicas(b, SCALED), 7);
    assert_int_equal(replicas(b, SCALED AUTOSCALER("12")), 12);
}

#define WEB_OF(n) DEPLOYMENT_OF("web", "shop", "  replicas: " n "\n", "app: web") GOOD_POD
#define BUDGET(spec)                                                                               \
    "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web, namespace: "     \
    "shop}\nspec: {" spec "}\n"
#define OURS ", selector: {matchLabels: {app: web}}"

/* What is said of budgets: "" = nothing, else a part of it. */
static const struct {
    const char *what;
    const char *yaml;
    const char *says;
} budgets[] = {
    {"one may be missing", WEB_OF("3") BUDGET("maxUnavailable: 1" OURS), ""},
    {"as many as there are", WEB_OF("3") BUDGET("minAvailable: 3" OURS), "wants all its 3 pods"},
    {"more than there are", WEB_OF("3") BUDGET("minAvailable: 5" OURS), "wants all its 3 pods"},
    {"none may be missing", WEB_OF("3") BUDGET("maxUnavailable: 0" OURS), "Rollouts go on"},
    {"0 %", WEB_OF("3") BUDGET("maxUnavailable: 0%" OURS), "wants all"},
    {"90 % of 9, rounded up", WEB_OF("9") BUDGET("minAvailable: 90%" OURS), "all its 9 pods"},
    {"90 % of 10", WEB_OF("10") BUDGET("minAvailable: 90%" OURS), ""},
    {"1 %, rounded up", WEB_OF("10") BUDGET("maxUnavailable: 1%" OURS), ""},
    {"neither is 1 available: one of one",
     WEB_OF("1") BUDGET("unhealthyPodEvictionPolicy: "
                        "IfHealthyBudget" OURS),
     "wants its only pod"},
    {"other pods", WEB_OF("3") BUDGET("minAvailable: 3, selector: {matchLabels: {app: api}}"), ""},
    {"no selector takes nothing", WEB_OF("3") BUDGET("minAvailable: 3"), ""},
    {"shared with another workload",
     WEB_OF("3") "---\n" DEPLOYMENT_OF("web2", "shop", "  replicas: 3\n", "app: web")
         GOOD_POD BUDGET("minAvailable: 3" OURS),
     ""},
    /* 25 s a gate, one at a time: 36 in 15 min */
    {"36 one by one", WEB_OF("36") BUDGET("maxUnavailable: 1" OURS), ""},
    {"37 one by one", WEB_OF("37") BUDGET("maxUnavailable: 1" OURS), "more than 36 of these pods"},
    {"37 two by two", WEB_OF("37") BUDGET("maxUnavailable: 2" OURS), ""},
};

/* All that is said of budgets, at info and nothing else. */
static const char *of_budgets(struct bed *b, const char *yaml)
{
    json_t *v = preflight(b, yaml);
    const json_t *all = at(v, "findings");
    const char *found = "";
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *f = json_array_get(all, i);
        assert_string_equal(json_string_value(json_object_get(f, "severity")), "info");
        assert_string_equal(json_string_value(json_object_get(f, "code")),
                            "budget_blocks_eviction");
        found = arena_strdup(b->a, json_string_value(json_object_get(f, "message")));
    }
    json_decref(v);
    return found;
}

static void given_budgets_when_judged_then_what_they_mean_for_drains(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++) {
        const char *said = of_budgets(b, budgets[i].yaml);
        bool good =
            budgets[i].says[0] == '\0' ? said[0] == '\0' : strstr(said, budgets[i].says) != NULL;
        if (!good) {
            fail_msg("%s: \"%s\"", budgets[i].what, said);
        }
    }
}

static void given_a_budget_of_the_cluster_when_judged_then_its_other_pods_count(void **state)
{
    struct bed *b = *state;
    struct kv app = {"app", "web"};
    struct kube_workload w;
    struct kube_pdb pdb;
    record_clear(kind_info(KIND_DEPLOYMENT)->table, &w);
    w.replicas = 3;
    sql_blob(&b->f, "UPDATE workload SET body = ?1 WHERE id = 1", kind_info(KIND_DEPLOYMENT)->table,
             &w);
    record_clear(kind_info(KIND_PDB)->table, &pdb);
    pdb.selector.present = 1;
    pdb.selector.labels = (struct kvs){&app, 1};
    pdb.min_available = "10";
    pdb.expected_pods = 3;
    fixture_object(&b->f, (struct fixture_object){71, KIND_PDB, 1, "", &pdb, "web"});
    assert_non_null(strstr(of_budgets(b, WEB_OF("10")), "wants all its 10 pods"));
    assert_string_equal(of_budgets(b, WEB_OF("10") BUDGET("minAvailable: 9" OURS)), "");
    pdb.expected_pods = 5; /* of another workload */
    sql(&b->f, "DELETE FROM object WHERE kind = %d", KIND_PDB);
    fixture_object(&b->f, (struct fixture_object){71, KIND_PDB, 1, "", &pdb, "web"});
    assert_string_equal(of_budgets(b, WEB_OF("10")), "");
}

static void given_the_webhook_down_when_judged_then_by_its_failure_policy(void **state)
{
    struct bed *b = *state;
    static const int64_t ready[] = {0, 1};
    fixture_hook_slice(&b->f, 71, &ready[0], 1);
    json_t *v = preflight(b, WEB GOOD_POD);
    assert_string_equal(codes(v), "error webhook_no_endpoints");
    json_decref(v);
    fixture_hook_slice(&b->f, 72, &ready[1], 1);
    v = preflight(b, WEB GOOD_POD);
    assert_string_equal(codes(v), "");
    json_decref(v);
}

#define AUTO_LABEL "eks.amazonaws.com/pod-readiness-gate-inject: enabled"
#define LBC_LABEL  "elbv2.k8s.aws/pod-readiness-gate-inject: enabled"
#define AUTO_SET(label)                                                                            \
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: pay, labels: {" label "}}\n" SERVICE(       \
        "pay", "pay", "app: pay",                                                                  \
        "8080") "---\napiVersion: eks.amazonaws.com/v1\nkind: TargetGroupBinding\nmetadata: "      \
                "{name: auto, namespace: pay}\nspec: {targetType: ip, serviceRef: {name: pay, "    \
                "port: 80}}\n" DEPLOYMENT_OF("web", "pay", "", "app: pay") GOOD_POD

static void given_auto_mode_when_judged_then_its_own_label_counts(void **state)
{
    struct bed *b = *state;
    sql(&b->f, "INSERT INTO source VALUES"
               " (1, 'kubernetes/targetgroupbindings.eks.amazonaws.com', 2, '', 1, 1)");
    json_t *v = preflight(b, AUTO_SET(AUTO_LABEL));
    assert_string_equal(codes(v), "info gate_missing_pod_predates_binding");
    assert_string_equal(text_at(v, "workloads.0.gates.0.type"),
                        "target-health.eks.amazonaws.com/auto");
    assert_string_equal(text_at(v, "workloads.0.gates.0.injected"), "likely");
    json_decref(v);
    v = preflight(b, AUTO_SET(LBC_LABEL));
    assert_string_equal(codes(v), "warning gate_missing_wrong_label");
    assert_non_null(strstr(text_at(v, "findings.0.message"), "of the other controller"));
    json_decref(v);
}

static void given_a_cluster_without_webhook_when_judged_then_nothing_injects(void **state)
{
    struct bed *b = *state;
    sql(&b->f, "DELETE FROM object WHERE kind = %d", KIND_WEBHOOK_CONFIG);
    json_t *v = preflight(b, WEB GOOD_POD);
    assert_string_equal(codes(v), "warning gate_missing");
    assert_string_equal(text_at(v, "workloads.0.gates.0.injected"), "no");
    assert_true(json_is_null(at(v, "workloads.0.rollout")));
    json_decref(v);
}

/* What configuration knows is no surprise any more. */
static void given_a_family_by_configuration_when_judged_then_its_gate_is_known(void **state)
{
    struct bed *b = *state;
    static const char *const families[] = {"duty=duty.example.org/", NULL};
    static const struct config c = {.gate_families = families};
    static const char yaml[] =
        WEB "    spec: {terminationGracePeriodSeconds: 330, readinessGates: [{conditionType: "
            "duty.example.org/ready}], containers: [{name: a, lifecycle: {preStop: "
            "{sleep: {seconds: 20}}}}]}\n";
    json_t *v = preflight(b, yaml);
    assert_string_equal(codes(v), "info gate_owner_unknown");
    json_decref(v);
    reader_set_config(b->r, &c);
    v = preflight(b, yaml);
    assert_string_equal(codes(v), "");
    json_decref(v);
    reader_set_config(b->r, NULL);
}

static void given_too_many_namespaces_when_judged_then_an_error(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct list manifests;
    struct preflight p;
    AUTO(buf) yaml = BUF_INIT(64 << 10);
    for (int i = 0; i <= PREFLIGHT_NAMESPACES_MAX; i++) {
        (void)buf_addf(&yaml, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n%d}\n", i);
    }
    arena_reset(b->a);
    assert_true(manifest_read("t", buf_str(&yaml), yaml.len, b->a, &manifests, &err));
    assert_true(reader_begin(b->r, &err));
    assert_false(reader_preflight(b->r, 1, "shop", &manifests, &p, &err));
    assert_int_equal(err.code, ERR_INPUT);
    reader_end(b->r);
}

static const char *command_of(json_t *v, size_t finding)
{
    const json_t *f = json_array_get(at(v, "findings"), finding); /* borrowed */
    const char *text = json_string_value(json_array_get(json_object_get(f, "commands"), 0));
    return text != NULL ? text : "";
}

/* Manifests are not checked by any API server yet: a name can be anything. */
static void given_odd_names_when_judged_then_commands_are_quoted(void **state)
{
    struct bed *b = *state;
    json_t *v = preflight(b, DEPLOYMENT_OF("web", "\"a$(id)\"", "", "app: pay")
                                 GOOD_POD SERVICE("pay", "\"a$(id)\"", "app: pay", "8080")
                                     BINDING("pay", "\"a$(id)\"", "pay", "arn:tg/pay", ""));
    assert_string_equal(command_of(v, 0),
                        "kubectl label namespace 'a$(id)' "
                        "elbv2.k8s.aws/pod-readiness-gate-inject=enabled --overwrite");
    json_decref(v);
}

static void given_a_workload_when_it_must_restart_then_by_its_own_tool(void **state)
{
    struct bed *b = *state;
    json_t *deployment = preflight(
        b, SERVICE("new", "shop", "app: new", "8080") BINDING("new", "shop", "new", "arn:tg/n", "")
               DEPLOYMENT_OF("new", "shop", "", "app: new") GOOD_POD);
    json_t *argo = preflight(
        b, SERVICE("new", "shop", "app: new", "8080") BINDING(
               "new", "shop", "new", "arn:tg/n",
               "") "---\napiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: new, "
                   "namespace: shop}\nspec:\n  template:\n    metadata: {labels: {app: "
                   "new}}\n" GOOD_POD);
    assert_string_equal(command_of(deployment, 0),
                        "kubectl -n shop rollout restart Deployment/new");
    assert_string_equal(command_of(argo, 0), "kubectl argo rollouts -n shop restart new");
    json_decref(argo);
    json_decref(deployment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(given_manifests_when_judged_then_these_codes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            given_no_replicas_when_judged_then_the_autoscaler_says_how_many, setup, teardown),
        cmocka_unit_test_setup_teardown(given_a_good_workload_when_judged_then_gates_and_time,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(given_budgets_when_judged_then_what_they_mean_for_drains,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            given_a_budget_of_the_cluster_when_judged_then_its_other_pods_count, setup, teardown),
        cmocka_unit_test_setup_teardown(
            given_the_webhook_down_when_judged_then_by_its_failure_policy, setup, teardown),
        cmocka_unit_test_setup_teardown(given_auto_mode_when_judged_then_its_own_label_counts,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            given_a_cluster_without_webhook_when_judged_then_nothing_injects, setup, teardown),
        cmocka_unit_test_setup_teardown(
            given_a_family_by_configuration_when_judged_then_its_gate_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(given_odd_names_when_judged_then_commands_are_quoted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(given_a_workload_when_it_must_restart_then_by_its_own_tool,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(given_too_many_namespaces_when_judged_then_an_error, setup,
                                        teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
