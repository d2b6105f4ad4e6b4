/* Opening, snapshots, clusters, sources, counts (see reader.h). */
#include "store/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "model/cause.h"
#include "model/pack.h"
#include "store/facts.h"
#include "store/reader_in.h"

static const char *const sql[] = {
#define X(name, text) text,
#include "store/sql_read.def"
#undef X
};

enum { READER_CACHE_BYTES = 8 << 20 };

bool reader_open(const char *path, struct reader **ret, struct err *err)
{
    struct reader *r = xcalloc(1, sizeof *r);
    if (!db_open(path, true, READER_CACHE_BYTES, (struct sql_list){sql, READ_COUNT}, &r->db, err)) {
        free(r);
        return false;
    }
    r->arena = arena_new(16 << 10);
    *ret = r;
    return true;
}

void reader_close(struct reader *r)
{
    if (r == NULL) {
        return;
    }
    reader_end(r);
    db_close(&r->db);
    arena_free(r->arena);
    free(r);
}

void reader_set_config(struct reader *r, const struct config *config)
{
    r->config = config;
}

void reader_set_home(struct reader *r, const char *cluster)
{
    (void)snprintf(r->home, sizeof r->home, "%s", cluster);
}

bool reader_begin(struct reader *r, struct err *err)
{
    arena_reset(r->arena);
    if (!db_exec(&r->db, "BEGIN", err)) {
        return false;
    }
    r->open = true;
    /* The first read fixes the snapshot. */
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_REVISION);
    if (!db_step(&r->db, st, &row, err)) {
        reader_end(r);
        return false;
    }
    r->revision = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st);
    return true;
}

/* A read that failed or ended early leaves its statement standing: all are reset here, since an
 * unfinished one would keep the snapshot open. */
void reader_end(struct reader *r)
{
    if (!r->open) {
        return;
    }
    for (size_t i = 0; i < r->db.n; i++) {
        if (r->db.statements[i] != NULL) {
            (void)sqlite3_reset(r->db.statements[i]); /* repeats an error that was told */
        }
    }
    struct err ignored;
    bool ended = db_exec(&r->db, "COMMIT", &ignored);
    (void)ended; /* nothing was written: nothing can be lost */
    r->open = false;
}

int64_t reader_snapshot(const struct reader *r)
{
    return r->revision;
}

struct arena *reader_arena(struct reader *r)
{
    return r->arena;
}

bool reader_cluster(struct reader *r, const char *name, int64_t *ret_id, const char **ret_name,
                    struct err *err)
{
    bool wanted = name != NULL && name[0] != '\0';
    int found = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_CLUSTERS);
    while (db_step(&r->db, st, &row, err)) {
        if (!row) {
            if (found == 1) {
                return true;
            }
            return found > 1 ? err_set(err, ERR_INPUT, "there are several clusters: name one")
                             : err_set(err, ERR_NOT_FOUND, "no cluster%s%.200s",
                                       wanted ? " named " : " is known yet", wanted ? name : "");
        }
        const char *found_name = db_text(st, 1, r->arena);
        bool home = !wanted && strcmp(found_name, r->home) == 0;
        if (!wanted || strcmp(found_name, name) == 0) {
            *ret_id = db_int(st, 0);
            *ret_name = found_name;
            found++;
        }
        if (home) {
            (void)sqlite3_reset(st);
            return true;
        }
    }
    return false;
}

bool reader_namespace_id(struct reader *r, int64_t cluster, const char *name, int64_t *ret_id,
                         struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_NS_BY_NAME);
    db_bind(st, "it", cluster, name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret_id = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st);
    return true;
}

bool reader_sources(struct reader *r, int64_t cluster, struct list *ret, struct err *err)
{
    enum { SOURCES_MAX = 256 };
    struct source_seen *rows = arena_array(r->arena, struct source_seen, SOURCES_MAX);
    uint32_t n = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_SOURCES);
    db_bind(st, "i", cluster);
    while (db_step(&r->db, st, &row, err)) {
        if (!row || n == SOURCES_MAX) {
            (void)sqlite3_reset(st);
            *ret = (struct list){rows, n};
            return true;
        }
        rows[n++] = (struct source_seen){.name = db_text(st, 0, r->arena),
                                         .state = (int)db_int(st, 1),
                                         .message = db_text(st, 2, r->arena),
                                         .since = db_int(st, 3),
                                         .ok_at = db_int(st, 4)};
    }
    return false;
}

static void count(int64_t *counts, int size, int64_t state, int64_t n)
{
    if (state >= 0 && state < size) {
        counts[state] = n;
    }
}

bool reader_tallies(struct reader *r, int64_t cluster, int64_t ns_id, struct tallies *ret,
                    struct err *err)
{
    struct tallies t = {0};
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_TALLY);
    db_bind(st, "ii", cluster, ns_id);
    while (db_step(&r->db, st, &row, err)) {
        if (!row) {
            *ret = t;
            return true;
        }
        int64_t what = db_int(st, 0);
        if (what == 0) {
            count(t.rollouts, ROLLOUT_STATE_COUNT, db_int(st, 1), db_int(st, 2));
        } else if (what == 1) {
            count(t.pods, POD_STATE_COUNT, db_int(st, 1), db_int(st, 2));
        } else if (what == 2) {
            count(t.findings, SEVERITY_COUNT, db_int(st, 1), db_int(st, 2));
        }
    }
    return false;
}

bool reader_contradictions(struct reader *r, int64_t cluster, int64_t ret[CONTRADICTION_COUNT],
                           struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_CONTRADICTIONS);
    db_bind(st, "i", cluster);
    while (db_step(&r->db, st, &row, err)) {
        if (!row) {
            return true;
        }
        count(ret, CONTRADICTION_COUNT, db_int(st, 0), db_int(st, 1));
    }
    return false;
}

void tallies_json(const struct tallies *t, struct json_out *j)
{
    int64_t total = 0;
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        total += t->rollouts[i];
    }
    json_key(j, "rollouts");
    json_open(j, '{');
    json_kint(j, "total", total);
    json_key(j, "by_state");
    json_open(j, '{');
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        if (t->rollouts[i] != 0) {
            json_kint(j, rollout_state_name((enum rollout_state)i), t->rollouts[i]);
        }
    }
    json_close(j, '}');
    json_close(j, '}');
    total = 0;
    for (int i = 0; i < POD_STATE_COUNT; i++) {
        total += t->pods[i];
    }
    json_key(j, "pods");
    json_open(j, '{');
    json_kint(j, "total", total);
    json_key(j, "by_state");
    json_open(j, '{');
    for (int i = 0; i < POD_STATE_COUNT; i++) {
        if (t->pods[i] != 0) {
            json_kint(j, pod_state_name((enum pod_state)i), t->pods[i]);
        }
    }
    json_close(j, '}');
    json_close(j, '}');
}

static bool one_number(struct reader *r, enum sql_read statement, int64_t *ret, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, statement);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    (void)sqlite3_reset(st);
    return true;
}

bool reader_counts(struct reader *r, int64_t *ret_firing, int64_t *ret_pending, struct err *err)
{
    return one_number(r, READ_COUNT_FIRING, ret_firing, err) &&
           one_number(r, READ_COUNT_PENDING, ret_pending, err);
}

bool reader_text_match(const char *q, const char *namespace, const char *name)
{
    if (q == NULL || q[0] == '\0') {
        return true;
    }
    if (strcasestr(name, q) != NULL || strcasestr(namespace, q) != NULL) {
        return true;
    }
    /* across the slash: the end of the namespace, then the start of the name */
    const char *slash = strchr(q, '/');
    if (slash == NULL) {
        return false;
    }
    size_t head = (size_t)(slash - q);
    size_t ns_len = strlen(namespace);
    return ns_len >= head && strncasecmp(namespace + ns_len - head, q, head) == 0 &&
           strncasecmp(name, slash + 1, strlen(slash + 1)) == 0;
}

/* ---- helpers of this folder ---- */

const void *reader_record(struct reader *r, const struct field_table *table, sqlite3_stmt *st,
                          int column)
{
    return facts_record(table, st, column, r->arena);
}

void target_words(struct reader *r, sqlite3_stmt *st, int column, struct json_out *j)
{
    const struct elb_target *t = reader_record(r, &elb_target_table, st, column);
    json_kstr(j, "description", t != NULL ? t->description : "");
    json_kstr(j, "zone", t != NULL ? t->zone : "");
    json_kstr(j, "anomaly", t != NULL ? t->anomaly : "");
    json_kstr(j, "administrative_override", t != NULL ? t->override_state : "");
}

struct page_scan page_scan(struct page *page, int most)
{
    page->next = (struct keyset){0};
    return (struct page_scan){.page = page, .most = most};
}

bool page_step(struct reader *r, struct page_scan *s, sqlite3_stmt *st, bool *ret_row,
               struct err *err)
{
    bool row = false;
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (row && (s->n == s->page->limit || s->seen >= s->most)) {
        s->page->next = s->last;
        s->full = true;
        row = false;
        (void)sqlite3_reset(st); /* the rest is the next page's */
    }
    s->seen += row;
    *ret_row = row;
    return true;
}

struct finding_row finding_of(sqlite3_stmt *st, int first, struct arena *a)
{
    return (struct finding_row){.code = db_text(st, first, a),
                                .object = db_text(st, first + 1, a),
                                .severity = (enum severity)db_int(st, first + 2),
                                .terminal = db_int(st, first + 3) != 0,
                                .confidence = (enum confidence)db_int(st, first + 4),
                                .since = db_int(st, first + 5),
                                .first_seen_at = db_int(st, first + 6),
                                .changed_at = db_int(st, first + 7),
                                .pods = db_int(st, first + 8),
                                .detail = db_text(st, first + 9, a)};
}

void finding_json(const struct finding_row *f, const char *runbook, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "code", f->code);
    json_kstr(j, "title", cause_title(f->code));
    json_kstr(j, "object", f->object);
    json_kstr(j, "severity", severity_name(f->severity));
    json_kbool(j, "terminal", f->terminal);
    json_kstr(j, "confidence", confidence_name(f->confidence));
    json_ktime(j, "since", f->since);
    json_ktime(j, "first_seen_at", f->first_seen_at);
    json_ktime(j, "changed_at", f->changed_at);
    json_kint(j, "pods", f->pods);
    if (runbook[0] != '\0') {
        json_kstr(j, "runbook", runbook);
    }
    /* The stored object's members become ours: its braces are left out. */
    size_t len = strlen(f->detail);
    if (len > 2 && f->detail[0] == '{' && f->detail[len - 1] == '}') {
        (void)buf_addc(j->buf, ',');
        (void)buf_add(j->buf, f->detail + 1, len - 2);
    }
    json_close(j, '}');
}

void json_stored(struct json_out *j, const char *key, const char *text, const char *fallback)
{
    size_t len = strlen(text);
    bool whole =
        len >= 2 && text[0] == fallback[0] && text[len - 1] == fallback[strlen(fallback) - 1];
    json_key(j, key);
    json_raw(j, whole ? text : fallback);
}

void json_kopt(struct json_out *j, const char *key, const char *text)
{
    json_kstr(j, key, text[0] != '\0' ? text : NULL);
}

void json_kseconds(struct json_out *j, const char *key, int64_t ms)
{
    json_key(j, key);
    json_num(j, (double)ms / 1000.0);
}

void json_usual(struct json_out *j, int64_t p50_ms, int64_t p95_ms, const char *from)
{
    json_key(j, "usual_seconds");
    if (p95_ms <= 0) {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    json_kseconds(j, "p50", p50_ms);
    json_kseconds(j, "p95", p95_ms);
    json_kstr(j, "from", from);
    json_close(j, '}');
}
