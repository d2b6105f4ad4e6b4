/*
 * Cases of other people: what public threads report, told in our own words and names as the objects
 * of that user's cluster, and what an on-call engineer would want to hear - or not to hear. Each
 * case is judged in several towns, so that a rule is no fit to one example:
 *
 *   plain   two pods, the open-source controller, ELBv2 and events to be seen
 *   many    seven pods under other names
 *   auto    EKS Auto Mode: its bindings, gates, label and webhook; no lease, no controller pods
 *   blind   no rights to ask ELBv2
 *   deaf    events cannot be seen
 *   fresh   gatehouse came only now: nothing was watched on the way
 *
 * What is wanted may differ where less can be seen (`unless`), and a town may make no sense for a
 * case (`skip`). TOWN_SHOW=1 prints what is said, for reading.
 *
 * The stage: Deployment of `pods` pods behind a Service and a binding of type ip, in a labelled
 * namespace. A scene makes the pods itself, since gates are fixed when a pod is made.
 */
#ifndef GATEHOUSE_TESTS_MODEL_TOWN_H
#define GATEHOUSE_TESTS_MODEL_TOWN_H

#include <stdlib.h>

#include "unit/model/cause_case.h"

enum vary { PLAIN, MANY, AUTO, BLIND, DEAF, FRESH, TOWNS };
#define IN(town) (1u << (town))

struct town {
    struct lab *l;
    enum vary vary;
    const char *app;     /* workload, Service and label app */
    const char *binding; /* name */
    const char *gate;    /* condition type */
    uint32_t pods;       /* to be made by town_pods() */
    struct facts_binding *b;
    struct kube_service *s;
    struct kube_workload *w;
};

struct expect {
    const char *code; /* of the primary cause; NULL = nothing above info is said */
    enum severity severity;
    bool terminal;
    const char *says; /* a part of message, action or commands */
};

struct public_case {
    const char *name;
    const char *source; /* where it was reported */
    void (*scene)(struct town *t);
    struct expect want;
    struct {
        unsigned in; /* towns */
        struct expect want;
    } unless[3];
    unsigned skip;      /* towns that make no sense here */
    const char *around; /* a warning about namespace or cluster that may be there though quiet */
};

/* What is wanted of the primary cause: a part of its words, or NULL. */
#define ERR(code, says)                                                                            \
    {                                                                                              \
        code, SEVERITY_ERROR, false, says                                                          \
    }
#define WARN(code, says)                                                                           \
    {                                                                                              \
        code, SEVERITY_WARNING, false, says                                                        \
    }
#define DEAD(code, says)                                                                           \
    {                                                                                              \
        code, SEVERITY_ERROR, true, says                                                           \
    }
#define QUIET                                                                                      \
    {                                                                                              \
        NULL, SEVERITY_INFO, false, NULL                                                           \
    }

/* ---- the stage ---- */

static inline const char *town_label(const struct town *t)
{
    return t->vary == AUTO ? "eks.amazonaws.com/pod-readiness-gate-inject"
                           : "elbv2.k8s.aws/pod-readiness-gate-inject";
}

/* Another binding (and its Service under the same label) of the town's family. */
static inline struct facts_binding *town_binding(struct town *t, const char *name,
                                                 const char *service, const char *port)
{
    struct facts_binding *b = lab_binding(t->l, name, service, port, "ip");
    struct kube_binding *kb = (struct kube_binding *)(uintptr_t)b->binding;
    if (t->vary == AUTO) {
        kb->meta.kind = KIND_BINDING_AUTO;
        kb->api_version = "eks.amazonaws.com/v1";
    }
    return b;
}

static inline const char *town_gate(struct town *t, const char *binding)
{
    return arena_printf(t->l->a, "%s%s", t->vary == AUTO ? AUTO_GATE : LBC, binding);
}

static inline struct town town_new(enum vary vary)
{
    static const struct {
        const char *app;
        const char *binding;
    } names[TOWNS] = {{"checkout", "k8s-shop-checkout-4f6a2b81c0"},
                      {"storefront-api", "public-edge"},
                      {"catalog", "k8s-shop-catalog-09ac1d77e2"},
                      {"checkout", "k8s-shop-checkout-4f6a2b81c0"},
                      {"ingress-gw", "k8s-shop-ingressg-51d0f2b3aa"},
                      {"mailer", "mailer-tgb"}};
    struct town t = {.l = lab_new(), .vary = vary, .app = names[vary].app};
    struct lab *l = t.l;
    t.binding = names[vary].binding;
    t.pods = vary == MANY ? 7 : 2;
    t.gate = town_gate(&t, t.binding);
    lab_kv(l, &l->ns_object.meta.labels, town_label(&t), "enabled");
    if (vary == AUTO) {
        shop_webhook(l);
        shop_auto_webhook(l);
        l->cluster.has_auto = true;
        l->cluster.has_lbc = false;
    } else {
        shop_webhook(l);
        (void)shop_lease(l);
    }
    if (vary == BLIND) {
        l->cluster.aws_known = false;
        l->cluster.aws_state = "off";
    }
    t.w = lab_deployment(l, t.app, t.pods);
    t.s = lab_service(l, t.app, "app", t.app, 80, "8080");
    t.s->meta.created_at = LAB_T0 - 86400000;
    t.b = town_binding(&t, t.binding, t.app, "80");
    return t;
}

static inline struct kube_binding *town_spec(struct facts_binding *b)
{
    return (struct kube_binding *)(uintptr_t)b->binding;
}

/* ---- what happens ---- */

static inline struct kube_lease *town_lease(struct town *t)
{
    return t->l->cluster.leases.n > 0 ? &t->l->leases[0] : NULL;
}

static inline void town_step(struct town *t, int64_t seconds)
{
    struct lab *l = t->l;
    struct kube_lease *lease = town_lease(t);
    bool renews = lease != NULL && lease->renew_at >= l->f.now - 20000;
    lab_clock(l, seconds);
    if (lease != NULL && renews) {
        lease->renew_at = l->f.now;
    }
    for (uint32_t i = 0; i < l->ns.bindings.n; i++) {
        if (l->bindings[i].group->known || l->bindings[i].group->gone) {
            l->bindings[i].group->observed_at = l->f.now;
        }
    }
}

/* Time goes by with the controller and our polls at work; what is judged on the way, at the moments
 * the verdict asks for, is remembered, but for a fresh town. */
static inline void town_after(struct town *t, int64_t seconds)
{
    struct lab *l = t->l;
    int64_t end = l->f.now + seconds * 1000;
    while (t->vary != FRESH && l->f.now < end) {
        int64_t look = lab_judge(l)->next_look;
        lab_remember(l);
        int64_t next = look > l->f.now && look < end ? look : end;
        town_step(t, (next - l->f.now + 999) / 1000);
    }
    if (t->vary == FRESH) {
        town_step(t, seconds);
    }
}

static inline void town_slices(struct town *t)
{
    for (uint32_t i = 0; i < t->l->ns.services.n; i++) {
        (void)lab_slice(t->l, &t->l->services[i]);
    }
}

/* Pods of a revision, gated by these bindings' gates (NULL-terminated list of condition types). */
static inline struct kube_pod *town_pod(struct town *t, const char *hash, const char *gate)
{
    struct lab *l = t->l;
    struct kube_pod *p =
        lab_pod(l, arena_printf(l->a, "%s-%s-%c%c%ux", t->app, hash, 'k', 'z', l->f.pods.n), hash);
    if (gate != NULL) {
        lab_gate(l, p, gate);
    }
    town_slices(t);
    return p;
}

static inline void town_pods(struct town *t, const char *gate)
{
    for (uint32_t i = 0; i < t->pods; i++) {
        (void)town_pod(t, "hash1", gate);
    }
}

static inline bool town_lives(const struct kube_pod *p)
{
    return p->meta.deleted_at == 0 && strcmp(p->phase, "Running") == 0;
}

static inline void town_up(struct town *t)
{
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        if (town_lives(p)) {
            struct container_status *c = (struct container_status *)(uintptr_t)p->statuses.items;
            c->ready = 1;
            c->started = 1;
            lab_containers_ready(t->l, p, true);
        }
    }
    town_slices(t);
}

/* ELBv2's word on the pods of a binding: all, or the first n. */
static inline void town_elb(struct town *t, struct facts_binding *b, const char *state,
                            const char *reason, const char *text)
{
    for (uint32_t i = 0; t->vary != BLIND && i < t->l->f.pods.n; i++) {
        if (town_lives(t->l->pods[i])) {
            lab_target(t->l, b, t->l->pods[i], 8080, state, reason)->t.description = text;
        }
    }
}

/* The controller writes the gate of all pods that have it. */
static inline void town_write(struct town *t, const char *gate, const char *status,
                              const char *reason, const char *text)
{
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        struct kube_pod *p = t->l->pods[i];
        bool has = false;
        for (uint32_t k = 0; k < p->gates.n; k++) {
            has = has || strcmp(p->gates.items[k], gate) == 0;
        }
        if (has && town_lives(p)) {
            (void)lab_condition(t->l, p, gate, status, reason, text);
            lab_kubelet(t->l, p);
        }
    }
    town_slices(t);
}

static inline void town_says(struct town *t, const char *state, const char *reason,
                             const char *text)
{
    bool healthy = strcmp(state, "healthy") == 0;
    town_elb(t, t->b, state, reason, text);
    town_write(t, t->gate, healthy ? "True" : "False", reason, text);
}

/* Made, started, registered and open: everybody serves. */
static inline void town_serves(struct town *t)
{
    if (t->l->f.pods.n == 0) {
        town_pods(t, t->gate);
    }
    town_after(t, 8);
    town_up(t);
    town_says(t, "initial", "Elb.RegistrationInProgress", "Target registration is in progress");
    town_after(t, 20);
    town_says(t, "healthy", "", "");
    town_after(t, 20);
}

static inline struct kube_event *town_warns(struct town *t, const char *kind, const char *name,
                                            const char *reason, const char *message)
{
    static struct kube_event unheard;
    return t->vary == DEAF ? &unheard : lab_event(t->l, kind, name, reason, message);
}

/* A warning about each pod. */
static inline void town_pods_warn(struct town *t, const char *reason, const char *message)
{
    for (uint32_t i = 0; i < t->l->f.pods.n; i++) {
        (void)town_warns(t, "Pod", t->l->pods[i]->meta.name, reason, message);
    }
}

/* Nobody knows what the load balancer says and what the group is, or all of it. */
static inline struct elb_group *town_group(struct town *t, struct facts_binding *b)
{
    struct elb_group *g = arena_alloc(t->l->a, sizeof *g);
    record_clear(&elb_group_table, g);
    g->arn = b->binding->arn;
    g->name = b->binding->meta.name;
    g->target_type = "ip";
    g->health_protocol = "HTTP";
    g->health_port = "traffic-port";
    g->health_path = "/";
    g->matcher = "200";
    g->health_interval = 15;
    g->health_timeout = 5;
    lab_str(t->l, &g->load_balancer_arns,
            "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/x");
    if (t->vary != BLIND) {
        b->group->group = g;
        lab_group_known(t->l, b);
    }
    return g;
}

/* ---- judgement ---- */

static inline void town_show(const struct public_case *c, const struct town *t)
{
    static const char *const names[TOWNS] = {"plain", "many", "auto", "blind", "deaf", "fresh"};
    const struct rollout_verdict *v = &t->l->v;
    print_message("== %s (%s) [%s]: %s, %s\n", c->name, c->source, names[t->vary],
                  rollout_state_name(v->state), v->primary != NULL ? v->primary->code : "-");
    for (uint32_t i = 0; i < v->findings.n; i++) {
        const struct finding *f = LIST_AT(struct finding, v->findings, i);
        print_message("   %s %s%s%s%s\n     %s\n     > %s\n", severity_name(f->severity), f->code,
                      f->primary ? " PRIMARY" : "", f->terminal ? " terminal" : "",
                      f->confidence == CONFIDENCE_LIKELY ? " likely" : "", f->message, f->action);
        for (uint32_t k = 0; k < f->commands.n; k++) {
            print_message("     $ %s\n", f->commands.items[k]);
        }
        for (uint32_t k = 0; k < f->evidence.n && k < 4; k++) {
            const struct evidence *e = LIST_AT(struct evidence, f->evidence, k);
            print_message("     . %s %s: %s\n", e->object, e->field, e->value);
        }
    }
}

static inline bool town_quiet(const struct public_case *c, const struct list *findings,
                              const char *where)
{
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        if (f->severity > SEVERITY_INFO && (c->around == NULL || strcmp(c->around, f->code) != 0)) {
            print_error("%s: %s: %s %s: %s\n", c->name, where, severity_name(f->severity), f->code,
                        f->message);
            return false;
        }
    }
    return true;
}

static inline bool town_holds(const struct public_case *c, const struct town *t)
{
    struct lab *l = t->l;
    const struct expect *e = &c->want;
    for (size_t i = 0; i < sizeof c->unless / sizeof c->unless[0]; i++) {
        e = (c->unless[i].in & IN(t->vary)) != 0 ? &c->unless[i].want : e;
    }
    const struct finding *p = l->v.primary;
    if (e->code == NULL) {
        enum rollout_state s = l->v.state;
        if (s == ROLLOUT_FAILED || s == ROLLOUT_STUCK || s == ROLLOUT_EXPOSED ||
            s == ROLLOUT_SLOW || s == ROLLOUT_UNKNOWN) {
            print_error("%s: %s\n", c->name, rollout_state_name(s));
            return false;
        }
        struct scope_verdict ns;
        struct scope_verdict cluster;
        judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &ns);
        judge_cluster(&l->cluster, &l->policy, l->a, &cluster);
        return town_quiet(c, &l->v.findings, "rollout") &&
               town_quiet(c, &ns.findings, "namespace") &&
               town_quiet(c, &cluster.findings, "cluster");
    }
    bool good = p != NULL && strcmp(p->code, e->code) == 0 && p->severity == e->severity &&
                p->terminal == e->terminal && (e->says == NULL || says_text(p, e->says));
    if (!good) {
        print_error("wanted %s %s%s%s%s, got %s%s\n", severity_name(e->severity), e->code,
                    e->terminal ? " terminal" : "", e->says != NULL ? ": " : "",
                    e->says != NULL ? e->says : "", p != NULL ? p->code : "nothing",
                    p != NULL && p->terminal ? " terminal" : "");
        town_show(c, t);
    }
    return good;
}

/* No mark left, no name missing: what can be pasted is whole. */
static inline bool town_pasteable(const struct finding *f)
{
    for (uint32_t i = 0; i < f->commands.n; i++) {
        const char *s = f->commands.items[i];
        if (strstr(s, "  ") != NULL || strstr(s, "<") != NULL || strstr(s, "-n  ") != NULL ||
            strstr(s, "NAME") != NULL || s[strlen(s) - 1] == ' ') {
            print_error("cannot be pasted: %s: %s\n", f->code, s);
            return false;
        }
    }
    return true;
}

static inline void hold_public_cases(const struct public_case *cases, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        for (enum vary vary = PLAIN; vary < TOWNS; vary++) {
            if ((cases[i].skip & IN(vary)) != 0) {
                continue;
            }
            struct town t = town_new(vary);
            cases[i].scene(&t);
            if (vary == FRESH) {
                t.l->cluster.started_at = t.l->f.now;
            }
            (void)lab_judge(t.l);
            if (getenv("TOWN_SHOW") != NULL) {
                town_show(&cases[i], &t);
            }
            bad += town_holds(&cases[i], &t) ? 0 : 1;
            for (uint32_t k = 0; k < t.l->v.findings.n; k++) {
                const struct finding *f = LIST_AT(struct finding, t.l->v.findings, k);
                bad += well_written(f) && town_pasteable(f) ? 0 : 1;
            }
            lab_free(t.l);
        }
    }
    assert_int_equal(bad, 0);
}
#define HOLD_PUBLIC(cases) hold_public_cases(cases, sizeof(cases) / sizeof((cases)[0]))

#endif
