/*
 * The controller: it does not act on a pod, or lags behind ELBv2, or has stopped. Each pod whose
 * gate is not open is in one of these positions:
 *
 *   condition  ELBv2's word    so
 *   absent     not registered  it has not acted (or registration fails: cause_register.c)
 *   absent     registered      it cannot write conditions, unless it wrote another pod's since
 *   closed     healthy         it lags; until it is late the gate awaits its next look
 *   closed     not registered  its registration is lost (cause_health.c)
 *   closed     anything else   ELBv2's business
 *
 * Usual delays are no faults: 15 s between looks, 18 s for a restart. From three re-checks on it is
 * late; a target that was healthy when we first asked is likely so at once, once its pod is past
 * the usual time. Controllers before v2.9.1, and v2.13.0, back off up to 16 min 40 s.
 */
#include "model/cause_in.h"

#include <stdlib.h>
#include <string.h>

enum {
    STALLED_AFTER = 5 * MINUTE_MS, /* nothing flipped and nothing registered anywhere */
    CAP_LEAST = 20,                /* fewer targets than this are no cap */
    QUOTA_STEP = 500               /* quotas are multiples of it */
};

enum position { POSITION_NONE, NOT_ACTED, NOT_WRITTEN, LAGGING };

static enum position position_of(const struct judge *j, const struct pod_sheet *p,
                                 const struct pod_gate *g)
{
    if (g->status == GATE_OPEN || !gate_can_open(g) || !p->containers_ready ||
        g->pb->service_port_missing || g->pb->fb->binding->meta.deleted_at != 0) {
        return POSITION_NONE;
    }
    enum elb_word word = fresh_word(j, p, g);
    if (g->status == GATE_CLOSED) {
        return word == ELB_HEALTHY ? LAGGING : POSITION_NONE;
    }
    return word == ELB_ABSENT || word == ELB_UNKNOWN ? NOT_ACTED : NOT_WRITTEN;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Since when it has been so. What the controller wrote last it saw then: it lags from there on. */
static int64_t position_since(const struct pod_sheet *p, const struct pod_gate *g,
                              enum position position)
{
    const struct facts_target *t = g->pb->target;
    int64_t since = actable_since(p, g->pb);
    if (position == LAGGING && t != NULL) {
        return later(later(since, t->state_since), gate_written_at(p, g));
    }
    return position == NOT_WRITTEN && t != NULL ? later(since, t->first_seen_at) : since;
}

static bool is_late(struct judge *j, int64_t since)
{
    int64_t at = since + RECHECKS_LATE * j->f->policy->recheck_ms;
    if (j->sight->now < at) {
        judge_look_at(j, at);
        return false;
    }
    return true;
}

/* Warning once it is late, error when the pod is stuck. */
static enum severity late_severity(const struct pod_sheet *p)
{
    return p->pace == PACE_STUCK ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static const char *recheck_note(const struct judge *j)
{
    int64_t v = j->sight->version;
    bool backs_off = (v > 0 && v < 2009001) || v == 2013000;
    return backs_off ? "this version of the controller backs off up to 16 min 40 s between looks"
                     : "";
}

static const char *seconds_text(struct judge *j, int64_t ms)
{
    return arena_printf(j->a, "%lld s", (long long)(ms / SECOND_MS));
}

static const char *pod_object(struct judge *j, const struct pod_sheet *p)
{
    return object_of(j, "Pod", p->fp->pod->meta.name);
}

static void say_target(struct judge *j, struct finding *f, const struct pod_sheet *p,
                       const struct pod_gate *g)
{
    const struct facts_target *t = g->pb->target;
    finding_evidence(j, f, pod_object(j, p), arena_printf(j->a, "condition %s", g->type), "%s",
                     g->condition == NULL
                         ? "does not exist"
                         : state_words(j, g->condition->status, g->condition->reason, ""));
    if (t != NULL) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->pb->fb->group->arn),
                         arena_printf(j->a, "target %s:%lld state", t->t.id, (long long)t->t.port),
                         "%s", state_words(j, t->t.state, t->t.reason, ""));
    } else if (g->pb->fb->group->known) {
        finding_evidence(
            j, f, arena_printf(j->a, "TargetGroup/%s", g->pb->fb->group->arn),
            arena_printf(j->a, "target %s:%lld", p->fp->pod->ip, (long long)g->pb->port),
            "not registered");
    }
}

static void hold(struct judge *j, struct pod_sheet *p, const struct pod_gate *g, const char *code,
                 bool likely)
{
    struct view *v = view_of(j, p, g->pb);
    enum position position = position_of(j, p, g);
    int64_t since = position_since(p, g, position);
    bool short_watch = !watched(j, p, RECHECKS_LATE * j->f->policy->recheck_ms);
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = code,
                                                  .object = v->object,
                                                  .severity = late_severity(p),
                                                  .likely = likely || short_watch,
                                                  .since = since,
                                                  .view = v,
                                                  .a = recheck_note(j),
                                                  .b = ""});
    if (wants_evidence(f)) {
        say_target(j, f, p, g);
    }
}

/* ---- is it alive? ---- */

/* Nothing flipped and nothing registered anywhere for minutes while pods wait to be acted on, here
 * and elsewhere; without a lease that says otherwise. */
static bool all_quiet(struct judge *j, const uint32_t counts[], uint32_t views)
{
    const struct facts_cluster *c = j->f->cluster;
    int64_t since = later(c->controller_flip_at, c->started_at);
    bool several = views > 1 || c->waiting_pods > (int64_t)counts[NOT_ACTED] + counts[LAGGING];
    if (!several || c->controller_flip_at == 0) {
        return false;
    }
    if (j->sight->now - since < STALLED_AFTER) {
        judge_look_at(j, since + STALLED_AFTER);
        return false;
    }
    return true;
}

/* ---- what is held ---- */

/* Healthy when we first asked, with a pod past its usual time: how long it has been so is not for
 * us to watch again. */
static bool late_at_first_sight(const struct judge *j, const struct pod_sheet *p,
                                const struct pod_gate *g)
{
    const struct facts_target *t = g->pb->target;
    return t != NULL && t->state_since <= t->first_seen_at && p->pace != PACE_ON_TIME &&
           !watched(j, p, RECHECKS_LATE * j->f->policy->recheck_ms);
}

struct tally {
    uint32_t counts[4]; /* pods late, by position */
    uint32_t views;     /* bindings they wait on */
    uint32_t awaiting;  /* gates that await the next look */
    int64_t written_at; /* when a condition was last written, of any gated pod; 0 = never */
};

static bool is_candidate(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    enum position position = position_of(j, p, g);
    /* The controller leaves pods out whose node is not ready: that is cause_node.c's to say. */
    bool left_out = position == NOT_ACTED && node_is_down(j, p);
    if (position == POSITION_NONE || left_out || view_of(j, p, g->pb)->blocked != 0) {
        return false;
    }
    return (position == LAGGING && late_at_first_sight(j, p, g)) ||
           is_late(j, position_since(p, g, position));
}

/* Of a gate that is no candidate: ELBv2 has called it healthy since the controller's last look, and
 * the next one is not due for long. The gate will open by itself. */
static bool is_awaiting(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    return position_of(j, p, g) == LAGGING && view_of(j, p, g->pb)->blocked == 0 &&
           !node_is_down(j, p) && g->pb->fb->group->observed_at >= gate_written_at(p, g);
}

static struct tally count(struct judge *j)
{
    struct tally t = {0};
    bool *seen = arena_array(j->a, bool, j->sight->n_views + 1);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        const struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            const struct pod_gate *g = &p->gates[k];
            if (!is_v2(g->family) || g->pb == NULL) {
                continue;
            }
            if (g->condition != NULL && p->containers_ready) {
                t.written_at = later(t.written_at, track_of_gate(p, g)->changed_at);
            }
            if (is_candidate(j, p, g)) {
                t.counts[position_of(j, p, g)]++;
                uint32_t at = (uint32_t)(g->pb - p->bindings);
                t.views += !seen[at];
                seen[at] = true;
            } else {
                t.awaiting += is_awaiting(j, p, g);
            }
        }
    }
    return t;
}

/* ---- stalled ---- */

static const char *controller_object(bool is_auto)
{
    return is_auto ? "Controller/eks-auto-mode" : "Controller/aws-load-balancer-controller";
}

/* Where to look for its pods: "" = EKS Auto Mode has none in the cluster. */
static const char *namespace_of(const struct judge *j, bool is_auto, const struct kube_lease *l)
{
    const struct webhook *w = j->sight->injectors[0];
    if (is_auto) {
        return "";
    }
    const char *of_webhook = w != NULL ? w->service_namespace : "";
    return l != NULL ? l->meta.namespace : of_webhook[0] != '\0' ? of_webhook : "kube-system";
}

static void hold_stalled(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                         const struct kube_lease *l)
{
    bool is_auto = g->family == FAMILY_EKS_AUTO;
    struct finding *f = claim_pod(
        j, p,
        &(struct claim){.code = "controller_stalled",
                        .object = controller_object(is_auto),
                        .severity = SEVERITY_ERROR,
                        .likely = l == NULL,
                        .since = l != NULL ? l->renew_at : j->f->cluster->controller_flip_at,
                        .view = view_of(j, p, g->pb),
                        .a = namespace_of(j, is_auto, l),
                        .b = l != NULL ? "its lease is no longer renewed"
                                       : "no gate opened and no target was registered anywhere"});
    char text[CLOCK_TEXT_SIZE];
    if (f->evidence.n == 0 && l != NULL) {
        finding_evidence(j, f, arena_printf(j->a, "Lease/%s", l->meta.name), "spec.renewTime", "%s",
                         clock_format(l->renew_at, text));
        finding_evidence(j, f, arena_printf(j->a, "Lease/%s", l->meta.name), "spec.holderIdentity",
                         "%s", l->holder);
    } else if (f->evidence.n == 0) {
        finding_evidence(j, f, "Cluster", "last gate flip or registration", "%s",
                         clock_format(j->f->cluster->controller_flip_at, text));
    }
    if (wants_evidence(f)) {
        say_target(j, f, p, g);
    }
}

/* ---- one pod at a time ---- */

/* The binding got on after this pod was ready and left it out: a cap drops endpoints silently. */
static bool is_capped(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    const struct view *v = view_of(j, p, g->pb);
    return v->open >= CAP_LEAST && v->acted_at > actable_since(p, g->pb) + j->f->policy->recheck_ms;
}

/* As many targets as a quota of ELBv2 allows, 0 = not so. By default they are 500 a zone of an NLB,
 * 1000 a group or ALB, 3000 an NLB; a controller before v3.1.0 says so in its log alone. */
static uint32_t at_quota(const struct judge *j, const struct pod_sheet *p, const struct pod_gate *g)
{
    struct view *v = view_of(j, p, g->pb);
    const struct facts_group *group = v->fb->group;
    if (!v->is_counted) {
        v->is_counted = true;
        v->targets = group->known ? 0 : v->open;
        for (uint32_t i = 0; group->known && i < group->targets.n; i++) {
            const char *state = LIST_AT(struct facts_target, group->targets, i)->t.state;
            v->targets += strstr(state, "draining") == NULL;
        }
    }
    return v->targets % QUOTA_STEP == 0 ? v->targets : 0;
}

static void say_full(struct judge *j, const struct pod_sheet *p, const struct pod_gate *g,
                     uint32_t targets)
{
    const char *object = view_of(j, p, g->pb)->object;
    struct finding *f = judge_finding(j, "register_quota_exceeded", object);
    if (targets > 0 && f->pods == 1) {
        finding_evidence(j, f, object, "targets", "%u, and no more", targets);
    }
}

static void not_acted(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    const struct view *v = view_of(j, p, g->pb);
    if (g->pb->endpoint == NULL && !kind_denied(j, "endpointslices")) {
        hold(j, p, g, "endpoints_stale", false);
        return;
    }
    const struct kube_event *e = event_live(j, v, v->reconcile);
    if (e != NULL && message_throttled(e->message)) {
        hold(j, p, g, "controller_throttled", false);
        return;
    }
    uint32_t full = at_quota(j, p, g);
    if (full > 0 || is_capped(j, p, g)) {
        hold(j, p, g, "register_quota_exceeded", true);
        say_full(j, p, g, full);
        return;
    }
    /* What cannot be read may be what it waits for: its node, or the pod's endpoint. */
    bool blind = fresh_word(j, p, g) == ELB_UNKNOWN || kind_denied(j, "nodes") ||
                 kind_denied(j, "endpointslices");
    hold(j, p, g, "controller_not_acting", blind);
}

/* A throttled group stops the reads of all bindings; its own event comes two minutes late. */
static const struct view *throttled_view(const struct judge *j)
{
    for (uint32_t i = 0; i < j->sight->n_views; i++) {
        const struct view *v = &j->sight->views[i];
        const struct kube_event *e = event_live(j, v, v->reconcile);
        if (e != NULL && message_throttled(e->message)) {
            return v;
        }
    }
    return NULL;
}

static const struct kube_event *throttled_owner(const struct judge *j)
{
    const struct list *events = &j->f->ns->events;
    for (uint32_t i = 0; i < events->n; i++) {
        const struct kube_event *e = LIST_AT(struct facts_event, *events, i)->event;
        bool owner =
            strcmp(e->object_kind, "Ingress") == 0 || strcmp(e->object_kind, "Service") == 0;
        if (owner && j->sight->now - event_at(e) < EVENT_RATION_MS &&
            message_throttled(e->message)) {
            return e;
        }
    }
    return NULL;
}

static void lagging(struct judge *j, struct pod_sheet *p, const struct pod_gate *g,
                    const struct kube_event *throttled)
{
    const struct kube_binding *b = g->pb->fb->binding;
    const char *checkpoint = kvs_get(&b->meta.annotations, "elbv2.k8s.aws/checkpoint");
    if (throttled != NULL) {
        hold(j, p, g, "controller_throttled", false);
        struct finding *f = judge_finding(j, "controller_throttled", view_of(j, p, g->pb)->object);
        if (f->pods == 1) {
            event_evidence(j, f, throttled);
        }
        return;
    }
    bool empties_it = j->sight->version == 0 || j->sight->version >= 2010000;
    if (checkpoint != NULL && checkpoint[0] != '\0' && empties_it) {
        hold(j, p, g, "controller_checkpoint_stale", false);
        struct finding *f =
            judge_finding(j, "controller_checkpoint_stale", view_of(j, p, g->pb)->object);
        if (f->pods == 1) {
            finding_evidence(j, f, view_of(j, p, g->pb)->object,
                             "annotation elbv2.k8s.aws/checkpoint", "%s", checkpoint);
        }
        return;
    }
    hold(j, p, g, "controller_lagging", false);
}

/* How often it looks: EKS Auto Mode does not tell. */
static const char *look_note(struct judge *j, bool is_auto)
{
    const char *note = recheck_note(j);
    if (is_auto || note[0] != '\0') {
        return is_auto ? "EKS Auto Mode does not tell how often it does" : note;
    }
    return arena_printf(j->a, "it does so every %s", seconds_text(j, j->f->policy->recheck_ms));
}

static void awaits(struct judge *j, struct pod_sheet *p, const struct pod_gate *g)
{
    struct view *v = view_of(j, p, g->pb);
    int64_t late_ms = RECHECKS_LATE * j->f->policy->recheck_ms;
    struct finding *f = claim_pod(j, p,
                                  &(struct claim){.code = "gate_awaits_recheck",
                                                  .object = v->object,
                                                  .severity = SEVERITY_INFO,
                                                  .since = position_since(p, g, LAGGING),
                                                  .view = v,
                                                  .a = look_note(j, g->family == FAMILY_EKS_AUTO),
                                                  .b = seconds_text(j, late_ms)});
    if (f->pods == 1) { /* pods come and go by the second: those that are there count */
        f->since = position_since(p, g, LAGGING);
    }
    if (wants_evidence(f)) {
        say_target(j, f, p, g);
    }
}

static void each_gate(struct judge *j, const struct tally *t, const struct kube_lease *lease,
                      const bool stalled[2])
{
    const struct view *slow = throttled_view(j);
    const struct kube_event *throttled = slow != NULL ? slow->reconcile : throttled_owner(j);
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        for (uint32_t k = 0; is_live(p) && k < p->n_gates; k++) {
            const struct pod_gate *g = &p->gates[k];
            bool is_auto = g->family == FAMILY_EKS_AUTO;
            if (!is_v2(g->family) || g->pb == NULL) {
                continue;
            }
            if (!is_candidate(j, p, g)) {
                if (!stalled[is_auto] && is_awaiting(j, p, g)) {
                    awaits(j, p, g);
                }
                continue;
            }
            enum position position = position_of(j, p, g);
            if (stalled[is_auto]) {
                hold_stalled(j, p, g, is_auto ? NULL : lease);
            } else if (position == NOT_ACTED) {
                not_acted(j, p, g);
            } else if (position == LAGGING) {
                lagging(j, p, g, throttled);
            } else { /* it could write after this pod was there to be written to, or not at all */
                bool could = t->written_at != 0 && t->written_at >= actable_since(p, g->pb);
                hold(j, p, g, could ? "controller_not_acting" : "controller_cannot_patch_pods",
                     true);
            }
        }
    }
}

void causes_controller(struct judge *j)
{
    struct tally t = count(j);
    bool late = t.counts[NOT_ACTED] + t.counts[NOT_WRITTEN] + t.counts[LAGGING] > 0;
    if (!late && t.awaiting == 0) {
        return; /* nobody waits for it, so the lease needs no look */
    }
    const struct kube_lease *lease = cause_lease_stale(j);
    bool quiet = late && lease == NULL && all_quiet(j, t.counts, t.views);
    bool renewed = cause_lease(j) != NULL; /* the open-source controller is alive */
    const bool stalled[2] = {lease != NULL || (quiet && !renewed), quiet};
    each_gate(j, &t, lease, stalled);
}
