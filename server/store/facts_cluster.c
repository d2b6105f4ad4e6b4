/*
 * Facts of the whole cluster: what all judgements of a commit share. Lists are kept over commits
 * until one of their objects changes; times and counts are read anew.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/facts.h"

enum { SPANS_MAX = 64 };

struct cluster_cache {
    struct arena *arena; /* of the lists below */
    struct arena *brief; /* of texts that are read anew */
    bool loaded;
    int64_t at; /* `now` of the reading */
    struct facts_cluster f;
};

static struct cluster_cache *cache(struct store *s)
{
    if (s->cluster == NULL) {
        s->cluster = xcalloc(1, sizeof *s->cluster);
        s->cluster->brief = arena_new(0);
    }
    return s->cluster;
}

void facts_drop_cluster(struct store *s)
{
    struct cluster_cache *c = cache(s);
    c->at = 0;
    if (c->loaded) {
        facts_bury(s, c->arena);
        c->arena = NULL;
        c->loaded = false;
    }
}

void facts_cluster_begin(struct store *s)
{
    struct cluster_cache *c = cache(s);
    c->at = 0;
    arena_reset(c->brief);
}

void facts_cluster_fini(struct store *s)
{
    if (s->cluster != NULL) {
        arena_free(s->cluster->arena);
        arena_free(s->cluster->brief);
        free(s->cluster);
        s->cluster = NULL;
    }
}

/* ---- lists ---- */

static bool load_kind(const struct facts_from *from, enum kind kind, struct list *ret,
                      struct err *err)
{
    const struct facts_rows rows = {.db = from->db,
                                    .st = db_get(from->db, SQL_OBJECTS_OF_KIND),
                                    .arena = from->arena,
                                    .size = kind_info(kind)->table->size,
                                    .read = facts_read_object,
                                    .kind = kind};
    db_bind(rows.st, "ii", from->cluster, (int64_t)kind);
    return facts_list(&rows, ret, err);
}

static bool read_node(const struct facts_rows *rows, void *item)
{
    struct facts_node *f = item;
    struct arena *a = rows->arena;
    struct arena *one = rows->arg; /* most of a node is not kept */
    arena_reset(one);
    const struct kube_node *n = facts_object_in(KIND_NODE, rows->st, 1, one);
    if (n == NULL) {
        return false;
    }
    const struct condition *ready = condition_get(&n->conditions, "Ready");
    const char *zone = kvs_get(&n->meta.labels, "topology.kubernetes.io/zone");
    *f = (struct facts_node){arena_strdup(a, n->meta.name),
                             arena_strdup(a, ready != NULL ? ready->status : ""),
                             arena_strdup(a, zone != NULL ? zone : "")};
    return true;
}

/* Names come sorted from the index. */
static bool load_nodes(const struct facts_from *from, struct list *ret, struct err *err)
{
    AUTO_PTR(arena) one = arena_new(0);
    const struct facts_rows rows = {.db = from->db,
                                    .st = db_get(from->db, SQL_OBJECTS_OF_KIND),
                                    .arena = from->arena,
                                    .size = sizeof(struct facts_node),
                                    .read = read_node,
                                    .arg = one};
    db_bind(rows.st, "ii", from->cluster, (int64_t)KIND_NODE);
    return facts_list(&rows, ret, err);
}

static bool has_namespace(const struct facts_array *all, const char *name)
{
    const struct kube_namespace *items = all->items;
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(items[i].meta.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool push_namespace(const struct facts_from *from, const char *name, struct facts_array *all,
                           struct err *err)
{
    const struct facts_name of = {KIND_NAMESPACE, 0, name};
    const void *record = NULL;
    if (!facts_object(from, &of, &record, err)) {
        return false;
    }
    if (record != NULL) {
        memcpy(facts_push(all, sizeof(struct kube_namespace)), record,
               sizeof(struct kube_namespace));
    }
    return true;
}

/* The namespaces that hold the Service of an injecting webhook. */
static bool load_controllers(const struct facts_from *from, struct facts_cluster *f,
                             struct err *err)
{
    AUTO(facts_array) all = {0};
    for (uint32_t i = 0; i < f->webhook_configs.n; i++) {
        const struct kube_webhook_config *c =
            LIST_AT(struct kube_webhook_config, f->webhook_configs, i);
        for (uint32_t k = 0; k < c->webhooks.n; k++) {
            const struct webhook *w = LIST_AT(struct webhook, c->webhooks, k);
            if (injector_webhook(w) && !has_namespace(&all, w->service_namespace) &&
                !push_namespace(from, w->service_namespace, &all, err)) {
                return false;
            }
        }
    }
    f->controller_namespaces = facts_take(&all, sizeof(struct kube_namespace), from->arena);
    return true;
}

static bool load_lists(struct store *s, struct cluster_cache *c, struct err *err)
{
    if (c->loaded) {
        return true;
    }
    struct arena *a = arena_new(0);
    struct facts_cluster f = {0};
    const struct facts_from from = facts_of_writer(s, a);
    if (!load_kind(&from, KIND_WEBHOOK_CONFIG, &f.webhook_configs, err) ||
        !load_kind(&from, KIND_LEASE, &f.leases, err) || !load_nodes(&from, &f.nodes, err) ||
        !facts_spans(&from, SPANS_MAX, &f.injector_down, err) ||
        !load_controllers(&from, &f, err) || !facts_scope_findings(s, 0, a, &f.findings, err)) {
        arena_free(a);
        return false;
    }
    c->arena = a;
    c->f = f;
    c->loaded = true;
    return true;
}

/* ---- what is read anew ---- */

/* Renewals since the row was written. */
static void renew_leases(struct store *s, struct cluster_cache *c)
{
    for (uint32_t i = 0; i < c->f.leases.n; i++) {
        /* the array is our own copy in c->arena */
        struct kube_lease *l =
            (struct kube_lease *)(uintptr_t)LIST_AT(struct kube_lease, c->f.leases, i);
        int64_t newest = l->renew_at;
        for (size_t k = 0; k < sizeof s->leases / sizeof s->leases[0]; k++) {
            bool same =
                s->leases[k].name_hash == text_hash(l->meta.name) && s->leases[k].object_id != 0;
            newest = same && s->leases[k].renew_at > newest ? s->leases[k].renew_at : newest;
        }
        l->renew_at = newest;
    }
}

static const char *denied_kinds(struct store *s, struct arena *a)
{
    AUTO(buf) out = BUF_INIT(4096);
    for (size_t i = 0; i < s->n_sources; i++) {
        enum kind kind = kind_of_source(s->sources[i].name);
        if (kind != KIND_COUNT && s->sources[i].state == SOURCE_DENIED) {
            const struct kind_info *info = kind_info(kind);
            (void)buf_addf(&out, "%s%s%s%s", out.len > 0 ? "," : "", info->resource,
                           info->group[0] != '\0' ? "." : "", info->group);
        }
    }
    return arena_strdup(a, buf_str(&out));
}

static bool serves(const struct store *s, enum kind kind)
{
    return s->kinds[kind].settled && !s->kinds[kind].absent;
}

bool store_is_stale(const struct store *s, int64_t now)
{
    const struct source_row *k = source_get(s, "kubernetes");
    if (k == NULL) {
        return false; /* not watched at all: nothing is awaited from it */
    }
    int64_t since = k->ok_at > 0 ? k->ok_at : s->opened_at;
    return now - since > s->stale_after_ms;
}

static bool read_waiting(struct store *s, int64_t *ret, struct err *err)
{
    sqlite3_stmt *st = db_get(&s->db, SQL_TALLY_GET);
    db_bind(st, "iii", s->cluster_id, INT64_C(0), (int64_t)TALLY_WAITING);
    bool row = false;
    if (!db_step(&s->db, st, &row, err)) {
        return false;
    }
    *ret = row ? db_int(st, 0) : 0;
    *ret += idmap_get(&s->tallies, (int64_t)TALLY_WAITING * 16, 0);
    (void)sqlite3_reset(st); /* the row was read */
    return true;
}

static void read_sources(struct store *s, struct cluster_cache *c)
{
    struct facts_cluster *f = &c->f;
    const struct source_row *kube = source_get(s, "kubernetes");
    const struct source_row *aws = source_get(s, "aws");
    f->kube_state = kube != NULL ? source_state_name(kube->state) : "off";
    f->kube_message = arena_strdup(c->brief, kube != NULL ? kube->message : "");
    f->kube_ok_at = kube != NULL ? kube->ok_at : 0;
    f->kube_stale = store_is_stale(s, s->now);
    f->aws_state = aws != NULL ? source_state_name(aws->state) : "off";
    f->aws_message = arena_strdup(c->brief, aws != NULL ? aws->message : "");
    f->aws_known = aws != NULL && (aws->state == SOURCE_OK || aws->state == SOURCE_THROTTLED);
    f->denied_kinds = denied_kinds(s, c->brief);
}

bool store_cluster_facts(struct store *s, const struct facts_cluster **ret, struct err *err)
{
    struct cluster_cache *c = cache(s);
    if (!load_lists(s, c, err)) {
        return false;
    }
    if (c->at != s->now) {
        struct facts_cluster *f = &c->f;
        f->now = s->now;
        f->started_at = s->settled_at != 0 ? s->settled_at : s->opened_at;
        f->has_lbc = serves(s, KIND_BINDING_LBC);
        f->has_auto = serves(s, KIND_BINDING_AUTO);
        read_sources(s, c);
        renew_leases(s, c);
        if (!read_waiting(s, &f->waiting_pods, err) ||
            !injector_service_missing(s, &f->injector_service_missing, err)) {
            return false;
        }
        c->at = s->now;
    }
    c->f.controller_flip_at = s->flip_at;
    *ret = &c->f;
    return true;
}

bool store_settled(const struct store *s, char *ret_missing, size_t size)
{
    size_t len = 0;
    bool settled = true;
    if (ret_missing != NULL && size > 0) {
        ret_missing[0] = '\0';
    }
    for (int i = 0; i < KIND_COUNT; i++) {
        if (s->kinds[i].settled) {
            continue;
        }
        const struct kind_info *info = kind_info((enum kind)i);
        if (ret_missing != NULL && len < size) {
            int n = snprintf(ret_missing + len, size - len, "%s%s%s%s", settled ? "" : ",",
                             info->resource, info->group[0] != '\0' ? "." : "", info->group);
            len += n > 0 ? (size_t)n : 0;
        }
        settled = false;
    }
    return settled;
}
