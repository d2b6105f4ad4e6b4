/* History within its limits, the checkpoint thread, the small map. */
#include "store_help.h"

static void fill(struct bed *b, int n)
{
    char sql[1024];
    (void)snprintf(
        sql, sizeof sql,
        "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d)"
        " INSERT INTO transition (at, workload_id, what, message) SELECT %lld + i * 1000, 1, 0,"
        " hex(randomblob(500)) FROM k",
        n, (long long)b->now);
    assert_int_equal(sqlite3_exec(store_db(b->s)->handle, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t retain_all(struct bed *b, int rows)
{
    struct err err = {0};
    bool left = true;
    int64_t rounds = 0;
    for (; left && rounds < 1000; rounds++) {
        bed_begin(b);
        if (!store_retain(b->s, b->now, rows, &left, &err)) {
            fail_msg("%s", err.text);
        }
        bed_commit(b);
        b->now -= 1000; /* the clock of the test stands still */
    }
    return rounds;
}

static void old_history_goes_a_few_rows_at_a_time(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    fill(&b, 100);
    int64_t cut = b.now + 60500; /* the first 60 are older than the limit then */
    b.now = cut + INT64_C(86400000) * 30 - 1000;
    assert_int_equal(retain_all(&b, 25), 3);
    assert_int_equal(ask(&b, "SELECT count(*) FROM transition"), 40);
    bed_fini(&b);
}

static void what_still_holds_or_waits_is_kept(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    static const char sql[] =
        "INSERT INTO finding (cluster, ns_id, workload_id, code, object, severity, terminal,"
        " confidence, is_primary, position, first_seen_at, last_seen_at, ended_at, since, pods,"
        " detail) VALUES (1,1,1,'a','o',0,0,0,0,0,1,1,0,1,1,'{}'), "
        "(1,1,1,'b','o',0,0,0,0,0,1,1,2,1,1,"
        "'{}');"
        "INSERT INTO revision (workload_id, revision, revision_hash, started_at, finished_at)"
        " VALUES (1,'1','x',1,0), (1,'0','w',1,2);"
        "INSERT INTO alert (id, cluster, ns_id, workload_id, key, type, severity, started_at,"
        " ended_at, updated_at, body) VALUES (1,1,1,1,'k1','t',0,1,0,1,''), "
        "(2,1,1,1,'k2','t',0,1,2,2,"
        "''), (3,1,1,1,'k3','t',0,1,2,2,'');"
        "INSERT INTO delivery (id, webhook_id, alert_id, receiver, type, body, state, created_at,"
        " next_at) VALUES (1,'w1',2,'r','t','',0,1,1), (2,'w2',3,'r','t','',1,1,1);"
        "INSERT INTO attempt (delivery_id, at, status, latency_ms) VALUES (1,1,500,1), (2,1,200,1)";
    assert_int_equal(sqlite3_exec(store_db(b.s)->handle, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)retain_all(&b, 100);
    assert_string_equal(ask_text(&b, "SELECT group_concat(code) FROM finding"), "a");
    assert_string_equal(ask_text(&b, "SELECT group_concat(revision_hash) FROM revision"), "x");
    assert_string_equal(ask_text(&b, "SELECT group_concat(webhook_id) FROM delivery"), "w1");
    assert_int_equal(ask(&b, "SELECT count(*) FROM attempt"), 1);
    assert_string_equal(ask_text(&b, "SELECT group_concat(key) FROM alert"), "k1,k2");
    bed_fini(&b);
}

static void past_its_size_the_oldest_goes_first(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    fill(&b, 4000); /* some 4 MiB */
    b.now += 4001 * 1000;
    store_set_limits(b.s, INT64_C(86400000) * 30, 3 << 20);
    (void)retain_all(&b, 100);
    int64_t n = ask(&b, "SELECT count(*) FROM transition");
    assert_true(n > 1500);
    assert_true(n < 3000);
    assert_int_equal(ask(&b, "SELECT max(at) - min(at) FROM transition"), (n - 1) * 1000);
    assert_true(ask(&b, "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count,"
                        " pragma_freelist_count, pragma_page_size") <= 3 << 20);
    bed_fini(&b);
}

static void load_balancers_that_no_group_names_go_after_a_while(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    assert_int_equal(
        sqlite3_exec(store_db(b.s)->handle,
                     "INSERT INTO binding_group VALUES (1, 1, 'web', 'group', '');"
                     "INSERT INTO target_group (cluster, arn, balancer_arn, behind_arn)"
                     " VALUES (1, 'group', 'of-a-group', 'behind-a-group');"
                     "INSERT INTO balancer VALUES ('of-a-group', x'', 1), ('behind-a-group', x'',"
                     " 1), ('of-none', x'', 1), ('new', x'', 1750000000000)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    (void)retain_all(&b, 100);
    assert_int_equal(ask(&b, "SELECT count(*) FROM balancer"), 3);
    assert_int_equal(ask(&b, "SELECT count(*) FROM balancer WHERE arn = 'of-none'"), 0);
    b.now += 7200000;
    (void)retain_all(&b, 100);
    assert_int_equal(ask(&b, "SELECT count(*) FROM balancer"), 2);
    bed_fini(&b);
}

static void checkpoints_keep_the_wal_within_its_limit(void **state)
{
    (void)state;
    struct bed b;
    struct store_metrics m = {0};
    bed_init(&b);
    fill(&b, 12000); /* one transaction larger than the limit */
    store_metrics(b.s, &m);
    assert_true(m.wal_bytes > 12 << 20);
    for (int i = 0; i < 100 && (m.wal_bytes > 12 << 20 || m.checkpoints == 0); i++) {
        bed_do(&b, change_rv(CHANGE_BOOKMARK, KIND_POD, i % 2 == 0 ? "5" : "6"));
        (void)usleep(100000); /* waits for another thread */
        store_metrics(b.s, &m);
    }
    assert_true(m.wal_bytes <= 12 << 20);
    assert_true(m.checkpoints > 0);
    assert_int_equal(m.checkpoint_failures, 0);
    assert_true(m.file_bytes > 12 << 20);
    assert_true(m.commits > 0);
    assert_true(m.rows_written > 0);
    bed_fini(&b);
}

static uint64_t checkpoints_after(struct bed *b, int wait_ms, uint64_t more_than)
{
    struct store_metrics m = {0};
    for (int waited = 0; waited <= wait_ms; waited += 50) {
        store_metrics(b->s, &m);
        if (m.checkpoints > more_than) {
            break;
        }
        (void)usleep(50000); /* waits for another thread */
    }
    return m.checkpoints;
}

static void a_small_list_is_whole_before_its_pages_are_moved(void **state)
{
    (void)state;
    struct bed b;
    bed_init(&b);
    bed_do(&b, change_of_kind(CHANGE_LIST_BEGIN, KIND_POD));
    uint64_t before = checkpoints_after(&b, 600, UINT64_MAX); /* of what stood before */
    bed_do(&b, change_recorded(KIND_POD, "pods", true));
    assert_int_equal(checkpoints_after(&b, 600, before), before);
    bed_do(&b, change_rv(CHANGE_LIST_END, KIND_POD, "7"));
    assert_true(checkpoints_after(&b, 5000, before) > before);
    bed_fini(&b);
}

static void the_map_keeps_what_it_is_given(void **state)
{
    (void)state;
    struct idmap m = {0};
    int64_t values[512];
    uint32_t dice = 7;
    memset(values, 0xff, sizeof values);
    for (int i = 0; i < 200000; i++) {
        dice = dice * 1664525u + 1013904223u;
        int64_t key = (dice >> 8) % 512;
        if ((dice >> 28) < 6) {
            assert_int_equal(idmap_remove(&m, key * 4096), values[key] >= 0);
            values[key] = -1;
        } else {
            assert_int_equal(idmap_put(&m, key * 4096, i), values[key] < 0);
            values[key] = i;
        }
    }
    size_t n = 0;
    for (int64_t key = 0; key < 512; key++) {
        assert_int_equal(idmap_get(&m, key * 4096, -1), values[key]);
        assert_int_equal(idmap_has(&m, key * 4096), values[key] >= 0);
        n += values[key] >= 0 ? 1 : 0;
    }
    size_t pos = 0;
    int64_t key = 0;
    int64_t value = 0;
    size_t seen = 0;
    while (idmap_next(&m, &pos, &key, &value)) {
        assert_int_equal(values[key / 4096], value);
        seen++;
    }
    assert_int_equal(seen, n);
    idmap_clear(&m);
    assert_false(idmap_has(&m, key));
    idmap_fini(&m);
}

static void addresses_and_versions_are_compared_by_value(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    assert_string_equal(address_canonical("FD00:0:0:0::1", a), "fd00::1");
    assert_string_equal(address_canonical("10.0.0.1", a), "10.0.0.1");
    assert_string_equal(address_canonical("i-0123", a), "i-0123");
    assert_string_equal(address_canonical("not:an:address", a), "not:an:address");
    assert_true(version_older("99", "100"));
    assert_false(version_older("100", "99"));
    assert_false(version_older("100", "100"));
    assert_false(version_older("abc", "100"));
    assert_false(version_older("", "100"));
    assert_true(version_older("18446744073709551615", "18446744073709551616"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_history_goes_a_few_rows_at_a_time),
        cmocka_unit_test(what_still_holds_or_waits_is_kept),
        cmocka_unit_test(past_its_size_the_oldest_goes_first),
        cmocka_unit_test(load_balancers_that_no_group_names_go_after_a_while),
        cmocka_unit_test(checkpoints_keep_the_wal_within_its_limit),
        cmocka_unit_test(a_small_list_is_whole_before_its_pages_are_moved),
        cmocka_unit_test(the_map_keeps_what_it_is_given),
        cmocka_unit_test(addresses_and_versions_are_compared_by_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
