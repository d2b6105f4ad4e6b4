/*
 * One transfer of a watch machine and what is read from it: a page of a list, a WatchList or a
 * watch, of the whole cluster or of one namespace. Bytes in, records into the machine's batch; when
 * the batch cannot leave, what is not read yet stays in the frame reader and the socket is held.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_STREAM_H
#define GATEHOUSE_SOURCE_KUBE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "source/kube_client.h"
#include "source/kube_emit.h"
#include "source/kube_frame.h"

enum stream_mode {
    STREAM_PAGE,    /* a page of a list */
    STREAM_INITIAL, /* WatchList: objects come as events until a bookmark ends them */
    STREAM_WATCH    /* live */
};

/* How far a transfer came. */
enum stream_reach {
    REACH_NOTHING, /* no answer, or only that nobody is there to give one (5xx) */
    REACH_ANSWER,  /* a refusal */
    REACH_OPEN     /* 200 */
};

struct watch_counters {
    uint64_t events;
    uint64_t lists;
    uint64_t relists_410;
    uint64_t closed_early;
    uint64_t decode_errors;
    uint64_t retries;
};

struct kube_watch;

struct watch_stream {
    struct kube_watch *watch;        /* whose machine; borrowed */
    struct kube_emit *emit;          /* of the machine; borrowed */
    struct watch_counters *counters; /* borrowed */
    const char *namespace;           /* "" = all; borrowed */
    enum stream_mode mode;
    struct kube_call *call; /* NULL = not running */
    struct frame_reader reader;
    char rv[64];             /* where the watch goes on */
    char *token;             /* PAGE: the page that is asked for; NULL = the first */
    bool exact;              /* PAGE: the state at rv is asked for, not the newest */
    char page_rv[64];        /* PAGE: metadata of the page */
    char *page_continue;     /* PAGE: token of the next page; NULL = last */
    bool good;               /* it counts as working: data came, or it has lived long enough */
    bool expired;            /* an ERROR event said 410, or something that only a list can heal */
    bool too_large;          /* an ERROR event said the version is from the future */
    bool throttled;          /* an ERROR event said 429 */
    bool told;               /* an ERROR event ended it, whatever it said */
    uint64_t received;       /* events and bookmarks since the start of this transfer */
    int64_t began_ms;        /* monotonic */
    int64_t opened_ms;       /* monotonic; 0 = no 200 yet */
    int64_t due_ms;          /* monotonic: next try when not running */
    int64_t asked_ms;        /* monotonic: not before that, as the server asked */
    int64_t backoff_ms;      /* 0 = healthy */
    enum stream_reach reach; /* of the last transfer */
    unsigned failures;       /* in a row, since it was good */
    unsigned denials; /* 403 in a row: a server that was gone before says it while it starts */
    unsigned stuck;   /* transfers in a row that broke on damage before anything new came */
};

void stream_init(struct watch_stream *s, struct kube_emit *emit, struct watch_counters *counters);
void stream_fini(struct watch_stream *s);
/* The token of the page to ask for; takes it. NULL = the first. */
void stream_set_token(struct watch_stream *s, char *token);
/* A transfer of this mode begins: forgets what the last one left. */
void stream_reset(struct watch_stream *s, enum stream_mode mode);
/* The answer began: picks the framing. */
void stream_open(struct watch_stream *s, bool protobuf);
/* kube_handler.on_data; arg is the stream. */
bool stream_data(void *arg, const char *data, size_t len, bool *ret_wait);
/* Reads what is buffered as far as the batch can leave. false: the body is damaged or ended itself
 * (an ERROR event); s->call->error has the words. */
bool stream_drain(struct watch_stream *s);
/* The transfer has ended: reads the rest, waiting for room. ERR_REMOTE when the body was cut. */
bool stream_finish(struct watch_stream *s, struct err *err) MUST_CHECK;

/* Did the server say that the version asked for is from its future (client-go's rule)? */
bool stream_too_large(const struct kube_status *status);

#endif
