/*
 * Manual refreshes: which target groups somebody wants looked at now, and whether that may be. Two
 * limits: a group is looked at again only after a while, whoever asks; and all refreshes together
 * get half of the call rate, so that nobody's finger on a button starves the poll plan. Not
 * guarded: the source holds its lock around each call.
 */
#include "source/elb_refresh.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void elb_refresh_init(struct elb_refresh *r, double rate, double burst, int64_t now)
{
    *r = (struct elb_refresh){.n = 0};
    elb_bucket_init(&r->bucket, rate / 2, burst / 2 > 1 ? burst / 2 : 1, now);
}

void elb_refresh_fini(struct elb_refresh *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->rows[i].arn);
    }
    r->n = 0;
}

/* What was asked long ago and is with the poller needs no memory. */
static void forget_old(struct elb_refresh *r, int64_t now)
{
    for (size_t i = 0; i < r->n;) {
        struct elb_refresh_row *row = &r->rows[i];
        if (row->waiting || now - row->at < ELB_REFRESH_MS) {
            i++;
            continue;
        }
        free(row->arn);
        *row = r->rows[--r->n];
    }
}

static const struct elb_refresh_row *recent(const struct elb_refresh *r, const char *arn)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->rows[i].arn, arn) == 0) {
            return &r->rows[i];
        }
    }
    return NULL;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

size_t elb_refresh_ask(struct elb_refresh *r, struct elb_asked *asked, size_t n, int64_t now,
                       int64_t *ret_wait_ms)
{
    size_t started = 0;
    int64_t wait = ELB_REFRESH_MS;
    forget_old(r, now);
    for (size_t i = 0; i < n; i++) {
        const struct elb_refresh_row *row = recent(r, asked[i].arn);
        asked[i].started = false;
        if (row != NULL) {
            wait = sooner(wait, row->at + ELB_REFRESH_MS - now);
        } else if (r->n == ELB_REFRESH_ROWS || !elb_bucket_take(&r->bucket, now)) {
            wait = sooner(wait, elb_bucket_wait(&r->bucket, now));
        } else {
            r->rows[r->n++] =
                (struct elb_refresh_row){.arn = xstrdup(asked[i].arn), .at = now, .waiting = true};
            asked[i].started = true;
            started++;
        }
    }
    *ret_wait_ms = wait > 1 ? wait : 1;
    return started;
}

size_t elb_refresh_take(struct elb_refresh *r, struct arena *a, const char **ret_arns)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (r->rows[i].waiting) {
            r->rows[i].waiting = false;
            ret_arns[n++] = arena_strdup(a, r->rows[i].arn);
        }
    }
    return n;
}
