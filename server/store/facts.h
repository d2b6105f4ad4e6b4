/*
 * Inside this folder: what the files of facts share. One reading of a row serves both connections,
 * the writer's (facts_namespace.c, facts_cluster.c) and a reader's (reader_facts.c).
 */
#ifndef GATEHOUSE_STORE_FACTS_H
#define GATEHOUSE_STORE_FACTS_H

#include "store/state.h"

/* A growing array on the heap that ends as a list in an arena; always of one item size. */
struct facts_array {
    void *items;
    size_t n;
    size_t cap;
};
void *facts_push(struct facts_array *array, size_t size) __attribute__((returns_nonnull));
struct list facts_take(struct facts_array *array, size_t size, struct arena *a);
void facts_array_auto(struct facts_array *array);

/* ---- rows ---- */

/* The rows of a bound statement as items of one size. */
struct facts_rows {
    struct db *db;
    sqlite3_stmt *st;
    int64_t most;        /* rows looked at; 0: all */
    struct arena *arena; /* of the list, and of what its items point at */
    size_t size;
    /* Fills a zeroed item from the row that st stands on; false leaves the row out. */
    bool (*read)(const struct facts_rows *rows, void *item);
    enum kind kind; /* of the objects, where the rows are objects */
    void *arg;      /* read's own */
};
bool facts_list(const struct facts_rows *rows, struct list *ret, struct err *err) MUST_CHECK;
/* Into an array that more is added to. */
bool facts_add(const struct facts_rows *rows, struct facts_array *all, struct err *err) MUST_CHECK;
/* A reader of rows that begin with resource_version, body: the kind's record. */
bool facts_read_object(const struct facts_rows *rows, void *item);

/* The packed record in a column; NULL when there is none, or one packed by another version: what
 * brought it writes it anew. Lives in the arena. */
void *facts_record(const struct field_table *table, sqlite3_stmt *st, int column, struct arena *a);
/* ... into a record of the caller's; false leaves it cleared, or as it was. */
bool facts_unpack(const struct field_table *table, sqlite3_stmt *st, int column, struct arena *a,
                  void *ret);
/* An object's, with its kind; its resourceVersion is left empty. */
void *facts_object_in(enum kind kind, sqlite3_stmt *st, int column, struct arena *a);

/* ---- loaders for either connection ---- */

struct facts_from {
    struct db *db;
    int64_t cluster;
    struct arena *arena;  /* what is loaded lives here */
    int64_t most;         /* objects of a kind in a namespace; 0: all */
    struct store *writer; /* NULL: a reader, which does not see what only the writer knows */
};
struct facts_name {
    enum kind kind;
    int64_t ns_id; /* 0: an object of the cluster */
    const char *name;
};

/* Records of a kind by name, with their resourceVersion. */
bool facts_objects(const struct facts_from *from, enum kind kind, int64_t ns_id, struct list *ret,
                   struct err *err) MUST_CHECK;
/* One of them; *ret NULL when it is not there. */
bool facts_object(const struct facts_from *from, const struct facts_name *name, const void **ret,
                  struct err *err) MUST_CHECK;
bool facts_has_object(const struct facts_from *from, const struct facts_name *name, bool *ret,
                      struct err *err) MUST_CHECK;
/* How many ready endpoints a Service has; -1 when it has no slice at all. */
bool facts_ready_endpoints(const struct facts_from *from, int64_t ns_id, const char *service,
                           int64_t *ret, struct err *err) MUST_CHECK;
/* struct facts_span, newest first: when no injecting webhook could answer. */
bool facts_spans(const struct facts_from *from, int64_t most, struct list *ret,
                 struct err *err) MUST_CHECK;
/* *ret NULL when the load balancer is not described. */
bool facts_balancer(const struct facts_from *from, const char *arn, const struct elb_balancer **ret,
                    struct err *err) MUST_CHECK;
/* What is stored of the group that a binding names; known false when nothing is. */
bool facts_group(const struct facts_from *from, const struct kube_binding *b,
                 struct facts_group *ret, struct err *err) MUST_CHECK;
/* struct facts_binding of a namespace, of both API groups; bindings of one ARN share their group.
 */
bool facts_bindings(const struct facts_from *from, int64_t ns_id, const struct list *services,
                    struct list *ret, struct err *err) MUST_CHECK;

/* ---- the writer's ---- */

struct facts_from facts_of_writer(struct store *s, struct arena *a);
/* Adds what a reader does not see to a group: targets, answers newer than the row, why nothing is
 * known, and the load balancer that sent here before (behind, "" = none). id 0: there is no row. */
bool facts_group_seen(const struct facts_from *from, int64_t id, const char *behind,
                      struct facts_group *g, struct err *err) MUST_CHECK;
/* Frees the arena at the next begin: what lives in it may be borrowed until then. */
void facts_bury(struct store *s, struct arena *a);
void facts_cluster_begin(struct store *s);
void facts_cluster_fini(struct store *s);

/* struct prior_finding rows that hold for a namespace, or (ns_id 0) the cluster, and hang on no
 * rollout. */
bool facts_scope_findings(struct store *s, int64_t ns_id, struct arena *a, struct list *ret,
                          struct err *err) MUST_CHECK;

#endif
