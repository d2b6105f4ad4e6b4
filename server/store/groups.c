/*
 * Descriptions of target groups and load balancers, groups that are gone, and which binding names
 * which group.
 */
#include <string.h>

#include "store/facts.h"

/* ---- descriptions ---- */

/* A description without attributes keeps those that were read before; an answer that has nothing
 * but attributes (no name) keeps the description. */
static void merge_group(struct store *s, const struct group_row *row, struct elb_group *g)
{
    struct err ignored = {0};
    struct elb_group old;
    if (row->body == NULL ||
        !unpack_record(&elb_group_table, row->body, row->len, s->scratch, &old, &ignored)) {
        return;
    }
    if (g->name[0] == '\0' && g->attributes_at != 0) {
        struct elb_group whole = old;
        whole.arn = g->arn;
        whole.attributes = g->attributes;
        whole.attributes_at = g->attributes_at;
        *g = whole;
        return;
    }
    if (g->attributes_at == 0) {
        g->attributes = old.attributes;
        g->attributes_at = old.attributes_at;
    }
}

/* Does anything but the time of reading differ? */
static bool group_differs(struct store *s, const struct group_row *row, const struct elb_group *g)
{
    struct err ignored = {0};
    struct elb_group old;
    if (row->body == NULL ||
        !unpack_record(&elb_group_table, row->body, row->len, s->scratch, &old, &ignored)) {
        return true;
    }
    struct elb_group fresh = *g;
    AUTO(buf) was = BUF_INIT(1 << 20);
    old.attributes_at = 0;
    fresh.attributes_at = 0;
    pack_record(&elb_group_table, &old, &was);
    buf_clear(&s->pack);
    pack_record(&elb_group_table, &fresh, &s->pack);
    return was.len != s->pack.len || memcmp(was.data, s->pack.data, was.len) != 0;
}

static bool apply_group(struct store *s, const struct elb_group *described, struct err *err)
{
    struct group_row row = {0};
    struct elb_group g = *described;
    if (!group_ensure(s, g.arn, g.name, &row, err)) {
        return false;
    }
    merge_group(s, &row, &g);
    bool differs = group_differs(s, &row, &g);
    buf_clear(&s->pack);
    pack_record(&elb_group_table, &g, &s->pack);
    const char *balancer = g.load_balancer_arns.n > 0 ? g.load_balancer_arns.items[0] : "";
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_DESCRIBED);
    db_bind(st, "ttbii", g.name, balancer, s->pack.data, s->pack.len, s->now, row.id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    struct moved m = {.all = true, .addresses.is_set = true};
    return !differs || group_tell(s, row.id, &m, err);
}

/* A description without listeners keeps those that were read before; an answer that has nothing but
 * listeners (no name) keeps the description. */
static void merge_balancer(const struct elb_balancer *old, struct elb_balancer *b)
{
    if (b->name[0] == '\0' && b->listeners_at != 0) {
        struct elb_balancer whole = *old;
        whole.arn = b->arn;
        whole.listeners = b->listeners;
        whole.listeners_at = b->listeners_at;
        *b = whole;
    } else if (b->listeners_at == 0) {
        b->listeners = old->listeners;
        b->listeners_at = old->listeners_at;
    }
}

/* Does anything but the time of reading differ? */
static bool balancer_differs(struct store *s, struct elb_balancer old, struct elb_balancer fresh)
{
    AUTO(buf) was = BUF_INIT(16 << 20);
    bool first = (old.listeners_at == 0) != (fresh.listeners_at == 0);
    old.listeners_at = 0;
    fresh.listeners_at = 0;
    pack_record(&elb_balancer_table, &old, &was);
    buf_clear(&s->pack);
    pack_record(&elb_balancer_table, &fresh, &s->pack);
    return first || was.len != s->pack.len || memcmp(was.data, s->pack.data, was.len) != 0;
}

/* Verdicts of the groups that stand behind the load balancer, or stood last. */
static bool balancer_tell(struct store *s, const char *arn, struct err *err)
{
    AUTO(facts_array) ids = {0};
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUPS_BEHIND);
    db_bind(st, "it", s->cluster_id, arn);
    bool row = true;
    while (row) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (row) {
            *(int64_t *)facts_push(&ids, sizeof(int64_t)) = db_int(st, 0);
        }
    }
    const int64_t *id = ids.items;
    for (size_t i = 0; i < ids.n; i++) {
        struct moved m = {.all = true, .addresses.is_set = true};
        if (!group_tell(s, id[i], &m, err)) {
            return false;
        }
    }
    return true;
}

/* The row as it was; cleared when there is none, or one of another version. */
static bool load_balancer(struct store *s, const char *arn, struct elb_balancer *ret,
                          struct err *err)
{
    const struct facts_from from = facts_of_writer(s, s->scratch);
    const struct elb_balancer *stored = NULL;
    if (!facts_balancer(&from, arn, &stored, err)) {
        return false;
    }
    if (stored != NULL) {
        *ret = *stored;
    } else {
        record_clear(&elb_balancer_table, ret);
    }
    return true;
}

static bool apply_balancer(struct store *s, const struct elb_balancer *seen, struct err *err)
{
    struct elb_balancer old;
    struct elb_balancer b = *seen;
    if (!load_balancer(s, b.arn, &old, err)) {
        return false;
    }
    merge_balancer(&old, &b);
    bool differs = balancer_differs(s, old, b);
    if (!differs && old.listeners_at == b.listeners_at) {
        return true;
    }
    buf_clear(&s->pack);
    pack_record(&elb_balancer_table, &b, &s->pack);
    sqlite3_stmt *st = db_get(&s->db, SQL_BALANCER_PUT);
    db_bind(st, "tbi", b.arn, s->pack.data, s->pack.len, s->now);
    return db_run(&s->db, st, err) && (!differs || balancer_tell(s, b.arn, err));
}

bool apply_groups(struct store *s, const struct change *c, struct err *err)
{
    for (uint32_t i = 0; i < c->n_balancers; i++) {
        if (!apply_balancer(s, &c->balancers[i], err)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < c->n_groups; i++) {
        if (!apply_group(s, &c->groups[i], err)) {
            return false;
        }
    }
    return true;
}

bool apply_group_gone(struct store *s, const struct change *c, struct err *err)
{
    struct group_row g = {0};
    if (!group_ensure(s, c->group_arn, "", &g, err) || g.gone_at != 0) {
        return g.gone_at != 0;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_GONE);
    db_bind(st, "ii", s->now, g.id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    st = db_get(&s->db, SQL_TARGETS_DELETE);
    db_bind(st, "i", g.id);
    struct moved m = {.all = true, .addresses.is_set = true};
    return db_run(&s->db, st, err) && group_tell(s, g.id, &m, err);
}

/* ---- bindings and their groups ---- */

/* A group that no binding names any more is not polled: its rows would only grow old. */
bool groups_drop_unbound(struct store *s, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_TARGETS_UNBOUND);
    db_bind(st, "i", s->cluster_id);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    st = db_get(&s->db, SQL_GROUPS_UNBOUND);
    db_bind(st, "i", s->cluster_id);
    return db_run(&s->db, st, err);
}

/* Findings in other namespaces name the bindings that they share a group with. A few of those at
 * once: who has more of them sees it in each that is told. */
static bool tell_sharers(struct store *s, int64_t object_id, struct err *err)
{
    enum { NAMESPACES = 20 };
    int64_t ids[NAMESPACES];
    size_t n = 0;
    bool row = true;
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDING_SHARERS);
    db_bind(st, "ii", object_id, (int64_t)NAMESPACES);
    while (row) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (row && n < NAMESPACES) {
            ids[n++] = db_int(st, 0);
        }
    }
    for (size_t i = 0; i < n; i++) {
        facts_drop_namespace(s, ids[i]);
        dirty_mark(s, DIRTY_NAMESPACE, ids[i]);
        if (!dirty_namespace_rollouts(s, ids[i], err)) {
            return false;
        }
    }
    return true;
}

bool binding_written(struct store *s, int64_t object_id, int64_t ns_id,
                     const struct kube_binding *old, const struct kube_binding *b, struct err *err)
{
    if (old != NULL && strcmp(old->arn, b->arn) == 0 &&
        strcmp(old->group_name, b->group_name) == 0) {
        return true;
    }
    if (old != NULL && !tell_sharers(s, object_id, err)) { /* of the group it leaves */
        return false;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDING_PUT);
    db_bind(st, "iittt", object_id, ns_id, b->meta.name, b->arn, b->group_name);
    if (!db_run(&s->db, st, err) || !tell_sharers(s, object_id, err)) {
        return false;
    }
    return old == NULL || groups_drop_unbound(s, err);
}

bool binding_removed(struct store *s, int64_t object_id, struct err *err)
{
    if (!tell_sharers(s, object_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDING_DELETE);
    db_bind(st, "i", object_id);
    return db_run(&s->db, st, err) && groups_drop_unbound(s, err);
}
