/* Which workload a pod belongs to, and when workload rows come and go. */
#include "store_help.h"

static int64_t workload(struct bed *b, const char *kind, const char *name)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SELECT id FROM workload WHERE kind = '%s' AND name = '%s'",
                   kind, name);
    return ask(b, sql);
}

static int64_t workload_of(struct bed *b, const char *pod_name)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "SELECT workload_id FROM pod WHERE name = '%s'", pod_name);
    return ask(b, sql);
}

static void put(struct bed *b, enum kind kind, const void *record)
{
    bed_do(b, change_one(kind, record, false, false));
}

static void take(struct bed *b, enum kind kind, const void *record)
{
    bed_do(b, change_one(kind, record, true, false));
}

/* Loads facts of a rollout in a transaction: true when they exist. */
static bool has_facts(struct bed *b, int64_t id, struct arena *a, struct facts *f)
{
    struct err err = {0};
    bed_begin(b);
    bool ok = store_rollout_facts(b->s, id, a, f, &err);
    if (!ok) {
        assert_int_equal(err.code, ERR_NOT_FOUND);
    }
    bed_commit(b);
    return ok;
}

static void a_replicaset_stands_between_pod_and_deployment(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_workload *d = deployment(a, "shop", "web", "d1", "10");
    struct kube_workload *rs = replicaset(a, "shop", "web-abc", "r1", "11");
    owned(a, &rs->meta, "Deployment", "web", "d1");
    struct kube_pod *p = pod(a, "shop", "web-abc-1", "p1", "12");
    owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
    put(&b, KIND_DEPLOYMENT, d);
    put(&b, KIND_REPLICASET, rs);
    put(&b, KIND_POD, p);
    assert_int_equal(workload_of(&b, "web-abc-1"), workload(&b, "Deployment", "web"));
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload"), 1);
    bed_fini(&b);
}

static void pods_wait_for_their_replicaset(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_pod *p = pod(a, "shop", "web-abc-1", "p1", "12");
    owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
    put(&b, KIND_POD, p);
    assert_int_equal(workload_of(&b, "web-abc-1"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM tally WHERE n <> 0"), 0);
    struct kube_workload *other = replicaset(a, "shop", "web-abc", "an-older-namesake", "9");
    owned(a, &other->meta, "Deployment", "web", "d1");
    put(&b, KIND_REPLICASET, other);
    assert_int_equal(workload_of(&b, "web-abc-1"), 0);
    struct kube_workload *rs = replicaset(a, "shop", "web-abc", "r1", "11");
    owned(a, &rs->meta, "Rollout", "web", "d1");
    (void)drain_has(&b, DIRTY_ROLLOUT, 0, NULL);
    put(&b, KIND_REPLICASET, rs);
    int64_t id = workload(&b, "Rollout", "web");
    assert_true(id > 0);
    assert_int_equal(workload_of(&b, "web-abc-1"), id);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 1);
    assert_true(drain_has(&b, DIRTY_ROLLOUT, id, NULL));
    bed_fini(&b);
}

static void replicasets_are(struct bed *b, enum source_state how)
{
    struct change *c = change_new(CHANGE_SOURCE, 0);
    c->source = (struct change_source){"kubernetes/replicasets.apps", how, "", 1, 0};
    bed_do(b, c);
}

static struct kvs one_label(struct arena *a, const char *key, const char *value)
{
    struct kv *kv = arena_zalloc(a, sizeof *kv);
    *kv = (struct kv){key, value};
    return (struct kvs){kv, 1};
}

static struct kube_pod *hashed(struct arena *a, const char *name, const char *owner,
                               const char *label, const char *hash)
{
    struct kube_pod *p = pod(a, "shop", name, name, "12");
    owned(a, &p->meta, "ReplicaSet", owner, owner);
    p->meta.labels = one_label(a, label, hash);
    return p;
}

static void pods_are_joined_by_name_where_replicasets_may_not_be_read(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    put(&b, KIND_DEPLOYMENT, deployment(a, "shop", "web-a", "d1", "10"));
    put(&b, KIND_POD, hashed(a, "p1", "web-a-6c9f", "pod-template-hash", "6c9f"));
    assert_int_equal(workload_of(&b, "p1"), 0); /* the ReplicaSet may come yet */
    replicasets_are(&b, SOURCE_DENIED);
    int64_t web = workload(&b, "Deployment", "web-a");
    assert_int_equal(workload_of(&b, "p1"), web);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 1);
    assert_true(drain_has(&b, DIRTY_ROLLOUT, web, NULL));
    put(&b, KIND_POD, hashed(a, "p2", "web-a-6c9f", "pod-template-hash", "6c9f"));
    put(&b, KIND_POD, hashed(a, "p3", "canary-77", "rollouts-pod-template-hash", "77"));
    put(&b, KIND_POD, hashed(a, "p4", "by-hand", "pod-template-hash", "77"));
    put(&b, KIND_POD, hashed(a, "p5", "-77", "pod-template-hash", "77"));
    put(&b, KIND_POD, hashed(a, "p6", "bare", "app", "bare"));
    assert_int_equal(workload_of(&b, "p2"), web);
    assert_int_equal(workload_of(&b, "p3"), workload(&b, "Rollout", "canary"));
    assert_int_equal(workload_of(&b, "p4"), workload(&b, "ReplicaSet", "by-hand"));
    assert_int_equal(workload_of(&b, "p5"), workload(&b, "ReplicaSet", "-77"));
    assert_int_equal(workload_of(&b, "p6"), workload(&b, "ReplicaSet", "bare"));
    bed_fini(&b);
}

static void a_readable_replicaset_corrects_what_its_name_said(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    replicasets_are(&b, SOURCE_DENIED);
    put(&b, KIND_POD, hashed(a, "p1", "web-6c9f", "pod-template-hash", "6c9f"));
    assert_int_equal(workload_of(&b, "p1"), workload(&b, "Deployment", "web"));
    replicasets_are(&b, SOURCE_OK);
    struct kube_workload *rs = replicaset(a, "shop", "web-6c9f", "web-6c9f", "11");
    rs->meta.labels = one_label(a, "pod-template-hash", "6c9f");
    owned(a, &rs->meta, "CloneSet", "other", "c1");
    put(&b, KIND_REPLICASET, rs);
    assert_int_equal(workload_of(&b, "p1"), workload(&b, "CloneSet", "other"));
    put(&b, KIND_POD, hashed(a, "p2", "late-6c9f", "pod-template-hash", "6c9f"));
    assert_int_equal(workload_of(&b, "p2"), 0); /* it is waited for again */
    bed_fini(&b);
}

/* A list that brings the Deployment which pods were joined to by name keeps it. */
static void a_list_keeps_the_deployment_that_was_known_by_name_alone(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    replicasets_are(&b, SOURCE_DENIED);
    put(&b, KIND_POD, hashed(a, "p1", "web-6c9f", "pod-template-hash", "6c9f"));
    bed_begin(&b);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_DEPLOYMENT));
    bed_apply(&b,
              change_one(KIND_DEPLOYMENT, deployment(a, "shop", "web", "d1", "10"), false, true));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_DEPLOYMENT, "20"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload WHERE uid = 'd1' AND body IS NOT NULL"
                             " AND resource_version = '10'"),
                     1);
    bed_fini(&b);
}

static void other_owners_are_workloads_of_their_kind(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        const char *kind;
        const char *name;
    } rows[] = {{"StatefulSet", "StatefulSet", "one"},
                {"DaemonSet", "DaemonSet", "one"},
                {"CloneSet", "CloneSet", "one"},
                {NULL, "Pod", "lonely"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bed b;
        AUTO_PTR(arena) a = arena_new(0);
        bed_init(&b);
        struct kube_pod *p = pod(a, "shop", "lonely", "p1", "12");
        if (rows[i].owner != NULL) {
            owned(a, &p->meta, rows[i].owner, "one", "o1");
        }
        put(&b, KIND_POD, p);
        int64_t id = workload(&b, rows[i].kind, rows[i].name);
        assert_true(id > 0);
        assert_int_equal(workload_of(&b, "lonely"), id);
        bed_fini(&b);
    }
}

static void pods_of_jobs_are_not_shown(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_pod *p = pod(a, "shop", "nightly-1", "p1", "12");
    owned(a, &p->meta, "Job", "nightly", "j1");
    put(&b, KIND_POD, p);
    p->phase = "Succeeded";
    p->meta.resource_version = "13";
    put(&b, KIND_POD, p);
    assert_int_equal(workload_of(&b, "nightly-1"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload"), 0);
    take(&b, KIND_POD, p);
    assert_int_equal(ask(&b, "SELECT count(*) FROM tally WHERE n <> 0"), 0);
    bed_fini(&b);
}

static void a_bare_replicaset_is_a_workload_until_it_is_adopted(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_workload *rs = replicaset(a, "shop", "bare", "r1", "10");
    struct kube_pod *p = pod(a, "shop", "bare-1", "p1", "11");
    owned(a, &p->meta, "ReplicaSet", "bare", "r1");
    put(&b, KIND_REPLICASET, rs);
    put(&b, KIND_POD, p);
    int64_t id = workload(&b, "ReplicaSet", "bare");
    assert_int_equal(workload_of(&b, "bare-1"), id);
    assert_true(has_facts(&b, id, a, &f));
    assert_non_null(f.workload);
    assert_int_equal(f.workload->replicas, 2);

    owned(a, &rs->meta, "Deployment", "web", "d1");
    rs->meta.resource_version = "12";
    put(&b, KIND_REPLICASET, rs);
    int64_t to = workload(&b, "Deployment", "web");
    assert_int_equal(workload_of(&b, "bare-1"), to);
    assert_false(has_facts(&b, id, a, &f)); /* nothing is left: dropped, and the feed told */
    assert_int_equal(feed_state(&b, FEED_ROLLOUT, "bare"), -1);
    assert_int_equal(workload(&b, "ReplicaSet", "bare"), -999);
    bed_fini(&b);
}

static void a_deployment_without_object_and_pods_goes(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_workload *d = deployment(a, "shop", "web", "d1", "10");
    struct kube_workload *rs = replicaset(a, "shop", "web-abc", "r1", "11");
    owned(a, &rs->meta, "Deployment", "web", "d1");
    struct kube_pod *p = pod(a, "shop", "web-abc-1", "p1", "12");
    owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
    put(&b, KIND_DEPLOYMENT, d);
    put(&b, KIND_REPLICASET, rs);
    put(&b, KIND_POD, p);
    int64_t id = workload(&b, "Deployment", "web");
    take(&b, KIND_DEPLOYMENT, d);
    assert_true(has_facts(&b, id, a, &f)); /* its pods are still there */
    assert_null(f.workload);
    assert_int_equal(f.pods.n, 1);
    take(&b, KIND_POD, p);
    assert_false(has_facts(&b, id, a, &f));
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM tally WHERE n <> 0"), 0);
    assert_false(has_facts(&b, id, a, &f)); /* asked again: still not found */
    put(&b, KIND_POD, p);                   /* the memory of owners must not point to it */
    assert_true(workload(&b, "Deployment", "web") > id);
    bed_fini(&b);
}

static void another_object_of_the_same_name_starts_anew(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_workload *d = deployment(a, "shop", "web", "d1", "10");
    put(&b, KIND_DEPLOYMENT, d);
    int64_t id = workload(&b, "Deployment", "web");
    assert_int_equal(ask(&b, "UPDATE workload SET state = 2, judged_at = 5, severity = 2,"
                             " revision_hash = 'abc', started_at = 4 RETURNING 1"),
                     1);
    assert_int_equal(ask(&b, "UPDATE tally SET state = 2 WHERE what = 0 RETURNING 1"), 1);
    assert_int_equal(ask(&b, "INSERT INTO tally VALUES (1, 1, 2, 2, 1), (1, 0, 2, 2, 1)"
                             " RETURNING 1"),
                     1);
    take(&b, KIND_DEPLOYMENT, d);
    d->meta.uid = "d2";
    d->meta.resource_version = "20";
    put(&b, KIND_DEPLOYMENT, d);
    assert_int_equal(workload(&b, "Deployment", "web"), id);
    assert_true(has_facts(&b, id, a, &f));
    assert_string_equal(f.uid, "d2");
    assert_int_equal(f.prior->state, -1);
    assert_int_equal(f.prior->started_at, 0);
    assert_string_equal(f.prior->revision_hash, "");
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 0 AND state = 10"), 1);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 2 AND state = 2"), 0);
    bed_fini(&b);
}

static void old_replicasets_are_lean(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    put(&b, KIND_DEPLOYMENT, deployment(a, "shop", "web", "d1", "10"));
    for (int i = 0; i < 2; i++) {
        struct kube_workload *rs =
            replicaset(a, "shop", i == 0 ? "web-old" : "web-new", i == 0 ? "r0" : "r1", "11");
        owned(a, &rs->meta, "Deployment", "web", "d1");
        struct kvs *labels = &rs->meta.labels;
        *labels = labels_of(a, "pod-template-hash", i == 0 ? "old" : "new");
        rs->meta.annotations =
            labels_of(a, "deployment.kubernetes.io/revision", i == 0 ? "1" : "2");
        rs->template_labels = labels_of(a, "app", "web");
        rs->replicas = i == 0 ? 0 : 2;
        put(&b, KIND_REPLICASET, rs);
    }
    assert_true(has_facts(&b, workload(&b, "Deployment", "web"), a, &f));
    assert_int_equal(f.revisions.n, 2);
    for (uint32_t i = 0; i < f.revisions.n; i++) {
        const struct facts_revision *r = LIST_AT(struct facts_revision, f.revisions, i);
        bool fresh = strcmp(r->name, "web-new") == 0;
        assert_string_equal(r->hash, fresh ? "new" : "old");
        assert_int_equal(r->number, fresh ? 2 : 1);
        assert_int_equal(r->replicaset->template_labels.n, fresh ? 1 : 0);
    }
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replicaset_stands_between_pod_and_deployment),
        cmocka_unit_test(pods_wait_for_their_replicaset),
        cmocka_unit_test(pods_are_joined_by_name_where_replicasets_may_not_be_read),
        cmocka_unit_test(a_readable_replicaset_corrects_what_its_name_said),
        cmocka_unit_test(a_list_keeps_the_deployment_that_was_known_by_name_alone),
        cmocka_unit_test(other_owners_are_workloads_of_their_kind),
        cmocka_unit_test(pods_of_jobs_are_not_shown),
        cmocka_unit_test(a_bare_replicaset_is_a_workload_until_it_is_adopted),
        cmocka_unit_test(a_deployment_without_object_and_pods_goes),
        cmocka_unit_test(another_object_of_the_same_name_starts_anew),
        cmocka_unit_test(old_replicasets_are_lean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
