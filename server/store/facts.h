/* Inside this folder: what the three files of facts share. */
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

/* Frees the arena at the next begin: what lives in it may be borrowed until then. */
void facts_bury(struct store *s, struct arena *a);
void facts_cluster_begin(struct store *s);
void facts_cluster_fini(struct store *s);

/* struct prior_finding rows that hold for a namespace, or (ns_id 0) the cluster, and hang on no
 * rollout. */
bool facts_scope_findings(struct store *s, int64_t ns_id, struct arena *a, struct list *ret,
                          struct err *err) MUST_CHECK;

#endif
