/* Small questions to records: owner, condition, selectors (see object.h and field.h). */
#include "model/object.h"

#include <string.h>

const char *kvs_get(const struct kvs *kvs, const char *key)
{
    for (uint32_t i = 0; i < kvs->n; i++) {
        if (strcmp(kvs->items[i].key, key) == 0) {
            return kvs->items[i].value;
        }
    }
    return NULL;
}

const struct owner *meta_controller(const struct meta *meta)
{
    for (uint32_t i = 0; i < meta->owners.n; i++) {
        const struct owner *o = LIST_AT(struct owner, meta->owners, i);
        if (o->controller == 1) {
            return o;
        }
    }
    return NULL;
}

const struct condition *condition_get(const struct list *conditions, const char *type)
{
    const struct condition *found = NULL;
    for (uint32_t i = 0; i < conditions->n; i++) {
        const struct condition *c = LIST_AT(struct condition, *conditions, i);
        if (strcmp(c->type, type) == 0) {
            found = c;
        }
    }
    return found;
}

bool condition_true(const struct list *conditions, const char *type)
{
    const struct condition *c = condition_get(conditions, type);
    return c != NULL && strcmp(c->status, "True") == 0;
}

static bool strs_has(const struct strs *s, const char *value)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (strcmp(s->items[i], value) == 0) {
            return true;
        }
    }
    return false;
}

/* metav1.LabelSelectorRequirement: NotIn also matches when the key is absent. */
static bool term_match(const struct selector_term *t, const struct kvs *labels)
{
    const char *value = kvs_get(labels, t->key);
    if (strcmp(t->op, "In") == 0) {
        return value != NULL && strs_has(&t->values, value);
    }
    if (strcmp(t->op, "NotIn") == 0) {
        return value == NULL || !strs_has(&t->values, value);
    }
    if (strcmp(t->op, "Exists") == 0) {
        return value != NULL;
    }
    return strcmp(t->op, "DoesNotExist") == 0 && value == NULL;
}

static bool all_pairs(const struct kvs *want, const struct kvs *labels)
{
    for (uint32_t i = 0; i < want->n; i++) {
        const char *value = kvs_get(labels, want->items[i].key);
        if (value == NULL || strcmp(value, want->items[i].value) != 0) {
            return false;
        }
    }
    return true;
}

bool selector_match(const struct selector *sel, const struct kvs *labels)
{
    if (sel->present == 0 || !all_pairs(&sel->labels, labels)) {
        return false;
    }
    for (uint32_t i = 0; i < sel->terms.n; i++) {
        if (!term_match(LIST_AT(struct selector_term, sel->terms, i), labels)) {
            return false;
        }
    }
    return true;
}

bool kvs_subset(const struct kvs *want, const struct kvs *labels)
{
    return want->n != 0 && all_pairs(want, labels);
}

const struct kube_service *kube_service_named(const struct list *services, const char *name)
{
    for (uint32_t i = 0; i < services->n; i++) {
        const struct kube_service *s = LIST_AT(struct kube_service, *services, i);
        if (strcmp(s->meta.name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

const char *kube_ingress_service(const struct kube_ingress *ing, struct ingress_at *at)
{
    if (!at->begun) {
        at->begun = true;
        return ing->default_service;
    }
    for (; at->rule < ing->rules.n; at->rule++, at->path = 0) {
        const struct list *paths = &LIST_AT(struct ingress_rule, ing->rules, at->rule)->backends;
        if (at->path < paths->n) {
            return LIST_AT(struct ingress_backend, *paths, at->path++)->service;
        }
    }
    return NULL;
}

bool kube_ingress_alb_class(const struct kube_ingress *ing)
{
    const char *annotated = kvs_get(&ing->meta.annotations, "kubernetes.io/ingress.class");
    return strstr(ing->class_name, "alb") != NULL ||
           (annotated != NULL && strstr(annotated, "alb") != NULL);
}

bool kube_ingress_names(const struct kube_ingress *ing, const char *service)
{
    struct ingress_at at = {0};
    const char *named = NULL;
    while ((named = kube_ingress_service(ing, &at)) != NULL) {
        if (strcmp(named, service) == 0) {
            return true;
        }
    }
    return false;
}

bool version_numeric(const char *version)
{
    size_t n = strspn(version, "0123456789");
    return n != 0 && version[n] == '\0' && version[0] != '0';
}

bool version_older(const char *a, const char *b)
{
    if (!version_numeric(a) || !version_numeric(b)) {
        return false;
    }
    size_t la = strlen(a);
    size_t lb = strlen(b);
    return la != lb ? la < lb : strcmp(a, b) < 0;
}

const char *group_attribute(const struct elb_group *g, const char *key)
{
    for (uint32_t i = 0; g != NULL && i < g->attributes.n; i++) {
        const struct elb_attribute *a = LIST_AT(struct elb_attribute, g->attributes, i);
        if (strcmp(a->key, key) == 0) {
            return a->value;
        }
    }
    return NULL;
}
