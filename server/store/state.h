/*
 * Inside this folder: the writer's state behind struct store, and what its files ask of each other.
 * Everything in memory is either a copy of committed rows (caches, dropped on rollback), what the
 * open transaction will still write (dropped on rollback), or a mark of work to do (kept).
 */
#ifndef GATEHOUSE_STORE_STATE_H
#define GATEHOUSE_STORE_STATE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "model/pack.h"
#include "store/db.h"
#include "store/idmap.h"
#include "store/sql.h"
#include "store/store.h"

enum {
    STORE_APPLICATION_ID = 0x47485345, /* "GHSE" in the file's header */
    RV_SIZE = 64,
    NAME_SIZE = 160,
    OK_WRITE_MS = 10000,    /* a source's or lease's sign of life is written this often at most */
    SYNC_WRITE_MS = 500,    /* a watch's resourceVersion likewise */
    FEED_MAX = 8192,        /* items of one commit; past it `overflow` tells readers to load anew */
    CACHED_NAMESPACES = 64, /* facts kept over commits */
    BORROWED_NAMESPACES = 256,
    CACHED_FACTS_BYTES = 8 << 20,
    OWNERS = 256,           /* remembered ReplicaSet -> workload answers */
    LOOK_CLUSTER_MS = 15000 /* findings of cluster and namespaces that time alone can change */
};

/* Values of tally.what. */
enum tally_what { TALLY_ROLLOUTS, TALLY_PODS, TALLY_SEVERITY, TALLY_WAITING };

/* Namespace names both ways. */
struct names {
    struct arena *arena;
    const char **text; /* by index */
    int64_t *id;
    size_t n;
    size_t cap_text;
    size_t cap_id;
    struct idmap by_id;
    struct idmap by_hash;
};

/* A full list under way: ids of the rows it contained. */
struct listing {
    bool open;
    bool verify;
    bool asked;     /* the next is known */
    bool cold;      /* the table was empty when the list's first object came */
    uint64_t wrote; /* rows it had to change, for verifications */
    struct idmap seen;
    /* A verification runs beside its watch, which stood here when it began. */
    char version[RV_SIZE];
    struct idmap gone; /* what the watch has deleted since, by hash of namespace and name */
};

/* An object of a list, and the row of its name. */
struct list_item {
    int64_t ns_id;
    const struct meta *meta;
    bool found; /* there is a row */
    int64_t row_id;
    const char *row_version;
};
struct kind_state {
    bool settled; /* listed, resumed, absent or denied in this process */
    bool absent;
    bool rv_pending; /* rv is newer than the row */
    int64_t rv_written_at;
    char rv[RV_SIZE];
};

struct source_row {
    char name[NAME_SIZE];
    enum source_state state;
    char message[512];
    int64_t since;
    int64_t ok_at;
    int64_t ok_written_at;
};

/* Which cluster the rows are of. */
struct identity {
    char uid[RV_SIZE];
    char server[256];
    char version[RV_SIZE];
};

struct owner_memo {
    uint64_t hash; /* of kind, name and uid */
    int64_t ns_id;
    char uid[48];
    int64_t workload_id;
};

struct lease_memo {
    int64_t object_id;
    uint64_t name_hash;
    int64_t renew_at;
    int64_t written_at;
};

/* A pod's verdict columns as they stood when its rollout's facts were loaded. */
struct pod_cols {
    int64_t id;
    int64_t state;
    int64_t state_since;
    int64_t is_new;
    int64_t gate_missing;
    int64_t truths;
    int64_t contradiction;
    const char *cause;
};

struct dirty_queue {
    struct idmap pending; /* set of keys: id * 4 + what */
    int64_t *keys;        /* in order of arrival */
    size_t head;
    size_t n;
    size_t cap;
    int64_t *taken; /* by this transaction */
    size_t n_taken;
    size_t cap_taken;
    bool all_wanted; /* marking all could not read the rows: tried again */
};

struct namespace_cache;
struct cluster_cache;
struct checkpoint;

struct store {
    struct db db;
    char *path;
    int lock_fd;
    dev_t file_dev; /* of the file that is open */
    ino_t file_ino;
    bool in_tx;   /* a transaction is open */
    bool visible; /* ... and changed something that views show */
    bool injectors_known;
    bool was_stale;
    int64_t opened_at;
    int64_t settled_at;
    int64_t cluster_id;
    char *cluster_name;
    struct identity identity;
    int64_t stale_after_ms;
    _Atomic int64_t keep_history_ms;
    _Atomic int64_t keep_bytes;

    /* the open transaction */
    int64_t now;
    struct commit commit;
    struct arena *feed_arena;
    struct feed_item *feed;
    size_t cap_feed;
    struct idmap touched_rollouts;
    struct idmap touched_namespaces; /* value: what the feed says of it (tx.c) */
    struct idmap touched_groups;
    struct idmap tallies; /* ns_id * 64 + what * 16 + state -> delta */
    int64_t changes_before;
    struct kind_state kinds_before[KIND_COUNT];
    struct identity identity_before;

    /* counters, as committed or as this transaction will */
    int64_t revision;
    int64_t next_workload_id;
    int64_t workload_id_stored;
    int64_t flip_at;
    int64_t flip_at_stored;

    struct kind_state kinds[KIND_COUNT];
    uint64_t repaired; /* by verifications, in this transaction */
    bool from_list;    /* what is applied now came in a list, not by the watch beside it */
    struct listing lists[KIND_COUNT];
    struct listing lists_before[KIND_COUNT];
    bool list_moved[KIND_COUNT]; /* lists_before holds what stood before the transaction */

    struct dirty_queue dirty;
    struct names names;
    struct owner_memo owners[OWNERS];
    struct source_row *sources;
    size_t n_sources;
    size_t cap_sources;
    struct lease_memo leases[8];
    struct idmap group_seen_at; /* target group -> last complete answer, newer than its row */
    struct idmap group_written_at;
    struct arena *injector_arena;
    struct list injectors; /* struct injector (injector.c) */
    int64_t cluster_look_at;
    struct idmap namespace_looks; /* namespace -> when time alone may change what is found there */

    struct arena *scratch; /* reset per object */
    struct buf pack;
    struct namespace_cache *namespaces;
    struct cluster_cache *cluster;
    struct arena **buried; /* freed at the next begin */
    size_t n_buried;
    size_t cap_buried;
    int64_t cols_of; /* workload whose pods' columns follow */
    struct pod_cols *cols;
    size_t n_cols;
    size_t cap_cols;

    struct checkpoint *checkpoint;
    _Atomic bool listing; /* store_in_list at the last commit, for the checkpoint thread */
    _Atomic uint64_t m_commits, m_rows, m_unchanged, m_repaired;
};

/* ---- open.c, migrate.c ---- */
struct migration {
    int number;
    const char *name;
    const char *sql;
};
/* Runs those past user_version, one transaction each. ERR_STORE also for a newer file. */
bool store_migrate(struct db *db, const struct migration *m, size_t n, struct err *err) MUST_CHECK;
/* ---- damage.c ---- */

#define DAMAGE_TAIL ".damaged" /* of the note's name, behind the database's */
/* After an error of the connection: was it damage (a malformed page, no database), it is noted
 * beside the file, once. Thread: any, its own connection. */
void damage_note(sqlite3 *h);
bool damage_noted(const char *path, char *ret_why, size_t size); /* SQLite's words */
void damage_forget(const char *path);

/* What stands at path. FILE_BAD: corrupt or foreign, *ret_why (size bytes) says what. */
enum file_verdict { FILE_FRESH, FILE_OURS, FILE_BAD, FILE_NEWER, FILE_FAILED };
enum file_verdict store_look_at_file(const char *path, int newest, char *ret_why, size_t size,
                                     struct err *err);
/* Renames FILE, FILE-wal and FILE-shm to FILE.set-aside-TIME.... */
bool store_set_aside(const char *path, int64_t now, char *ret_name, size_t size,
                     struct err *err) MUST_CHECK;

/* ---- tx.c ---- */
void tx_touch_rollout(struct store *s, int64_t id);
void tx_touch_namespace(struct store *s, int64_t id);
void tx_tell_namespace(struct store *s, int64_t id); /* touched, and the feed says so */
void tx_tell_namespace_gone(struct store *s, int64_t id);
void tx_touch_group(struct store *s, int64_t id);
void tx_visible(struct store *s);
/* One row or none from a statement that is bound; leaves it on the row. */
bool tx_row(struct store *s, sqlite3_stmt *st, bool *ret_row, struct err *err) MUST_CHECK;

/* ---- names.c ---- */
/* Id of a namespace, made when it is new; "" is 0. */
bool names_id(struct store *s, const char *name, int64_t *ret, struct err *err) MUST_CHECK;
bool names_find(struct store *s, const char *name, int64_t *ret, struct err *err) MUST_CHECK;
/* "" for 0 and for unknown ids. Valid until the names are dropped (rollback). */
const char *names_text(struct store *s, int64_t id);
void names_drop(struct store *s);

/* ---- tally.c ---- */
void tally_add(struct store *s, int64_t ns_id, enum tally_what what, int64_t state, int64_t delta);
bool tally_flush(struct store *s, struct err *err) MUST_CHECK;

/* ---- apply*.c ---- */
/* A text as a canonical address when it is one ("::1" forms), else itself. Lives in the arena. */
const char *address_canonical(const char *text, struct arena *a);
/* Packs with the resourceVersion left out (it has a column); false + ERR_STORE past the ceiling. */
bool apply_pack(struct store *s, enum kind kind, const void *record, struct err *err) MUST_CHECK;
/* The stored bytes (NULL: none) as a record with its kind and that resourceVersion, both of which
 * it borrows; NULL when they do not unpack (another version). */
void *apply_unpack(enum kind kind, const void *body, size_t len, const char *rv, struct arena *a);
/* ... into a record of the caller's; false leaves it cleared, or as it was. */
bool apply_unpack_into(enum kind kind, const void *body, size_t len, const char *rv,
                       struct arena *a, void *ret);
bool apply_object(struct store *s, enum kind kind, const struct change_object *o, bool in_list,
                  struct err *err) MUST_CHECK;
bool apply_remove_object(struct store *s, enum kind kind, int64_t id, struct err *err) MUST_CHECK;
bool apply_pod(struct store *s, const struct change_object *o, bool in_list,
               struct err *err) MUST_CHECK;
bool apply_remove_pod(struct store *s, int64_t id, struct err *err) MUST_CHECK;
bool apply_workload(struct store *s, enum kind kind, const struct change_object *o, bool in_list,
                    struct err *err) MUST_CHECK;
bool apply_remove_workload(struct store *s, int64_t id, struct err *err) MUST_CHECK;
/* The kind whose table packs a workload row's body; KIND_COUNT when none does. */
enum kind workload_kind(const char *kind);
/* The row of a workload, made when missing. */
struct workload_key {
    int64_t ns_id;
    const char *kind;
    const char *name;
    const char *uid;
};
bool workload_ensure(struct store *s, struct workload_key key, int64_t *ret,
                     struct err *err) MUST_CHECK;
bool workload_find(struct store *s, int64_t ns_id, const char *kind, const char *name, int64_t *ret,
                   struct err *err) MUST_CHECK;
/* What a verdict left in the row of a workload, as the counters count it. */
struct verdict_row {
    bool found;
    int64_t ns_id;
    int64_t state;
    int64_t severity;
    int64_t waiting;
    const char *kind;
    const char *name;
    int64_t judged_at;
    int64_t next_look;
};
/* Its texts live in scratch. */
bool workload_verdict(struct store *s, int64_t id, struct verdict_row *ret,
                      struct err *err) MUST_CHECK;
/* Removes a row that has neither object nor pods, with its findings and tallies. */
bool workload_drop(struct store *s, int64_t id, struct err *err) MUST_CHECK;
/* After a ReplicaSet was written (fresh NULL: removed; its packed bytes stand in s->pack): its own
 * row when nobody controls it, and its waiting pods. */
bool replicaset_changed(struct store *s, int64_t ns_id, const struct kube_workload *old,
                        const struct kube_workload *fresh, struct err *err) MUST_CHECK;
/* The workload behind a controlling owner; 0 = not known yet or not shown. */
bool workload_of_owner(struct store *s, int64_t ns_id, const struct owner *owner,
                       const struct meta *self, int64_t *ret, struct err *err) MUST_CHECK;
void owners_drop(struct store *s);
/* The workload that a ReplicaSet's name and the hash label name: kind and name of *ret. false: they
 * name none. */
bool workload_by_name(const char *replicaset, const struct kvs *labels, struct arena *arena,
                      struct workload_key *ret);
/* ReplicaSets may not be read any more: pods that wait for one are joined by its name. */
bool apply_waiting_pods(struct store *s, struct err *err) MUST_CHECK;
bool apply_source(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
bool sources_load(struct store *s, struct err *err) MUST_CHECK;
const struct source_row *source_get(const struct store *s, const char *name);
bool apply_cluster(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
/* Another cluster stands behind the same name: everything but history goes. */
bool apply_forget_all(struct store *s, struct err *err) MUST_CHECK;
bool apply_targets(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
bool apply_groups(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
bool apply_group_gone(struct store *s, const struct change *c, struct err *err) MUST_CHECK;
/* A target group's row; body is packed in elb_group_table, NULL until described. */
struct group_row {
    int64_t id;
    int64_t first_observed_at;
    int64_t healthy;
    int64_t gone_at;
    const void *body;
    size_t len;
};
bool group_ensure(struct store *s, const char *arn, const char *name, struct group_row *ret,
                  struct err *err) MUST_CHECK;
/* What of a group changed; `all`: the whole group looks different. */
struct moved {
    bool all;
    bool registered; /* a target is new */
    bool any;
    struct idmap addresses; /* set of text hashes */
};
/* Views and verdicts of the bindings that name the group. */
bool group_tell(struct store *s, int64_t group_id, struct moved *m, struct err *err) MUST_CHECK;
/* Keeps binding_group in step (old NULL: new), and has those judged anew that share a group. */
bool binding_written(struct store *s, int64_t object_id, int64_t ns_id,
                     const struct kube_binding *old, const struct kube_binding *b,
                     struct err *err) MUST_CHECK;
/* Groups that no binding names any more go. */
bool groups_drop_unbound(struct store *s, struct err *err) MUST_CHECK;
bool binding_removed(struct store *s, int64_t object_id, struct err *err) MUST_CHECK;
/* The kind of a source name ("kubernetes/pods"), KIND_COUNT when it is none. */
enum kind kind_of_source(const char *name);

/* ---- list.c ---- */

void list_saw(struct store *s, enum kind kind, int64_t id, bool wrote);
/* A verification tells of the past: what its watch has changed since is left as it is. */
bool list_leaves(struct store *s, enum kind kind, const struct list_item *item);
/* An object of that name was deleted. */
void list_gone(struct store *s, enum kind kind, int64_t ns_id, const char *name);
void list_begin(struct store *s, enum kind kind, bool verify, const char *version);
bool list_end(struct store *s, enum kind kind, const char *rv, struct err *err) MUST_CHECK;
void list_abort(struct store *s, enum kind kind);
bool list_kind_gone(struct store *s, enum kind kind, struct err *err) MUST_CHECK;
void lists_commit(struct store *s);
void lists_rollback(struct store *s);
bool sync_flush(struct store *s, bool all, struct err *err) MUST_CHECK;

/* ---- dirty.c ---- */
void dirty_mark(struct store *s, enum dirty_what what, int64_t id);
/* Every id in the first column of a bound statement; 0 is none. */
bool dirty_rows(struct store *s, sqlite3_stmt *st, enum dirty_what what,
                struct err *err) MUST_CHECK;
/* The rollout of a pod; none when the pod is not known, or has none. */
bool dirty_pod(struct store *s, int64_t ns_id, const char *pod, struct err *err) MUST_CHECK;
/* When to judge a namespace or (0) the cluster again though nothing changes; at 0: not. */
void dirty_look_at(struct store *s, int64_t ns_id, int64_t at);
void dirty_commit(struct store *s);
void dirty_rollback(struct store *s);
bool dirty_namespace_rollouts(struct store *s, int64_t ns_id, struct err *err) MUST_CHECK;
/* After an object row was written (old NULL: new; fresh NULL: removed). */
bool dirty_object(struct store *s, enum kind kind, int64_t ns_id, const void *old,
                  const void *fresh, struct err *err) MUST_CHECK;
/* Rollouts of namespaces that have bindings. */
bool dirty_bound(struct store *s, struct err *err) MUST_CHECK;

/* ---- injector.c ---- */
/* Looks whether the injecting webhook's Service has a ready endpoint, and books the span. */
bool injector_look(struct store *s, struct err *err) MUST_CHECK;
/* Does the Service that an injecting webhook names not exist? Services must have been listed. */
bool injector_service_missing(struct store *s, bool *ret, struct err *err) MUST_CHECK;
bool injector_is(struct store *s, const char *namespace, const char *service, bool *ret,
                 struct err *err) MUST_CHECK;
/* Does this webhook add gates to pods, through a Service of the cluster? */
bool injector_webhook(const struct webhook *w);
void injector_drop(struct store *s);

/* ---- facts*.c ---- */
void facts_begin(struct store *s); /* frees what was dropped while borrowed */
void facts_drop_namespace(struct store *s, int64_t ns_id);
void facts_drop_cluster(struct store *s);
void facts_drop_all(struct store *s);
void facts_fini(struct store *s);
bool facts_load_cols(struct store *s, int64_t workload_id, struct arena *a,
                     struct err *err) MUST_CHECK;
/* What we remember of a binding beyond its object. */
struct binding_track {
    int64_t gate_flipped_at;
    int64_t registered_at;
};
struct binding_track binding_track_read(const void *blob, size_t len);
enum { BINDING_TRACK_SIZE = 16 };
void binding_track_write(const struct binding_track *t, unsigned char out[BINDING_TRACK_SIZE]);
bool store_is_stale(const struct store *s, int64_t now);

/* ---- save*.c ---- */
bool save_history(struct store *s, int64_t workload_id, int64_t ns_id,
                  const struct rollout_verdict *v, struct err *err) MUST_CHECK;
/* Which rollout is saved, and whether something of it changed. */
struct saving {
    int64_t workload_id; /* 0: findings of the namespace or the cluster */
    int64_t ns_id;
    bool changed;
    bool told;   /* a finding among it */
    bool listed; /* the finding that lists show, the primary cause, among it */
};
/* Pods that are gone (gone.c). Before the row of the pod is deleted. */
bool gone_add(struct store *s, int64_t pod_id, int64_t workload_id, struct err *err) MUST_CHECK;
bool gone_forget(struct store *s, int64_t workload_id, struct err *err) MUST_CHECK;
/* struct facts_gone, newest first. */
bool gone_load(struct store *s, int64_t workload_id, struct arena *a, struct list *ret,
               struct err *err) MUST_CHECK;
/* Of rollout_verdict.cut. */
bool gone_save(struct store *s, const struct list *cut, struct err *err) MUST_CHECK;

bool save_pods(struct store *s, struct saving *w, const struct facts *f,
               const struct rollout_verdict *v, struct err *err) MUST_CHECK;
bool save_findings(struct store *s, struct saving *w, const struct list *findings,
                   struct err *err) MUST_CHECK;
/* A JSON array of image names; lives in scratch. */
const char *save_images(struct store *s, const struct strs *images);
bool end_findings(struct store *s, int64_t workload_id, struct err *err) MUST_CHECK;

/* ---- checkpoint.c ---- */
bool checkpoint_start(const char *path, int64_t wal_limit_bytes, const _Atomic uint64_t *commits,
                      const _Atomic bool *listing, struct checkpoint **ret,
                      struct err *err) MUST_CHECK;
void checkpoint_stop(struct checkpoint *c); /* accepts NULL; joins, truncates, frees */
void checkpoint_metrics(struct checkpoint *c, struct store_metrics *ret);

#endif
