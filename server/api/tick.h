/*
 * Ticks: what a tenth of a second changed, rendered once for all streams of a loop.
 *
 * Each changed thing becomes one frame, an SSE event without its id, from one snapshot: ten changes
 * of one rollout are one frame. Frames lie one after the other, so a stream that takes them all
 * sends two pieces, and a filtered one sends the runs that match. The revision stands once, at the
 * end of what is sent: an event in the middle must not claim that all before that number was seen.
 *
 *   frame   "event: rollout\ndata: {...}\n" "\n"
 *   sent    frame "\n" frame "\n" ... frame, then the trailer "id: 42\n\n"
 */
#ifndef GATEHOUSE_API_TICK_H
#define GATEHOUSE_API_TICK_H

#include "api/http.h"
#include "api/worker.h"

enum { TICK_ITEMS_MAX = 500, TICK_BYTES_MAX = 8 << 20, TICK_PIECES_MAX = 2 * TICK_ITEMS_MAX + 8 };

/* What a stream wants. Texts live as long as its exchange. */
struct stream_filter {
    const char *const *namespaces;
    size_t n_namespaces;           /* 0 = all */
    const char *kind;              /* NULL = all */
    const char *name;              /* NULL = all */
    uint32_t states;               /* 0 = all */
    const char *cause;             /* NULL = all */
    const char *q;                 /* NULL = all */
    const struct selector *labels; /* NULL = all */
};
/* One rollout: such a stream gets its pods too. */
static inline bool filter_is_single(const struct stream_filter *f)
{
    return f->n_namespaces == 1 && f->kind != NULL && f->name != NULL;
}

struct frame {
    enum feed_what what;
    const char *namespace;
    const char *kind; /* of the workload */
    const char *name; /* of the workload, namespace or source */
    const char *cause;
    struct kvs labels; /* of the workload, read while someone picks by them */
    int state;         /* of the rollout; -1 = deleted */
    size_t at;         /* in bytes; the closing newline included */
    size_t len;
    size_t left_at; /* in lefts: the short form for streams whose filter it left */
    size_t left_len;
};

struct tick {
    unsigned refs; /* of one loop: plain */
    int64_t revision;
    bool resync; /* too much at once: read the lists again */
    struct buf bytes;
    struct buf lefts;
    struct arena *arena;
    struct frame *frames;
    size_t n;
    char trailer[32];
    size_t trailer_len;
};

/* Which of many workloads someone follows: a counting filter, wrong only towards "yes". */
enum { FOLLOW_SLOTS = 4096 };
struct follow {
    uint16_t slots[FOLLOW_SLOTS];
    unsigned n;        /* streams of one rollout */
    unsigned wide;     /* other streams */
    unsigned picky;    /* streams with state, cause or labels */
    unsigned labelled; /* streams with labels */
};
void follow_add(struct follow *f, const struct stream_filter *filter, int by);

/* Never NULL. Thread: own loop only. */
struct tick *tick_build(struct worker *w, const struct follow *follow,
                        const struct feed_block *const *blocks, size_t n);
struct tick *tick_ref(struct tick *t);
void tick_unref(struct tick *t); /* accepts NULL */

/* Appends the pieces that match, with the trailer; none when nothing matches. Room for
 * TICK_PIECES_MAX. Returns how many were added. */
size_t tick_pieces(const struct tick *t, const struct stream_filter *f, struct piece *pieces);

#endif
