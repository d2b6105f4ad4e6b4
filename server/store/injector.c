/*
 * The injecting webhook's Service over time: spans in which it had no ready endpoint. A pod made in
 * such a span under failurePolicy Ignore has no gate, and nothing in Kubernetes tells so later.
 */
#include <string.h>

#include "store/facts.h"

struct injector {
    const char *namespace;
    const char *service;
};

static const char injector_path[] = "/mutate-v1-pod"; /* aws-load-balancer-controller */

bool injector_webhook(const struct webhook *w)
{
    return w->service_name[0] != '\0' && strcmp(w->path, injector_path) == 0;
}

void injector_drop(struct store *s)
{
    s->injectors_known = false;
}

static void add_injectors(struct store *s, const struct kube_webhook_config *c,
                          struct injector *items, uint32_t max)
{
    for (uint32_t i = 0; i < c->webhooks.n && s->injectors.n < max; i++) {
        const struct webhook *w = LIST_AT(struct webhook, c->webhooks, i);
        if (injector_webhook(w)) {
            items[s->injectors.n++] = (struct injector){
                .namespace = arena_strdup(s->injector_arena, w->service_namespace),
                .service = arena_strdup(s->injector_arena, w->service_name)};
        }
    }
}

static bool load(struct store *s, struct err *err)
{
    enum { INJECTORS_MAX = 16 };
    if (s->injectors_known) {
        return true;
    }
    if (s->injector_arena == NULL) {
        s->injector_arena = arena_new(0);
    }
    arena_reset(s->injector_arena);
    struct injector *items = arena_array(s->injector_arena, struct injector, INJECTORS_MAX);
    s->injectors = (struct list){items, 0};
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECTS_OF_KIND);
    db_bind(st, "ii", s->cluster_id, (int64_t)KIND_WEBHOOK_CONFIG);
    AUTO_PTR(arena) a = arena_new(0);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            break;
        }
        const struct kube_webhook_config *c = facts_object_in(KIND_WEBHOOK_CONFIG, st, 1, a);
        if (c != NULL) {
            add_injectors(s, c, items, INJECTORS_MAX);
        }
    }
    s->injectors_known = true;
    return true;
}

bool injector_is(struct store *s, const char *namespace, const char *service, bool *ret,
                 struct err *err)
{
    if (!load(s, err)) {
        return false;
    }
    *ret = false;
    for (uint32_t i = 0; i < s->injectors.n; i++) {
        const struct injector *in = LIST_AT(struct injector, s->injectors, i);
        *ret = *ret || (strcmp(in->namespace, namespace) == 0 && strcmp(in->service, service) == 0);
    }
    return true;
}

static bool has_service(struct store *s, const struct injector *in, bool *ret, struct err *err)
{
    int64_t ns_id = 0;
    if (!names_find(s, in->namespace, &ns_id, err)) {
        return false;
    }
    const struct facts_from from = facts_of_writer(s, NULL); /* nothing is loaded */
    return facts_has_object(&from, &(struct facts_name){KIND_SERVICE, ns_id, in->service}, ret,
                            err);
}

bool injector_service_missing(struct store *s, bool *ret, struct err *err)
{
    *ret = false;
    if (!s->kinds[KIND_SERVICE].settled || s->lists[KIND_SERVICE].open) {
        return true; /* what is not listed yet is not absent */
    }
    if (!load(s, err)) {
        return false;
    }
    for (uint32_t i = 0; i < s->injectors.n; i++) {
        bool there = false;
        if (!has_service(s, LIST_AT(struct injector, s->injectors, i), &there, err)) {
            return false;
        }
        *ret = *ret || !there;
    }
    return true;
}

static bool has_endpoint(struct store *s, const struct injector *in, bool *ret, struct err *err)
{
    int64_t ns_id = 0;
    *ret = false;
    if (!names_find(s, in->namespace, &ns_id, err)) {
        return false;
    }
    AUTO_PTR(arena) a = arena_new(0);
    const struct facts_from from = facts_of_writer(s, a);
    int64_t ready = 0;
    if (!facts_ready_endpoints(&from, ns_id, in->service, &ready, err)) {
        return false;
    }
    *ret = ready > 0;
    return true;
}

static bool book(struct store *s, bool down, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, down ? SQL_SPAN_OPEN : SQL_SPAN_CLOSE);
    db_bind(st, "ii", s->cluster_id, s->now);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    if (sqlite3_changes(s->db.handle) > 0) {
        facts_drop_cluster(s);
        dirty_mark(s, DIRTY_CLUSTER, 0);
    }
    return true;
}

bool injector_look(struct store *s, struct err *err)
{
    const struct kind_state *slices = &s->kinds[KIND_ENDPOINT_SLICE];
    const struct kind_state *hooks = &s->kinds[KIND_WEBHOOK_CONFIG];
    bool listing = s->lists[KIND_ENDPOINT_SLICE].open || s->lists[KIND_WEBHOOK_CONFIG].open;
    if (!slices->settled || !hooks->settled || listing) {
        return true; /* what is not listed yet is not absent */
    }
    if (!load(s, err)) {
        return false;
    }
    bool down = false;
    for (uint32_t i = 0; i < s->injectors.n; i++) {
        bool up = false;
        if (!has_endpoint(s, LIST_AT(struct injector, s->injectors, i), &up, err)) {
            return false;
        }
        down = down || !up;
    }
    return book(s, down, err);
}
