/*
 * Who wants a load balancer for a pod without having it: a Service or an Ingress with targets of
 * type ip whose binding is not there. Bindings of hand have no owner that could be looked for.
 */
#include "model/judge.h"

#include <string.h>

enum { SETTLED_MS = 120000 }; /* by then the controller had its time */

static bool says(const struct kvs *annotations, const char *key, const char *value)
{
    const char *v = kvs_get(annotations, key);
    return v != NULL && strcmp(v, value) == 0;
}

/* Where Auto Mode serves alone targets are addresses unless somebody says otherwise. */
static bool wants_ip(const struct judge *j, const struct kvs *own, const struct kvs *service,
                     const char *key)
{
    bool by_default = j->f->cluster->has_auto && !j->f->cluster->has_lbc &&
                      kvs_get(own, key) == NULL && kvs_get(service, key) == NULL;
    return by_default || says(own, key, "ip") || says(service, key, "ip");
}

static bool is_settled(const struct judge *j, const struct meta *meta)
{
    return meta->deleted_at == 0 && meta->created_at < j->f->now - SETTLED_MS;
}

static bool ingress_wants(const struct judge *j, const struct kube_ingress *ing,
                          const struct kube_service *s)
{
    return is_settled(j, &ing->meta) && kube_ingress_alb_class(ing) &&
           wants_ip(j, &ing->meta.annotations, &s->meta.annotations,
                    "alb.ingress.kubernetes.io/target-type") &&
           kube_ingress_names(ing, s->meta.name);
}

static const char lb_type[] = "service.beta.kubernetes.io/aws-load-balancer-type";

/* A class decides alone; without one the controller takes two values of an old annotation. Any
 * other Service is the cloud provider's, which knows node ports only, whatever else it asks for
 * (IsServiceSupported in the controller's pkg/service). */
static bool is_nlb(const struct kube_service *s)
{
    const char *class = s->load_balancer_class;
    return class[0] != '\0' ? strcmp(class, "service.k8s.aws/nlb") == 0 ||
                                  strcmp(class, "eks.amazonaws.com/nlb") == 0
                            : says(&s->meta.annotations, lb_type, "external") ||
                                  says(&s->meta.annotations, lb_type, "nlb-ip");
}

static bool service_wants(const struct judge *j, const struct kube_service *s)
{
    return strcmp(s->type, "LoadBalancer") == 0 && is_settled(j, &s->meta) && is_nlb(s) &&
           (says(&s->meta.annotations, lb_type, "nlb-ip") ||
            wants_ip(j, &s->meta.annotations, &s->meta.annotations,
                     "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type"));
}

static bool is_bound(const struct judge *j, const struct kube_service *s)
{
    const struct list *bindings = &j->f->ns->bindings;
    for (uint32_t i = 0; i < bindings->n; i++) {
        const struct facts_binding *fb = LIST_AT(struct facts_binding, *bindings, i);
        if (strcmp(fb->binding->service, s->meta.name) == 0 && fb->binding->meta.deleted_at == 0) {
            return true;
        }
    }
    return false;
}

static bool owner_of(const struct judge *j, const struct kube_service *s, struct lb_owner *ret)
{
    if (service_wants(j, s)) {
        *ret = (struct lb_owner){"Service", &s->meta, s, s->ingress.n > 0};
        return true;
    }
    for (uint32_t i = 0; i < j->f->ns->ingresses.n; i++) {
        const struct kube_ingress *ing = LIST_AT(struct kube_ingress, j->f->ns->ingresses, i);
        if (ingress_wants(j, ing, s)) {
            *ret = (struct lb_owner){"Ingress", &ing->meta, s, ing->ingress.n > 0};
            return true;
        }
    }
    return false;
}

bool owner_without_binding(const struct judge *j, const struct pod_sheet *p, struct lb_owner *ret)
{
    for (uint32_t i = 0; i < j->f->ns->services.n; i++) {
        const struct kube_service *s = LIST_AT(struct kube_service, j->f->ns->services, i);
        if (kvs_subset(&s->selector, &p->fp->pod->meta.labels) && !is_bound(j, s) &&
            owner_of(j, s, ret)) {
            return true;
        }
    }
    return false;
}

/* A Service that is not there needs no binding: the controller answers for it itself. */
static bool lacks_binding(const struct judge *j, const char *service)
{
    const struct kube_service *s =
        service[0] != '\0' ? kube_service_named(&j->f->ns->services, service) : NULL;
    return s != NULL && s->meta.deleted_at == 0 && !is_bound(j, s);
}

static bool names_such(const struct judge *j, const struct kube_ingress *ing,
                       bool (*such)(const struct judge *j, const char *service))
{
    struct ingress_at at = {0};
    const char *service = NULL;
    while ((service = kube_ingress_service(ing, &at)) != NULL) {
        if (such(j, service)) {
            return true;
        }
    }
    return false;
}

bool owner_lacks_binding(const struct judge *j, const char *kind, const char *name)
{
    if (strcmp(kind, "Service") == 0) {
        return lacks_binding(j, name);
    }
    for (uint32_t i = 0; i < j->f->ns->ingresses.n; i++) {
        const struct kube_ingress *ing = LIST_AT(struct kube_ingress, j->f->ns->ingresses, i);
        if (strcmp(kind, "Ingress") != 0 || strcmp(ing->meta.name, name) != 0) {
            continue;
        }
        if (ing->meta.deleted_at != 0) {
            return false; /* what it had is to go */
        }
        return ing->ingress.n == 0 || names_such(j, ing, lacks_binding);
    }
    return false;
}

static bool lacks_service(const struct judge *j, const char *name)
{
    return name[0] != '\0' && kube_service_named(&j->f->ns->services, name) == NULL;
}

/* An Ingress that names a Service which is not there may have been these pods' own. */
static bool dangles(const struct judge *j, const struct kube_ingress *ing)
{
    return kube_ingress_alb_class(ing) && ing->meta.deleted_at == 0 &&
           names_such(j, ing, lacks_service);
}

bool nobody_wants_it(const struct judge *j, const struct pod_sheet *p)
{
    struct lb_owner o;
    const char *denied = j->f->cluster->denied_kinds;
    if (strstr(denied, "ingresses") != NULL || strstr(denied, "services") != NULL) {
        return false;
    }
    for (uint32_t i = 0; i < j->f->ns->ingresses.n; i++) {
        if (dangles(j, LIST_AT(struct kube_ingress, j->f->ns->ingresses, i))) {
            return false;
        }
    }
    return !owner_without_binding(j, p, &o);
}
