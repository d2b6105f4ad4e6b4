/*
 * Views: how a GET of stored things is answered.
 *
 *   the body    {"items":[...],"next":null          rendered from one snapshot, cached, hashed
 *   the tail    ,"revision":7,"now":...,"sources":[...]}    written for each answer
 *
 * The ETag is made of the body's hash and of the sources' states: it stands for everything but the
 * times that move by themselves, and a change elsewhere does not change it. The revision in the
 * tail is read before the body is checked or rendered, so the body is whole up to it and a stream
 * may start from there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/worker.h"
#include "base/clock.h"

enum { BODY_BYTES = 16 << 20, TAIL_BYTES = 256 << 10, TAIL_LIFE_MS = 1000, DEFAULT_LIMIT = 100 };

void stamp_add(struct stamp *stamp, enum scope scope, int64_t id)
{
    if (stamp->n < STAMP_SLOTS) {
        stamp->slots[stamp->n++] = scope_slot(scope, id);
    }
}

/* ---- the tail ---- */

static bool worth_showing(const struct source_seen *s)
{
    return strchr(s->name, '/') == NULL ||
           (s->state != SOURCE_OK && s->state != SOURCE_ABSENT && s->state != SOURCE_OFF);
}

static void source_json(const struct source_seen *s, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "name", s->name);
    json_kstr(j, "state", source_state_name((enum source_state)s->state));
    json_kstr(j, "message", s->message);
    json_ktime(j, "since", s->since);
    json_ktime(j, "ok_at", s->ok_at);
    json_close(j, '}');
}

static uint32_t hash_source(uint32_t h, const struct source_seen *s)
{
    uint64_t n = cursor_scope(cursor_scope(h, s->name), s->message);
    n = (n ^ (uint64_t)s->state ^ (uint64_t)s->since) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(n >> 32);
}

static void write_sources(struct sources_tail *t, const struct list *rows)
{
    struct buf *bufs[] = {&t->brief, &t->all};
    int64_t observed = 0;
    t->hash = 0;
    t->kube_state = -1;
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct source_seen *s = LIST_AT(struct source_seen, *rows, i);
        t->hash = hash_source(t->hash, s);
        if (strcmp(s->name, "kubernetes") == 0) {
            observed = s->ok_at;
            t->kube_state = s->state;
        }
    }
    for (size_t k = 0; k < 2; k++) {
        buf_clear(bufs[k]);
        struct json_out j = json_out(bufs[k]);
        j.comma = true;
        json_ktime(&j, "observed_at", observed);
        json_key(&j, "sources");
        json_open(&j, '[');
        for (uint32_t i = 0; i < rows->n; i++) {
            const struct source_seen *s = LIST_AT(struct source_seen, *rows, i);
            if (k == 1 || worth_showing(s)) {
                source_json(s, &j);
            }
        }
        json_close(&j, ']');
        json_close(&j, '}');
    }
}

/* A writer that cannot commit leaves the sources' rows as they were, and they still say ok: the
 * store itself then stands among them, with the last commit as the age of everything. */
static void add_store(const struct worker *w, struct list *rows)
{
    struct writer_metrics m = {0};
    struct arena *a = reader_arena(w->reader);
    if (w->shared->writer == NULL) {
        return;
    }
    writer_metrics(w->shared->writer, &m);
    if (!m.failing && writer_lives(&m)) {
        return;
    }
    char why[512] = "it has not gone round for a minute";
    if (m.failing) {
        (void)writer_error(w->shared->writer, why, sizeof why);
    }
    int64_t at = m.last_commit_at != 0 ? m.last_commit_at : w->shared->started_at;
    struct source_seen *all = arena_array(a, struct source_seen, rows->n + 1);
    if (rows->n > 0) {
        memcpy(all, rows->items, rows->n * sizeof *all);
    }
    all[rows->n] = (struct source_seen){.name = "store",
                                        .state = SOURCE_FAILING,
                                        .message = arena_strdup(a, why),
                                        .since = at,
                                        .ok_at = at};
    *rows = (struct list){all, rows->n + 1};
}

/* The sources, read again each second: their ok_at moves without a commit that anyone is told of.
 */
static bool refresh_tail(struct worker *w, struct err *err)
{
    struct sources_tail *t = &w->tail;
    int64_t now = clock_mono_ms();
    int64_t revision = scopes_at(w->shared->scopes, SCOPE_SOURCES);
    if (t->read_ms != 0 && now - t->read_ms < TAIL_LIFE_MS && revision == t->revision) {
        return true;
    }
    struct list rows = {NULL, 0};
    int64_t cluster = 0;
    const char *name = "";
    if (!reader_begin(w->reader, err)) {
        return false;
    }
    struct err none;
    bool ok = true;
    if (reader_cluster(w->reader, NULL, &cluster, &name, &none)) {
        ok = reader_sources(w->reader, cluster, &rows, err);
    }
    if (ok) {
        add_store(w, &rows);
        t->brief.limit = TAIL_BYTES;
        t->all.limit = TAIL_BYTES;
        write_sources(t, &rows);
        t->read_ms = now;
        t->revision = revision;
    }
    reader_end(w->reader);
    return ok;
}

static void write_tail(const struct worker *w, enum view_kind kind, int64_t revision,
                       struct buf *out)
{
    char now[CLOCK_TEXT_SIZE];
    const struct buf *sources = kind == VIEW_SUMMARY ? &w->tail.all : &w->tail.brief;
    out->limit += TAIL_BYTES + 256;
    if (kind != VIEW_WAIT) { /* its index is the rollout's own */
        (void)buf_addz(out, kind == VIEW_ONE ? ",\"index\":" : ",\"revision\":");
        (void)buf_addi(out, revision);
    }
    (void)buf_addz(out, ",\"now\":\"");
    (void)buf_addz(out, clock_format(clock_unix_ms(), now));
    (void)buf_addc(out, '"');
    (void)buf_add(out, sources->data, sources->len);
}

bool view_tail(struct worker *w, enum view_kind kind, struct buf *out, struct err *err)
{
    int64_t revision = scopes_revision(w->shared->scopes);
    if (!refresh_tail(w, err)) {
        return false;
    }
    write_tail(w, kind, revision, out);
    return true;
}

/* ---- ETags ---- */

/* Does If-None-Match name the tag? Weak comparison, as RFC 9110 13.1.2 has it for this header; the
 * gzip form's tag counts as the same view. */
static bool etag_matches(const char *header, const char *etag)
{
    size_t len = strlen(etag);
    for (const char *p = header; *p != '\0';) {
        p += strspn(p, " \t,");
        if (*p == '*') {
            return true;
        }
        if (strncmp(p, "W/", 2) == 0) {
            p += 2;
        }
        if (*p != '"') {
            return false;
        }
        p++;
        size_t n = strcspn(p, "\"");
        if (strncmp(p, etag, len) == 0 &&
            (n == len || (n == len + 2 && p[len] == '-' && p[len + 1] == 'g'))) {
            return true;
        }
        p += n + (p[n] == '"');
    }
    return false;
}

/* 304 when the client has it. */
static bool not_modified(struct exchange *x)
{
    struct reply *r = &x->reply;
    if (x->req.if_none_match[0] == '\0' || !etag_matches(x->req.if_none_match, r->etag)) {
        return false;
    }
    body_unref(r->body);
    r->body = NULL;
    buf_clear(&r->tail);
    r->status = 304;
    return true;
}

/* ---- answers ---- */

static struct body *render(struct worker *w, struct exchange *x, view_fn *fn, struct stamp *stamp,
                           struct err *err)
{
    AUTO(buf) b = BUF_INIT(BODY_BYTES);
    struct json_out j = json_out(&b);
    if (!reader_begin(w->reader, err)) {
        return NULL;
    }
    json_open(&j, '{');
    bool ok = fn(w, x, &j, stamp, err);
    reader_end(w->reader);
    if (!ok || x->n_errors > 0 || x->reply.status != 0) {
        return NULL;
    }
    if (b.overflow) {
        (void)err_set(err, ERR_INPUT, "the answer is larger than %d MiB: ask for fewer with limit",
                      BODY_BYTES >> 20);
        return NULL;
    }
    return body_new(&b);
}

static struct body *cached_or_fresh(struct worker *w, struct exchange *x, view_fn *fn,
                                    struct err *err)
{
    AUTO(buf) key = BUF_INIT(64 << 10);
    int64_t now = clock_mono_ms();
    (void)buf_addz(&key, x->req.path);
    (void)buf_addc(&key, '?');
    (void)buf_addz(&key, x->req.query);
    struct body *body = cache_get(w->shared->cache, buf_str(&key), now);
    if (body != NULL) {
        return body;
    }
    struct stamp stamp = {.revision = scopes_revision(w->shared->scopes)};
    body = render(w, x, fn, &stamp, err);
    if (body != NULL) {
        cache_put(w->shared->cache, buf_str(&key), body, &stamp, now);
    }
    return body;
}

enum outcome view_answer(struct worker *w, struct exchange *x, view_fn *fn, enum view_kind kind)
{
    struct err err = {0};
    struct reply *r = &x->reply;
    int64_t revision = scopes_revision(w->shared->scopes);
    if (!refresh_tail(w, &err) || (r->body = cached_or_fresh(w, x, fn, &err)) == NULL) {
        if (x->reply.status != 0) {
            return OUTCOME_ANSWER; /* the view has made its own problem */
        }
        if (x->n_errors > 0) {
            problem(x, PROBLEM_INVALID_PARAMETER, NULL);
        } else {
            problem_of(x, &err);
        }
        return OUTCOME_ANSWER;
    }
    r->status = 200;
    r->content_type = "application/json";
    r->cache_control = "no-cache, private";
    (void)snprintf(r->etag, sizeof r->etag, "%016llx-%08x", (unsigned long long)body_hash(r->body),
                   w->tail.hash);
    if (!not_modified(x)) {
        write_tail(w, kind, revision, &r->tail);
    }
    return OUTCOME_ANSWER;
}

enum outcome view_body(struct exchange *x, struct body *body, const char *content_type,
                       const char *cache_control)
{
    struct reply *r = &x->reply;
    r->status = 200;
    r->body = body;
    r->content_type = content_type;
    r->cache_control = cache_control;
    (void)snprintf(r->etag, sizeof r->etag, "%016llx", (unsigned long long)body_hash(body));
    (void)not_modified(x);
    return OUTCOME_ANSWER;
}

/* ---- parameters that many views take ---- */

bool view_cluster(struct worker *w, struct exchange *x, int64_t *ret_id, const char **ret_name,
                  struct err *err)
{
    const char *name = query_one(x, "cluster");
    const char *found = NULL;
    if (!reader_cluster(w->reader, name, ret_id, &found, err)) {
        if (err->code == ERR_INPUT) {
            query_error(x, "cluster", "%s", err->text);
        }
        return false;
    }
    if (ret_name != NULL) {
        *ret_name = found;
    }
    return true;
}

void view_page(struct worker *w, struct exchange *x, uint64_t scope, struct page *page)
{
    *page = (struct page){.limit = (int)query_int(x, "limit", 1, 500, DEFAULT_LIMIT)};
    const char *cursor = query_one(x, "cursor");
    if (cursor == NULL) {
        return;
    }
    switch (cursor_read(cursor, scope, clock_unix_ms(), reader_arena(w->reader), &page->after)) {
    case CURSOR_OK:
        break;
    case CURSOR_EXPIRED:
        problem(x, PROBLEM_CURSOR_EXPIRED, NULL);
        break;
    case CURSOR_GARBLED:
        problem(x, PROBLEM_CURSOR_INVALID, "it is damaged");
        break;
    case CURSOR_FOREIGN:
        problem(x, PROBLEM_CURSOR_INVALID, "it belongs to another list or to other filters");
        break;
    }
}

void view_next(const struct page *page, uint64_t scope, struct json_out *j)
{
    json_key(j, "next");
    if (!page->next.set) {
        json_nil(j);
        return;
    }
    AUTO(buf) text = BUF_INIT(CURSOR_TEXT_MAX);
    cursor_write(&page->next, scope, clock_unix_ms(), &text);
    json_str(j, buf_str(&text));
}
