/*
 * Inside this folder: what all loops share, and what each has of its own.
 *
 * Shared things are atomics, immutable, or lock themselves (cache). A worker belongs to its loop's
 * thread: a reader, the newest configuration, the sources as last read, the streams and waiters.
 */
#ifndef GATEHOUSE_API_WORKER_H
#define GATEHOUSE_API_WORKER_H

#include <stdatomic.h>

#include "api/api.h"
#include "api/cache.h"
#include "api/http.h"
#include "api/scope.h"
#include "store/reader.h"

struct hub;
struct waiters;
struct assets;

enum { LATENCY_BUCKETS = 12 };

/* Counters of all loops. */
struct counters {
    atomic_uint_fast64_t requests[6]; /* by status class: [0] none, [1] 1xx ... [5] 5xx */
    atomic_uint_fast64_t not_modified;
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t latency[LATENCY_BUCKETS + 1];
    atomic_uint_fast64_t latency_us;
    atomic_uint_fast64_t refused; /* streams and waiters past the ceiling */
    atomic_uint_fast64_t resyncs;
    atomic_uint_fast64_t frames;    /* events rendered */
    atomic_uint_fast64_t sends;     /* writes to streams */
    atomic_uint_fast64_t made_room; /* quiet connections asked to go */
    atomic_int_fast64_t connections;
    atomic_int_fast64_t streams;
    atomic_int_fast64_t waiters;
};
/* Upper bounds of the latency histogram, microseconds. */
extern const int64_t latency_bounds_us[LATENCY_BUCKETS];

struct shared {
    struct api_options opt; /* config: the one at start; workers hold the newest */
    const struct writer *writer;
    struct scopes *scopes;
    struct cache *cache;
    struct counters counters;
    const struct assets *assets;
    struct body *openapi_yaml;
    struct body *openapi_json;
    int64_t started_at; /* Unix ms */
    _Atomic int64_t max_streams;
    _Atomic int64_t max_waiters;
    atomic_uint_fast64_t next_request;
    uint32_t process; /* random: request ids of two runs differ */
};

/* Sources as last read: part of every answer. */
struct sources_tail {
    struct buf brief; /* ,"observed_at":..,"sources":[connections and what is wrong]} */
    struct buf all;   /* the same with every source */
    uint32_t hash;    /* of what does not move by itself: part of ETags */
    int64_t read_ms;  /* monotonic; 0 = never */
    int64_t revision; /* scopes_at(SCOPE_SOURCES) then */
    int kube_state;   /* enum source_state of the connection; -1 = no word yet */
};

struct worker {
    struct shared *shared;
    unsigned index;
    const struct config *config;
    struct reader *reader;
    struct sources_tail tail;
    struct hub *hub;
    struct waiters *waiters;
    bool draining;
};

/* Bodies of requests: of any route, and of preflight. */
enum { BODY_MAX = 64 << 10, BODY_MAX_PREFLIGHT = 1 << 20 };

/* Routes the request and runs its handler. Anything but OUTCOME_ANSWER leaves the reply empty. */
enum outcome worker_serve(struct worker *w, struct exchange *x);
bool worker_init(struct worker *w, struct shared *shared, unsigned index,
                 struct err *err) MUST_CHECK;
void worker_fini(struct worker *w);
void worker_reload(struct worker *w, const struct config *config);
/* A stream: its head is out; what was sent is written. */
void worker_begin(struct exchange *x);
void worker_written(struct exchange *x);
/* The client is gone, or the answer is out: unlinks what waits. */
void worker_gone(struct worker *w, struct exchange *x);
/* A commit's news, from the writer by way of the loop's messages. */
void worker_block(struct worker *w, const struct feed_block *b);
/* Milliseconds until worker_tick has something to do; -1 = nothing waits. */
int64_t worker_wait_ms(const struct worker *w, int64_t now_ms);
void worker_tick(struct worker *w, int64_t now_ms);
/* A few times a second: comments, ages, time-outs. */
enum { WORKER_BEAT_MS = 250 };
void worker_beat(struct worker *w, int64_t now_ms);
/* No new streams or waiters; those that wait get their answer. */
void worker_drain(struct worker *w);
/* The request is over: log and metrics. */
void worker_done(struct worker *w, const struct exchange *x);

/* Has the writer thread gone round of late? Thread: any. */
bool writer_lives(const struct writer_metrics *m);

/* ---- views ---- */

/* Writes the members of an open object. What the body rests on goes to stamp->slots (with n = 0 it
 * is not cached); errors of the query to x. false: *err, or errors of x. */
typedef bool view_fn(struct worker *w, struct exchange *x, struct json_out *j, struct stamp *stamp,
                     struct err *err);
enum view_kind { VIEW_LIST, VIEW_ONE, VIEW_SUMMARY, VIEW_WAIT };
/* Answers with a cached or fresh body, the tail, ETag and 304. */
enum outcome view_answer(struct worker *w, struct exchange *x, view_fn *fn, enum view_kind kind);
/* A body without a tail: ETag, 304. Takes the reference. */
enum outcome view_body(struct exchange *x, struct body *body, const char *content_type,
                       const char *cache_control);
/* The tail of an answer made now. */
bool view_tail(struct worker *w, enum view_kind kind, struct buf *out, struct err *err) MUST_CHECK;
void stamp_add(struct stamp *stamp, enum scope scope, int64_t id);

/* limit and cursor into *page. scope: hash of what else the list depends on. */
void view_page(struct worker *w, struct exchange *x, uint64_t scope, struct page *page);
/* "items":[ ... ],"next": after the items. */
void view_next(const struct page *page, uint64_t scope, struct json_out *j);
/* The cluster parameter. */
bool view_cluster(struct worker *w, struct exchange *x, int64_t *ret_id, const char **ret_name,
                  struct err *err) MUST_CHECK;

/* ---- handlers, by file ---- */

typedef enum outcome handler_fn(struct worker *w, struct exchange *x);
handler_fn get_summary, get_namespaces, get_namespace, get_rollouts, get_services, get_bindings;
handler_fn get_groups, get_group, get_alerts, get_deliveries, get_delivery, post_redeliver;
handler_fn get_rollout, get_pods, get_timeline, get_history, get_explain, get_pod;
handler_fn get_audit, post_preflight, post_refresh, get_badge;
handler_fn get_wait, get_gate, get_events, get_openapi_yaml, get_openapi_json;
handler_fn get_livez, get_readyz, get_healthy, get_ready, get_metrics, post_reload;
/* Static files: anything no route takes. */
handler_fn get_asset;

#endif
