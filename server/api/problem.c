/* Problem answers (see problem.h). */
#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"

enum { PROBLEM_BYTES = 16 << 10 };

static const struct {
    int status;
    const char *slug;
    const char *title;
} problems[] = {
#define X(suffix, status, slug, title) {status, slug, title},
    PROBLEMS(X)
#undef X
};

void reply_header(struct reply *r, const char *name, const char *fmt, ...)
{
    if (r->n_headers == HEADERS_MAX) {
        return;
    }
    struct header *h = &r->headers[r->n_headers++];
    h->name = name;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(h->value, sizeof h->value, fmt, args);
    va_end(args);
}

void exchange_fini(struct exchange *x)
{
    body_unref(x->reply.body);
    x->reply.body = NULL;
    buf_fini(&x->reply.tail);
    free(x->errors);
    x->errors = NULL;
    arena_free(x->arena);
    x->arena = NULL;
}

static void write_problem(struct json_out *j, enum problem p, const char *request_id)
{
    char type[64];
    (void)snprintf(type, sizeof type, "/problems/%s", problems[p].slug);
    json_kstr(j, "type", type);
    json_kstr(j, "title", problems[p].title);
    json_kint(j, "status", problems[p].status);
    json_kstr(j, "request_id", request_id);
    json_ktime(j, "now", clock_unix_ms());
}

static void write_errors(const struct exchange *x, struct json_out *j)
{
    json_key(j, "errors");
    json_open(j, '[');
    for (unsigned i = 0; i < x->n_errors; i++) {
        json_open(j, '{');
        json_kstr(j, "parameter", x->errors[i].parameter);
        json_kstr(j, "detail", x->errors[i].detail);
        json_close(j, '}');
    }
    json_close(j, ']');
}

enum { RETRY_SECONDS = 5 };

/* retry_s 0 = none. */
static void fill(struct exchange *x, enum problem p, const char *detail, int64_t retry_s)
{
    struct reply *r = &x->reply;
    body_unref(r->body);
    r->body = NULL;
    r->etag[0] = '\0';
    buf_fini(&r->tail);
    buf_init(&r->tail, PROBLEM_BYTES);
    r->status = problems[p].status;
    r->content_type = "application/problem+json";
    r->cache_control = "no-store";
    struct json_out j = json_out(&r->tail);
    json_open(&j, '{');
    write_problem(&j, p, x->req.id);
    if (detail != NULL) {
        json_kstr(&j, "detail", detail);
    }
    if (retry_s > 0) {
        json_kint(&j, "retry_after_seconds", retry_s);
        reply_header(r, "retry-after", "%lld", (long long)retry_s);
    }
    if (p == PROBLEM_UNAUTHORIZED) {
        reply_header(r, "www-authenticate", "Bearer");
    }
    if (x->n_errors > 0) {
        write_errors(x, &j);
    }
    json_close(&j, '}');
}

void problem(struct exchange *x, enum problem p, const char *detail)
{
    bool later = p == PROBLEM_TOO_MANY || p == PROBLEM_UNAVAILABLE;
    fill(x, p, detail, later ? RETRY_SECONDS : 0);
}

void problem_until(struct exchange *x, enum problem p, const char *detail, int64_t wait_ms)
{
    int64_t seconds = (wait_ms + 999) / 1000;
    fill(x, p, detail, seconds > 1 ? seconds : 1);
}

void problem_of(struct exchange *x, const struct err *err)
{
    switch (err->code) {
    case ERR_INPUT:
        problem(x, PROBLEM_INVALID_PARAMETER, err->text);
        break;
    case ERR_NOT_FOUND:
        problem(x, PROBLEM_NOT_FOUND, err->text);
        break;
    case ERR_BUSY:
    case ERR_TIMEOUT:
        problem(x, PROBLEM_UNAVAILABLE, err->text);
        break;
    case ERR_NONE:
    case ERR_DENIED:
    case ERR_REMOTE:
    case ERR_STORE:
    case ERR_BUG:
        /* names files and statements: for our log, not for the client */
        (void)snprintf(x->fault, sizeof x->fault, "%.159s", err->text);
        problem(x, PROBLEM_INTERNAL, "see the server's log for this request_id");
        break;
    }
}

void problem_for_status(int status, const char *request_id, struct buf *out)
{
    enum problem p = status >= 500 ? PROBLEM_INTERNAL : PROBLEM_BAD_REQUEST;
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (problems[i].status == status && i != PROBLEM_INVALID_PARAMETER &&
            i != PROBLEM_CURSOR_INVALID) {
            p = (enum problem)i;
            break;
        }
    }
    struct json_out j = json_out(out);
    json_open(&j, '{');
    write_problem(&j, p, request_id);
    json_close(&j, '}');
}
