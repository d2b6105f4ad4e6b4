/*
 * Rollouts: the list, one of them, past ones, findings, timeline, history (see reader.h).
 *
 * The list goes rank by rank, each a range of one index, so a filter by state reads nothing else
 * and the order needs no sorting. Several namespaces are read one after the other and merged: a
 * page is small, and a namespace's range is exact.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "model/pack.h"
#include "store/reader_in.h"

enum { RANKS = 10, BODY_AT = 36, FINDING_AT = 39 };

/* The row under the statement. Texts are borrowed until the next step. */
struct row {
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

static struct row row_of(sqlite3_stmt *st)
{
    return (struct row){.st = st,
                        .id = db_int(st, 0),
                        .rank = db_int(st, 35),
                        .since = db_int(st, 8),
                        .namespace = db_text(st, 2, NULL),
                        .kind = db_text(st, 3, NULL),
                        .name = db_text(st, 4, NULL),
                        .state = (enum rollout_state)db_int(st, 6),
                        .cause = db_text(st, 33, NULL),
                        .has_finding = sqlite3_column_type(st, FINDING_AT) != SQLITE_NULL};
}

/* ---- runbooks ---- */

static const char *annotated(const struct kvs *annotations)
{
    const char *url = kvs_get(annotations, "gatehouse.dev/runbook");
    return url != NULL && config_web_address(url) ? url : NULL;
}

static bool override_matches(const struct config_override *o, const struct row *w)
{
    if (o->namespace[0] != '\0' && strcmp(o->namespace, w->namespace) != 0) {
        return false;
    }
    const char *slash = strchr(o->workload, '/');
    if (slash == NULL) {
        return o->workload[0] == '\0' || strcmp(o->workload, w->name) == 0;
    }
    size_t len = (size_t)(slash - o->workload);
    return strlen(w->kind) == len && strncasecmp(o->workload, w->kind, len) == 0 &&
           strcmp(slash + 1, w->name) == 0;
}

static const char *override_runbook(const struct config *config, const struct row *w)
{
    for (size_t i = 0; config != NULL && i < config->n_overrides; i++) {
        if (override_matches(&config->overrides[i], w)) {
            return config->overrides[i].runbook;
        }
    }
    return "";
}

/* The nearest word wins: the workload's annotation, the namespace's, the first override. Only
 * where there is a finding to show it with. */
static const char *runbook_of(struct reader *r, const struct row *w)
{
    const struct meta *meta =
        reader_record(r, kind_info(KIND_DEPLOYMENT)->table, w->st, 36 /* body */);
    const char *url = meta != NULL ? annotated(&meta->annotations) : NULL;
    if (url != NULL) {
        return url;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_OBJECT_GET);
    db_bind(st, "iiit", db_int(w->st, 38), (int64_t)KIND_NAMESPACE, INT64_C(0), w->namespace);
    bool found = false;
    struct err ignored; /* then there is no such annotation to see */
    if (db_step(&r->db, st, &found, &ignored) && found) {
        meta = reader_record(r, kind_info(KIND_NAMESPACE)->table, st, 3);
        url = meta != NULL ? annotated(&meta->annotations) : NULL;
    }
    (void)sqlite3_reset(st);
    return url != NULL ? url : override_runbook(r->config, w);
}

/* ---- one row as JSON ---- */

static void pods_json(sqlite3_stmt *st, struct json_out *j)
{
    json_key(j, "pods");
    json_open(j, '{');
    json_kint(j, "desired", db_int(st, 20));
    json_kint(j, "updated", db_int(st, 21));
    json_kint(j, "ready", db_int(st, 22));
    json_kint(j, "old", db_int(st, 23));
    json_stored(j, "by_state", db_text(st, 24, NULL), "{}");
    json_close(j, '}');
    json_key(j, "gates");
    json_open(j, '{');
    json_kint(j, "total", db_int(st, 25));
    json_kint(j, "open", db_int(st, 26));
    json_kint(j, "closed", db_int(st, 27));
    json_kint(j, "absent", db_int(st, 28));
    json_kint(j, "missing", db_int(st, 29));
    json_close(j, '}');
}

/* Members of an open object, without causes. */
static void row_json(const struct row *w, const char *runbook, struct json_out *j)
{
    sqlite3_stmt *st = w->st;
    json_kstr(j, "cluster", db_text(st, 37, NULL));
    json_kstr(j, "namespace", w->namespace);
    json_kstr(j, "kind", w->kind);
    json_kstr(j, "name", w->name);
    json_kstr(j, "uid", db_text(st, 5, NULL));
    json_kstr(j, "revision", db_text(st, 12, NULL));
    json_kstr(j, "revision_hash", db_text(st, 13, NULL));
    json_stored(j, "images", db_text(st, 19, NULL), "[]");
    json_kstr(j, "state", rollout_state_name(w->state));
    json_kstr(j, "pace", pace_name((enum pace)db_int(st, 7)));
    json_ktime(j, "since", w->since);
    json_ktime(j, "started_at", db_int(st, 9));
    json_ktime(j, "served_at", db_int(st, 10));
    json_ktime(j, "eta", db_int(st, 11));
    json_kint(j, "generation", db_int(st, 14));
    json_kbool(j, "observed", db_int(st, 15) != 0);
    json_kbool(j, "complete", db_int(st, 16) != 0);
    json_kbool(j, "terminal", db_int(st, 17) != 0);
    json_kbool(j, "stale", db_int(st, 18) != 0);
    pods_json(st, j);
    json_usual(j, db_int(st, 30), db_int(st, 31), db_text(st, 32, NULL));
    json_key(j, "cause");
    if (w->has_finding) {
        struct finding_row f = finding_of(st, FINDING_AT, NULL);
        finding_json(&f, runbook, j);
    } else {
        json_nil(j);
    }
}

static void item_json(struct reader *r, const struct row *w, struct json_out *j)
{
    json_open(j, '{');
    row_json(w, w->has_finding ? runbook_of(r, w) : "", j);
    json_close(j, '}');
}

/* ---- the list ---- */

struct hit {
    int64_t rank;
    int64_t since;
    int64_t id;
    size_t at; /* bytes of the rendered item */
    size_t len;
};

/* One page under way: items of all its ranges. */
struct scan {
    struct reader *r;
    const struct rollout_filter *f;
    struct page *page;
    struct buf items;
    struct hit *hits;
    size_t n_hits;
    size_t cap_hits;
    int scanned;
    int scan_max;
    bool stopped; /* some range ended at the look limit: nothing after `stop` may be shown */
    struct hit stop;
    struct hit last; /* looked at */
};

static bool labels_match(struct scan *s, const struct row *w)
{
    const struct meta *meta =
        reader_record(s->r, kind_info(KIND_DEPLOYMENT)->table, w->st, BODY_AT);
    static const struct kvs none;
    return selector_match(s->f->labels, meta != NULL ? &meta->labels : &none);
}

static bool row_matches(struct scan *s, const struct row *w)
{
    const struct rollout_filter *f = s->f;
    return (f->states == 0 || (f->states >> w->state & 1) != 0) &&
           (f->kind == NULL || strcasecmp(f->kind, w->kind) == 0) &&
           (f->cause == NULL || strcmp(f->cause, w->cause) == 0) &&
           reader_text_match(f->q, w->namespace, w->name) &&
           (f->labels == NULL || labels_match(s, w));
}

static void take_hit(struct scan *s, const struct row *w)
{
    size_t at = s->items.len;
    struct json_out j = json_out(&s->items);
    item_json(s->r, w, &j);
    s->hits = xgrow(s->hits, &s->cap_hits, s->n_hits + 1, sizeof *s->hits);
    s->hits[s->n_hits++] = (struct hit){w->rank, w->since, w->id, at, s->items.len - at};
}

/* One range: rows of one rank, of the cluster or one namespace, after the page's key. Stops at the
 * page's limit for this namespace. */
static bool scan_rank(struct scan *s, int64_t ns_id, int rank, size_t *taken, bool *ret_full,
                      struct err *err)
{
    const struct keyset *after = &s->page->after;
    if (after->set && rank < after->n[0]) {
        return true;
    }
    bool at_key = after->set && rank == after->n[0];
    sqlite3_stmt *st = db_get(&s->r->db, ns_id != 0 ? READ_ROLLOUTS_NS_RANK : READ_ROLLOUTS_RANK);
    db_bind(st, "iiii", ns_id != 0 ? ns_id : s->f->cluster, (int64_t)rank,
            at_key ? after->n[1] : INT64_MIN, at_key ? after->n[2] : INT64_MIN);
    bool row = false;
    while (db_step(&s->r->db, st, &row, err)) {
        /* one more than the page: whether there is a next one */
        if (!row || *taken > (size_t)s->page->limit) {
            (void)sqlite3_reset(st);
            return true;
        }
        struct row w = row_of(st);
        if (s->scanned >= s->scan_max) {
            (void)sqlite3_reset(st);
            *ret_full = true;
            return true;
        }
        s->scanned++;
        s->last = (struct hit){w.rank, w.since, w.id, 0, 0};
        if (row_matches(s, &w)) {
            take_hit(s, &w);
            ++*taken;
        }
    }
    return false;
}

static bool rank_wanted(const struct rollout_filter *f, int rank)
{
    for (int state = 0; f->states != 0 && state < ROLLOUT_STATE_COUNT; state++) {
        if ((f->states >> state & 1) != 0 &&
            rollout_state_rank((enum rollout_state)state) == rank) {
            return true;
        }
    }
    return f->states == 0;
}

static int compare_hits(const void *va, const void *vb)
{
    const struct hit *a = va;
    const struct hit *b = vb;
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    if (a->since != b->since) {
        return a->since < b->since ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

/* All ranks of the cluster or one namespace. Where the look limit ends it early, what other ranges
 * found beyond that row has to wait for the next page. */
static bool scan_ranks(struct scan *s, int64_t ns_id, struct err *err)
{
    size_t taken = 0;
    bool full = false;
    s->scanned = 0;
    for (int rank = 0; rank < RANKS && !full && taken <= (size_t)s->page->limit; rank++) {
        if (rank_wanted(s->f, rank) && !scan_rank(s, ns_id, rank, &taken, &full, err)) {
            return false;
        }
    }
    if (full && (!s->stopped || compare_hits(&s->last, &s->stop) < 0)) {
        s->stopped = true;
        s->stop = s->last;
    }
    return true;
}

static bool scan_all(struct scan *s, struct err *err)
{
    if (s->f->n_namespaces == 0) {
        return scan_ranks(s, 0, err);
    }
    s->scan_max = 1 + s->scan_max / (int)s->f->n_namespaces;
    for (size_t i = 0; i < s->f->n_namespaces; i++) {
        int64_t ns_id = 0;
        if (!reader_namespace_id(s->r, s->f->cluster, s->f->namespaces[i], &ns_id, err) ||
            (ns_id != 0 && !scan_ranks(s, ns_id, err))) {
            return false;
        }
    }
    if (s->n_hits > 1) {
        qsort(s->hits, s->n_hits, sizeof *s->hits, compare_hits);
    }
    return true;
}

static void emit(struct scan *s, struct json_out *j)
{
    size_t n = 0;
    while (n < s->n_hits && n < (size_t)s->page->limit &&
           (!s->stopped || compare_hits(&s->hits[n], &s->stop) <= 0)) {
        (void)buf_addz(j->buf, j->comma ? "," : "");
        (void)buf_add(j->buf, s->items.data + s->hits[n].at, s->hits[n].len);
        j->comma = true;
        n++;
    }
    bool full = n == (size_t)s->page->limit && n < s->n_hits;
    const struct hit *last = full ? &s->hits[n - 1] : s->stopped ? &s->stop : NULL;
    s->page->next = (struct keyset){0};
    if (last != NULL) {
        s->page->next = (struct keyset){true, {last->rank, last->since, last->id}, NULL};
    }
}

bool reader_rollouts(struct reader *r, const struct rollout_filter *f, struct page *page,
                     struct json_out *j, struct err *err)
{
    struct scan s = {.r = r,
                     .f = f,
                     .page = page,
                     .items = BUF_INIT(j->buf->limit),
                     .scan_max = f->labels != NULL ? SCAN_MAX_LABELS : SCAN_MAX};
    bool ok = scan_all(&s, err);
    if (ok && s.items.overflow) {
        j->buf->overflow = true;
    }
    if (ok) {
        emit(&s, j);
    }
    buf_fini(&s.items);
    free(s.hits);
    return ok;
}

/* ---- one rollout ---- */

bool reader_find(struct reader *r, const struct object_name *name, int64_t *ret_id, struct err *err)
{
    static const enum sql_read tries[] = {READ_WORKLOAD_BY_NAME, READ_WORKLOAD_BY_NAME_NOCASE};
    for (size_t i = 0; i < 2; i++) {
        bool row = false;
        sqlite3_stmt *st = db_get(&r->db, tries[i]);
        db_bind(st, "ittt", name->cluster, name->namespace, name->kind, name->name);
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            *ret_id = db_int(st, 0);
            (void)sqlite3_reset(st);
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "no %.100s %.200s in namespace %.100s", name->kind,
                   name->name, name->namespace);
}

static struct rollout_info info_of(struct reader *r, const struct row *w, const char *runbook)
{
    struct arena *a = r->arena;
    return (struct rollout_info){.id = w->id,
                                 .rev = db_int(w->st, 34),
                                 .cluster = db_text(w->st, 37, a),
                                 .namespace = arena_strdup(a, w->namespace),
                                 .kind = arena_strdup(a, w->kind),
                                 .name = arena_strdup(a, w->name),
                                 .state = w->state,
                                 .since = w->since,
                                 .observed = db_int(w->st, 15) != 0,
                                 .complete = db_int(w->st, 16) != 0,
                                 .terminal = db_int(w->st, 17) != 0,
                                 .stale = db_int(w->st, 18) != 0,
                                 .generation = db_int(w->st, 14),
                                 .revision = db_text(w->st, 12, a),
                                 .revision_hash = db_text(w->st, 13, a),
                                 .images = db_text(w->st, 19, a),
                                 .cause = arena_strdup(a, w->cause),
                                 .runbook = arena_strdup(a, runbook),
                                 .gates_total = db_int(w->st, 25),
                                 .gates_open = db_int(w->st, 26)};
}

static bool causes_json(struct reader *r, int64_t id, const char *runbook, struct json_out *j,
                        struct err *err)
{
    struct list findings;
    if (!reader_findings(r, id, &findings, err)) {
        return false;
    }
    json_key(j, "causes");
    json_open(j, '[');
    for (uint32_t i = 0; i < findings.n; i++) {
        finding_json(LIST_AT(struct finding_row, findings, i), runbook, j);
    }
    json_close(j, ']');
    return true;
}

bool reader_labels(struct reader *r, int64_t id, struct kvs *ret, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_ROLLOUT_BY_ID);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    const struct meta *meta =
        row ? reader_record(r, kind_info(KIND_DEPLOYMENT)->table, st, BODY_AT) : NULL;
    *ret = meta != NULL ? meta->labels : (struct kvs){NULL, 0};
    (void)sqlite3_reset(st);
    return true;
}

bool reader_rollout(struct reader *r, int64_t id, bool causes, struct json_out *j,
                    struct rollout_info *ret_info, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_ROLLOUT_BY_ID);
    db_bind(st, "i", id);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "the workload is gone");
    }
    struct row w = row_of(st);
    const char *runbook = w.has_finding ? runbook_of(r, &w) : "";
    if (ret_info != NULL) {
        *ret_info = info_of(r, &w, runbook);
    }
    if (j != NULL) {
        json_open(j, '{');
        row_json(&w, runbook, j);
    }
    (void)sqlite3_reset(st);
    if (j == NULL) {
        return true;
    }
    if (causes) {
        return causes_json(r, id, runbook, j, err);
    }
    json_close(j, '}');
    return true;
}

bool reader_findings(struct reader *r, int64_t workload_id, struct list *ret, struct err *err)
{
    enum { FINDINGS_MAX = 200 };
    struct finding_row *rows = arena_array(r->arena, struct finding_row, FINDINGS_MAX);
    uint32_t n = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_FINDINGS);
    db_bind(st, "i", workload_id);
    while (db_step(&r->db, st, &row, err)) {
        if (!row || n == FINDINGS_MAX) {
            (void)sqlite3_reset(st);
            *ret = (struct list){rows, n};
            return true;
        }
        rows[n++] = finding_of(st, 0, r->arena);
    }
    return false;
}

bool reader_attention(struct reader *r, int64_t cluster, int max, struct list *ret, struct err *err)
{
    struct rollout_info *rows = arena_array(r->arena, struct rollout_info, max);
    uint32_t n = 0;
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_ATTENTION); /* ranks below paused */
    db_bind(st, "ii", cluster, (int64_t)max);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row && reader_rollout(r, db_int(st, 0), false, NULL, &rows[n], err)) {
            n++;
        } else if (row) {
            return false;
        }
    }
    *ret = (struct list){rows, n};
    return true;
}
