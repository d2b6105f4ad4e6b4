/*
 * The ways from a load balancer to a target group, by its listeners and rules, as evidence: who
 * forwards here, with which weight, and what the listeners do instead. They are read only while
 * some target's group is called not in use, so for most groups nothing is known.
 */
#include "model/cause_in.h"

#include <string.h>

#include "base/buf.h"

enum { LISTENERS_TOLD = 4, TEXT_LIMIT = 2048 };

struct route_view route_view_of(const struct facts_group *g)
{
    const struct elb_balancer *b = g->balancer != NULL ? g->balancer : g->last_balancer;
    struct route_view v = {.balancer = b != NULL && b->listeners_at != 0 ? b : NULL};
    bool whole = true;
    for (uint32_t i = 0; v.balancer != NULL && i < b->listeners.n; i++) {
        const struct elb_listener *l = LIST_AT(struct elb_listener, b->listeners, i);
        whole = whole && l->rules >= 0;
        v.rules += l->rules > 0 ? l->rules : 0;
        for (uint32_t k = 0; k < l->forwards.n; k++) {
            const struct elb_forward *f = LIST_AT(struct elb_forward, l->forwards, k);
            bool here = strcmp(f->group_arn, g->arn) == 0;
            v.forwards += here && f->weight != 0 ? 1 : 0;
            v.weightless += here && f->weight == 0 ? 1 : 0;
        }
    }
    v.known = v.balancer != NULL && (whole || v.forwards > 0);
    return v;
}

/* The NAME of …:targetgroup/NAME/ID. */
static void add_name(struct buf *out, const char *arn)
{
    const char *at = strstr(arn, "targetgroup/");
    at = at != NULL ? at + strlen("targetgroup/") : arn;
    (void)buf_addf(out, "%.*s", (int)strcspn(at, "/"), at);
}

static void add_forward(struct buf *out, const struct elb_forward *f, const char *arn)
{
    if (strcmp(f->rule, "default") == 0) {
        (void)buf_addz(out, "; by default to ");
    } else {
        (void)buf_addf(out, "; rule %.20s to ", f->rule);
    }
    if (strcmp(f->group_arn, arn) == 0) {
        (void)buf_addz(out, "here");
    } else {
        add_name(out, f->group_arn);
    }
    if (f->weight >= 0) {
        (void)buf_addf(out, " with weight %lld", (long long)f->weight);
    }
}

static void say_listener(struct judge *j, struct finding *f, const char *object,
                         const struct elb_listener *l, const char *arn)
{
    AUTO(buf) text = BUF_INIT(TEXT_LIMIT);
    (void)buf_addz(&text, l->action);
    for (uint32_t i = 0; i < l->forwards.n; i++) { /* those to here first */
        const struct elb_forward *w = LIST_AT(struct elb_forward, l->forwards, i);
        if (strcmp(w->group_arn, arn) == 0) {
            add_forward(&text, w, arn);
        }
    }
    for (uint32_t i = 0; i < l->forwards.n; i++) {
        const struct elb_forward *w = LIST_AT(struct elb_forward, l->forwards, i);
        if (strcmp(w->group_arn, arn) != 0) {
            add_forward(&text, w, arn);
        }
    }
    finding_evidence(j, f, object,
                     arena_printf(j->a, "listener %s:%lld", l->protocol, (long long)l->port),
                     "%.400s", buf_str(&text));
}

void route_say(struct judge *j, struct finding *f, const struct facts_group *g)
{
    struct route_view v = route_view_of(g);
    if (v.balancer == NULL) {
        finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->arn), "load balancers",
                         "%u; listeners and rules not read",
                         g->group != NULL ? g->group->load_balancer_arns.n : 0);
        return;
    }
    const struct elb_balancer *b = v.balancer;
    const char *object =
        arena_printf(j->a, "LoadBalancer/%s", b->name[0] != '\0' ? b->name : b->arn);
    const char *verdict = v.forwards > 0     ? "some forward here"
                          : v.weightless > 0 ? "one forwards here, with weight 0"
                          : v.known          ? "none forwards here"
                                             : "rules not read";
    finding_evidence(j, f, object,
                     b == g->balancer ? "listeners and rules"
                                      : "listeners and rules (it sent here before)",
                     "%u and %lld: %s", b->listeners.n, (long long)v.rules, verdict);
    for (uint32_t i = 0; i < b->listeners.n && i < LISTENERS_TOLD; i++) {
        say_listener(j, f, object, LIST_AT(struct elb_listener, b->listeners, i), g->arn);
    }
}

void route_say_limits(struct judge *j, struct finding *f, const struct facts_group *g)
{
    static const char *const keys[] = {
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = group_attribute(g->group, keys[i]);
        if (value != NULL) {
            finding_evidence(j, f, arena_printf(j->a, "TargetGroup/%s", g->arn), keys[i], "%.40s",
                             value);
        }
    }
}
