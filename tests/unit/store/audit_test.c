/* The audit over a database of known rows: four heads, shared groups, shutdown times, the webhook.
 */
#include "unit/reader_fixture.h"

#include "store/reader_facts.h"

struct bed {
    struct fixture f;
    struct reader *r;
    struct buf out;
};

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
    static const int64_t ready[] = {1, 0, -1};
    struct err err = {0};
    b = (struct bed){.out = BUF_INIT(4 << 20)};
    fixture_open(&b.f);
    fixture_webhook(&b.f, "Ignore", (struct selector){0});
    fixture_hook_slice(&b.f, 51, ready, 3);
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

static void given_more_objects_than_a_reader_looks_at_when_loaded_then_no_more(void **state)
{
    struct bed *b = *state;
    struct err err = {0};
    struct facts_namespace ns;
    int64_t id = 0;
    sql(&b->f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)"
               " INSERT INTO object (cluster, kind, ns_id, name, uid, resource_version, ref,"
               " first_seen_at, body) SELECT 1, kind, 1, 'copy-' || i, 'u', '1', '', 0, body"
               " FROM object, n WHERE id = 1");
    assert_true(reader_begin(b->r, &err));
    assert_true(reader_facts_namespace(b->r, 1, "shop", &ns, &id, &err));
    assert_int_equal(ns.services.n, FACTS_OBJECTS_MAX);
    assert_int_equal(ns.bindings.n, 1); /* what follows is read all the same */
    reader_end(b->r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(given_findings_when_audited_then_each_stands_under_its_head),
        T(given_the_cluster_when_audited_then_webhook_and_its_gaps),
        T(given_shutdown_times_when_audited_then_what_is_too_short),
        T(given_pages_when_followed_then_every_namespace_once),
        T(given_more_objects_than_a_reader_looks_at_when_loaded_then_no_more),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
