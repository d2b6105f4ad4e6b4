/* Inside this folder: the row of a rollout as the list and the look at one rollout read it: the
 * columns ROLLOUT_COLUMNS, then those of its primary finding. */
#ifndef GATEHOUSE_STORE_READER_ROW_H
#define GATEHOUSE_STORE_READER_ROW_H

#include "store/reader_in.h"

enum { ROLLOUT_BODY_AT = 36 }; /* the workload's object */

/* The row under the statement. Texts are borrowed until the next step. */
struct rollout_row {
    sqlite3_stmt *st;
    int64_t id;
    int64_t rank;
    int64_t since;
    const char *namespace;
    const char *kind;
    const char *name;
    enum rollout_state state;
    const char *cause;
    bool has_finding;
};

struct rollout_row rollout_row_of(sqlite3_stmt *st);
/* The nearest word wins: the workload's annotation, the namespace's, the first override; "" = none.
 * Borrowed from the reader's arena or its configuration. */
const char *rollout_row_runbook(struct reader *r, const struct rollout_row *w);
/* Members of an open object, without causes. */
void rollout_row_json(const struct rollout_row *w, const char *runbook, struct json_out *j);

#endif
