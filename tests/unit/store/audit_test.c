/* The audit over a database of known rows: four heads, shared groups, shutdown times, the webhook.
 */
#include "unit/reader_fixture.h"

#include "store/reader_facts.h"

struct bed {
    struct fixture f;
    struct reader *r;
    struct buf out;
};

static void put_webhook(struct fixture *f)
{
    static const char *const pods[] = {"pods"};
    static const char *const enabled[] = {"enabled"};
    static const struct webhook_rule rule = {.resources = {pods, 1}};
    static const struct selector_term term = {
        "elbv2.k8s.aws/pod-readiness-gate-inject", "In", {enabled, 1}};
    struct webhook w = {.name = "mpod.elbv2.k8s.aws",
                        .service_namespace = "infra",
                        .service_name = "hook",
                        .path = "/mutate-v1-pod",
                        .url = "",
                        .failure_policy = "Ignore",
                        .namespace_selector = {.present = 1, .terms = {&term, 1}},
                        .rules = {&rule, 1},
                        .timeout_seconds = 10};
    static const int64_t ready[] = {1, 0, -1};
    struct endpoint endpoints[3];
    for (size_t i = 0; i < 3; i++) {
        endpoints[i] = (struct endpoint){.ready = ready[i],
                                         .target_kind = "",
                                         .target_name = "",
                                         .target_uid = "",
                                         .node = "",
                                         .zone = ""};
    }
    struct kube_webhook_config c;
    struct kube_slice s;
    record_clear(kind_info(KIND_WEBHOOK_CONFIG)->table, &c);
    record_clear(kind_info(KIND_ENDPOINT_SLICE)->table, &s);
    c.meta.name = "aws-load-balancer-webhook";
    c.webhooks = (struct list){&w, 1};
    s.endpoints = (struct list){endpoints, 3};
    char text[512];
    (void)snprintf(text, sizeof text,
                   "INSERT INTO object (id, cluster, kind, ns_id, name, uid, resource_version,"
                   " first_seen_at, body) VALUES (50, 1, %d, 0, 'hook', 'u', '1', 0, ?1)",
                   KIND_WEBHOOK_CONFIG);
    sql_blob(f, text, kind_info(KIND_WEBHOOK_CONFIG)->table, &c);
    (void)snprintf(text, sizeof text,
                   "INSERT INTO object (id, cluster, kind, ns_id, name, uid, resource_version, ref,"
                   " first_seen_at, body) VALUES (51, 1, %d, 3, 'hook-1', 'u', '1', 'hook', 0, ?1)",
                   KIND_ENDPOINT_SLICE);
    sql_blob(f, text, kind_info(KIND_ENDPOINT_SLICE)->table, &s);
}

/* shop/web gets a template that shop's binding takes, with the given shutdown. */
static void put_template(struct fixture *f, int64_t grace, int64_t sleep)
{
    static const struct kv labels[] = {{"app", "web"}};
    struct container_spec c = {.name = "web",
                               .image = "",
                               .probe_path = "",
                               .probe_port = "",
                               .probe_scheme = "",
                               .has_prestop = sleep > 0,
                               .prestop_sleep_seconds = sleep > 0 ? sleep : -1};
    struct kube_workload w;
    record_clear(kind_info(KIND_DEPLOYMENT)->table, &w);
    w.replicas = 3;
    w.template_labels = (struct kvs){labels, 1};
    w.template_grace_seconds = grace;
    w.template_containers = (struct list){&c, 1};
    sql_blob(f, "UPDATE workload SET body = ?1 WHERE id = 1", kind_info(KIND_DEPLOYMENT)->table,
             &w);
}

static void put_group(struct fixture *f, const char *delay)
{
    struct elb_attribute a = {"deregistration_delay.timeout_seconds", delay};
    struct elb_group g;
    record_clear(&elb_group_table, &g);
    g.attributes = (struct list){&a, 1};
    g.attributes_at = T0;
    sql_blob(f, "UPDATE target_group SET body = ?1 WHERE id = 5", &elb_group_table, &g);
}

static int setup(void **state)
{
    static struct bed b;
    struct err err = {0};
    b = (struct bed){.out = BUF_INIT(4 << 20)};
    fixture_open(&b.f);
    put_webhook(&b.f);
    put_template(&b.f, -1, 0);
    fixture_finding(&b.f, 3, 2, "gates_not_used", true);
    fixture_finding(&b.f, 1, 1, "gate_binding_gone", false);
    fixture_finding(&b.f, 0, 1, "target_group_shared", false);
    fixture_finding(&b.f, 0, 0, "controller_stalled", false);
    fixture_finding(&b.f, 1, 1, "gate_missing", false);
    sql(&b.f,
        "UPDATE finding SET ended_at = 5 WHERE code = 'gate_missing';"
        "INSERT INTO binding_group VALUES (60, 2, 'other', 'arn:tg/web', '');"
        "INSERT INTO span (cluster, what, from_at, to_at) VALUES (1, 'injector_down', 1000, 0)");
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
    buf_fini(&b->out);
    fixture_close(&b->f);
    return 0;
}

static json_t *audit(struct bed *b, const char *namespace, struct page *page)
{
    struct err err = {0};
    struct object_filter f = {.cluster = 1, .namespace = namespace};
    buf_clear(&b->out);
    struct json_out j = json_out(&b->out);
    json_open(&j, '{');
    json_key(&j, "items");
    json_open(&j, '[');
    if (!reader_begin(b->r, &err) || !reader_audit(b->r, &f, page, &j, &err)) {
        fail_msg("%s", err.text);
    }
    json_close(&j, ']');
    if (!reader_audit_cluster(b->r, 1, &j, &err)) {
        fail_msg("%s", err.text);
    }
    json_close(&j, '}');
    reader_end(b->r);
    return parsed(buf_str(&b->out));
}

static void given_findings_when_audited_then_each_stands_under_its_head(void **state)
{
    struct bed *b = *state;
    struct page page = {.limit = 100};
    json_t *v = audit(b, NULL, &page);
    assert_int_equal(json_array_size(at(v, "items")), 2); /* infra and gone: nothing to say */
    assert_false(page.next.set);
    assert_string_equal(text_at(v, "items.0.namespace"), "pay");
    assert_string_equal(text_at(v, "items.0.injection"), "missing");
    assert_string_equal(text_at(v, "items.0.ungated.0.code"), "gates_not_used");
    assert_string_equal(text_at(v, "items.0.ungated.0.workload.name"), "api");
    assert_string_equal(text_at(v, "items.0.ungated.0.action"), "Look at the app");
    assert_string_equal(text_at(v, "items.1.namespace"), "shop");
    assert_int_equal(json_array_size(at(v, "items.1.ungated")), 0); /* that one has ended */
    assert_string_equal(text_at(v, "items.1.orphan_gates.0.code"), "gate_binding_gone");
    assert_true(json_is_null(at(v, "items.1.shared_groups.0.workload")));
    assert_string_equal(text_at(v, "items.1.shared_bindings.0.arn"), "arn:tg/web");
    assert_string_equal(text_at(v, "items.1.shared_bindings.0.with.0.namespace"), "pay");
    assert_int_equal(json_array_size(at(v, "items.1.shared_bindings.0.with")), 1);
    /* causes of the wait itself are the rollout's business */
    assert_int_equal(json_array_size(at(v, "items.1.other")), 0);
    json_decref(v);
}

static void given_the_cluster_when_audited_then_webhook_and_its_gaps(void **state)
{
    struct bed *b = *state;
    struct page page = {.limit = 100};
    json_t *v = audit(b, NULL, &page);
    assert_int_equal(json_array_size(at(v, "webhooks")), 1);
    assert_string_equal(text_at(v, "webhooks.0.family"), "aws-lbc");
    assert_string_equal(text_at(v, "webhooks.0.failure_policy"), "Ignore");
    assert_int_equal(int_at(v, "webhooks.0.ready_endpoints"), 2);
    assert_string_equal(text_at(v, "webhooks.0.namespace_selector.0"),
                        "elbv2.k8s.aws/pod-readiness-gate-inject In (enabled)");
    assert_true(json_is_null(at(v, "webhooks.0.object_selector")));
    assert_string_equal(text_at(v, "injector_down.0.from"), "1970-01-01T00:00:01Z");
    assert_true(json_is_null(at(v, "injector_down.0.to")));
    assert_string_equal(text_at(v, "cluster_findings.0.code"), "controller_stalled");
    json_decref(v);
}

static void given_shutdown_times_when_audited_then_what_is_too_short(void **state)
{
    struct bed *b = *state;
    struct page page = {.limit = 100};
    json_t *v = audit(b, "shop", &page);
    assert_int_equal(int_at(v, "items.0.drain.0.grace_seconds"), 30);
    assert_int_equal(int_at(v, "items.0.drain.0.pre_stop_seconds"), 0);
    assert_int_equal(int_at(v, "items.0.drain.0.deregistration_delay_seconds"), 300);
    assert_true(json_is_false(at(v, "items.0.drain.0.deregistration_delay_known")));
    assert_string_equal(text_at(v, "items.0.drain.0.workload.name"), "web");
    json_decref(v);
    put_group(&b->f, "60");
    put_template(&b->f, 90, 15);
    v = audit(b, "shop", &page);
    assert_int_equal(json_array_size(at(v, "items.0.drain")), 0);
    json_decref(v);
    put_template(&b->f, 45, 15);
    v = audit(b, "shop", &page);
    assert_string_equal(text_at(v, "items.0.drain.0.severity"), "info");
    assert_int_equal(int_at(v, "items.0.drain.0.deregistration_delay_seconds"), 60);
    assert_true(json_is_true(at(v, "items.0.drain.0.deregistration_delay_known")));
    json_decref(v);
    put_template(&b->f, 30, 30);
    v = audit(b, "shop", &page);
    assert_string_equal(text_at(v, "items.0.drain.0.severity"), "warning");
    json_decref(v);
}

static void given_pages_when_followed_then_every_namespace_once(void **state)
{
    struct bed *b = *state;
    struct page page = {.limit = 1};
    json_t *v = audit(b, NULL, &page);
    assert_string_equal(text_at(v, "items.0.namespace"), "pay");
    assert_true(page.next.set);
    json_decref(v);
    page = (struct page){.limit = 1, .after = {true, {0}, "pay"}};
    v = audit(b, NULL, &page);
    assert_string_equal(text_at(v, "items.0.namespace"), "shop");
    json_decref(v);
    page = (struct page){.limit = 10};
    v = audit(b, "infra", &page); /* asked for by name: it is shown, with nothing in it */
    assert_int_equal(json_array_size(at(v, "items")), 1);
    assert_int_equal(json_array_size(at(v, "items.0.drain")), 0);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(given_findings_when_audited_then_each_stands_under_its_head,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(given_the_cluster_when_audited_then_webhook_and_its_gaps,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(given_shutdown_times_when_audited_then_what_is_too_short,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(given_pages_when_followed_then_every_namespace_once, setup,
                                        teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
