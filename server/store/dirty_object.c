/*
 * Whom a changed object concerns. Selectors are matched against the pod templates of the
 * namespace's workloads, old selector and new; labels that only single revisions or pods carry
 * count as matched.
 */
#include <string.h>

#include "store/facts.h"

static bool mark_workload(struct store *s, int64_t ns_id, const char *kind, const char *name,
                          struct err *err)
{
    int64_t id = 0;
    if (!workload_find(s, ns_id, kind, name, &id, err)) {
        return false;
    }
    if (id != 0) {
        dirty_mark(s, DIRTY_ROLLOUT, id);
    }
    return true;
}

/* ---- selectors ---- */

static bool of_one_revision(const char *key)
{
    static const char *const keys[] = {
        "pod-template-hash", "rollouts-pod-template-hash", "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_select(const struct kvs *selector, const struct kvs *labels)
{
    for (uint32_t i = 0; i < selector->n; i++) {
        const struct kv *kv = &selector->items[i];
        const char *value = kvs_get(labels, kv->key);
        if (!of_one_revision(kv->key) && (value == NULL || strcmp(value, kv->value) != 0)) {
            return false;
        }
    }
    return selector->n > 0;
}

/* A pair of selectors, either of which may be missing. */
struct wanted {
    const struct kvs *pairs[2];
    const struct selector *selectors[2];
};

static bool wants(const struct wanted *w, const struct kvs *labels)
{
    for (int i = 0; i < 2; i++) {
        if ((w->pairs[i] != NULL && may_select(w->pairs[i], labels)) ||
            (w->selectors[i] != NULL && selector_match(w->selectors[i], labels))) {
            return true;
        }
    }
    return false;
}

/* Workloads without a template (bare pods, other owners) cannot be told from afar: marked. */
static bool mark_selected(struct store *s, int64_t ns_id, const struct wanted *w, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_BODIES);
    db_bind(st, "i", ns_id);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        enum kind kind = workload_kind(db_text(st, 1, NULL));
        const struct kube_workload *k = kind != KIND_COUNT ? facts_object_in(kind, st, 2, a) : NULL;
        if (k == NULL || k->workload_ref_name[0] != '\0' || wants(w, &k->template_labels)) {
            dirty_mark(s, DIRTY_ROLLOUT, db_int(st, 0));
        }
        arena_reset(a);
    }
}

static bool on_service(struct store *s, int64_t ns_id, const struct kube_service *old,
                       const struct kube_service *fresh, struct err *err)
{
    const struct wanted w = {
        .pairs = {old != NULL ? &old->selector : NULL, fresh != NULL ? &fresh->selector : NULL}};
    const struct meta *meta = fresh != NULL ? &fresh->meta : &old->meta;
    bool injects = false;
    bool came_or_went = old == NULL || fresh == NULL;
    if (came_or_went && !injector_is(s, meta->namespace, meta->name, &injects, err)) {
        return false;
    }
    if (injects) {
        dirty_mark(s, DIRTY_CLUSTER, 0);
    }
    return mark_selected(s, ns_id, &w, err);
}

static bool on_budget(struct store *s, int64_t ns_id, const struct kube_pdb *old,
                      const struct kube_pdb *fresh, struct err *err)
{
    const struct wanted w = {.selectors = {old != NULL ? &old->selector : NULL,
                                           fresh != NULL ? &fresh->selector : NULL}};
    return mark_selected(s, ns_id, &w, err);
}

/* ---- slices ---- */

static bool same_endpoint(const struct endpoint *a, const struct endpoint *b)
{
    if (a->addresses.n != b->addresses.n || a->ready != b->ready || a->serving != b->serving ||
        a->terminating != b->terminating || strcmp(a->target_name, b->target_name) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < a->addresses.n; i++) {
        if (strcmp(a->addresses.items[i], b->addresses.items[i]) != 0) {
            return false;
        }
    }
    return strcmp(a->zone, b->zone) == 0;
}

/* Is the same endpoint in the other slice? Looks where it was found last, so equal orders are
 * cheap. */
static bool has_endpoint(const struct kube_slice *in, const struct endpoint *e, uint32_t *hint)
{
    for (uint32_t i = 0; in != NULL && i < in->endpoints.n; i++) {
        uint32_t at = (*hint + i) % in->endpoints.n;
        if (same_endpoint(LIST_AT(struct endpoint, in->endpoints, at), e)) {
            *hint = at + 1;
            return true;
        }
    }
    return false;
}

static bool mark_changed(struct store *s, int64_t ns_id, const struct kube_slice *these,
                         const struct kube_slice *others, bool all, struct err *err)
{
    uint32_t hint = 0;
    for (uint32_t i = 0; these != NULL && i < these->endpoints.n; i++) {
        const struct endpoint *e = LIST_AT(struct endpoint, these->endpoints, i);
        if ((all || !has_endpoint(others, e, &hint)) && strcmp(e->target_kind, "Pod") == 0 &&
            !dirty_pod(s, ns_id, e->target_name, err)) {
            return false;
        }
    }
    return true;
}

static bool on_slice(struct store *s, int64_t ns_id, const struct kube_slice *old,
                     const struct kube_slice *fresh, struct err *err)
{
    const struct kube_slice *any = fresh != NULL ? fresh : old;
    const char *service =
        any != NULL ? kvs_get(&any->meta.labels, "kubernetes.io/service-name") : NULL;
    bool all = old == NULL || fresh == NULL || old->ports.n != fresh->ports.n;
    for (uint32_t i = 0; !all && i < old->ports.n; i++) {
        all = LIST_AT(struct slice_port, old->ports, i)->port !=
              LIST_AT(struct slice_port, fresh->ports, i)->port;
    }
    bool injects = false;
    if (service != NULL && !injector_is(s, any->meta.namespace, service, &injects, err)) {
        return false;
    }
    return mark_changed(s, ns_id, fresh, old, all, err) &&
           mark_changed(s, ns_id, old, fresh, all, err) && (!injects || injector_look(s, err));
}

/* ---- the other kinds ---- */

static bool on_event(struct store *s, int64_t ns_id, const struct kube_event *e, struct err *err)
{
    if (strcmp(e->object_kind, "Pod") == 0) {
        return dirty_pod(s, ns_id, e->object_name, err);
    }
    if (strcmp(e->object_kind, "ReplicaSet") == 0) {
        const struct owner rs = {.kind = "ReplicaSet",
                                 .api_version = "apps/v1",
                                 .name = e->object_name,
                                 .uid = e->object_uid};
        int64_t id = 0;
        if (!workload_of_owner(s, ns_id, &rs, NULL, &id, err)) {
            return false;
        }
        if (id != 0) {
            dirty_mark(s, DIRTY_ROLLOUT, id);
        }
        return true;
    }
    if (strcmp(e->object_kind, "TargetGroupBinding") == 0 ||
        strcmp(e->object_kind, "Service") == 0 || strcmp(e->object_kind, "Ingress") == 0) {
        dirty_mark(s, DIRTY_NAMESPACE, ns_id);
        return dirty_namespace_rollouts(s, ns_id, err);
    }
    return mark_workload(s, ns_id, e->object_kind, e->object_name, err);
}

static const char *ready_of(const struct kube_node *n)
{
    const struct condition *c = condition_get(&n->conditions, "Ready");
    return c != NULL ? c->status : "";
}

static const char *zone_of(const struct kube_node *n)
{
    const char *zone = kvs_get(&n->meta.labels, "topology.kubernetes.io/zone");
    return zone != NULL ? zone : "";
}

static bool on_node(struct store *s, const struct kube_node *old, const struct kube_node *fresh,
                    struct err *err)
{
    const struct kube_node *any = fresh != NULL ? fresh : old;
    if (any == NULL ||
        (old != NULL && fresh != NULL && strcmp(ready_of(old), ready_of(fresh)) == 0 &&
         strcmp(zone_of(old), zone_of(fresh)) == 0)) {
        return true;
    }
    facts_drop_cluster(s);
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_ON_NODE);
    db_bind(st, "i", (int64_t)(text_hash(any->meta.name) & 0xffffffff) | 1);
    return dirty_rows(s, st, DIRTY_ROLLOUT, err);
}

static bool on_replicaset(struct store *s, int64_t ns_id, const struct kube_workload *rs,
                          struct err *err)
{
    const struct owner *o = meta_controller(&rs->meta);
    return o == NULL || mark_workload(s, ns_id, o->kind, o->name, err);
}

static bool on_revision(struct store *s, int64_t ns_id, const struct kube_revision *r,
                        struct err *err)
{
    const struct owner *o = meta_controller(&r->meta);
    return o == NULL || mark_workload(s, ns_id, o->kind, o->name, err);
}

/* Objects that facts of the whole cluster hold. */
static bool on_cluster_object(struct store *s, enum kind kind, struct err *err)
{
    facts_drop_cluster(s);
    dirty_mark(s, DIRTY_CLUSTER, 0);
    if (kind != KIND_WEBHOOK_CONFIG) {
        return true;
    }
    injector_drop(s);
    store_dirty_all(s);
    return injector_look(s, err);
}

static bool on_hpa(struct store *s, int64_t ns_id, const struct kube_hpa *h, struct err *err)
{
    return mark_workload(s, ns_id, h->target_kind, h->target_name, err);
}

bool dirty_object(struct store *s, enum kind kind, int64_t ns_id, const void *old,
                  const void *fresh, struct err *err)
{
    const void *any = fresh != NULL ? fresh : old;
    if (kind == KIND_WEBHOOK_CONFIG || kind == KIND_LEASE) {
        return on_cluster_object(s, kind, err);
    }
    if (kind == KIND_NODE) {
        return on_node(s, old, fresh, err);
    }
    if (kind != KIND_REPLICASET && kind != KIND_CONTROLLER_REVISION) {
        facts_drop_namespace(s, ns_id);
    }
    if (any == NULL) { /* a row that did not unpack went */
        return dirty_namespace_rollouts(s, ns_id, err);
    }
    switch ((int)kind) {
    case KIND_SERVICE:
        return on_service(s, ns_id, old, fresh, err);
    case KIND_ENDPOINT_SLICE:
        return on_slice(s, ns_id, old, fresh, err);
    case KIND_EVENT:
        return on_event(s, ns_id, any, err);
    case KIND_PDB:
        return on_budget(s, ns_id, old, fresh, err);
    case KIND_HPA:
        return on_hpa(s, ns_id, any, err);
    case KIND_REPLICASET:
        return on_replicaset(s, ns_id, any, err);
    case KIND_CONTROLLER_REVISION:
        return on_revision(s, ns_id, any, err);
    case KIND_BINDING_LBC:
    case KIND_BINDING_AUTO:
    case KIND_INGRESS:
        dirty_mark(s, DIRTY_NAMESPACE, ns_id);
        return dirty_namespace_rollouts(s, ns_id, err);
    default:
        return true;
    }
}
