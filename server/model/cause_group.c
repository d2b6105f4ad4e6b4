/*
 * A target group as a whole, with or without a rollout: more than one owner fills it, or every
 * target of it is unhealthy.
 */
#include "model/cause_in.h"

#include <string.h>

enum { BEGIN_GRACE = 2 * MINUTE_MS, FOREIGN_GRACE = 5 * MINUTE_MS };

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- shared ---- */

bool slices_have(const struct list *slices, const char *service, const char *address)
{
    for (uint32_t i = 0; i < slices->n; i++) {
        const struct kube_slice *s = LIST_AT(struct kube_slice, *slices, i);
        const char *of = kvs_get(&s->meta.labels, "kubernetes.io/service-name");
        if (of == NULL || strcmp(of, service) != 0) {
            continue;
        }
        for (uint32_t k = 0; k < s->endpoints.n; k++) {
            const struct strs *a = &LIST_AT(struct endpoint, s->endpoints, k)->addresses;
            for (uint32_t n = 0; n < a->n; n++) {
                if (strcmp(a->items[n], address) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* A healthy target that has long been there and no endpoint of the Service explains (one that is
 * not healthy is rather left over from a pod of ours); a younger one is looked at again. At most a
 * few are looked up, so that the cost stays linear. */
static const struct facts_target *foreign_target(struct judge *j, const struct view *v)
{
    enum { LOOKUPS = 20 };
    const struct facts_group *g = v->fb->group;
    uint32_t left[2] = {LOOKUPS, LOOKUPS}; /* of old ones, of young ones */
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        int64_t old_at = later(t->first_seen_at, t->state_since) + FOREIGN_GRACE;
        bool young = j->sight->now < old_at;
        if (strcmp(t->t.state, "healthy") != 0 || left[young] == 0) {
            continue;
        }
        left[young]--;
        if (slices_have(&j->f->ns->slices, v->fb->binding->service, t->t.id)) {
            continue;
        }
        if (!young) {
            return t;
        }
        judge_look_at(j, old_at);
    }
    return NULL;
}

static bool holds(const struct pod_sheet *p, uint32_t finding)
{
    for (const struct pod_finding *pf = p->findings; pf != NULL; pf = pf->next) {
        if (pf->finding == finding) {
            return true;
        }
    }
    return false;
}

/* Targets that are gone from a group with another owner are gone for that: the findings of their
 * loss stand aside, and their pods are this one's. */
static void take_over(struct judge *j, struct claim c)
{
    static const char *const losses[] = {"target_not_registered",
                                         "target_deregistered_while_serving"};
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        const struct finding *found = claimed(j, losses[i], c.object);
        if (found == NULL || found->aside) {
            continue;
        }
        uint32_t at = (uint32_t)(found - j->findings);
        j->findings[at].aside = true;
        c.severity = found->severity;
        c.since = found->since;
        for (uint32_t k = 0; k < j->n_pods; k++) {
            if (holds(&j->pods[k], at)) {
                (void)claim_pod(j, &j->pods[k], &c);
            }
        }
    }
}

/* "a/x", "a/x and b/y", "a/x, b/y, c/z and 2 more"; how many alone where none is named. */
static const char *sharers_text(struct judge *j, const struct facts_binding *fb)
{
    const struct strs *names = &fb->sharer_names;
    const char *text = "";
    uint32_t more = fb->sharers > names->n ? fb->sharers - names->n : 0;
    for (uint32_t i = 0; i < names->n; i++) {
        bool last = i + 1 == names->n && more == 0;
        text = arena_printf(j->a, "%s%s%s", text,
                            i == 0 ? ""
                            : last ? " and "
                                   : ", ",
                            names->items[i]);
    }
    return more == 0      ? text
           : names->n > 0 ? arena_printf(j->a, "%s and %u more", text, more)
                          : arena_printf(j->a, "%u other%s", more, more == 1 ? "" : "s");
}

static void shared_here(struct judge *j, const struct view *v, struct claim c)
{
    const struct kube_binding *b = v->fb->binding;
    const char *others = sharers_text(j, v->fb);
    bool one = v->fb->sharers == 1;
    c.a = arena_printf(j->a, "binding%s %s name%s it as well", one ? "" : "s", others,
                       one ? "s" : "");
    struct finding *f = claim_object(j, &c);
    if (f->evidence.n == 0) {
        finding_evidence(j, f, v->object, "spec.targetGroupARN", "%s", b->arn);
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", b->arn), "other bindings", "%s",
                         others);
    }
    take_over(j, c);
}

void cause_shared(struct judge *j, const struct view *v, bool look_for_foreign)
{
    const struct kube_binding *b = v->fb->binding;
    if (!binding_is_ip(v->fb) || b->multi_cluster == 1 || b->meta.deleted_at != 0) {
        return;
    }
    struct claim c = {.code = "target_group_shared",
                      .object = v->object,
                      .severity = SEVERITY_WARNING,
                      .view = v,
                      .b = b->arn};
    if (v->fb->sharers > 0) {
        shared_here(j, v, c);
        return;
    }
    const struct kube_event *failing = event_live(j, v, v->reconcile);
    bool blind = kind_denied(j, "endpointslices") || v->fb->service == NULL || failing != NULL;
    if (look_for_foreign && failing != NULL) {
        judge_look_at(j, event_at(failing) + EVENT_LIVE_MS + 1);
    }
    const struct facts_target *t = look_for_foreign && !blind ? foreign_target(j, v) : NULL;
    if (t != NULL) {
        c.likely = true;
        c.a = "a target in it belongs to no pod of this Service, so probably to another cluster";
        struct finding *f = claim_object(j, &c);
        if (f->evidence.n == 0) {
            finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", b->arn),
                             arena_printf(j->a, "target %s:%lld", t->t.id, (long long)t->t.port),
                             "%s, in no EndpointSlice of Service %s", t->t.state, b->service);
        }
        take_over(j, c);
    }
}

/* ---- failing open ---- */

/* Every target unhealthy: the load balancer sends to all of them. Where none was healthy ever, pods
 * that start may be published or checked too early: that passes, or it is worth a word. */
void cause_fail_open(struct judge *j, const struct view *v)
{
    const struct facts_group *g = v->fb->group;
    uint32_t unhealthy_targets = 0;
    bool served = v->open > 0;
    int64_t since = 0;
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        if (strstr(t->t.state, "draining") != NULL) {
            continue;
        }
        if (strcmp(t->t.state, "unhealthy") != 0) {
            return;
        }
        unhealthy_targets++;
        served = served || t->healthy_at != 0;
        since = later(since, t->state_since);
    }
    if (unhealthy_targets == 0) {
        return;
    }
    if (g->observed_at < v->acted_at) { /* a gate has moved since our poll */
        judge_look_at(j, j->f->now + j->f->policy->recheck_ms);
        return;
    }
    if (!served && j->sight->now - since < BEGIN_GRACE) {
        judge_look_at(j, since + BEGIN_GRACE);
        return;
    }
    struct finding *f =
        claim_object(j, &(struct claim){.code = "load_balancer_fail_open",
                                        .object = v->object,
                                        .severity = served ? SEVERITY_ERROR : SEVERITY_WARNING,
                                        .since = since,
                                        .view = v,
                                        .a = g->arn,
                                        .b = ""});
    if (f->evidence.n == 0) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->arn), "targets unhealthy",
                         "%u of %u", unhealthy_targets, unhealthy_targets);
        route_say_limits(j, f, g);
    }
}
