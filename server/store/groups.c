/*
 * Descriptions of target groups and load balancers, groups that are gone, and which binding names
 * which group.
 */
#include <string.h>

#include "store/state.h"

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
    if (g->listener_count < 0) {
        g->listener_count = old.listener_count;
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

static bool apply_balancer(struct store *s, const struct elb_balancer *b, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_BALANCER_GET);
    db_bind(st, "t", b->arn);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    buf_clear(&s->pack);
    pack_record(&elb_balancer_table, b, &s->pack);
    bool same = row && (size_t)sqlite3_column_bytes(st, 0) == s->pack.len &&
                memcmp(sqlite3_column_blob(st, 0), s->pack.data, s->pack.len) == 0;
    (void)sqlite3_reset(st); /* the row was read */
    if (same) {
        return true;
    }
    facts_drop_all(s);
    st = db_get(&s->db, SQL_BALANCER_PUT);
    db_bind(st, "tbi", b->arn, s->pack.data, s->pack.len, s->now);
    return db_run(&s->db, st, err);
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

bool binding_written(struct store *s, int64_t object_id, int64_t ns_id,
                     const struct kube_binding *old, const struct kube_binding *b, struct err *err)
{
    if (old != NULL && strcmp(old->arn, b->arn) == 0 &&
        strcmp(old->group_name, b->group_name) == 0) {
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDING_PUT);
    db_bind(st, "iittt", object_id, ns_id, b->meta.name, b->arn, b->group_name);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    return old == NULL || groups_drop_unbound(s, err);
}

bool binding_removed(struct store *s, int64_t object_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDING_DELETE);
    db_bind(st, "i", object_id);
    return db_run(&s->db, st, err) && groups_drop_unbound(s, err);
}
