/*
 * Findings that hang on no rollout: of a namespace (its label, its bindings) and of the whole
 * cluster (the controller, our own sources). They are what the audit lists and what is wrong though
 * nobody waits for it yet, so they are warnings where a rollout would make an error of them.
 *
 * Both use the sheet of a judgement without pods, so that a rule about a binding stands once.
 */
#include "model/cause_in.h"

#include <string.h>

enum { GATE_NAME_MAX = 63, BACKEND_GRACE = MINUTE_MS };

/* ---- a judgement without a rollout ---- */

struct empty {
    struct facts facts;
    struct rollout_prior prior;
    struct rollout_verdict verdict;
    struct judge judge;
};

struct judge *scope_open(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                         const struct policy *policy, const struct list *prior, struct arena *arena)
{
    struct empty *e = arena_zalloc(arena, sizeof *e);
    e->prior =
        (struct rollout_prior){.state = -1, .revision_hash = "", .cause = "", .findings = *prior};
    e->facts = (struct facts){.now = cluster->now,
                              .policy = policy,
                              .cluster = cluster,
                              .ns = ns,
                              .kind = "",
                              .name = "",
                              .uid = "",
                              .prior = &e->prior};
    e->verdict = (struct rollout_verdict){.revision = "", .revision_hash = ""};
    e->judge = (struct judge){.f = &e->facts, .a = arena, .v = &e->verdict};
    sight_open(&e->judge);
    return &e->judge;
}

struct scope_verdict scope_close(struct judge *j)
{
    claims_write(j);
    judge_findings_close(j);
    return (struct scope_verdict){j->v->findings, j->v->next_look};
}

/* ---- a namespace ---- */

static bool is_fine(const char *verdict)
{
    return strcmp(verdict, "enabled") == 0 || strcmp(verdict, "not_applicable") == 0;
}

/* Of the first family that lacks it. */
static void label(struct judge *j)
{
    bool is_auto = is_fine(namespace_injection_of(j->f->ns, j->f->cluster, false));
    const char *verdict = namespace_injection_of(j->f->ns, j->f->cluster, is_auto);
    bool missing = strcmp(verdict, "missing") == 0;
    if (!missing && strncmp(verdict, "wrong", 5) != 0 && strcmp(verdict, "annotation_only") != 0) {
        return;
    }
    const char *key = inject_key(is_auto);
    const char *object = object_of(j, "Namespace", j->sight->ns);
    const char *value = kvs_get(&j->f->ns->object->meta.labels, key);
    struct finding *f = claim_object(
        j, &(struct claim){
               .code = missing ? "gates_not_used" : "gate_missing_wrong_label",
               .object = object,
               .severity = missing ? SEVERITY_INFO : SEVERITY_WARNING,
               .a = key,
               .b = arena_printf(j->a, "label %s=%s", key, value != NULL ? value : "(absent)")});
    finding_evidence(j, f, object, arena_printf(j->a, "label %s", key), "%s",
                     value != NULL ? value : "absent");
}

/* A warning of the controller that no success came after, with nobody waiting for it now. */
static void failing(struct judge *j, struct view *v)
{
    const struct kube_event *e = event_live(j, v, v->reconcile);
    const char *code = e != NULL ? cause_of_reconcile(j, e->message) : NULL;
    if (code == NULL || v->fb->group->gone) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = code,
                                                        .object = v->object,
                                                        .severity = SEVERITY_WARNING,
                                                        .likely = true,
                                                        .since = e->first_at,
                                                        .view = v,
                                                        .a = e->message,
                                                        .b = cause_hint(code, e->message)});
    f->terminal = false;
    event_evidence(j, f, e);
    judge_look_at(j, event_at(e) + EVENT_LIVE_MS + 1);
}

static void group_gone(struct judge *j, struct view *v)
{
    if (!v->fb->group->gone || v->fb->binding->meta.deleted_at != 0) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = "target_group_gone",
                                                        .object = v->object,
                                                        .severity = SEVERITY_ERROR,
                                                        .view = v,
                                                        .a = "ELBv2 does not know it",
                                                        .b = v->fb->binding->arn});
    finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", v->fb->binding->arn), "error",
                     "TargetGroupNotFound");
}

static void backend(struct judge *j, struct view *v)
{
    const struct kube_binding *b = v->fb->binding;
    bool no_service = v->fb->service == NULL;
    if (b->meta.deleted_at != 0 || kind_denied(j, "services") || service_port_of(v->fb) != NULL) {
        return;
    }
    if (j->sight->now - b->meta.created_at < BACKEND_GRACE) {
        judge_look_at(j, b->meta.created_at + BACKEND_GRACE);
        return;
    }
    struct finding *f = claim_object(
        j, &(struct claim){.code = "binding_backend_not_found",
                           .object = v->object,
                           .severity = SEVERITY_WARNING,
                           .view = v,
                           .a = no_service ? arena_printf(j->a, "Service %s", b->service)
                                           : arena_printf(j->a, "Port %s of Service %s",
                                                          b->service_port, b->service),
                           .b = ""});
    finding_evidence(j, f, v->object, "spec.serviceRef", "%s port %s: does not exist", b->service,
                     b->service_port);
}

static void long_name(struct judge *j, struct view *v)
{
    if (strlen(v->name) <= GATE_NAME_MAX || !binding_is_ip(v->fb) ||
        strcmp(namespace_injection(j->f->ns, j->f->cluster), "enabled") != 0) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = "binding_name_too_long",
                                                        .object = v->object,
                                                        .severity = SEVERITY_WARNING,
                                                        .view = v,
                                                        .a = "",
                                                        .b = ""});
    finding_evidence(j, f, v->object, "metadata.name", "%zu characters, a gate takes 63",
                     strlen(v->name));
}

/* Models that cannot be deployed: new bindings are not made meanwhile. Mostly the controller's own
 * webhooks are out of reach; any other reason matters where something is not bound for it (events
 * outlive their fault). */
static void deploys(struct judge *j)
{
    const struct list *events = &j->f->ns->events;
    for (uint32_t i = 0; i < events->n; i++) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        if (e != cause_refused(j, e->object_kind, e->object_name)) {
            continue;
        }
        const char *code = cause_of_webhook(j, e->message);
        if (code == NULL) {
            if (owner_lacks_binding(j, e->object_kind, e->object_name)) {
                (void)cause_not_deployed(j, NULL, object_of(j, e->object_kind, e->object_name), e);
            }
            continue;
        }
        const char *object = object_of(j, e->object_kind, e->object_name);
        struct finding *f =
            claim_object(j, &(struct claim){.code = code,
                                            .object = object,
                                            .severity = SEVERITY_WARNING,
                                            .likely = true,
                                            .since = e->first_at,
                                            .a = "aws-load-balancer-webhook-service",
                                            .b = "kube-system"});
        f->terminal = false;
        event_evidence(j, f, e);
        judge_look_at(j, event_at(e) + EVENT_LIVE_MS + 1);
    }
}

/* ELBv2 does not answer for one group: a role of another account, mostly. */
static void group_denied(struct judge *j, struct view *v)
{
    const struct facts_group *g = v->fb->group;
    if (g->known || g->gone || strstr(g->error, "AccessDenied") == NULL) {
        return;
    }
    struct finding *f = claim_object(j, &(struct claim){.code = "aws_denied",
                                                        .object = v->object,
                                                        .severity = SEVERITY_WARNING,
                                                        .view = v,
                                                        .a = g->error,
                                                        .b = ""});
    finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->arn), "our own read", "%.500s",
                     g->error);
}

void judge_namespace(const struct facts_namespace *ns, const struct facts_cluster *cluster,
                     const struct policy *policy, struct arena *arena, struct scope_verdict *ret)
{
    struct judge *j = scope_open(ns, cluster, policy, &ns->findings, arena);
    label(j);
    deploys(j);
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        struct view *v = &j->sight->views[i];
        long_name(j, v);
        backend(j, v);
        group_gone(j, v);
        group_denied(j, v);
        failing(j, v);
        cause_cleanup(j, v, false);
        cause_network(j, v);
        cause_shared(j, v, true);
        cause_fail_open(j, v);
    }
    *ret = scope_close(j);
}

/* ---- the cluster ---- */

static bool state_is(const char *state, const char *a, const char *b)
{
    return strcmp(state, a) == 0 || strcmp(state, b) == 0;
}

void cause_kubernetes(struct judge *j)
{
    const struct facts_cluster *c = j->f->cluster;
    char text[CLOCK_TEXT_SIZE];
    const char *code = state_is(c->kube_state, "unreachable", "failing") ? "kubernetes_unreachable"
                       : strcmp(c->kube_state, "denied") == 0            ? "kubernetes_denied"
                                                                         : "data_stale";
    struct finding *f = claim_object(j, &(struct claim){.code = code,
                                                        .object = "Source/kubernetes",
                                                        .severity = SEVERITY_WARNING,
                                                        .since = c->kube_ok_at,
                                                        .a = c->kube_message,
                                                        .b = c->kube_state});
    const char *last = c->kube_ok_at != 0 ? clock_format(c->kube_ok_at, text) : "none";
    finding_evidence(j, f, "Source/kubernetes", "last sign of life", "%s, state %s%s%.300s", last,
                     c->kube_state, c->kube_message[0] != '\0' ? ": " : "", c->kube_message);
}

static void kubernetes(struct judge *j)
{
    const struct facts_cluster *c = j->f->cluster;
    if (c->kube_stale || state_is(c->kube_state, "unreachable", "denied")) {
        cause_kubernetes(j);
    }
    if (c->denied_kinds[0] != '\0') {
        struct finding *f = claim_object(j, &(struct claim){.code = "kubernetes_denied",
                                                            .object = "Source/kubernetes",
                                                            .severity = SEVERITY_WARNING,
                                                            .a = c->denied_kinds,
                                                            .b = "kinds"});
        finding_evidence(j, f, "Source/kubernetes", "may not list", "%s", c->denied_kinds);
    }
}

/* Without credentials Kubernetes alone answers: that is a choice, not a fault. */
static void aws(struct judge *j)
{
    const struct facts_cluster *c = j->f->cluster;
    const char *code = NULL;
    if (strcmp(c->aws_state, "denied") == 0) {
        code = "aws_denied";
    } else if (strcmp(c->aws_state, "throttled") == 0) {
        code = "aws_throttled";
    } else if (state_is(c->aws_state, "unreachable", "failing")) {
        code = "aws_unreachable";
    }
    bool some = code == NULL && strcmp(c->aws_state, "ok") == 0 && c->aws_message[0] != '\0';
    if (some) { /* health is read, an action that only some findings need is not allowed */
        code = "aws_denied";
    }
    if (code == NULL) {
        return;
    }
    struct finding *f =
        claim_object(j, &(struct claim){.code = code,
                                        .object = "Source/aws",
                                        .severity = some || strcmp(code, "aws_throttled") == 0
                                                        ? SEVERITY_INFO
                                                        : SEVERITY_WARNING,
                                        .a = c->aws_message,
                                        .b = c->aws_state});
    finding_evidence(j, f, "Source/aws", "state", "%s",
                     state_words(j, c->aws_state, "", c->aws_message));
}

static void controller(struct judge *j)
{
    const struct kube_lease *l = cause_lease_stale(j);
    char text[CLOCK_TEXT_SIZE];
    if (l == NULL) {
        return;
    }
    bool waited_for = j->f->cluster->waiting_pods > 0;
    struct finding *f =
        claim_object(j, &(struct claim){.code = "controller_stalled",
                                        .object = "Controller/aws-load-balancer-controller",
                                        .severity = waited_for ? SEVERITY_ERROR : SEVERITY_WARNING,
                                        .since = l->renew_at,
                                        .a = l->meta.namespace,
                                        .b = "its lease is no longer renewed"});
    finding_evidence(j, f, arena_printf(j->a, "Lease/%s", l->meta.name), "spec.renewTime", "%s",
                     clock_format(l->renew_at, text));
    finding_evidence(j, f, "Cluster", "pods waiting at a gate", "%lld",
                     (long long)j->f->cluster->waiting_pods);
}

/* What stands behind the injecting webhook, while nobody asks it for pods. A controller that
 * restarts has no endpoint for a moment. */
static void injector(struct judge *j)
{
    const struct facts_cluster *c = j->f->cluster;
    const struct webhook *w = j->sight->injectors[0];
    const struct facts_span *down = NULL;
    for (uint32_t i = 0; i < c->injector_down.n; i++) {
        const struct facts_span *s = LIST_AT(struct facts_span, c->injector_down, i);
        down = s->to == 0 ? s : down;
    }
    bool missing = c->injector_service_missing && !kind_denied(j, "services");
    if (w == NULL || w->service_name[0] == '\0' || (!missing && down == NULL)) {
        return;
    }
    const char *code = missing ? "webhook_service_missing" : "webhook_no_endpoints";
    const char *object =
        object_of(j, "MutatingWebhookConfiguration", j->sight->injector_configs[0]);
    int64_t prior = judge_prior_since(j, code, object);
    int64_t since = down != NULL ? down->from : prior;
    bool lasts = since != 0 && j->sight->now - since >= BACKEND_GRACE;
    struct finding *f =
        claim_object(j, &(struct claim){.code = code,
                                        .object = object,
                                        .severity = lasts ? SEVERITY_WARNING : SEVERITY_INFO,
                                        .since = since,
                                        .a = w->service_name,
                                        .b = w->service_namespace});
    f->terminal = false;
    finding_evidence(j, f, object_of(j, "Service", w->service_name),
                     missing ? "metadata.name" : "endpoints", "%s",
                     missing ? "no Service of that name" : "none is ready");
    finding_evidence(j, f, object, "failurePolicy", "%s", w->failure_policy);
    if (!lasts) {
        judge_look_at(j, (since != 0 ? since : j->sight->now) + BACKEND_GRACE);
    }
}

void judge_cluster(const struct facts_cluster *cluster, const struct policy *policy,
                   struct arena *arena, struct scope_verdict *ret)
{
    static const struct facts_namespace none = {.name = ""};
    struct judge *j = scope_open(&none, cluster, policy, &cluster->findings, arena);
    kubernetes(j);
    aws(j);
    controller(j);
    injector(j);
    *ret = scope_close(j);
}
