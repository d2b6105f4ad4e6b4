/*
 * Inside this folder: what thread `elb` knows. A site is one (account, region, role): it has an
 * identity to sign with, an endpoint and a state; groups and balancers hang on it. Everything here
 * belongs to thread `elb` alone.
 */
#ifndef GATEHOUSE_SOURCE_ELB_POLL_H
#define GATEHOUSE_SOURCE_ELB_POLL_H

#include "base/queue.h"
#include "model/change.h"
#include "source/elb.h"
#include "source/source.h"

enum { ELB_BATCH = 20, ELB_CALLS_MAX = 32, ELB_BUDGET = 500, ELB_BUDGET_RETRY = 5 };

struct elb_rate { /* shared by the sites of one account and region */
    char account[24];
    char region[AWS_REGION_BYTES];
    struct elb_bucket bucket;
    struct elb_rate *next;
};

struct elb_site {
    char account[24];
    char region[AWS_REGION_BYTES];
    char url[AWS_URL_BYTES];
    struct elb_rate *rate; /* borrowed */
    struct aws_identity identity;
    bool no_include; /* the endpoint refused Include */
    int budget;      /* retries left, in tokens */
    /* its state, as last told */
    enum source_state state;
    char message[400];
    unsigned denied; /* bits of calls (enum elb_call_kind) that are refused for want of a right */
    int64_t ok_ms;   /* monotonic, of the last good answer; 0 = none */
    int64_t told_at;
    int64_t blocked_until; /* no credentials: next attempt */
    bool held;             /* in this pass: no credentials yet, or no token */
    struct elb_site *next;
};

struct elb_group_state {
    char *arn;
    struct elb_site *site; /* borrowed */
    bool hot;
    bool attributes; /* are needed */
    bool wanted;     /* in the newest list of wishes */
    bool gone;
    bool single; /* described alone: a batch with it failed */
    bool health_busy;
    bool describe_busy;
    bool attributes_busy;
    int64_t health_due; /* monotonic ms */
    int64_t describe_due;
    int64_t attributes_due;
    int failures;
    uint8_t raw[32];    /* digest of the last health answer's bytes */
    uint8_t digest[32]; /* ... of its rows, sorted */
    bool answered;
    bool asked; /* by hand: the next answer is told as news */
    struct elb_group_state *next;
};

struct elb_reading;
struct elb_balancer_state {
    char *arn;
    struct elb_site *site;
    int64_t due;
    bool busy;
    bool single;
    bool wants_listeners; /* in the newest list of wishes */
    bool wanted_before;   /* ... in the one before: what is wanted anew is read at once */
    bool listeners_busy;
    int64_t listeners_due;
    struct elb_reading *reading; /* what has come of listeners and rules; NULL = nothing */
    struct elb_balancer_state *next;
};

/* X(suffix, API action) */
#define ELB_CALLS(X)                                                                               \
    X(HEALTH, "DescribeTargetHealth")                                                              \
    X(GROUPS, "DescribeTargetGroups")                                                              \
    X(BALANCERS, "DescribeLoadBalancers")                                                          \
    X(ATTRIBUTES, "DescribeTargetGroupAttributes")                                                 \
    X(LISTENERS, "DescribeListeners")                                                              \
    X(RULES, "DescribeRules")
enum elb_call_kind {
#define X(suffix, action) CALL_##suffix,
    ELB_CALLS(X)
#undef X
};
enum { ELB_CALL_KINDS = CALL_RULES + 1 };
const char *elb_call_action(enum elb_call_kind kind);

struct elb_call {
    enum elb_call_kind kind;
    struct elb_site *site;
    struct elb_group_state *groups[ELB_BATCH];
    struct elb_balancer_state *balancers[ELB_BATCH];
    size_t n;
    CURL *easy;
    struct curl_slist *headers;
    struct aws_answer answer;
    char error[CURL_ERROR_SIZE];
};

struct elb_poll {
    const struct elb_options *options;
    struct aws_env env;
    struct arena *arena; /* profiles and paths */
    struct aws_profiles profiles;
    struct aws_identity base; /* the chain's identity */
    struct queue *out;
    CURLM *multi;
    CURL *idle[ELB_CALLS_MAX];
    size_t n_idle;
    struct elb_call *calls[ELB_CALLS_MAX];
    size_t n_calls;
    struct elb_rate *rates;
    struct elb_site *sites;
    struct elb_group_state *groups;
    struct elb_balancer_state *balancers;
    size_t n_groups;
    enum source_state state; /* of "aws" as a whole, as last told */
    char message[400];
    int64_t ok_ms; /* monotonic, of the last good answer; 0 = none */
    int64_t told_at;
    uint64_t m_calls, m_errors, m_throttled, m_connections;
    int64_t skew_ms;
};

/* Groups and sites from a list of wishes; what is not in it any more is dropped. */
void elb_poll_take(struct elb_poll *p, const struct elb_wish *wishes, size_t n);
/* Everything about a group is due now, since somebody asked. */
void elb_poll_refresh(struct elb_poll *p, const char *arn, int64_t mono);
/* Starts every call that is due and may go out. Returns ms until something is due. */
int64_t elb_poll_start(struct elb_poll *p, int64_t mono);
/* Takes a finished call's answer apart, tells the writer, plans what is next; frees the call. */
void elb_poll_finish(struct elb_poll *p, struct elb_call *call, CURLcode rc, int64_t mono);
/* Tells states that changed, and signs of life. */
void elb_poll_report(struct elb_poll *p, int64_t mono);
void elb_poll_site_state(struct elb_site *s, enum source_state state, const char *fmt, ...)
    FORMAT(3, 4);
/* A call that is not essential was refused, or is answered again. */
void elb_poll_denied(struct elb_site *s, enum elb_call_kind kind, bool denied);
void elb_poll_fini(struct elb_poll *p);

/* ---- for each other ---- */

/* The group of that ARN, or NULL. */
struct elb_group_state *elb_poll_group(const struct elb_poll *p, const char *arn);
/* The balancer of that ARN; a new one is described at once. */
struct elb_balancer_state *elb_poll_balancer(struct elb_poll *p, struct elb_site *s,
                                             const char *arn, int64_t mono);
/* May a call of this site go out now? When not, the site is held for this pass (the others are
 * not), and *wait is the time until it may, where that is known. */
bool elb_poll_may_start(struct elb_poll *p, struct elb_site *s, int64_t mono,
                        const struct aws_credentials **ret, int64_t *wait);
void elb_poll_start_call(struct elb_poll *p, const struct elb_call *plan,
                         const struct aws_credentials *with);
/* To the writer; takes c. */
void elb_poll_push(struct elb_poll *p, struct change *c);

/* Calls LISTENERS and RULES: their parameters, those that are due, a whole answer, a failure that
 * is not worth another try now. */
void elb_listeners_body(const struct elb_call *call, struct buf *body);
void elb_listeners_start(struct elb_poll *p, int64_t mono, int64_t *wait);
bool elb_listeners_take(struct elb_poll *p, const struct elb_call *call, int64_t mono,
                        struct err *err) MUST_CHECK;
void elb_listeners_failed(struct elb_poll *p, const struct elb_call *call, enum elb_class why,
                          int64_t mono);
void elb_listeners_drop(struct elb_balancer_state *b);

#endif
