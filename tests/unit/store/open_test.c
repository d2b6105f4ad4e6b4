/* Files of all sorts: fresh, older, newer, foreign, corrupt, truncated, in use, killed. */
#include "store/reader.h"
#include "store_help.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct place {
    char dir[64];
    char path[96];
};

static struct place place_new(void)
{
    struct place p;
    (void)snprintf(p.dir, sizeof p.dir, "/tmp/gatehouse-open-XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    (void)snprintf(p.path, sizeof p.path, "%s/test.db", p.dir);
    return p;
}

static bool try_open(const char *path, struct store **ret, char **note, struct err *err)
{
    struct store_options opt = {.path = path, .cluster_name = "test", .wal_limit_bytes = 8 << 20};
    *note = NULL;
    *ret = NULL;
    return store_open(&opt, ret, note, err);
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *h = NULL;
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

/* The name of the one file set aside, out of the note. */
static void assert_set_aside(const struct place *p, const char *note, const char *why)
{
    assert_non_null(note);
    if (note == NULL || strstr(note, why) == NULL) {
        fail_msg("note: %s", note != NULL ? note : "(none)");
    }
    const char *aside = strstr(note, "set aside as ");
    assert_non_null(aside);
    char name[256];
    assert_int_equal(sscanf(aside, "set aside as %255[^,]", name), 1);
    assert_int_equal(strncmp(name, p->path, strlen(p->path)), 0);
    assert_int_equal(access(name, F_OK), 0);
}

static void expect_set_aside(const struct place *p, const char *why)
{
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    if (!try_open(p->path, &s, &note, &err)) {
        fail_msg("%s", err.text);
    }
    assert_set_aside(p, note, why);
    free(note);
    store_close(s);
    assert_true(try_open(p->path, &s, &note, &err)); /* the fresh one is whole */
    assert_null(note);
    store_close(s);
    bed_remove_files(p->dir);
}

static void garbage_is_set_aside(void **state)
{
    (void)state;
    struct place p = place_new();
    char junk[8192];
    memset(junk, 0x5a, sizeof junk);
    write_file(p.path, junk, sizeof junk);
    expect_set_aside(&p, "not a database");
}

static void a_foreign_database_is_set_aside(void **state)
{
    (void)state;
    struct place p = place_new();
    run_sql(p.path, "PRAGMA user_version = 1; CREATE TABLE songs (title TEXT)");
    expect_set_aside(&p, "another program");
}

/* A store with some rows in it. */
static void fill(const char *path)
{
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    assert_true(try_open(path, &s, &note, &err));
    assert_int_equal(sqlite3_exec(store_db(s)->handle,
                                  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                  " WHERE i < 5000) INSERT INTO transition (at, workload_id, what,"
                                  " message) SELECT i, i, 0, hex(randomblob(50)) FROM n",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    store_close(s);
}

static void a_truncated_file_is_set_aside(void **state)
{
    (void)state;
    struct place p = place_new();
    struct stat st;
    fill(p.path);
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(truncate(p.path, st.st_size / 2), 0);
    expect_set_aside(&p, "");
}

static void overwrite_pages(const char *path, long first, long end)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    for (long page = first; page < end; page++) {
        assert_int_equal(fseek(f, page * 4096, SEEK_SET), 0);
        for (int i = 0; i < 512; i++) {
            assert_int_equal(fwrite("\xde\xad\xbe\xef\x01\x02\x03\x04", 1, 8, f), 8);
        }
    }
    assert_int_equal(fclose(f), 0);
}

static void a_page_overwritten_with_junk_is_set_aside(void **state)
{
    (void)state;
    struct place p = place_new();
    fill(p.path);
    overwrite_pages(p.path, 40, 60);
    expect_set_aside(&p, "");
}

/* A page that the check at the start has not reached, or that went bad since. */
static void damage_that_a_statement_meets_is_noted_and_set_aside_at_the_next_start(void **state)
{
    (void)state;
    struct place p = place_new();
    struct store *s = NULL;
    struct reader *r = NULL;
    struct err err = {0};
    char *note = NULL;
    char why[256] = "";
    fill(p.path);
    assert_true(try_open(p.path, &s, &note, &err));
    assert_true(reader_open(p.path, &r, &err));
    assert_false(damage_noted(p.path, why, sizeof why));
    overwrite_pages(p.path, 2, 60);
    int64_t firing = 0;
    int64_t pending = 0;
    assert_false(reader_begin(r, &err) && reader_counts(r, &firing, &pending, &err));
    assert_non_null(strstr(err.text, "malformed"));
    assert_true(damage_noted(p.path, why, sizeof why));
    assert_non_null(strstr(why, "malformed"));
    reader_close(r);
    store_close(s);
    expect_set_aside(&p, "malformed");

    p = place_new(); /* the check finds nothing: what was noted counts */
    fill(p.path);
    char name[128];
    (void)snprintf(name, sizeof name, "%s.damaged", p.path);
    write_file(name, "a bad page", 10);
    expect_set_aside(&p, "a bad page");

    p = place_new(); /* a note without its file is no word about the next one */
    (void)snprintf(name, sizeof name, "%s.damaged", p.path);
    write_file(name, "a bad page", 10);
    fill(p.path);
    assert_false(damage_noted(p.path, why, sizeof why));
    bed_remove_files(p.dir);
}

/* `preflight --db` may be given any file by mistake. */
static void a_reader_of_what_is_no_database_writes_nothing_beside_it(void **state)
{
    (void)state;
    static const char text[] = "notes about something else, long enough to be read as a header, or "
                               "so one would think, for it has a hundred bytes";
    struct place p = place_new();
    struct reader *r = NULL;
    struct err err = {0};
    char why[256] = "";
    write_file(p.path, text, sizeof text);
    assert_false(reader_open(p.path, &r, &err));
    assert_non_null(strstr(err.text, "not a database"));
    assert_false(damage_noted(p.path, why, sizeof why));
    bed_remove_files(p.dir);
}

static void a_newer_file_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct place p = place_new();
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    fill(p.path);
    run_sql(p.path, "PRAGMA user_version = 999");
    assert_false(try_open(p.path, &s, &note, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.text, "newer gatehouse"));
    assert_non_null(strstr(err.text, p.path));
    run_sql(p.path, "PRAGMA user_version = 4"); /* the older program finds its rows again */
    assert_true(try_open(p.path, &s, &note, &err));
    assert_null(note);
    store_close(s);
    bed_remove_files(p.dir);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    struct bed b;
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    bed_init(&b);
    assert_false(try_open(b.path, &s, &note, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.text, "another gatehouse"));
    bed_fini(&b);
}

static void places_that_cannot_be_are_named(void **state)
{
    (void)state;
    struct place p = place_new();
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/missing/test.db", p.dir);
    assert_false(try_open(path, &s, &note, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.text, "missing/test.db"));
    assert_non_null(strstr(err.text, "No such file or directory"));
    (void)snprintf(path, sizeof path, "%s/folder", p.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(try_open(path, &s, &note, &err));
    assert_int_equal(err.code, ERR_STORE);
    assert_non_null(strstr(err.text, "not a file"));
    bed_remove_files(p.dir);
}

static void migrations_go_forward_one_by_one(void **state)
{
    (void)state;
    static const struct migration steps[] = {
        {1, "0001_one", "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7)"},
        {2, "0002_two", "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 3"},
        {3, "0003_three", "CREATE TABLE b (z); INSERT INTO nowhere VALUES (1)"},
    };
    struct place p = place_new();
    struct db db;
    struct err err = {0};
    assert_true(db_open(p.path, false, 0, (struct sql_list){NULL, 0}, &db, &err));
    assert_true(store_migrate(&db, steps, 1, &err));
    assert_true(store_migrate(&db, steps, 2, &err)); /* over the older file, rows kept */
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db.handle, "SELECT x * 10 + y FROM a", -1, &st, NULL), 0);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 73);
    (void)sqlite3_finalize(st);
    assert_false(store_migrate(&db, steps, 3, &err)); /* fails whole: no table b, still version 2 */
    assert_non_null(strstr(err.text, "0003_three"));
    assert_int_equal(sqlite3_exec(db.handle, "SELECT * FROM b", NULL, NULL, NULL), SQLITE_ERROR);
    assert_int_equal(sqlite3_prepare_v2(db.handle, "PRAGMA user_version", -1, &st, NULL), 0);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 2);
    (void)sqlite3_finalize(st);
    db_close(&db);
    bed_remove_files(p.dir);
}

/* A file as version 1 left it: rows stay, and what version 2 counts is counted from them. */
static void a_file_of_version_one_goes_forward(void **state)
{
    (void)state;
    struct place p = place_new();
    struct store *s = NULL;
    char *note = NULL;
    struct err err = {0};
    AUTO(buf) text = BUF_INIT(1 << 20);
    char chunk[4096];
    size_t n = 0;
    FILE *f = fopen(SOURCE_DIR "/schema/0001_initial.sql", "rb");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        assert_true(buf_add(&text, chunk, n));
    }
    assert_int_equal(fclose(f), 0);
    run_sql(p.path, buf_str(&text));
    char head[256];
    (void)snprintf(head, sizeof head, "PRAGMA application_id=%d; PRAGMA user_version=1",
                   STORE_APPLICATION_ID);
    run_sql(p.path, head);
    run_sql(p.path,
            "INSERT INTO cluster (id, name) VALUES (1, 'test');"
            "INSERT INTO target_group (id, cluster, arn, balancer_arn) VALUES"
            " (1, 1, 'arn:a', 'arn:lb'), (2, 1, 'arn:b', '');"
            "INSERT INTO target (group_id, target, port, state, reason, first_seen_at,"
            " state_since, body) VALUES (1, 'x', 1, 'draining', '', 0, 0, x'00'),"
            " (1, 'y', 1, 'draining', '', 0, 0, x'00'), (1, 'z', 1, 'unhealthy', '', 0, 0, x'00'),"
            " (2, 'x', 1, 'unused', 'Target.NotInUse', 0, 0, x'00')");
    assert_true(try_open(p.path, &s, &note, &err));
    assert_null(note);
    sqlite3 *h = NULL;
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_open(p.path, &h), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(
            h,
            "SELECT group_concat(arn || ' ' || behind_arn || ' ' ||"
            " draining || ' ' || not_in_use || ' ' || unhealthy, ', ') FROM target_group",
            -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(st, 0), "arn:a arn:lb 2 0 1, arn:b  0 1 0");
    (void)sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
    store_close(s);
    bed_remove_files(p.dir);
}

static void an_empty_file_becomes_a_store(void **state)
{
    (void)state;
    struct place p = place_new();
    struct store *s = NULL;
    struct err err = {0};
    char *note = NULL;
    write_file(p.path, "", 0);
    assert_true(try_open(p.path, &s, &note, &err));
    assert_null(note);
    store_close(s);
    bed_remove_files(p.dir);
}

/* The child commits some pods, then is killed inside the next transaction. */
static void child(struct bed *b, int ready)
{
    AUTO_PTR(arena) a = arena_new(0);
    bed_open(b);
    for (int i = 0; i < 10; i++) {
        struct kube_pod *p = pod(a, "shop", arena_printf(a, "p-%d", i), arena_printf(a, "u%d", i),
                                 arena_printf(a, "%d", 100 + i));
        bed_do(b, change_one(KIND_POD, p, false, false));
    }
    bed_begin(b);
    for (int i = 10; i < 3000; i++) {
        struct kube_pod *p = pod(a, "shop", arena_printf(a, "p-%d", i), arena_printf(a, "u%d", i),
                                 arena_printf(a, "%d", 100 + i));
        bed_apply(b, change_one(KIND_POD, p, false, false));
    }
    assert_int_equal(write(ready, "x", 1), 1);
    (void)pause();
    _exit(0);
}

static void a_kill_in_the_middle_loses_no_committed_row(void **state)
{
    (void)state;
    struct bed b;
    int fds[2];
    char byte = 0;
    bed_init(&b);
    bed_close(&b);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        child(&b, fds[1]);
    }
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    bed_open(&b); /* also: the lock went with the process */
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod"), 10);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 1 AND state = 7"), 10);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check ="
                             " 'ok'"),
                     1);
    (void)close(fds[0]);
    (void)close(fds[1]);
    bed_fini(&b);
}

/* In a child that is nobody: root may write everything. */
static void what_cannot_be_written_is_named(void **state)
{
    (void)state;
    static const struct {
        mode_t folder;
        mode_t file;
        const char *says;
    } cases[] = {{0777, 0444, "test.db cannot be written"}, {0555, 0666, "the folder of "}};
    struct bed b;
    char lock[128];
    bed_init(&b);
    bed_close(&b);
    (void)snprintf(lock, sizeof lock, "%s.lock", b.path);
    assert_int_equal(chmod(lock, 0666), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = -1;
        assert_int_equal(chmod(b.path, cases[i].file), 0);
        assert_int_equal(chmod(b.dir, cases[i].folder), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct store_options opt = {.path = b.path, .cluster_name = "test"};
            struct store *s = NULL;
            char *note = NULL;
            struct err err = {0};
            bool left = geteuid() != 0 || setuid(65534) == 0;
            bool refused = left && !store_open(&opt, &s, &note, &err);
            _exit(refused && strstr(err.text, cases[i].says) != NULL ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_int_equal(chmod(b.dir, 0700), 0);
    bed_open(&b);
    bed_fini(&b);
}

static void a_link_is_another_name_of_a_database_in_use(void **state)
{
    (void)state;
    struct bed b;
    char link[128];
    struct store *second = NULL;
    struct err err = {0};
    char *note = NULL;
    bed_init(&b);
    (void)snprintf(link, sizeof link, "%s.link", b.path);
    assert_int_equal(symlink(b.path, link), 0);
    struct store_options opt = {.path = link,
                                .cluster_name = "test",
                                .cache_bytes = 8 << 20,
                                .wal_limit_bytes = 8 << 20,
                                .keep_history_ms = INT64_C(86400000) * 30,
                                .keep_bytes = INT64_C(1) << 30};
    assert_false(store_open(&opt, &second, &note, &err));
    assert_int_equal(err.code, ERR_BUSY);
    bed_close(&b);
    assert_true(store_open(&opt, &second, &note, &err)); /* alone it is as good a name */
    store_close(second);
    assert_int_equal(unlink(link), 0);
    bed_open(&b);
    bed_fini(&b);
}

static void bodies_of_another_shape_are_listed_anew(void **state)
{
    (void)state;
    struct bed b;
    AUTO_PTR(arena) a = arena_new(0);
    struct store_resume r;
    struct err err = {0};
    bed_init(&b);
    bed_list_all(&b, "1000");
    assert_int_equal(ask(&b, "UPDATE pod SET track = x'0102' WHERE id = 1 RETURNING 1"), 1);
    bed_close(&b);
    bed_open(&b); /* the same program: nothing to do */
    assert_true(store_resume(b.s, a, &r, &err));
    assert_string_equal(r.resource_version[KIND_POD], "1000");
    assert_int_equal(ask(&b, "UPDATE counter SET n = n + 1 WHERE name = 'shape' RETURNING 1"), 1);
    bed_close(&b);
    bed_open(&b);
    assert_true(store_resume(b.s, a, &r, &err));
    assert_string_equal(r.resource_version[KIND_POD], "");
    bed_list_all(&b, "1000");
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE length(body) = 0"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM object WHERE length(body) = 0"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM workload WHERE length(body) = 0"), 0);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE track IS NOT NULL"), 1);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(garbage_is_set_aside),
        cmocka_unit_test(a_foreign_database_is_set_aside),
        cmocka_unit_test(a_truncated_file_is_set_aside),
        cmocka_unit_test(a_page_overwritten_with_junk_is_set_aside),
        cmocka_unit_test(damage_that_a_statement_meets_is_noted_and_set_aside_at_the_next_start),
        cmocka_unit_test(a_reader_of_what_is_no_database_writes_nothing_beside_it),
        cmocka_unit_test(a_newer_file_is_refused_and_left_alone),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(places_that_cannot_be_are_named),
        cmocka_unit_test(migrations_go_forward_one_by_one),
        cmocka_unit_test(a_file_of_version_one_goes_forward),
        cmocka_unit_test(an_empty_file_becomes_a_store),
        cmocka_unit_test(what_cannot_be_written_is_named),
        cmocka_unit_test(a_link_is_another_name_of_a_database_in_use),
        cmocka_unit_test(bodies_of_another_shape_are_listed_anew),
        cmocka_unit_test(a_kill_in_the_middle_loses_no_committed_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
