/*
 * The pipeline: sources push changes, the one writer applies, judges, alerts and commits them, the
 * feed publishes each revision. The door of this folder: writer and feed.
 *
 *   queue -> apply -> judge what was touched -> alerts -> outbox -> COMMIT -> feed
 */
#ifndef GATEHOUSE_PIPELINE_PIPELINE_H
#define GATEHOUSE_PIPELINE_PIPELINE_H

#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "config/config.h"
#include "model/words.h"
#include "source/source.h"
#include "store/store.h"

/* ---- feed ---- */

/* What one commit changed: one immutable refcounted block per revision, shared by all loops. */
struct feed_block {
    int64_t revision; /* the store's commit counter */
    int64_t at;       /* Unix ms of the commit */
    uint32_t n;
    const struct feed_item *items; /* texts live in the block */
    bool list_changed;             /* some rollout's list columns changed */
    bool summary_changed;
    bool overflow; /* more changed than items tells: readers must load anew */
};
/* Thread: any (atomic count). */
const struct feed_block *feed_block_ref(const struct feed_block *b);
void feed_block_unref(const struct feed_block *b); /* accepts NULL */

struct feed;
/* ring_size blocks are kept for resuming readers. */
struct feed *feed_new(size_t ring_size);
void feed_free(struct feed *f);
/* Calls fn(arg, block) after each publish, on the writer thread: it must only hand the block (ref
 * it) to its own thread and never wait. Before start. */
void feed_subscribe(struct feed *f, void (*fn)(void *arg, const struct feed_block *b), void *arg);
/* The store stands at this revision: readers that have seen it miss nothing. Before the first
 * publish. Thread: writer only. */
void feed_start(struct feed *f, int64_t revision);
/* Copies the commit into a block and publishes it. Thread: writer only. */
void feed_publish(struct feed *f, const struct commit *c, int64_t at);
/* The blocks after `revision`, oldest first, referenced, at most max; -1 when the ring no longer
 * reaches back to it. Thread: any. */
int feed_since(struct feed *f, int64_t revision, const struct feed_block **blocks, int max);
int64_t feed_revision(struct feed *f); /* newest published. Thread: any */

/* ---- writer ---- */

struct writer;
struct writer_options {
    struct store *store; /* borrowed; the writer thread uses it alone until writer_stop returns */
    struct queue *in;    /* of struct change *; sources, API and deliver push into it */
    struct feed *feed;
    const struct config *config; /* a reference is taken */
    struct elb_source *elb;      /* NULL = none; told its wishes after commits */
    /* How it is told; NULL = elb_source_wish, tests listen here. */
    void (*elb_wish)(struct elb_source *e, const struct elb_wish *wishes, size_t n);
    /* Told after commits that added or booked deliveries, to wake the deliver thread; NULL = none.
     */
    void (*on_delivery)(void *arg);
    void *on_delivery_arg;
};
bool writer_start(const struct writer_options *opt, struct writer **ret,
                  struct err *err) MUST_CHECK;
/* Closes the queue, drains and commits what is in it, joins. */
void writer_stop(struct writer *w);
void writer_free(struct writer *w);

/* Pushes COMMAND_RELOADED with a reference to the new configuration. Thread: any. */
void writer_reload(struct queue *in, const struct config *config);

/* Plain reads of atomics. Thread: any. */
struct writer_metrics {
    uint64_t changes; /* applied */
    uint64_t commits;
    uint64_t judged;        /* rollouts judged */
    uint64_t failures;      /* transactions that failed and were tried again */
    int64_t last_commit_at; /* Unix ms */
    int64_t beat_ms;        /* monotonic: last time the thread went round, commit or not */
    int64_t judge_us_max;   /* slowest judgement, with its facts */
    bool failing;           /* the store refuses writes just now */
    bool settled;           /* all kinds are in: verdicts are whole */
    /* arrival -> committed, a histogram: counts of <= 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000,
     * 2500 ms and above */
    uint64_t latency[12];
    uint64_t latency_sum_us;
};
void writer_metrics(const struct writer *w, struct writer_metrics *ret);
char *writer_error(const struct writer *w, char *text, size_t size); /* why failing, "" */

#endif
