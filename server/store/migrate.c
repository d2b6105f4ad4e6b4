/*
 * The file before it is used: whose is it, is it whole, which version; and the way forward. A file
 * that is damaged or not ours is renamed, never written to; a newer one is left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/state.h"

enum { CHECK_MS = 2000, CHECK_STEPS = 20000 };

static int stop_late(void *deadline)
{
    return clock_mono_ms() > *(const int64_t *)deadline ? 1 : 0;
}

/* First column of the first row as an integer. */
static bool pragma_int(sqlite3 *h, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(h, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
    }
    if (rc == SQLITE_ROW) {
        *ret = sqlite3_column_int64(st, 0);
    }
    (void)sqlite3_finalize(st); /* repeats the step's error */
    return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* A quick check within CHECK_MS; a file too large for that counts as whole. */
static bool check_pages(sqlite3 *h, char *ret_why, size_t size)
{
    int64_t deadline = clock_mono_ms() + CHECK_MS;
    sqlite3_progress_handler(h, CHECK_STEPS, stop_late, &deadline);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(h, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
    }
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    bool whole =
        rc == SQLITE_ROW ? text != NULL && strcmp(text, "ok") == 0 : rc == SQLITE_INTERRUPT;
    if (!whole) {
        (void)snprintf(ret_why, size, "%s", text != NULL ? text : sqlite3_errmsg(h));
    }
    (void)sqlite3_finalize(st); /* repeats the step's error */
    sqlite3_progress_handler(h, 0, NULL, NULL);
    return whole;
}

static enum file_verdict judge_open_file(sqlite3 *h, int newest, char *ret_why, size_t size,
                                         struct err *err)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    bool read = pragma_int(h, "PRAGMA application_id", &application) &&
                pragma_int(h, "PRAGMA user_version", &version) &&
                pragma_int(h, "SELECT count(*) FROM sqlite_schema", &tables);
    if (!read) {
        int rc = sqlite3_errcode(h);
        (void)snprintf(ret_why, size, "%s", sqlite3_errmsg(h));
        if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT) {
            return FILE_BAD;
        }
        (void)err_set(err, rc == SQLITE_BUSY ? ERR_BUSY : ERR_STORE, "%s", ret_why);
        return FILE_FAILED;
    }
    if (tables == 0 && application == 0) {
        return FILE_FRESH;
    }
    if (application != STORE_APPLICATION_ID) {
        (void)snprintf(ret_why, size, "it is another program's database");
        return FILE_BAD;
    }
    if (version > newest) {
        (void)err_set(err, ERR_STORE,
                      "written by a newer gatehouse (schema %" PRId64
                      ", this one knows %d): use that version, or another file",
                      version, newest);
        return FILE_NEWER;
    }
    return check_pages(h, ret_why, size) ? FILE_OURS : FILE_BAD;
}

enum file_verdict store_look_at_file(const char *path, int newest, char *ret_why, size_t size,
                                     struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT) {
            return FILE_FRESH;
        }
        (void)err_set(err, ERR_STORE, "%s", strerror(errno));
        return FILE_FAILED;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)err_set(err, ERR_STORE, "not a file");
        return FILE_FAILED;
    }
    sqlite3 *h = NULL;
    db_prepare();
    int rc = sqlite3_open_v2(path, &h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    enum file_verdict v = FILE_FAILED;
    if (rc == SQLITE_OK) {
        (void)sqlite3_busy_timeout(h, 1000);
        v = judge_open_file(h, newest, ret_why, size, err);
    } else {
        (void)err_set(err, ERR_STORE, "%s", sqlite3_errstr(rc));
    }
    (void)sqlite3_close(h);
    return v;
}

bool store_set_aside(const char *path, int64_t now, char *ret_name, size_t size, struct err *err)
{
    static const char *const tails[] = {"", "-wal", "-shm", DAMAGE_TAIL};
    struct tm tm;
    char stamp[32];
    time_t t = (time_t)(now / 1000);
    (void)gmtime_r(&t, &tm);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    (void)snprintf(ret_name, size, "%s.set-aside-%s", path, stamp);
    for (int i = 2; access(ret_name, F_OK) == 0 && i < 100; i++) {
        (void)snprintf(ret_name, size, "%s.set-aside-%s-%d", path, stamp, i);
    }
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        char from[4200];
        char to[4200];
        (void)snprintf(from, sizeof from, "%s%s", path, tails[i]);
        (void)snprintf(to, sizeof to, "%s%s", ret_name, tails[i]);
        if (rename(from, to) != 0 && (i == 0 || errno != ENOENT)) {
            return err_set(err, ERR_STORE, "setting %s aside: %s", from, strerror(errno));
        }
    }
    return true;
}

static bool run_one(struct db *db, const struct migration *m, struct err *err)
{
    char head[96];
    (void)snprintf(head, sizeof head, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                   STORE_APPLICATION_ID, m->number);
    if (!db_exec(db, "BEGIN IMMEDIATE", err)) {
        return false;
    }
    if (db_exec(db, m->sql, err) && db_exec(db, head, err) && db_exec(db, "COMMIT", err)) {
        return true;
    }
    (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL); /* the first error is told */
    return err_wrap(err, "migration %s", m->name);
}

bool store_migrate(struct db *db, const struct migration *m, size_t n, struct err *err)
{
    int64_t version = 0;
    if (!pragma_int(db->handle, "PRAGMA user_version", &version)) {
        return db_error(db, err, "reading the schema version");
    }
    for (size_t i = 0; i < n; i++) {
        if (m[i].number > version && !run_one(db, &m[i], err)) {
            return false;
        }
    }
    return true;
}
