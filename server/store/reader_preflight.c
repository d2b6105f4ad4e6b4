/* Preflight over a snapshot: the facts of every namespace the manifests are about (see
 * reader_facts.h). */
#include <string.h>

#include "store/reader_facts.h"
#include "store/reader_in.h"

static bool is_binding(const struct manifest *m)
{
    return m->kind == KIND_BINDING_LBC || m->kind == KIND_BINDING_AUTO;
}

static const char *namespace_of(const struct manifest *m, const char *fallback)
{
    return m->namespace[0] != '\0' ? m->namespace : fallback;
}

static bool load_namespaces(struct reader *r, int64_t cluster, struct preflight_in *in,
                            struct err *err)
{
    struct strs names = preflight_namespaces(&in->manifests, in->default_namespace, r->arena);
    if (names.n > PREFLIGHT_NAMESPACES_MAX) {
        return err_set(err, ERR_INPUT, "the manifests are about %u namespaces: at most %d at once",
                       names.n, PREFLIGHT_NAMESPACES_MAX);
    }
    struct facts_namespace *items = arena_array(r->arena, struct facts_namespace, names.n);
    for (uint32_t i = 0; i < names.n; i++) {
        int64_t ignored = 0;
        if (!reader_facts_namespace(r, cluster, names.items[i], &items[i], &ignored, err)) {
            return false;
        }
    }
    in->namespaces = (struct list){items, names.n};
    return true;
}

static bool same_group(const struct kube_binding *a, const struct kube_binding *b)
{
    return a->arn[0] != '\0' && strcmp(a->arn, b->arn) == 0;
}

/* Another binding on the group: of the manifests, else of the cluster. */
static bool find_other(struct reader *r, const struct preflight_in *in, struct preflight_group *g,
                       struct err *err)
{
    const struct manifest *m = g->manifest;
    const struct kube_binding *b = (const struct kube_binding *)(const void *)m->record;
    const char *ns = namespace_of(m, in->default_namespace);
    g->other = "";
    for (uint32_t i = 0; i < in->manifests.n; i++) {
        const struct manifest *o = LIST_AT(struct manifest, in->manifests, i);
        if (o != m && is_binding(o) &&
            same_group(b, (const struct kube_binding *)(const void *)o->record)) {
            g->other =
                arena_printf(r->arena, "%s/%s", namespace_of(o, in->default_namespace), o->name);
            return true;
        }
    }
    bool row = b->arn[0] != '\0';
    sqlite3_stmt *st = db_get(&r->db, READ_BINDINGS_OF_GROUP);
    db_bind(st, "tt", b->arn, "");
    while (row) {
        if (!db_step(&r->db, st, &row, err)) {
            return false;
        }
        if (row &&
            (strcmp(db_text(st, 0, NULL), ns) != 0 || strcmp(db_text(st, 1, NULL), m->name) != 0)) {
            g->other = arena_printf(r->arena, "%s/%s", db_text(st, 0, NULL), db_text(st, 1, NULL));
        }
    }
    return true;
}

static bool load_groups(struct reader *r, int64_t cluster, struct preflight_in *in, struct err *err)
{
    struct preflight_group *items = arena_array(r->arena, struct preflight_group, in->manifests.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->manifests.n; i++) {
        const struct manifest *m = LIST_AT(struct manifest, in->manifests, i);
        if (!is_binding(m)) {
            continue;
        }
        struct preflight_group *g = &items[n++];
        g->manifest = m;
        g->group = arena_zalloc(r->arena, sizeof *g->group);
        if (!reader_facts_group(r, cluster, (const struct kube_binding *)(const void *)m->record,
                                g->group, err) ||
            !find_other(r, in, g, err)) {
            return false;
        }
    }
    in->groups = (struct list){items, n};
    return true;
}

static bool load_present(struct reader *r, int64_t cluster, struct preflight_in *in,
                         struct err *err)
{
    struct preflight_present *items =
        arena_array(r->arena, struct preflight_present, in->manifests.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->manifests.n; i++) {
        const struct manifest *m = LIST_AT(struct manifest, in->manifests, i);
        struct object_name name = {cluster, namespace_of(m, in->default_namespace), m->kind_name,
                                   m->name};
        struct pod_template t;
        if (!template_of(m->kind, m->record, &t) || m->kind == KIND_POD) {
            continue;
        }
        items[n].manifest = m;
        if (!reader_facts_workload(r, &name, &items[n].workload, err)) {
            return false;
        }
        n += items[n].workload != NULL;
    }
    in->present = (struct list){items, n};
    return true;
}

/* Is the open-source controller's webhook without a ready endpoint now? As its slices say: a
 * Service without any slice is one that we do not see, or that has another way in. */
static bool look_at_webhook(struct reader *r, int64_t cluster, struct facts_cluster *f,
                            struct err *err)
{
    const struct webhook *w = webhook_injector(f, false, NULL);
    struct facts_span *down = arena_zalloc(r->arena, sizeof *down);
    int64_t ready = -1;
    if (w != NULL && w->service_name[0] != '\0' &&
        !reader_facts_endpoints(r, cluster, w->service_namespace, w->service_name, &ready, err)) {
        return false;
    }
    f->injector_down = (struct list){down, ready == 0}; /* open: to is 0 */
    return true;
}

bool reader_preflight(struct reader *r, int64_t cluster, const char *default_namespace,
                      const struct list *manifests, struct preflight *ret, struct err *err)
{
    struct facts_cluster facts;
    struct preflight_in in = {.cluster = &facts,
                              .default_namespace = default_namespace,
                              .families = r->config != NULL ? r->config->gate_families : NULL,
                              .manifests = *manifests};
    if (!reader_facts_cluster(r, cluster, &facts, err) ||
        !look_at_webhook(r, cluster, &facts, err) || !load_namespaces(r, cluster, &in, err) ||
        !load_groups(r, cluster, &in, err) || !load_present(r, cluster, &in, err)) {
        return false;
    }
    preflight_judge(&in, r->arena, ret);
    return true;
}
