/*
 * Pods that could not be made. The condition ReplicaFailure tells for ReplicaSets and what owns
 * them; StatefulSets and DaemonSets have only events. The message tells who refused: the controller
 * of load balancers by one of its webhooks (and how it failed), a gate's name that is too long, or
 * somebody else.
 *
 * A controller that restarts is out of reach for a moment: no error before a minute has passed.
 */
#include "model/cause_in.h"

#include <string.h>

enum { CREATION_GRACE = MINUTE_MS, GATE_NAME_MAX = 63 };

struct refusal {
    const char *message;
    const char *object; /* that says so */
    const char *field;
    int64_t at;
};

static bool same_name(const char *text, size_t n, const char *name)
{
    return strlen(name) == n && strncmp(text, name, n) == 0;
}

/* ---- who refused ---- */

/* The webhook named by `failed calling webhook "NAME"`: its length in *ret_n, NULL = none. */
static const char *failed_webhook(const char *message, size_t *ret_n)
{
    static const char start[] = "failed calling webhook \"";
    const char *at = strstr(message, start);
    const char *end = at != NULL ? strchr(at + sizeof start - 1, '"') : NULL;
    if (end == NULL) {
        return NULL;
    }
    *ret_n = (size_t)(end - (at + sizeof start - 1));
    return at + sizeof start - 1;
}

static bool same_service(const struct webhook *a, const struct webhook *b)
{
    return b != NULL && a->service_name[0] != '\0' &&
           strcmp(a->service_name, b->service_name) == 0 &&
           strcmp(a->service_namespace, b->service_namespace) == 0;
}

struct hook {
    bool ours;
    const struct webhook *webhook; /* NULL: its configuration is not known */
    const char *config;
};

/* The controller's other webhooks stand on the same Service. */
static struct hook hook_named(const struct judge *j, const char *name, size_t n)
{
    const struct sight *s = j->sight;
    const struct list *configs = &j->f->cluster->webhook_configs;
    for (uint32_t i = 0; i < configs->n; i++) {
        const struct kube_webhook_config *c = LIST_AT(struct kube_webhook_config, *configs, i);
        for (uint32_t k = 0; k < c->webhooks.n; k++) {
            const struct webhook *w = LIST_AT(struct webhook, c->webhooks, k);
            if (same_name(name, n, w->name)) {
                bool ours = w == s->injectors[0] || w == s->injectors[1] ||
                            same_service(w, s->injectors[0]) || same_service(w, s->injectors[1]) ||
                            strcmp(w->path, "/mutate-v1-pod") == 0;
                return (struct hook){ours, w, c->meta.name};
            }
        }
    }
    static const char *const ends[] = {".elbv2.k8s.aws", ".eks.amazonaws.com"};
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strncmp(name + n - k, ends[i], k) == 0) {
            return (struct hook){true, NULL, ""};
        }
    }
    return (struct hook){0};
}

static const char *webhook_code(const char *tail)
{
    if (strstr(tail, "no endpoints available") != NULL) {
        return "webhook_no_endpoints";
    }
    if (strstr(tail, "service \"") != NULL && strstr(tail, "not found") != NULL) {
        return "webhook_service_missing";
    }
    return strstr(tail, "x509: ") != NULL ? "webhook_certificate_untrusted" : "webhook_unreachable";
}

const char *cause_of_webhook(struct judge *j, const char *message)
{
    size_t n = 0;
    const char *name = failed_webhook(message, &n);
    return name != NULL && hook_named(j, name, n).ours ? webhook_code(name) : NULL;
}

/* Does the webhook keep the controller's own pods from being made, so that it can never come back?
 * Its namespace is selected and its pods are not exempt (the chart exempts them by their name). */
static bool locks_itself_out(const struct judge *j, const struct webhook *w)
{
    if (w == NULL || strcmp(w->failure_policy, "Ignore") == 0 || w->service_namespace[0] == '\0') {
        return false;
    }
    const struct kube_namespace *own = NULL;
    const struct list *known = &j->f->cluster->controller_namespaces;
    for (uint32_t i = 0; i < known->n; i++) {
        const struct kube_namespace *ns = LIST_AT(struct kube_namespace, *known, i);
        own = strcmp(ns->meta.name, w->service_namespace) == 0 ? ns : own;
    }
    if (own == NULL && j->f->ns->object != NULL &&
        strcmp(j->f->ns->name, w->service_namespace) == 0) {
        own = j->f->ns->object;
    }
    static const struct kv chart[] = {{"app.kubernetes.io/name", "aws-load-balancer-controller"}};
    const struct kvs labels = {chart, 1};
    bool exempt = w->object_selector.present == 1 && !selector_match(&w->object_selector, &labels);
    return own != NULL && !exempt &&
           (w->namespace_selector.present == 0 ||
            selector_match(&w->namespace_selector, &own->meta.labels));
}

/* ---- what the message says ---- */

static const struct view *too_long(const struct judge *j, const char *message)
{
    if (strstr(message, "readinessGates") == NULL ||
        strstr(message, "name part must be no more than 63") == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        const struct view *v = &j->sight->views[i];
        if (strlen(v->name) > GATE_NAME_MAX && strstr(message, v->name) != NULL) {
            return v;
        }
    }
    return NULL;
}

static struct claim read_refusal(struct judge *j, const struct refusal *r)
{
    struct claim c = {.code = "pod_creation_refused",
                      .object = j->sight->workload,
                      .severity = SEVERITY_ERROR,
                      .since = r->at,
                      .a = r->message,
                      .b = ""};
    size_t n = 0;
    const char *name = failed_webhook(r->message, &n);
    const struct view *v = too_long(j, r->message);
    struct hook h = name != NULL ? hook_named(j, name, n) : (struct hook){0};
    if (v != NULL) {
        c.code = "binding_name_too_long";
        c.object = v->object;
        c.view = v;
    } else if (h.ours) {
        c.code = webhook_code(name);
        c.object = h.webhook != NULL ? object_of(j, "MutatingWebhookConfiguration", h.config)
                                     : object_of(j, "Webhook", arena_strndup(j->a, name, n));
        c.likely = h.webhook == NULL;
        c.a = h.webhook != NULL ? h.webhook->service_name : "aws-load-balancer-webhook-service";
        c.b = h.webhook != NULL ? h.webhook->service_namespace : "kube-system";
    }
    return c;
}

static bool may_pass(const char *code)
{
    return strcmp(code, "webhook_unreachable") == 0 || strcmp(code, "webhook_no_endpoints") == 0 ||
           strcmp(code, "webhook_certificate_untrusted") == 0;
}

static void claim_refusal(struct judge *j, const struct refusal *r)
{
    struct claim c = read_refusal(j, r);
    int64_t prior = judge_prior_since(j, c.code, c.object);
    int64_t since = prior != 0 && prior < r->at ? prior : r->at;
    bool locked = false;
    if (strcmp(c.code, "webhook_no_endpoints") == 0) {
        size_t n = 0;
        const char *name = failed_webhook(r->message, &n);
        locked = name != NULL && locks_itself_out(j, hook_named(j, name, n).webhook);
    }
    if (may_pass(c.code) && !locked && j->sight->now - since < CREATION_GRACE) {
        c.severity = SEVERITY_WARNING;
        judge_look_at(j, since + CREATION_GRACE);
    }
    struct finding *f = claim_object(j, &c);
    f->terminal = f->terminal || locked;
    finding_evidence(j, f, r->object, r->field, "%.900s", r->message);
    if (locked) {
        finding_evidence(j, f, object_of(j, "Namespace", c.b), "labels",
                         "selected by the webhook, which takes the controller's own pods too");
    }
}

/* ---- where it stands ---- */

static bool from_condition(struct judge *j, const struct kube_workload *w, const char *object,
                           struct refusal *ret)
{
    const struct condition *c = w != NULL ? condition_get(&w->conditions, "ReplicaFailure") : NULL;
    if (c == NULL || strcmp(c->status, "True") != 0) {
        return false;
    }
    *ret = (struct refusal){.message = c->message,
                            .object = object,
                            .field = "condition ReplicaFailure",
                            .at = c->transition_at != 0 ? c->transition_at : j->f->now};
    return true;
}

/* The ReplicaSet that the missing pods belong to. */
static const struct facts_revision *target_revision(const struct judge *j)
{
    for (uint32_t i = 0; i < j->f->revisions.n; i++) {
        const struct facts_revision *r = LIST_AT(struct facts_revision, j->f->revisions, i);
        if (r->replicaset != NULL && strcmp(r->hash, j->v->revision_hash) == 0) {
            return r;
        }
    }
    return NULL;
}

/* A failed creation that no pod has come after. */
static bool from_event(struct judge *j, const char *kind, const char *name, struct refusal *ret)
{
    const struct kube_event *e = event_about(j, kind, name, "FailedCreate", NULL);
    if (e == NULL || j->sight->now - event_at(e) > EVENT_LIVE_MS) {
        return false;
    }
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (j->pods[i].is_new && j->pods[i].fp->pod->meta.created_at > event_at(e)) {
            return false;
        }
    }
    *ret = (struct refusal){.message = e->message,
                            .object = object_of(j, kind, name),
                            .field = "event FailedCreate",
                            .at = e->first_at != 0 ? e->first_at : event_at(e)};
    return true;
}

static bool find_refusal(struct judge *j, struct refusal *ret)
{
    const struct facts *f = j->f;
    const struct facts_revision *r = target_revision(j);
    bool by_replicasets = r != NULL || strcmp(f->kind, "Deployment") == 0 ||
                          strcmp(f->kind, "Rollout") == 0 || strcmp(f->kind, "ReplicaSet") == 0;
    if (!by_replicasets) {
        return from_event(j, f->kind, f->name, ret);
    }
    if (r != NULL && from_condition(j, r->replicaset, object_of(j, "ReplicaSet", r->name), ret)) {
        return true;
    }
    return from_condition(j, f->workload, j->sight->workload, ret);
}

void causes_creation(struct judge *j)
{
    struct refusal r = {0};
    if (j->f->workload != NULL && j->missing > 0 && find_refusal(j, &r)) {
        claim_refusal(j, &r);
    }
}
