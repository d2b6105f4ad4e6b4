/*
 * The watch machine of one kind: discovery says it is there -> WatchList, else paged list -> watch,
 * for ever. The states and their moves stand in kube_watch.c as one table.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_WATCH_H
#define GATEHOUSE_SOURCE_KUBE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/queue.h"
#include "model/change.h"
#include "source/kube_client.h"
#include "source/kube_frame.h"
#include "source/source.h"

/* X(suffix, meaning), in order of life */
#define WATCH_STATES(X)                                                                            \
    X(ABSENT, "the server does not have this kind; discovery may bring it")                        \
    X(QUEUED, "waits for its turn to sync")                                                        \
    X(STREAMING, "WatchList: initial events are coming")                                           \
    X(LISTING, "a page is coming")                                                                 \
    X(WATCHING, "live")                                                                            \
    X(WAITING, "backs off; due says until when, next what then")

enum watch_state {
#define X(suffix, text) WATCH_##suffix,
    WATCH_STATES(X)
#undef X
};

struct watch_counters {
    uint64_t events;
    uint64_t lists;
    uint64_t relists_410;
    uint64_t closed_early;
    uint64_t decode_errors;
    uint64_t retries;
};

struct kube_watch {
    enum kind kind;
    enum watch_state state;
    const struct kube_options *options; /* borrowed */
    struct kube_client *client;         /* borrowed */
    struct queue *out;                  /* borrowed */
    struct watch_counters *counters;    /* shared by all machines, kube thread only */
    char version[64];                   /* of the group, from discovery */
    char rv[64];                        /* where the watch goes on; "" = list */
    char list_rv[64];                   /* of the first page */
    char *continue_token;               /* next page; NULL = first */
    bool inconsistent; /* pages mix times after a 410: the watch starts at the first page's version
                        */
    bool try_stream;   /* WatchList may still work */
    bool in_list;      /* LIST_BEGIN was sent and is not closed */
    bool synced;       /* had its first full list */
    bool verifying;    /* the list under way is a periodic verification */
    bool relist;       /* an ERROR event asked for a list */
    int64_t due_ms;    /* WAITING: monotonic */
    int64_t backoff_ms;
    int64_t verify_due_ms;
    int64_t began_ms; /* of the transfer */
    int64_t ok_at;    /* Unix ms of the last good sign */
    uint64_t events_before;
    struct kube_call *call;
    struct buf in; /* bytes not yet framed, or a page */
    struct json_scan scan;
    struct change *batch; /* being filled */
    size_t batch_cap;
    int64_t blocked_since_ms;   /* the queue is full since; 0 */
    enum source_state reported; /* last CHANGE_SOURCE */
    char reported_message[256];
};

void kube_watch_init(struct kube_watch *w, enum kind kind, const struct kube_options *opt,
                     struct kube_client *client, struct queue *out,
                     struct watch_counters *counters);
void kube_watch_fini(struct kube_watch *w);
/* Discovery found the kind under this version, or did not find it. */
void kube_watch_found(struct kube_watch *w, const char *version);
void kube_watch_gone(struct kube_watch *w);
/* Starts what is due. may_sync: a slot for an initial sync is free. Returns monotonic ms of its
 * next wish, 0 = none. */
int64_t kube_watch_step(struct kube_watch *w, bool may_sync);
bool kube_watch_syncing(const struct kube_watch *w);
/* Sends the batch if there is one; called when the sockets have nothing more. */
void kube_watch_flush(struct kube_watch *w);
void kube_watch_report(struct kube_watch *w, enum source_state state, const char *message);

#endif
