/*
 * Registered, not healthy. The reason comes from ELBv2 where it answers and its answer is not older
 * than what the controller wrote, else from the condition, while that is not True. Reasons are
 * codes of ELBv2's; descriptions are shown, never matched, but for the one that tells a zone from a
 * listener where nothing else does.
 *
 * A pod that served and lost its gate is told so, instead of a plain registration.
 */
#include "model/cause_in.h"

#include <string.h>

enum {
    LOST_RECHECKS = 2,        /* a registration that ELBv2 does not know after so many */
    UNUSED_GRACE = MINUTE_MS, /* a listener may be on its way */
    SERVED_GAP_MS = 30 * SECOND_MS
};

/* What ELBv2 or the controller says of one gate. */
struct word {
    const char *state; /* "" when only the condition is known */
    const char *reason;
    const char *text;
    bool by_elb;
};

static struct word word_for(const struct judge *j, const struct pod_sheet *p,
                            const struct pod_binding *pb, const struct pod_gate *g)
{
    enum elb_word elb = g != NULL ? fresh_word(j, p, g) : elb_word_of(pb);
    if (elb != ELB_UNKNOWN) {
        const struct facts_target *t = pb->target;
        bool out = elb == ELB_ABSENT; /* draining keeps the reason of what went before */
        return (struct word){.state = t != NULL ? t->t.state : "absent",
                             .reason = t != NULL && !out ? t->t.reason : "",
                             .text = t != NULL ? t->t.description : "",
                             .by_elb = true};
    }
    if (g == NULL || g->status != GATE_CLOSED) {
        return (struct word){.state = "", .reason = "", .text = ""};
    }
    return (struct word){
        .state = "", .reason = g->condition->reason, .text = g->condition->message};
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- claims ---- */

static void say_word(struct judge *j, struct finding *f, const struct pod_sheet *p,
                     const struct pod_binding *pb, const struct word *w)
{
    if (!wants_evidence(f)) {
        return;
    }
    if (w->by_elb) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", pb->fb->group->arn),
                         arena_printf(j->a, "target %s:%lld", p->fp->pod->ip, (long long)pb->port),
                         "%s", state_words(j, w->state, w->reason, w->text));
    } else {
        const struct pod_gate *g = pod_gate_of(p, pb);
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name),
                         arena_printf(j->a, "condition %s", g != NULL ? g->type : ""), "%s",
                         state_words(j, "False", w->reason, w->text));
    }
}

static void say_check(struct judge *j, struct finding *f, const struct pod_binding *pb)
{
    const struct elb_group *g = pb->fb->group->group;
    if (g == NULL || f->pods != 1) {
        return;
    }
    finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", pb->fb->group->arn), "health check",
                     "%s port %s path %s, expects %s, every %lld s, timeout %lld s",
                     g->health_protocol, g->health_port,
                     g->health_path[0] != '\0' ? g->health_path : "none",
                     g->matcher[0] != '\0' ? g->matcher : "any answer",
                     (long long)g->health_interval, (long long)g->health_timeout);
}

static struct finding *claim_word(struct judge *j, struct pod_sheet *p,
                                  const struct pod_binding *pb, const struct word *w,
                                  struct claim *c)
{
    const struct view *v = view_of(j, p, pb);
    c->object = v->object;
    c->view = v;
    c->since = c->since != 0 ? c->since : p->waiting_since;
    c->a = c->a != NULL ? c->a : w->reason;
    c->b = c->b != NULL ? c->b : w->text;
    struct finding *f = claim_pod(j, p, c);
    say_word(j, f, p, pb, w);
    return f;
}

/* ---- reasons ---- */

static const struct {
    const char *reason;
    const char *code;
    bool check; /* the health check's settings are evidence */
} reasons[] = {
    {"Target.ResponseCodeMismatch", "health_check_code_mismatch", true},
    {"Target.Timeout", "health_check_timeout", true},
    {"Target.FailedHealthChecks", "health_check_failed", true},
    {"Elb.InternalError", "health_check_internal_error", false},
    {"Target.IpUnusable", "target_ip_unusable", false},
    {"Target.InvalidState", "target_invalid_state", false},
    {"Target.HealthCheckDisabled", "health_checks_disabled", false},
};

/* A new pod may be unhealthy for a while until its app answers; one that served loses traffic. */
static enum severity unhealthy_severity(const struct pod_sheet *p)
{
    bool served = p->track->served_at != 0 && !p->ready;
    return p->pace == PACE_STUCK || served ? SEVERITY_ERROR : SEVERITY_WARNING;
}

static bool by_reason(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                      const struct word *w)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(w->reason, reasons[i].reason) == 0) {
            struct claim c = {.code = reasons[i].code,
                              .severity = i < 4 ? unhealthy_severity(p) : SEVERITY_ERROR};
            struct finding *f = claim_word(j, p, pb, w, &c);
            if (reasons[i].check) {
                say_check(j, f, pb);
            }
            return true;
        }
    }
    if (strcmp(w->state, "unhealthy") == 0) { /* a reason that is not known yet */
        struct claim c = {.code = "health_check_failed", .severity = unhealthy_severity(p)};
        say_check(j, claim_word(j, p, pb, w, &c), pb);
        return true;
    }
    return false;
}

/* ---- not in use ---- */

static bool balancer_has_zone(const struct elb_balancer *b, const char *zone)
{
    for (uint32_t i = 0; i < b->zones.n; i++) {
        if (strcmp(b->zones.items[i], zone) == 0) {
            return true;
        }
    }
    return false;
}

static const char *zone_of(const struct judge *j, const struct pod_sheet *p,
                           const struct pod_binding *pb)
{
    if (pb->target != NULL && pb->target->t.zone[0] != '\0') {
        return pb->target->t.zone;
    }
    if (pb->endpoint != NULL && pb->endpoint->zone[0] != '\0') {
        return pb->endpoint->zone;
    }
    for (uint32_t i = 0; i < j->f->cluster->nodes.n; i++) {
        const struct facts_node *n = LIST_AT(struct facts_node, j->f->cluster->nodes, i);
        if (strcmp(n->name, p->fp->pod->node) == 0) {
            return n->zone;
        }
    }
    return "";
}

static bool others_in_use(const struct pod_binding *pb)
{
    const struct list *targets = &pb->fb->group->targets;
    for (uint32_t i = 0; i < targets->n; i++) {
        const char *state = LIST_AT(struct facts_target, *targets, i)->t.state;
        if (strcmp(state, "unused") != 0 && strcmp(state, "draining") != 0) {
            return true;
        }
    }
    return false;
}

/* One reason for two faults: the group has no listener, or the load balancer not the zone. */
static bool is_zone(const struct judge *j, const struct pod_sheet *p, const struct pod_binding *pb,
                    const struct word *w, bool *ret_likely)
{
    const struct facts_group *g = pb->fb->group;
    const struct route_view route = route_view_of(g);
    const char *zone = zone_of(j, p, pb);
    *ret_likely = false;
    if ((g->group != NULL && g->group->load_balancer_arns.n == 0) ||
        (route.known && route.forwards == 0)) {
        return false;
    }
    if (g->balancer != NULL && g->balancer->zones.n > 0 && zone[0] != '\0') {
        return !balancer_has_zone(g->balancer, zone);
    }
    *ret_likely = !w->by_elb;
    if (strstr(w->text, "Availability Zone") != NULL) {
        return true;
    }
    if (route.forwards > 0) {
        return true;
    }
    *ret_likely = true;
    return g->known ? others_in_use(pb) : view_of(j, p, pb)->open > 0;
}

static void not_in_use(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                       const struct word *w)
{
    bool likely = false;
    bool zone = is_zone(j, p, pb, w, &likely);
    int64_t since =
        pb->target != NULL ? later(p->waiting_since, pb->target->state_since) : p->waiting_since;
    bool settled = j->sight->now - since >= UNUSED_GRACE || p->pace != PACE_ON_TIME;
    struct claim c = {.code = zone ? "target_zone_not_enabled" : "target_group_not_in_use",
                      .severity = settled ? SEVERITY_ERROR : SEVERITY_WARNING,
                      .likely = likely,
                      .a = zone ? zone_of(j, p, pb) : w->reason};
    struct finding *f = claim_word(j, p, pb, w, &c);
    f->terminal = !zone && settled && !likely;
    if (!settled) {
        judge_look_at(j, since + UNUSED_GRACE);
    }
    if (zone && pb->fb->group->balancer != NULL && f->pods == 1) {
        const struct elb_balancer *b = pb->fb->group->balancer;
        finding_evidence(j, f, arena_printf(j->a, "LoadBalancer/%s", b->name), "zones", "%u zones",
                         b->zones.n);
    }
    if (!zone && pb->fb->group->group != NULL && f->pods == 1) {
        route_say(j, f, pb->fb->group);
    }
}

/* ---- a registration that is lost ---- */

/* The controller shows RegistrationInProgress for ever and registers again every 15 s. */
static bool lost(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                 const struct pod_gate *g, const struct word *w)
{
    bool absent = g != NULL ? g->status == GATE_CLOSED && fresh_word(j, p, g) == ELB_ABSENT
                            : elb_word_of(pb) == ELB_ABSENT;
    if (!absent || pb->service_port_missing || view_of(j, p, pb)->blocked > 0) {
        return false;
    }
    const struct gate_track *t = g != NULL ? track_of_gate(p, g) : NULL;
    int64_t since = actable_since(p, pb);
    since = t != NULL ? later(later(t->changed_at, t->reason_since), since) : since;
    int64_t at = since + LOST_RECHECKS * j->f->policy->recheck_ms;
    if (j->sight->now < at || pb->fb->group->observed_at < since) {
        judge_look_at(j, at);
        return false;
    }
    struct claim c = {.code = "target_not_registered",
                      .severity = j->sight->now < at + j->f->policy->recheck_ms ? SEVERITY_WARNING
                                                                                : SEVERITY_ERROR,
                      .likely = !watched(j, p, LOST_RECHECKS * j->f->policy->recheck_ms),
                      .since = since,
                      .a = w->state};
    struct finding *f = claim_word(j, p, pb, w, &c);
    bool untyped = pb->fb->binding->target_type[0] == '\0'; /* nobody means to register it */
    f->aside = g == NULL && (untyped || claimed(j, "gate_missing_injection_failed", NULL) != NULL);
    if (g != NULL && wants_evidence(f)) {
        finding_evidence(j, f, object_of(j, "Pod", p->fp->pod->meta.name),
                         arena_printf(j->a, "condition %s", g->type), "%s",
                         state_words(j, "False", g->condition->reason, ""));
    }
    judge_look_at(j, at + j->f->policy->recheck_ms);
    return true;
}

/* ---- a pod that served ---- */

/* Its gate was open before. Where we did not see it kubelet's Ready tells: it went False long after
 * the containers were ready. */
static bool served_before(const struct pod_sheet *p, const struct pod_gate *g, bool *ret_likely)
{
    *ret_likely = false;
    if (track_of_gate(p, g)->opened_at != 0) {
        return true;
    }
    if (p->track->watched != 0) {
        return false;
    }
    const struct condition *ready = condition_get(&p->fp->pod->conditions, "Ready");
    const struct condition *containers = condition_get(&p->fp->pod->conditions, "ContainersReady");
    *ret_likely = true;
    return ready != NULL && containers != NULL && ready->transition_at != 0 &&
           containers->transition_at != 0 &&
           ready->transition_at > containers->transition_at + SERVED_GAP_MS;
}

/* Were the containers away between the opening and the loss? */
static bool restarted(const struct pod_sheet *p, const struct pod_gate *g)
{
    const struct gate_track *t = track_of_gate(p, g);
    return t->opened_at != 0 && (p->track->containers_unready_at + SECOND_MS > t->opened_at ||
                                 p->track->restarts > p->track->restarts_at_open);
}

/* The one whose last words are kept: a container that was only not ready has none. */
static const char *restarted_container(const struct pod_sheet *p)
{
    const struct container_status *most = NULL;
    for (uint32_t i = 0; i < p->fp->pod->statuses.n; i++) {
        const struct container_status *s =
            LIST_AT(struct container_status, p->fp->pod->statuses, i);
        most = s->restarts > (most != NULL ? most->restarts : 0) ? s : most;
    }
    return most != NULL ? most->name : "";
}

static void say_restart(struct judge *j, struct finding *f, const struct pod_sheet *p)
{
    char text[CLOCK_TEXT_SIZE];
    const char *object = object_of(j, "Pod", p->fp->pod->meta.name);
    if (p->track->containers_unready_at != 0) {
        finding_evidence(j, f, object, "containers not ready", "last at %s, restarts %lld",
                         clock_format(p->track->containers_unready_at, text),
                         (long long)p->track->restarts);
    } else {
        finding_evidence(j, f, object, "restarts", "%lld, %lld when its gate opened",
                         (long long)p->track->restarts, (long long)p->track->restarts_at_open);
    }
}

static const char *lost_by(const struct pod_gate *g, const struct word *w)
{
    if (strncmp(w->reason, "Target.", 7) == 0) {
        return "found unhealthy when the controller read all targets anew";
    }
    return g->condition != NULL && strcmp(g->condition->reason, "Elb.RegistrationInProgress") == 0
               ? "taken out of the group and registered anew"
               : "no longer healthy";
}

static bool lost_gate(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                      const struct pod_gate *g, const struct word *w)
{
    bool likely = false;
    if (g == NULL || g->status == GATE_OPEN || !served_before(p, g, &likely)) {
        return false;
    }
    bool away = restarted(p, g);
    struct claim c = {.code = away ? "container_restarted_after_open" : "serving_pod_gate_closed",
                      .severity = severity_of_pace(p),
                      .likely = likely,
                      .a = lost_by(g, w),
                      .b = away ? restarted_container(p) : NULL};
    struct finding *f = claim_word(j, p, pb, w, &c);
    if (wants_evidence(f) && away) {
        say_restart(j, f, p);
    }
    return true;
}

/* ---- waits ---- */

static void waits(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb,
                  const struct word *w)
{
    bool checking = strcmp(w->reason, "Elb.InitialHealthChecking") == 0;
    bool registering =
        strcmp(w->reason, "Elb.RegistrationInProgress") == 0 || strcmp(w->state, "initial") == 0;
    if (!checking && !registering) {
        return;
    }
    /* Past the usual time by dates that others wrote: likely, until we have watched ourselves. */
    bool late = p->pace != PACE_ON_TIME;
    struct claim c = {.code = checking ? "initial_health_checks" : "registration_in_progress",
                      .severity = severity_of_pace(p),
                      .likely = late && !watched(j, p, RECHECKS_LATE * j->f->policy->recheck_ms)};
    struct finding *f = claim_word(j, p, pb, w, &c);
    if (checking) {
        say_check(j, f, pb);
    }
}

/* ---- all together ---- */

static void look_at_binding(struct judge *j, struct pod_sheet *p, const struct pod_binding *pb)
{
    const struct pod_gate *g = pod_gate_of(p, pb);
    struct word w = word_for(j, p, pb, g);
    if (strcmp(w.state, "healthy") == 0 || pb->fb->group->gone) {
        return;
    }
    if (strcmp(w.reason, "Target.NotInUse") == 0) {
        not_in_use(j, p, pb, &w);
        return;
    }
    if (by_reason(j, p, pb, &w)) {
        (void)lost_gate(j, p, pb, g, &w);
        return;
    }
    if (!lost(j, p, pb, g, &w) && !lost_gate(j, p, pb, g, &w)) {
        waits(j, p, pb, &w);
    }
}

/* Pods that wait at this binding's gate, and pods without a gate that ELBv2 turns down; an open
 * gate is cause_exposed.c's. */
void causes_health(struct judge *j)
{
    for (uint32_t i = 0; i < j->n_pods; i++) {
        struct pod_sheet *p = &j->pods[i];
        if (!is_live(p) || !p->containers_ready) {
            continue;
        }
        for (uint32_t k = 0; k < p->n_near; k++) {
            const struct pod_binding *pb = p->near[k];
            const struct pod_gate *g = pod_gate_of(p, pb);
            bool waits_there = g != NULL && g->status != GATE_OPEN && pb->selects;
            bool ungated = g == NULL && pb->wants_gate && p->v->state == POD_EXPOSED;
            if (pod_binding_applies(pb) && (waits_there || ungated)) {
                look_at_binding(j, p, pb);
            }
        }
    }
}
