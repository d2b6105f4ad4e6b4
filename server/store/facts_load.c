/* Loaders of facts that serve both connections, the writer's and a reader's (see facts.h). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/facts.h"
#include "store/reader_in.h"

/* Both lists of statements begin with the same texts: an index is good for either connection. */
#define X(name, text) _Static_assert((int)SQL_##name == (int)READ_##name, "the lists differ");
#include "store/sql_both.def"
#undef X

struct facts_from facts_of_writer(struct store *s, struct arena *a)
{
    return (struct facts_from){.db = &s->db, .cluster = s->cluster_id, .arena = a, .writer = s};
}

/* ---- growing arrays ---- */

void *facts_push(struct facts_array *array, size_t size)
{
    array->items = xgrow(array->items, &array->cap, array->n + 1, size);
    void *item = (char *)array->items + array->n * size;
    memset(item, 0, size);
    array->n++;
    return item;
}

struct list facts_take(struct facts_array *array, size_t size, struct arena *a)
{
    struct list l = {NULL, 0};
    if (array->n > 0) {
        void *copy = arena_alloc(a, array->n * size);
        memcpy(copy, array->items, array->n * size);
        l = (struct list){copy, (uint32_t)array->n};
    }
    free(array->items);
    *array = (struct facts_array){0};
    return l;
}

void facts_array_auto(struct facts_array *array)
{
    free(array->items);
}

/* ---- rows ---- */

bool facts_add(const struct facts_rows *rows, struct facts_array *all, struct err *err)
{
    bool row = true;
    for (int64_t looked_at = 0; row; looked_at++) {
        if (rows->most != 0 && looked_at == rows->most) {
            (void)sqlite3_reset(rows->st);
            return true;
        }
        if (!db_step(rows->db, rows->st, &row, err)) {
            return false;
        }
        if (row && !rows->read(rows, facts_push(all, rows->size))) {
            all->n--;
        }
    }
    return true;
}

bool facts_list(const struct facts_rows *rows, struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    if (!facts_add(rows, &all, err)) {
        return false;
    }
    *ret = facts_take(&all, rows->size, rows->arena);
    return true;
}

/* ---- records in rows ---- */

bool facts_unpack(const struct field_table *table, sqlite3_stmt *st, int column, struct arena *a,
                  void *ret)
{
    struct err ignored = {0}; /* of another version: what brought it writes it anew */
    size_t len = 0;
    const void *body = db_blob(st, column, a, &len);
    return body != NULL && unpack_record(table, body, len, a, ret, &ignored);
}

void *facts_record(const struct field_table *table, sqlite3_stmt *st, int column, struct arena *a)
{
    void *record = arena_alloc(a, table->size);
    return facts_unpack(table, st, column, a, record) ? record : NULL;
}

void *facts_object_in(enum kind kind, sqlite3_stmt *st, int column, struct arena *a)
{
    size_t len = 0;
    const void *body = db_blob(st, column, a, &len);
    return apply_unpack(kind, body, len, "", a);
}

/* ---- objects ---- */

bool facts_read_object(const struct facts_rows *rows, void *item)
{
    const char *rv = db_text(rows->st, 0, rows->arena);
    size_t len = 0;
    const void *body = db_blob(rows->st, 1, rows->arena, &len);
    return apply_unpack_into(rows->kind, body, len, rv, rows->arena, item);
}

static sqlite3_stmt *objects_of_ns(const struct facts_from *from, enum kind kind, int64_t ns_id)
{
    sqlite3_stmt *st = db_get(from->db, SQL_OBJECTS_OF_NS);
    db_bind(st, "iii", from->cluster, (int64_t)kind, ns_id);
    return st;
}

bool facts_objects(const struct facts_from *from, enum kind kind, int64_t ns_id, struct list *ret,
                   struct err *err)
{
    const struct facts_rows rows = {.db = from->db,
                                    .st = objects_of_ns(from, kind, ns_id),
                                    .most = from->most,
                                    .arena = from->arena,
                                    .size = kind_info(kind)->table->size,
                                    .read = facts_read_object,
                                    .kind = kind};
    return facts_list(&rows, ret, err);
}

static bool step_object(const struct facts_from *from, const struct facts_name *name,
                        sqlite3_stmt **ret_st, bool *ret_row, struct err *err)
{
    *ret_st = db_get(from->db, SQL_OBJECT_GET);
    db_bind(*ret_st, "iiit", from->cluster, (int64_t)name->kind, name->ns_id, name->name);
    return db_step(from->db, *ret_st, ret_row, err);
}

bool facts_object(const struct facts_from *from, const struct facts_name *name, const void **ret,
                  struct err *err)
{
    sqlite3_stmt *st = NULL;
    bool row = false;
    if (!step_object(from, name, &st, &row, err)) {
        return false;
    }
    size_t len = 0;
    const void *body = row ? db_blob(st, 3, from->arena, &len) : NULL;
    const char *rv = row ? db_text(st, 1, from->arena) : "";
    *ret = apply_unpack(name->kind, body, len, rv, from->arena);
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool facts_has_object(const struct facts_from *from, const struct facts_name *name, bool *ret,
                      struct err *err)
{
    sqlite3_stmt *st = NULL;
    if (!step_object(from, name, &st, ret, err)) {
        return false;
    }
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool facts_ready_endpoints(const struct facts_from *from, int64_t ns_id, const char *service,
                           int64_t *ret, struct err *err)
{
    int64_t ready = -1;
    bool row = true;
    sqlite3_stmt *st = db_get(from->db, SQL_OBJECTS_BY_REF);
    db_bind(st, "iit", (int64_t)KIND_ENDPOINT_SLICE, ns_id, service);
    for (int64_t n = 0; row && (from->most == 0 || n < from->most); n++) {
        if (!db_step(from->db, st, &row, err)) {
            return false;
        }
        const struct kube_slice *s =
            row ? facts_object_in(KIND_ENDPOINT_SLICE, st, 1, from->arena) : NULL;
        ready = row && ready < 0 ? 0 : ready;
        for (uint32_t i = 0; s != NULL && i < s->endpoints.n; i++) {
            ready += LIST_AT(struct endpoint, s->endpoints, i)->ready != 0; /* nil means yes */
        }
    }
    (void)sqlite3_reset(st); /* rows past the most are not looked at */
    *ret = ready;
    return true;
}

static bool read_span(const struct facts_rows *rows, void *item)
{
    *(struct facts_span *)item = (struct facts_span){db_int(rows->st, 0), db_int(rows->st, 1)};
    return true;
}

bool facts_spans(const struct facts_from *from, int64_t most, struct list *ret, struct err *err)
{
    const struct facts_rows rows = {.db = from->db,
                                    .st = db_get(from->db, SQL_SPANS),
                                    .arena = from->arena,
                                    .size = sizeof(struct facts_span),
                                    .read = read_span};
    db_bind(rows.st, "ii", from->cluster, most);
    return facts_list(&rows, ret, err);
}

/* ---- what ELBv2 says ---- */

bool facts_balancer(const struct facts_from *from, const char *arn, const struct elb_balancer **ret,
                    struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(from->db, SQL_BALANCER_GET);
    db_bind(st, "t", arn);
    if (!db_step(from->db, st, &row, err)) {
        return false;
    }
    *ret = row ? facts_record(&elb_balancer_table, st, 0, from->arena) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool facts_group(const struct facts_from *from, const struct kube_binding *b,
                 struct facts_group *ret, struct err *err)
{
    bool by_arn = b->arn[0] != '\0';
    bool row = false;
    *ret = (struct facts_group){.arn = b->arn, .error = ""};
    sqlite3_stmt *st = db_get(from->db, by_arn ? SQL_GROUP_FACTS : SQL_GROUP_FACTS_BY_NAME);
    db_bind(st, "it", from->cluster, by_arn ? b->arn : b->group_name);
    if (!db_step(from->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return from->writer == NULL || facts_group_seen(from, 0, "", ret, err);
    }
    int64_t id = db_int(st, 0);
    ret->arn = db_text(st, 1, from->arena);
    ret->observed_at = db_int(st, 2);
    ret->first_observed_at = db_int(st, 3);
    ret->gone = db_int(st, 4) != 0;
    ret->known = ret->first_observed_at != 0 || ret->gone;
    ret->group = facts_record(&elb_group_table, st, 5, from->arena);
    const char *balancer = db_text(st, 6, from->arena);
    const char *behind = balancer[0] == '\0' ? db_text(st, 7, from->arena) : "";
    (void)sqlite3_reset(st); /* the row was read */
    return (balancer[0] == '\0' || facts_balancer(from, balancer, &ret->balancer, err)) &&
           (from->writer == NULL || facts_group_seen(from, id, behind, ret, err));
}

/* ---- bindings ---- */

static bool read_binding(const struct facts_rows *rows, void *item)
{
    struct facts_binding *b = item;
    const void *blob = sqlite3_column_blob(rows->st, 3);
    struct binding_track t = binding_track_read(blob, (size_t)sqlite3_column_bytes(rows->st, 3));
    void *record = arena_alloc(rows->arena, sizeof(struct kube_binding));
    b->binding = record;
    b->first_seen_at = db_int(rows->st, 2);
    b->gate_flipped_at = t.gate_flipped_at;
    b->registered_at = t.registered_at;
    return facts_read_object(rows, record);
}

static bool load_usual(const struct facts_from *from, int64_t ns_id, struct facts_binding *b,
                       struct err *err)
{
    int64_t samples[USUAL_SAMPLES];
    size_t n = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(from->db, SQL_USUAL_GET);
    db_bind(st, "iit", from->cluster, ns_id, b->binding->meta.name);
    if (!db_step(from->db, st, &row, err)) {
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

/* In the order in which they came, so that more of them do not change who is named. The binding
 * itself is among them, and one of the other API group may have its name. */
static bool load_sharer_names(const struct facts_from *from, int64_t ns_id, struct facts_binding *b,
                              struct err *err)
{
    const char **names = arena_array(from->arena, const char *, SHARERS_NAMED);
    bool itself = false;
    bool row = true;
    sqlite3_stmt *st = db_get(from->db, SQL_BINDINGS_SHARING_NAMES);
    db_bind(st, "ti", b->binding->arn, (int64_t)SHARERS_NAMED + 1);
    b->sharer_names = (struct strs){names, 0};
    while (row) {
        if (!db_step(from->db, st, &row, err)) {
            return false;
        }
        const char *name = row ? db_text(st, 1, NULL) : "";
        if (row && !itself && db_int(st, 2) == ns_id && strcmp(name, b->binding->meta.name) == 0) {
            itself = true;
        } else if (row && b->sharer_names.n < SHARERS_NAMED) {
            names[b->sharer_names.n++] =
                arena_printf(from->arena, "%s/%s", db_text(st, 0, NULL), name);
        }
    }
    return true;
}

static bool load_sharers(const struct facts_from *from, int64_t ns_id, struct facts_binding *b,
                         struct err *err)
{
    bool row = false;
    if (b->binding->arn[0] == '\0') {
        return true;
    }
    sqlite3_stmt *st = db_get(from->db, SQL_BINDINGS_SHARING);
    db_bind(st, "t", b->binding->arn);
    if (!db_step(from->db, st, &row, err)) {
        return false;
    }
    int64_t n = row ? db_int(st, 0) : 0;
    b->sharers = n > 1 ? (uint32_t)(n - 1) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return n < 2 || load_sharer_names(from, ns_id, b, err);
}

static struct facts_group *shared_group(const struct facts_binding *items, size_t n,
                                        const struct kube_binding *b)
{
    for (size_t i = 0; i < n; i++) {
        if (b->arn[0] != '\0' && strcmp(items[i].binding->arn, b->arn) == 0) {
            return items[i].group;
        }
    }
    return NULL;
}

/* The binding records are read first: statements inside a loop over rows would disturb it. */
static bool complete_bindings(const struct facts_from *from, int64_t ns_id,
                              const struct list *services, const struct facts_array *all,
                              struct err *err)
{
    struct facts_binding *items = all->items;
    for (size_t i = 0; i < all->n; i++) {
        struct facts_binding *b = &items[i];
        b->service = kube_service_named(services, b->binding->service);
        b->group = shared_group(items, i, b->binding);
        if (b->group == NULL) {
            b->group = arena_zalloc(from->arena, sizeof *b->group);
            if (!facts_group(from, b->binding, b->group, err)) {
                return false;
            }
        }
        if (!load_usual(from, ns_id, b, err) || !load_sharers(from, ns_id, b, err)) {
            return false;
        }
    }
    return true;
}

bool facts_bindings(const struct facts_from *from, int64_t ns_id, const struct list *services,
                    struct list *ret, struct err *err)
{
    static const enum kind kinds[] = {KIND_BINDING_LBC, KIND_BINDING_AUTO};
    AUTO(facts_array) all = {0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct facts_rows rows = {.db = from->db,
                                        .st = objects_of_ns(from, kinds[i], ns_id),
                                        .most = from->most,
                                        .arena = from->arena,
                                        .size = sizeof(struct facts_binding),
                                        .read = read_binding,
                                        .kind = kinds[i]};
        if (!facts_add(&rows, &all, err)) {
            return false;
        }
    }
    if (!complete_bindings(from, ns_id, services, &all, err)) {
        return false;
    }
    *ret = facts_take(&all, sizeof(struct facts_binding), from->arena);
    return true;
}
