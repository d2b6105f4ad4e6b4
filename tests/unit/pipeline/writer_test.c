/*
 * The writer thread over the real store and the real judgement: changes in, rows, revisions and
 * deliveries out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "alert/alert.h"
#include "base/clock.h"
#include "base/log.h"
#include "pipeline/pipeline.h"

#include "pods.h"

enum { PATIENCE_MS = 15000 };

static const char config_text[] =
    "alerts:\n  receivers:\n    - {name: hook, url: 'http://127.0.0.1:1/',"
    " secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz}\n";

struct fixture {
    char folder[64];
    char path[96];
    struct store *s;
    struct queue *q;
    struct feed *feed;
    const struct config *config;
    struct writer *w;
    sqlite3 *db; /* the test's eyes: a reader */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t revision;      /* by lock */
    atomic_int deliveries; /* times the deliver thread was woken */
    atomic_int wishes;
    char arn[128]; /* of the last wish; by lock */
};

static void on_block(void *arg, const struct feed_block *b)
{
    struct fixture *f = arg;
    (void)pthread_mutex_lock(&f->lock);
    f->revision = b->revision;
    (void)pthread_cond_broadcast(&f->changed);
    (void)pthread_mutex_unlock(&f->lock);
}

static void on_delivery(void *arg)
{
    struct fixture *f = arg;
    (void)atomic_fetch_add(&f->deliveries, 1);
}

static void on_wish(struct elb_source *e, const struct elb_wish *wishes, size_t n)
{
    struct fixture *f = (struct fixture *)e; /* the fixture stands in for the poller */
    (void)pthread_mutex_lock(&f->lock);
    (void)snprintf(f->arn, sizeof f->arn, "%s", n > 0 ? wishes[0].arn : "");
    (void)pthread_mutex_unlock(&f->lock);
    (void)atomic_fetch_add(&f->wishes, 1);
}

static const struct config *load(const char *text)
{
    const struct config *c = NULL;
    struct err err = {0};
    if (!config_parse("t.yaml", text, strlen(text), &c, &err)) {
        fail_msg("%s", err.text);
    }
    return c;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    char *note = NULL;
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/gatehouse-writer-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/g.db", f->folder);
    struct store_options opt = {.path = f->path,
                                .cluster_name = "test",
                                .keep_history_ms = INT64_C(86400000),
                                .keep_bytes = 1 << 30,
                                .wal_limit_bytes = 64 << 20};
    if (!store_open(&opt, &f->s, &note, &err)) {
        fail_msg("%s", err.text);
    }
    free(note);
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->changed, NULL);
    f->q = queue_new(1024, 16 << 20);
    f->feed = feed_new(1024);
    f->config = load(config_text);
    feed_subscribe(f->feed, on_block, f);
    assert_int_equal(sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    *state = f;
    return 0;
}

static void start(struct fixture *f)
{
    struct err err = {0};
    struct writer_options opt = {.store = f->s,
                                 .in = f->q,
                                 .feed = f->feed,
                                 .config = f->config,
                                 .elb = (struct elb_source *)f,
                                 .elb_wish = on_wish,
                                 .on_delivery = on_delivery,
                                 .on_delivery_arg = f};
    if (!writer_start(&opt, &f->w, &err)) {
        fail_msg("%s", err.text);
    }
}

static void drop(void *c)
{
    change_free(c);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    writer_stop(f->w);
    writer_free(f->w);
    feed_free(f->feed);
    queue_free(f->q, drop);
    store_close(f->s);
    (void)sqlite3_close(f->db);
    config_unref(f->config);
    (void)snprintf(command, sizeof command, "rm -rf %s", f->folder);
    (void)!system(command); /* NOLINT(cert-env33-c): a fixed command */
    free(f);
    return 0;
}

/* ---- looking ---- */

static int64_t number(struct fixture *f, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(f->db, sql, -1, &st, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(f->db));
    }
    if (sqlite3_step(st) == SQLITE_ROW) {
        n = sqlite3_column_int64(st, 0);
    }
    (void)sqlite3_finalize(st);
    return n;
}

/* Looks after each revision, and each 20 ms, until the number is as wanted. */
static void wait_number(struct fixture *f, const char *sql, int64_t want)
{
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    int64_t got = number(f, sql);
    while (got != want && clock_mono_ms() < deadline) {
        struct timespec pause = {.tv_nsec = 20000000L};
        (void)nanosleep(&pause, NULL);
        got = number(f, sql);
    }
    if (got != want) {
        fail_msg("%s is %lld, not %lld", sql, (long long)got, (long long)want);
    }
}

static struct writer_metrics metrics(struct fixture *f)
{
    struct writer_metrics m;
    writer_metrics(f->w, &m);
    return m;
}

#define FIRING "SELECT count(*) FROM alert WHERE ended_at = 0"

/* ---- tests ---- */

static void given_a_stuck_pod_then_judged_alerted_and_published(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_cluster(f->q);
    wait_number(f, FIRING, 1);
    assert_int_equal(number(f, "SELECT state FROM workload WHERE name = 'lone'"), ROLLOUT_STUCK);
    assert_int_equal(number(f, "SELECT count(*) FROM delivery WHERE type = 'rollout.stuck'"), 1);
    push(f->q, pod_change("lone", "6", true, false));
    wait_number(f, FIRING, 0);
    assert_int_equal(number(f, "SELECT count(*) FROM delivery WHERE type = 'rollout.recovered'"),
                     1);
    writer_stop(f->w);
    assert_int_equal(number(f, "SELECT n FROM counter WHERE name = 'revision'"),
                     feed_revision(f->feed));
    assert_int_equal(f->revision, feed_revision(f->feed));
    assert_true(atomic_load(&f->deliveries) > 0);
    struct writer_metrics m = metrics(f);
    uint64_t seen = 0;
    for (int i = 0; i < 12; i++) {
        seen += m.latency[i];
    }
    assert_int_equal(m.changes, KIND_COUNT - 1 + 1 + 3 + 1);
    assert_int_equal(seen, m.changes);
    assert_true(m.judged > 0 && m.commits > 0 && m.settled && !m.failing);
    assert_int_equal(m.failures, 0);
}

static void given_kinds_still_missing_then_nothing_is_judged_yet(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_plain(f->q, CHANGE_LIST_BEGIN, KIND_POD);
    push(f->q, pod_change("lone", "5", false, true));
    push_plain(f->q, CHANGE_LIST_END, KIND_POD);
    wait_number(f, "SELECT count(*) FROM pod", 1);
    assert_int_equal(number(f, "SELECT max(judged_at) FROM workload"), 0);
    assert_false(metrics(f).settled);
    push_other_kinds(f->q);
    wait_number(f, FIRING, 1);
    assert_true(metrics(f).settled);
}

static void given_an_open_list_then_readers_see_it_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_cluster(f->q);
    wait_number(f, FIRING, 1);
    push_plain(f->q, CHANGE_LIST_BEGIN, KIND_POD);
    push(f->q, pod_change("a", "7", true, true));
    push(f->q, pod_change("b", "8", true, true));
    struct timespec pause = {.tv_nsec = 300000000L};
    (void)nanosleep(&pause, NULL);
    assert_int_equal(number(f, "SELECT count(*) FROM pod"), 1);
    push_plain(f->q, CHANGE_LIST_END, KIND_POD);
    wait_number(f, "SELECT count(*) FROM pod", 2); /* lone was not in the list */
    wait_number(f, FIRING, 0);
    assert_int_equal(number(f, "SELECT json_extract(body, '$.alert.reason') = 'gone' FROM alert"),
                     1);
}

static void given_a_queue_when_stopped_then_all_of_it_is_committed(void **state)
{
    struct fixture *f = *state;
    char name[32];
    push_other_kinds(f->q);
    push_plain(f->q, CHANGE_LIST_BEGIN, KIND_POD);
    for (int i = 0; i < 700; i++) {
        (void)snprintf(name, sizeof name, "pod-%d", i);
        push(f->q, pod_change(name, "9", true, true));
    }
    start(f); /* the list never ends */
    writer_stop(f->w);
    assert_int_equal(number(f, "SELECT count(*) FROM pod"), 700);
}

static void given_a_result_and_a_redelivery_then_they_are_booked_in_order(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_cluster(f->q);
    wait_number(f, FIRING, 1);
    struct delivery_result *r = calloc(1, sizeof *r);
    r->delivery_id = 1;
    r->status = 200;
    r->at = clock_unix_ms();
    struct change *c = change_new(CHANGE_COMMAND, 512);
    c->command = COMMAND_DELIVERY_RESULT;
    c->data = r;
    c->data_free = free;
    int woken = atomic_load(&f->deliveries);
    push(f->q, c);
    wait_number(f, "SELECT state FROM delivery WHERE id = 1", 1);
    const int64_t ids[] = {4711, 1}; /* one that is not there does no harm */
    for (int i = 0; i < 2; i++) {
        c = change_new(CHANGE_COMMAND, 512);
        c->command = COMMAND_REDELIVER;
        c->number = ids[i];
        push(f->q, c);
    }
    wait_number(f, "SELECT state FROM delivery WHERE id = 1", 0);
    writer_stop(f->w);
    assert_true(atomic_load(&f->deliveries) > woken);
    assert_false(metrics(f).failing);
}

#define OPEN(code) "SELECT count(*) FROM finding WHERE ended_at = 0 AND code = '" code "'"

static void given_a_reload_then_everything_is_judged_by_the_new_limits(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_cluster(f->q);
    wait_number(f, FIRING, 1);
    const struct config *fresh = load("pace: {stuck_min: 5h, overrides: [{alerts: false}]}\n");
    writer_reload(f->q, fresh);
    config_unref(fresh);
    wait_number(f, FIRING, 0); /* the override, the limit and the receivers are the new ones */
    assert_int_not_equal(number(f, "SELECT state FROM workload WHERE name = 'lone'"),
                         ROLLOUT_STUCK);
    assert_int_equal(number(f, "SELECT count(*) FROM delivery"), 1); /* no receiver is left */
}

static void given_a_reload_then_gates_are_of_the_new_families(void **state)
{
    struct fixture *f = *state;
    const char *gate = "duty.example.org/ready";
    start(f);
    push_cluster(f->q);
    struct change *c = pod_change("gated", "6", true, false);
    ((struct kube_pod *)(uintptr_t)c->objects[0].record)->gates = (struct strs){&gate, 1};
    push(f->q, c);
    wait_number(f, OPEN("gate_owner_unknown"), 1);
    const struct config *fresh = load("gates: {families: [duty=duty.example.org/]}\n");
    writer_reload(f->q, fresh);
    config_unref(fresh);
    wait_number(f, OPEN("other_gate_closed"), 1);
    wait_number(f, OPEN("gate_owner_unknown"), 0);
}

static void given_a_full_disk_then_nothing_is_lost_and_it_says_so(void **state)
{
    struct fixture *f = *state;
    struct rlimit old;
    char text[512];
    char name[32];
    start(f);
    push_cluster(f->q);
    wait_number(f, FIRING, 1);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit tight = {1, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "pod-%d", i);
        push(f->q, pod_change(name, "9", true, false));
    }
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    while (metrics(f).failures < 2 && clock_mono_ms() < deadline) {
        struct timespec pause = {.tv_nsec = 20000000L};
        (void)nanosleep(&pause, NULL);
    }
    assert_true(metrics(f).failing);
    assert_string_not_equal(writer_error(f->w, text, sizeof text), "");
    assert_int_equal(number(f, "SELECT count(*) FROM pod"), 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    wait_number(f, "SELECT count(*) FROM pod", 201);
    wait_number(f, "SELECT count(*) FROM workload WHERE state = 8", 200); /* judged: not_gated */
    writer_stop(f->w);
    assert_false(metrics(f).failing);
    assert_string_equal(writer_error(f->w, text, sizeof text), "");
}

/* A trigger of the test's stands in for a row that breaks a rule of the schema. */
static void given_a_change_that_can_never_be_stored_then_the_others_are(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "CREATE TRIGGER a BEFORE INSERT ON pod WHEN NEW.name = 'bad' BEGIN SELECT"
                     " RAISE(ABORT, 'no such pod'); END;"
                     "CREATE TRIGGER b BEFORE UPDATE OF state ON workload WHEN NEW.name = 'worse'"
                     " BEGIN SELECT RAISE(ABORT, 'no such verdict'); END",
                     NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    push_other_kinds(f->q);
    push_plain(f->q, CHANGE_LIST_BEGIN, KIND_POD);
    push(f->q, pod_change("bad", "5", false, true));
    push(f->q, pod_change("worse", "5", false, true));
    push(f->q, pod_change("lone", "5", false, true));
    push_plain(f->q, CHANGE_LIST_END, KIND_POD);
    log_set_level(LOG_LEVEL_ERROR);
    start(f);
    wait_number(f, FIRING, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM pod"), 2);
    assert_int_equal(number(f, "SELECT judged_at FROM workload WHERE name = 'worse'"), 0);
    /* The change, the judgement beside other changes, the judgement alone. */
    assert_int_equal(metrics(f).failures, 3);
    assert_false(metrics(f).failing);
}

static void given_a_binding_then_the_poller_hears_of_its_group(void **state)
{
    struct fixture *f = *state;
    start(f);
    push_cluster(f->q);
    struct change *c = change_new(CHANGE_OBJECTS, 4096);
    struct kube_binding *b = arena_zalloc(c->arena, sizeof *b);
    struct change_object *o = arena_array(c->arena, struct change_object, 1);
    record_clear(kind_info(KIND_BINDING_LBC)->table, b);
    b->meta.kind = KIND_BINDING_LBC;
    b->meta.namespace = "shop";
    b->meta.name = "web";
    b->meta.uid = "uid-b";
    b->meta.resource_version = "3";
    b->arn = "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/1";
    b->service = "web";
    b->service_port = "80";
    b->target_type = "ip";
    o->record = b;
    c->kind = KIND_BINDING_LBC;
    c->objects = o;
    c->n_objects = 1;
    push(f->q, c);
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    bool heard = false;
    while (!heard && clock_mono_ms() < deadline) {
        struct timespec pause = {.tv_nsec = 20000000L};
        (void)nanosleep(&pause, NULL);
        (void)pthread_mutex_lock(&f->lock);
        heard = strstr(f->arn, "targetgroup/web/1") != NULL;
        (void)pthread_mutex_unlock(&f->lock);
    }
    assert_true(heard);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    log_set_level(LOG_LEVEL_WARN);
    const struct CMUnitTest tests[] = {
        TEST(given_a_stuck_pod_then_judged_alerted_and_published),
        TEST(given_kinds_still_missing_then_nothing_is_judged_yet),
        TEST(given_an_open_list_then_readers_see_it_whole_or_not_at_all),
        TEST(given_a_queue_when_stopped_then_all_of_it_is_committed),
        TEST(given_a_result_and_a_redelivery_then_they_are_booked_in_order),
        TEST(given_a_reload_then_everything_is_judged_by_the_new_limits),
        TEST(given_a_reload_then_gates_are_of_the_new_families),
        TEST(given_a_full_disk_then_nothing_is_lost_and_it_says_so),
        TEST(given_a_change_that_can_never_be_stored_then_the_others_are),
        TEST(given_a_binding_then_the_poller_hears_of_its_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
