/* Preflight: namespaces as they would be after the manifests, and the round of checks (see
 * preflight.h). */
#include "model/preflight_in.h"

#include <string.h>

const struct manifest *pf_manifest(const struct pf *p, uint32_t i)
{
    return LIST_AT(struct manifest, p->in->manifests, i);
}

static const char *namespace_of(const struct manifest *m, const char *fallback)
{
    if (m->kind == KIND_NAMESPACE) {
        return m->name;
    }
    return m->namespace[0] != '\0' ? m->namespace : fallback;
}

const char *pf_namespace(const struct pf *p, const struct manifest *m)
{
    return namespace_of(m, p->in->default_namespace);
}

struct strs preflight_namespaces(const struct list *manifests, const char *default_namespace,
                                 struct arena *arena)
{
    const char **names = arena_array(arena, const char *, manifests->n + 1);
    uint32_t n = 0;
    for (uint32_t i = 0; i < manifests->n; i++) {
        const struct manifest *m = LIST_AT(struct manifest, *manifests, i);
        const char *name = namespace_of(m, default_namespace);
        bool known = m->kind == KIND_COUNT || m->kind == KIND_WEBHOOK_CONFIG;
        for (uint32_t k = 0; k < n && !known; k++) {
            known = strcmp(names[k], name) == 0;
        }
        if (!known) {
            names[n++] = name;
        }
    }
    return (struct strs){names, n};
}

struct pf_scope *pf_scope_of(const struct pf *p, const struct manifest *m)
{
    const char *name = pf_namespace(p, m);
    for (uint32_t i = 0; i < p->n_scopes; i++) {
        if (strcmp(p->scopes[i].name, name) == 0) {
            return &p->scopes[i];
        }
    }
    return NULL;
}

/* ---- what a check asks ---- */

bool pf_template(const struct manifest *m, struct pod_template *ret)
{
    return template_of(m->kind, m->record, ret);
}

bool pf_is_ip(const struct pf_binding *b)
{
    bool unsaid = b->fb.binding->target_type[0] == '\0' && b->fb.group->group == NULL;
    return unsaid || binding_is_ip(&b->fb);
}

/* As kvs_subset, but linear: both are in key order, as readers leave them, and manifests may be
 * made to cost. */
bool pf_subset(const struct kvs *want, const struct kvs *labels)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < want->n; i++) {
        while (at < labels->n && strcmp(labels->items[at].key, want->items[i].key) < 0) {
            at++;
        }
        if (at == labels->n || strcmp(labels->items[at].key, want->items[i].key) != 0 ||
            strcmp(labels->items[at].value, want->items[i].value) != 0) {
            return false;
        }
    }
    return want->n > 0;
}

bool pf_selects(const struct pf_binding *b, const struct pod_template *t)
{
    return b->fb.service != NULL && pf_subset(&b->fb.service->selector, t->labels);
}

const struct pf_service *pf_service_named(const struct pf_scope *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_services; i++) {
        if (strcmp(s->services[i].service->meta.name, name) == 0) {
            return &s->services[i];
        }
    }
    return NULL;
}

const char *pf_object(const struct pf *p, const struct manifest *m)
{
    return arena_printf(p->a, "%s/%s", m->kind_name, m->name);
}

void pf_say(struct pf *p, const struct manifest *m, const struct preflight_finding *f)
{
    struct preflight_finding said = *f;
    said.manifest = m;
    said.namespace = pf_namespace(p, m);
    said.object = f->object != NULL ? f->object : pf_object(p, m);
    said.command = f->command != NULL ? f->command : "";
    said.action = f->action != NULL ? f->action : "";
    if (p->n_findings == PREFLIGHT_FINDINGS_MAX) {
        p->out->truncated = true;
        return;
    }
    for (uint32_t i = 0; i < p->n_findings; i++) {
        struct preflight_finding *o = &p->findings[i];
        if (strcmp(o->code, said.code) == 0 && strcmp(o->object, said.object) == 0 &&
            strcmp(o->namespace, said.namespace) == 0 && strcmp(o->message, said.message) == 0) {
            if (said.severity > o->severity) {
                p->out->counts[o->severity]--;
                p->out->counts[said.severity]++;
                o->severity = said.severity;
            }
            return;
        }
    }
    p->out->counts[said.severity]++;
    p->findings[p->n_findings++] = said;
}

/* ---- namespaces after the manifests ---- */

static bool in_scope(const struct pf *p, const struct pf_scope *s, const struct manifest *m)
{
    return m->record != NULL && strcmp(pf_namespace(p, m), s->name) == 0;
}

static void add_service(struct pf_scope *s, const struct manifest *m)
{
    const struct kube_service *service = (const struct kube_service *)(const void *)m->record;
    for (uint32_t i = 0; i < s->n_services; i++) {
        if (strcmp(s->services[i].service->meta.name, m->name) == 0) {
            s->services[i].service = service;
            s->services[i].manifest = m;
            return;
        }
    }
    s->services[s->n_services++] =
        (struct pf_service){.service = service, .manifest = m, .fresh = true};
}

static const struct preflight_group *group_of(const struct pf *p, const struct manifest *m)
{
    for (uint32_t i = 0; i < p->in->groups.n; i++) {
        const struct preflight_group *g = LIST_AT(struct preflight_group, p->in->groups, i);
        if (g->manifest == m) {
            return g;
        }
    }
    return NULL;
}

/* The usual time stays with the binding's name, as in the store. */
static void add_binding(struct pf *p, struct pf_scope *s, const struct manifest *m)
{
    const struct kube_binding *b = (const struct kube_binding *)(const void *)m->record;
    const struct preflight_group *g = group_of(p, m);
    struct pf_binding *at = NULL;
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        const struct meta *meta = &s->bindings[i].fb.binding->meta;
        if (meta->kind == m->kind && strcmp(meta->name, m->name) == 0) {
            at = &s->bindings[i];
        }
    }
    if (at == NULL) {
        at = &s->bindings[s->n_bindings++];
        *at = (struct pf_binding){.fresh = true, .is_auto = m->kind == KIND_BINDING_AUTO};
    }
    bool history = at->fb.usual.from_history;
    at->manifest = m;
    at->fb.binding = b;
    at->other = g != NULL ? g->other : "";
    at->fb.group = g != NULL ? g->group : arena_zalloc(p->a, sizeof *at->fb.group);
    if (g == NULL) {
        at->fb.group->arn = b->arn;
        at->fb.group->error = "";
    }
    if (!history) {
        at->fb.usual = usual_of(NULL, 0, b, at->fb.group->group, at->fb.group->balancer);
    }
}

/* Both, the second over the first. */
static const struct kvs *join(struct pf *p, const struct kvs *under, const struct kvs *over)
{
    struct kv *items = arena_array(p->a, struct kv, under->n + over->n);
    struct kvs *all = arena_zalloc(p->a, sizeof *all);
    for (uint32_t i = 0; i < under->n; i++) {
        if (kvs_get(over, under->items[i].key) == NULL) {
            items[all->n++] = under->items[i];
        }
    }
    for (uint32_t i = 0; i < over->n; i++) {
        items[all->n++] = over->items[i];
    }
    all->items = items;
    return all;
}

static void add_manifests(struct pf *p, struct pf_scope *s)
{
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (!in_scope(p, s, m)) {
            continue;
        }
        if (m->kind == KIND_SERVICE) {
            add_service(s, m);
        } else if (m->kind == KIND_BINDING_LBC || m->kind == KIND_BINDING_AUTO) {
            add_binding(p, s, m);
        } else if (m->kind == KIND_NAMESPACE) {
            s->labels = join(p, s->labels, &m->record->labels);
            s->annotations = join(p, s->annotations, &m->record->annotations);
            s->exists = true;
        }
    }
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        const struct pf_service *found = pf_service_named(s, s->bindings[i].fb.binding->service);
        s->bindings[i].fb.service = found != NULL ? found->service : NULL;
    }
}

static void open_scope(struct pf *p, struct pf_scope *s, const struct facts_namespace *cached)
{
    static const struct kvs none = {NULL, 0};
    uint32_t n = p->in->manifests.n;
    *s = (struct pf_scope){.name = cached->name,
                           .cached = cached,
                           .labels = cached->object != NULL ? &cached->object->meta.labels : &none,
                           .annotations =
                               cached->object != NULL ? &cached->object->meta.annotations : &none,
                           .exists = cached->object != NULL};
    s->services = arena_array(p->a, struct pf_service, cached->services.n + n);
    s->bindings = arena_array(p->a, struct pf_binding, cached->bindings.n + n);
    for (uint32_t i = 0; i < cached->services.n; i++) {
        const struct kube_service *service = LIST_AT(struct kube_service, cached->services, i);
        s->services[s->n_services++] = (struct pf_service){.service = service};
    }
    for (uint32_t i = 0; i < cached->bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, cached->bindings, i);
        if (fb->binding->meta.deleted_at == 0) {
            s->bindings[s->n_bindings++] = (struct pf_binding){
                .fb = *fb, .is_auto = fb->binding->meta.kind == KIND_BINDING_AUTO, .other = ""};
        }
    }
    add_manifests(p, s);
}

/* The cluster's webhooks and those of the manifests, which come first. */
static void open_cluster(struct pf *p)
{
    const struct list *have = &p->in->cluster->webhook_configs;
    struct kube_webhook_config *items =
        arena_array(p->a, struct kube_webhook_config, have->n + p->in->manifests.n);
    uint32_t n = 0;
    p->cluster = *p->in->cluster;
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->kind == KIND_WEBHOOK_CONFIG) {
            items[n++] = *(const struct kube_webhook_config *)(const void *)m->record;
        }
    }
    for (uint32_t i = 0; i < have->n; i++) {
        items[n++] = *LIST_AT(struct kube_webhook_config, *have, i);
    }
    p->cluster.webhook_configs = (struct list){items, n};
}

void pf_open(struct pf *p)
{
    open_cluster(p);
    p->scopes = arena_array(p->a, struct pf_scope, p->in->namespaces.n);
    for (uint32_t i = 0; i < p->in->namespaces.n; i++) {
        open_scope(p, &p->scopes[p->n_scopes++],
                   LIST_AT(struct facts_namespace, p->in->namespaces, i));
    }
    pf_open_routes(p);
}

/* ---- the round ---- */

void preflight_judge(const struct preflight_in *in, struct arena *arena, struct preflight *ret)
{
    struct pf p = {.in = in, .a = arena, .out = ret};
    struct preflight_workload *workloads =
        arena_array(arena, struct preflight_workload, in->manifests.n);
    uint32_t n = 0;
    *ret = (struct preflight){.objects = in->manifests.n};
    p.findings = arena_array(arena, struct preflight_finding, PREFLIGHT_FINDINGS_MAX);
    pf_open(&p);
    for (uint32_t i = 0; i < in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(&p, i);
        struct pod_template t;
        if (m->record == NULL) {
            ret->ignored += m->maker == NULL;
        } else if (m->kind == KIND_BINDING_LBC || m->kind == KIND_BINDING_AUTO) {
            pf_check_binding(&p, m);
        } else if (pf_template(m, &t)) {
            struct preflight_workload *w = &workloads[n++];
            *w = (struct preflight_workload){.manifest = m, .namespace = pf_namespace(&p, m)};
            pf_check_gates(&p, m, w);
            pf_check_later(&p, m);
            pf_check_rollout(&p, m, w);
        }
    }
    ret->workloads = (struct list){workloads, n};
    ret->findings = (struct list){p.findings, p.n_findings};
}

/* ---- as JSON ---- */

const char *preflight_verdict(const struct preflight *p)
{
    if (p->counts[SEVERITY_ERROR] > 0) {
        return "errors";
    }
    return p->counts[SEVERITY_WARNING] > 0 ? "warnings" : "fine";
}

static void gate_json(const struct preflight_gate *g, struct json_out *j)
{
    static const char *const injected[] = {"no", "yes", "likely", "in_template"};
    json_open(j, '{');
    json_kstr(j, "type", g->type);
    json_kstr(j, "family", gate_family_name(g->family));
    json_kstr(j, "injected", injected[g->injected]);
    json_kstr(j, "webhook", g->webhook);
    json_kstr(j, "binding", g->binding);
    json_kstr(j, "service", g->service);
    json_kint(j, "port", g->port);
    json_kstr(j, "target_group", g->target_group);
    json_close(j, '}');
}

static void rollout_json(const struct preflight_rollout *r, struct json_out *j)
{
    json_key(j, "rollout");
    if (!r->known) {
        json_nil(j);
        return;
    }
    json_open(j, '{');
    json_kint(j, "replicas", r->replicas);
    json_kint(j, "batches", r->batches);
    json_kint(j, "gate_seconds", r->gate_ms / 1000);
    json_kstr(j, "from", r->from_history ? "history" : "formula");
    json_kint(j, "total_seconds", r->total_ms / 1000);
    json_key(j, "deadline_seconds");
    if (r->deadline_ms > 0) {
        json_int(j, r->deadline_ms / 1000);
    } else {
        json_nil(j);
    }
    json_close(j, '}');
}

static void place_json(const struct manifest *m, struct json_out *j)
{
    json_kint(j, "line", m->line);
    json_kint(j, "column", m->column);
}

static void finding_of_json(const struct preflight_finding *f, struct json_out *j)
{
    const struct cause *cause = cause_get(f->code);
    json_open(j, '{');
    json_kstr(j, "code", f->code);
    json_kstr(j, "title", cause_title(f->code));
    json_kstr(j, "severity", severity_name(f->severity));
    json_kstr(j, "confidence", confidence_name(f->confidence));
    json_kstr(j, "namespace", f->namespace);
    json_kstr(j, "object", f->object);
    json_kstr(j, "message", f->message);
    json_kstr(j, "action", f->action);
    json_key(j, "commands");
    json_open(j, '[');
    if (f->command[0] != '\0') {
        json_str(j, f->command);
    }
    json_close(j, ']');
    json_kstr(j, "docs", cause != NULL ? cause->docs : "");
    place_json(f->manifest, j);
    json_close(j, '}');
}

static void workload_json(const struct preflight_workload *w, struct json_out *j)
{
    json_open(j, '{');
    json_kstr(j, "namespace", w->namespace);
    json_kstr(j, "kind", w->manifest->kind_name);
    json_kstr(j, "name", w->manifest->name);
    place_json(w->manifest, j);
    json_key(j, "gates");
    json_open(j, '[');
    for (uint32_t i = 0; i < w->gates.n; i++) {
        gate_json(LIST_AT(struct preflight_gate, w->gates, i), j);
    }
    json_close(j, ']');
    rollout_json(&w->rollout, j);
    json_close(j, '}');
}

void preflight_json(const struct preflight *p, struct json_out *j)
{
    json_kstr(j, "verdict", preflight_verdict(p));
    json_key(j, "counts");
    json_open(j, '{');
    for (int i = SEVERITY_COUNT - 1; i >= 0; i--) {
        json_kint(j, severity_name((enum severity)i), p->counts[i]);
    }
    json_close(j, '}');
    json_kint(j, "objects", p->objects);
    json_kint(j, "ignored", p->ignored);
    json_kbool(j, "truncated", p->truncated);
    json_key(j, "workloads");
    json_open(j, '[');
    for (uint32_t i = 0; i < p->workloads.n; i++) {
        workload_json(LIST_AT(struct preflight_workload, p->workloads, i), j);
    }
    json_close(j, ']');
    json_key(j, "findings");
    json_open(j, '[');
    for (uint32_t i = 0; i < p->findings.n; i++) {
        finding_of_json(LIST_AT(struct preflight_finding, p->findings, i), j);
    }
    json_close(j, ']');
}
