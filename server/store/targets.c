/*
 * What ELBv2 says: target groups, their targets, load balancers, and which bindings name which
 * group. A complete health answer is compared with the rows; the same answer again moves only the
 * time of sight, which lives in memory and reaches the row once a minute.
 */
#include <string.h>

#include "store/facts.h"

enum { SEEN_WRITE_MS = 60000, ADDRESSES_MAX = 100000 };

static bool load_group(struct store *s, const char *arn, struct group_row *ret, bool *ret_found,
                       struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_GET);
    db_bind(st, "it", s->cluster_id, arn);
    if (!db_step(&s->db, st, ret_found, err)) {
        return false;
    }
    *ret = (struct group_row){0};
    if (*ret_found) {
        ret->id = db_int(st, 0);
        ret->first_observed_at = db_int(st, 1);
        ret->healthy = db_int(st, 2);
        ret->gone_at = db_int(st, 3);
        ret->body = db_blob(st, 4, s->scratch, &ret->len);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

bool group_ensure(struct store *s, const char *arn, const char *name, struct group_row *ret,
                  struct err *err)
{
    bool found = false;
    if (!load_group(s, arn, ret, &found, err) || found) {
        return found;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_ADD);
    db_bind(st, "itt", s->cluster_id, arn, name);
    if (!db_run(&s->db, st, err)) {
        return false;
    }
    *ret = (struct group_row){.id = sqlite3_last_insert_rowid(s->db.handle)};
    return true;
}

/* ---- whom it concerns ---- */

struct bound {
    int64_t object_id;
    int64_t ns_id;
    const char *service;
};

static bool read_bound(const struct facts_rows *rows, void *item)
{
    *(struct bound *)item = (struct bound){.object_id = db_int(rows->st, 0),
                                           .ns_id = db_int(rows->st, 1),
                                           .service = db_text(rows->st, 2, rows->arena)};
    return true;
}

/* The bindings of a group, by ARN or, where they give only that, by name. */
static bool bindings_of(struct store *s, int64_t group_id, struct list *ret, struct err *err)
{
    const struct facts_rows rows = {.db = &s->db,
                                    .st = db_get(&s->db, SQL_BINDINGS_OF_GROUP),
                                    .arena = s->scratch,
                                    .size = sizeof(struct bound),
                                    .read = read_bound};
    db_bind(rows.st, "i", group_id);
    return facts_list(&rows, ret, err);
}

static void moved_address(struct moved *m, const char *target)
{
    m->any = true;
    m->all = m->all || strchr("0123456789abcdefABCDEF:", target[0]) == NULL || target[0] == '\0' ||
             strpbrk(target, ".:") == NULL; /* an instance: its pods are not known by address */
    (void)idmap_put(&m->addresses, (int64_t)(text_hash(target) >> 1), 0); /* twice is fine */
}

static bool mark_slice(struct store *s, int64_t ns_id, const struct kube_slice *slice,
                       struct moved *m, struct idmap *missing, struct err *err)
{
    for (uint32_t i = 0; i < slice->endpoints.n; i++) {
        const struct endpoint *e = LIST_AT(struct endpoint, slice->endpoints, i);
        bool hit = m->all;
        for (uint32_t k = 0; k < e->addresses.n; k++) {
            const char *address = address_canonical(e->addresses.items[k], s->scratch);
            int64_t key = (int64_t)(text_hash(address) >> 1);
            hit = hit || idmap_has(&m->addresses, key);
            (void)idmap_remove(missing, key); /* found or not */
        }
        if (hit && strcmp(e->target_kind, "Pod") == 0 &&
            !dirty_pod(s, ns_id, e->target_name, err)) {
            return false;
        }
    }
    return true;
}

/* Addresses that no slice has (any more): pods of the namespace that still have them. */
static bool mark_by_address(struct store *s, int64_t ns_id, const struct idmap *missing,
                            struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_POD_ADDRESSES);
    db_bind(st, "i", ns_id);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        int64_t key = (int64_t)(text_hash(db_text(st, 1, NULL)) >> 1);
        if (db_int(st, 0) != 0 && idmap_has(missing, key)) {
            dirty_mark(s, DIRTY_ROLLOUT, db_int(st, 0));
        }
    }
}

static bool mark_service(struct store *s, const struct bound *b, struct moved *m, struct err *err)
{
    struct idmap missing = {.is_set = true};
    size_t pos = 0;
    int64_t key = 0;
    while (!m->all && idmap_next(&m->addresses, &pos, &key, NULL)) {
        (void)idmap_put(&missing, key, 0); /* a copy */
    }
    AUTO_PTR(arena) a = arena_new(0);
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECTS_BY_REF);
    db_bind(st, "iit", (int64_t)KIND_ENDPOINT_SLICE, b->ns_id, b->service);
    bool ok = true;
    bool row = false;
    while (ok && (ok = db_step(&s->db, st, &row, err)) && row) {
        const struct kube_slice *slice = facts_object_in(KIND_ENDPOINT_SLICE, st, 1, a);
        ok = slice == NULL || mark_slice(s, b->ns_id, slice, m, &missing, err);
    }
    ok = ok && (missing.n == 0 || mark_by_address(s, b->ns_id, &missing, err));
    idmap_fini(&missing);
    return ok;
}

static bool remember_registered(struct store *s, int64_t object_id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_OBJECT_TRACK);
    db_bind(st, "i", object_id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    struct binding_track t = binding_track_read(row ? sqlite3_column_blob(st, 0) : NULL,
                                                row ? (size_t)sqlite3_column_bytes(st, 0) : 0);
    (void)sqlite3_reset(st); /* the row was read */
    t.registered_at = s->now;
    unsigned char out[BINDING_TRACK_SIZE];
    binding_track_write(&t, out);
    st = db_get(&s->db, SQL_OBJECT_SET_TRACK);
    db_bind(st, "bi", out, sizeof out, object_id);
    return db_run(&s->db, st, err);
}

/* Views and verdicts of the bindings that name the group. */
bool group_tell(struct store *s, int64_t group_id, struct moved *m, struct err *err)
{
    struct list bindings;
    tx_touch_group(s, group_id);
    if (!bindings_of(s, group_id, &bindings, err)) {
        return false;
    }
    for (uint32_t i = 0; i < bindings.n; i++) {
        const struct bound *b = LIST_AT(struct bound, bindings, i);
        facts_drop_namespace(s, b->ns_id);
        tx_touch_namespace(s, b->ns_id);
        dirty_mark(s, DIRTY_NAMESPACE, b->ns_id);
        if (!mark_service(s, b, m, err) ||
            (m->registered && !remember_registered(s, b->object_id, err))) {
            return false;
        }
    }
    return true;
}

/* ---- health answers ---- */

struct old_target {
    int64_t id;
    const char *target;
    int64_t port;
    const char *state;
    int64_t state_since;
    int64_t healthy_at;
    const void *body;
    size_t len;
    bool seen;
};

static int64_t target_key(const char *target, int64_t port)
{
    return (int64_t)((text_hash(target) ^ ((uint64_t)port * UINT64_C(0x9E3779B97F4A7C15))) >> 1);
}

static bool read_old_target(const struct facts_rows *rows, void *item)
{
    struct old_target *t = item;
    *t = (struct old_target){.id = db_int(rows->st, 0),
                             .target = db_text(rows->st, 1, rows->arena),
                             .port = db_int(rows->st, 2),
                             .state = db_text(rows->st, 3, rows->arena),
                             .state_since = db_int(rows->st, 4),
                             .healthy_at = db_int(rows->st, 5)};
    t->body = db_blob(rows->st, 6, rows->arena, &t->len);
    return true;
}

static bool load_targets(struct store *s, int64_t group_id, struct facts_array *all,
                         struct err *err)
{
    const struct facts_rows rows = {.db = &s->db,
                                    .st = db_get(&s->db, SQL_TARGETS_OF_GROUP),
                                    .arena = s->scratch,
                                    .size = sizeof(struct old_target),
                                    .read = read_old_target};
    db_bind(rows.st, "i", group_id);
    return facts_add(&rows, all, err);
}

static bool write_target(struct store *s, int64_t group_id, const struct old_target *old,
                         const struct elb_target *t, struct err *err)
{
    bool healthy = strcmp(t->state, "healthy") == 0;
    bool moved = old == NULL || strcmp(old->state, t->state) != 0;
    int64_t since = moved ? s->now : old->state_since;
    int64_t healthy_at = old != NULL ? old->healthy_at : 0;
    healthy_at = healthy && healthy_at == 0 ? s->now : healthy_at;
    sqlite3_stmt *st = NULL;
    if (old == NULL) {
        st = db_get(&s->db, SQL_TARGET_ADD);
        db_bind(st, "itittiiib", group_id, t->id, t->port, t->state, t->reason, s->now, since,
                healthy_at, s->pack.data, s->pack.len);
    } else {
        st = db_get(&s->db, SQL_TARGET_UPDATE);
        db_bind(st, "ttiibi", t->state, t->reason, since, healthy_at, s->pack.data, s->pack.len,
                old->id);
    }
    return db_run(&s->db, st, err);
}

static bool delete_target(struct store *s, int64_t id, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_TARGET_DELETE);
    db_bind(st, "i", id);
    return db_run(&s->db, st, err);
}

/* The rows of a group as they stand, found by target and port. */
struct old_targets {
    struct facts_array rows; /* struct old_target */
    struct idmap index;
};

static struct old_target *old_of(const struct old_targets *olds, const struct elb_target *t)
{
    int64_t at = idmap_get(&olds->index, target_key(t->id, t->port), -1);
    if (at < 0) {
        return NULL;
    }
    struct old_target *old = (struct old_target *)olds->rows.items + at;
    return strcmp(old->target, t->id) == 0 && old->port == t->port ? old : NULL;
}

/* One target of the answer against its row. */
static bool diff_target(struct store *s, const struct group_row *g, struct elb_target t,
                        const struct old_targets *olds, struct moved *m, struct err *err)
{
    t.id = address_canonical(t.id, s->scratch);
    struct old_target *old = old_of(olds, &t);
    if (old != NULL && old->seen) {
        return true; /* named twice */
    }
    buf_clear(&s->pack);
    pack_record(&elb_target_table, &t, &s->pack);
    if (old != NULL) {
        old->seen = true;
        if (old->len == s->pack.len && memcmp(old->body, s->pack.data, old->len) == 0) {
            return true;
        }
    } else if (g->first_observed_at != 0) {
        m->registered = true;
    }
    moved_address(m, t.id);
    return write_target(s, g->id, old, &t, err);
}

static bool diff_targets(struct store *s, const struct group_row *g, const struct change *c,
                         struct moved *m, struct err *err)
{
    struct old_targets olds = {0};
    if (!load_targets(s, g->id, &olds.rows, err)) {
        facts_array_auto(&olds.rows);
        return false;
    }
    const struct old_target *items = olds.rows.items;
    for (size_t i = 0; i < olds.rows.n; i++) {
        const struct old_target *t = &items[i];
        (void)idmap_put(&olds.index, target_key(t->target, t->port), (int64_t)i); /* all differ */
    }
    bool ok = true;
    for (uint32_t i = 0; i < c->n_targets && i < ADDRESSES_MAX && ok; i++) {
        ok = diff_target(s, g, c->targets[i], &olds, m, err);
    }
    for (size_t i = 0; i < olds.rows.n && ok; i++) {
        if (!items[i].seen) {
            moved_address(m, items[i].target);
            ok = delete_target(s, items[i].id, err);
        }
    }
    idmap_fini(&olds.index);
    facts_array_auto(&olds.rows);
    return ok;
}

/* What is asked for by these: what a finding may need to be read. */
struct counts {
    int64_t healthy;
    int64_t unhealthy;
    int64_t draining;
    int64_t not_in_use;
};

static struct counts count_targets(const struct change *c)
{
    struct counts n = {0};
    for (uint32_t i = 0; i < c->n_targets; i++) {
        n.healthy += strcmp(c->targets[i].state, "healthy") == 0 ? 1 : 0;
        n.unhealthy += strcmp(c->targets[i].state, "unhealthy") == 0 ? 1 : 0;
        n.draining += strcmp(c->targets[i].state, "draining") == 0 ? 1 : 0;
        n.not_in_use += strcmp(c->targets[i].reason, "Target.NotInUse") == 0 ? 1 : 0;
    }
    return n;
}

static bool seen_again(struct store *s, int64_t group_id, bool asked, struct err *err)
{
    (void)idmap_put(&s->group_seen_at, group_id, s->now); /* replaces */
    int64_t age = s->now - idmap_get(&s->group_written_at, group_id, 0);
    if (asked) { /* who asked sees that it was looked at */
        tx_touch_group(s, group_id);
    } else if (age < SEEN_WRITE_MS && age >= 0) {
        return true;
    }
    (void)idmap_put(&s->group_written_at, group_id, s->now); /* replaces */
    sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_SEEN);
    db_bind(st, "ii", s->now, group_id);
    return db_run(&s->db, st, err);
}

bool apply_targets(struct store *s, const struct change *c, struct err *err)
{
    struct group_row g = {0};
    struct moved m = {.addresses.is_set = true};
    if (!group_ensure(s, c->group_arn, "", &g, err)) {
        return false;
    }
    if (c->unchanged) {
        return g.first_observed_at == 0 || seen_again(s, g.id, c->asked, err);
    }
    bool ok = diff_targets(s, &g, c, &m, err);
    struct counts counts = count_targets(c);
    bool first = g.first_observed_at == 0 || g.gone_at != 0;
    m.all = m.all || first || (counts.healthy == 0) != (g.healthy == 0);
    if (ok && !m.any && !first) {
        idmap_fini(&m.addresses);
        return seen_again(s, g.id, c->asked, err);
    }
    if (ok) {
        sqlite3_stmt *st = db_get(&s->db, SQL_GROUP_OBSERVED);
        db_bind(st, "iiiiiii", s->now, (int64_t)c->n_targets, counts.healthy, g.id, counts.draining,
                counts.not_in_use, counts.unhealthy);
        (void)idmap_put(&s->group_seen_at, g.id, s->now);    /* replaces */
        (void)idmap_put(&s->group_written_at, g.id, s->now); /* replaces */
        s->flip_at = m.registered ? s->now : s->flip_at;
        ok = db_run(&s->db, st, err) && group_tell(s, g.id, &m, err);
    }
    idmap_fini(&m.addresses);
    return ok;
}
