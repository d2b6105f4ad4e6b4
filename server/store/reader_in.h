/* Inside this folder: what the reader's files share. */
#ifndef GATEHOUSE_STORE_READER_IN_H
#define GATEHOUSE_STORE_READER_IN_H

#include "store/db.h"
#include "store/reader.h"

enum sql_read {
#define X(name, sql) READ_##name,
#include "store/sql_read.def"
#undef X
    READ_COUNT
};

struct reader {
    struct db db;
    struct arena *arena;
    const struct config *config;
    char home[256]; /* "" = none */
    bool open;
    int64_t revision;
};

/* A filtered page looks at no more rows than this, and reading labels costs more than a name. */
enum { SCAN_MAX = 2000, SCAN_MAX_LABELS = 500, READER_PAGE_MAX = 500 };

/* A page that ends where it is full, or where enough rows were looked at for one answer. */
struct page_scan {
    struct page *page;
    int most;           /* rows looked at */
    int n;              /* rows shown: the list counts them */
    int seen;           /* rows looked at so far */
    struct keyset last; /* of the row that was looked at last: the list sets it */
    bool full;
};
struct page_scan page_scan(struct page *page, int most);
/* Steps to the page's next row. *ret_row false: the rows are at their end, or the page is full and
 * page->next says where the next one begins. */
bool page_step(struct reader *r, struct page_scan *s, sqlite3_stmt *st, bool *ret_row,
               struct err *err) MUST_CHECK;

/* The packed record in a column, in the arena; NULL when there is none, or one packed by an older
 * version: unknown until the next list. Each record starts with its meta. */
const void *reader_record(struct reader *r, const struct field_table *table, sqlite3_stmt *st,
                          int column);
/* What a packed target in that column says beside its state, as members of an open object. */
void target_words(struct reader *r, sqlite3_stmt *st, int column, struct json_out *j);
/* The columns FINDING_COLUMNS from `first` on; texts copied into the arena when it is given. */
struct finding_row finding_of(sqlite3_stmt *st, int first, struct arena *a);
/* A JSON text of ours as a value; `fallback` when it is not one (an older or damaged row). */
void json_stored(struct json_out *j, const char *key, const char *text, const char *fallback);
/* text or null when empty */
void json_kopt(struct json_out *j, const char *key, const char *text);
/* Milliseconds as seconds. */
void json_kseconds(struct json_out *j, const char *key, int64_t ms);
/* usual_seconds: null without a p95 */
void json_usual(struct json_out *j, int64_t p50_ms, int64_t p95_ms, const char *from);

#endif
