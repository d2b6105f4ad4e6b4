/*
 * What gatehouse's store holds of every object, for the differential test: one line an object,
 *   resource.group TAB namespace/name TAB uid TAB resourceVersion TAB record
 * with the stored record unpacked as JSON, nested like the object it came from. Reads the database
 * file beside the running program, in one snapshot.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "model/object.h"
#include "model/pack.h"

enum { RECORD_LIMIT = 32 << 20 };

static const char sql[] =
    "SELECT CAST(o.kind AS TEXT), coalesce(n.name, ''), o.name, o.uid, o.resource_version, o.body"
    " FROM object o LEFT JOIN namespace n ON n.id = o.ns_id"
    " UNION ALL SELECT w.kind, n.name, w.name, w.uid, w.resource_version, w.body"
    " FROM workload w JOIN namespace n ON n.id = w.ns_id WHERE w.body IS NOT NULL"
    " UNION ALL SELECT 'Pod', n.name, p.name, p.uid, p.resource_version, p.body"
    " FROM pod p JOIN namespace n ON n.id = p.ns_id";

/* A number is enum kind; a word is a Kubernetes kind that only one group has. */
static enum kind kind_of(const char *text)
{
    for (int k = 0; k < KIND_COUNT; k++) {
        if (strcmp(kind_info((enum kind)k)->name, text) == 0) {
            return (enum kind)k;
        }
    }
    return (enum kind)strtol(text, NULL, 10);
}

static const char *column(sqlite3_stmt *st, int i)
{
    const char *text = (const char *)sqlite3_column_text(st, i);
    return text != NULL ? text : "";
}

static bool print_row(sqlite3_stmt *st)
{
    enum kind kind = kind_of(column(st, 0));
    const struct kind_info *info = kind_info(kind);
    AUTO_PTR(arena) a = arena_new(0);
    AUTO(buf) text = BUF_INIT(RECORD_LIMIT);
    struct json_out out = json_out(&text);
    struct err err = {0};
    void *record = arena_alloc(a, info->table->size);
    const void *body = sqlite3_column_blob(st, 5);
    if (body == NULL) {
        (void)buf_addz(&text, "{}");
    } else if (unpack_record(info->table, body, (size_t)sqlite3_column_bytes(st, 5), a, record,
                             &err)) {
        record_dump(info->table, record, &out);
    } else {
        (void)fprintf(stderr, "rows: %s %s: %s\n", info->resource, column(st, 2), err.text);
        return false;
    }
    (void)printf("%s%s%s\t%s/%s\t%s\t%s\t%s\n", info->resource, info->group[0] != '\0' ? "." : "",
                 info->group, column(st, 1), column(st, 2), column(st, 3), column(st, 4),
                 buf_str(&text));
    return true;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: rows DATABASE\n");
        return 2;
    }
    bool ok = sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
              sqlite3_busy_timeout(db, 5000) == SQLITE_OK &&
              sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK;
    int rc = SQLITE_DONE;
    while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        ok = print_row(st);
    }
    if (!ok || rc != SQLITE_DONE) {
        (void)fprintf(stderr, "rows: %s: %s\n", argv[1], sqlite3_errmsg(db));
        ok = false;
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return ok ? 0 : 1;
}
