/*
 * What a judgement looks up once for all rules: events by object, bindings with their newest
 * warnings, which webhook injects; and the questions rules share. Linear in pods + events +
 * bindings.
 *
 * Events are hints: they are merged, rationed, late and outlive their fault. So only the newest of
 * a reason counts, only for so long, and not once the binding was seen to get on after it.
 */
#include "model/cause_in.h"
#include "model/quote.h"

#include <stdlib.h>
#include <string.h>

bool is_v2(enum gate_family family)
{
    return family == FAMILY_AWS_LBC || family == FAMILY_EKS_AUTO;
}

bool is_live(const struct pod_sheet *p)
{
    return p->is_new || p->is_old;
}

const char *object_of(struct judge *j, const char *kind, const char *name)
{
    return arena_printf(j->a, "%s/%s", kind, name);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- events ---- */

int64_t event_at(const struct kube_event *e)
{
    int64_t at = later(later(e->last_at, e->event_at), later(e->series_at, e->first_at));
    return at != 0 ? at : e->meta.created_at;
}

static uint32_t event_hash(const char *kind, const char *name)
{
    return index_hash(index_hash(INDEX_SEED, kind), name);
}

/* Times have whole seconds: of the same second the later version counts, as the merged event is
 * the one that is edited on. */
static bool newer(const struct kube_event *a, const struct kube_event *b)
{
    if (b == NULL || event_at(a) != event_at(b)) {
        return b == NULL || event_at(a) > event_at(b);
    }
    return strtoll(a->meta.resource_version, NULL, 10) >=
           strtoll(b->meta.resource_version, NULL, 10);
}

const struct kube_event *event_about(const struct judge *j, const char *kind, const char *name,
                                     const char *reason, const char *text)
{
    const struct kube_event *best = NULL;
    const struct list *events = &j->f->ns->events;
    uint32_t i = 0;
    for (uint32_t at = index_start(&j->sight->events, event_hash(kind, name));
         index_next(&j->sight->events, &at, &i);) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        if (strcmp(e->object_name, name) == 0 && strcmp(e->object_kind, kind) == 0 &&
            (reason == NULL || strcmp(e->reason, reason) == 0) &&
            (text == NULL || strstr(e->message, text) != NULL) && newer(e, best)) {
            best = e;
        }
    }
    return best;
}

const struct kube_event *event_live(const struct judge *j, const struct view *v,
                                    const struct kube_event *e)
{
    if (e == NULL || j->sight->now - event_at(e) > EVENT_LIVE_MS) {
        return NULL;
    }
    bool outlived = v->acted_at > event_at(e) + SECOND_MS;
    return outlived ? NULL : e;
}

void event_evidence(struct judge *j, struct finding *f, const struct kube_event *e)
{
    finding_evidence(j, f, arena_printf(j->a, "%s/%s", e->object_kind, e->object_name),
                     arena_printf(j->a, "event %s", e->reason), "%.600s",
                     quote_steady(j->a, e->message));
}

static void index_events(struct judge *j)
{
    const struct list *events = &j->f->ns->events;
    index_init(&j->sight->events, j->a, events->n);
    for (uint32_t i = 0; i < events->n; i++) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        if (strcmp(e->type, "Normal") != 0) {
            index_add(&j->sight->events, event_hash(e->object_kind, e->object_name), i);
        }
    }
}

/* ---- bindings ---- */

struct view *view_of(const struct judge *j, const struct pod_sheet *p, const struct pod_binding *pb)
{
    return &j->sight->views[pb - p->bindings];
}

/* The controller writes the checkpoint at the end of a pass in which nothing was left to do. */
static int64_t checkpoint_at(const struct kube_binding *b)
{
    const char *checkpoint = kvs_get(&b->meta.annotations, "elbv2.k8s.aws/checkpoint");
    const char *at = kvs_get(&b->meta.annotations, "elbv2.k8s.aws/checkpoint-timestamp");
    if (checkpoint == NULL || checkpoint[0] == '\0' || at == NULL) {
        return 0;
    }
    long long seconds = strtoll(at, NULL, 10);
    return seconds > 0 && seconds < INT64_C(100000000000) ? seconds * SECOND_MS : 0;
}

static void open_views(struct judge *j)
{
    struct sight *s = j->sight;
    const struct list *bindings = &j->f->ns->bindings;
    s->n_views = bindings->n;
    s->views = arena_array(j->a, struct view, bindings->n);
    index_init(&s->view_by_name, j->a, bindings->n);
    for (uint32_t i = 0; i < bindings->n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, *bindings, i);
        const char *name = fb->binding->meta.name;
        struct view *v = &s->views[i];
        *v = (struct view){.fb = fb,
                           .name = name,
                           .object = object_of(j, "TargetGroupBinding", name),
                           .acted_at = later(later(fb->gate_flipped_at, fb->registered_at),
                                             checkpoint_at(fb->binding))};
        index_add(&s->view_by_name, index_hash(INDEX_SEED, name), i);
    }
}

/* An event names the API version of its object where two families share a name. */
static bool event_of_view(const struct kube_event *e, const struct view *v)
{
    const char *slash = strchr(e->object_api_version, '/');
    const char *group = kind_info(v->fb->binding->meta.kind)->group;
    return strcmp(e->object_name, v->name) == 0 &&
           (slash == NULL || (strlen(group) == (size_t)(slash - e->object_api_version) &&
                              strncmp(group, e->object_api_version, strlen(group)) == 0));
}

static const struct kube_event **slot_of(struct view *v, const char *reason)
{
    if (strcmp(reason, "FailedReconcile") == 0) {
        return &v->reconcile;
    }
    if (strcmp(reason, "FailedNetworkReconcile") == 0) {
        return &v->network;
    }
    if (strcmp(reason, "FailedCleanup") == 0 || strcmp(reason, "FailedRemoveFinalizer") == 0) {
        return &v->cleanup;
    }
    return NULL;
}

/* A binding that went while its finalizer was removed is gone, and that is all it says. */
static bool is_noise(const struct kube_event *e)
{
    return strcmp(e->reason, "FailedRemoveFinalizer") == 0 &&
           strstr(e->message, "\" not found") != NULL && strstr(e->message, "webhook") == NULL;
}

static void events_of_views(struct judge *j)
{
    struct sight *s = j->sight;
    const struct list *events = &j->f->ns->events;
    for (uint32_t i = 0; i < events->n; i++) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        if (strcmp(e->object_kind, "TargetGroupBinding") != 0 || is_noise(e)) {
            continue;
        }
        uint32_t k = 0;
        for (uint32_t at = index_start(&s->view_by_name, index_hash(INDEX_SEED, e->object_name));
             index_next(&s->view_by_name, &at, &k);) {
            struct view *v = &s->views[k];
            const struct kube_event **slot = event_of_view(e, v) ? slot_of(v, e->reason) : NULL;
            if (slot != NULL && newer(e, *slot)) {
                *slot = e;
            }
        }
    }
}

bool gate_can_open(const struct pod_gate *g)
{
    return is_v2(g->family) && g->pb != NULL && g->pb->ip && g->pb->selects;
}

static void count_gates(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            const struct pod_gate *g = &p->gates[k];
            if (g->pb == NULL) {
                continue;
            }
            struct view *v = view_of(j, p, g->pb);
            int64_t made = p->fp->pod->meta.created_at;
            v->first_gated_at =
                v->first_gated_at == 0 || made < v->first_gated_at ? made : v->first_gated_at;
            v->open += g->status == GATE_OPEN;
            v->waiting += g->status != GATE_OPEN && p->containers_ready && gate_can_open(g);
            if (g->condition != NULL) {
                v->acted_at = later(v->acted_at, g->condition->transition_at);
            }
        }
    }
}

/* ---- webhooks ---- */

static bool takes_pods(const struct webhook *w)
{
    for (uint32_t i = 0; i < w->rules.n; i++) {
        const struct strs *r = &LIST_AT(struct webhook_rule, w->rules, i)->resources;
        for (uint32_t k = 0; k < r->n; k++) {
            if (strcmp(r->items[k], "pods") == 0 || strcmp(r->items[k], "*") == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* "v2.13.1", "2.13.1": 2013001; 0 = none. */
static int64_t version_of(const char *text)
{
    int64_t version = 0;
    const char *at = text == NULL ? "" : text;
    at += *at == 'v';
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        long long n = strtoll(at, &end, 10);
        if (end == at || n < 0 || n > 999) {
            return 0;
        }
        version = version * 1000 + n;
        at = *end == '.' ? end + 1 : end;
    }
    return version;
}

/* The one on the documented path before one that only has the name; of several installations the
 * one that takes this namespace. */
static int rank_of(const struct judge *j, const struct webhook *w)
{
    const struct kube_namespace *ns = j->f->ns->object;
    bool takes = ns != NULL && (w->namespace_selector.present == 0 ||
                                selector_match(&w->namespace_selector, &ns->meta.labels));
    return 1 + (strcmp(w->path, "/mutate-v1-pod") == 0 ? 2 : 0) + (takes ? 1 : 0);
}

static void find_injectors(struct judge *j)
{
    int best[2] = {0, 0};
    const struct list *configs = &j->f->cluster->webhook_configs;
    j->sight->injector_configs[0] = "";
    j->sight->injector_configs[1] = "";
    for (uint32_t i = 0; i < configs->n; i++) {
        const struct kube_webhook_config *c = LIST_AT(struct kube_webhook_config, *configs, i);
        for (uint32_t k = 0; k < c->webhooks.n; k++) {
            const struct webhook *w = LIST_AT(struct webhook, c->webhooks, k);
            bool by_path = strcmp(w->path, "/mutate-v1-pod") == 0;
            bool lbc = ends_with(w->name, ".elbv2.k8s.aws");
            bool is_auto = ends_with(w->name, ".eks.amazonaws.com");
            if (!takes_pods(w) || (!by_path && !lbc && !is_auto)) {
                continue;
            }
            if (rank_of(j, w) > best[is_auto]) {
                best[is_auto] = rank_of(j, w);
                j->sight->injectors[is_auto] = w;
                j->sight->injector_configs[is_auto] = c->meta.name;
                const char *version = kvs_get(&c->meta.labels, "app.kubernetes.io/version");
                j->sight->version = is_auto ? j->sight->version : version_of(version);
            }
        }
    }
}

/* ---- shared questions ---- */

bool kind_denied(const struct judge *j, const char *resource)
{
    return strstr(j->f->cluster->denied_kinds, resource) != NULL;
}

bool bindings_seen(const struct judge *j, enum gate_family family)
{
    const struct facts_cluster *c = j->f->cluster;
    bool served = family == FAMILY_EKS_AUTO ? c->has_auto : c->has_lbc;
    return served && !kind_denied(j, "targetgroupbindings");
}

const struct gate_track *track_of_gate(const struct pod_sheet *p, const struct pod_gate *g)
{
    return LIST_AT(struct gate_track, p->track->gates, g - p->gates);
}

enum severity severity_of_pace(const struct pod_sheet *p)
{
    switch (p->pace) {
    case PACE_STUCK:
        return SEVERITY_ERROR;
    case PACE_SLOW:
        return SEVERITY_WARNING;
    case PACE_ON_TIME:
    case PACE_COUNT:
        break;
    }
    return SEVERITY_INFO;
}

bool watched(const struct judge *j, const struct pod_sheet *p, int64_t ms)
{
    return j->sight->now - later(j->f->cluster->started_at, p->track->first_seen_at) >= ms;
}

int64_t gate_written_at(const struct pod_sheet *p, const struct pod_gate *g)
{
    if (g->condition == NULL) {
        return 0;
    }
    const struct gate_track *t = track_of_gate(p, g);
    return later(later(t->changed_at, t->reason_since), g->condition->transition_at);
}

enum elb_word fresh_word(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    enum elb_word word = elb_word_of(g->pb);
    const struct facts_group *group = g->pb->fb->group;
    if (word == ELB_UNKNOWN || group->gone || g->condition == NULL) {
        return word;
    }
    bool old = gate_written_at(p, g) > group->observed_at + 2 * j->f->policy->recheck_ms;
    return old ? ELB_UNKNOWN : word;
}

int64_t actable_since(const struct pod_sheet *p, const struct pod_binding *pb)
{
    return later(p->containers_ready_at, pb->fb->binding->meta.created_at);
}

bool has_hash_selector(const struct kube_service *s)
{
    return s != NULL && (kvs_get(&s->selector, "rollouts-pod-template-hash") != NULL ||
                         kvs_get(&s->selector, "pod-template-hash") != NULL ||
                         kvs_get(&s->selector, "controller-revision-hash") != NULL);
}

void sight_open(struct judge *j)
{
    const struct facts *f = j->f;
    struct sight *s = arena_zalloc(j->a, sizeof *s);
    j->sight = s;
    s->now = judge_heard_now(j);
    s->ns = f->ns->name;
    s->workload = f->name[0] != '\0' ? object_of(j, f->kind, f->name) : "";
    index_events(j);
    open_views(j);
    events_of_views(j);
    count_gates(j);
    find_injectors(j);
}
