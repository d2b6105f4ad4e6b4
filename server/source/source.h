/*
 * Sources: the threads that watch Kubernetes (`kube`) and poll ELBv2 (`elb`). Each pushes struct
 * change into the writer's queue and waits for nobody else. The door of this folder.
 */
#ifndef GATEHOUSE_SOURCE_SOURCE_H
#define GATEHOUSE_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/queue.h"
#include "model/change.h"

/* Where a kind's stream stood when the process last stopped; from the store, for resuming. */
struct kube_resume {
    const char *resource_version[KIND_COUNT]; /* "" or NULL = list anew */
    const char *cluster_uid;                  /* of the stored rows; "" = none */
};

struct kube_options {
    const char *kubeconfig; /* path list as in KUBECONFIG, NULL = environment, ~/.kube/config,
                               in-cluster account */
    const char *context;    /* NULL = current-context */
    const char *const *namespaces; /* NULL-ended, at most KUBE_NAMESPACES_MAX; NULL or none = all */
    bool protobuf;                 /* ask for protobuf (default true) */
    bool watch_list;               /* try WatchList first (default true) */
    bool compress;                 /* ask for gzip wherever a server may send it */
    int64_t verify_interval_ms;    /* periodic verification, 0 = never */
    int64_t discovery_interval_ms;
    int64_t page_size;
};

/* Each named namespace costs a connection a kind. */
enum { KUBE_NAMESPACES_MAX = 16 };

struct kube_source;
/* Reads kubeconfig or the in-cluster account; does not connect yet. ERR_INPUT with file and place,
 * or too many namespaces. The options' texts are borrowed for the source's life. */
bool kube_source_new(const struct kube_options *opt, struct queue *out, struct kube_source **ret,
                     struct err *err) MUST_CHECK;
/* Starts thread `kube`. resume is copied. */
bool kube_source_start(struct kube_source *k, const struct kube_resume *resume,
                       struct err *err) MUST_CHECK;
void kube_source_stop(struct kube_source *k); /* asks, joins (within 2 s) */
void kube_source_free(struct kube_source *k);
const char *kube_source_context(
    const struct kube_source *k); /* a name for the cluster: context or "in-cluster" */

/* One target group the poller should look at. */
struct elb_wish {
    const char *arn;      /* "" when only the name is known */
    const char *name;     /* targetGroupName, "" */
    const char *role_arn; /* iamRoleArnToAssume, "" */
    const char *external_id;
    const char *vpc_id;
    bool hot;             /* a rollout, a closed gate or a non-healthy target needs it fast */
    bool attributes;      /* a finding needs them */
    const char *balancer; /* ARN: a finding needs its listeners and rules; "" or NULL = none */
};
struct elb_options {
    bool required;        /* missing credentials are an error, not a quiet "absent" */
    const char *region;   /* for STS; NULL = environment, profile, IMDS. ELBv2: by each ARN */
    const char *profile;  /* NULL = environment */
    const char *endpoint; /* NULL = by rules of facts */
    double rate;          /* calls a second per account and region */
    double burst;
    int64_t hot_interval_ms;
    int64_t idle_interval_ms;
};
struct elb_source;
/* Reads profile files; does not connect yet. Options are borrowed for the source's life. ERR_INPUT
 * with file and line. */
bool elb_source_new(const struct elb_options *opt, struct queue *out, struct elb_source **ret,
                    struct err *err) MUST_CHECK;
bool elb_source_start(struct elb_source *e, struct err *err) MUST_CHECK;
/* Replaces the list of wishes; everything is copied before it returns. Thread: any (the writer
 * calls it after commits). */
void elb_source_wish(struct elb_source *e, const struct elb_wish *wishes, size_t n);
/* A target group that somebody wants looked at now. */
struct elb_asked {
    const char *arn;
    bool started; /* out: false = it was asked for a moment ago, or the rate is used up */
};
/* A manual refresh: health, description and what a finding needs, as soon as the call rate allows.
 * ERR_BUSY when nothing was started; *ret_wait_ms (set always) tells when asking again makes sense.
 * Thread: any. */
bool elb_source_refresh(struct elb_source *e, struct elb_asked *asked, size_t n,
                        int64_t *ret_wait_ms, struct err *err) MUST_CHECK;
void elb_source_stop(struct elb_source *e);
void elb_source_free(struct elb_source *e);

/* Counters of both sources for /metrics; plain reads of atomics. Thread: any. */
struct source_metrics {
    uint64_t kube_events;
    uint64_t kube_bytes;
    uint64_t kube_lists;
    uint64_t kube_relists_410;
    uint64_t kube_watch_closed_early;
    uint64_t kube_decode_errors;
    uint64_t kube_retries;
    uint64_t elb_calls;
    uint64_t elb_errors;
    uint64_t elb_throttled;
    uint64_t elb_connections;
    int64_t elb_clock_skew_ms;
};
void kube_source_metrics(const struct kube_source *k, struct source_metrics *m);
void elb_source_metrics(const struct elb_source *e, struct source_metrics *m);

#endif
