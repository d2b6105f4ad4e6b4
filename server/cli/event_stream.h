/*
 * Inside this folder: the text of a server-sent event stream, read as it comes.
 * Source of the format: html.spec.whatwg.org, "server-sent events". `id` and `retry` are ignored:
 * what is read here begins anew after a cut.
 */
#ifndef GATEHOUSE_CLI_EVENT_STREAM_H
#define GATEHOUSE_CLI_EVENT_STREAM_H

#include "base/buf.h"

enum { EVENT_NAME_BYTES = 32 };

/* Zero but for the limits (EVENT_STREAM_INIT). */
struct event_stream {
    struct buf line; /* the one that is not whole yet */
    struct buf data; /* of the event that is not whole yet; each line ends with \n */
    char name[EVENT_NAME_BYTES];
    bool after_cr; /* a \n that comes now belongs to it */
    bool broken;   /* a line or an event was longer than the limit */
};
#define EVENT_STREAM_INIT(limit_bytes)                                                             \
    {                                                                                              \
        .line = BUF_INIT(limit_bytes), .data = BUF_INIT(limit_bytes)                               \
    }
void event_stream_fini(struct event_stream *s);
static inline void event_stream_auto(struct event_stream *s)
{
    event_stream_fini(s);
}

/* Takes one event; data is `len` bytes with a NUL behind them, borrowed. false: enough. */
typedef bool event_fn(void *arg, const char *name, const char *data, size_t len);

/* Hands each whole event of the bytes so far to fn. false: fn has enough, or it is `broken`. */
bool event_stream_feed(struct event_stream *s, const char *bytes, size_t len, event_fn *fn,
                       void *arg);

#endif
