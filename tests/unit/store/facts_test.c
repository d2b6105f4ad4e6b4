/* Facts: everything the judge asks for, from recorded objects and literals; caches that notice. */
#include "verdict_help.h"

static struct change *source(const char *name, enum source_state state, const char *message,
                             int64_t ok_at)
{
    struct change *c = change_new(CHANGE_SOURCE, 0);
    c->source = (struct change_source){arena_strdup(c->arena, name), state,
                                       arena_strdup(c->arena, message), 5, ok_at};
    return c;
}

static const struct facts_cluster *cluster_of(struct bed *b)
{
    const struct facts_cluster *f = NULL;
    struct err err = {0};
    if (!store_cluster_facts(b->s, &f, &err)) {
        fail_msg("%s", err.text);
    }
    return f;
}

static const struct facts_namespace *namespace_of(struct bed *b, const char *name)
{
    const struct facts_namespace *f = NULL;
    struct err err = {0};
    int64_t id = 0;
    if (!names_id(b->s, name, &id, &err) || !store_namespace_facts(b->s, id, &f, &err)) {
        fail_msg("%s", err.text);
    }
    return f;
}

static void recorded_objects_come_back_as_facts(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_list_all(&b, "1000");
    int64_t id = ask(&b, "SELECT id FROM workload WHERE kind = 'Deployment' AND name = 'web'");
    bed_begin(&b);
    facts_of(&b, id, a, &f);
    assert_true(f.now == b.now);
    assert_string_equal(f.kind, "Deployment");
    assert_non_null(f.workload);
    assert_string_equal(f.workload->meta.name, "web");
    assert_string_equal(f.uid, f.workload->meta.uid);
    assert_true(f.workload->meta.resource_version[0] != '\0');
    assert_int_equal(f.pods.n, 3);
    const struct facts_pod *p = LIST_AT(struct facts_pod, f.pods, 0);
    assert_true(p->revision[0] != '\0');
    assert_string_equal(p->revision, kvs_get(&p->pod->meta.labels, "pod-template-hash"));
    assert_true(f.revisions.n >= 1);
    assert_string_equal(LIST_AT(struct facts_revision, f.revisions, 0)->hash, p->revision);
    assert_non_null(f.ns->object);
    assert_true(f.ns->services.n > 0);
    assert_true(f.ns->slices.n > 0);
    assert_true(f.ns->pdbs.n > 0);
    assert_true(f.cluster->nodes.n > 0);
    assert_true(f.cluster->webhook_configs.n > 0);
    assert_true(f.cluster->leases.n > 0);
    bed_commit(&b);
    bed_fini(&b);
}

static void revisions_of_sets_carry_what_their_pods_carry(void **state)
{
    (void)state;
    static const char *const kinds[] = {"StatefulSet", "DaemonSet"};
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    for (int i = 0; i < 2; i++) {
        AUTO_PTR(arena) a = arena_new(0);
        struct facts f;
        char sql[128];
        (void)snprintf(sql, sizeof sql,
                       "SELECT w.id FROM workload w JOIN object o ON o.ref = w.uid"
                       " WHERE w.kind = '%s' LIMIT 1",
                       kinds[i]);
        bed_begin(&b);
        facts_of(&b, ask(&b, sql), a, &f);
        const struct facts_revision *r = LIST_AT(struct facts_revision, f.revisions, 0);
        assert_int_equal(f.revisions.n, 1);
        assert_int_equal(r->number, 1);
        if (f.pods.n > 0) {
            assert_string_equal(r->hash, LIST_AT(struct facts_pod, f.pods, 0)->revision);
        } else { /* the recorded agents have no pods: as in their labels */
            assert_string_equal(r->hash, "789fd64d46");
        }
        bed_commit(&b);
    }
    bed_fini(&b);
}

static void nodes_are_sorted_with_ready_and_zone(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    static const char *const names[] = {"n3", "n1", "n2"};
    for (int i = 0; i < 3; i++) {
        struct kube_node *n = record_new(KIND_NODE, a);
        named(n, "", names[i], names[i], "5")->labels =
            labels_of(a, "topology.kubernetes.io/zone", "eu-west-1a");
        struct condition ready = {
            .type = "Ready", .status = "Unknown", .reason = "", .message = ""};
        n->conditions = (struct list){&ready, i == 0 ? 0 : 1};
        bed_do(&b, change_one(KIND_NODE, n, false, false));
    }
    bed_begin(&b);
    const struct facts_cluster *f = cluster_of(&b);
    assert_int_equal(f->nodes.n, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct facts_node *n = LIST_AT(struct facts_node, f->nodes, i);
        assert_int_equal(n->name[1], '1' + (int)i);
        assert_string_equal(n->ready, i == 2 ? "" : "Unknown");
        assert_string_equal(n->zone, "eu-west-1a");
    }
    bed_commit(&b);
    bed_fini(&b);
}

static void sources_are_facts(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_settle(&b);
    bed_do(&b, change_of_kind(CHANGE_KIND_GONE, KIND_BINDING_AUTO));
    bed_begin(&b);
    const struct facts_cluster *f = cluster_of(&b);
    assert_true(f->has_lbc);
    assert_false(f->has_auto);
    assert_string_equal(f->aws_state, "off");
    assert_false(f->aws_known);
    assert_string_equal(f->denied_kinds, "");
    assert_true(f->started_at > 0);
    bed_commit(&b);
    bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now));
    bed_do(&b, source("aws", SOURCE_OK, "", b.now));
    bed_do(&b, source("kubernetes/events", SOURCE_DENIED, "may not list", 0));
    bed_do(&b, source("kubernetes/leases.coordination.k8s.io", SOURCE_DENIED, "may not list", 0));
    bed_begin(&b);
    f = cluster_of(&b);
    assert_true(f->aws_known);
    assert_string_equal(f->kube_state, "ok");
    assert_false(f->kube_stale);
    assert_string_equal(f->denied_kinds, "events,leases.coordination.k8s.io");
    bed_commit(&b);
    bed_do(&b, source("aws", SOURCE_UNREACHABLE, "no route", b.now - 5000));
    bed_begin(&b);
    f = cluster_of(&b);
    assert_false(f->aws_known);
    assert_string_equal(f->aws_message, "no route");
    bed_commit(&b);
    bed_fini(&b);
}

static void an_accounts_trouble_is_its_groups_error(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_binding *binding = record_new(KIND_BINDING_AUTO, a);
    named(binding, "shop", "web", "b1", "5");
    binding->arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1";
    bed_do(&b, change_one(KIND_BINDING_AUTO, binding, false, false));
    bed_do(&b, source("aws/123456789012/eu-west-1", SOURCE_DENIED, "not authorized", 0));
    bed_begin(&b);
    const struct facts_namespace *f = namespace_of(&b, "shop");
    const struct facts_binding *fb = LIST_AT(struct facts_binding, f->bindings, 0);
    assert_false(fb->group->known);
    assert_string_equal(fb->group->error, "not authorized");
    bed_commit(&b);
    bed_do(&b, source("aws/123456789012/eu-west-1", SOURCE_OK, "", b.now));
    bed_begin(&b);
    f = namespace_of(&b, "shop");
    assert_string_equal(LIST_AT(struct facts_binding, f->bindings, 0)->group->error, "");
    bed_commit(&b);
    bed_fini(&b);
}

static void signs_of_life_are_no_changes(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now));
    assert_int_equal(feed_state(&b, FEED_SOURCE, "kubernetes"), SOURCE_OK);
    assert_int_equal(feed_from(&b, FEED_SOURCE, "kubernetes"), -1);
    assert_true(b.commit.summary_changed);
    int64_t revision = b.commit.revision;
    int64_t rows = total_changes(&b);
    for (int i = 0; i < 25; i++) {
        bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now + 1000));
    }
    assert_int_equal(b.commit.revision, revision);
    assert_int_equal(total_changes(&b) - rows, 2); /* each ten seconds */
    bed_do(&b, source("kubernetes", SOURCE_UNREACHABLE, "refused", 0));
    assert_true(b.commit.revision > revision);
    assert_int_equal(feed_from(&b, FEED_SOURCE, "kubernetes"), SOURCE_OK);
    assert_true(ask(&b, "SELECT ok_at FROM source") == b.now - 1000);
    bed_close(&b);
    bed_open(&b); /* known after a restart */
    assert_int_equal(source_get(b.s, "kubernetes")->state, SOURCE_UNREACHABLE);
    bed_fini(&b);
}

/* A time that lies ahead would hide an outage until the clock has come so far again. */
static void a_clock_that_was_set_back_leaves_no_sign_of_life_ahead(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now));
    b.now -= 7200000;
    bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now));
    assert_true(source_get(b.s, "kubernetes")->ok_at == b.now - 1000);
    assert_true(ask(&b, "SELECT ok_at FROM source") == b.now - 1000);
    assert_false(store_is_stale(b.s, b.now));
    assert_true(store_is_stale(b.s, b.now + 3600000));
    /* a batch's own time may lie a little behind its changes' */
    bed_do(&b, source("kubernetes", SOURCE_OK, "", b.now + 4000));
    bed_do(&b, source("kubernetes", SOURCE_UNREACHABLE, "refused", 0));
    assert_true(source_get(b.s, "kubernetes")->ok_at > b.now);
    bed_fini(&b);
}

static void a_namespaces_facts_are_kept_until_something_in_them_changes(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_service *svc = record_new(KIND_SERVICE, a);
    named(svc, "shop", "web", "s1", "5");
    bed_do(&b, change_one(KIND_SERVICE, svc, false, false));
    bed_begin(&b);
    const struct facts_namespace *first = namespace_of(&b, "shop");
    assert_int_equal(first->services.n, 1);
    bed_commit(&b);
    bed_begin(&b);
    assert_ptr_equal(namespace_of(&b, "shop"), first);
    svc->meta.name = "api";
    svc->meta.uid = "s2";
    bed_apply(&b, change_one(KIND_SERVICE, svc, false, false));
    assert_int_equal(namespace_of(&b, "shop")->services.n, 2);
    assert_int_equal(first->services.n, 1); /* borrowed until the next begin */
    store_rollback(b.s);
    bed_begin(&b);
    assert_int_equal(namespace_of(&b, "shop")->services.n,
                     1); /* what was rolled back is not kept */
    bed_commit(&b);
    bed_fini(&b);
}

static void facts_of_many_namespaces_in_one_transaction_stay_bounded(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    const struct facts_namespace *f = NULL;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_begin(&b);
    for (int i = 0; i < 2000; i++) {
        int64_t id = 0;
        assert_true(names_id(b.s, arena_printf(a, "ns-%d", i), &id, &err));
        assert_true(store_namespace_facts(b.s, id, &f, &err));
    }
    bed_commit(&b);
    bed_begin(&b);
    bed_commit(&b);
    bed_fini(&b);
}

/* ---- the injecting webhook ---- */

static struct kube_slice *webhook_slice(struct arena *a, const char *rv, int64_t ready)
{
    struct kube_slice *slice = record_new(KIND_ENDPOINT_SLICE, a);
    named(slice, "kube-system", "hook-1", "e1", rv)->labels =
        labels_of(a, "kubernetes.io/service-name", "hook");
    struct endpoint *e = arena_array(a, struct endpoint, 1);
    *e = (struct endpoint){.ready = ready,
                           .serving = -1,
                           .terminating = -1,
                           .target_kind = "Pod",
                           .target_name = "hook-pod",
                           .target_uid = "",
                           .node = "",
                           .zone = ""};
    slice->endpoints = (struct list){e, 1};
    return slice;
}

static void spans_without_an_injector_are_remembered(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_webhook_config *hooks = record_new(KIND_WEBHOOK_CONFIG, a);
    named(hooks, "", "aws-load-balancer-webhook", "w1", "5");
    struct webhook *w = arena_array(a, struct webhook, 1);
    *w = (struct webhook){.name = "mpod.elbv2.k8s.aws",
                          .service_namespace = "kube-system",
                          .service_name = "hook",
                          .path = "/mutate-v1-pod",
                          .url = "",
                          .failure_policy = "Ignore"};
    hooks->webhooks = (struct list){w, 1};
    bed_do(&b, change_one(KIND_WEBHOOK_CONFIG, hooks, false, false));
    assert_int_equal(ask(&b, "SELECT count(*) FROM span"), 0); /* slices are not listed yet */
    bed_begin(&b);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_WEBHOOK_CONFIG));
    bed_apply(&b, change_one(KIND_WEBHOOK_CONFIG, hooks, false, true));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_WEBHOOK_CONFIG, "6"));
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_ENDPOINT_SLICE));
    bed_apply(&b, change_one(KIND_ENDPOINT_SLICE, webhook_slice(a, "7", 1), false, true));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_ENDPOINT_SLICE, "8"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM span"), 0);
    bed_do(&b, change_one(KIND_ENDPOINT_SLICE, webhook_slice(a, "9", 0), false, false));
    int64_t from = b.now;
    bed_do(&b, change_one(KIND_ENDPOINT_SLICE, webhook_slice(a, "10", -1), false, false));
    bed_begin(&b);
    const struct facts_cluster *f = cluster_of(&b);
    assert_int_equal(f->injector_down.n, 1);
    const struct facts_span *span = LIST_AT(struct facts_span, f->injector_down, 0);
    assert_true(span->from == from);
    assert_true(span->to == from + 1000);
    bed_commit(&b);
    bed_do(&b, change_one(KIND_ENDPOINT_SLICE, webhook_slice(a, "11", 1), true, false));
    assert_int_equal(ask(&b, "SELECT count(*) FROM span WHERE to_at = 0"), 1);
    bed_do(&b, change_one(KIND_WEBHOOK_CONFIG, hooks, true, false));
    assert_int_equal(ask(&b, "SELECT count(*) FROM span WHERE to_at = 0"), 0);
    bed_fini(&b);
}

static void the_webhooks_service_is_missing_only_when_services_were_listed(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_webhook_config *hooks = record_new(KIND_WEBHOOK_CONFIG, a);
    named(hooks, "", "aws-load-balancer-webhook", "h1", "5");
    struct webhook *w = arena_array(a, struct webhook, 1);
    *w = (struct webhook){.name = "mpod.elbv2.k8s.aws",
                          .service_namespace = "kube-system",
                          .service_name = "hook",
                          .path = "/mutate-v1-pod",
                          .url = "",
                          .failure_policy = "Ignore"};
    hooks->webhooks = (struct list){w, 1};
    bed_do(&b, change_one(KIND_WEBHOOK_CONFIG, hooks, false, false));
    bed_begin(&b);
    assert_false(cluster_of(&b)->injector_service_missing);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_SERVICE));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_SERVICE, "6"));
    bed_commit(&b);
    bed_begin(&b);
    assert_true(cluster_of(&b)->injector_service_missing);
    bed_commit(&b);
    struct kube_service *svc = record_new(KIND_SERVICE, a);
    named(svc, "kube-system", "hook", "s1", "7");
    bed_do(&b, change_one(KIND_SERVICE, svc, false, false));
    bed_begin(&b);
    assert_false(cluster_of(&b)->injector_service_missing);
    bed_commit(&b);
    struct dirty d;
    while (store_next_dirty(b.s, &d)) {
    }
    bed_begin(&b); /* its end is news for the cluster's findings */
    bed_apply(&b, change_one(KIND_SERVICE, svc, true, false));
    bool marked = false;
    while (store_next_dirty(b.s, &d)) {
        marked = marked || d.what == DIRTY_CLUSTER;
    }
    assert_true(marked);
    bed_commit(&b);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_objects_come_back_as_facts),
        cmocka_unit_test(revisions_of_sets_carry_what_their_pods_carry),
        cmocka_unit_test(nodes_are_sorted_with_ready_and_zone),
        cmocka_unit_test(sources_are_facts),
        cmocka_unit_test(an_accounts_trouble_is_its_groups_error),
        cmocka_unit_test(signs_of_life_are_no_changes),
        cmocka_unit_test(a_clock_that_was_set_back_leaves_no_sign_of_life_ahead),
        cmocka_unit_test(a_namespaces_facts_are_kept_until_something_in_them_changes),
        cmocka_unit_test(facts_of_many_namespaces_in_one_transaction_stay_bounded),
        cmocka_unit_test(spans_without_an_injector_are_remembered),
        cmocka_unit_test(the_webhooks_service_is_missing_only_when_services_were_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
