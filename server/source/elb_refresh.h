/*
 * Inside this folder: what was asked for by hand and is not with the poller yet, and what was asked
 * for a moment ago.
 */
#ifndef GATEHOUSE_SOURCE_ELB_REFRESH_H
#define GATEHOUSE_SOURCE_ELB_REFRESH_H

#include "source/elb.h"
#include "source/source.h"

enum {
    ELB_REFRESH_MS = 5000,  /* a group is asked for again only after that */
    ELB_REFRESH_ROWS = 512, /* when so many were asked for, the next ones wait */
};

struct elb_refresh_row {
    char *arn; /* owned */
    int64_t at;
    bool waiting; /* the poller has not taken it yet */
};
struct elb_refresh {
    struct elb_bucket bucket; /* half of the call rate */
    struct elb_refresh_row rows[ELB_REFRESH_ROWS];
    size_t n;
};

/* rate and burst: those of the poll plan. now: monotonic ms, here and below. */
void elb_refresh_init(struct elb_refresh *r, double rate, double burst, int64_t now);
void elb_refresh_fini(struct elb_refresh *r);
/* Marks what may be looked at; returns how many that are. *ret_wait_ms: when one of the others may
 * be. */
size_t elb_refresh_ask(struct elb_refresh *r, struct elb_asked *asked, size_t n, int64_t now,
                       int64_t *ret_wait_ms);
/* What waits, for the poller: at most ELB_REFRESH_ROWS names in the arena. */
size_t elb_refresh_take(struct elb_refresh *r, struct arena *a, const char **ret_arns);

#endif
