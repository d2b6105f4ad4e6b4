/*
 * The watch machine of one kind: discovery says it is there -> WatchList, else paged list -> watch,
 * for ever. The rules and their moves stand in kube_watch.c.
 *
 * One machine follows the whole cluster, or each of a few namespaces: their lists are taken one
 * after the other as one list, then each namespace has a watch of its own. Kinds without a
 * namespace are always followed cluster-wide. Named namespaces are never resumed from the store:
 * their streams stand at different versions, and another start may name others.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_WATCH_H
#define GATEHOUSE_SOURCE_KUBE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "model/change.h"
#include "source/kube_client.h"
#include "source/kube_emit.h"
#include "source/kube_stream.h"
#include "source/source.h"

/* X(suffix, meaning), in order of life */
#define WATCH_STATES(X)                                                                            \
    X(ABSENT, "the server does not have this kind; discovery may bring it")                        \
    X(QUEUED, "waits for its turn")                                                                \
    X(LISTING, "WatchList or pages are coming")                                                    \
    X(LIVE, "watching; each stream reconnects by itself")                                          \
    X(WAITING, "backs off before the next list or page")

enum watch_state {
#define X(suffix, text) WATCH_##suffix,
    WATCH_STATES(X)
#undef X
};

/* Durations in ms; tests shorten them. */
struct watch_timing {
    int64_t backoff_first;
    int64_t backoff_max;
    int64_t backoff_reset; /* a watch that lived so long was healthy */
    int64_t short_watch;   /* one that ends sooner without an event is an error */
    int64_t good_after;    /* one that lives so long without an error is a good sign */
    int64_t denied_retry;
    int64_t page_retry_max;  /* a page is asked for again if the wait is not longer than this */
    int64_t watch;           /* timeoutSeconds, at least; at most twice that */
    int64_t silence;         /* no byte for so long on a watch: a dead peer */
    int64_t initial_silence; /* the same before the first list is whole */
};
extern const struct watch_timing watch_timing_default;

/* The periodic verification (kube_verify.c). */
struct watch_check {
    struct watch_stream stream; /* its pages; rv: where the watch stood when it began */
    struct kube_emit emit;      /* batches of its own */
    bool active;
    bool no_exact;  /* the server would not list at the watch's version */
    uint32_t at;    /* the stream whose namespace is listed */
    unsigned tries; /* of the page under way */
    int64_t due_ms; /* monotonic: the next one; 0 = never */
};

struct kube_watch {
    enum kind kind;
    enum watch_state state;
    const struct kube_options *options; /* borrowed */
    const struct watch_timing *timing;  /* borrowed */
    struct kube_client *client;         /* borrowed */
    struct watch_counters *counters;    /* shared by all machines, kube thread only */
    struct kube_emit emit;
    struct watch_stream *streams;
    uint32_t n_streams;
    uint32_t list_at;   /* LISTING, WAITING inside a list: the stream that lists */
    char version[64];   /* of the group, from discovery */
    char list_rv[64];   /* of the first page, or of the bookmark that ended a WatchList */
    bool inconsistent;  /* pages mix times after a 410: watches start at the first page's version */
    bool no_watch_list; /* the server refused a WatchList */
    bool pages_next;    /* the next list goes by pages: a WatchList broke off */
    bool synced;        /* had its first full list, or stood in the store */
    bool missing;       /* a 404: discovery shall say whether the kind is gone */
    unsigned page_tries; /* of the page under way */
    struct watch_check check;
};

/* resume_rv: where the stored rows stand, "" = list. */
void kube_watch_init(struct kube_watch *w, enum kind kind, const struct kube_options *opt,
                     struct kube_client *client, struct queue *out,
                     struct watch_counters *counters);
void kube_watch_fini(struct kube_watch *w);
/* Before it is found: the stored rows of this kind are whole up to this version. */
void kube_watch_resume(struct kube_watch *w, const char *rv);
/* Discovery found the kind under this version, or did not find it. */
void kube_watch_found(struct kube_watch *w, const char *version);
void kube_watch_gone(struct kube_watch *w);
/* Discovery cannot say now: what is followed stays so. Returns whether to ask again soon: a kind
 * that stays unknown is settled as failing. */
bool kube_watch_unknown(struct kube_watch *w);
/* The server answers again: what waited for it need not wait out its back-off. */
void kube_watch_hurry(struct kube_watch *w);
/* The server, which had sent us away, has answered another kind: it may have room now. */
void kube_watch_room(struct kube_watch *w);
/* Starts what is due. may_sync: a slot for an initial sync is free. Returns monotonic ms of its
 * next wish, 0 = none. */
int64_t kube_watch_step(struct kube_watch *w, bool may_sync);
/* It has, or waits for, an initial sync. */
bool kube_watch_syncing(const struct kube_watch *w);
/* Monotonic ms of the last sign that its watches work; 0 = none yet. */
int64_t kube_watch_seen_ms(const struct kube_watch *w);

/* From the stream of a WatchList, while its call runs: the list stands at this version. */
void kube_watch_initial_ended(struct kube_watch *w, const char *rv);

/* Is the kind of a namespace, so that it can be listed in one? */
bool kube_kind_namespaced(enum kind kind);
/* The request's path with query. Pure. */
void kube_watch_path(const struct kube_watch *w, const struct watch_stream *s, int64_t seconds,
                     struct buf *path);

#endif
