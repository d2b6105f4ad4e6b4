/*
 * What the poller should look at: one row a target group that some binding names. Hot are those
 * where something moves: a rollout that the binding's Service selects and that does not rest, or a
 * target that is not healthy. Attributes are wanted where the delay of deregistration or the limits
 * of failing open count, a load balancer's listeners and rules where ELBv2 says of a target that
 * its group is not in use.
 */
#include <string.h>

#include "store/facts.h"

enum { MATCHED_MAX = 500 }; /* restless rollouts looked at one by one; past it whole namespaces */

struct restless {
    int64_t ns_id;
    const struct kvs *labels; /* of its pod template; NULL = cannot be told */
};

static bool load_restless(struct store *s, struct arena *a, struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    sqlite3_stmt *st = db_get(&s->db, SQL_WORKLOAD_RESTLESS);
    db_bind(st, "ii", s->cluster_id, (int64_t)rollout_state_rank(ROLLOUT_PROGRESSING));
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            *ret = facts_take(&all, sizeof(struct restless), a);
            return true;
        }
        struct restless *r = facts_push(&all, sizeof *r);
        r->ns_id = db_int(st, 0);
        enum kind kind = workload_kind(db_text(st, 1, NULL));
        if (all.n > MATCHED_MAX || kind == KIND_COUNT) {
            continue;
        }
        const struct kube_workload *w = facts_object_in(kind, st, 2, a);
        r->labels = w != NULL && w->template_labels.n > 0 ? &w->template_labels : NULL;
    }
}

/* Labels that single revisions carry are not in the template: left out of the comparison. */
static bool may_select(const struct kvs *selector, const struct kvs *labels)
{
    for (uint32_t i = 0; i < selector->n; i++) {
        const struct kv *kv = &selector->items[i];
        const char *value = kvs_get(labels, kv->key);
        if (value != NULL && strcmp(value, kv->value) != 0) {
            return false;
        }
    }
    return true;
}

/* A binding and its group, read before anything else is asked. */
struct bound {
    int64_t ns_id;
    const struct kube_binding *b;
    bool observed;
    int64_t targets;
    int64_t healthy;
    bool draining;
    bool failing_open; /* nothing but unhealthy targets */
    bool not_in_use;
    const char *balancer; /* that it stands behind, or stood last; "" */
};

/* Does one of the restless rollouts stand behind the binding? */
static bool moves(struct store *s, const struct list *restless, const struct bound *x,
                  struct arena *a, bool *ret, struct err *err)
{
    const struct facts_from from = facts_of_writer(s, a);
    const struct facts_name name = {KIND_SERVICE, x->ns_id, x->b->service};
    const void *service = NULL;
    bool looked = false;
    *ret = false;
    for (uint32_t i = 0; i < restless->n && !*ret; i++) {
        const struct restless *r = LIST_AT(struct restless, *restless, i);
        if (r->ns_id != x->ns_id) {
            continue;
        }
        if (!looked && !facts_object(&from, &name, &service, err)) {
            return false;
        }
        looked = true;
        const struct kube_service *svc = service;
        *ret = svc == NULL || r->labels == NULL || may_select(&svc->selector, r->labels);
    }
    return true;
}

static bool read_bound(const struct facts_rows *rows, void *item)
{
    sqlite3_stmt *st = rows->st;
    const struct kube_binding *b = facts_object_in((enum kind)db_int(st, 0), st, 2, rows->arena);
    if (b == NULL || (b->arn[0] == '\0' && b->group_name[0] == '\0')) {
        return false;
    }
    *(struct bound *)item = (struct bound){
        .ns_id = db_int(st, 1),
        .b = b,
        .observed = db_int(st, 3) != 0,
        .targets = db_int(st, 4),
        .healthy = db_int(st, 5),
        .draining = db_int(st, 6) != 0,
        .not_in_use = db_int(st, 7) != 0,
        .failing_open = db_int(st, 9) > 0 && db_int(st, 9) + db_int(st, 6) == db_int(st, 4),
        .balancer = db_text(st, 8, rows->arena)};
    return true;
}

static bool load_bound(struct store *s, struct arena *a, struct list *ret, struct err *err)
{
    const struct facts_rows rows = {.db = &s->db,
                                    .st = db_get(&s->db, SQL_BINDINGS_WISHED),
                                    .arena = a,
                                    .size = sizeof(struct bound),
                                    .read = read_bound};
    db_bind(rows.st, "i", s->cluster_id);
    return facts_list(&rows, ret, err);
}

/* The wish for the same group, when another binding made it already. */
static struct group_wish *same_group(struct facts_array *all, struct idmap *index,
                                     const struct kube_binding *b)
{
    const char *key = b->arn[0] != '\0' ? b->arn : b->group_name;
    int64_t at = idmap_get(index, (int64_t)(text_hash(key) >> 1), -1);
    struct group_wish *items = all->items;
    bool same = at >= 0 && items != NULL && strcmp(items[at].arn, b->arn) == 0 &&
                (b->arn[0] != '\0' || strcmp(items[at].name, b->group_name) == 0);
    if (same) {
        return &items[at];
    }
    (void)idmap_put(index, (int64_t)(text_hash(key) >> 1), (int64_t)all->n); /* newest wins */
    struct group_wish *w = facts_push(all, sizeof *w);
    *w = (struct group_wish){.arn = b->arn,
                             .name = b->group_name,
                             .role_arn = b->role_arn,
                             .external_id = b->external_id,
                             .vpc_id = b->vpc_id,
                             .balancer = ""};
    return w;
}

bool store_group_wishes(struct store *s, struct arena *a, struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    struct idmap index = {0};
    struct list restless;
    struct list bound;
    if (!load_restless(s, a, &restless, err) || !load_bound(s, a, &bound, err)) {
        return false;
    }
    for (uint32_t i = 0; i < bound.n; i++) {
        const struct bound *x = LIST_AT(struct bound, bound, i);
        bool moving = false;
        if (!moves(s, &restless, x, a, &moving, err)) {
            idmap_fini(&index);
            return false;
        }
        bool sick = x->healthy < x->targets;
        struct group_wish *w = same_group(&all, &index, x->b);
        w->hot = w->hot || moving || sick || !x->observed;
        w->attributes = w->attributes || x->draining || x->failing_open;
        w->balancer = x->not_in_use ? x->balancer : w->balancer;
    }
    idmap_fini(&index);
    *ret = facts_take(&all, sizeof(struct group_wish), a);
    return true;
}
