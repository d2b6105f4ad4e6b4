/*
 * The event loops: threads loop0..n, each with its listener, connections, timers and worker. What
 * crosses threads comes as messages; nothing else is shared but what worker.h says.
 */
#ifndef GATEHOUSE_API_LOOP_H
#define GATEHOUSE_API_LOOP_H

#include "api/worker.h"

struct loop;
struct loop_options {
    struct shared *shared;
    unsigned index;
    int listener;        /* taken */
    int max_connections; /* near it those that are quiet longest make room for new ones */
    void *tls;           /* SSL_CTX, a reference is taken; NULL = plain */
};

/* Starts the thread and waits until it listens. */
bool loop_start(const struct loop_options *opt, struct loop **ret, struct err *err) MUST_CHECK;
/* Thread: any. Not after loop_stop. */
void loop_post_block(struct loop *l, const struct feed_block *b);
void loop_post_config(struct loop *l, const struct config *config, void *tls);
/* Asks it to accept no more and to end within the time; the last message. */
void loop_stop(struct loop *l, int64_t drain_ms);
void loop_join(struct loop *l); /* and frees it */

#endif
