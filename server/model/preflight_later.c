/*
 * Preflight: bindings that a controller will make only after the pods, since an Ingress, a Service
 * or a route of the manifests asks for them.
 */
#include <string.h>

#include "model/preflight_in.h"
#include "model/shell.h"

static bool has_binding(const struct pf_scope *s, const char *service)
{
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        if (strcmp(s->bindings[i].fb.binding->service, service) == 0) {
            return true;
        }
    }
    return false;
}

static void say_ip(struct pf *p, const struct manifest *m, const struct pf_service *s,
                   const struct pf_later *later)
{
    const char *maker = pf_object(p, later->maker);
    const char *first = later->maker == s->manifest
                            ? maker
                            : arena_printf(p->a, "Service/%s and %s", s->service->meta.name, maker);
    PF_SAY(p, m, .code = "gate_missing_pod_predates_binding", .severity = SEVERITY_WARNING,
           .confidence = CONFIDENCE_LIKELY,
           .message = arena_printf(p->a,
                                   "The controller makes the binding of %s only after it is "
                                   "applied: pods made before that have no gate, now and for "
                                   "ever.",
                                   maker),
           .action = arena_printf(p->a,
                                  "Apply %s first, wait until the binding is there, then apply the "
                                  "workload; else restart it once.",
                                  first),
           .command = arena_printf(p->a, "kubectl -n %s get targetgroupbindings.%s -w",
                                   shell_word(p->a, pf_namespace(p, m)),
                                   later->is_auto ? "eks.amazonaws.com" : "elbv2.k8s.aws"));
}

static void say_instance(struct pf *p, const struct manifest *m, const struct pf_later *later)
{
    const char *maker = pf_object(p, later->maker);
    const char *says = later->says != NULL ? pf_object(p, later->says) : maker;
    bool route = later->maker->maker_kind == MAKER_ROUTE;
    const char *message =
        later->type[0] == '\0'
            ? arena_printf(p->a,
                           "%s names no target type: targets are nodes and pods get no gate, "
                           "unless the controller's default says otherwise.",
                           maker)
            : arena_printf(p->a,
                           "%s asks for targets of type instance: those of %s are nodes and pods "
                           "get no gate.",
                           says, maker);
    const char *action = "Set the target type to ip where a gate is wanted.";
    if (later->says != NULL) {
        action = arena_printf(p->a, "Set targetType to ip in %s where a gate is wanted.", says);
    } else if (route) {
        action = "Set targetType to ip in a TargetGroupConfiguration of the Service where a gate "
                 "is wanted.";
    }
    PF_SAY(p, m, .code = "gate_missing_target_type", .severity = SEVERITY_INFO,
           .confidence = CONFIDENCE_LIKELY, .message = message, .action = action);
}

/* ---- Ingress ---- */

static const char *annotation(const struct meta *meta, const char *key)
{
    const char *value = kvs_get(&meta->annotations, key);
    return value != NULL ? value : "";
}

/* Does the Ingress look like one of an AWS controller? The class's name is free, so hints count,
 * more of them than when judging (owner.c): here a wrong guess is advice, there it is a finding. */
static bool is_alb(const struct kube_ingress *ing)
{
    return kube_ingress_alb_class(ing) ||
           annotation(&ing->meta, "alb.ingress.kubernetes.io/target-type")[0] != '\0';
}

/* The class it names, else the default one; NULL = not among the manifests. */
static const struct manifest *class_of(const struct pf *p, const struct kube_ingress *ing)
{
    const char *name = ing->class_name[0] != '\0'
                           ? ing->class_name
                           : annotation(&ing->meta, "kubernetes.io/ingress.class");
    if (name[0] != '\0') {
        return pf_maker_named(p, MAKER_INGRESS_CLASS, NULL, name);
    }
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        const char *is =
            m->maker_kind == MAKER_INGRESS_CLASS
                ? kvs_get(&m->maker->annotations, "ingressclass.kubernetes.io/is-default-class")
                : NULL;
        if (is != NULL && strcmp(is, "true") == 0) {
            return m;
        }
    }
    return NULL;
}

static const struct manifest *params_of(const struct pf *p, const struct manifest *class)
{
    const struct maker_ref *ref = &class->maker->config;
    bool params = strcmp(ref->kind, "IngressClassParams") == 0;
    if (params && strcmp(ref->group, "elbv2.k8s.aws") == 0) {
        return pf_maker_named(p, MAKER_PARAMS_LBC, NULL, ref->name);
    }
    return params && strcmp(ref->group, "eks.amazonaws.com") == 0
               ? pf_maker_named(p, MAKER_PARAMS_AUTO, NULL, ref->name)
               : NULL;
}

/* The class's parameters win over the annotations, the Service's over the Ingress's; Auto Mode's
 * default is ip. False = the Ingress is not of an AWS controller. */
static bool by_ingress(const struct pf *p, const struct manifest *m, const struct pf_service *s,
                       struct pf_later *ret)
{
    static const char key[] = "alb.ingress.kubernetes.io/target-type";
    const struct kube_ingress *ing = (const struct kube_ingress *)(const void *)m->record;
    const struct manifest *class = class_of(p, ing);
    const char *controller = class != NULL ? class->maker->controller : "";
    bool is_auto = class != NULL ? strcmp(controller, "eks.amazonaws.com/alb") == 0
                                 : p->cluster.has_auto && !p->cluster.has_lbc;
    if (class != NULL ? !is_auto && strcmp(controller, "ingress.k8s.aws/alb") != 0 : !is_alb(ing)) {
        return false;
    }
    const struct manifest *params = class != NULL ? params_of(p, class) : NULL;
    if (params != NULL && params->maker->type[0] != '\0') {
        *ret = (struct pf_later){m, params, params->maker->type, is_auto};
        return true;
    }
    const char *own = annotation(&s->service->meta, key);
    const char *type = own[0] != '\0' ? own : annotation(&ing->meta, key);
    *ret = (struct pf_later){m, NULL, type[0] == '\0' && is_auto ? "ip" : type, is_auto};
    return true;
}

/* ---- Service ---- */

static bool by_service(const struct pf_service *s, struct pf_later *ret)
{
    const struct meta *meta = &s->service->meta;
    const char *type =
        annotation(meta, "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type");
    const char *kind = annotation(meta, "service.beta.kubernetes.io/aws-load-balancer-type");
    bool ours = type[0] != '\0' || strncmp(kind, "external", 8) == 0 ||
                strncmp(kind, "nlb-ip", 6) == 0 ||
                strcmp(s->service->load_balancer_class, "service.k8s.aws/nlb") == 0 ||
                strcmp(s->service->load_balancer_class, "eks.amazonaws.com/nlb") == 0;
    if (s->manifest == NULL || !ours || strcmp(s->service->type, "LoadBalancer") != 0) {
        return false;
    }
    bool is_auto = strcmp(s->service->load_balancer_class, "eks.amazonaws.com/nlb") == 0;
    bool ip = strcmp(kind, "nlb-ip") == 0 || (type[0] == '\0' && is_auto);
    *ret = (struct pf_later){s->manifest, NULL, ip ? "ip" : type, is_auto};
    return true;
}

/* ---- all of them ---- */

/* Once for each Service, not for each workload: manifests may be made to cost. */
static void look(const struct pf *p, const struct pf_scope *scope, struct pf_service *s)
{
    struct pf_later *items = p->later;
    const char *name = s->service->meta.name;
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *m = pf_manifest(p, i);
        if (m->kind == KIND_INGRESS && pf_scope_of(p, m) == scope &&
            kube_ingress_names((const struct kube_ingress *)(const void *)m->record, name)) {
            n += by_ingress(p, m, s, &items[n]);
        }
    }
    n += pf_later_by_routes(p, scope->name, name, &items[n]);
    n += by_service(s, &items[n]);
    struct pf_later *own = arena_array(p->a, struct pf_later, n);
    for (uint32_t i = 0; i < n; i++) {
        own[i] = items[i];
    }
    s->later = (struct list){own, n};
    s->later_known = true;
}

void pf_check_later(struct pf *p, const struct manifest *m)
{
    struct pf_scope *scope = pf_scope_of(p, m);
    struct pod_template t;
    if (!pf_template(m, &t)) {
        return;
    }
    for (uint32_t i = 0; i < scope->n_services; i++) {
        struct pf_service *s = &scope->services[i];
        if (!pf_subset(&s->service->selector, t.labels) ||
            has_binding(scope, s->service->meta.name)) {
            continue;
        }
        if (!s->later_known) {
            look(p, scope, s);
        }
        for (uint32_t k = 0; k < s->later.n && !p->out->truncated; k++) {
            const struct pf_later *later = LIST_AT(struct pf_later, s->later, k);
            if (strcmp(later->type, "ip") != 0) {
                say_instance(p, m, later);
            } else if (!pf_unlabelled(p, m, later->is_auto)) {
                say_ip(p, m, s, later);
            }
        }
    }
}
