/* Inside this folder: waiting for a rollout and what is said meanwhile. */
#ifndef GATEHOUSE_CLI_WAIT_H
#define GATEHOUSE_CLI_WAIT_H

#include "cli/client.h"

/* Says how it goes: one line that is drawn over on a terminal, else a line when the state or cause
 * changed, every five seconds while counts move, and once a minute. To stderr, so that stdout has
 * the result alone. */
struct progress {
    bool live;
    bool drawn;           /* a live line stands on the terminal */
    int64_t started_ms;   /* monotonic */
    int64_t last_ms;      /* of the last plain line */
    char said[2048];      /* the last plain line */
    char turn[256];       /* state and cause that it told */
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

/* ---- asking ---- */

/* One wait of one command. */
struct waiting {
    struct client c;
    struct client_target t;
    const char *what; /* serving, complete */
    const char *revision;
    const char *image;
    const char *generation;
    char hash[64];       /* of the revision that fitted the pins; "" = none yet */
    int64_t deadline_ms; /* monotonic; 0 = none */
    int64_t heard_ms;    /* last answer; 0 = never */
    int64_t retry_ms;    /* the server wants to be left alone so long; 0 = it did not say */
    bool streams;        /* as far as is known, a stream comes through */
    bool streamed;       /* one did */
    bool cut;            /* the request was ended by the deadline */
    struct progress progress;
    json_t *answer; /* the last one; ours */
};

/* What came of one request. OK: there is a new answer. AGAIN: there is none, go on (with the other
 * way, if `streams` changed). OVER: it makes no sense to go on; what is wrong is said, and
 * *ret_code is the exit code. */
enum asked { ASKED_OK, ASKED_AGAIN, ASKED_OVER };

/* The verdict as it stands. */
enum asked ask_gate(struct waiting *w, int *ret_code);
/* Until something changes, or the request has lasted long. */
enum asked ask_change(struct waiting *w, int *ret_code);
/* Follows the steps until one ends the waiting; each moves the progress. */
enum asked ask_stream(struct waiting *w, int *ret_code);
/* Milliseconds until the deadline. */
int64_t wait_left_ms(const struct waiting *w);

/* The exit code of a Wait answer that ends the waiting. late: the time is up. Pure. */
int wait_code(const json_t *answer, bool late);
/* What is printed at the end. Pure. */
void wait_result(const json_t *answer, const char *subject, int code, int64_t waited_ms,
                 struct buf *out);

#endif
