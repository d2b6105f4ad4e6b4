/*
 * kill -9 at random points: store, writer and deliver thread run in a child process that is killed
 * again and again while pods get stuck and recover. In the end every delivery that was ever
 * committed has arrived, under its one webhook-id and with the same bytes each time, and no alert
 * recovered before it was stuck.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alert/alert.h"
#include "base/http.h"
#include "base/log.h"
#include "pipeline/pipeline.h"

#include "unit/alert/hook_server.h"

#include "pods.h"

enum { KILLS = 30, PATIENCE_MS = 30000 };

/* ---- the child ---- */

struct program {
    struct store *store;
    struct queue *queue;
    struct feed *feed;
    struct writer *writer;
    struct deliver *deliver;
    const struct config *config;
};

static void wake(void *arg)
{
    struct program *p = arg;
    struct deliver *d = __atomic_load_n(&p->deliver, __ATOMIC_ACQUIRE);
    if (d != NULL) {
        deliver_wake(d);
    }
}

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "child: %s: %s\n", what, err->text);
    _exit(3);
}

static const struct config *child_config(const char *port)
{
    char text[512];
    const struct config *c = NULL;
    struct err err = {0};
    (void)snprintf(text, sizeof text,
                   "alerts:\n  receivers:\n    - {name: hook, url: 'http://127.0.0.1:%s/',"
                   " allow_private: true, secret: whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz}\n",
                   port);
    if (!config_parse("child.yaml", text, strlen(text), &c, &err)) {
        die("config", &err);
    }
    return c;
}

static void child_start(struct program *p, const char *db, const char *port)
{
    struct err err = {0};
    char *note = NULL;
    const struct config *config = child_config(port);
    p->config = config;
    struct store_options store = {.path = db,
                                  .cluster_name = "test",
                                  .keep_history_ms = INT64_C(86400000),
                                  .keep_bytes = 1 << 30,
                                  .wal_limit_bytes = 64 << 20};
    if (!store_open(&store, &p->store, &note, &err) || note != NULL) {
        die(note != NULL ? note : "store", &err);
    }
    p->queue = queue_new(256, 4 << 20);
    p->feed = feed_new(64);
    struct writer_options writer = {.store = p->store,
                                    .in = p->queue,
                                    .feed = p->feed,
                                    .config = config,
                                    .on_delivery = wake,
                                    .on_delivery_arg = p};
    struct deliver *d = NULL;
    struct deliver_options deliver = {
        .db_path = db, .out = p->queue, .config = config, .pause_ms = 20};
    if (!writer_start(&writer, &p->writer, &err) || !deliver_start(&deliver, &d, &err)) {
        die("threads", &err);
    }
    __atomic_store_n(&p->deliver, d, __ATOMIC_RELEASE);
}

static int64_t number(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        (void)sqlite3_busy_timeout(db, 5000);
        if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
            sqlite3_step(st) == SQLITE_ROW) {
            n = sqlite3_column_int64(st, 0);
        }
        (void)sqlite3_finalize(st);
    }
    (void)sqlite3_close(db);
    return n;
}

static void nap(long ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    (void)nanosleep(&pause, NULL);
}

/* Pods get stuck and recover until the kill. Those of earlier lives are gone from the list. */
static void live(struct program *p, const char *run)
{
    char name[64];
    for (int i = 0;; i++) {
        (void)snprintf(name, sizeof name, "pod-%s-%d", run, i);
        push(p->queue, pod_change(name, "5", false, false));
        if (i >= 3) {
            (void)snprintf(name, sizeof name, "pod-%s-%d", run, i - 3);
            push(p->queue, pod_change(name, "6", true, false));
        }
        nap(2);
    }
}

static int child(char **argv)
{
    struct program p = {0};
    log_set_level(LOG_LEVEL_ERROR);
    http_global_init();
    child_start(&p, argv[2], argv[3]);
    push_other_kinds(p.queue);
    push_plain(p.queue, CHANGE_LIST_BEGIN, KIND_POD);
    push_plain(p.queue, CHANGE_LIST_END, KIND_POD);
    (void)!write(STDOUT_FILENO, "r", 1); /* ready */
    if (strcmp(argv[4], "last") != 0) {
        live(&p, argv[4]);
    }
    int64_t deadline = clock_mono_ms() + PATIENCE_MS;
    while (clock_mono_ms() < deadline &&
           number(argv[2], "SELECT (SELECT count(*) FROM alert WHERE ended_at = 0) +"
                           " (SELECT count(*) FROM delivery WHERE state = 0)") != 0) {
        nap(20);
    }
    deliver_stop(p.deliver);
    writer_stop(p.writer);
    deliver_free(p.deliver);
    writer_free(p.writer);
    feed_free(p.feed);
    queue_free(p.queue, NULL);
    store_close(p.store);
    config_unref(p.config);
    return 0;
}

/* ---- the test ---- */

static const char *self;

/* *ret_ready is a pipe that gets one byte when the threads run. */
static pid_t spawn(const char *db, int port, const char *run, int *ret_ready)
{
    char text[16];
    int ends[2];
    (void)snprintf(text, sizeof text, "%d", port);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execl(self, self, "--child", db, text, run, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    *ret_ready = ends[0];
    return pid;
}

static void exec(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK) {
        fail_msg("%s: %s", sql, text);
    }
}

/* Each committed delivery; one whose id or bytes had changed would come twice. */
static void remember_committed(sqlite3 *memory, const char *path)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql, "ATTACH '%s' AS g", path);
    exec(memory, sql);
    exec(memory, "INSERT OR IGNORE INTO committed SELECT id, webhook_id, alert_id, type, body"
                 " FROM g.delivery");
    exec(memory, "DETACH g");
}

static void remember_received(sqlite3 *memory, struct hook *h)
{
    sqlite3_stmt *st = NULL;
    char id[128];
    assert_int_equal(
        sqlite3_prepare_v2(memory, "INSERT INTO received VALUES (?, ?, ?)", -1, &st, NULL),
        SQLITE_OK);
    size_t n = hook_count(h);
    for (size_t i = 0; i < n; i++) {
        const struct hook_request r = hook_at(h, i);
        (void)hook_value(&r, "webhook-id", id, sizeof id);
        (void)sqlite3_bind_int64(st, 1, (int64_t)i);
        (void)sqlite3_bind_text(st, 2, id, -1, SQLITE_TRANSIENT);
        (void)sqlite3_bind_text(st, 3, r.body, -1, SQLITE_TRANSIENT);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        (void)sqlite3_reset(st);
    }
    (void)sqlite3_finalize(st);
}

static int64_t count(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return n;
}

static void kill_again_and_again(sqlite3 *memory, const char *path, int port)
{
    unsigned seed = (unsigned)getpid();
    char run[16];
    for (int i = 0; i < KILLS; i++) {
        (void)snprintf(run, sizeof run, "%d", i);
        int ready = -1;
        char byte = 0;
        pid_t pid = spawn(path, port, run, &ready);
        if (i % 3 != 0) { /* else it may die while it starts */
            (void)!read(ready, &byte, 1);
            nap(40);
        }
        nap(rand_r(&seed) % 200);
        (void)kill(pid, SIGKILL);
        (void)close(ready);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status)); /* it did not end by itself */
        if (access(path, F_OK) == 0 && number(path, "SELECT count(*) FROM delivery") >= 0) {
            remember_committed(memory, path);
        }
    }
    int ready = -1;
    pid_t pid = spawn(path, port, "last", &ready);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(ready);
    remember_committed(memory, path);
}

static void given_kills_at_random_points_then_each_committed_alert_arrives(void **state)
{
    (void)state;
    char folder[] = "/tmp/gatehouse-crash-XXXXXX";
    char path[64];
    char command[128];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/g.db", folder);
    sqlite3 *memory = NULL;
    assert_int_equal(sqlite3_open(":memory:", &memory), SQLITE_OK);
    exec(memory, "CREATE TABLE committed (id INTEGER, webhook_id TEXT, alert_id INTEGER, type TEXT,"
                 " body TEXT, UNIQUE (id, webhook_id, alert_id, type, body));"
                 "CREATE TABLE received (n INTEGER, webhook_id TEXT, body TEXT)");
    struct hook *h = hook_start("200 OK");
    kill_again_and_again(memory, path, h->port);
    assert_int_equal(number(path, "SELECT count(*) FROM delivery WHERE state <> 1"), 0);
    assert_int_equal(number(path, "SELECT count(*) FROM alert WHERE ended_at = 0"), 0);
    remember_received(memory, h);
    int64_t committed = count(memory, "SELECT count(*) FROM committed");
    print_message("%d kills, %lld deliveries, %zu requests\n", KILLS, (long long)committed,
                  hook_count(h));
    assert_true(committed > KILLS / 3); /* the kills met a busy program */
    assert_int_equal(count(memory, "SELECT count(DISTINCT id) FROM committed"), committed);
    assert_int_equal(count(memory, "SELECT count(*) FROM committed c WHERE NOT EXISTS (SELECT 1"
                                   " FROM received r WHERE r.webhook_id = c.webhook_id AND"
                                   " r.body = c.body)"),
                     0);
    assert_int_equal(count(memory, "SELECT count(*) FROM received r WHERE NOT EXISTS (SELECT 1"
                                   " FROM committed c WHERE r.webhook_id = c.webhook_id AND"
                                   " r.body = c.body)"),
                     0);
    /* First arrivals of one alert: stuck, then recovered. */
    assert_int_equal(
        count(memory, "SELECT count(*) FROM committed a JOIN committed b ON a.alert_id = b.alert_id"
                      " AND a.type = 'rollout.stuck' AND b.type = 'rollout.recovered' WHERE"
                      " (SELECT min(n) FROM received r WHERE r.webhook_id = a.webhook_id) >"
                      " (SELECT min(n) FROM received r WHERE r.webhook_id = b.webhook_id)"),
        0);
    hook_stop(h);
    (void)sqlite3_close(memory);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)!system(command); /* NOLINT(cert-env33-c): a fixed command */
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 5 && strcmp(argv[1], "--child") == 0) {
        return child(argv);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_kills_at_random_points_then_each_committed_alert_arrives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
