/* Whom a changed object concerns. */
#include "store_help.h"

/* Namespace shop: web and api with one pod each on nodes n1 and n2; ids 1 and 2. Other: one more.
 */
static void three(struct bed *b, struct arena *a)
{
    static const char *const names[] = {"web", "api", "far"};
    bed_init(b);
    bed_settle(b);
    for (int i = 0; i < 3; i++) {
        const char *ns = i < 2 ? "shop" : "other";
        struct kube_workload *d =
            deployment(a, ns, names[i], arena_printf(a, "d%d", i), arena_printf(a, "%d", 10 + i));
        struct kube_workload *rs =
            replicaset(a, ns, arena_printf(a, "%s-rs", names[i]), arena_printf(a, "r%d", i), "11");
        owned(a, &rs->meta, "Deployment", names[i], d->meta.uid);
        struct kube_pod *p =
            pod(a, ns, arena_printf(a, "%s-1", names[i]), arena_printf(a, "p%d", i), "12");
        owned(a, &p->meta, "ReplicaSet", rs->meta.name, rs->meta.uid);
        p->node = arena_printf(a, "n%d", i + 1);
        bed_do(b, change_one(KIND_DEPLOYMENT, d, false, false));
        bed_do(b, change_one(KIND_REPLICASET, rs, false, false));
        bed_do(b, change_one(KIND_POD, p, false, false));
    }
    (void)drain_has(b, DIRTY_CLUSTER, 0, NULL);
}

/* Applies it; the marked rollouts as bits 1, 2, 4. */
static unsigned marks(struct bed *b, struct change *c)
{
    struct dirty d;
    unsigned bits = 0;
    bed_do(b, c);
    bed_begin(b);
    while (store_next_dirty(b->s, &d)) {
        bits |= d.what == DIRTY_ROLLOUT ? 1u << (d.id - 1) : 0;
    }
    bed_commit(b);
    return bits;
}

static unsigned put(struct bed *b, enum kind kind, const void *record)
{
    return marks(b, change_one(kind, record, false, false));
}

static void a_pod_its_replicaset_and_its_events_concern_its_rollout(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    struct kube_event *e = record_new(KIND_EVENT, a);
    named(e, "shop", "e1", "e1", "50");
    e->type = "Warning";
    e->object_kind = "Pod";
    e->object_name = "api-1";
    assert_int_equal(put(&b, KIND_EVENT, e), 2);
    named(e, "shop", "e2", "e2", "51");
    e->object_kind = "ReplicaSet";
    e->object_name = "web-rs";
    e->object_uid = "r0";
    assert_int_equal(put(&b, KIND_EVENT, e), 1);
    named(e, "other", "e3", "e3", "52");
    e->object_kind = "Deployment";
    e->object_name = "far";
    assert_int_equal(put(&b, KIND_EVENT, e), 4);
    named(e, "shop", "e4", "e4", "53");
    e->object_kind = "TargetGroupBinding";
    assert_int_equal(put(&b, KIND_EVENT, e), 3);
    struct kube_workload *rs = replicaset(a, "shop", "web-rs2", "r9", "54");
    owned(a, &rs->meta, "Deployment", "web", "d0");
    assert_int_equal(put(&b, KIND_REPLICASET, rs), 1);
    struct kube_revision *r = record_new(KIND_CONTROLLER_REVISION, a);
    owned(a, named(r, "shop", "rev", "cr1", "55"), "Deployment", "api", "d1");
    assert_int_equal(put(&b, KIND_CONTROLLER_REVISION, r), 2);
    bed_fini(&b);
}

static void selectors_concern_whom_they_select_or_did(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    struct kube_service *svc = record_new(KIND_SERVICE, a);
    named(svc, "shop", "front", "s1", "50");
    assert_int_equal(put(&b, KIND_SERVICE, svc), 0); /* selects nothing */
    svc->selector = labels_of(a, "app", "web");
    svc->meta.resource_version = "51";
    assert_int_equal(put(&b, KIND_SERVICE, svc), 1);
    svc->selector = labels_of(a, "app", "api");
    svc->meta.resource_version = "52";
    assert_int_equal(put(&b, KIND_SERVICE, svc), 3);
    svc->selector = labels_of(a, "rollouts-pod-template-hash", "abc");
    svc->meta.resource_version = "53";
    assert_int_equal(put(&b, KIND_SERVICE, svc), 3);
    struct kube_pdb *pdb = record_new(KIND_PDB, a);
    named(pdb, "shop", "budget", "b1", "54");
    pdb->selector = (struct selector){.present = 1, .labels = labels_of(a, "app", "api")};
    assert_int_equal(put(&b, KIND_PDB, pdb), 2);
    pdb->disruptions_allowed = 1;
    pdb->meta.resource_version = "55";
    assert_int_equal(put(&b, KIND_PDB, pdb), 2);
    struct kube_hpa *hpa = record_new(KIND_HPA, a);
    named(hpa, "shop", "scale", "h1", "56");
    hpa->target_kind = "Deployment";
    hpa->target_name = "web";
    assert_int_equal(put(&b, KIND_HPA, hpa), 1);
    struct kube_ingress *ing = record_new(KIND_INGRESS, a);
    named(ing, "shop", "in", "i1", "57");
    assert_int_equal(put(&b, KIND_INGRESS, ing), 3);
    bed_fini(&b);
}

static struct kube_slice *slice_of(struct arena *a, const char *rv, int ready_web, int ready_api)
{
    struct kube_slice *slice = record_new(KIND_ENDPOINT_SLICE, a);
    named(slice, "shop", "front-1", "e1", rv)->labels =
        labels_of(a, "kubernetes.io/service-name", "front");
    struct endpoint *e = arena_array(a, struct endpoint, 2);
    static const char *const names[] = {"web-1", "api-1"};
    for (int i = 0; i < 2; i++) {
        e[i] = (struct endpoint){.target_kind = "Pod",
                                 .target_name = names[i],
                                 .ready = i == 0 ? ready_web : ready_api,
                                 .serving = -1,
                                 .terminating = -1,
                                 .target_uid = "",
                                 .node = "",
                                 .zone = ""};
    }
    slice->endpoints = (struct list){e, 2};
    return slice;
}

static void a_slice_concerns_the_pods_whose_endpoint_changed(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    assert_int_equal(put(&b, KIND_ENDPOINT_SLICE, slice_of(a, "50", 0, 0)), 3);
    assert_int_equal(put(&b, KIND_ENDPOINT_SLICE, slice_of(a, "51", 0, 1)), 2);
    assert_int_equal(put(&b, KIND_ENDPOINT_SLICE, slice_of(a, "52", 0, 1)), 0);
    struct kube_slice *fewer = slice_of(a, "53", 0, 1);
    fewer->endpoints.n = 1;
    assert_int_equal(put(&b, KIND_ENDPOINT_SLICE, fewer), 2);
    assert_int_equal(marks(&b, change_one(KIND_ENDPOINT_SLICE, fewer, true, false)), 1);
    bed_fini(&b);
}

static void a_node_concerns_its_pods_when_ready_or_zone_change(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    struct kube_node *n = record_new(KIND_NODE, a);
    named(n, "", "n2", "n2", "50");
    struct condition ready = {.type = "Ready", .status = "True", .reason = "", .message = ""};
    n->conditions = (struct list){&ready, 1};
    assert_int_equal(put(&b, KIND_NODE, n), 2);
    n->unschedulable = 1;
    n->meta.resource_version = "51";
    assert_int_equal(put(&b, KIND_NODE, n), 0);
    ready.status = "Unknown";
    n->meta.resource_version = "52";
    assert_int_equal(put(&b, KIND_NODE, n), 2);
    bed_fini(&b);
}

static void labels_of_a_namespace_concern_all_in_it(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    struct kube_namespace *n = record_new(KIND_NAMESPACE, a);
    named(n, "", "shop", "n1", "50");
    assert_int_equal(put(&b, KIND_NAMESPACE, n), 3);
    n->meta.labels = labels_of(a, "team", "x");
    n->meta.resource_version = "51";
    assert_int_equal(put(&b, KIND_NAMESPACE, n), 0);
    int64_t before = ask(&b, "SELECT label_seen_at FROM namespace WHERE name = 'shop'");
    n->meta.labels = labels_of(a, "elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");
    n->meta.resource_version = "52";
    assert_int_equal(put(&b, KIND_NAMESPACE, n), 3);
    n->meta.annotations = labels_of(a, "gatehouse.dev/stuck-after", "10m");
    n->meta.resource_version = "53";
    assert_int_equal(put(&b, KIND_NAMESPACE, n), 3);
    assert_true(ask(&b, "SELECT label_seen_at FROM namespace WHERE name = 'shop'") > before);
    assert_int_equal(ask(&b, "SELECT present FROM namespace WHERE name = 'shop'"), 1);
    bed_do(&b, change_one(KIND_NAMESPACE, n, true, false));
    assert_int_equal(feed_state(&b, FEED_NAMESPACE, "shop"), -1);
    assert_true(drain_has(&b, DIRTY_ROLLOUT, 2, NULL));
    assert_int_equal(ask(&b, "SELECT present FROM namespace WHERE name = 'shop'"), 0);
    bed_fini(&b);
}

static void a_renewed_lease_disturbs_nobody(void **state)
{
    (void)state;
    struct bed b;
    const struct facts_cluster *f = NULL;
    struct err err = {0};
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    struct kube_lease *l = record_new(KIND_LEASE, a);
    named(l, "kube-system", "aws-load-balancer-controller-leader", "l1", "50");
    l->holder = "one";
    l->renew_at = b.now;
    bed_do(&b, change_one(KIND_LEASE, l, false, false));
    (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    int64_t revision = b.commit.revision;
    int64_t rows = total_changes(&b);
    for (int i = 1; i <= 30; i++) { /* a second each */
        l->renew_at = b.now + 1000;
        l->meta.resource_version = arena_printf(a, "%d", 50 + i);
        bed_do(&b, change_one(KIND_LEASE, l, false, false));
    }
    assert_int_equal(store_dirty_count(b.s), 0);
    assert_int_equal(b.commit.revision, revision);
    assert_int_equal(total_changes(&b) - rows, 30 + 3); /* the stream's version; the row thrice */
    bed_begin(&b);
    assert_true(store_cluster_facts(b.s, &f, &err));
    assert_int_equal(f->leases.n, 1);
    assert_true(LIST_AT(struct kube_lease, f->leases, 0)->renew_at == l->renew_at);
    bed_commit(&b);
    l->holder = "two";
    l->meta.resource_version = "99";
    bed_do(&b, change_one(KIND_LEASE, l, false, false));
    assert_true(drain_has(&b, DIRTY_CLUSTER, 0, NULL));
    bed_begin(&b);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_LEASE));
    l->meta.resource_version = "100";
    bed_apply(&b, change_one(KIND_LEASE, l, false, true)); /* seen, though not written */
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_LEASE, "101"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 4"), 1);
    bed_fini(&b);
}

static void silence_of_the_server_and_its_end_concern_all(void **state)
{
    (void)state;
    struct bed b;
    size_t rollouts = 0;
    const struct facts_cluster *f = NULL;
    struct err err = {0};
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    for (int i = 0; i < 2; i++) {
        struct change *c = change_new(CHANGE_SOURCE, 0);
        c->source = (struct change_source){"kubernetes", SOURCE_OK, "", b.now, b.now};
        bed_do(&b, c);
        (void)store_dirty_due(b.s, b.now);
        (void)drain_has(&b, DIRTY_CLUSTER, 0, &rollouts);
        assert_int_equal(rollouts, i == 0 ? 0 : 3);
        b.now += 91000;
        (void)store_dirty_due(b.s, b.now);
        (void)drain_has(&b, DIRTY_CLUSTER, 0, &rollouts);
        assert_int_equal(rollouts, 3);
        bed_begin(&b);
        assert_true(store_cluster_facts(b.s, &f, &err));
        assert_true(f->kube_stale);
        bed_commit(&b);
    }
    bed_fini(&b);
}

static void marking_all_and_taking_in_order(void **state)
{
    (void)state;
    struct bed b;
    struct dirty d;
    AUTO_PTR(arena) a = arena_new(0);
    three(&b, a);
    store_dirty_all(b.s);
    store_dirty_all(b.s);
    size_t n = store_dirty_count(b.s);
    assert_int_equal(n, 3 + (size_t)ask(&b, "SELECT count(*) FROM namespace") + 1);
    bed_begin(&b);
    for (size_t i = 0; i < n; i++) {
        assert_true(store_next_dirty(b.s, &d));
        assert_int_equal(d.what, i < 3       ? DIRTY_ROLLOUT
                                 : i < n - 1 ? DIRTY_NAMESPACE
                                             : DIRTY_CLUSTER);
    }
    assert_false(store_next_dirty(b.s, &d));
    bed_commit(&b);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_its_replicaset_and_its_events_concern_its_rollout),
        cmocka_unit_test(selectors_concern_whom_they_select_or_did),
        cmocka_unit_test(a_slice_concerns_the_pods_whose_endpoint_changed),
        cmocka_unit_test(a_node_concerns_its_pods_when_ready_or_zone_change),
        cmocka_unit_test(labels_of_a_namespace_concern_all_in_it),
        cmocka_unit_test(a_renewed_lease_disturbs_nobody),
        cmocka_unit_test(silence_of_the_server_and_its_end_concern_all),
        cmocka_unit_test(marking_all_and_taking_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
