/*
 * The list of rollouts (see reader.h).
 *
 * It goes rank by rank, each a range of one index, so a filter by state reads nothing else and the
 * order needs no sorting. Several namespaces are read one after the other and merged: a page is
 * small, and a namespace's range is exact.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "store/reader_row.h"

enum { RANKS = 10 };

/* The runbook only where there is a finding to show it with. */
static void item_json(struct reader *r, const struct rollout_row *w, struct json_out *j)
{
    json_open(j, '{');
    rollout_row_json(w, w->has_finding ? rollout_row_runbook(r, w) : "", j);
    json_close(j, '}');
}

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

static bool labels_match(struct scan *s, const struct rollout_row *w)
{
    const struct meta *meta =
        reader_record(s->r, kind_info(KIND_DEPLOYMENT)->table, w->st, ROLLOUT_BODY_AT);
    static const struct kvs none;
    return selector_match(s->f->labels, meta != NULL ? &meta->labels : &none);
}

static bool row_matches(struct scan *s, const struct rollout_row *w)
{
    const struct rollout_filter *f = s->f;
    return (f->states == 0 || (f->states >> w->state & 1) != 0) &&
           (f->kind == NULL || strcasecmp(f->kind, w->kind) == 0) &&
           (f->cause == NULL || strcmp(f->cause, w->cause) == 0) &&
           reader_text_match(f->q, w->namespace, w->name) &&
           (f->labels == NULL || labels_match(s, w));
}

static void take_hit(struct scan *s, const struct rollout_row *w)
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
        struct rollout_row w = rollout_row_of(st);
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
