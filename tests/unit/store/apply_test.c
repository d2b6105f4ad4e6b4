/* Changes to rows: recorded objects of every kind, relists, watches, streams that end and resume.
 */
#include "store_help.h"

static void recorded_kinds_become_rows(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    struct change *pods = change_recorded(KIND_POD, "pods", true);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), pods->n_objects);
    change_free(pods);
    struct change *slices = change_recorded(KIND_ENDPOINT_SLICE, "endpointslices", true);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 16"), slices->n_objects);
    change_free(slices);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE workload_id = 0"), 0);
    assert_int_equal(ask(&b,
                         "SELECT count(*) FROM pod p JOIN workload w ON w.id = p.workload_id"
                         " WHERE w.kind = 'Deployment' AND w.name = 'web' AND p.revision <> ''"),
                     3);
    assert_string_equal(ask_text(&b, "SELECT group_concat(DISTINCT kind) FROM (SELECT kind FROM"
                                     " workload ORDER BY kind)"),
                        "DaemonSet,Deployment,StatefulSet");
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"),
                     ask(&b, "SELECT count(*) FROM pod"));
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync WHERE kind = 18"), "1000");
    bed_fini(&b);
}

static void an_unchanged_relist_writes_only_where_the_stream_stands(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    struct dirty d;
    bed_begin(&b);
    while (store_next_dirty(b.s, &d)) {
    }
    bed_commit(&b);
    int64_t revision = b.commit.revision;
    struct store_metrics before;
    struct store_metrics after;
    store_metrics(b.s, &before);
    int64_t rows_before = total_changes(&b);
    bed_list_all(&b, "1001");
    store_metrics(b.s, &after);
    int kinds = 0;
#define X(kind, name) kinds++;
    RECORDED(X)
#undef X
    assert_int_equal(total_changes(&b) - rows_before, 2 * kinds); /* sync: version, list time */
    assert_int_equal(store_dirty_count(b.s), 0);
    assert_int_equal(b.commit.revision, revision);
    assert_int_equal(b.commit.n_items, 0);
    assert_true(after.rows_unchanged > before.rows_unchanged);
    bed_fini(&b);
}

static void a_relist_deletes_what_it_does_not_contain(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_list_all(&b, "1000");
    bed_begin(&b);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    struct change *pods = change_recorded(KIND_POD, "pods", true);
    const struct meta *left_out = pods->objects[pods->n_objects - 1].record;
    const char *name = arena_strdup(a, left_out->name);
    int64_t n = pods->n_objects;
    pods->n_objects--;
    bed_apply(&b, pods);
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_POD, "1002"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), n - 1);
    assert_int_equal(feed_state(&b, FEED_POD, name), -1);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"),
                     n - 1);

    bed_begin(&b);
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_SERVICE));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_SERVICE, "1003"));
    bed_apply(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_DEPLOYMENT));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_DEPLOYMENT, "1003"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 2"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload WHERE kind = 'Deployment' AND body IS"
                             " NOT NULL"),
                     0);
    bed_fini(&b);
}

/* Pods of a first list are added without a look, yet one may change while the list goes on. */
static void a_first_list_may_bring_a_name_twice(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    struct change *pods = change_recorded(KIND_POD, "pods", true);
    int64_t n = pods->n_objects;
    bed_do(&b, pods);
    struct change *again = change_recorded(KIND_POD, "pods", true);
    again->n_objects = 2;
    struct kube_pod *changed = (struct kube_pod *)(uintptr_t)again->objects[0].record;
    struct kube_pod *anew = (struct kube_pod *)(uintptr_t)again->objects[1].record;
    changed->meta.resource_version = "900001";
    changed->ip = "10.9.9.1";
    anew->meta.resource_version = "900002";
    anew->meta.uid = "00000000-0000-0000-0000-000000000002";
    bed_do(&b, again);
    bed_do(&b, change_rv(CHANGE_LIST_END, KIND_POD, "900003"));
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), n);
    assert_int_equal(
        ask(&b, "SELECT count(*) FROM pod WHERE resource_version = '900001' AND ip = '10.9.9.1'"),
        1);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE resource_version = '900002' AND uid ="
                             " '00000000-0000-0000-0000-000000000002'"),
                     1);
    bed_fini(&b);
}

static void an_aborted_list_deletes_nothing(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    int64_t n = ask(&b, "SELECT count(*) FROM pod");
    bed_do(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    assert_true(store_in_list(b.s));
    bed_do(&b, change_of_kind(CHANGE_LIST_ABORT, KIND_POD));
    assert_false(store_in_list(b.s));
    bed_do(&b, change_rv(CHANGE_LIST_END, KIND_POD, "1005")); /* an end without a list */
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), n);
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync WHERE kind = 18"), "1000");
    bed_fini(&b);
}

static void a_kind_that_is_gone_takes_its_rows(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    bed_do(&b, change_of_kind(CHANGE_KIND_GONE, KIND_PDB));
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 14"), 0);
    assert_true(ask(&b, "SELECT count(*) FROM object WHERE kind = 15") > 0);
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync WHERE kind = 14"), "");
    bed_fini(&b);
}

static void a_restart_resumes_where_the_streams_stood(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_list_all(&b, "1000");
    struct change *who = change_new(CHANGE_CLUSTER, 0);
    who->cluster_uid = "uid-1";
    who->server_url = "https://one";
    bed_do(&b, who);
    struct kube_pod *p = pod(a, "shop", "late", "u-late", "1010");
    bed_do(&b, change_one(KIND_POD, p, false, false));
    bed_do(&b, change_rv(CHANGE_BOOKMARK, KIND_SERVICE, "1020"));
    bed_do(&b, change_rv(CHANGE_BOOKMARK, KIND_SERVICE, "1021")); /* too soon to be written */
    bed_close(&b);
    bed_open(&b);
    struct store_resume r;
    struct err err = {0};
    assert_true(store_resume(b.s, a, &r, &err));
    assert_string_equal(r.resource_version[KIND_POD], "1010");
    assert_string_equal(r.resource_version[KIND_SERVICE], "1021");
    assert_string_equal(r.resource_version[KIND_NODE], "1000");
    assert_string_equal(r.resource_version[KIND_BINDING_LBC], "");
    assert_string_equal(r.cluster_uid, "uid-1");
    bed_fini(&b);
}

static void a_new_version_of_the_same_content_disturbs_nobody(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_settle(&b);
    struct kube_pod *p = pod(a, "shop", "one", "u1", "10");
    bed_do(&b, change_one(KIND_POD, p, false, false));
    struct kube_service *svc = record_new(KIND_SERVICE, a);
    named(svc, "shop", "web", "u2", "11");
    bed_do(&b, change_one(KIND_SERVICE, svc, false, false));
    (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    int64_t revision = b.commit.revision;
    p->meta.resource_version = "12";
    svc->meta.resource_version = "13";
    bed_do(&b, change_one(KIND_POD, p, false, false));
    bed_do(&b, change_one(KIND_SERVICE, svc, false, false));
    assert_int_equal(store_dirty_count(b.s), 0);
    assert_int_equal(b.commit.revision, revision);
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM pod"), "12");
    p->meta.resource_version = "14";
    p->phase = "Failed";
    bed_do(&b, change_one(KIND_POD, p, false, false));
    assert_int_equal(store_dirty_count(b.s), 1);
    assert_true(b.commit.revision > revision);
    bed_fini(&b);
}

static void a_replay_of_older_events_changes_nothing(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_pod *p = pod(a, "shop", "one", "u1", "100");
    bed_do(&b, change_one(KIND_POD, p, false, false));
    p->phase = "Pending";
    p->meta.resource_version = "99";
    bed_do(&b, change_one(KIND_POD, p, false, false));
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM pod"), "100");
    p->meta.uid = "another";
    bed_do(&b, change_one(KIND_POD, p, true, false)); /* deletion of an earlier namesake */
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 1);
    bed_fini(&b);
}

static void a_pod_made_anew_under_its_name_starts_anew(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_pod *p = pod(a, "shop", "db-0", "u1", "100");
    owned(a, &p->meta, "StatefulSet", "db", "s1");
    bed_do(&b, change_one(KIND_POD, p, false, false));
    assert_int_equal(ask(&b, "UPDATE pod SET state = 4, track = x'00' RETURNING 1"), 1);
    assert_int_equal(ask(&b, "UPDATE tally SET state = 4 WHERE what = 1 RETURNING 1"), 1);
    p->meta.uid = "u2";
    p->meta.resource_version = "101";
    bed_do(&b, change_one(KIND_POD, p, false, false));
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE uid = 'u2' AND state = 7 AND track IS"
                             " NULL"),
                     1);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 1);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 4"), 0);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 1);
    bed_fini(&b);
}

static void an_older_list_makes_equal_versions_worthless(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_recorded(&b, KIND_SERVICE, "services", "1000");
    int64_t n = ask(&b, "SELECT count(*) FROM object WHERE kind = 2");
    bed_list_recorded(&b, KIND_SERVICE, "services", "900"); /* etcd came back from a backup */
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 2"), n);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 2 AND resource_version ="
                             " '?'"),
                     n);
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync WHERE kind = 2"), "900");
    bed_list_recorded(&b, KIND_SERVICE, "services", "901");
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE kind = 2 AND resource_version ="
                             " '?'"),
                     0);
    bed_fini(&b);
}

static struct change *cluster_change(const char *uid)
{
    struct change *c = change_new(CHANGE_CLUSTER, 0);
    c->cluster_uid = uid;
    c->server_url = "https://one";
    c->server_version = "v1.36.3";
    return c;
}

static void another_cluster_replaces_everything_but_history(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, cluster_change("uid-1"));
    bed_list_all(&b, "1000");
    assert_int_equal(ask(&b, "INSERT INTO transition (at, workload_id, what) VALUES (1, 1, 0)"
                             " RETURNING 1"),
                     1);
    bed_do(&b, cluster_change("")); /* may not be read any more: no reason to forget */
    assert_true(ask(&b, "SELECT count(*) FROM pod") > 0);
    int64_t next = ask(&b, "SELECT max(id) FROM workload");
    bed_do(&b, cluster_change("uid-2"));
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM tally"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM sync"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM transition"), 1);
    assert_true(b.commit.overflow);
    assert_string_equal(ask_text(&b, "SELECT uid FROM cluster"), "uid-2");
    bed_list_all(&b, "10");
    assert_true(ask(&b, "SELECT min(id) FROM workload") > next); /* ids are not used again */
    bed_fini(&b);
}

static void a_rolled_back_cluster_change_can_be_tried_again(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, cluster_change("uid-1"));
    bed_list_all(&b, "1000");
    bed_begin(&b);
    bed_apply(&b, cluster_change("uid-2"));
    store_rollback(b.s);
    assert_true(ask(&b, "SELECT count(*) FROM pod") > 0);
    bed_do(&b, cluster_change("uid-2"));
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 0);
    bed_fini(&b);
}

static void a_list_survives_rollbacks_in_its_middle(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_list_all(&b, "1000");
    int64_t n = ask(&b, "SELECT count(*) FROM pod");
    bed_do(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    struct change *half = change_recorded(KIND_POD, "pods", true);
    uint32_t all = half->n_objects;
    half->n_objects = all / 2;
    bed_do(&b, half);
    for (int attempt = 0; attempt < 2; attempt++) {
        bed_begin(&b);
        struct change *rest = change_recorded(KIND_POD, "pods", true);
        rest->objects += all / 2;
        rest->n_objects = all - all / 2;
        bed_apply(&b, rest);
        bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_POD, "1001"));
        if (attempt == 0) {
            store_rollback(b.s);
            assert_true(store_in_list(b.s)); /* open again, with what it had seen */
        } else {
            bed_commit(&b);
        }
    }
    assert_false(store_in_list(b.s));
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), n);
    assert_string_equal(ask_text(&b, "SELECT resource_version FROM sync WHERE kind = 18"), "1001");
    bed_fini(&b);
}

static void marks_taken_in_a_rolled_back_transaction_come_back(void **state)
{
    (void)state;
    struct bed b;
    struct dirty d;
    bed_init(&b);
    bed_list_all(&b, "1000");
    size_t marks = store_dirty_count(b.s);
    assert_true(marks > 3);
    bed_begin(&b);
    assert_true(store_next_dirty(b.s, &d));
    assert_true(store_next_dirty(b.s, &d));
    assert_int_equal(store_dirty_count(b.s), marks - 2);
    store_rollback(b.s);
    assert_int_equal(store_dirty_count(b.s), marks);
    bed_fini(&b);
}

static void a_namespace_of_a_rolled_back_transaction_is_not_remembered(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    bed_begin(&b);
    bed_apply(&b, change_one(KIND_POD, pod(a, "one", "p", "u1", "10"), false, false));
    store_rollback(b.s);
    bed_do(&b, change_one(KIND_POD, pod(a, "two", "p", "u2", "11"), false, false));
    bed_do(&b, change_one(KIND_POD, pod(a, "one", "p", "u1", "12"), false, false));
    assert_string_equal(ask_text(&b, "SELECT group_concat(t) FROM (SELECT n.name || ' ' || p.uid"
                                     " AS t FROM pod p JOIN namespace n ON n.id = p.ns_id"
                                     " ORDER BY 1)"),
                        "one u1,two u2");
    bed_fini(&b);
}

static void periodic_verification_counts_what_it_repairs(void **state)
{
    (void)state;
    struct bed b;
    struct store_metrics m;
    bed_init(&b);
    bed_list_all(&b, "1000");
    assert_int_equal(ask(&b, "UPDATE pod SET resource_version = '5', body = x'01' WHERE id = 1"
                             " RETURNING 1"),
                     1);
    bed_begin(&b);
    struct change *begin = change_rv(CHANGE_LIST_BEGIN, KIND_POD, "1000000");
    begin->verify = true;
    bed_apply(&b, begin);
    bed_apply(&b, change_recorded(KIND_POD, "pods", true));
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_POD, "1001"));
    bed_commit(&b);
    store_metrics(b.s, &m);
    assert_int_equal(m.repaired, 1);
    assert_int_equal(ask(&b, "SELECT repaired FROM sync WHERE kind = 18"), 1);
    assert_true(ask(&b, "SELECT verified_at FROM sync WHERE kind = 18") == b.now);
    bed_fini(&b);
}

static void an_object_past_the_ceiling_is_left_out_alone(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    struct change *c = change_of_kind(CHANGE_OBJECTS, KIND_SERVICE);
    c->objects = arena_array(c->arena, struct change_object, 2);
    struct kube_service *big = record_new(KIND_SERVICE, c->arena);
    named(big, "shop", "big", "u1", "10");
    char *text = arena_alloc(c->arena, 9 << 20);
    memset(text, 'x', (9 << 20) - 1);
    text[(9 << 20) - 1] = '\0';
    big->load_balancer_class = text;
    struct kube_service *small = record_new(KIND_SERVICE, c->arena);
    named(small, "shop", "small", "u2", "11");
    c->objects[0].record = big;
    c->objects[1].record = small;
    c->n_objects = 2;
    bed_do(&b, c);
    assert_string_equal(ask_text(&b, "SELECT group_concat(name) FROM object WHERE kind = 2"),
                        "small");
    bed_fini(&b);
}

static void normal_events_are_not_kept(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    bed_init(&b);
    struct kube_event *e = record_new(KIND_EVENT, a);
    named(e, "shop", "e1", "u1", "10");
    e->type = "Normal";
    e->object_kind = "Pod";
    e->object_name = "web-1";
    bed_do(&b, change_one(KIND_EVENT, e, false, false));
    assert_int_equal(ask(&b, "SELECT count(*) FROM object"), 0);
    e->type = "Warning";
    bed_do(&b, change_one(KIND_EVENT, e, false, false));
    assert_string_equal(ask_text(&b, "SELECT ref FROM object"), "Pod/web-1");
    bed_fini(&b);
}

static void tell(struct bed *b, const char *source, enum source_state state, bool settled)
{
    struct change *c = change_new(CHANGE_SOURCE, 0);
    c->source = (struct change_source){.source = source, .state = state, .message = "503", .at = 1};
    c->settled = settled;
    bed_do(b, c);
}

static void settled_names_the_kinds_that_are_awaited(void **state)
{
    (void)state;
    struct bed b;
    char missing[1024];
    bed_init(&b);
    assert_false(store_settled(b.s, missing, sizeof missing));
    assert_non_null(strstr(missing, "targetgroupbindings.elbv2.k8s.aws,"));
    for (int i = 0; i < KIND_COUNT; i++) {
        if (i == KIND_NODE || i == KIND_LEASE || i == KIND_PDB) {
            continue;
        }
        bed_do(&b, change_of_kind(CHANGE_KIND_GONE, (enum kind)i));
    }
    assert_false(store_settled(b.s, missing, sizeof missing));
    assert_string_equal(missing, "nodes,leases.coordination.k8s.io,poddisruptionbudgets.policy");
    tell(&b, "kubernetes/nodes", SOURCE_DENIED, false);
    tell(&b, "kubernetes/leases.coordination.k8s.io", SOURCE_FAILING, false);
    tell(&b, "kubernetes/poddisruptionbudgets.policy", SOURCE_FAILING, false);
    assert_false(store_settled(b.s, missing, sizeof missing));
    tell(&b, "kubernetes/leases.coordination.k8s.io", SOURCE_OK, false); /* without a list */
    assert_false(store_settled(b.s, missing, sizeof missing));
    assert_string_equal(missing, "poddisruptionbudgets.policy");
    tell(&b, "kubernetes/poddisruptionbudgets.policy", SOURCE_FAILING, true); /* given up */
    assert_true(store_settled(b.s, missing, sizeof missing));
    assert_string_equal(missing, "");
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_kinds_become_rows),
        cmocka_unit_test(an_unchanged_relist_writes_only_where_the_stream_stands),
        cmocka_unit_test(a_relist_deletes_what_it_does_not_contain),
        cmocka_unit_test(a_first_list_may_bring_a_name_twice),
        cmocka_unit_test(an_aborted_list_deletes_nothing),
        cmocka_unit_test(a_kind_that_is_gone_takes_its_rows),
        cmocka_unit_test(a_restart_resumes_where_the_streams_stood),
        cmocka_unit_test(a_new_version_of_the_same_content_disturbs_nobody),
        cmocka_unit_test(a_replay_of_older_events_changes_nothing),
        cmocka_unit_test(a_pod_made_anew_under_its_name_starts_anew),
        cmocka_unit_test(an_older_list_makes_equal_versions_worthless),
        cmocka_unit_test(another_cluster_replaces_everything_but_history),
        cmocka_unit_test(a_rolled_back_cluster_change_can_be_tried_again),
        cmocka_unit_test(a_list_survives_rollbacks_in_its_middle),
        cmocka_unit_test(marks_taken_in_a_rolled_back_transaction_come_back),
        cmocka_unit_test(a_namespace_of_a_rolled_back_transaction_is_not_remembered),
        cmocka_unit_test(periodic_verification_counts_what_it_repairs),
        cmocka_unit_test(an_object_past_the_ceiling_is_left_out_alone),
        cmocka_unit_test(normal_events_are_not_kept),
        cmocka_unit_test(settled_names_the_kinds_that_are_awaited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
