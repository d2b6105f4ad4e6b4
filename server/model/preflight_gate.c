/*
 * Preflight: which gates the pods of a template would get, from which webhook, and whether they
 * could open. What holds for a binding whoever uses it stands in pf_check_binding.
 */
#include <stdlib.h>
#include <string.h>

#include "model/preflight_in.h"
#include "model/shell.h"

enum { GATE_NAME_MAX = 63, GATES_MAX = 50 };

static const char *const inject_keys[2] = {"elbv2.k8s.aws/pod-readiness-gate-inject",
                                           "eks.amazonaws.com/pod-readiness-gate-inject"};
static const char *const prefixes[2] = {"target-health.elbv2.k8s.aws/",
                                        "target-health.eks.amazonaws.com/"};

/* ---- injection ---- */

static const char *label_command(const struct pf *p, const struct pf_scope *s, bool is_auto)
{
    return arena_printf(p->a, "kubectl label namespace %s %s=enabled --overwrite",
                        shell_word(p->a, s->name), inject_keys[is_auto]);
}

/* The namespace is not taken by the webhook (or, without one, has not the documented label). */
static void say_unlabelled(struct pf *p, const struct manifest *m, const struct pf_scope *s,
                           bool is_auto)
{
    const char *key = inject_keys[is_auto];
    const char *object = arena_printf(p->a, "Namespace/%s", s->name);
    const char *value = kvs_get(s->labels, key);
    const char *other = kvs_get(s->labels, inject_keys[!is_auto]);
    const char *noted = kvs_get(s->annotations, key);
    const char *what = NULL;
    if (value != NULL) {
        what = arena_printf(p->a, "its label %s is \"%.100s\"", key, value);
    } else if (other != NULL) {
        what = arena_printf(p->a, "it has the label %s of the other controller",
                            inject_keys[!is_auto]);
    } else if (noted != NULL) {
        what = arena_printf(p->a, "%s is set as an annotation", key);
    }
    const char *absent =
        s->exists ? "it is not labelled for it" : "it is not there yet, and no manifest labels it";
    PF_SAY(p, m, .code = what != NULL ? "gate_missing_wrong_label" : "gates_not_used",
           .severity = SEVERITY_WARNING, .object = object,
           .message = arena_printf(
               p->a,
               "Pods in namespace %s would get no readiness gate: %s. What counts is the label "
               "%s=enabled.",
               s->name, what != NULL ? what : absent, key),
           .action = "Label the namespace before the pods are made; pods that exist get no gate "
                     "afterwards.",
           .command = label_command(p, s, is_auto));
}

/* Argo's Rollouts have a tool of their own; bare pods are made anew by hand. */
static const char *restart_command(const struct pf *p, const struct manifest *m)
{
    const char *ns = shell_word(p->a, pf_namespace(p, m));
    if (m->kind == KIND_ARGO_ROLLOUT) {
        return arena_printf(p->a, "kubectl argo rollouts -n %s restart %s", ns,
                            shell_word(p->a, m->name));
    }
    bool rolls =
        m->kind == KIND_DEPLOYMENT || m->kind == KIND_STATEFULSET || m->kind == KIND_DAEMONSET;
    return rolls ? arena_printf(p->a, "kubectl -n %s rollout restart %s", ns,
                                shell_word(p->a, pf_object(p, m)))
                 : "";
}

bool pf_unlabelled(struct pf *p, const struct manifest *m, bool is_auto)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    const struct webhook *w = webhook_injector(&p->cluster, is_auto, NULL);
    const char *value = kvs_get(s->labels, inject_keys[is_auto]);
    bool labelled = value != NULL && strcmp(value, "enabled") == 0;
    bool asked = w == NULL || (webhook_asks_for(w, inject_keys[is_auto]) &&
                               !selector_match(&w->namespace_selector, s->labels));
    if (labelled || !asked) {
        return false;
    }
    say_unlabelled(p, m, s, is_auto);
    return true;
}

static void say_opted_out(struct pf *p, const struct manifest *m, const char *which,
                          const char *webhook)
{
    PF_SAY(p, m, .code = "gate_missing_opted_out", .severity = SEVERITY_WARNING,
           .message = arena_printf(
               p->a, "The %s of webhook %s leaves these pods out: they would get no gate.", which,
               webhook),
           .action = arena_printf(p->a, "Give them what its %s asks for, or change the selector.",
                                  which));
}

/* The webhook takes the pods; can it be called? */
static void say_down(struct pf *p, const struct manifest *m, const struct webhook *w,
                     const char *webhook)
{
    bool down = false;
    for (uint32_t i = 0; i < p->cluster.injector_down.n; i++) {
        down = down || LIST_AT(struct facts_span, p->cluster.injector_down, i)->to == 0;
    }
    if (!down) {
        return;
    }
    bool ignore = strcmp(w->failure_policy, "Ignore") == 0;
    PF_SAY(p, m, .code = ignore ? "gate_missing_injection_failed" : "webhook_no_endpoints",
           .severity = ignore ? SEVERITY_WARNING : SEVERITY_ERROR,
           .object = arena_printf(p->a, "MutatingWebhookConfiguration/%s", webhook),
           .message = arena_printf(
               p->a, "Webhook %s has no ready endpoint now and failurePolicy %s: %s.", webhook,
               w->failure_policy,
               ignore ? "pods would be made without their gate" : "no pod could be made"),
           .action = "Wait until the controller's pods are ready, then deploy.",
           .command = "kubectl get pods -A -l app.kubernetes.io/name=aws-load-balancer-controller");
}

static enum injected without_webhook(struct pf *p, const struct manifest *m, bool is_auto)
{
    if (is_auto) {
        return INJECTED_LIKELY; /* Auto Mode's webhook need not be one that can be listed */
    }
    PF_SAY(p, m, .code = "gate_missing", .severity = SEVERITY_WARNING, .object = "Cluster",
           .confidence = CONFIDENCE_LIKELY,
           .message = "The cluster has no webhook that injects gates of the AWS Load Balancer "
                      "Controller: pods would get none.",
           .action = "Install the controller with its webhooks, or see why they cannot be listed.",
           .command = "kubectl get mutatingwebhookconfigurations");
    return INJECTED_NO;
}

enum injected pf_injection(struct pf *p, const struct manifest *m, const struct pf_binding *b,
                           const char **ret_webhook)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    const struct kube_webhook_config *config = NULL;
    const struct webhook *w = webhook_injector(&p->cluster, b->is_auto, &config);
    struct pod_template t;
    *ret_webhook = "";
    if (pf_unlabelled(p, m, b->is_auto)) {
        return INJECTED_NO;
    }
    if (w == NULL || !pf_template(m, &t)) {
        return without_webhook(p, m, b->is_auto);
    }
    const char *webhook = arena_printf(p->a, "%s/%s", config->meta.name, w->name);
    if (w->namespace_selector.present == 1 && !selector_match(&w->namespace_selector, s->labels)) {
        say_opted_out(p, m, "namespaceSelector", webhook);
        return INJECTED_NO;
    }
    if (w->object_selector.present == 1 && !selector_match(&w->object_selector, t.labels)) {
        say_opted_out(p, m, "objectSelector", webhook);
        return INJECTED_NO;
    }
    *ret_webhook = webhook;
    say_down(p, m, w, config->meta.name);
    return INJECTED_YES;
}

/* ---- can it open ---- */

static const char *binding_object(const struct pf *p, const struct pf_binding *b)
{
    return arena_printf(p->a, "TargetGroupBinding/%s", b->fb.binding->meta.name);
}

static void say_port(struct pf *p, const struct manifest *m, const struct pf_binding *b,
                     const struct service_port *sp)
{
    PF_SAY(p, m, .code = "endpoints_stale", .severity = SEVERITY_ERROR,
           .message = arena_printf(
               p->a,
               "Service %s sends port %s to the named port \"%.100s\", which no container of "
               "the template has: its pods never become targets, and the gate of binding %s "
               "never opens.",
               b->fb.service->meta.name, b->fb.binding->service_port, sp->target_port,
               b->fb.binding->meta.name),
           .action = "Name the container's port so, or give targetPort as a number.");
}

static void say_order(struct pf *p, const struct manifest *m, const struct pf_binding *b)
{
    const struct pf_service *s = pf_service_named(pf_scope_of(p, m), b->fb.binding->service);
    bool binding_later = b->fresh && b->manifest > m;
    bool service_later = s != NULL && s->fresh && s->manifest > m;
    if (!b->fresh && (s == NULL || !s->fresh)) {
        return;
    }
    bool later = binding_later || service_later;
    PF_SAY(p, m, .code = "gate_missing_pod_predates_binding",
           .severity = later ? SEVERITY_WARNING : SEVERITY_INFO, .confidence = CONFIDENCE_LIKELY,
           .message =
               later
                   ? arena_printf(p->a,
                                  "%s %s stands after the workload: pods made before it have no "
                                  "gate of binding %s, now and for ever.",
                                  service_later ? "Service" : "TargetGroupBinding",
                                  service_later ? b->fb.binding->service : b->fb.binding->meta.name,
                                  b->fb.binding->meta.name)
                   : arena_printf(p->a,
                                  "Binding %s or its Service is new: pods made before the "
                                  "controller has seen both have no gate of it (Helm applies "
                                  "custom resources last).",
                                  b->fb.binding->meta.name),
           .action = "Apply Service and binding first, then the workload; else restart the "
                     "workload once.",
           .command = restart_command(p, m));
}

static void say_long_name(struct pf *p, const struct manifest *m, const struct pf_binding *b,
                          bool injected)
{
    if (strlen(b->fb.binding->meta.name) <= GATE_NAME_MAX) {
        return;
    }
    PF_SAY(p, m, .code = "binding_name_too_long",
           .severity = injected ? SEVERITY_ERROR : SEVERITY_WARNING, .object = binding_object(p, b),
           .message = arena_printf(p->a,
                                   "The name of binding %s has %zu characters and a gate takes 63: "
                                   "the API server would refuse every pod.",
                                   b->fb.binding->meta.name, strlen(b->fb.binding->meta.name)),
           .action = "Give the binding a shorter name.");
}

static struct preflight_gate gate_of(struct pf *p, const struct manifest *m,
                                     const struct pf_binding *b, const struct pod_template *t)
{
    const struct kube_binding *kb = b->fb.binding;
    const struct service_port *sp = service_port_of(&b->fb);
    struct preflight_gate g = {.type =
                                   arena_printf(p->a, "%s%s", prefixes[b->is_auto], kb->meta.name),
                               .family = b->is_auto ? FAMILY_EKS_AUTO : FAMILY_AWS_LBC,
                               .binding = kb->meta.name,
                               .service = kb->service,
                               .port = template_port(t, sp),
                               .target_group = kb->arn[0] != '\0' ? kb->arn : kb->group_name};
    g.webhook = "";
    for (uint32_t i = 0; i < t->gates->n && g.injected == INJECTED_NO; i++) {
        if (strcmp(t->gates->items[i], g.type) == 0) {
            g.injected = INJECTED_TEMPLATE;
        }
    }
    if (g.injected == INJECTED_NO) {
        g.injected = pf_injection(p, m, b, &g.webhook);
    }
    say_long_name(p, m, b, g.injected != INJECTED_NO);
    if (sp != NULL && g.port == 0) {
        say_port(p, m, b, sp);
    }
    if (g.injected == INJECTED_YES || g.injected == INJECTED_LIKELY) {
        say_order(p, m, b);
    }
    return g;
}

/* A gate that stands in the template. */
static void check_template_gate(struct pf *p, const struct manifest *m,
                                const struct pod_template *t, const char *type)
{
    enum gate_family family = gate_family_in(type, p->in->families, NULL, NULL);
    const struct pf_scope *s = pf_scope_of(p, m);
    if (family == FAMILY_AWS_ALB_V1) {
        PF_SAY(p, m, .code = "gate_legacy_type", .severity = SEVERITY_ERROR,
               .message = arena_printf(p->a,
                                       "Gate %.200s is of the ALB Ingress Controller v1: no "
                                       "later controller opens it.",
                                       type),
               .action = "Remove it from the template and label the namespace instead.");
        return;
    }
    if (family == FAMILY_GENERIC) {
        PF_SAY(p, m, .code = "gate_owner_unknown", .severity = SEVERITY_INFO,
               .message = arena_printf(p->a,
                                       "Gate %.200s is of no family we know: its owner must "
                                       "open it.",
                                       type));
        return;
    }
    if (family != FAMILY_AWS_LBC && family != FAMILY_EKS_AUTO) {
        return;
    }
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        const struct pf_binding *b = &s->bindings[i];
        if (b->is_auto == (family == FAMILY_EKS_AUTO) && pf_is_ip(b) && pf_selects(b, t) &&
            strcmp(b->fb.binding->meta.name, gate_binding_name(type)) == 0) {
            return;
        }
    }
    PF_SAY(p, m, .code = "gate_in_pod_template", .severity = SEVERITY_ERROR,
           .message = arena_printf(p->a,
                                   "Gate %.200s stands in the template, and no binding \"%.100s\" "
                                   "of type ip takes these pods: it never opens.",
                                   type, gate_binding_name(type)),
           .action = "Remove the gate from the template: the webhook adds those that belong.");
}

void pf_check_gates(struct pf *p, const struct manifest *m, struct preflight_workload *w)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    struct preflight_gate *gates = arena_array(p->a, struct preflight_gate, GATES_MAX);
    struct pod_template t;
    if (!pf_template(m, &t)) {
        return;
    }
    for (uint32_t i = 0; i < s->n_bindings && w->gates.n < GATES_MAX; i++) {
        const struct pf_binding *b = &s->bindings[i];
        if (!pf_selects(b, &t)) {
            continue;
        }
        if (pf_is_ip(b)) {
            gates[w->gates.n++] = gate_of(p, m, b, &t);
        } else {
            PF_SAY(p, m, .code = "gate_missing_target_type", .severity = SEVERITY_INFO,
                   .message = arena_printf(p->a,
                                           "Binding %s has nodes for targets: its load balancer "
                                           "does not know pods, and they get no gate.",
                                           b->fb.binding->meta.name),
                   .action = "Use targets of type ip where a gate is wanted.");
        }
    }
    w->gates.items = gates;
    for (uint32_t i = 0; i < t.gates->n && i < GATES_MAX; i++) {
        check_template_gate(p, m, &t, t.gates->items[i]);
    }
}

/* ---- a binding of the manifests ---- */

static void check_backend(struct pf *p, const struct manifest *m, const struct pf_binding *b)
{
    const char *service = b->fb.binding->service;
    if (b->fb.service != NULL && service_port_of(&b->fb) != NULL) {
        return;
    }
    bool no_service = b->fb.service == NULL;
    PF_SAY(p, m, .code = "binding_backend_not_found", .severity = SEVERITY_ERROR,
           .message = no_service
                          ? arena_printf(p->a,
                                         "Service %s is neither in the cluster nor among the "
                                         "manifests: no pod gets a gate of this binding.",
                                         service)
                          : arena_printf(p->a,
                                         "Service %s has no port %s: the controller would "
                                         "open every gate without a target.",
                                         service, b->fb.binding->service_port),
           .action = "Name a Service and a port that exist.");
}

/* A Service of the manifests that takes none of the manifests' pods, though there are some. */
static void check_selector(struct pf *p, const struct manifest *m, const struct pf_binding *b)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    const struct pf_service *service = pf_service_named(s, b->fb.binding->service);
    uint32_t templates = 0;
    if (service == NULL || service->manifest == NULL) {
        return;
    }
    for (uint32_t i = 0; i < p->in->manifests.n; i++) {
        const struct manifest *other = pf_manifest(p, i);
        struct pod_template t;
        if (other->record == NULL || pf_scope_of(p, other) != s || !pf_template(other, &t)) {
            continue;
        }
        templates++;
        if (pf_subset(&service->service->selector, t.labels)) {
            return;
        }
    }
    if (templates > 0) {
        PF_SAY(p, service->manifest, .code = "gate_service_does_not_select_pod",
               .severity = SEVERITY_WARNING, .confidence = CONFIDENCE_LIKELY,
               .message = arena_printf(p->a,
                                       "%s selects no pod template of these manifests: binding %s "
                                       "would have no targets, and nothing would be gated.",
                                       pf_object(p, service->manifest), b->fb.binding->meta.name),
               .action = "Let the selector match the template's labels.");
    }
}

static void check_group(struct pf *p, const struct manifest *m, const struct pf_binding *b)
{
    const struct facts_group *g = b->fb.group;
    if (g->gone) {
        PF_SAY(p, m, .code = "target_group_gone", .severity = SEVERITY_ERROR,
               .message = arena_printf(p->a, "ELBv2 does not know target group %s.", g->arn),
               .action = "Make the target group, or name another.");
    } else if (g->group != NULL && g->group->load_balancer_arns.n == 0) {
        PF_SAY(p, m, .code = "target_group_not_in_use", .severity = SEVERITY_ERROR,
               .message = arena_printf(p->a,
                                       "No load balancer forwards to target group %s: its targets "
                                       "stay unused and the gates closed.",
                                       g->arn),
               .action = "Attach it to a listener or a rule first.");
    }
    if (b->other[0] != '\0' && b->fb.binding->multi_cluster != 1) {
        PF_SAY(p, m, .code = "target_group_shared", .severity = SEVERITY_ERROR,
               .message = arena_printf(p->a,
                                       "Binding %s is on the same target group: the controller's "
                                       "webhook refuses a second one, or both fight over targets.",
                                       b->other),
               .action = "Give each binding its own group, or set multiClusterTargetGroup on all.");
    }
}

/* The kind itself must be served. */
static void check_served(struct pf *p, const struct manifest *m, const struct pf_binding *b)
{
    bool known = strcmp(p->cluster.kube_state, "ok") == 0;
    if (known && !(b->is_auto ? p->cluster.has_auto : p->cluster.has_lbc)) {
        PF_SAY(p, m, .code = "gate_missing", .severity = SEVERITY_ERROR,
               .message = arena_printf(p->a,
                                       "The cluster does not serve TargetGroupBinding of %s: its "
                                       "controller is not installed.",
                                       b->is_auto ? "eks.amazonaws.com" : "elbv2.k8s.aws"),
               .action = "Install the controller, or use the group that this cluster has.",
               .command = "kubectl api-resources | grep -i targetgroupbinding");
    }
}

void pf_check_binding(struct pf *p, const struct manifest *m)
{
    const struct pf_scope *s = pf_scope_of(p, m);
    for (uint32_t i = 0; i < s->n_bindings; i++) {
        const struct pf_binding *b = &s->bindings[i];
        if (b->manifest == m) {
            check_served(p, m, b);
            check_backend(p, m, b);
            check_selector(p, m, b);
            check_group(p, m, b);
            if (pf_is_ip(b)) {
                say_long_name(p, m, b, false);
            }
        }
    }
}
