/*
 * Which target groups a rollout stands behind (see reader.h): those of the bindings whose Service
 * selects its pods or its template, and of the bindings that its pods' gates name, whatever the
 * Service selects today.
 */
#include <string.h>

#include "model/model.h"
#include "model/template.h"
#include "store/facts.h"
#include "store/reader_facts.h"
#include "store/reader_in.h"

enum { PODS_LOOKED_AT = 200 /* the newest ones: a revision's pods are alike */ };

struct behind {
    struct facts_namespace ns;
    bool *hit; /* by binding */
    uint32_t left;
};

/* Marks the bindings that take such a pod. */
static void mark(struct behind *b, const struct kvs *labels, const struct strs *gates)
{
    for (uint32_t i = 0; i < b->ns.bindings.n && b->left > 0; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, b->ns.bindings, i);
        bool hit = fb->service != NULL && kvs_subset(&fb->service->selector, labels);
        for (uint32_t k = 0; k < gates->n && !hit; k++) {
            hit = strcmp(gate_binding_name(gates->items[k]), fb->binding->meta.name) == 0;
        }
        b->left -= hit && !b->hit[i] ? 1 : 0;
        b->hit[i] = b->hit[i] || hit;
    }
}

static bool mark_pods(struct reader *r, int64_t workload_id, struct behind *b, struct err *err)
{
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_PODS_PAGE);
    db_bind(st, "iiii", workload_id, INT64_MAX, INT64_MAX, (int64_t)PODS_LOOKED_AT);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        const struct kube_pod *p =
            row ? reader_record(r, kind_info(KIND_POD)->table, st, 14) : NULL;
        if (p != NULL) {
            mark(b, &p->meta.labels, &p->gates);
        }
    }
    return true;
}

static bool group_id(struct reader *r, struct rollout_group *g, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_GROUP_BY_ARN);
    db_bind(st, "t", g->arn);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (row) {
        g->id = db_int(st, 0);
        g->name = db_text(st, 1, r->arena);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

static bool listed(const struct rollout_group *rows, uint32_t n, const char *arn)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(rows[i].arn, arn) == 0) {
            return true;
        }
    }
    return false;
}

/* Each group once. A binding whose name is not resolved to an ARN yet has none to ask about. */
static bool collect(struct reader *r, const struct behind *b, struct list *ret, struct err *err)
{
    struct rollout_group *rows = arena_array(r->arena, struct rollout_group, b->ns.bindings.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->ns.bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, b->ns.bindings, i);
        if (!b->hit[i] || fb->group->arn[0] == '\0' || listed(rows, n, fb->group->arn)) {
            continue;
        }
        rows[n] = (struct rollout_group){
            .arn = fb->group->arn, .name = "", .binding = fb->binding->meta.name};
        if (!group_id(r, &rows[n], err)) {
            return false;
        }
        n++;
    }
    *ret = (struct list){rows, n};
    return true;
}

bool reader_rollout_groups(struct reader *r, int64_t cluster, const struct rollout_info *info,
                           struct list *ret, struct err *err)
{
    struct behind b = {.left = 0};
    const struct kube_workload *w = NULL;
    int64_t ignored = 0;
    if (!reader_facts_namespace(r, cluster, info->namespace, &b.ns, &ignored, err)) {
        return false;
    }
    struct object_name name = {
        .cluster = cluster, .namespace = info->namespace, .kind = info->kind, .name = info->name};
    if (!reader_facts_workload(r, &name, &w, err)) {
        return false;
    }
    b.hit = arena_zalloc(r->arena, b.ns.bindings.n + 1);
    b.left = b.ns.bindings.n;
    if (w != NULL) {
        struct pod_template t = template_of_workload(w);
        mark(&b, t.labels, t.gates);
    }
    return mark_pods(r, info->id, &b, err) && collect(r, &b, ret, err);
}
