/*
 * Streams: the subscribers of one loop and what each has seen.
 *
 *   IDLE --tick, something matches--> SENDING --written--> IDLE, or at once the next ticks
 *   SENDING + tick: nothing happens; the subscriber's number says where it stands
 *   any --client gone--> unlinked
 *
 * A subscriber is a number into the ring of ticks and at most one send under way. It owns no queue:
 * one that falls out of the ring is told to resync. What it is being sent stays alive by reference
 * until written, and a dead one is cut by the connection's own time limit. Thread: own loop only.
 */
#ifndef GATEHOUSE_API_SSE_H
#define GATEHOUSE_API_SSE_H

#include "api/tick.h"

enum {
    TICK_MS = 100,
    RING_TICKS = 64,
    RING_BYTES = 8 << 20,
    BEAT_MS = 15000,
    STREAM_AGE_MS = 3600 * 1000,
    PENDING_BLOCKS = 1024
};

struct hub *hub_new(struct worker *w);
void hub_free(struct hub *h); /* accepts NULL; no subscriber is left */

/* A commit's news; a reference is taken. */
void hub_block(struct hub *h, const struct feed_block *b);
/* Milliseconds until the next tick is due; -1 = nothing waits (nor for others: more). */
int64_t hub_wait_ms(const struct hub *h, int64_t now_ms, bool more);
void hub_tick(struct hub *h, int64_t now_ms);
/* Comments to those who have heard nothing for long, an end to those who are old. */
void hub_beat(struct hub *h, int64_t now_ms);
/* Ends all streams: idle ones now, others with what is under way. */
void hub_close(struct hub *h);

/* Makes the exchange a stream. since < 0: from now on. false: the ceiling is reached (a problem is
 * in the reply). */
bool sse_open(struct worker *w, struct exchange *x, const struct stream_filter *filter,
              int64_t since);
/* The answer's head is out: the first bytes may be sent. */
void sse_begin(struct exchange *x);
/* What was sent is written. */
void sse_written(struct exchange *x);
void sse_gone(struct exchange *x);

#endif
