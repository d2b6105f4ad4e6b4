/*
 * Facts of one namespace: the objects that decide about gates, and what ELBv2 says of the groups
 * its bindings name. Kept over commits while nothing in them changes, the least used given up
 * first.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/facts.h"

enum { EVENTS_MAX = 1000 };

struct entry {
    int64_t ns_id;
    struct arena *arena;
    uint64_t used; /* at which asking */
    struct facts_namespace f;
};

struct namespace_cache {
    struct entry *items[BORROWED_NAMESPACES];
    size_t n;
    uint64_t askings;
};

static struct namespace_cache *cache(struct store *s)
{
    if (s->namespaces == NULL) {
        s->namespaces = xcalloc(1, sizeof *s->namespaces);
    }
    return s->namespaces;
}

void facts_bury(struct store *s, struct arena *a)
{
    s->buried = xgrow(s->buried, &s->cap_buried, s->n_buried + 1, sizeof(struct arena *));
    s->buried[s->n_buried++] = a;
}

static void remove_at(struct namespace_cache *c, size_t i)
{
    c->items[i] = c->items[--c->n];
}

void facts_drop_namespace(struct store *s, int64_t ns_id)
{
    struct namespace_cache *c = cache(s);
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i]->ns_id == ns_id) {
            facts_bury(s, c->items[i]->arena);
            remove_at(c, i);
            return;
        }
    }
}

void facts_drop_all(struct store *s)
{
    struct namespace_cache *c = cache(s);
    while (c->n > 0) {
        facts_bury(s, c->items[c->n - 1]->arena);
        c->n--;
    }
    facts_drop_cluster(s);
}

static void drop_oldest(struct namespace_cache *c)
{
    size_t oldest = 0;
    for (size_t i = 1; i < c->n; i++) {
        oldest = c->items[i]->used < c->items[oldest]->used ? i : oldest;
    }
    arena_free(c->items[oldest]->arena);
    remove_at(c, oldest);
}

void facts_begin(struct store *s)
{
    struct namespace_cache *c = cache(s);
    for (size_t i = 0; i < s->n_buried; i++) {
        arena_free(s->buried[i]);
    }
    s->n_buried = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < c->n; i++) {
        bytes += arena_bytes(c->items[i]->arena);
    }
    while (c->n > CACHED_NAMESPACES || (c->n > 0 && bytes > CACHED_FACTS_BYTES)) {
        size_t before = c->n;
        drop_oldest(c);
        bytes -= bytes / before; /* about */
    }
    facts_cluster_begin(s);
}

void facts_fini(struct store *s)
{
    facts_drop_all(s);
    facts_begin(s);
    free(s->namespaces);
    free(s->buried);
    s->namespaces = NULL;
    s->buried = NULL;
    facts_cluster_fini(s);
}

/* ---- what ELBv2 says ---- */

/* The account's source, from the group's ARN: arn:aws:elasticloadbalancing:REGION:ACCOUNT:... */
static const char *group_error(struct store *s, const char *arn, struct arena *a)
{
    char name[NAME_SIZE];
    char region[64] = "";
    char account[64] = "";
    if (sscanf(arn, "arn:%*[^:]:elasticloadbalancing:%63[^:]:%63[^:]:", region, account) != 2) {
        return "";
    }
    (void)snprintf(name, sizeof name, "aws/%s/%s", account, region);
    const struct source_row *src = source_get(s, name);
    if (src == NULL) {
        src = source_get(s, "aws");
    }
    bool bad = src != NULL && src->state != SOURCE_OK && src->message[0] != '\0';
    return bad ? arena_strdup(a, src->message) : "";
}

static bool load_targets(struct store *s, int64_t group_id, struct arena *a, struct list *ret,
                         struct err *err)
{
    AUTO(facts_array) all = {0};
    sqlite3_stmt *st = db_get(&s->db, SQL_TARGETS_FACTS);
    db_bind(st, "i", group_id);
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            *ret = facts_take(&all, sizeof(struct facts_target), a);
            return true;
        }
        struct err ignored = {0}; /* of another version: the next answer writes it anew */
        size_t len = 0;
        struct facts_target t = {.first_seen_at = db_int(st, 1),
                                 .healthy_at = db_int(st, 2),
                                 .state_since = db_int(st, 3)};
        const void *body = db_blob(st, 0, a, &len);
        if (body != NULL && unpack_record(&elb_target_table, body, len, a, &t.t, &ignored)) {
            *(struct facts_target *)facts_push(&all, sizeof t) = t;
        }
    }
}

static bool load_balancer(struct store *s, const char *arn, struct arena *a,
                          const struct elb_balancer **ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_BALANCER_GET);
    db_bind(st, "t", arn);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (row) {
        struct err ignored = {0}; /* of another version: as if not described */
        size_t len = 0;
        struct elb_balancer *b = arena_alloc(a, sizeof *b);
        const void *body = db_blob(st, 0, a, &len);
        if (body != NULL && unpack_record(&elb_balancer_table, body, len, a, b, &ignored)) {
            *ret = b;
        }
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

/* Row of the group a binding names; group->known stays false without one. */
static bool load_group(struct store *s, const struct kube_binding *b, struct arena *a,
                       struct facts_group *g, struct err *err)
{
    *g = (struct facts_group){.arn = b->arn, .error = ""};
    bool by_arn = b->arn[0] != '\0';
    sqlite3_stmt *st = db_get(&s->db, by_arn ? SQL_GROUP_FACTS : SQL_GROUP_FACTS_BY_NAME);
    db_bind(st, "it", s->cluster_id, by_arn ? b->arn : b->group_name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        g->error = group_error(s, b->arn, a);
        return true;
    }
    struct err ignored = {0}; /* of another version: as if not described */
    size_t len = 0;
    int64_t id = db_int(st, 0);
    int64_t seen = idmap_get(&s->group_seen_at, id, 0);
    g->arn = db_text(st, 1, a);
    g->observed_at = db_int(st, 2) > seen ? db_int(st, 2) : seen;
    g->first_observed_at = db_int(st, 3);
    g->gone = db_int(st, 4) != 0;
    g->known = g->first_observed_at != 0 || g->gone;
    g->error = group_error(s, g->arn, a);
    const char *balancer = db_text(st, 6, a);
    const char *behind = db_text(st, 7, a);
    const void *body = db_blob(st, 5, a, &len);
    (void)sqlite3_reset(st); /* the row was read */
    struct elb_group *described = arena_alloc(a, sizeof *described);
    if (body != NULL && unpack_record(&elb_group_table, body, len, a, described, &ignored)) {
        g->group = described;
    }
    return load_targets(s, id, a, &g->targets, err) &&
           (balancer[0] != '\0'
                ? load_balancer(s, balancer, a, &g->balancer, err)
                : behind[0] == '\0' || load_balancer(s, behind, a, &g->last_balancer, err));
}

/* ---- bindings ---- */

struct binding_track binding_track_read(const void *blob, size_t len)
{
    struct binding_track t = {0};
    if (blob != NULL && len == BINDING_TRACK_SIZE) {
        memcpy(&t.gate_flipped_at, blob, 8);
        memcpy(&t.registered_at, (const char *)blob + 8, 8);
    }
    return t;
}

void binding_track_write(const struct binding_track *t, unsigned char out[BINDING_TRACK_SIZE])
{
    memcpy(out, &t->gate_flipped_at, 8);
    memcpy(out + 8, &t->registered_at, 8);
}

static bool load_usual(struct store *s, int64_t ns_id, struct facts_binding *b, struct err *err)
{
    int64_t samples[USUAL_SAMPLES];
    size_t n = 0;
    sqlite3_stmt *st = db_get(&s->db, SQL_USUAL_GET);
    db_bind(st, "iit", s->cluster_id, ns_id, b->binding->meta.name);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    const char *blob = row ? sqlite3_column_blob(st, 0) : NULL;
    size_t len = blob != NULL ? (size_t)sqlite3_column_bytes(st, 0) : 0;
    for (; n < USUAL_SAMPLES && (n + 1) * 4 <= len; n++) {
        int32_t ms = 0;
        memcpy(&ms, blob + n * 4, 4);
        samples[n] = ms;
    }
    (void)sqlite3_reset(st); /* the row was read */
    b->usual = usual_of(samples, n, b->binding, b->group->group, b->group->balancer);
    return true;
}

static bool load_sharers(struct store *s, struct facts_binding *b, struct err *err)
{
    if (b->binding->arn[0] == '\0') {
        return true;
    }
    sqlite3_stmt *st = db_get(&s->db, SQL_BINDINGS_SHARING);
    db_bind(st, "t", b->binding->arn);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    int64_t n = row ? db_int(st, 0) : 0;
    b->sharers = n > 1 ? (uint32_t)(n - 1) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static struct facts_group *shared_group(const struct facts_binding *items, uint32_t n,
                                        const struct kube_binding *b)
{
    for (uint32_t i = 0; i < n; i++) {
        if (b->arn[0] != '\0' && strcmp(items[i].binding->arn, b->arn) == 0) {
            return items[i].group;
        }
    }
    return NULL;
}

/* The binding records are read first: statements inside a loop over rows would disturb it. */
static bool complete_bindings(struct store *s, int64_t ns_id, struct facts_namespace *f,
                              struct arena *a, struct err *err)
{
    struct facts_binding *items = (struct facts_binding *)(uintptr_t)f->bindings.items; /* ours */
    for (uint32_t i = 0; i < f->bindings.n; i++) {
        struct facts_binding *b = &items[i];
        b->service = kube_service_named(&f->services, b->binding->service);
        b->group = shared_group(items, i, b->binding);
        if (b->group == NULL) {
            b->group = arena_zalloc(a, sizeof *b->group);
            if (!load_group(s, b->binding, a, b->group, err)) {
                return false;
            }
        }
        if (!load_usual(s, ns_id, b, err) || !load_sharers(s, b, err)) {
            return false;
        }
    }
    return true;
}

/* ---- objects ---- */

/* What one row becomes in the list of its kind. */
static void push_row(enum kind kind, struct facts_array *all, size_t size, const void *record,
                     sqlite3_stmt *st)
{
    if (kind == KIND_BINDING_LBC || kind == KIND_BINDING_AUTO) {
        struct facts_binding *b = facts_push(all, sizeof *b);
        const void *blob = sqlite3_column_blob(st, 3);
        struct binding_track t = binding_track_read(blob, (size_t)sqlite3_column_bytes(st, 3));
        b->binding = record;
        b->first_seen_at = db_int(st, 2);
        b->gate_flipped_at = t.gate_flipped_at;
        b->registered_at = t.registered_at;
    } else if (kind == KIND_EVENT) {
        struct facts_event *e = facts_push(all, sizeof *e);
        *e = (struct facts_event){record, db_int(st, 2)};
    } else {
        memcpy(facts_push(all, size), record, size);
    }
}

static bool add_kind(struct store *s, enum kind kind, int64_t ns_id, struct facts_array *all,
                     struct arena *a, struct err *err)
{
    size_t size = kind_info(kind)->table->size;
    bool events = kind == KIND_EVENT; /* the newest ones tell enough */
    sqlite3_stmt *st = db_get(&s->db, events ? SQL_EVENTS_OF_NS : SQL_OBJECTS_OF_NS);
    db_bind(st, "iii", s->cluster_id, (int64_t)kind, ns_id);
    if (events) {
        (void)sqlite3_bind_int64(st, 4, EVENTS_MAX); /* a fixed place: cannot be refused */
    }
    bool row = false;
    for (;;) {
        if (!db_step(&s->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        size_t len = 0;
        const char *rv = db_text(st, 0, a);
        const void *body = db_blob(st, 1, a, &len);
        const void *record = apply_unpack(s, kind, body, len, rv, a);
        if (record != NULL) {
            push_row(kind, all, size, record, st);
        }
    }
}

static bool load_kind(struct store *s, enum kind kind, int64_t ns_id, struct arena *a,
                      struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    size_t size = kind == KIND_EVENT ? sizeof(struct facts_event) : kind_info(kind)->table->size;
    if (!add_kind(s, kind, ns_id, &all, a, err)) {
        return false;
    }
    *ret = facts_take(&all, size, a);
    return true;
}

static bool load_bindings(struct store *s, int64_t ns_id, struct arena *a, struct list *ret,
                          struct err *err)
{
    AUTO(facts_array) all = {0};
    if (!add_kind(s, KIND_BINDING_LBC, ns_id, &all, a, err) ||
        !add_kind(s, KIND_BINDING_AUTO, ns_id, &all, a, err)) {
        return false;
    }
    *ret = facts_take(&all, sizeof(struct facts_binding), a);
    return true;
}

static bool load_self(struct store *s, int64_t ns_id, struct arena *a, struct facts_namespace *f,
                      struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_NAMESPACE_SELF);
    db_bind(st, "i", ns_id);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    f->name = row ? db_text(st, 0, a) : "";
    f->label_seen_at = row ? db_int(st, 1) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    st = db_get(&s->db, SQL_OBJECT_GET);
    db_bind(st, "iiit", s->cluster_id, (int64_t)KIND_NAMESPACE, INT64_C(0), f->name);
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    if (row) {
        size_t len = 0;
        const char *rv = db_text(st, 1, a);
        const void *body = db_blob(st, 3, a, &len);
        f->object = apply_unpack(s, KIND_NAMESPACE, body, len, rv, a);
        (void)sqlite3_reset(st); /* the row was read */
    }
    return true;
}

static bool load(struct store *s, int64_t ns_id, struct arena *a, struct facts_namespace *f,
                 struct err *err)
{
    return load_self(s, ns_id, a, f, err) &&
           load_kind(s, KIND_SERVICE, ns_id, a, &f->services, err) &&
           load_bindings(s, ns_id, a, &f->bindings, err) &&
           load_kind(s, KIND_ENDPOINT_SLICE, ns_id, a, &f->slices, err) &&
           load_kind(s, KIND_EVENT, ns_id, a, &f->events, err) &&
           load_kind(s, KIND_PDB, ns_id, a, &f->pdbs, err) &&
           load_kind(s, KIND_HPA, ns_id, a, &f->hpas, err) &&
           load_kind(s, KIND_INGRESS, ns_id, a, &f->ingresses, err) &&
           facts_scope_findings(s, ns_id, a, &f->findings, err) &&
           complete_bindings(s, ns_id, f, a, err);
}

bool store_namespace_facts(struct store *s, int64_t ns_id, const struct facts_namespace **ret,
                           struct err *err)
{
    struct namespace_cache *c = cache(s);
    for (size_t i = 0; i < c->n; i++) {
        if (c->items[i]->ns_id == ns_id) {
            c->items[i]->used = ++c->askings;
            *ret = &c->items[i]->f;
            return true;
        }
    }
    struct arena *a = arena_new(0);
    struct entry *e = arena_zalloc(a, sizeof *e);
    if (!load(s, ns_id, a, &e->f, err)) {
        arena_free(a);
        return false;
    }
    if (c->n == BORROWED_NAMESPACES) {
        drop_oldest(c);
    }
    e->ns_id = ns_id;
    e->arena = a;
    e->used = ++c->askings;
    c->items[c->n++] = e;
    *ret = &e->f;
    return true;
}
