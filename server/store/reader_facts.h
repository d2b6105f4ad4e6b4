/*
 * Facts for a reader: the same shapes that judging works on (model/model.h), read from a snapshot.
 * For what is judged on request and not at write time: the audit's drain times and preflight.
 * Events, slices, leases and nodes are left out: nobody waits yet.
 *
 * In an open snapshot; everything lives in the reader's arena. Thread: the reader's.
 */
#ifndef GATEHOUSE_STORE_READER_FACTS_H
#define GATEHOUSE_STORE_READER_FACTS_H

#include "model/model.h"
#include "model/preflight.h"
#include "store/reader.h"

/* A namespace holds no more of a kind than this for a reader; the rest is not looked at. */
enum { FACTS_OBJECTS_MAX = 2000, FACTS_WORKLOADS_MAX = 1000 };

bool reader_facts_cluster(struct reader *r, int64_t cluster, struct facts_cluster *ret,
                          struct err *err) MUST_CHECK;
/* Of a namespace that is not known: empty, with object NULL. *ret_id 0 then. */
bool reader_facts_namespace(struct reader *r, int64_t cluster, const char *name,
                            struct facts_namespace *ret, int64_t *ret_id,
                            struct err *err) MUST_CHECK;

/* A workload's object as stored; record NULL when it is none of ours, or not known. */
struct workload_row {
    const char *kind;
    const char *name;
    const struct kube_workload *record;
};
/* struct workload_row, at most FACTS_WORKLOADS_MAX. */
bool reader_facts_workloads(struct reader *r, int64_t ns_id, struct list *ret,
                            struct err *err) MUST_CHECK;
/* By its name; *ret NULL when it is not there. */
bool reader_facts_workload(struct reader *r, const struct object_name *name,
                           const struct kube_workload **ret, struct err *err) MUST_CHECK;
/* What is stored of the group that a binding names; known false when nothing is. */
bool reader_facts_group(struct reader *r, int64_t cluster, const struct kube_binding *b,
                        struct facts_group *ret, struct err *err) MUST_CHECK;

/* Judges manifests (struct manifest) against the cluster. ERR_INPUT when they are about more than
 * PREFLIGHT_NAMESPACES_MAX namespaces. */
bool reader_preflight(struct reader *r, int64_t cluster, const char *default_namespace,
                      const struct list *manifests, struct preflight *ret,
                      struct err *err) MUST_CHECK;

/* Is there a Service of that name? */
bool reader_facts_service(struct reader *r, int64_t cluster, const char *namespace,
                          const char *service, bool *ret, struct err *err) MUST_CHECK;
/* How many ready endpoints a Service has; -1 when it has no slice at all. */
bool reader_facts_endpoints(struct reader *r, int64_t cluster, const char *namespace,
                            const char *service, int64_t *ret_ready, struct err *err) MUST_CHECK;

#endif
