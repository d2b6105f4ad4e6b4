/*
 * A namespace's injection label, for lists. What decides is the live webhook where there is one,
 * since its namespaceSelector may ask for something else; the documented label otherwise. A
 * namespace needs the label of each family whose ip bindings stand in it.
 */
#include "model/judge.h"
#include "model/template.h"

#include <string.h>

static const char *const lbc_key = "elbv2.k8s.aws/pod-readiness-gate-inject";
static const char *const auto_key = "eks.amazonaws.com/pod-readiness-gate-inject";

/* The pod webhook of a family: the open-source controller's by its path, Auto Mode's by its name.
 */
static bool injects(const struct webhook *w, bool auto_family)
{
    bool pods = false;
    for (uint32_t i = 0; i < w->rules.n; i++) {
        const struct webhook_rule *r = LIST_AT(struct webhook_rule, w->rules, i);
        for (uint32_t k = 0; k < r->resources.n; k++) {
            pods = pods || strcmp(r->resources.items[k], "pods") == 0;
        }
    }
    const char *suffix = auto_family ? ".eks.amazonaws.com" : ".elbv2.k8s.aws";
    bool named = strstr(w->name, suffix) != NULL;
    return pods && (named || (!auto_family && strcmp(w->path, "/mutate-v1-pod") == 0));
}

const struct webhook *webhook_injector(const struct facts_cluster *cluster, bool auto_family,
                                       const struct kube_webhook_config **ret_config)
{
    for (uint32_t i = 0; i < cluster->webhook_configs.n; i++) {
        const struct kube_webhook_config *c =
            LIST_AT(struct kube_webhook_config, cluster->webhook_configs, i);
        for (uint32_t k = 0; k < c->webhooks.n; k++) {
            const struct webhook *w = LIST_AT(struct webhook, c->webhooks, k);
            if (injects(w, auto_family)) {
                if (ret_config != NULL) {
                    *ret_config = c;
                }
                return w;
            }
        }
    }
    return NULL;
}

bool webhook_asks_for(const struct webhook *w, const char *key)
{
    if (kvs_get(&w->namespace_selector.labels, key) != NULL) {
        return true;
    }
    for (uint32_t i = 0; i < w->namespace_selector.terms.n; i++) {
        const struct selector_term *t =
            LIST_AT(struct selector_term, w->namespace_selector.terms, i);
        if (strcmp(t->key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* Does some installation's webhook take the namespace? One without a selector takes every one. */
static bool any_takes(const struct facts_cluster *cluster, bool auto_family,
                      const struct kvs *labels, bool *ret_any)
{
    *ret_any = false;
    for (uint32_t i = 0; i < cluster->webhook_configs.n; i++) {
        const struct kube_webhook_config *c =
            LIST_AT(struct kube_webhook_config, cluster->webhook_configs, i);
        for (uint32_t k = 0; k < c->webhooks.n; k++) {
            const struct webhook *w = LIST_AT(struct webhook, c->webhooks, k);
            if (!injects(w, auto_family)) {
                continue;
            }
            *ret_any = true;
            if (w->namespace_selector.present == 0 ||
                selector_match(&w->namespace_selector, labels)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_enabled(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                       bool auto_family)
{
    const struct kvs *labels = &ns->object->meta.labels;
    bool any = false;
    bool taken = any_takes(cluster, auto_family, labels, &any);
    if (any) {
        return taken;
    }
    const char *value = kvs_get(labels, auto_family ? auto_key : lbc_key);
    return value != NULL && strcmp(value, "enabled") == 0;
}

static bool has_ip_binding(const struct facts_namespace *ns, bool auto_family)
{
    for (uint32_t i = 0; i < ns->bindings.n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, ns->bindings, i);
        if ((fb->binding->meta.kind == KIND_BINDING_AUTO) == auto_family && binding_is_ip(fb) &&
            fb->binding->meta.deleted_at == 0) {
            return true;
        }
    }
    return false;
}

/* The other family's label is right where that family has bindings of its own here. */
const char *namespace_injection_of(const struct facts_namespace *ns,
                                   const struct facts_cluster *cluster, bool auto_family)
{
    if (ns->object == NULL || !has_ip_binding(ns, auto_family)) {
        return "not_applicable";
    }
    bool other_serves = has_ip_binding(ns, !auto_family);
    const struct meta *meta = &ns->object->meta;
    const char *own = auto_family ? auto_key : lbc_key;
    const char *other = auto_family ? lbc_key : auto_key;
    if (is_enabled(ns, cluster, auto_family)) {
        return "enabled";
    }
    if (kvs_get(&meta->labels, own) != NULL) {
        return "wrong_value";
    }
    if (!other_serves && kvs_get(&meta->labels, other) != NULL) {
        return "wrong_family";
    }
    bool annotated = kvs_get(&meta->annotations, own) != NULL ||
                     (!other_serves && kvs_get(&meta->annotations, other) != NULL);
    return annotated ? "annotation_only" : "missing";
}

const char *namespace_injection(const struct facts_namespace *ns,
                                const struct facts_cluster *cluster)
{
    const char *worst = "not_applicable";
    for (int i = 0; i < 2; i++) {
        const char *verdict = namespace_injection_of(ns, cluster, i == 1);
        bool fine = strcmp(verdict, "enabled") == 0 || strcmp(verdict, "not_applicable") == 0;
        if (!fine) {
            return verdict;
        }
        worst = strcmp(verdict, "enabled") == 0 ? verdict : worst;
    }
    return worst;
}
