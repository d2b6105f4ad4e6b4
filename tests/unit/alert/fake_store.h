/*
 * A store of nothing but alerts: the real schema in a temporary file and the real outbox functions,
 * behind stand-ins for the four functions of store/db.h that they ask. The clock is the test's.
 */
#ifndef GATEHOUSE_TESTS_FAKE_STORE_H
#define GATEHOUSE_TESTS_FAKE_STORE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "model/model.h"
#include "store/db.h"
#include "store/outbox.h"
#include "store/sql.h"
#include "store/store.h"

static const char *const fake_sql[SQL_COUNT] = {
#define X(name, text) text,
#include "store/sql_write.def"

#include "store/sql_outbox.def" /* the order of enum write_sql */
#undef X
};

struct store {
    struct db db;
    char path[64];
    int64_t now;
    int news;       /* feed items of the open transaction */
    int news_state; /* of the last one */
};

struct db *store_db(struct store *s)
{
    return &s->db;
}

int64_t store_now(const struct store *s)
{
    return s->now;
}

int64_t store_cluster_id(const struct store *s)
{
    (void)s;
    return 1;
}

void store_feed(struct store *s, const struct feed_item *item)
{
    s->news++;
    s->news_state = item->state;
}

static void fake_exec(struct store *s, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(s->db.handle, sql, NULL, NULL, &text) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, text);
        abort();
    }
}

static struct store *fake_open(void)
{
    struct store *s = calloc(1, sizeof *s);
    struct err err = {0};
    (void)snprintf(s->path, sizeof s->path, "/tmp/gatehouse-alert-XXXXXX");
    int fd = mkstemp(s->path);
    (void)close(fd);
    if (!db_open(s->path, false, 0, (struct sql_list){fake_sql, SQL_COUNT}, &s->db, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    FILE *f = fopen(SOURCE_DIR "/schema/0001_initial.sql", "r");
    char *schema = calloc(1, 1 << 16);
    (void)!fread(schema, 1, (1 << 16) - 1, f);
    (void)fclose(f);
    fake_exec(s, schema);
    free(schema);
    s->now = INT64_C(1700000000000);
    return s;
}

static void fake_close(struct store *s)
{
    char path[96];
    db_close(&s->db);
    (void)unlink(s->path);
    (void)snprintf(path, sizeof path, "%s-wal", s->path);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s-shm", s->path);
    (void)unlink(path);
    free(s);
}

static __attribute__((unused)) int64_t fake_number(struct store *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(s->db.handle, sql, -1, &st, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(s->db.handle));
        abort();
    }
    if (sqlite3_step(st) == SQLITE_ROW) {
        n = sqlite3_column_int64(st, 0);
    }
    (void)sqlite3_finalize(st);
    return n;
}

/* The caller frees. */
static __attribute__((unused)) char *fake_text(struct store *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    char *text = NULL;
    if (sqlite3_prepare_v2(s->db.handle, sql, -1, &st, NULL) != SQLITE_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(s->db.handle));
        abort();
    }
    if (sqlite3_step(st) == SQLITE_ROW) {
        text = strdup((const char *)sqlite3_column_text(st, 0));
    }
    (void)sqlite3_finalize(st);
    return text != NULL ? text : strdup("(no row)");
}

#endif
