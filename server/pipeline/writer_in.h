/* Inside this folder: the writer's state and what its two files ask of each other. Everything but
 * the atomics and what `lock` guards belongs to thread `writer`. */
#ifndef GATEHOUSE_PIPELINE_WRITER_IN_H
#define GATEHOUSE_PIPELINE_WRITER_IN_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "pipeline/pipeline.h"
#include "pipeline/policy.h"

enum {
    BATCH_ITEMS = 512,
    BATCH_BYTES = 2 << 20,    /* a batch is taken in slices until it weighs this */
    HOLD_MS = 5000,           /* a list may hold its transaction open so long */
    HOLD_BYTES = 8 << 20,     /* ... and keep so much of it in memory */
    SETTLE_MS = 60000,        /* judge after this even when some kind has not come */
    JUDGE_BUDGET_US = 100000, /* of one transaction */
    WISH_MS = 1000,           /* between wishes told to the poller */
    HOUSEKEEPING_MS = 60000,  /* between rounds of retention */
    RETAIN_ROWS = 500,        /* removed by one slice of it */
    RETAIN_PAUSE_MS = 50,     /* between slices */
    BEAT_MS = 1000,           /* the thread goes round at least so often */
    RETRY_MS = 1000,          /* between tries of a transaction that fails */
    LAST_TRIES = 3,           /* of such a one when stopping */
    SET_BACK_MS = 5000,       /* the wall clock: more than slewing does */
    SKIP_MAX = 32,            /* judgements put aside, since they fail by our own mistake */
    SKIP_MS = 60000,          /* ... for so long */
    NOTES_SEEN = 1024,        /* annotations complained about already */
    LATENCY_BUCKETS = 12
};

/* Who made a transaction fail. */
enum blame { BLAME_STORE, BLAME_CHANGE, BLAME_JUDGEMENT };

struct skip {
    struct dirty what;
    int64_t until; /* monotonic; 0 = free */
};

struct writer {
    struct writer_options opt;
    const struct config *config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* stop cuts the wait of a failing transaction */
    char error[512];     /* by lock */
    struct arena *arena; /* of one judgement */

    /* Changes that are not committed yet: kept until they are. */
    struct change **held;
    size_t cap_held;
    size_t n_held;
    size_t n_applied; /* of these, in the open transaction */
    size_t held_bytes;

    /* The open transaction. */
    int64_t tx_since; /* monotonic */
    uint64_t judged;
    int queued;  /* deliveries added */
    bool booked; /* results of deliveries booked */
    bool in_tx;

    /* What failed in it by our own mistake is put aside, so that it cannot hold up everything. */
    enum blame blame;
    struct dirty blamed; /* BLAME_JUDGEMENT */
    bool apply_only;     /* the next transaction judges nothing ... */
    bool judge_alone;    /* ... and the one after it applies nothing */
    struct skip skips[SKIP_MAX];
    size_t next_skip;

    bool revision_known;
    bool judging; /* everything is in, or we have waited long enough */
    bool was_settled;
    bool sweep; /* a round of retention starts with a look for orphaned alerts */
    bool wishes_due;
    bool running;
    atomic_bool stopping;
    atomic_bool m_failing;
    atomic_bool m_settled;
    int64_t started_at;      /* monotonic */
    int64_t revision;        /* last committed */
    int64_t look_asked_at;   /* monotonic */
    int64_t next_look;       /* Unix ms; INT64_MAX = none */
    int64_t clock_ahead;     /* of the monotonic clock, when last looked at; 0 = not yet */
    int64_t housekeeping_at; /* monotonic */
    int64_t wishes_at;       /* monotonic */
    uint64_t wishes_hash;
    uint64_t notes_seen[NOTES_SEEN];
    size_t n_notes;

    _Atomic uint64_t m_changes, m_commits, m_judged, m_failures;
    _Atomic int64_t m_last_commit_at, m_beat_ms, m_judge_us_max;
    _Atomic uint64_t m_latency[LATENCY_BUCKETS], m_latency_sum_us;
};

/* ---- transact.c ---- */

/* Is there anything to do in a transaction just now? */
bool transact_wanted(struct writer *w);
/* Applies what is held, judges what is dirty, and commits; or keeps the transaction open while a
 * list is (*ret_committed false). On failure everything is rolled back and what was held is still
 * held. */
bool transact(struct writer *w, struct commit *ret, bool *ret_committed,
              struct err *err) MUST_CHECK;
/* After a failure: puts aside the change or the judgement that was to blame. false: it was the
 * store, and only waiting helps. */
bool transact_put_aside(struct writer *w, const struct err *err);
/* The store's revision, by a transaction that changes nothing. */
bool transact_revision(struct writer *w, struct err *err) MUST_CHECK;
/* Milliseconds until something is due by itself, at most BEAT_MS. */
int transact_wait_ms(const struct writer *w);

#endif
