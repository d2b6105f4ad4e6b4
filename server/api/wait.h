/*
 * Waiting for a rollout: what is waited for, the verdict, and the waiters of one loop.
 *
 * A waiter is looked at again when the feed names its rollout, at most once a tick, and when its
 * time is up. Pins (revision, image, generation) say which rollout is meant, so that one who asks
 * before the change is seen waits for it instead of getting the old one's verdict.
 *
 * With Accept: text/event-stream each step is an event `progress`, the end is `result` (the body
 * that a plain wait answers) or `problem`. A slow reader gets fewer steps, never a longer queue.
 */
#ifndef GATEHOUSE_API_WAIT_H
#define GATEHOUSE_API_WAIT_H

#include "api/worker.h"

enum wait_for { WAIT_SERVING, WAIT_COMPLETE, WAIT_CHANGE };
enum verdict {
    VERDICT_SERVING,
    VERDICT_WAITING,
    VERDICT_FAILED,
    VERDICT_SUPERSEDED,
    VERDICT_TIMEOUT
};
enum { HASH_TEXT = 64 };

/* What one asks for; texts live as long as the exchange. */
struct wait_ask {
    enum wait_for what;
    const char *cluster; /* NULL = the only one */
    const char *namespace;
    const char *kind;
    const char *name;
    const char *revision; /* NULL = any */
    const char *image;    /* NULL = any */
    int64_t generation;   /* 0 = any */
    int64_t index;        /* of for=change; -1 = as first seen */
    char
        matched[HASH_TEXT]; /* revision hash that first fitted image or generation; "" = none yet */
};
/* Does the rollout fit the pins: the one that is meant, an earlier one, or a later one? */
enum pin { PIN_FITS, PIN_EARLIER, PIN_LATER };
/* past: the pinned revision is in history and not the present one. Remembers the first fit. Pure
 * but for ask->matched. */
enum pin wait_pin(struct wait_ask *ask, const struct rollout_info *info, bool past);
/* The verdict and whether it is what was asked for. Pure. */
enum verdict wait_verdict(const struct wait_ask *ask, const struct rollout_info *info, enum pin pin,
                          bool *ret_met);
const char *verdict_name(enum verdict v);

enum { WAIT_BYTES = 1 << 20 };
struct wait_look {
    bool met;
    bool over; /* nothing is left to wait for */
    enum verdict verdict;
    int64_t index;
};
/* One look at the store, and the rollout as JSON (null while it is not there). ERR_NOT_FOUND only
 * when nothing is pinned. */
bool wait_look(struct worker *w, struct wait_ask *ask, struct wait_look *ret,
               struct buf *ret_rollout, struct err *err) MUST_CHECK;
/* The answer's body. */
bool wait_write(struct worker *w, const struct wait_look *l, const struct buf *rollout,
                struct buf *out, struct err *err) MUST_CHECK;

struct waiters *waiters_new(struct worker *w);
void waiters_free(struct waiters *ws); /* accepts NULL; nobody waits */
void waiters_block(struct waiters *ws, const struct feed_block *b);
bool waiters_touched(const struct waiters *ws);
void waiters_tick(struct waiters *ws);
void waiters_beat(struct waiters *ws, int64_t now_ms);
void waiters_close(struct waiters *ws); /* everyone gets what stands now */
void waiter_gone(struct exchange *x);
/* One that streams: the head is out, what was sent is written. */
void wait_begin(struct exchange *x);
void wait_written(struct exchange *x);

#endif
