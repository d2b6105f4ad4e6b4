/*
 * The store for reading: one connection a thread, one snapshot a request, rows rendered straight
 * into JSON. The door of this folder for readers.
 *
 * A request is reader_begin, any of the reads, reader_end: all of them see the same revision. No
 * statement stays open afterwards. Errors: ERR_STORE (SQLite), ERR_NOT_FOUND (no such thing). A
 * reader belongs to one thread.
 *
 * Pages: rows come in the order of a key; a page ends after `limit` items or when a filter had to
 * look at too many rows, and says the key of the last row it looked at. Filters run here, in C, so
 * that one statement a list is enough and no request costs more than its slice.
 */
#ifndef GATEHOUSE_STORE_READER_H
#define GATEHOUSE_STORE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "config/config.h"
#include "model/object.h"
#include "model/words.h"

struct reader;

/* The file must exist and be migrated. ERR_STORE with the path. */
bool reader_open(const char *path, struct reader **ret, struct err *err) MUST_CHECK;
void reader_close(struct reader *r); /* accepts NULL */
/* Where runbooks of overrides come from; borrowed until the next call. NULL = none. */
void reader_set_config(struct reader *r, const struct config *config);

/* The cluster that is meant when none is named, while it exists; copied. A file may hold rows of a
 * cluster that was watched under another name. */
void reader_set_home(struct reader *r, const char *cluster);

bool reader_begin(struct reader *r, struct err *err) MUST_CHECK;
void reader_end(struct reader *r);               /* also without a begin */
int64_t reader_snapshot(const struct reader *r); /* revision of the open snapshot */
struct arena *reader_arena(struct reader *r);    /* lives until the next reader_begin */

/* The cluster of that name; NULL or "": the home cluster, else the only one. ERR_INPUT when there
 * are several, ERR_NOT_FOUND when there is none (of that name). */
bool reader_cluster(struct reader *r, const char *name, int64_t *ret_id, const char **ret_name,
                    struct err *err) MUST_CHECK;

/* ---- pages ---- */

struct keyset {
    bool set;      /* false: from the start */
    int64_t n[3];  /* meaning by list */
    const char *s; /* NULL where the list has no text key */
};
struct page {
    struct keyset after; /* in */
    int limit;           /* in: 1..500 */
    struct keyset next;  /* out; text in the reader's arena. set = there may be more */
};

/* ---- sources and counts ---- */

struct source_seen {
    const char *name;
    int state; /* enum source_state */
    const char *message;
    int64_t since;
    int64_t ok_at;
};
/* struct source_seen, by name, in the reader's arena. */
bool reader_sources(struct reader *r, int64_t cluster, struct list *ret,
                    struct err *err) MUST_CHECK;
struct tallies {
    int64_t rollouts[ROLLOUT_STATE_COUNT];
    int64_t pods[POD_STATE_COUNT];
    int64_t findings[SEVERITY_COUNT];
};
bool reader_tallies(struct reader *r, int64_t cluster, int64_t ns_id, struct tallies *ret,
                    struct err *err) MUST_CHECK;
/* Pods by how their truths disagree (enum contradiction); one entry each. */
bool reader_contradictions(struct reader *r, int64_t cluster, int64_t ret[CONTRADICTION_COUNT],
                           struct err *err) MUST_CHECK;
/* Members rollouts and pods of an open object. */
void tallies_json(const struct tallies *t, struct json_out *j);
/* Firing alerts and pending deliveries. */
bool reader_counts(struct reader *r, int64_t *ret_firing, int64_t *ret_pending,
                   struct err *err) MUST_CHECK;

/* ---- namespaces ---- */

/* The namespace's id, 0 when there is none of that name. */
bool reader_namespace_id(struct reader *r, int64_t cluster, const char *name, int64_t *ret_id,
                         struct err *err) MUST_CHECK;
/* Appends items. Key: s = name. */
bool reader_namespaces(struct reader *r, int64_t cluster, const char *q, struct page *page,
                       struct json_out *j, struct err *err) MUST_CHECK;
/* Members of an open object; findings too when asked. */
bool reader_namespace(struct reader *r, int64_t cluster, const char *name, bool findings,
                      struct json_out *j, struct err *err) MUST_CHECK;

/* ---- rollouts ---- */

struct rollout_filter {
    int64_t cluster;
    const char *const *namespaces;
    size_t n_namespaces;           /* 0 = all */
    uint32_t states;               /* bits of enum rollout_state; 0 = all */
    const char *kind;              /* case-insensitive; NULL = all */
    const char *cause;             /* NULL = all */
    const char *q;                 /* NULL = all */
    const struct selector *labels; /* NULL = all */
};
/* Is q part of "namespace/name", whatever the case? NULL and "" match. Pure. */
bool reader_text_match(const char *q, const char *namespace, const char *name);

/* Appends items, worst first. Key: n = rank, since, id. */
bool reader_rollouts(struct reader *r, const struct rollout_filter *f, struct page *page,
                     struct json_out *j, struct err *err) MUST_CHECK;

/* What waiting and streams need of a rollout; texts in the reader's arena. */
struct rollout_info {
    int64_t id;
    int64_t rev;
    const char *cluster;
    const char *namespace;
    const char *kind;
    const char *name;
    enum rollout_state state;
    int64_t since;
    bool observed;
    bool complete;
    bool terminal;
    bool stale;
    int64_t generation;
    const char *revision;
    const char *revision_hash;
    const char *images; /* JSON array */
    const char *cause;
    const char *runbook; /* "" */
    int64_t gates_total;
    int64_t gates_open;
};
struct object_name {
    int64_t cluster;
    const char *namespace;
    const char *kind; /* of workloads */
    const char *name;
};
/* The workload's labels; empty when it has no object (any more). In the reader's arena. */
bool reader_labels(struct reader *r, int64_t id, struct kvs *ret, struct err *err) MUST_CHECK;
/* The workload of that name; kind as Kubernetes writes it, or in any case for kinds we do not know.
 * ERR_NOT_FOUND. */
bool reader_find(struct reader *r, const struct object_name *name, int64_t *ret_id,
                 struct err *err) MUST_CHECK;
/* Writes the rollout as one value (j may be NULL) and fills *ret_info (may be NULL). With causes:
 * all findings too, and the object stays open for the caller's members. */
bool reader_rollout(struct reader *r, int64_t id, bool causes, struct json_out *j,
                    struct rollout_info *ret_info, struct err *err) MUST_CHECK;
/* Rollouts that do not serve and are not meant to rest, worst first: struct rollout_info. */
bool reader_attention(struct reader *r, int64_t cluster, int max, struct list *ret,
                      struct err *err) MUST_CHECK;
/* Members of an open object: a past revision in the shape of a rollout. */
bool reader_past_rollout(struct reader *r, int64_t id, const char *revision, struct json_out *j,
                         struct err *err) MUST_CHECK;
/* Was this revision (number or hash) one of the rollout's, and is it not the present one? */
bool reader_revision_past(struct reader *r, int64_t id, const char *revision, bool *ret_past,
                          struct err *err) MUST_CHECK;

/* One finding; texts in the reader's arena. detail is a JSON object: message, action, commands,
 * docs, evidence, pod_names. */
struct finding_row {
    const char *code;
    const char *object;
    enum severity severity;
    bool terminal;
    enum confidence confidence;
    int64_t since;
    int64_t first_seen_at;
    int64_t changed_at; /* its words, severity, place or pods; it holds as long as it is listed */
    int64_t pods;
    const char *detail;
};
/* struct finding_row, primary first. */
bool reader_findings(struct reader *r, int64_t workload_id, struct list *ret,
                     struct err *err) MUST_CHECK;
/* As one value. runbook "" = none. */
void finding_json(const struct finding_row *f, const char *runbook, struct json_out *j);

/* Key: n[0] = id. Newest first. */
bool reader_timeline(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                     struct err *err) MUST_CHECK;
bool reader_history(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                    struct err *err) MUST_CHECK;

/* A target group that a rollout stands behind. */
struct rollout_group {
    int64_t id; /* as in lists of groups; 0 = nothing is known of it yet */
    const char *arn;
    const char *name; /* "" likewise */
    const char *binding;
};
/* struct rollout_group of a rollout as reader_rollout tells of it, each group once, in the reader's
 * arena. Bindings without an ARN yet are left out. */
bool reader_rollout_groups(struct reader *r, int64_t cluster, const struct rollout_info *info,
                           struct list *ret, struct err *err) MUST_CHECK;

/* ---- pods ---- */

/* Key: n = created_at, id. Newest first. */
bool reader_pods(struct reader *r, int64_t workload_id, struct page *page, struct json_out *j,
                 struct err *err) MUST_CHECK;
/* Writes the pod as one value. alone: with namespace and workload, and the object stays open.
 * ERR_NOT_FOUND. */
bool reader_pod(struct reader *r, const struct object_name *name, bool alone, struct json_out *j,
                struct err *err) MUST_CHECK;

/* ---- objects ---- */

struct object_filter {
    int64_t cluster;
    const char *namespace; /* NULL = all */
    const char *q;         /* NULL = all */
};
/* Key: n[0] = kind, n[1] = ns_id, s = name. */
bool reader_services(struct reader *r, const struct object_filter *f, struct page *page,
                     struct json_out *j, struct err *err) MUST_CHECK;
bool reader_bindings(struct reader *r, const struct object_filter *f, struct page *page,
                     struct json_out *j, struct err *err) MUST_CHECK;
/* Key: n[0] = id. */
bool reader_groups(struct reader *r, const struct object_filter *f, struct page *page,
                   struct json_out *j, struct err *err) MUST_CHECK;
/* Members of an open object. */
bool reader_group(struct reader *r, int64_t cluster, int64_t id, struct json_out *j,
                  struct err *err) MUST_CHECK;

/* ---- the audit ---- */

/* Namespaces with something to look at (all of them with f->namespace): what should be gated and is
 * not, gates that no binding opens, shared target groups, shutdown against deregistration. Key: s =
 * name. f->q as for namespaces. */
bool reader_audit(struct reader *r, const struct object_filter *f, struct page *page,
                  struct json_out *j, struct err *err) MUST_CHECK;
/* Members of an open object: webhooks, injector_down, cluster_findings. */
bool reader_audit_cluster(struct reader *r, int64_t cluster, struct json_out *j,
                          struct err *err) MUST_CHECK;

/* ---- alerts ---- */

struct alert_filter {
    int64_t cluster;
    int firing;            /* 1 firing, 0 ended, -1 both */
    const char *namespace; /* NULL = all */
};
/* Key: n = started_at, id. Newest first. */
bool reader_alerts(struct reader *r, const struct alert_filter *f, struct page *page,
                   struct json_out *j, struct err *err) MUST_CHECK;
/* state: 0 pending, 1 delivered, 2 dead, 3 dropped, -1 all. alert_id 0 = all. Key: n[0] = id. */
bool reader_deliveries(struct reader *r, int state, int64_t alert_id, struct page *page,
                       struct json_out *j, struct err *err) MUST_CHECK;
/* Members of an open object, with body and tries. ERR_NOT_FOUND. */
bool reader_delivery(struct reader *r, int64_t id, struct json_out *j, struct err *err) MUST_CHECK;

#endif
