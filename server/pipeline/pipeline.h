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
#include "model/words.h"
#include "store/store.h"

/* What one commit changed, one immutable refcounted block per revision, shared by all loops. */
enum feed_what { FEED_ROLLOUT, FEED_POD, FEED_NAMESPACE, FEED_ALERT, FEED_SOURCE };
struct feed_item {
    enum feed_what what;
    int64_t workload_id; /* ROLLOUT, POD, ALERT (0 = none) */
    int64_t ns_id;       /* 0 = cluster-wide */
    const char *namespace;
    const char *kind; /* workload kind; ALERT: alert type; SOURCE: source name */
    const char *name; /* workload or pod name */
    int state;        /* rollout or pod state after the commit; -1 = deleted */
    int from_state;   /* before; -1 = new */
};
struct feed_block {
    int64_t revision; /* the store's commit counter */
    int64_t at;       /* Unix ms of the commit */
    uint32_t n;
    const struct feed_item *items;
    bool list_changed; /* some rollout's list columns changed */
    bool summary_changed;
};
/* Thread: any (atomic count). */
const struct feed_block *feed_block_ref(const struct feed_block *b);
void feed_block_unref(const struct feed_block *b);

struct feed;
/* ring_size blocks are kept for resuming readers. */
struct feed *feed_new(size_t ring_size);
void feed_free(struct feed *f);
/* Calls fn(arg, block) after each publish, on the writer thread: it must only hand the block (ref
 * it) to its own thread and never wait. Before start. */
void feed_subscribe(struct feed *f, void (*fn)(void *arg, const struct feed_block *b), void *arg);
/* Takes the block's reference. Thread: writer only. */
void feed_publish(struct feed *f, struct feed_block *b);
/* The blocks after `revision`, oldest first, referenced, at most max; -1 when the ring no longer
 * reaches back to it. Thread: any. */
int feed_since(struct feed *f, int64_t revision, const struct feed_block **blocks, int max);
int64_t feed_revision(struct feed *f); /* newest published. Thread: any */

#endif
