/*
 * A request and its answer, as everything here but the loop sees them: no socket, no h2o.
 *
 * An exchange lives from the arrival of a request to the moment its last byte is written or the
 * client is gone. A handler answers at once (fills reply), parks the exchange (a waiter answers
 * later through exchange_answer) or makes it a stream. When the client leaves first, exchange_gone
 * unlinks whatever waits. One thread: the loop that took the connection.
 */
#ifndef GATEHOUSE_API_HTTP_H
#define GATEHOUSE_API_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/body.h"
#include "base/arena.h"
#include "base/buf.h"

enum method { METHOD_GET = 1, METHOD_POST = 2, METHOD_DELETE = 4, METHOD_OTHER = 8 };

enum {
    PARAMS_MAX = 32,
    SEGMENTS_MAX = 12,
    ERRORS_MAX = 8,
    HEADERS_MAX = 4,
    HEAD_BYTES = 16 << 10,
    ETAG_SIZE = 40,
    REQUEST_ID_SIZE = 20
};

/* One query parameter, decoded. */
struct param {
    const char *name;
    const char *value;
};

/* Texts live as long as the exchange; "" when absent. */
struct request {
    enum method method;
    bool head;         /* a GET whose body is not wanted */
    const char *path;  /* as sent, without the query */
    const char *query; /* as sent, after '?'; "" */
    const char *host;
    const char *authorization;
    const char *if_none_match;
    const char *accept;
    const char *accept_encoding;
    const char *last_event_id;
    const char *origin;
    const char *body;
    size_t body_len;
    size_t head_bytes; /* of request line and headers, about */
    bool framed_twice; /* more than one header says where the body ends */
    char id[REQUEST_ID_SIZE];
    int64_t started_us; /* monotonic */

    /* set by routing */
    char *text; /* room for decoded segments and parameters: request_text_size() bytes */
    const char *segments[SEGMENTS_MAX];
    unsigned n_segments;
    const char *args[4]; /* values of the pattern's {names}, in order */
    struct param params[PARAMS_MAX];
    unsigned n_params;
};

struct input_error {
    const char *parameter;
    char detail[160];
};

struct header {
    const char *name; /* lower case, static */
    char value[80];
};

struct reply {
    int status;                /* 0 = not filled in yet */
    const char *content_type;  /* static */
    const char *cache_control; /* static; NULL = none */
    struct body *body;         /* a reference; NULL = none */
    struct buf tail;           /* bytes after the body */
    char etag[ETAG_SIZE];      /* without quotes; "" = none */
    struct header headers[HEADERS_MAX];
    unsigned n_headers;
    bool page;  /* a document: gets the content security policy */
    bool embed; /* a picture that pages elsewhere may show */
};

/* What request.text must hold: decoding never grows, each piece gets its NUL. */
static inline size_t request_text_size(size_t path_len, size_t query_len)
{
    return path_len + query_len + SEGMENTS_MAX + (size_t)2 * PARAMS_MAX + 2;
}

struct waiter;
struct subscriber;

struct exchange {
    struct request req;
    struct reply reply;
    struct input_error *errors; /* up to ERRORS_MAX; NULL = none */
    unsigned n_errors;
    struct waiter *waiter;          /* while parked */
    struct subscriber *subscriber;  /* while streaming */
    struct arena *arena;            /* what a handler keeps as long; NULL = nothing */
    const char *viewer;             /* name of the token, "" */
    char fault[160];                /* what went wrong inside: for the request log only */
    bool waited;                    /* parked or streamed: its time is not ours */
    int64_t bytes;                  /* of the answer, for the request log */
    const struct exchange_ops *ops; /* of the loop */
};

/* Bytes to send: borrowed until the stream says it has written them. */
struct piece {
    const char *data;
    size_t len;
};
/* What the loop offers. */
struct exchange_ops {
    /* Sends x->reply. For parked exchanges. */
    void (*answer)(struct exchange *x);
    /* Sends pieces (never none); worker_written(x) follows once they are out. last: the stream ends
     * with them (it may be gone on return, and there may be none). */
    void (*send)(struct exchange *x, const struct piece *pieces, size_t n, bool last);
    /* Has the client closed its end? Nothing is read from it while it is parked, so it is asked
     * for. */
    bool (*left)(struct exchange *x);
};

enum outcome { OUTCOME_ANSWER, OUTCOME_PARKED, OUTCOME_STREAM };

void reply_header(struct reply *r, const char *name, const char *fmt, ...) FORMAT(3, 4);
/* Frees what reply and errors hold. */
void exchange_fini(struct exchange *x);

#endif
