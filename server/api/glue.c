/*
 * Between h2o's requests and our exchanges. An exchange lives in the request's pool: its dispose
 * runs whenever the request ends, before or after the answer, and unlinks whatever waits.
 *
 * After the final send nothing of the request may be touched. One send at a time: a stream's next
 * one waits for `proceed`. HEAD answers carry the length and no bytes. Bodies are kept by reference
 * until dispose.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/loop_h2o.h"
#include "api/problem.h"
#include "base/clock.h"

struct inflight {
    struct exchange x;
    h2o_generator_t generator;
    h2o_req_t *req;
    struct loop *loop;
    struct conn *conn;
    struct buf gzip_end;
    bool ended; /* h2o told us to stop */
};

struct handler {
    h2o_handler_t super;
    struct loop *loop;
};

static struct inflight *inflight_of(struct exchange *x)
{
    return H2O_STRUCT_FROM_MEMBER(struct inflight, x, x);
}

/* ---- the end of a request ---- */

static void on_dispose(void *p)
{
    struct inflight *f = p;
    worker_gone(&f->loop->worker, &f->x);
    f->x.bytes = (int64_t)f->req->bytes_sent;
    worker_done(&f->loop->worker, &f->x);
    exchange_fini(&f->x);
    buf_fini(&f->gzip_end);
    conn_end(f->conn);
}

/* ---- answers ---- */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {202, "Accepted"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {410, "Gone"},
        {413, "Payload Too Large"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status) {
            return reasons[i].reason;
        }
    }
    return "Unknown";
}

static void add_header(h2o_req_t *req, const char *name, const char *value)
{
    h2o_iovec_t v = h2o_strdup(&req->pool, value, SIZE_MAX);
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, strlen(name), 1, NULL, v.base,
                          v.len);
}

static void add_page_headers(h2o_req_t *req)
{
    add_header(req, "content-security-policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
               "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
               "form-action 'none'; frame-ancestors 'none'");
    add_header(req, "referrer-policy", "no-referrer");
    add_header(req, "cross-origin-opener-policy", "same-origin");
}

static void add_headers(struct inflight *f, bool gzip)
{
    const struct reply *r = &f->x.reply;
    h2o_req_t *req = f->req;
    req->res.status = r->status;
    req->res.reason = reason_of(r->status);
    if (r->content_type != NULL && r->status != 304) {
        add_header(req, "content-type", r->content_type);
    }
    if (r->cache_control != NULL) {
        add_header(req, "cache-control", r->cache_control);
    }
    if (r->etag[0] != '\0') {
        char etag[ETAG_SIZE + 8];
        (void)snprintf(etag, sizeof etag, "\"%s%s\"", r->etag, gzip ? "-g" : "");
        add_header(req, "etag", etag);
        add_header(req, "vary",
                   r->page ? "accept-encoding" : "accept, accept-encoding, authorization");
    }
    for (unsigned i = 0; i < r->n_headers; i++) {
        add_header(req, r->headers[i].name, r->headers[i].value);
    }
    add_header(req, "x-request-id", f->x.req.id);
    add_header(req, "x-content-type-options", "nosniff");
    add_header(req, "cross-origin-resource-policy", r->embed ? "cross-origin" : "same-origin");
    if (r->page) {
        add_page_headers(req);
    }
}

/* Is gzip among what the client takes? "gzip;q=0" is a no. */
static bool takes_gzip(const char *accept_encoding)
{
    const char *p = strstr(accept_encoding, "gzip");
    if (p == NULL) {
        return false;
    }
    p += 4;
    p += strspn(p, " \t");
    if (*p != ';') {
        return true;
    }
    const char *q = strstr(p, "q=");
    return q == NULL || strtod(q + 2, NULL) > 0;
}

static bool compressible(const char *type)
{
    return strncmp(type, "text/", 5) == 0 || strstr(type, "json") != NULL ||
           strstr(type, "javascript") != NULL || strstr(type, "xml") != NULL ||
           strstr(type, "yaml") != NULL;
}

/* Body and tail as up to two pieces, gzip where it pays. Returns how many. */
static size_t content(struct inflight *f, h2o_iovec_t bufs[2], bool *ret_gzip)
{
    struct reply *r = &f->x.reply;
    const char *head = NULL;
    size_t head_len = 0;
    size_t n = 0;
    *ret_gzip = false;
    buf_init(&f->gzip_end, GZIP_TAIL_MAX + 64);
    if (r->body != NULL && compressible(r->content_type) && takes_gzip(f->x.req.accept_encoding) &&
        body_gzip(r->body, buf_str(&r->tail), r->tail.len, &head, &head_len, &f->gzip_end)) {
        *ret_gzip = true;
        bufs[0] = h2o_iovec_init(head, head_len);
        bufs[1] = h2o_iovec_init(f->gzip_end.data, f->gzip_end.len);
        return 2;
    }
    if (r->body != NULL && body_len(r->body) > 0) {
        bufs[n++] = h2o_iovec_init(body_data(r->body), body_len(r->body));
    }
    if (r->tail.len > 0) {
        bufs[n++] = h2o_iovec_init(r->tail.data, r->tail.len);
    }
    return n;
}

static void send_reply(struct inflight *f)
{
    h2o_iovec_t bufs[2];
    bool gzip = false;
    bool bare = f->x.reply.status == 304;
    size_t n = bare ? 0 : content(f, bufs, &gzip);
    h2o_req_t *req = f->req;
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        length += bufs[i].len;
    }
    add_headers(f, gzip);
    if (gzip) {
        add_header(req, "content-encoding", "gzip");
    }
    if (!bare) {
        req->res.content_length = length;
    }
    if (f->loop->stopping || f->conn->leaving || f->x.req.framed_twice) {
        req->http1_is_persistent = 0;
    }
    if (f->x.req.head) {
        n = 0;
    }
    h2o_start_response(req, &f->generator);
    h2o_send(req, bufs, n, H2O_SEND_STATE_FINAL); /* the request may be gone now */
}

static void answer(struct exchange *x)
{
    send_reply(inflight_of(x));
}

/* ---- streams ---- */

static void send_pieces(struct exchange *x, const struct piece *pieces, size_t n, bool last)
{
    struct inflight *f = inflight_of(x);
    h2o_iovec_t bufs[1024];
    if (f->ended) {
        return;
    }
    if (n > sizeof bufs / sizeof bufs[0]) {
        abort(); /* TICK_PIECES_MAX says otherwise */
    }
    for (size_t i = 0; i < n; i++) {
        bufs[i] = h2o_iovec_init(pieces[i].data, pieces[i].len);
    }
    if (last) {
        f->ended = true;
    }
    h2o_send(f->req, bufs, n, last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void on_proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct inflight *f = H2O_STRUCT_FROM_MEMBER(struct inflight, generator, generator);
    (void)req;
    worker_written(&f->x);
}

static void on_stop(h2o_generator_t *generator, h2o_req_t *req)
{
    struct inflight *f = H2O_STRUCT_FROM_MEMBER(struct inflight, generator, generator);
    (void)req;
    f->ended = true; /* dispose follows */
}

static void start_stream(struct inflight *f)
{
    add_headers(f, false);
    f->req->compress_hint = H2O_COMPRESS_HINT_DISABLE;
    f->x.waited = true;
    h2o_start_response(f->req, &f->generator);
    worker_begin(&f->x);
}

/* ---- requests ---- */

static const char *text(h2o_req_t *req, const char *base, size_t len)
{
    return len > 0 ? h2o_strdup(&req->pool, base, len).base : "";
}

static const char *header(h2o_req_t *req, const char *name)
{
    ssize_t i = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    if (i == -1) {
        return "";
    }
    h2o_iovec_t value = req->headers.entries[i].value;
    return text(req, value.base, value.len);
}

static enum method method_of(const h2o_req_t *req, bool *ret_head)
{
    h2o_iovec_t m = req->input.method;
    *ret_head = h2o_memis(m.base, m.len, H2O_STRLIT("HEAD"));
    if (*ret_head || h2o_memis(m.base, m.len, H2O_STRLIT("GET"))) {
        return METHOD_GET;
    }
    if (h2o_memis(m.base, m.len, H2O_STRLIT("POST"))) {
        return METHOD_POST;
    }
    return h2o_memis(m.base, m.len, H2O_STRLIT("DELETE")) ? METHOD_DELETE : METHOD_OTHER;
}

static size_t head_size(const h2o_req_t *req)
{
    size_t n = req->input.method.len + req->input.path.len + req->input.authority.len;
    for (size_t i = 0; i < req->headers.size; i++) {
        n += req->headers.entries[i].name->len + req->headers.entries[i].value.len + 4;
    }
    return n;
}

/* h2o keeps the headers that frame a body to itself: Transfer-Encoding goes before Content-Length,
 * of two Content-Length the first counts. A proxy in front may choose otherwise and see another
 * request in what we take for the body (RFC 9112 6.3, 11.2). The head still lies in front of the
 * body in the socket's buffer, its names in lower case (h2o 2.2 lib/http1.c); no name has a blank
 * before its colon. */
static bool is_framed_twice(const h2o_req_t *req, const h2o_buffer_t *in)
{
    static const char *const names[] = {"content-length:", "transfer-encoding:"};
    const char *end = req->entity.base;
    unsigned found = 0;
    if (end == NULL || end < in->bytes || end > in->bytes + in->size) {
        return false;
    }
    for (const char *at = in->bytes; at != NULL; at = memchr(at, '\n', (size_t)(end - at))) {
        at += *at == '\n' ? 1 : 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            size_t n = strlen(names[i]);
            found += (size_t)(end - at) >= n && memcmp(at, names[i], n) == 0 ? 1 : 0;
        }
    }
    return found > 1;
}

static void new_id(struct loop *l, char id[REQUEST_ID_SIZE])
{
    struct shared *s = l->opt.shared;
    (void)snprintf(id, REQUEST_ID_SIZE, "%08x%08x", s->process,
                   (unsigned)atomic_fetch_add(&s->next_request, 1));
}

static void fill_request(struct inflight *f)
{
    h2o_req_t *req = f->req;
    struct request *r = &f->x.req;
    h2o_iovec_t path = req->input.path;
    bool has_query = req->input.query_at != SIZE_MAX && req->input.query_at < path.len;
    size_t path_len = has_query ? req->input.query_at : path.len;
    size_t query_len = has_query ? path.len - path_len - 1 : 0;
    r->method = method_of(req, &r->head);
    r->path = text(req, path.base, path_len);
    r->query = has_query ? text(req, path.base + path_len + 1, query_len) : "";
    r->host = text(req, req->input.authority.base, req->input.authority.len);
    r->authorization = header(req, "authorization");
    r->if_none_match = header(req, "if-none-match");
    r->accept = header(req, "accept");
    r->accept_encoding = header(req, "accept-encoding");
    r->last_event_id = header(req, "last-event-id");
    r->origin = header(req, "origin");
    r->body = req->entity.base != NULL ? req->entity.base : "";
    r->body_len = req->entity.base != NULL ? req->entity.len : 0;
    r->head_bytes = head_size(req);
    r->framed_twice = is_framed_twice(req, f->conn->sock->input);
    r->text = h2o_mem_alloc_pool(&req->pool, request_text_size(path_len, query_len));
    r->started_us = clock_mono_us();
    new_id(f->loop, r->id);
}

static bool client_left(struct exchange *x)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    int fd = h2o_socket_get_fd(inflight_of(x)->conn->sock);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_state != TCP_ESTABLISHED;
}

static const struct exchange_ops ops = {answer, send_pieces, client_left};

static int on_req(h2o_handler_t *self, h2o_req_t *req)
{
    struct handler *h = (struct handler *)self;
    struct inflight *f = h2o_mem_alloc_shared(&req->pool, sizeof *f, on_dispose);
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    memset(f, 0, sizeof *f);
    f->req = req;
    f->loop = h->loop;
    f->conn = sock->on_close.data;
    conn_begin(f->conn);
    f->generator = (h2o_generator_t){on_proceed, on_stop};
    f->x.ops = &ops;
    f->x.viewer = "";
    fill_request(f);
    switch (worker_serve(&h->loop->worker, &f->x)) {
    case OUTCOME_ANSWER:
        send_reply(f);
        break;
    case OUTCOME_PARKED:
        f->x.waited = true;
        break;
    case OUTCOME_STREAM:
        start_stream(f);
        break;
    }
    return 0;
}

/* ---- answers that h2o makes by itself ---- */

struct problem_stream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_problem(h2o_ostream_t *self, h2o_req_t *req, h2o_iovec_t *bufs, size_t n,
                         h2o_send_state_t state)
{
    struct problem_stream *s = (struct problem_stream *)self;
    (void)bufs; /* h2o's own words: ours instead */
    (void)n;
    h2o_ostream_send_next(&s->super, req, &s->body, 1, state);
}

/* On the fallback path only: 413, 417 and the like, before a request reaches our handler. What is
 * no HTTP to h2o's parser, or has more than its 100 headers, never becomes a request: h2o writes a
 * fixed 400 in plain text to the socket and closes it. */
static void on_setup_problem(h2o_filter_t *self, h2o_req_t *req, h2o_ostream_t **slot)
{
    (void)self;
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    struct conn *c = sock->on_close.data;
    char id[REQUEST_ID_SIZE];
    AUTO(buf) body = BUF_INIT(1024);
    new_id(c->loop, id);
    problem_for_status(req->res.status, id, &body);
    struct problem_stream *s = (struct problem_stream *)h2o_add_ostream(req, sizeof *s, slot);
    s->super.do_send = send_problem;
    s->body = h2o_strdup(&req->pool, body.data, body.len);
    req->res.content_length = s->body.len;
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE,
                   H2O_STRLIT("application/problem+json"), 1);
    add_header(req, "cache-control", "no-store");
    add_header(req, "x-request-id", id);
    add_header(req, "x-content-type-options", "nosniff");
    (void)atomic_fetch_add(&c->loop->opt.shared->counters.requests[4], 1);
    slot = &s->super.next;
    h2o_setup_next_ostream(req, slot);
}

void glue_register(struct loop *l, h2o_hostconf_t *host)
{
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    struct handler *h = (struct handler *)h2o_create_handler(path, sizeof *h);
    h->super.on_req = on_req;
    h->loop = l;
    h2o_filter_t *filter = h2o_create_filter(&host->fallback_path, sizeof *filter);
    filter->on_setup_ostream = on_setup_problem;
}
