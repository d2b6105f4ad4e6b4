/*
 * The store: SQLite in WAL mode, one writer, one read connection per reader. All SQL stands in the
 * lists store/sql_*.def; callers outside this folder use functions only. The door of this folder
 * for writing; reader.h is the door for reading.
 *
 * A transaction of the writer: store_begin, then any of apply / save / alert functions, then
 * store_commit (a new revision, with the list of what changed) or store_rollback (nothing happened;
 * the caller still owns its changes and may try again). Everything here: writer thread only, unless
 * said otherwise.
 */
#ifndef GATEHOUSE_STORE_STORE_H
#define GATEHOUSE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/own.h"
#include "model/change.h"
#include "model/model.h"

struct store;

struct store_options {
    const char *path;
    const char *cluster_name;
    int64_t cache_bytes;        /* page cache of the writer */
    int64_t wal_limit_bytes;    /* a truncating checkpoint past this */
    int64_t keep_history_ms;    /* age limit of transitions, revisions, ended findings, alerts,
                                   deliveries */
    int64_t keep_bytes;         /* size limit of the file; oldest history goes first */
    bool default_checkpointing; /* benchmark only: SQLite's own autocheckpoint in the writer */
};

/* Opens or creates, migrates forward, starts the checkpoint thread. A file that is corrupt or
 * foreign (not ours) is set aside as FILE.set-aside-TIME with a message in *ret_note (caller frees,
 * NULL = nothing to say), and a fresh one is made; a newer version is ERR_STORE instead (nothing is
 * touched). Thread: main before start; afterwards the writer only. */
bool store_open(const struct store_options *opt, struct store **ret, char **ret_note,
                struct err *err) MUST_CHECK;
void store_close(struct store *s); /* accepts NULL; joins the checkpoint thread */

/* Can the file no longer be relied on? A statement of any connection met damage in it (the next
 * store_open sets it aside), or another one or none stands at its path, so that all that is written
 * is lost with this process. ret_why (size bytes) says which. Thread: any. */
bool store_lost(const struct store *s, char *ret_why, size_t size);

/* ---- what a commit changed ---- */

enum feed_what { FEED_ROLLOUT, FEED_POD, FEED_NAMESPACE, FEED_ALERT, FEED_SOURCE, FEED_GROUP };
struct feed_item {
    enum feed_what what;
    int64_t workload_id; /* ROLLOUT, POD, ALERT (0 = none) */
    int64_t ns_id;       /* 0 = cluster-wide */
    const char *namespace;
    const char *kind; /* workload kind; ALERT: alert type; SOURCE: "" */
    const char *name; /* workload, pod, source or group name */
    int state;        /* rollout, pod or source state after the commit; -1 = deleted */
    int from_state;   /* before; -1 = new */
};
struct commit {
    int64_t revision;              /* the commit counter; unchanged when nothing visible changed */
    const struct feed_item *items; /* valid until the next store_begin */
    uint32_t n_items;
    bool list_changed;    /* some rollout's list columns changed, or one came or went */
    bool summary_changed; /* some tally or source state changed */
    bool overflow;        /* more changed than items tells: readers must load anew */
};

/* ---- transactions ---- */

bool store_begin(struct store *s, int64_t now, struct err *err) MUST_CHECK;
/* Stores the revision counter and the change counters (workload.rev, namespace.rev,
 * target_group.rev and counters rev_rollouts, rev_summary are set to the new revision where their
 * view changed). ERR_STORE: rolled back (disk full, I/O error). */
bool store_commit(struct store *s, struct commit *ret, struct err *err) MUST_CHECK;
void store_rollback(struct store *s);

/* Applies one change: rows by diff (a row with the stored resourceVersion is not written), dirty
 * marks for what must be judged anew (a pod: its workload; a binding, service, slice, event,
 * budget: the rollouts it concerns; namespace, webhook, lease, node ready state ...). A list is
 * LIST_BEGIN, OBJECTS with in_list, LIST_END (deletes what was not seen and stores the
 * resourceVersion) or LIST_ABORT. A verification's list decides only about what stood at its
 * version; objects of the watch may come between. COMMAND changes are the caller's. ERR_STORE
 * only. */
bool store_apply(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
/* A list is open: the writer may hold the transaction over several batches, so that readers see it
 * whole. */
bool store_in_list(const struct store *s);
/* Every kind has been listed, resumed, found absent or denied in this process: judging can start.
 * ret_missing (may be NULL, size bytes) names the kinds still awaited, comma-separated. */
bool store_settled(const struct store *s, char *ret_missing, size_t size);

/* Where each kind's stream stood, for kube_source_start. Texts live in the arena. */
struct store_resume {
    const char *resource_version[KIND_COUNT];
    const char *cluster_uid;
};
bool store_resume(struct store *s, struct arena *a, struct store_resume *ret,
                  struct err *err) MUST_CHECK;

/* ---- judging ---- */

enum dirty_what { DIRTY_ROLLOUT, DIRTY_NAMESPACE, DIRTY_CLUSTER };
struct dirty {
    enum dirty_what what;
    int64_t id; /* workload or namespace; 0 for the cluster */
};
/* Takes one mark; false when nothing is dirty. Marks survive a rollback of the transaction that
 * took them: they are given back. */
bool store_next_dirty(struct store *s, struct dirty *ret);
size_t store_dirty_count(const struct store *s);
void store_dirty_all(struct store *s); /* after start and after a reload of thresholds */
/* Marks rollouts, namespaces and the cluster whose next look has come. Returns the earliest
 * next_look still ahead, 0 = none. */
int64_t store_dirty_due(struct store *s, int64_t now);

/* Facts shared by a commit: loaded on first use, cached until something they hold changes. Borrowed
 * until the next store_begin; those of a namespace until 200 other namespaces have been asked for
 * at the latest, so that judging everything in one transaction stays within memory. */
bool store_cluster_facts(struct store *s, const struct facts_cluster **ret,
                         struct err *err) MUST_CHECK;
bool store_namespace_facts(struct store *s, int64_t ns_id, const struct facts_namespace **ret,
                           struct err *err) MUST_CHECK;
/* Facts of one rollout: everything but policy (the caller sets it, from the annotations in
 * ret->workload->meta and configuration). ERR_NOT_FOUND: the workload has neither object nor pods
 * any more; its row, findings and tallies were removed and the feed told. */
bool store_rollout_facts(struct store *s, int64_t workload_id, struct arena *a, struct facts *ret,
                         struct err *err) MUST_CHECK;

/* What saving a verdict found, for the alert rules. */
struct saved {
    bool changed;   /* any column of the rollout */
    int from_state; /* -1 = never judged before */
    const char *cluster_name;
    int64_t ns_id;
};
/* Writes the verdict: workload columns, pods' states and tracks, gate and target transitions,
 * findings with first and last seen (kept, updated, ended), usual samples, revision history,
 * tallies, next_look. Only what differs is written. */
bool store_save_rollout(struct store *s, int64_t workload_id, const struct facts *facts,
                        const struct rollout_verdict *v, struct saved *ret,
                        struct err *err) MUST_CHECK;
/* Findings of a namespace or (ns_id 0) the cluster that hang on no rollout, and when to look again;
 * and the namespace's injection verdict (NULL for the cluster). Looks are kept in memory: after a
 * start everything is judged anyway. */
bool store_save_findings(struct store *s, int64_t ns_id, const struct scope_verdict *v,
                         const char *injection, struct err *err) MUST_CHECK;

/* The target groups that bindings name, for the poller: struct elb_wish rows are the caller's
 * business, so this gives plain columns. hot: some rollout of the binding is not serving, a gate of
 * it is closed or absent, or a target is not healthy. */
struct group_wish {
    const char *arn;
    const char *name;
    const char *role_arn;
    const char *external_id;
    const char *vpc_id;
    bool hot;
    bool attributes;      /* a finding needs them */
    const char *balancer; /* ... its listeners and rules; "" = none */
};
bool store_group_wishes(struct store *s, struct arena *a, struct list *ret, /* struct group_wish */
                        struct err *err) MUST_CHECK;

/* Retention: removes at most `rows` rows of history past the limits. Returns through ret_left
 * whether more waits. In a transaction. */
bool store_retain(struct store *s, int64_t now, int rows, bool *ret_left,
                  struct err *err) MUST_CHECK;
/* New limits after a reload. */
void store_set_limits(struct store *s, int64_t keep_history_ms, int64_t keep_bytes);
/* How long the API server may be silent before facts_cluster.kube_stale (default 90 s). */
void store_set_stale_after(struct store *s, int64_t stale_after_ms);

struct store_metrics {
    int64_t file_bytes;
    int64_t wal_bytes;
    uint64_t commits;
    uint64_t rows_written;
    uint64_t rows_unchanged; /* seen with the stored resourceVersion */
    uint64_t repaired;       /* by periodic verification */
    uint64_t checkpoints;
    uint64_t checkpoint_failures;
};
/* Plain reads of atomics. Thread: any. */
void store_metrics(struct store *s, struct store_metrics *ret);

#endif
