/*
 * SQLite in few words: open with our pragmas, statements by index of one list, bind and step with
 * errors as struct err. Inside this folder only.
 */
#ifndef GATEHOUSE_STORE_DB_H
#define GATEHOUSE_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* A connection and its prepared statements, in the order of a list of SQL texts. */
struct db {
    sqlite3 *handle;
    sqlite3_stmt **statements; /* prepared on first use */
    const char *const *sql;
    size_t n;
};

/* Before the process' first SQLite call; again is nothing. Thread: any. */
void db_prepare(void);
/* Opens the file. read_only: for readers (query_only, the file must exist). cache_bytes 0 = 2 MiB.
 * sql: texts by enum index, borrowed for the connection's life. ERR_STORE with the path. */
struct sql_list {
    const char *const *texts;
    size_t n;
};
bool db_open(const char *path, bool read_only, int64_t cache_bytes, struct sql_list sql,
             struct db *ret, struct err *err) MUST_CHECK;
void db_close(struct db *db); /* accepts a zeroed one */

/* The statement, reset and with no bindings. Never NULL: a text that does not prepare is our own
 * bug and ends the process with its message. */
sqlite3_stmt *db_get(struct db *db, unsigned index) __attribute__((returns_nonnull));
/* Binds in order: i = int64_t, t = const char * (NULL = NULL), b = const void * and size_t,
 * n = NULL. Borrowed bytes must live until the next db_get of the statement. */
void db_bind(sqlite3_stmt *st, const char *types, ...);
/* One row: true with *ret_row = a row stands there. ERR_STORE (ERR_BUSY when locked). */
bool db_step(struct db *db, sqlite3_stmt *st, bool *ret_row, struct err *err) MUST_CHECK;
/* Runs a statement that returns no rows, and resets it. */
bool db_run(struct db *db, sqlite3_stmt *st, struct err *err) MUST_CHECK;
/* Plain SQL without results (pragmas, BEGIN). */
bool db_exec(struct db *db, const char *sql, struct err *err) MUST_CHECK;

/* Columns. Texts are never NULL; copied into the arena when it is given, else valid until the next
 * step. */
const char *db_text(sqlite3_stmt *st, int column, struct arena *a);
static inline int64_t db_int(sqlite3_stmt *st, int column)
{
    return sqlite3_column_int64(st, column);
}
/* The column's bytes copied into the arena; NULL with *ret_len 0 when NULL or empty. */
const void *db_blob(sqlite3_stmt *st, int column, struct arena *a, size_t *ret_len);

/* Sets *err from the connection's last error: ERR_BUSY (locked), ERR_BUG (a row breaks a rule of
 * the schema), else ERR_STORE. Returns false. */
bool db_error(struct db *db, struct err *err, const char *what);

/* The writer's connection, for the other files of this folder. */
struct store;
struct db *store_db(struct store *s);
int64_t store_now(const struct store *s); /* of the open transaction */
int64_t store_cluster_id(const struct store *s);
/* Adds an item to the open transaction's feed; texts are copied. */
struct feed_item;
void store_feed(struct store *s, const struct feed_item *item);

#endif
