/* Namespaces, services, bindings and target groups (see reader.h). */
#include <string.h>

#include "model/pack.h"
#include "store/reader_in.h"

/* ---- namespaces ---- */

/* Members of an open object. */
static bool namespace_json(struct reader *r, int64_t cluster, const char *cluster_name,
                           sqlite3_stmt *st, struct json_out *j, struct err *err)
{
    struct tallies tallies;
    if (!reader_tallies(r, cluster, db_int(st, 0), &tallies, err)) {
        return false;
    }
    const char *injection = db_text(st, 2, NULL);
    json_kstr(j, "cluster", cluster_name);
    json_kstr(j, "namespace", db_text(st, 1, NULL));
    json_kstr(j, "injection", injection[0] != '\0' ? injection : "not_applicable");
    tallies_json(&tallies, j);
    return true;
}

static bool cluster_name(struct reader *r, int64_t cluster, const char **ret, struct err *err)
{
    bool row = true;
    *ret = "";
    sqlite3_stmt *st = db_get(&r->db, READ_CLUSTERS);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row && db_int(st, 0) == cluster) {
            *ret = db_text(st, 1, r->arena);
        }
    }
    return true;
}

bool reader_namespaces(struct reader *r, int64_t cluster, const char *q, struct page *page,
                       struct json_out *j, struct err *err)
{
    const char *name = NULL;
    struct page_scan s = page_scan(page, SCAN_MAX);
    if (!cluster_name(r, cluster, &name, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_NS_PAGE);
    db_bind(st, "it", cluster, page->after.set && page->after.s != NULL ? page->after.s : "");
    bool row = true;
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (row) {
            s.last = (struct keyset){true, {0}, db_text(st, 1, r->arena)};
        }
        if (row && reader_text_match(q, s.last.s, "")) {
            json_open(j, '{');
            if (!namespace_json(r, cluster, name, st, j, err)) {
                return false;
            }
            json_close(j, '}');
            s.n++;
        }
    }
    return true;
}

static bool ns_findings_json(struct reader *r, int64_t ns_id, struct json_out *j, struct err *err)
{
    json_key(j, "findings");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_NS_FINDINGS);
    db_bind(st, "i", ns_id);
    bool row = true;
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            struct finding_row f = finding_of(st, 0, NULL);
            finding_json(&f, "", j);
        }
    }
    json_close(j, ']');
    return true;
}

bool reader_namespace(struct reader *r, int64_t cluster, const char *name, bool findings,
                      struct json_out *j, struct err *err)
{
    const char *in = NULL;
    bool row = false;
    if (!cluster_name(r, cluster, &in, err)) {
        return false;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_NS_SEEN);
    db_bind(st, "it", cluster, name);
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    if (!row) {
        return err_set(err, ERR_NOT_FOUND, "no namespace %.200s", name);
    }
    int64_t ns_id = db_int(st, 0);
    if (!namespace_json(r, cluster, in, st, j, err)) {
        return false;
    }
    (void)sqlite3_reset(st);
    return !findings || ns_findings_json(r, ns_id, j, err);
}

/* ---- pages of the object table ---- */

typedef bool render_fn(struct reader *r, int64_t cluster, sqlite3_stmt *st, struct json_out *j,
                       struct err *err);

struct object_scan {
    const struct object_filter *f;
    struct page_scan at;
    render_fn *render;
    int64_t ns_id; /* of the filter; 0 = all */
};

static sqlite3_stmt *object_range(struct reader *r, const struct object_scan *s, enum kind kind)
{
    const struct keyset *after = &s->at.page->after;
    bool at_key = after->set && after->n[0] == (int64_t)kind;
    const char *name = at_key && after->s != NULL ? after->s : "";
    if (s->ns_id != 0) {
        sqlite3_stmt *st = db_get(&r->db, READ_OBJECTS_NS_PAGE);
        db_bind(st, "iiit", s->f->cluster, (int64_t)kind, s->ns_id, name);
        return st;
    }
    sqlite3_stmt *st = db_get(&r->db, READ_OBJECTS_PAGE);
    db_bind(st, "iiit", s->f->cluster, (int64_t)kind, at_key ? after->n[1] : 0, name);
    return st;
}

static bool object_kind(struct reader *r, struct object_scan *s, enum kind kind, struct json_out *j,
                        struct err *err)
{
    const struct keyset *after = &s->at.page->after;
    bool row = !after->set || after->n[0] <= (int64_t)kind;
    sqlite3_stmt *st = object_range(r, s, kind);
    while (row) {
        if (!page_step(r, &s->at, st, &row, err)) {
            return false;
        }
        if (row) {
            s->at.last =
                (struct keyset){true, {(int64_t)kind, db_int(st, 1), 0}, db_text(st, 2, r->arena)};
        }
        if (row && reader_text_match(s->f->q, db_text(st, 3, NULL), db_text(st, 2, NULL))) {
            if (!s->render(r, s->f->cluster, st, j, err)) {
                return false;
            }
            s->at.n++;
        }
    }
    return true;
}

static bool object_page(struct reader *r, struct object_scan *s, const enum kind *kinds,
                        size_t n_kinds, struct json_out *j, struct err *err)
{
    const struct object_filter *f = s->f;
    if (f->namespace != NULL) {
        if (!reader_namespace_id(r, f->cluster, f->namespace, &s->ns_id, err)) {
            return false;
        }
        if (s->ns_id == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < n_kinds && !s->at.full; i++) {
        if (!object_kind(r, s, kinds[i], j, err)) {
            return false;
        }
    }
    return true;
}

/* ---- services ---- */

static bool service_bindings(struct reader *r, sqlite3_stmt *service, struct json_out *j,
                             struct err *err)
{
    static const enum kind kinds[] = {KIND_BINDING_LBC, KIND_BINDING_AUTO};
    json_key(j, "bindings");
    json_open(j, '[');
    for (size_t i = 0; i < 2; i++) {
        sqlite3_stmt *st = db_get(&r->db, READ_BINDINGS_OF_SERVICE);
        db_bind(st, "iit", (int64_t)kinds[i], db_int(service, 1), db_text(service, 2, NULL));
        bool row = true;
        while (row) {
            if (!db_step(&r->db, st, &row, err)) {
                return false;
            }
            if (row) {
                json_str(j, db_text(st, 0, NULL));
            }
        }
    }
    json_close(j, ']');
    return true;
}

static void service_ports(const struct kube_service *s, struct json_out *j)
{
    json_key(j, "selector");
    json_open(j, '{');
    for (uint32_t i = 0; s != NULL && i < s->selector.n; i++) {
        /* the key is foreign: written as a string, then made a key */
        json_str(j, s->selector.items[i].key);
        (void)buf_addc(j->buf, ':');
        j->comma = false;
        json_str(j, s->selector.items[i].value);
    }
    json_close(j, '}');
    json_key(j, "ports");
    json_open(j, '[');
    for (uint32_t i = 0; s != NULL && i < s->ports.n; i++) {
        const struct service_port *p = LIST_AT(struct service_port, s->ports, i);
        json_open(j, '{');
        json_kstr(j, "name", p->name);
        json_kstr(j, "protocol", p->protocol);
        json_kint(j, "port", p->port);
        json_kstr(j, "target_port", p->target_port);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static bool service_json(struct reader *r, int64_t cluster, sqlite3_stmt *st, struct json_out *j,
                         struct err *err)
{
    (void)cluster;
    const struct kube_service *s = reader_record(r, kind_info(KIND_SERVICE)->table, st, 4);
    json_open(j, '{');
    json_kstr(j, "namespace", db_text(st, 3, NULL));
    json_kstr(j, "name", db_text(st, 2, NULL));
    json_kstr(j, "type", s != NULL ? s->type : "");
    json_ktime(j, "created_at", s != NULL ? s->meta.created_at : 0);
    service_ports(s, j);
    if (!service_bindings(r, st, j, err)) {
        return false;
    }
    json_close(j, '}');
    return true;
}

bool reader_services(struct reader *r, const struct object_filter *f, struct page *page,
                     struct json_out *j, struct err *err)
{
    static const enum kind kinds[] = {KIND_SERVICE};
    struct object_scan s = {.f = f, .at = page_scan(page, SCAN_MAX), .render = service_json};
    return object_page(r, &s, kinds, 1, j, err);
}

/* ---- bindings ---- */

static bool binding_group(struct reader *r, const struct kube_binding *b, struct json_out *j,
                          struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_GROUP_BY_ARN);
    db_bind(st, "t", b != NULL ? b->arn : "");
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    json_key(j, "target_group");
    if (row) {
        json_open(j, '{');
        json_kint(j, "id", db_int(st, 0));
        json_kstr(j, "name", db_text(st, 1, NULL));
        json_kint(j, "targets", db_int(st, 2));
        json_kint(j, "healthy", db_int(st, 3));
        json_close(j, '}');
    } else {
        json_nil(j);
    }
    (void)sqlite3_reset(st);
    return true;
}

static bool binding_usual(struct reader *r, int64_t cluster, sqlite3_stmt *binding,
                          struct json_out *j, struct err *err)
{
    bool row = false;
    sqlite3_stmt *st = db_get(&r->db, READ_USUAL);
    db_bind(st, "iit", cluster, db_int(binding, 1), db_text(binding, 2, NULL));
    if (!db_step(&r->db, st, &row, err)) {
        return false;
    }
    json_usual(j, row ? db_int(st, 0) : 0, row ? db_int(st, 1) : 0, "history");
    (void)sqlite3_reset(st);
    return true;
}

static bool binding_json(struct reader *r, int64_t cluster, sqlite3_stmt *st, struct json_out *j,
                         struct err *err)
{
    enum kind kind = (enum kind)db_int(st, 0);
    const struct kube_binding *b = reader_record(r, kind_info(kind)->table, st, 4);
    json_open(j, '{');
    json_kstr(j, "namespace", db_text(st, 3, NULL));
    json_kstr(j, "name", db_text(st, 2, NULL));
    json_kstr(j, "group", kind_info(kind)->group);
    json_ktime(j, "created_at", b != NULL ? b->meta.created_at : 0);
    json_ktime(j, "deleted_at", b != NULL ? b->meta.deleted_at : 0);
    json_kstr(j, "service", b != NULL ? b->service : "");
    json_kstr(j, "service_port", b != NULL ? b->service_port : "");
    json_kstr(j, "target_type", b != NULL ? b->target_type : "");
    json_kstr(j, "arn", b != NULL ? b->arn : "");
    json_kstr(j, "group_name", b != NULL ? b->group_name : "");
    if (!binding_group(r, b, j, err) || !binding_usual(r, cluster, st, j, err)) {
        return false;
    }
    json_close(j, '}');
    return true;
}

bool reader_bindings(struct reader *r, const struct object_filter *f, struct page *page,
                     struct json_out *j, struct err *err)
{
    static const enum kind kinds[] = {KIND_BINDING_LBC, KIND_BINDING_AUTO};
    struct object_scan s = {.f = f, .at = page_scan(page, SCAN_MAX), .render = binding_json};
    return object_page(r, &s, kinds, 2, j, err);
}
