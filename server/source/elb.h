/*
 * ELBv2, inside this folder: readers of its XML, error classes, the poll plan. The thread stands in
 * elb_source.c.
 */
#ifndef GATEHOUSE_SOURCE_ELB_H
#define GATEHOUSE_SOURCE_ELB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/object.h"
#include "source/aws.h"

/* ---- XML: whole answers only; ERR_INPUT on damage, DOCTYPE, a missing result ---- */

/* Targets sorted by (id, port); addresses in canonical form. Everything lives in the arena. */
bool elb_read_health(const char *xml, size_t len, struct arena *a, struct elb_target **ret,
                     uint32_t *ret_n, struct err *err) MUST_CHECK;
struct elb_page {
    struct list items;
    const char *marker; /* NextMarker, "" = the last page */
};
/* struct elb_group; attributes are not in this answer. */
bool elb_read_groups(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                     struct err *err) MUST_CHECK;
/* struct elb_balancer */
bool elb_read_balancers(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                        struct err *err) MUST_CHECK;
bool elb_read_attributes(const char *xml, size_t len, struct arena *a, struct list *ret,
                         struct err *err) MUST_CHECK;
/* Where an action sends what it takes. */
struct elb_share {
    const char *group_arn;
    int64_t weight; /* -1 = none given: all of it */
};
struct elb_action {
    const char *type; /* forward, redirect, fixed-response, authenticate-oidc ... */
    int64_t order;
    const char *group_arn; /* "" */
    struct list shares;    /* struct elb_share */
};
struct elb_listener_row {
    const char *arn;
    int64_t port;
    const char *protocol;
    struct list actions; /* struct elb_action: what happens where no rule matches */
};
struct elb_rule_row {
    const char *priority; /* a number as text, or "default" */
    int64_t is_default;
    struct list actions;
};
/* struct elb_listener_row */
bool elb_read_listeners(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                        struct err *err) MUST_CHECK;
/* struct elb_rule_row */
bool elb_read_rules(const char *xml, size_t len, struct arena *a, struct elb_page *ret,
                    struct err *err) MUST_CHECK;
/* Credentials of AssumeRole and AssumeRoleWithWebIdentity. */
bool elb_read_sts(const char *xml, size_t len, struct aws_credentials *ret,
                  struct err *err) MUST_CHECK;

struct elb_error {
    char code[100];    /* first Error/Code anywhere; "HTTP 502" when the body is no XML */
    char message[400]; /* "" = none */
};
void elb_read_error(int status, const char *xml, size_t len, struct elb_error *ret);

/* X(suffix, meaning): what to do about a failed call */
#define ELB_CLASSES(X)                                                                             \
    X(THROTTLE, "slow the bucket, try later")                                                      \
    X(TRANSIENT, "try again under the budget; keep old rows")                                      \
    X(CREDENTIALS, "fetch credentials anew once, then report")                                     \
    X(CLOCK, "do not repeat; say how far the clock is off")                                        \
    X(PERMISSION, "do not repeat in this pass; say which action is missing")                       \
    X(GONE, "the thing does not exist")                                                            \
    X(BUG, "our request is wrong: report, do not repeat")
enum elb_class {
#define X(suffix, text) ELB_##suffix,
    ELB_CLASSES(X)
#undef X
};
/* status 0 = no answer. Pure. */
enum elb_class elb_error_class(int status, const char *code);

/* ---- the token bucket: one per account and region; time in Unix or monotonic ms ---- */

struct elb_bucket {
    double rate; /* tokens a second, now */
    double full_rate;
    double burst;
    double tokens;
    int64_t at;           /* last refill */
    int64_t throttled_at; /* 0 = never */
};
void elb_bucket_init(struct elb_bucket *b, double rate, double burst, int64_t now);
bool elb_bucket_take(struct elb_bucket *b, int64_t now);
/* ms until a token is there; 0 = now */
int64_t elb_bucket_wait(struct elb_bucket *b, int64_t now);
/* Halves the rate and empties the bucket; it recovers by 0.5/s for each 10 s without throttling. */
void elb_bucket_throttled(struct elb_bucket *b, int64_t now);

/* How long until a group's next health poll: hot ones by the hot interval; idle ones every 30 s
 * while half of the rate allows it, spread, at most idle_ms apart. */
int64_t elb_poll_interval(bool hot, size_t idle_groups, double rate, int64_t hot_ms,
                          int64_t idle_ms);

#endif
