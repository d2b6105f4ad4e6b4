/* Facts for a reader (see reader_facts.h). */
#include "store/reader_facts.h"

#include <string.h>

#include "base/clock.h"
#include "store/facts.h"
#include "store/reader_in.h"

enum { SPANS_SHOWN = 20 };

/* ---- the cluster ---- */

static bool load_kind(struct reader *r, int64_t cluster, enum kind kind, int64_t ns_id,
                      struct list *ret, struct err *err)
{
    const struct field_table *table = kind_info(kind)->table;
    AUTO(facts_array) all = {0};
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_OBJECTS);
    db_bind(st, "iiii", cluster, (int64_t)kind, ns_id, (int64_t)FACTS_OBJECTS_MAX);
    bool row = false;
    for (;;) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            *ret = facts_take(&all, table->size, r->arena);
            return true;
        }
        struct meta *record = (struct meta *)(uintptr_t)reader_record(r, table, st, 0); /* ours */
        if (record != NULL) {
            record->kind = kind;
            record->name = db_text(st, 2, r->arena);
            memcpy(facts_push(&all, table->size), record, table->size);
        }
    }
}

static bool load_spans(struct reader *r, int64_t cluster, struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_SPANS);
    db_bind(st, "ii", cluster, (int64_t)SPANS_SHOWN);
    bool row = false;
    for (;;) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            *ret = facts_take(&all, sizeof(struct facts_span), r->arena);
            return true;
        }
        struct facts_span *span = facts_push(&all, sizeof *span);
        *span = (struct facts_span){db_int(st, 0), db_int(st, 1)};
    }
}

static void read_source(const struct source_seen *s, struct facts_cluster *f)
{
    enum kind kind = kind_of_source(s->name);
    bool served = s->state != SOURCE_ABSENT;
    if (kind == KIND_BINDING_LBC) {
        f->has_lbc = served;
    } else if (kind == KIND_BINDING_AUTO) {
        f->has_auto = served;
    } else if (strcmp(s->name, "kubernetes") == 0) {
        f->kube_state = source_state_name((enum source_state)s->state);
        f->kube_message = s->message;
        f->kube_ok_at = s->ok_at;
    } else if (strcmp(s->name, "aws") == 0) {
        f->aws_state = source_state_name((enum source_state)s->state);
        f->aws_message = s->message;
        f->aws_known = s->state == SOURCE_OK || s->state == SOURCE_THROTTLED;
    }
}

bool reader_facts_cluster(struct reader *r, int64_t cluster, struct facts_cluster *ret,
                          struct err *err)
{
    struct list sources;
    struct facts_cluster f = {.now = clock_unix_ms(),
                              .aws_state = "off",
                              .aws_message = "",
                              .kube_state = "off",
                              .kube_message = "",
                              .denied_kinds = ""};
    if (!reader_sources(r, cluster, &sources, err) ||
        !load_kind(r, cluster, KIND_WEBHOOK_CONFIG, 0, &f.webhook_configs, err) ||
        !load_spans(r, cluster, &f.injector_down, err)) {
        return false;
    }
    for (uint32_t i = 0; i < sources.n; i++) {
        read_source(LIST_AT(struct source_seen, sources, i), &f);
    }
    *ret = f;
    return true;
}

/* ---- a namespace ---- */

static bool load_object(struct reader *r, int64_t cluster, const char *name,
                        const struct kube_namespace **ret, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_NS_OBJECT);
    db_bind(st, "iit", cluster, (int64_t)KIND_NAMESPACE, name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret = row ? reader_record(r, kind_info(KIND_NAMESPACE)->table, st, 0) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static bool load_balancer(struct reader *r, const char *arn, const struct elb_balancer **ret,
                          struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_BALANCER);
    db_bind(st, "t", arn);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret = row ? reader_record(r, &elb_balancer_table, st, 0) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool reader_facts_group(struct reader *r, int64_t cluster, const struct kube_binding *b,
                        struct facts_group *ret, struct err *err)
{
    bool by_arn = b->arn[0] != '\0';
    bool row = false;
    *ret = (struct facts_group){.arn = b->arn, .error = ""};
    sqlite3_stmt *st = db_get(&r->db, by_arn ? READ_FACTS_GROUP : READ_FACTS_GROUP_BY_NAME);
    db_bind(st, "it", cluster, by_arn ? b->arn : b->group_name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return true;
    }
    ret->arn = db_text(st, 1, r->arena);
    ret->observed_at = db_int(st, 2);
    ret->first_observed_at = db_int(st, 3);
    ret->gone = db_int(st, 4) != 0;
    ret->known = ret->first_observed_at != 0 || ret->gone;
    ret->group = reader_record(r, &elb_group_table, st, 5);
    const char *balancer = db_text(st, 6, r->arena);
    (void)sqlite3_reset(st); /* the row was read */
    return balancer[0] == '\0' || load_balancer(r, balancer, &ret->balancer, err);
}

static bool load_usual(struct reader *r, int64_t cluster, int64_t ns_id, struct facts_binding *b,
                       struct err *err)
{
    int64_t samples[USUAL_SAMPLES];
    size_t n = 0;
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_USUAL);
    db_bind(st, "iit", cluster, ns_id, b->binding->meta.name);
    if (!db_step(&r->db, st, &row, err)) {
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

static bool load_sharers(struct reader *r, struct facts_binding *b, struct err *err)
{
    bool row = false;
    if (b->binding->arn[0] == '\0') {
        return true;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_SHARERS);
    db_bind(st, "t", b->binding->arn);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    int64_t n = row ? db_int(st, 0) : 0;
    b->sharers = n > 1 ? (uint32_t)(n - 1) : 0;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static bool load_bindings(struct reader *r, int64_t cluster, int64_t ns_id,
                          struct facts_namespace *f, struct err *err)
{
    struct list records[2];
    if (!load_kind(r, cluster, KIND_BINDING_LBC, ns_id, &records[0], err) ||
        !load_kind(r, cluster, KIND_BINDING_AUTO, ns_id, &records[1], err)) {
        return false;
    }
    uint32_t n = records[0].n + records[1].n;
    struct facts_binding *items = arena_array(r->arena, struct facts_binding, n);
    for (uint32_t i = 0; i < n; i++) {
        struct facts_binding *b = &items[i];
        b->binding = i < records[0].n ? LIST_AT(struct kube_binding, records[0], i)
                                      : LIST_AT(struct kube_binding, records[1], i - records[0].n);
        b->service = kube_service_named(&f->services, b->binding->service);
        b->group = arena_zalloc(r->arena, sizeof *b->group);
        if (!reader_facts_group(r, cluster, b->binding, b->group, err) ||
            !load_usual(r, cluster, ns_id, b, err) || !load_sharers(r, b, err)) {
            return false;
        }
    }
    f->bindings = (struct list){items, n};
    return true;
}

bool reader_facts_namespace(struct reader *r, int64_t cluster, const char *name,
                            struct facts_namespace *ret, int64_t *ret_id, struct err *err)
{
    struct facts_namespace f = {.name = arena_strdup(r->arena, name)};
    int64_t id = 0;
    if (!reader_namespace_id(r, cluster, name, &id, err) ||
        !load_object(r, cluster, name, &f.object, err) ||
        (id != 0 && (!load_kind(r, cluster, KIND_SERVICE, id, &f.services, err) ||
                     !load_kind(r, cluster, KIND_INGRESS, id, &f.ingresses, err) ||
                     !load_kind(r, cluster, KIND_HPA, id, &f.hpas, err) ||
                     !load_bindings(r, cluster, id, &f, err)))) {
        return false;
    }
    *ret = f;
    *ret_id = id;
    return true;
}

/* ---- workloads and endpoints ---- */

static const struct kube_workload *workload_at(struct reader *r, const char *kind, sqlite3_stmt *st,
                                               int column)
{
    enum kind k = workload_kind(kind);
    return k != KIND_COUNT ? reader_record(r, kind_info(k)->table, st, column) : NULL;
}

bool reader_facts_workloads(struct reader *r, int64_t ns_id, struct list *ret, struct err *err)
{
    AUTO(facts_array) all = {0};
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_WORKLOADS);
    db_bind(st, "ii", ns_id, (int64_t)FACTS_WORKLOADS_MAX);
    for (;;) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (!row) {
            *ret = facts_take(&all, sizeof(struct workload_row), r->arena);
            return true;
        }
        struct workload_row *w = facts_push(&all, sizeof *w);
        w->kind = db_text(st, 0, r->arena);
        w->name = db_text(st, 1, r->arena);
        w->record = workload_at(r, w->kind, st, 2);
    }
}

bool reader_facts_workload(struct reader *r, const struct object_name *name,
                           const struct kube_workload **ret, struct err *err)
{
    int64_t ns_id = 0;
    bool row = false;
    if (!reader_namespace_id(r, name->cluster, name->namespace, &ns_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_WORKLOAD);
    db_bind(st, "iitt", name->cluster, ns_id, name->kind, name->name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret = row ? workload_at(r, name->kind, st, 0) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool reader_facts_service(struct reader *r, int64_t cluster, const char *namespace,
                          const char *service, bool *ret, struct err *err)
{
    int64_t ns_id = 0;
    if (!reader_namespace_id(r, cluster, namespace, &ns_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_OBJECT);
    db_bind(st, "iiit", cluster, (int64_t)KIND_SERVICE, ns_id, service);
    if (!db_step(&r->db, st, ret, err)) {
        return false;
    }
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool reader_facts_endpoints(struct reader *r, int64_t cluster, const char *namespace,
                            const char *service, int64_t *ret_ready, struct err *err)
{
    int64_t ns_id = 0;
    int64_t ready = -1;
    bool row = true;
    if (!reader_namespace_id(r, cluster, namespace, &ns_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_FACTS_ENDPOINTS);
    db_bind(st, "iit", (int64_t)KIND_ENDPOINT_SLICE, ns_id, service);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        const struct kube_slice *s =
            row ? reader_record(r, kind_info(KIND_ENDPOINT_SLICE)->table, st, 0) : NULL;
        ready = row && ready < 0 ? 0 : ready;
        for (uint32_t i = 0; s != NULL && i < s->endpoints.n; i++) {
            ready += LIST_AT(struct endpoint, s->endpoints, i)->ready != 0; /* nil means yes */
        }
    }
    *ret_ready = ready;
    return true;
}
