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

static bool read_target(const struct facts_rows *rows, void *item)
{
    struct facts_target *t = item;
    t->first_seen_at = db_int(rows->st, 1);
    t->healthy_at = db_int(rows->st, 2);
    t->state_since = db_int(rows->st, 3);
    return facts_unpack(&elb_target_table, rows->st, 0, rows->arena, &t->t);
}

static bool load_targets(const struct facts_from *from, int64_t group_id, struct list *ret,
                         struct err *err)
{
    const struct facts_rows rows = {.db = from->db,
                                    .st = db_get(from->db, SQL_TARGETS_FACTS),
                                    .arena = from->arena,
                                    .size = sizeof(struct facts_target),
                                    .read = read_target};
    db_bind(rows.st, "i", group_id);
    return facts_list(&rows, ret, err);
}

bool facts_group_seen(const struct facts_from *from, int64_t id, const char *behind,
                      struct facts_group *g, struct err *err)
{
    struct store *s = from->writer;
    g->error = group_error(s, g->arn, from->arena);
    if (id == 0) {
        return true;
    }
    int64_t seen = idmap_get(&s->group_seen_at, id, 0);
    g->observed_at = g->observed_at > seen ? g->observed_at : seen;
    return load_targets(from, id, &g->targets, err) &&
           (behind[0] == '\0' || facts_balancer(from, behind, &g->last_balancer, err));
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

/* ---- objects ---- */

static bool read_event(const struct facts_rows *rows, void *item)
{
    struct facts_event *e = item;
    struct kube_event *record = arena_alloc(rows->arena, sizeof *record);
    *e = (struct facts_event){record, db_int(rows->st, 2)};
    return facts_read_object(rows, record);
}

/* The newest ones tell enough. */
static bool load_events(const struct facts_from *from, int64_t ns_id, struct list *ret,
                        struct err *err)
{
    const struct facts_rows rows = {.db = from->db,
                                    .st = db_get(from->db, SQL_EVENTS_OF_NS),
                                    .arena = from->arena,
                                    .size = sizeof(struct facts_event),
                                    .read = read_event,
                                    .kind = KIND_EVENT};
    db_bind(rows.st, "iiii", from->cluster, (int64_t)KIND_EVENT, ns_id, (int64_t)EVENTS_MAX);
    return facts_list(&rows, ret, err);
}

static bool load_self(const struct facts_from *from, int64_t ns_id, struct facts_namespace *f,
                      struct err *err)
{
    const void *object = NULL;
    bool row = false;
    sqlite3_stmt *st = db_get(from->db, SQL_NAMESPACE_SELF);
    db_bind(st, "i", ns_id);
    if (!db_step(from->db, st, &row, err)) {
        return false;
    }
    f->name = row ? db_text(st, 0, from->arena) : "";
    f->label_seen_at = row ? db_int(st, 1) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    const struct facts_name name = {KIND_NAMESPACE, 0, f->name};
    if (!facts_object(from, &name, &object, err)) {
        return false;
    }
    f->object = object;
    return true;
}

static bool load(struct store *s, int64_t ns_id, struct arena *a, struct facts_namespace *f,
                 struct err *err)
{
    const struct facts_from from = facts_of_writer(s, a);
    return load_self(&from, ns_id, f, err) &&
           facts_objects(&from, KIND_SERVICE, ns_id, &f->services, err) &&
           facts_objects(&from, KIND_ENDPOINT_SLICE, ns_id, &f->slices, err) &&
           load_events(&from, ns_id, &f->events, err) &&
           facts_objects(&from, KIND_PDB, ns_id, &f->pdbs, err) &&
           facts_objects(&from, KIND_HPA, ns_id, &f->hpas, err) &&
           facts_objects(&from, KIND_INGRESS, ns_id, &f->ingresses, err) &&
           facts_scope_findings(s, ns_id, a, &f->findings, err) &&
           facts_bindings(&from, ns_id, &f->services, &f->bindings, err);
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
