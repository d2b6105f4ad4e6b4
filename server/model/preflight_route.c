/*
 * Preflight: routes of Gateway API. Whose are their Gateways, and which target type do those ask
 * for? A Service's own TargetGroupConfiguration comes first, then that of the Gateway and that of
 * its class (the class's first, unless its configuration prefers the Gateway), then the
 * controller's flag. Only what is among the manifests is known.
 */
#include <string.h>

#include "model/preflight_in.h"

const struct manifest *pf_maker_named(const struct pf *p, enum maker_kind kind,
                                      const char *namespace, const char *name)
{
    for (uint32_t i = 0; i < p->in->manifests.n && name[0] != '\0'; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->maker_kind == kind && strcmp(m->name, name) == 0 &&
            (namespace == NULL || strcmp(pf_namespace(p, m), namespace) == 0)) {
            return m;
        }
    }
    return NULL;
}

/* "" stands for the first. */
static bool is(const char *text, const char *usual)
{
    return text[0] == '\0' || strcmp(text, usual) == 0;
}

/* ---- what TargetGroupConfigurations say ---- */

/* For the route: the closest of the settings by route, else those for all. */
static const char *type_for(const struct pf *p, const struct manifest *config,
                            const struct manifest *route)
{
    const char *type = config->maker->type;
    int closest = 0;
    for (uint32_t i = 0; i < config->maker->routes.n; i++) {
        const struct maker_for_route *f = LIST_AT(struct maker_for_route, config->maker->routes, i);
        int close = 1 + (f->namespace[0] != '\0') + (f->name[0] != '\0');
        if (f->type[0] != '\0' && close > closest && strcmp(f->kind, route->kind_name) == 0 &&
            is(f->namespace, pf_namespace(p, route)) && is(f->name, route->name)) {
            type = f->type;
            closest = close;
        }
    }
    return type;
}

/* The default of a LoadBalancerConfiguration, from its own namespace; NULL = none. */
static const struct manifest *default_of(const struct pf *p, const struct manifest *balancer)
{
    const struct manifest *m =
        balancer != NULL ? pf_maker_named(p, MAKER_GROUP_CONFIG, pf_namespace(p, balancer),
                                          balancer->maker->config.name)
                         : NULL;
    return m != NULL && m->maker->target.name[0] == '\0' ? m : NULL;
}

static const struct manifest *balancer_of(const struct pf *p, const struct manifest *m,
                                          const char *namespace)
{
    const struct maker_ref *ref = &m->maker->config;
    return strcmp(ref->kind, "LoadBalancerConfiguration") == 0
               ? pf_maker_named(p, MAKER_BALANCER_CONFIG, namespace, ref->name)
               : NULL;
}

static struct pf_later default_for(const struct pf *p, const struct manifest *route,
                                   const struct manifest *gateway, const struct manifest *class)
{
    const struct manifest *of_class =
        class != NULL ? balancer_of(p, class, class->maker->config.namespace) : NULL;
    const struct manifest *order[2] = {
        default_of(p, of_class), default_of(p, balancer_of(p, gateway, pf_namespace(p, gateway)))};
    if (of_class != NULL && strcmp(of_class->maker->merging, "prefer-gateway") == 0) {
        const struct manifest *first = order[1];
        order[1] = order[0];
        order[0] = first;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *type = order[i] != NULL ? type_for(p, order[i], route) : "";
        if (type[0] != '\0') {
            return (struct pf_later){route, order[i], type, false};
        }
    }
    return (struct pf_later){route, NULL, "", false};
}

/* ---- routes ---- */

/* By the class's controller; without the class by its name, which is free, so hints count. */
static bool is_aws(const struct manifest *gateway, const struct manifest *class)
{
    const char *name = gateway->maker->class_name;
    if (class == NULL) {
        return strstr(name, "alb") != NULL || strstr(name, "nlb") != NULL;
    }
    return strcmp(class->maker->controller, "gateway.k8s.aws/alb") == 0 ||
           strcmp(class->maker->controller, "gateway.k8s.aws/nlb") == 0;
}

/* One Gateway with targets of type ip is enough for gates. */
static void look_at_parent(const struct pf *p, const struct maker_ref *ref, struct pf_route *route)
{
    const char *ns = ref->namespace[0] != '\0' ? ref->namespace : pf_namespace(p, route->manifest);
    if (!is(ref->group, "gateway.networking.k8s.io") || !is(ref->kind, "Gateway")) {
        return;
    }
    const struct manifest *gateway = pf_maker_named(p, MAKER_GATEWAY, ns, ref->name);
    if (gateway == NULL) {
        route->ours = route->ours == PF_OURS_NO ? PF_OURS_UNKNOWN : route->ours;
        return;
    }
    const struct manifest *class =
        pf_maker_named(p, MAKER_GATEWAY_CLASS, NULL, gateway->maker->class_name);
    if (!is_aws(gateway, class)) {
        return;
    }
    struct pf_later def = default_for(p, route->manifest, gateway, class);
    if (route->ours != PF_OURS_YES || strcmp(def.type, "ip") == 0) {
        route->def = def;
    }
    route->ours = PF_OURS_YES;
}

void pf_open_routes(struct pf *p)
{
    p->routes = arena_array(p->a, struct pf_route, p->in->manifests.n);
    p->later = arena_array(p->a, struct pf_later, p->in->manifests.n + 1);
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->maker_kind != MAKER_ROUTE) {
            continue;
        }
        struct pf_route *route = &p->routes[p->n_routes++];
        *route = (struct pf_route){.manifest = m, .def = {.maker = m, .type = ""}};
        for (uint32_t k = 0; k < m->maker->parents.n; k++) {
            look_at_parent(p, LIST_AT(struct maker_ref, m->maker->parents, k), route);
        }
    }
}

/* ---- the Services behind them ---- */

static bool names_service(const struct pf *p, const struct manifest *route, const char *namespace,
                          const char *service)
{
    for (uint32_t i = 0; i < route->maker->rules.n; i++) {
        const struct list *backends = &LIST_AT(struct maker_rule, route->maker->rules, i)->backends;
        for (uint32_t k = 0; k < backends->n; k++) {
            const struct maker_ref *ref = LIST_AT(struct maker_ref, *backends, k);
            const char *ns = ref->namespace[0] != '\0' ? ref->namespace : pf_namespace(p, route);
            if (strcmp(ref->name, service) == 0 && ref->group[0] == '\0' &&
                is(ref->kind, "Service") && strcmp(ns, namespace) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The Service's own TargetGroupConfiguration; NULL = none. */
static const struct manifest *config_of(const struct pf *p, const char *namespace,
                                        const char *service)
{
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->maker_kind == MAKER_GROUP_CONFIG && strcmp(m->maker->target.name, service) == 0 &&
            is(m->maker->target.kind, "Service") && strcmp(pf_namespace(p, m), namespace) == 0) {
            return m;
        }
    }
    return NULL;
}

/* A configuration of the AWS controller for the Service tells whose a Gateway is that we do not
 * know. */
uint32_t pf_later_by_routes(const struct pf *p, const char *namespace, const char *service,
                            struct pf_later *ret)
{
    const struct manifest *config = p->n_routes > 0 ? config_of(p, namespace, service) : NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_routes; i++) {
        const struct pf_route *route = &p->routes[i];
        bool ours =
            route->ours == PF_OURS_YES || (route->ours == PF_OURS_UNKNOWN && config != NULL);
        if (ours && names_service(p, route->manifest, namespace, service)) {
            const char *type = config != NULL ? type_for(p, config, route->manifest) : "";
            ret[n++] = type[0] != '\0' ? (struct pf_later){route->manifest, config, type, false}
                                       : route->def;
        }
    }
    return n;
}
