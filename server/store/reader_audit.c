/*
 * The audit: what is wrong with gates in each namespace although nobody may wait for it now (see
 * reader.h). Stored findings are sorted under four heads; shared groups and shutdown times are
 * joined on request from the objects, within ceilings that the answer tells of.
 */
#include <string.h>

#include "model/cause.h"
#include "model/judge.h"
#include "model/template.h"
#include "store/facts.h"
#include "store/reader_facts.h"
#include "store/reader_in.h"

#define DRAIN_CODE "drain_shorter_than_deregistration"

enum {
    FINDINGS_MAX = 500,       /* of one namespace */
    DRAINS_MAX = 200,         /* ... */
    NAMESPACES_SCANNED = 500, /* of one page */
    WORKLOADS_SCANNED = 3000  /* after so many the page ends */
};

enum head { HEAD_UNGATED, HEAD_ORPHAN, HEAD_SHARED, HEAD_OTHER, HEADS };
static const char *const head_names[HEADS] = {"ungated", "orphan_gates", "shared_groups", "other"};

struct audit_finding {
    struct finding_row f;
    const char *kind; /* of its workload, "" = it hangs on the namespace */
    const char *name;
};
struct audit_drain {
    const struct workload_row *workload;
    const struct facts_binding *binding;
    struct drain d;
};
struct audit {
    int64_t ns_id;
    const char *name;
    const char *injection;
    struct list findings; /* struct audit_finding */
    struct list drains;   /* struct audit_drain */
    struct facts_namespace ns;
    uint32_t n_workloads;
    bool truncated;
};

/* ---- collecting ---- */

static enum head head_of(const char *code)
{
    static const char *const orphans[] = {"gate_binding_gone", "gate_in_pod_template",
                                          "gate_legacy_type", "binding_deleted",
                                          "gate_service_does_not_select_pod"};
    if (strcmp(code, "gates_not_used") == 0 || strncmp(code, "gate_missing", 12) == 0) {
        return HEAD_UNGATED;
    }
    for (size_t i = 0; i < sizeof orphans / sizeof orphans[0]; i++) {
        if (strcmp(code, orphans[i]) == 0) {
            return HEAD_ORPHAN;
        }
    }
    return strcmp(code, "target_group_shared") == 0 ? HEAD_SHARED : HEAD_OTHER;
}

/* arg: NULL for findings that hang on no workload. */
static bool read_finding(const struct facts_rows *rows, void *item)
{
    struct audit_finding *f = item;
    f->f = finding_of(rows->st, 0, rows->arena);
    f->kind = rows->arg != NULL ? db_text(rows->st, 10, rows->arena) : "";
    f->name = rows->arg != NULL ? db_text(rows->st, 11, rows->arena) : "";
    return true;
}

static bool load_findings(struct reader *r, struct audit *a, struct err *err)
{
    AUTO(facts_array) all = {0};
    struct facts_rows rows = {.db = &r->db,
                              .st = db_get(&r->db, READ_NS_FINDINGS),
                              .arena = r->arena,
                              .size = sizeof(struct audit_finding),
                              .read = read_finding};
    db_bind(rows.st, "i", a->ns_id);
    if (!facts_add(&rows, &all, err)) {
        return false;
    }
    size_t before = all.n;
    rows.arg = a;
    rows.st = db_get(&r->db, READ_AUDIT_FINDINGS);
    db_bind(rows.st, "ii", a->ns_id, (int64_t)FINDINGS_MAX);
    if (!facts_add(&rows, &all, err)) {
        return false;
    }
    a->truncated = a->truncated || all.n - before >= FINDINGS_MAX;
    a->findings = facts_take(&all, sizeof(struct audit_finding), r->arena);
    return true;
}

/* One workload against the bindings that take its pods. */
static void check_drain(struct reader *r, struct audit *a, const struct workload_row *w,
                        struct facts_array *all)
{
    struct pod_template t = template_of_workload(w->record);
    for (uint32_t i = 0; i < a->ns.bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, a->ns.bindings, i);
        struct drain d;
        if (!binding_is_ip(fb) || fb->service == NULL || fb->binding->meta.deleted_at != 0 ||
            !kvs_subset(&fb->service->selector, t.labels)) {
            continue;
        }
        int64_t port = template_port(&t, service_port_of(fb));
        if (all->n == DRAINS_MAX) {
            a->truncated = true;
        } else if (drain_check(&t, port, fb->group->group, r->arena, &d)) {
            struct audit_drain *found = facts_push(all, sizeof *found);
            *found = (struct audit_drain){w, fb, d};
        }
    }
}

static bool load_drains(struct reader *r, struct audit *a, struct err *err)
{
    struct list workloads;
    AUTO(facts_array) all = {0};
    if (a->ns.bindings.n == 0) {
        return true;
    }
    if (!reader_facts_workloads(r, a->ns_id, &workloads, err)) {
        return false;
    }
    a->n_workloads = workloads.n;
    a->truncated = a->truncated || workloads.n == FACTS_WORKLOADS_MAX;
    for (uint32_t i = 0; i < workloads.n; i++) {
        const struct workload_row *w = LIST_AT(struct workload_row, workloads, i);
        if (w->record != NULL && w->record->replicas != 0) {
            check_drain(r, a, w, &all);
        }
    }
    a->drains = facts_take(&all, sizeof(struct audit_drain), r->arena);
    return true;
}

static bool has_kind(struct reader *r, int64_t cluster, enum kind kind, int64_t ns_id, bool *ret,
                     struct err *err)
{
    sqlite3_stmt *st = db_get(&r->db, READ_HAS_KIND);
    db_bind(st, "iii", cluster, (int64_t)kind, ns_id);
    if (!db_step(&r->db, st, ret, err)) {
        return false;
    }
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static bool collect(struct reader *r, int64_t cluster, struct audit *a, struct err *err)
{
    bool lbc = false;
    bool eks = false;
    int64_t ignored = 0;
    if (!load_findings(r, a, err) || !has_kind(r, cluster, KIND_BINDING_LBC, a->ns_id, &lbc, err) ||
        !has_kind(r, cluster, KIND_BINDING_AUTO, a->ns_id, &eks, err)) {
        return false;
    }
    if (!lbc && !eks) {
        return true;
    }
    return reader_facts_namespace(r, cluster, a->name, &a->ns, &ignored, err) &&
           load_drains(r, a, err);
}

static uint32_t count_shared(const struct audit *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->ns.bindings.n; i++) {
        n += LIST_AT(struct facts_binding, a->ns.bindings, i)->sharers > 0;
    }
    return n;
}

/* ---- writing ---- */

static void workload_json(struct json_out *j, const char *kind, const char *name)
{
    json_key(j, "workload");
    if (kind[0] == '\0') {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    json_kstr(j, "kind", kind);
    json_kstr(j, "name", name);
    json_close(j, '}');
}

/* A finding with its workload: the object that finding_json writes is opened again. */
static void audit_finding_json(const struct audit_finding *f, struct json_out *j)
{
    finding_json(&f->f, "", j);
    j->buf->len--; /* its brace */
    workload_json(j, f->kind, f->name);
    json_close(j, '}');
}

static void findings_json(const struct audit *a, enum head head, struct json_out *j)
{
    for (uint32_t i = 0; i < a->findings.n; i++) {
        const struct audit_finding *f = LIST_AT(struct audit_finding, a->findings, i);
        if (head_of(f->f.code) == head) {
            audit_finding_json(f, j);
        }
    }
}

/* The other bindings of a group; all of the cluster's namespaces. */
static bool sharers_json(struct reader *r, const struct audit *a, const struct facts_binding *fb,
                         struct json_out *j, struct err *err)
{
    bool row = true;
    json_key(j, "with");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_BINDINGS_OF_GROUP);
    db_bind(st, "tt", fb->binding->arn, "");
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row && (strcmp(db_text(st, 0, NULL), a->name) != 0 ||
                    strcmp(db_text(st, 1, NULL), fb->binding->meta.name) != 0)) {
            json_open(j, '{');
            json_kstr(j, "namespace", db_text(st, 0, NULL));
            json_kstr(j, "name", db_text(st, 1, NULL));
            json_close(j, '}');
        }
    }
    json_close(j, ']');
    return true;
}

static bool shared_json(struct reader *r, const struct audit *a, struct json_out *j,
                        struct err *err)
{
    json_key(j, "shared_bindings");
    json_open(j, '[');
    for (uint32_t i = 0; i < a->ns.bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, a->ns.bindings, i);
        if (fb->sharers == 0) {
            continue;
        }
        json_open(j, '{');
        json_kstr(j, "binding", fb->binding->meta.name);
        json_kstr(j, "arn", fb->binding->arn);
        json_kbool(j, "multi_cluster", fb->binding->multi_cluster == 1);
        if (!sharers_json(r, a, fb, j, err)) {
            return false;
        }
        json_close(j, '}');
    }
    json_close(j, ']');
    return true;
}

static void drains_json(const struct audit *a, struct json_out *j)
{
    json_key(j, "drain");
    json_open(j, '[');
    for (uint32_t i = 0; i < a->drains.n; i++) {
        const struct audit_drain *d = LIST_AT(struct audit_drain, a->drains, i);
        json_open(j, '{');
        json_kstr(j, "code", DRAIN_CODE);
        json_kstr(j, "title", cause_title(DRAIN_CODE));
        json_kstr(j, "severity", severity_name(d->d.severity));
        workload_json(j, d->workload->kind, d->workload->name);
        json_kstr(j, "binding", d->binding->binding->meta.name);
        json_kint(j, "grace_seconds", d->d.grace_s);
        json_key(j, "pre_stop_seconds");
        if (d->d.pre_stop_s == PRE_STOP_UNKNOWN) {
            json_nil(j);
        } else {
            json_int(j, d->d.pre_stop_s);
        }
        json_kint(j, "deregistration_delay_seconds", d->d.delay_s);
        json_kbool(j, "deregistration_delay_known", d->d.delay_known);
        json_kstr(j, "message", d->d.message);
        json_kstr(j, "action", d->d.action);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static bool audit_json(struct reader *r, const struct audit *a, struct json_out *j, struct err *err)
{
    json_open(j, '{');
    json_kstr(j, "namespace", a->name);
    json_kstr(j, "injection", a->injection[0] != '\0' ? a->injection : "not_applicable");
    json_kint(j, "bindings", a->ns.bindings.n);
    for (int h = 0; h < HEADS; h++) {
        json_key(j, head_names[h]);
        json_open(j, '[');
        findings_json(a, (enum head)h, j);
        json_close(j, ']');
    }
    if (!shared_json(r, a, j, err)) {
        return false;
    }
    drains_json(a, j);
    json_kbool(j, "truncated", a->truncated);
    json_close(j, '}');
    return true;
}

/* ---- pages ---- */

/* The namespace of the row; *ret_shown when it was written. */
static bool one(struct reader *r, const struct object_filter *f, struct audit *a,
                struct json_out *j, bool *ret_shown, struct err *err)
{
    if (!collect(r, f->cluster, a, err)) {
        return false;
    }
    bool named = f->namespace != NULL;
    *ret_shown = named || a->findings.n > 0 || a->drains.n > 0 || count_shared(a) > 0;
    return !*ret_shown || audit_json(r, a, j, err);
}

bool reader_audit(struct reader *r, const struct object_filter *f, struct page *page,
                  struct json_out *j, struct err *err)
{
    uint32_t workloads = 0;
    struct page_scan s = page_scan(page, NAMESPACES_SCANNED);
    bool row = true;
    sqlite3_stmt *st = db_get(&r->db, READ_AUDIT_PAGE);
    db_bind(st, "it", f->cluster, page->after.set && page->after.s != NULL ? page->after.s : "");
    while (row) {
        if (!page_step(r, &s, st, &row, err)) {
            return false;
        }
        if (!row) {
            return true;
        }
        s.last = (struct keyset){true, {0}, db_text(st, 1, r->arena)};
        bool shown = false;
        struct audit a = {
            .ns_id = db_int(st, 0), .name = s.last.s, .injection = db_text(st, 2, r->arena)};
        if (!reader_text_match(f->q, a.name, "") ||
            (f->namespace != NULL && strcmp(f->namespace, a.name) != 0)) {
            s.seen--; /* a name costs nothing beside what is looked into */
        } else if (!one(r, f, &a, j, &shown, err)) {
            return false;
        }
        s.n += shown;
        workloads += a.n_workloads;
        s.most = workloads >= WORKLOADS_SCANNED ? s.seen : s.most; /* enough for one answer */
    }
    return true;
}

/* ---- the cluster ---- */

static void selector_json(struct json_out *j, const char *key, const struct selector *s)
{
    json_key(j, key);
    if (s->present == 0) {
        json_nil(j);
        return;
    }
    json_open(j, '[');
    for (uint32_t i = 0; i < s->labels.n; i++) {
        AUTO(buf) text = BUF_INIT(1024);
        (void)buf_addf(&text, "%s=%s", s->labels.items[i].key, s->labels.items[i].value);
        json_str(j, buf_str(&text));
    }
    for (uint32_t i = 0; i < s->terms.n; i++) {
        const struct selector_term *t = LIST_AT(struct selector_term, s->terms, i);
        AUTO(buf) text = BUF_INIT(4096);
        (void)buf_addf(&text, "%s %s", t->key, t->op);
        for (uint32_t k = 0; k < t->values.n; k++) {
            (void)buf_addf(&text, "%s%s", k == 0 ? " (" : ", ", t->values.items[k]);
        }
        (void)buf_addz(&text, t->values.n > 0 ? ")" : "");
        json_str(j, buf_str(&text));
    }
    json_close(j, ']');
}

static bool webhook_json(struct reader *r, int64_t cluster, const struct facts_cluster *f,
                         bool is_auto, struct json_out *j, struct err *err)
{
    const struct kube_webhook_config *config = NULL;
    const struct webhook *w = webhook_injector(f, is_auto, &config);
    int64_t ready = -1;
    if (w == NULL) {
        return true;
    }
    bool exists = false;
    bool named = w->service_name[0] != '\0';
    if (named &&
        (!reader_facts_service(r, cluster, w->service_namespace, w->service_name, &exists, err) ||
         !reader_facts_endpoints(r, cluster, w->service_namespace, w->service_name, &ready, err))) {
        return false;
    }
    json_open(j, '{');
    json_kstr(j, "family", gate_family_name(is_auto ? FAMILY_EKS_AUTO : FAMILY_AWS_LBC));
    json_kstr(j, "configuration", config->meta.name);
    json_kstr(j, "webhook", w->name);
    json_kstr(j, "failure_policy", w->failure_policy);
    json_kint(j, "timeout_seconds", w->timeout_seconds);
    selector_json(j, "namespace_selector", &w->namespace_selector);
    selector_json(j, "object_selector", &w->object_selector);
    json_kstr(j, "service_namespace", w->service_namespace);
    json_kstr(j, "service", w->service_name);
    json_key(j, "service_exists");
    if (named) {
        json_bool(j, exists);
    } else {
        json_nil(j);
    }
    json_key(j, "ready_endpoints");
    if (ready < 0) {
        json_nil(j); /* an URL, or a Service without slices */
    } else {
        json_int(j, ready);
    }
    json_close(j, '}');
    return true;
}

bool reader_audit_cluster(struct reader *r, int64_t cluster, struct json_out *j, struct err *err)
{
    struct facts_cluster f;
    bool row = true;
    if (!reader_facts_cluster(r, cluster, &f, err)) {
        return false;
    }
    json_key(j, "webhooks");
    json_open(j, '[');
    if (!webhook_json(r, cluster, &f, false, j, err) ||
        !webhook_json(r, cluster, &f, true, j, err)) {
        return false;
    }
    json_close(j, ']');
    json_key(j, "injector_down");
    json_open(j, '[');
    for (uint32_t i = 0; i < f.injector_down.n; i++) {
        const struct facts_span *s = LIST_AT(struct facts_span, f.injector_down, i);
        json_open(j, '{');
        json_ktime(j, "from", s->from);
        json_ktime(j, "to", s->to);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "cluster_findings");
    json_open(j, '[');
    sqlite3_stmt *st = db_get(&r->db, READ_CLUSTER_FINDINGS);
    db_bind(st, "i", cluster);
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row) {
            struct finding_row found = finding_of(st, 0, NULL);
            finding_json(&found, "", j);
        }
    }
    json_close(j, ']');
    return true;
}
