/* Inside this folder: waiting for a rollout and what is said meanwhile. */
#ifndef GATEHOUSE_CLI_WAIT_H
#define GATEHOUSE_CLI_WAIT_H

#include "cli/client.h"

/* Says how it goes: one line that is drawn over on a terminal, else a line when something changed
 * and once a minute. To stderr, so that stdout has the result alone. */
struct progress {
    bool live;
    bool drawn;           /* a live line stands on the terminal */
    int64_t started_ms;   /* monotonic */
    int64_t last_ms;      /* of the last plain line */
    char said[2048];      /* the last plain line */
    char subject[600];    /* "shop/web" */
    const json_t *latest; /* last answer; borrowed, NULL = none yet */
    int64_t latest_ms;    /* when it came, monotonic */
    char trouble[600];    /* why there is no answer at present, "" */
};

void progress_init(struct progress *p, const struct client_target *t);
/* A new answer, or trouble; draws. */
void progress_step(struct progress *p);
/* About once a second while nothing happens. */
void progress_tick(struct progress *p);
/* Removes the live line. */
void progress_end(struct progress *p);
/* The line without time: "progressing: 3 of 12 gates open, ...". Pure. */
void progress_text(const struct progress *p, int64_t now_ms, struct buf *out);

/* The exit code of a Wait answer that ends the waiting. late: the time is up. Pure. */
int wait_code(const json_t *answer, bool late);
/* What is printed at the end. Pure. */
void wait_result(const json_t *answer, const char *subject, int code, int64_t waited_ms,
                 struct buf *out);

#endif
