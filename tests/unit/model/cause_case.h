/*
 * Tables of cases for the rules of the catalogue. A case is a scene - a function that changes an
 * ordinary shop until something is wrong (or nothing is) - and what must be said about it.
 *
 * The shop: Deployment web of two pods behind Service web and binding web (type ip), gated, in a
 * labelled namespace whose injecting webhook is known; the controller's lease is renewed. Its pods
 * were made and judged once, containers not ready; the clock stands 5 s later.
 */
#ifndef GATEHOUSE_TESTS_MODEL_CAUSE_CASE_H
#define GATEHOUSE_TESTS_MODEL_CAUSE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "model/cause.h"
#include "unit/model/build.h"

#define GATE LBC "web"

struct scene_case {
    const char *name;
    void (*scene)(struct lab *l);
    const char *code; /* a finding that must be there; NULL = none above info */
    bool primary;     /* ... and is the primary cause */
    enum severity severity;
    bool terminal;
    bool likely;
    const char *never; /* a code that must not be there */
    const char *text;  /* a part of its message, action or commands */
};

static inline void shop_webhook(struct lab *l)
{
    struct kube_webhook_config *c =
        LAB_LIST(l, l->cluster.webhook_configs, l->webhook_configs, LAB_MANY);
    record_clear(kind_info(KIND_WEBHOOK_CONFIG)->table, c);
    c->meta.name = "aws-load-balancer-webhook";
    struct webhook *w = lab_item(l, &c->webhooks, sizeof *w);
    *w = (struct webhook){.name = "mpod.elbv2.k8s.aws",
                          .service_namespace = "kube-system",
                          .service_name = "aws-load-balancer-webhook-service",
                          .path = "/mutate-v1-pod",
                          .url = "",
                          .failure_policy = "Ignore"};
    struct webhook_rule *rule = lab_item(l, &w->rules, sizeof *rule);
    lab_str(l, &rule->resources, "pods");
    struct selector_term *term = lab_item(l, &w->namespace_selector.terms, sizeof *term);
    w->namespace_selector.present = 1;
    *term = (struct selector_term){.key = "elbv2.k8s.aws/pod-readiness-gate-inject", .op = "In"};
    lab_str(l, &term->values, "enabled");
    term = lab_item(l, &w->object_selector.terms, sizeof *term);
    w->object_selector.present = 1;
    *term = (struct selector_term){.key = "app.kubernetes.io/name", .op = "NotIn"};
    lab_str(l, &term->values, "aws-load-balancer-controller");
}

static inline struct webhook *shop_hook(struct lab *l)
{
    return (struct webhook *)(uintptr_t)l->webhook_configs[0].webhooks.items;
}

/* The webhook becomes the one of EKS Auto Mode. */
static inline void shop_auto_webhook(struct lab *l)
{
    struct webhook *w = shop_hook(l);
    l->webhook_configs[0].meta.name = "eks-load-balancing-webhook";
    w->name = "mpod.eks.amazonaws.com";
    w->service_namespace = "";
    w->service_name = "";
    w->path = "";
    w->url = "https://10.100.0.2/mutate-v1-pod";
    struct selector_term *term =
        (struct selector_term *)(uintptr_t)w->namespace_selector.terms.items;
    term->key = "eks.amazonaws.com/pod-readiness-gate-inject";
    w->object_selector.present = 0;
}

static inline struct kube_lease *shop_lease(struct lab *l)
{
    struct kube_lease *lease = LAB_LIST(l, l->cluster.leases, l->leases, LAB_MANY);
    record_clear(kind_info(KIND_LEASE)->table, lease);
    lease->meta.name = "aws-load-balancer-controller-leader";
    lease->meta.namespace = "kube-system";
    lease->holder = "aws-load-balancer-controller-1";
    lease->renew_at = l->f.now;
    return lease;
}

/* Moves the clock, the controller renewing its lease. */
static inline void shop_after(struct lab *l, int64_t seconds)
{
    (void)lab_judge(l);
    lab_after(l, seconds);
    if (l->leases[0].renew_at != 0) {
        l->leases[0].renew_at = l->f.now;
    }
    for (uint32_t i = 0; i < l->ns.bindings.n; i++) {
        if (l->bindings[i].group->known) {
            l->bindings[i].group->observed_at = l->f.now;
        }
    }
}

static inline struct kube_pod *shop_pod(struct lab *l, const char *name)
{
    struct kube_pod *p = lab_pod(l, name, "hash1");
    lab_gate(l, p, GATE);
    (void)lab_slice(l, &l->services[0]);
    return p;
}

static inline struct lab *shop_new(void)
{
    struct lab *l = lab_new();
    lab_inject(l);
    shop_webhook(l);
    (void)shop_lease(l);
    (void)lab_deployment(l, "web", 2);
    struct kube_service *s = lab_service(l, "web", "app", "web", 80, "8080");
    s->meta.created_at = LAB_T0 - 86400000;
    (void)lab_binding(l, "web", "web", "80", "ip");
    (void)shop_pod(l, "web-1");
    (void)shop_pod(l, "web-2");
    shop_after(l, 5);
    return l;
}

/* The containers of all pods are ready, and the slice says so. */
static inline void shop_ready(struct lab *l)
{
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        lab_containers_ready(l, l->pods[i], true);
    }
    (void)lab_slice(l, &l->services[0]);
}

/* The gates of all pods take this status, and the target with it ("" = ELBv2 is not asked). */
static inline void shop_gates(struct lab *l, const char *status, const char *reason,
                              const char *state)
{
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        struct kube_pod *p = l->pods[i];
        if (p->gates.n > 0) {
            lab_gate_set(l, p, p->gates.items[0], status, reason);
        }
        if (state[0] != '\0') {
            (void)lab_target(l, &l->bindings[0], p, 8080, state, reason);
        }
    }
    (void)lab_slice(l, &l->services[0]);
}

/* Both pods serve. */
static inline void shop_serves(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    shop_after(l, 20);
    shop_gates(l, "True", "", "healthy");
    shop_after(l, 20);
}

static inline const struct finding *shop_worst(const struct lab *l)
{
    const struct finding *worst = NULL;
    for (uint32_t i = 0; i < l->v.findings.n; i++) {
        const struct finding *f = LIST_AT(struct finding, l->v.findings, i);
        if (worst == NULL || f->severity > worst->severity) {
            worst = f;
        }
    }
    return worst;
}

static inline bool says_text(const struct finding *f, const char *text)
{
    bool found = strstr(f->message, text) != NULL || strstr(f->action, text) != NULL;
    for (uint32_t i = 0; i < f->commands.n; i++) {
        found = found || strstr(f->commands.items[i], text) != NULL;
    }
    return found;
}

/* Of a finding, which may be missing (NULL). */
static inline bool has_action(const struct finding *f, const char *part)
{
    return f != NULL && strstr(f->action, part) != NULL;
}

static inline bool has_command(const struct finding *f, const char *part)
{
    bool found = false;
    for (uint32_t i = 0; f != NULL && i < f->commands.n; i++) {
        found = found || strstr(f->commands.items[i], part) != NULL;
    }
    return found;
}

/* A mark of the texts that was not filled in: {word}, {:word}, {(word)}. Braces of messages are no
 * marks. */
static inline bool has_mark(const char *text)
{
    for (const char *at = strchr(text, '{'); at != NULL; at = strchr(at + 1, '{')) {
        const char *word = at + 1 + strspn(at + 1, ":( ");
        size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzPods");
        size_t end = n + strspn(word + n, ")");
        if (n > 0 && word[end] == '}') {
            return true;
        }
    }
    return false;
}

/* Every finding has its words, evidence, and no mark left unfilled. */
static inline bool well_written(const struct finding *f)
{
    bool good = f->message[0] != '\0' && f->action[0] != '\0' && f->evidence.n > 0 &&
                !has_mark(f->message) && !has_mark(f->action) && f->since > 0 &&
                cause_get(f->code) != NULL;
    for (uint32_t i = 0; i < f->evidence.n; i++) {
        const struct evidence *e = LIST_AT(struct evidence, f->evidence, i);
        size_t n = strlen(e->value);
        good = good && e->object[0] != '\0' && e->field[0] != '\0' && e->value[0] != ':' &&
               (n == 0 || e->value[n - 1] != ' ');
    }
    if (!good) {
        print_error("badly written: %s: \"%s\", %u pieces of evidence\n", f->code, f->message,
                    f->evidence.n);
    }
    return good;
}

static inline bool case_holds(const struct scene_case *c, struct lab *l)
{
    const struct finding *worst = shop_worst(l);
    const struct finding *f = c->code != NULL ? lab_finding(l, c->code) : NULL;
    if (c->code == NULL && worst != NULL && worst->severity > SEVERITY_INFO) {
        print_error("%s: %s %s, wanted nothing above info\n", c->name,
                    severity_name(worst->severity), worst->code);
        return false;
    }
    if (c->never != NULL && lab_finding(l, c->never) != NULL) {
        print_error("%s: says %s\n", c->name, c->never);
        return false;
    }
    if (c->code == NULL) {
        return true;
    }
    if (f == NULL) {
        print_error("%s: says %s, wanted %s\n", c->name,
                    l->v.primary != NULL ? l->v.primary->code : "nothing", c->code);
        return false;
    }
    bool good = f->severity == c->severity && f->terminal == c->terminal &&
                (f->confidence == CONFIDENCE_LIKELY) == c->likely && f->primary == c->primary &&
                (c->text == NULL || says_text(f, c->text));
    if (!good) {
        print_error("%s: %s%s%s, %s, %s: %s\n", c->name, severity_name(f->severity),
                    f->terminal ? ", terminal" : "", f->primary ? ", primary" : "",
                    confidence_name(f->confidence), f->message, f->action);
    }
    return good;
}

static inline void hold_cases(const struct scene_case *cases, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        struct lab *l = shop_new();
        cases[i].scene(l);
        (void)lab_judge(l);
        bad += case_holds(&cases[i], l) ? 0 : 1;
        for (uint32_t k = 0; k < l->v.findings.n; k++) {
            bad += well_written(LIST_AT(struct finding, l->v.findings, k)) ? 0 : 1;
        }
        lab_free(l);
    }
    assert_int_equal(bad, 0);
}
#define HOLD_CASES(cases) hold_cases(cases, sizeof(cases) / sizeof((cases)[0]))

#endif
