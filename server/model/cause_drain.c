/*
 * Shutdown: a gate does nothing there. On deletion the controller takes the target out while the
 * pod lives on for its grace period, in which preStop runs.
 *
 * What hurts is a pod that is gone while the load balancer still sends new requests to it: the
 * controller has to see the pod end before it deregisters, and an app that stops at once is faster.
 * That is a warning, where it was seen: ELBv2, asked after the pod was gone, called its target
 * healthy, or knew it unhealthy by its own checks alone. What comes of a failing or stopped
 * controller is not the pod's fault and is told elsewhere.
 *
 * What does not hurt by itself is a target that drains though its pod is gone. An application load
 * balancer sends nothing new to it; only requests under way are cut, and the state says nothing of
 * them: it is `draining` for the whole delay, also when the last connection ended at once (AWS,
 * deregistration delay). With the defaults, 30 s of grace and 300 s of delay, every rollout ends
 * so. That it may cut long requests, and that a network load balancer may send new connections for
 * minutes, is the audit's and preflight's to say (template.c), as info.
 *
 * Pods leave the API a second after they end and our polls are 10 s apart, so this needs to
 * remember who had an address (facts.gone). Without it the target of a gone pod could not be told
 * from one of another cluster (cause_exposed.c). It stays told for as long as that is remembered,
 * so that who looks after the rollout finds it, and it does not come and go with each pod.
 */
#include "model/cause_in.h"

#include <stdlib.h>
#include <string.h>

#include "model/template.h"

enum {
    AFTER_MS = 5 * SECOND_MS, /* an answer so much younger was asked for after the pod was gone */
    LOOK_MS = 10 * SECOND_MS, /* our own poll, at its fastest */
    WATCH_MS = 5 * MINUTE_MS, /* ... at its slowest */
    LOOKUPS = 20              /* pods looked up in a judgement, the newest */
};

static bool is_ours(const struct judge *j, const char *address)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        if (strcmp(j->pods[i].fp->pod->ip, address) == 0) {
            return true;
        }
    }
    return false;
}

/* The target that still gets requests, or got them until its checks failed; NULL = none. An IPv6
 * address that ELBv2 spells in its own way is not found. */
static const struct facts_target *in_rotation(const struct facts_group *g, const char *address)
{
    for (uint32_t i = 0; g->known && i < g->targets.n; i++) {
        const struct facts_target *t = LIST_AT(struct facts_target, g->targets, i);
        bool open = strcmp(t->t.state, "healthy") == 0 || strcmp(t->t.state, "unhealthy") == 0;
        if (open && t->healthy_at != 0 && strcmp(t->t.id, address) == 0) {
            return t;
        }
    }
    return NULL;
}

/* One that this controller alone fills with this workload's pods, and is able to. */
static bool is_own(struct judge *j, const struct view *v)
{
    const struct facts_binding *fb = v->fb;
    return binding_is_ip(fb) && fb->binding->meta.deleted_at == 0 &&
           fb->binding->multi_cluster != 1 && fb->sharers == 0 && fb->service != NULL &&
           fb->service->selector.n > 0 &&
           kvs_subset(&fb->service->selector, &j->f->workload->template_labels) &&
           event_live(j, v, v->reconcile) == NULL;
}

/* Was it cut off, as is seen only now? Looks again while that cannot be told yet. */
static bool cut_now(struct judge *j, const struct view *v, const struct facts_gone *gone)
{
    const struct facts_group *g = v->fb->group;
    bool recent = j->f->now - gone->gone_at < WATCH_MS;
    if (!recent || in_rotation(g, gone->ip) == NULL || is_ours(j, gone->ip)) {
        return false; /* or another pod of ours has the address */
    }
    bool asked_since = g->observed_at >= gone->gone_at + AFTER_MS;
    if (!asked_since || slices_have(&j->f->ns->slices, v->fb->binding->service, gone->ip)) {
        judge_look_at(j, j->f->now + LOOK_MS);
        return false;
    }
    return cause_lease_stale(j) == NULL;
}

struct cuts {
    uint32_t n;
    const struct facts_gone *last; /* the newest of them */
    int64_t last_at;               /* when it was seen */
    int64_t first_at;              /* since when: the oldest of them was gone */
};

static void add(struct cuts *c, const struct facts_gone *gone, int64_t seen_at)
{
    if (c->n == 0) {
        c->last = gone;
        c->last_at = seen_at;
    }
    c->n++;
    c->first_at = gone->gone_at;
}

static void mark(struct judge *j, int64_t id)
{
    struct list *cut = &j->v->cut;
    if (cut->items == NULL) {
        cut->items = arena_array(j->a, int64_t, LOOKUPS);
    }
    ((int64_t *)(uintptr_t)cut->items)[cut->n++] = id;
}

/* Those remembered and those seen now; of a pod behind two groups the first tells. */
static struct cuts find_cuts(struct judge *j, const struct view **ret_view)
{
    struct cuts c = {0};
    const struct list *gone = &j->f->gone;
    for (uint32_t i = 0; i < gone->n; i++) {
        const struct facts_gone *g = LIST_AT(struct facts_gone, *gone, i);
        if (g->cut_at != 0) {
            add(&c, g, g->cut_at);
        }
        bool look = g->cut_at == 0 && i < LOOKUPS && !j->f->cluster->kube_stale;
        for (uint32_t k = 0; k < j->sight->n_views; k++) {
            const struct view *v = &j->sight->views[k];
            if (!is_own(j, v)) {
                continue;
            }
            *ret_view = *ret_view == NULL ? v : *ret_view;
            if (look && cut_now(j, v, g)) {
                *ret_view = v;
                mark(j, g->id);
                add(&c, g, v->fb->group->observed_at);
                break;
            }
        }
    }
    return c;
}

static const char *time_text(struct judge *j, int64_t at)
{
    char text[CLOCK_TEXT_SIZE];
    (void)clock_format(at, text);
    return strlen(text) < 19 ? "" : arena_printf(j->a, "%.8s UTC", text + 11);
}

static void say_cut(struct judge *j, const struct view *v, const struct cuts *c)
{
    const struct kube_workload *w = j->f->workload;
    const char *object = j->sight->workload;
    const char *others = c->n == 1 ? "" : arena_printf(j->a, ", as it was with %u more", c->n - 1);
    struct finding *f = claim_object(
        j, &(struct claim){.code = "drain_shorter_than_deregistration",
                           .object = object,
                           .severity = SEVERITY_WARNING,
                           .likely = true,
                           .since = c->first_at,
                           .view = v,
                           .a = arena_printf(j->a,
                                             "pod %s was gone at %s, and at %s its target still "
                                             "stood among those that get requests%s",
                                             c->last->name, time_text(j, c->last->gone_at),
                                             time_text(j, c->last_at), others),
                           .b = ""});
    f->aside = true; /* it holds nobody */
    judge_look_at(j, c->last->gone_at + GONE_KEPT_MS + 1);
    struct pod_template t = template_of_workload(w);
    struct drain d;
    (void)drain_check(&t, 0, v->fb->group->group, j->a, &d);
    finding_evidence(j, f, object_of(j, "Pod", c->last->name), "gone", "%s",
                     time_text(j, c->last->gone_at));
    finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", v->fb->group->arn),
                     arena_printf(j->a, "target %s", c->last->ip), "not deregistered at %s",
                     time_text(j, c->last_at));
    finding_evidence(j, f, object, "preStop sleep", "%s",
                     d.pre_stop_s == PRE_STOP_UNKNOWN ? "a hook whose time cannot be told"
                     : d.pre_stop_s == 0              ? "none"
                                         : arena_printf(j->a, "%lld s", (long long)d.pre_stop_s));
    finding_evidence(j, f, object, "terminationGracePeriodSeconds", "%lld", (long long)d.grace_s);
}

void causes_drain(struct judge *j)
{
    const struct view *v = NULL;
    if (j->f->gone.n == 0 || j->f->workload == NULL || kind_denied(j, "endpointslices")) {
        return;
    }
    struct cuts c = find_cuts(j, &v);
    if (c.n > 0 && v != NULL) {
        say_cut(j, v, &c);
    }
}
