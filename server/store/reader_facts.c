/* Facts for a reader (see reader_facts.h). */
#include "store/reader_facts.h"

#include <string.h>

#include "base/clock.h"
#include "store/facts.h"
#include "store/reader_in.h"

enum { SPANS_SHOWN = 20 };

static struct facts_from facts_of_reader(struct reader *r, int64_t cluster)
{
    return (struct facts_from){
        .db = &r->db, .cluster = cluster, .arena = r->arena, .most = FACTS_OBJECTS_MAX};
}

/* ---- the cluster ---- */

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
    const struct facts_from from = facts_of_reader(r, cluster);
    struct facts_cluster f = {.now = clock_unix_ms(),
                              .aws_state = "off",
                              .aws_message = "",
                              .kube_state = "off",
                              .kube_message = "",
                              .denied_kinds = ""};
    if (!reader_sources(r, cluster, &sources, err) ||
        !facts_objects(&from, KIND_WEBHOOK_CONFIG, 0, &f.webhook_configs, err) ||
        !facts_spans(&from, SPANS_SHOWN, &f.injector_down, err)) {
        return false;
    }
    for (uint32_t i = 0; i < sources.n; i++) {
        read_source(LIST_AT(struct source_seen, sources, i), &f);
    }
    *ret = f;
    return true;
}

/* ---- a namespace ---- */

bool reader_facts_group(struct reader *r, int64_t cluster, const struct kube_binding *b,
                        struct facts_group *ret, struct err *err)
{
    const struct facts_from from = facts_of_reader(r, cluster);
    return facts_group(&from, b, ret, err);
}

bool reader_facts_namespace(struct reader *r, int64_t cluster, const char *name,
                            struct facts_namespace *ret, int64_t *ret_id, struct err *err)
{
    struct facts_namespace f = {.name = arena_strdup(r->arena, name)};
    const struct facts_from from = facts_of_reader(r, cluster);
    const struct facts_name self = {KIND_NAMESPACE, 0, name};
    const void *object = NULL;
    int64_t id = 0;
    if (!reader_namespace_id(r, cluster, name, &id, err) ||
        !facts_object(&from, &self, &object, err) ||
        (id != 0 && (!facts_objects(&from, KIND_SERVICE, id, &f.services, err) ||
                     !facts_objects(&from, KIND_INGRESS, id, &f.ingresses, err) ||
                     !facts_objects(&from, KIND_HPA, id, &f.hpas, err) ||
                     !facts_objects(&from, KIND_PDB, id, &f.pdbs, err) ||
                     !facts_bindings(&from, id, &f.services, &f.bindings, err)))) {
        return false;
    }
    f.object = object;
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

static bool read_workload(const struct facts_rows *rows, void *item)
{
    struct workload_row *w = item;
    w->kind = db_text(rows->st, 0, rows->arena);
    w->name = db_text(rows->st, 1, rows->arena);
    w->record = workload_at(rows->arg, w->kind, rows->st, 2);
    return true;
}

bool reader_facts_workloads(struct reader *r, int64_t ns_id, struct list *ret, struct err *err)
{
    const struct facts_rows rows = {.db = &r->db,
                                    .st = db_get(&r->db, READ_FACTS_WORKLOADS),
                                    .arena = r->arena,
                                    .size = sizeof(struct workload_row),
                                    .read = read_workload,
                                    .arg = r};
    db_bind(rows.st, "ii", ns_id, (int64_t)FACTS_WORKLOADS_MAX);
    return facts_list(&rows, ret, err);
}

bool reader_facts_workload(struct reader *r, const struct object_name *name,
                           const struct kube_workload **ret, struct err *err)
{
    int64_t ns_id = 0;
    bool row = false;
    if (!reader_namespace_id(r, name->cluster, name->namespace, &ns_id, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_WORKLOAD_GET);
    db_bind(st, "iitt", name->cluster, ns_id, name->kind, name->name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    *ret = row ? workload_at(r, name->kind, st, 3) : NULL;
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

bool reader_facts_service(struct reader *r, int64_t cluster, const char *namespace,
                          const char *service, bool *ret, struct err *err)
{
    const struct facts_from from = facts_of_reader(r, cluster);
    struct facts_name name = {KIND_SERVICE, 0, service};
    return reader_namespace_id(r, cluster, namespace, &name.ns_id, err) &&
           facts_has_object(&from, &name, ret, err);
}

bool reader_facts_endpoints(struct reader *r, int64_t cluster, const char *namespace,
                            const char *service, int64_t *ret_ready, struct err *err)
{
    const struct facts_from from = facts_of_reader(r, cluster);
    int64_t ns_id = 0;
    return reader_namespace_id(r, cluster, namespace, &ns_id, err) &&
           facts_ready_endpoints(&from, ns_id, service, ret_ready, err);
}
