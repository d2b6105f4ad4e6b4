/* Pods that were there a moment ago: who is remembered, for how long, and what became of them. */
#include "verdict_help.h"

static struct kube_pod *pod_of_web(struct arena *a, int i)
{
    struct kube_pod *p = pod(a, "shop", arena_printf(a, "web-abc-%d", i), arena_printf(a, "p%d", i),
                             arena_printf(a, "%d", 100 + i));
    owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
    p->ip = arena_printf(a, "10.0.%d.%d", i / 250, i % 250 + 1);
    return p;
}

static void put(struct bed *b, const struct kube_pod *p, bool deleted)
{
    bed_do(b, change_one(KIND_POD, p, deleted, false));
}

/* Deployment shop/web of id 1, with its ReplicaSet and pod 0. */
static void web(struct bed *b, struct arena *a)
{
    bed_init(b);
    bed_settle(b);
    struct kube_workload *rs = replicaset(a, "shop", "web-abc", "r1", "11");
    owned(a, &rs->meta, "Deployment", "web", "d1");
    bed_do(b, change_one(KIND_DEPLOYMENT, deployment(a, "shop", "web", "d1", "10"), false, false));
    bed_do(b, change_one(KIND_REPLICASET, rs, false, false));
    put(b, pod_of_web(a, 0), false);
}

static struct list gone_of_web(struct bed *b, struct arena *a)
{
    struct facts f;
    bed_begin(b);
    facts_of(b, 1, a, &f);
    bed_commit(b);
    return f.gone;
}

static void a_pod_that_goes_is_remembered_and_marked_once(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a);
    put(&b, pod_of_web(a, 1), false);
    put(&b, pod_of_web(a, 1), true);
    int64_t gone_at = b.now;
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    assert_int_equal(f.gone.n, 1);
    const struct facts_gone *g = LIST_AT(struct facts_gone, f.gone, 0);
    assert_string_equal(g->name, "web-abc-1");
    assert_string_equal(g->ip, "10.0.0.2");
    assert_int_equal(g->gone_at, gone_at);
    assert_int_equal(g->cut_at, 0);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
    int64_t id = g->id;
    v.cut = (struct list){&id, 1};
    (void)save(&b, 1, &f, &v);
    bed_commit(&b);
    int64_t cut_at = b.now;
    bed_begin(&b);
    (void)save(&b, 1, &f, &v); /* judged by facts of before */
    bed_commit(&b);
    struct list gone = gone_of_web(&b, a);
    assert_int_equal(LIST_AT(struct facts_gone, gone, 0)->cut_at, cut_at);
    bed_fini(&b);
}

static void only_pods_of_a_workload_with_an_address_that_run_are_remembered(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a);
    struct kube_pod *no_address = pod_of_web(a, 1);
    no_address->ip = "";
    struct kube_pod *nobodys = pod_of_web(a, 2);
    owned(a, &nobodys->meta, "ReplicaSet", "not-seen", "r9");
    const struct kube_pod *pods[] = {no_address, nobodys, pod_of_web(a, 3)};
    for (int i = 0; i < 3; i++) {
        put(&b, pods[i], false);
    }
    bed_begin(&b);
    (void)ask(&b, "UPDATE pod SET state = 8 WHERE name = 'web-abc-3'");
    bed_commit(&b);
    assert_int_equal(POD_FINISHED, ask(&b, "SELECT state FROM pod WHERE name = 'web-abc-3'"));
    for (int i = 0; i < 3; i++) {
        put(&b, pods[i], true);
    }
    assert_int_equal(ask(&b, "SELECT count(*) FROM gone_pod"), 0);
    put(&b, pod_of_web(a, 0), true);
    assert_int_equal(ask(&b, "SELECT count(*) FROM gone_pod"), 1);
    bed_fini(&b);
}

static void the_memory_is_bounded_by_number_and_age_and_ends_with_the_workload(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a);
    for (int i = 1; i <= 60; i++) {
        put(&b, pod_of_web(a, i), false);
        put(&b, pod_of_web(a, i), true);
    }
    struct list gone = gone_of_web(&b, a);
    assert_int_equal(gone.n, 50);
    assert_string_equal(LIST_AT(struct facts_gone, gone, 0)->name, "web-abc-60"); /* newest first */
    assert_string_equal(LIST_AT(struct facts_gone, gone, 49)->name, "web-abc-11");
    b.now += GONE_KEPT_MS - 60000;
    gone = gone_of_web(&b, a);
    assert_true(gone.n > 0 && gone.n < 50);
    b.now += 60000;
    assert_int_equal(gone_of_web(&b, a).n, 0);
    put(&b, pod_of_web(a, 61), false);
    put(&b, pod_of_web(a, 61), true);
    assert_int_equal(ask(&b, "SELECT count(*) FROM gone_pod"), 1); /* the old ones went with it */
    put(&b, pod_of_web(a, 0), true);
    bed_do(&b, change_one(KIND_DEPLOYMENT, deployment(a, "shop", "web", "d1", "10"), true, false));
    bed_begin(&b);
    struct facts f;
    struct err err = {0};
    assert_false(store_rollout_facts(b.s, 1, a, &f, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM gone_pod"), 0);
    bed_fini(&b);
}

static void a_workload_made_anew_has_lost_nobody(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a);
    put(&b, pod_of_web(a, 1), false);
    put(&b, pod_of_web(a, 1), true);
    assert_int_equal(gone_of_web(&b, a).n, 1);
    bed_do(&b,
           change_one(KIND_DEPLOYMENT, deployment(a, "shop", "web", "d2", "900"), false, false));
    assert_int_equal(gone_of_web(&b, a).n, 0);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_that_goes_is_remembered_and_marked_once),
        cmocka_unit_test(only_pods_of_a_workload_with_an_address_that_run_are_remembered),
        cmocka_unit_test(the_memory_is_bounded_by_number_and_age_and_ends_with_the_workload),
        cmocka_unit_test(a_workload_made_anew_has_lost_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
