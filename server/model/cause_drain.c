/*
 * Shutdown: a gate does nothing there. On deletion the controller takes the target out, and the
 * load balancer goes on with what is under way (an NLB with new flows too) for the deregistration
 * delay; the pod lives for its grace period, in which preStop runs. Where the pod ends first,
 * requests break.
 *
 * That it may come to this is the audit's to say (template.c): the defaults of Kubernetes and AWS
 * disagree everywhere. Here it is said while it is seen: a target drains, and its pod is gone.
 */
#include "model/cause_in.h"

#include <stdlib.h>
#include <string.h>

enum { GRACE_DEFAULT_S = 30, DELAY_DEFAULT_S = 300 };

static int64_t grace_of(const struct kube_workload *w)
{
    return w->template_grace_seconds > 0 ? w->template_grace_seconds : GRACE_DEFAULT_S;
}

/* The group's delay; *ret_known tells whether it was read. */
static int64_t delay_of(const struct facts_group *g, bool *ret_known)
{
    const char *value = group_attribute(g->group, "deregistration_delay.timeout_seconds");
    *ret_known = value != NULL;
    if (value != NULL) {
        return strtoll(value, NULL, 10);
    }
    return DELAY_DEFAULT_S;
}

/* preStop: sleep.seconds, or a command "sleep N", alone or in a shell; -1 = none. */
static int64_t prestop_of(const struct container_spec *c)
{
    if (c->prestop_sleep_seconds >= 0) {
        return c->prestop_sleep_seconds;
    }
    for (uint32_t i = 0; i < c->prestop_command.n; i++) {
        const char *word = c->prestop_command.items[i];
        const char *at = strstr(word, "sleep");
        if (at == NULL) {
            continue;
        }
        const char *rest = at + strlen("sleep");
        if (*rest == '\0' && i + 1 < c->prestop_command.n) {
            rest = c->prestop_command.items[i + 1];
        }
        return strtoll(rest, NULL, 10);
    }
    return -1;
}

static int64_t shortest_prestop(const struct kube_workload *w)
{
    int64_t least = -1;
    for (uint32_t i = 0; i < w->template_containers.n; i++) {
        int64_t s = prestop_of(LIST_AT(struct container_spec, w->template_containers, i));
        if (s >= 0 && (least < 0 || s < least)) {
            least = s;
        }
    }
    return least;
}

static bool is_ours(const struct judge *j, const char *address)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (strcmp(j->pods[i].fp->pod->ip, address) == 0) {
            return true;
        }
    }
    return false;
}

/* A target that served and drains though its pod is gone: of this rollout no pod has the address,
 * and no endpoint of the Service. At most a few are looked up. */
static const struct facts_target *seen_gone(struct judge *j, const struct facts_binding *fb)
{
    enum { LOOKUPS = 20, SLICE_MS = 10 * SECOND_MS };
    const struct facts_group *g = fb->group;
    uint32_t looked = 0;
    for (uint32_t i = 0; g->known && i < g->targets.n && looked < LOOKUPS; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        if (strcmp(t->t.state, "draining") != 0 || t->healthy_at == 0) {
            continue;
        }
        looked++;
        if (is_ours(j, t->t.id)) {
            continue; /* it ends just now: its removal is news */
        }
        if (!slices_have(&j->f->ns->slices, fb->binding->service, t->t.id)) {
            return t;
        }
        judge_look_at(j, j->f->now + SLICE_MS); /* another workload's, or the slice is late */
    }
    return NULL;
}

/* One that this controller alone fills with this workload's pods. */
static bool is_own(const struct judge *j, const struct facts_binding *fb)
{
    return binding_is_ip(fb) && fb->binding->meta.deleted_at == 0 &&
           fb->binding->multi_cluster != 1 && fb->sharers == 0 && fb->service != NULL &&
           fb->service->selector.n > 0 &&
           kvs_subset(&fb->service->selector, &j->f->workload->template_labels);
}

static void say_cut(struct judge *j, const struct view *v, const struct facts_target *gone)
{
    const struct kube_workload *w = j->f->workload;
    const struct facts_group *g = v->fb->group;
    bool known = false;
    int64_t delay = delay_of(g, &known);
    int64_t grace = grace_of(w);
    int64_t prestop = shortest_prestop(w);
    const char *object = j->sight->workload;
    struct finding *f = claim_object(
        j, &(struct claim){.code = "drain_shorter_than_deregistration",
                           .object = object,
                           .severity = SEVERITY_WARNING,
                           .likely = true,
                           .view = v,
                           .a = arena_printf(j->a,
                                             "they have %lld s to end, the load balancer takes up "
                                             "to %lld s to let go, and a target still drains whose "
                                             "pod is gone",
                                             (long long)grace, (long long)delay),
                           .b = ""});
    f->aside = true; /* it holds nobody */
    if (!wants_evidence(f)) {
        return;
    }
    const char *group = arena_printf(j->a, "TargetGroup/%s", g->arn);
    finding_evidence(j, f, object, "terminationGracePeriodSeconds", "%lld", (long long)grace);
    finding_evidence(j, f, object, "preStop sleep", "%s",
                     prestop < 0 ? "none" : arena_printf(j->a, "%lld s", (long long)prestop));
    finding_evidence(j, f, group, "deregistration_delay.timeout_seconds", "%lld%s",
                     (long long)delay, known ? "" : " (the default)");
    finding_evidence(j, f, group,
                     arena_printf(j->a, "target %s:%lld", gone->t.id, (long long)gone->t.port),
                     "draining, its pod is gone");
}

void causes_drain(struct judge *j)
{
    if (j->f->workload == NULL || kind_denied(j, "endpointslices")) {
        return;
    }
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        const struct view *v = &j->sight->views[i];
        bool known = false;
        if (!is_own(j, v->fb) || grace_of(j->f->workload) >= delay_of(v->fb->group, &known)) {
            continue;
        }
        const struct facts_target *gone = seen_gone(j, v->fb);
        if (gone != NULL) {
            say_cut(j, v, gone);
        }
    }
}
