/* Helpers of the store's tests: a store in a folder of its own, changes from literals and from
 * recorded lists, questions to the database. */
#ifndef GATEHOUSE_TESTS_STORE_HELP_H
#define GATEHOUSE_TESTS_STORE_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "source/read.h"
#include "store/state.h"

#define INLINE static inline __attribute__((unused))

struct bed {
    char dir[64];
    char path[96];
    struct store *s;
    int64_t now;
    struct commit commit;
};

INLINE void bed_open(struct bed *b)
{
    struct err err = {0};
    char *note = NULL;
    struct store_options opt = {.path = b->path,
                                .cluster_name = "test",
                                .cache_bytes = 8 << 20,
                                .wal_limit_bytes = 8 << 20,
                                .keep_history_ms = INT64_C(86400000) * 30,
                                .keep_bytes = INT64_C(1) << 30};
    if (!store_open(&opt, &b->s, &note, &err)) {
        fail_msg("store_open: %s", err.text);
    }
    assert_null(note);
}

INLINE void bed_init(struct bed *b)
{
    *b = (struct bed){.now = INT64_C(1750000000000)};
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/gatehouse-store-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->path, sizeof b->path, "%s/test.db", b->dir);
    bed_open(b);
}

INLINE void bed_close(struct bed *b)
{
    store_close(b->s);
    b->s = NULL;
}

INLINE void bed_remove_files(const char *dir)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

INLINE void bed_fini(struct bed *b)
{
    store_close(b->s);
    bed_remove_files(b->dir);
}

/* ---- transactions ---- */

INLINE void bed_begin(struct bed *b)
{
    struct err err = {0};
    b->now += 1000;
    if (!store_begin(b->s, b->now, &err)) {
        fail_msg("begin: %s", err.text);
    }
}

INLINE void bed_commit(struct bed *b)
{
    struct err err = {0};
    if (!store_commit(b->s, &b->commit, &err)) {
        fail_msg("commit: %s", err.text);
    }
}

/* Takes the change: applies it in the open transaction. */
INLINE void bed_apply(struct bed *b, struct change *c)
{
    struct err err = {0};
    if (!store_apply(b->s, c, &err)) {
        fail_msg("apply %s: %s", change_type_name(c->type), err.text);
    }
    change_free(c);
}

/* ... in a transaction of its own. */
INLINE void bed_do(struct bed *b, struct change *c)
{
    bed_begin(b);
    bed_apply(b, c);
    bed_commit(b);
}

/* ---- changes ---- */

INLINE struct change *change_of_kind(enum change_type type, enum kind kind)
{
    struct change *c = change_new(type, 0);
    c->kind = kind;
    return c;
}

INLINE struct change *change_rv(enum change_type type, enum kind kind, const char *rv)
{
    struct change *c = change_of_kind(type, kind);
    c->resource_version = arena_strdup(c->arena, rv);
    return c;
}

/* One object; the record is copied by its table. */
INLINE struct change *change_one(enum kind kind, const void *record, bool deleted, bool in_list)
{
    struct change *c = change_of_kind(CHANGE_OBJECTS, kind);
    c->objects = arena_array(c->arena, struct change_object, 1);
    struct meta *copy = record_copy(kind_info(kind)->table, record, c->arena);
    copy->kind = kind;
    c->objects[0] = (struct change_object){deleted, copy};
    c->n_objects = 1;
    c->in_list = in_list;
    return c;
}

/* All objects of a recorded list (tests/fixtures/kubernetes/NAME.json). */
INLINE struct change *change_recorded(enum kind kind, const char *name, bool in_list)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/kubernetes/%s.json", FIXTURES, name);
    json_error_t error;
    json_t *doc = json_load_file(path, 0, &error);
    if (doc == NULL) {
        fail_msg("%s: %s", path, error.text);
    }
    json_t *items = json_object_get(doc, "items");
    size_t n = json_array_size(items);
    assert_true(n > 0);
    struct change *c = change_of_kind(CHANGE_OBJECTS, kind);
    c->in_list = in_list;
    c->objects = arena_array(c->arena, struct change_object, n);
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        void *record = arena_alloc(c->arena, kind_info(kind)->table->size);
        if (!json_read_object(kind, json_array_get(items, i), c->arena, record, &err)) {
            fail_msg("%s: %s", path, err.text);
        }
        c->objects[c->n_objects++] = (struct change_object){false, record};
    }
    json_decref(doc);
    return c;
}

INLINE void bed_list_recorded(struct bed *b, enum kind kind, const char *name, const char *rv)
{
    bed_begin(b);
    bed_apply(b, change_of_kind(CHANGE_LIST_BEGIN, kind));
    bed_apply(b, change_recorded(kind, name, true));
    bed_apply(b, change_rv(CHANGE_LIST_END, kind, rv));
    bed_commit(b);
}

/* X(kind, file) of everything recorded, in the order a source lists it */
#define RECORDED(X)                                                                                \
    X(KIND_NAMESPACE, "namespaces")                                                                \
    X(KIND_NODE, "nodes")                                                                          \
    X(KIND_SERVICE, "services")                                                                    \
    X(KIND_WEBHOOK_CONFIG, "mutatingwebhookconfigurations")                                        \
    X(KIND_LEASE, "leases")                                                                        \
    X(KIND_INGRESS, "ingresses")                                                                   \
    X(KIND_DEPLOYMENT, "deployments")                                                              \
    X(KIND_STATEFULSET, "statefulsets")                                                            \
    X(KIND_DAEMONSET, "daemonsets")                                                                \
    X(KIND_REPLICASET, "replicasets")                                                              \
    X(KIND_CONTROLLER_REVISION, "controllerrevisions")                                             \
    X(KIND_PDB, "poddisruptionbudgets")                                                            \
    X(KIND_HPA, "horizontalpodautoscalers")                                                        \
    X(KIND_ENDPOINT_SLICE, "endpointslices")                                                       \
    X(KIND_EVENT, "events")                                                                        \
    X(KIND_POD, "pods")

INLINE void bed_list_all(struct bed *b, const char *rv)
{
#define X(kind, name) bed_list_recorded(b, kind, name, rv);
    RECORDED(X)
#undef X
}

/* Lists every kind as empty: the store is settled afterwards. */
INLINE void bed_settle(struct bed *b)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        bed_begin(b);
        bed_apply(b, change_of_kind(CHANGE_LIST_BEGIN, (enum kind)i));
        bed_apply(b, change_rv(CHANGE_LIST_END, (enum kind)i, "1"));
        bed_commit(b);
    }
    struct dirty d;
    bed_begin(b);
    while (store_next_dirty(b->s, &d)) {
    }
    bed_commit(b);
}

/* ---- literals ---- */

INLINE void *record_new(enum kind kind, struct arena *a)
{
    const struct field_table *table = kind_info(kind)->table;
    void *record = arena_alloc(a, table->size);
    record_clear(table, record);
    ((struct meta *)record)->kind = kind;
    return record;
}

INLINE struct meta *named(void *record, const char *ns, const char *name, const char *uid,
                          const char *rv)
{
    struct meta *m = record;
    m->namespace = ns;
    m->name = name;
    m->uid = uid;
    m->resource_version = rv;
    m->created_at = INT64_C(1749990000000);
    return m;
}

INLINE void owned(struct arena *a, struct meta *m, const char *kind, const char *name,
                  const char *uid)
{
    struct owner *o = arena_zalloc(a, sizeof *o);
    *o = (struct owner){"apps/v1", kind, name, uid, 1};
    m->owners = (struct list){o, 1};
}

INLINE struct kvs labels_of(struct arena *a, const char *key, const char *value)
{
    struct kv *kv = arena_zalloc(a, sizeof *kv);
    *kv = (struct kv){arena_strdup(a, key), arena_strdup(a, value)};
    return (struct kvs){kv, 1};
}

/* A Deployment with template label app=NAME. */
INLINE struct kube_workload *deployment(struct arena *a, const char *ns, const char *name,
                                        const char *uid, const char *rv)
{
    struct kube_workload *w = record_new(KIND_DEPLOYMENT, a);
    named(w, ns, name, uid, rv);
    w->replicas = 2;
    w->template_labels = labels_of(a, "app", name);
    return w;
}

INLINE struct kube_workload *replicaset(struct arena *a, const char *ns, const char *name,
                                        const char *uid, const char *rv)
{
    struct kube_workload *w = record_new(KIND_REPLICASET, a);
    named(w, ns, name, uid, rv);
    w->replicas = 2;
    return w;
}

INLINE struct kube_pod *pod(struct arena *a, const char *ns, const char *name, const char *uid,
                            const char *rv)
{
    struct kube_pod *p = record_new(KIND_POD, a);
    named(p, ns, name, uid, rv);
    p->phase = "Running";
    return p;
}

/* ---- questions ---- */

INLINE int64_t ask(struct bed *b, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(store_db(b->s)->handle, sql, -1, &st, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(store_db(b->s)->handle));
    }
    int64_t n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -999;
    (void)sqlite3_finalize(st);
    return n;
}

INLINE const char *ask_text(struct bed *b, const char *sql)
{
    static char text[65536];
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(store_db(b->s)->handle, sql, -1, &st, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(store_db(b->s)->handle));
    }
    const char *found =
        sqlite3_step(st) == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    (void)snprintf(text, sizeof text, "%s", found != NULL ? found : "(none)");
    (void)sqlite3_finalize(st);
    return text;
}

INLINE int64_t total_changes(struct bed *b)
{
    return sqlite3_total_changes64(store_db(b->s)->handle);
}

/* Takes all marks; true when this one was among them. */
INLINE bool drain_has(struct bed *b, enum dirty_what what, int64_t id, size_t *ret_rollouts)
{
    struct dirty d;
    bool found = false;
    size_t rollouts = 0;
    bed_begin(b);
    while (store_next_dirty(b->s, &d)) {
        found = found || (d.what == what && d.id == id);
        rollouts += d.what == DIRTY_ROLLOUT ? 1 : 0;
    }
    bed_commit(b);
    if (ret_rollouts != NULL) {
        *ret_rollouts = rollouts;
    }
    return found;
}

/* The state an item of the last commit's feed tells; -999 when there is none. */
INLINE int feed_state(const struct bed *b, enum feed_what what, const char *name)
{
    for (uint32_t i = 0; i < b->commit.n_items; i++) {
        if (b->commit.items[i].what == what && strcmp(b->commit.items[i].name, name) == 0) {
            return b->commit.items[i].state;
        }
    }
    return -999;
}

INLINE int feed_from(const struct bed *b, enum feed_what what, const char *name)
{
    for (uint32_t i = 0; i < b->commit.n_items; i++) {
        if (b->commit.items[i].what == what && strcmp(b->commit.items[i].name, name) == 0) {
            return b->commit.items[i].from_state;
        }
    }
    return -999;
}

#endif
