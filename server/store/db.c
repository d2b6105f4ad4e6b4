/* SQLite in few words (see db.h). */
#include "store/db.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/state.h"

enum { BUSY_MS = 5000 };

/* Debian's SQLite is built with defaults that suit neither: each pragma is set by name. */
static bool set_pragmas(struct db *db, bool read_only, int64_t cache_bytes, struct err *err)
{
    char text[512];
    int64_t kib = (cache_bytes > 0 ? cache_bytes : INT64_C(2) << 20) / 1024;
    (void)snprintf(text, sizeof text,
                   "PRAGMA cache_size=-%" PRId64 "; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0;",
                   kib);
    if (!db_exec(db, text, err)) {
        return false;
    }
    const char *more = read_only ? "PRAGMA query_only=ON;"
                                 : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                   "PRAGMA foreign_keys=OFF; PRAGMA secure_delete=OFF;"
                                   "PRAGMA journal_size_limit=0;";
    /* The schema is read here, where a file that cannot be read is an error with a message: a
     * statement that does not prepare later is our own mistake. */
    return db_exec(db, more, err) && db_exec(db, "SELECT count(*) FROM sqlite_schema", err);
}

/* Nobody asks SQLite how much memory it uses; counting it takes a lock for each allocation, and
 * Debian's has no lookaside, so each statement allocates. */
static void configure(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* refused when SQLite runs already: slower */
}

void db_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, configure);
}

bool db_open(const char *path, bool read_only, int64_t cache_bytes, struct sql_list sql,
             struct db *ret, struct err *err)
{
    struct db db = {.sql = sql.texts, .n = sql.n};
    int flags = read_only ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    db_prepare();
    int rc = sqlite3_open_v2(path, &db.handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        (void)err_set(err, ERR_STORE, "%s: %s", path,
                      db.handle != NULL ? sqlite3_errmsg(db.handle) : sqlite3_errstr(rc));
        (void)sqlite3_close(db.handle);
        return false;
    }
    (void)sqlite3_extended_result_codes(db.handle, 1);
    (void)sqlite3_busy_timeout(db.handle, BUSY_MS);
    /* Plans do not look at bound values: else each new value of a column that stands in a partial
     * index's condition prepares the statement again, which costs more than running it. */
    (void)sqlite3_db_config(db.handle, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
    if (!set_pragmas(&db, read_only, cache_bytes, err)) {
        (void)sqlite3_close(db.handle);
        return err_wrap(err, "%s", path);
    }
    db.statements = xcalloc(sql.n + 1, sizeof(sqlite3_stmt *));
    *ret = db;
    return true;
}

void db_close(struct db *db)
{
    for (size_t i = 0; db->statements != NULL && i < db->n; i++) {
        (void)sqlite3_finalize(db->statements[i]);
    }
    free(db->statements);
    (void)sqlite3_close(db->handle);
    *db = (struct db){0};
}

sqlite3_stmt *db_get(struct db *db, unsigned index)
{
    sqlite3_stmt *st = db->statements[index];
    if (st == NULL) {
        int rc = sqlite3_prepare_v3(db->handle, db->sql[index], -1, SQLITE_PREPARE_PERSISTENT, &st,
                                    NULL);
        if (rc != SQLITE_OK || st == NULL) {
            (void)fprintf(stderr, "statement %u: %s: %s\n", index, sqlite3_errmsg(db->handle),
                          db->sql[index]);
            abort();
        }
        db->statements[index] = st;
        return st;
    }
    (void)sqlite3_reset(st); /* repeats the last step's error, which was told then */
    (void)sqlite3_clear_bindings(st);
    return st;
}

void db_bind(sqlite3_stmt *st, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    int rc = SQLITE_OK;
    for (int i = 1; types[i - 1] != '\0' && rc == SQLITE_OK; i++) {
        switch (types[i - 1]) {
        case 'i':
            rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
            break;
        case 't':
            rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'b': {
            const void *data = va_arg(ap, const void *);
            size_t len = va_arg(ap, size_t);
            rc = sqlite3_bind_blob64(st, i, data, len, SQLITE_STATIC);
            break;
        }
        default:
            rc = sqlite3_bind_null(st, i);
            break;
        }
    }
    va_end(ap);
    if (rc != SQLITE_OK && rc != SQLITE_TOOBIG) { /* TOOBIG: the parameter stays NULL */
        (void)fprintf(stderr, "bind \"%s\" on %s: %s\n", types, sqlite3_sql(st),
                      sqlite3_errstr(rc));
        abort();
    }
}

/* Trying again later helps against a lock and a full disk, not against a row that breaks a rule. */
static enum err_code code_of(int rc)
{
    switch (rc) {
    case SQLITE_BUSY:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
        return ERR_BUG;
    default:
        return ERR_STORE;
    }
}

bool db_error(struct db *db, struct err *err, const char *what)
{
    int rc = sqlite3_extended_errcode(db->handle);
    if (db->statements != NULL) { /* what does not even open may be somebody else's: left alone */
        damage_note(db->handle);
    }
    return err_set(err, code_of(rc & 0xff), "%s (%d): %s", sqlite3_errmsg(db->handle), rc, what);
}

bool db_step(struct db *db, sqlite3_stmt *st, bool *ret_row, struct err *err)
{
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        (void)db_error(db, err, sqlite3_sql(st));
        (void)sqlite3_reset(st);
        return false;
    }
    *ret_row = rc == SQLITE_ROW;
    if (rc == SQLITE_DONE) {
        (void)sqlite3_reset(st);
    }
    return true;
}

bool db_run(struct db *db, sqlite3_stmt *st, struct err *err)
{
    bool row = false;
    bool ok = db_step(db, st, &row, err);
    (void)sqlite3_reset(st);
    return ok;
}

bool db_exec(struct db *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK || db_error(db, err, sql);
}

const char *db_text(sqlite3_stmt *st, int column, struct arena *a)
{
    const char *text = (const char *)sqlite3_column_text(st, column);
    if (text == NULL) {
        return "";
    }
    return a != NULL ? arena_strndup(a, text, (size_t)sqlite3_column_bytes(st, column)) : text;
}

const void *db_blob(sqlite3_stmt *st, int column, struct arena *a, size_t *ret_len)
{
    const void *data = sqlite3_column_blob(st, column);
    *ret_len = data != NULL ? (size_t)sqlite3_column_bytes(st, column) : 0;
    if (*ret_len == 0) {
        return NULL;
    }
    void *copy = arena_alloc(a, *ret_len);
    memcpy(copy, data, *ret_len);
    return copy;
}
