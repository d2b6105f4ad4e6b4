/* A disk that is full: the transaction is rolled back whole, and works once there is room. */
#include "verdict_help.h"

static void limit_pages(struct bed *b, int64_t extra)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld",
                   (long long)(extra > 0 ? ask(b, "PRAGMA page_count") + extra : 1000000));
    (void)ask(b, sql);
}

static struct change *many_pods(int n, bool in_list)
{
    struct change *c = change_of_kind(CHANGE_OBJECTS, KIND_POD);
    c->in_list = in_list;
    c->objects = arena_array(c->arena, struct change_object, n);
    for (int i = 0; i < n; i++) {
        struct kube_pod *p =
            pod(c->arena, "shop", arena_printf(c->arena, "p-%d", i),
                arena_printf(c->arena, "u%d", i), arena_printf(c->arena, "%d", 1000 + i));
        owned(c->arena, &p->meta, "StatefulSet", "db", "s1");
        c->objects[c->n_objects++].record = p;
    }
    return c;
}

static void a_full_disk_rolls_back_and_works_later(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    bed_init(&b);
    bed_settle(&b);
    bed_do(&b, many_pods(3, false));
    (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    size_t marks = store_dirty_count(b.s);
    limit_pages(&b, 4);
    struct change *c = many_pods(2000, false);
    bed_begin(&b);
    assert_false(store_apply(b.s, c, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.text, "full"));
    store_rollback(b.s);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 3);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 3);
    assert_true(store_dirty_count(b.s) >= marks);

    limit_pages(&b, 0);
    bed_do(&b, c);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 2000);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"),
                     2000);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload"), 1);
    bed_fini(&b);
}

static void a_full_disk_in_the_middle_of_a_list_deletes_nothing(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    bed_init(&b);
    bed_settle(&b);
    bed_do(&b, many_pods(100, false));
    bed_do(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    limit_pages(&b, 4);
    struct change *c = many_pods(2000, true);
    bed_begin(&b);
    assert_false(store_apply(b.s, c, &err));
    store_rollback(b.s);
    assert_true(store_in_list(b.s));
    limit_pages(&b, 0);
    bed_begin(&b);
    bed_apply(&b, c);
    bed_apply(&b, change_rv(CHANGE_LIST_END, KIND_POD, "5000"));
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 2000);
    bed_fini(&b);
}

/* Whatever step it hits, a failed judgement leaves its mark and no half of a verdict. */
static void a_full_disk_while_saving_gives_the_mark_back(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_settle(&b);
    bed_do(&b, many_pods(400, false));
    bool failed = false;
    bool saved = false;
    for (int64_t room = 1; !saved && room < 400; room += 7) {
        AUTO_PTR(arena) a = arena_new(0);
        struct dirty d = {0};
        struct facts f;
        struct err err = {0};
        struct saved s = {0};
        limit_pages(&b, room);
        bed_begin(&b);
        do {
            assert_true(store_next_dirty(b.s, &d));
        } while (d.what != DIRTY_ROLLOUT);
        facts_of(&b, d.id, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
        for (uint32_t i = 0; i < v.pods.n; i++) {
            char *text = arena_alloc(a, 3000);
            memset(text, 'x', 2999);
            text[2999] = '\0';
            ((struct pod_verdict *)(uintptr_t)v.pods.items)[i].cause = text;
        }
        saved =
            store_save_rollout(b.s, d.id, &f, &v, &s, &err) && store_commit(b.s, &b.commit, &err);
        if (!saved) {
            store_rollback(b.s);
            failed = true;
            assert_int_equal(err.code, ERR_STORE);
            assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE state = 4"), 0);
            assert_int_equal(ask(&b, "SELECT state FROM workload"), ROLLOUT_UNKNOWN);
            assert_true(store_dirty_count(b.s) > 0);
        }
    }
    assert_true(failed);
    assert_true(saved);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE state = 4"), 400);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 4"),
                     400);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 0);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_rolls_back_and_works_later),
        cmocka_unit_test(a_full_disk_in_the_middle_of_a_list_deletes_nothing),
        cmocka_unit_test(a_full_disk_while_saving_gives_the_mark_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
