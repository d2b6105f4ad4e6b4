/* Thread kube's state, shared by kube_source.c (the thread) and kube_ask.c (its questions to the
 * server); nobody else's. */
#ifndef GATEHOUSE_SOURCE_KUBE_SOURCE_IN_H
#define GATEHOUSE_SOURCE_KUBE_SOURCE_IN_H

#include <pthread.h>
#include <stdatomic.h>

#include "source/kube_discovery.h"
#include "source/kube_watch.h"
#include "source/source.h"

enum { DISCOVERY_LIMIT = 16 << 20 };

/* The questions that find out what the server is and has, in order. */
enum question { ASK_VERSION, ASK_CLUSTER, ASK_CORE, ASK_GROUPS, ASK_GROUP, ASK_NOTHING };

struct kube_source {
    struct kube_options options;
    struct arena *arena;
    struct kube_access access;
    struct queue *out;
    struct kube_client *client;
    struct kube_watch watches[KIND_COUNT];
    bool throttled[KIND_COUNT]; /* as of the last turn */
    struct watch_counters counters;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    /* discovery */
    enum question question;
    struct kube_call *call;
    struct buf answer;
    char etags[2][128]; /* of /api and /apis: 304 means that nothing changed */
    struct kube_found found;
    int next_kind; /* ASK_GROUP: kinds looked at so far */
    int64_t discovery_due;
    bool missing; /* a machine got a 404: is its kind gone? */
    char group_asked[64];
    char version[64];
    char cluster_uid[64];
    bool identified;
    bool scoped; /* named namespaces only: every start lists anew */
    char resume_rv[KIND_COUNT][64];
    char resume_uid[64];
    /* the connection */
    enum source_state state;
    char message[256];
    int64_t ok_ms; /* monotonic, of the last good sign; 0 = none */
    int64_t heartbeat_due;
    int64_t doubt_due; /* monotonic: a kind in trouble makes us ask the server itself */
    /* for other threads */
    _Atomic uint64_t m_events, m_bytes, m_lists, m_410, m_early, m_decode, m_retries;
};

/* Takes the change; waits for room. */
void source_push(struct kube_source *k, struct change *c);
/* The connection's state, when it is new, or as a sign of life. */
void source_report(struct kube_source *k, enum source_state state, const char *message);
/* Asks what the server is and has, when it is time. */
void source_discover_if_due(struct kube_source *k);

#endif
