/* The verdict on a namespace's injection label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/build.h"

#define LBC_KEY  "elbv2.k8s.aws/pod-readiness-gate-inject"
#define AUTO_KEY "eks.amazonaws.com/pod-readiness-gate-inject"

struct row {
    const char *binding; /* "ip", "instance", NULL = none */
    bool automode;       /* the binding is of the other family */
    const char *key, *value;
    bool annotation; /* the key stands in the annotations */
    const char *verdict;
};
static const struct row rows[] = {
    {NULL, false, LBC_KEY, "enabled", false, "not_applicable"},
    {"instance", false, LBC_KEY, "enabled", false, "not_applicable"},
    {"ip", false, LBC_KEY, "enabled", false, "enabled"},
    {"ip", false, LBC_KEY, "true", false, "wrong_value"},
    {"ip", false, LBC_KEY, "Enabled", false, "wrong_value"},
    {"ip", false, AUTO_KEY, "enabled", false, "wrong_family"},
    {"ip", false, LBC_KEY, "enabled", true, "annotation_only"},
    {"ip", false, "other", "enabled", false, "missing"},
    {"ip", true, AUTO_KEY, "enabled", false, "enabled"},
    {"ip", true, LBC_KEY, "enabled", false, "wrong_family"},
};

static void each_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct lab *l = lab_new();
        struct meta *m = &l->ns_object.meta;
        lab_kv(l, r->annotation ? &m->annotations : &m->labels, r->key, r->value);
        if (r->binding != NULL) {
            struct facts_binding *fb = lab_binding(l, "web", "web", "80", r->binding);
            ((struct kube_binding *)(uintptr_t)fb->binding)->meta.kind =
                r->automode ? KIND_BINDING_AUTO : KIND_BINDING_LBC;
        }
        const char *got = namespace_injection(&l->ns, &l->cluster);
        if (strcmp(got, r->verdict) != 0) {
            fail_msg("row %zu: %s, not %s", i, got, r->verdict);
        }
        lab_free(l);
    }
}

/* A webhook configuration with one pod webhook. */
static struct webhook *injector(struct lab *l, const char *name, const char *path)
{
    struct kube_webhook_config *c =
        LAB_LIST(l, l->cluster.webhook_configs, l->webhook_configs, LAB_MANY);
    record_clear(kind_info(KIND_WEBHOOK_CONFIG)->table, c);
    struct webhook *w = lab_item(l, &c->webhooks, sizeof *w);
    *w = (struct webhook){.name = name,
                          .service_namespace = "kube-system",
                          .service_name = "aws-load-balancer-webhook-service",
                          .path = path,
                          .url = "",
                          .failure_policy = "Ignore"};
    struct webhook_rule *rule = lab_item(l, &w->rules, sizeof *rule);
    lab_str(l, &rule->operations, "CREATE");
    lab_str(l, &rule->resources, "pods");
    return w;
}

static void the_live_webhook_decides(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_binding(l, "web", "web", "80", "ip");
    lab_kv(l, &l->ns_object.meta.labels, "team", "shop");
    struct webhook *w = injector(l, "mpod.elbv2.k8s.aws", "/mutate-v1-pod");
    w->namespace_selector.present = 1;
    lab_kv(l, &w->namespace_selector.labels, "team", "shop"); /* helm webhookNamespaceSelectors */
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "enabled");
    w->namespace_selector.labels.n = 0;
    lab_kv(l, &w->namespace_selector.labels, LBC_KEY, "enabled");
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "missing");
    w->namespace_selector.present = 0; /* none at all takes every namespace */
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "enabled");
    lab_free(l);
}

static void other_webhooks_of_the_controller_do_not_inject(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_binding(l, "web", "web", "80", "ip");
    struct webhook *w = injector(l, "mservice.elbv2.k8s.aws", "/mutate-v1-service");
    struct webhook_rule *rule = (struct webhook_rule *)(uintptr_t)w->rules.items;
    rule->resources.n = 0;
    lab_str(l, &rule->resources, "services");
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "missing");
    lab_free(l);
}

static void a_namespace_with_both_families_needs_both_labels(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_binding(l, "web", "web", "80", "ip");
    struct facts_binding *fb = lab_binding(l, "api", "api", "80", "ip");
    ((struct kube_binding *)(uintptr_t)fb->binding)->meta.kind = KIND_BINDING_AUTO;
    lab_inject(l); /* right for the one, and the other's is not there */
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "missing");
    assert_string_equal(namespace_injection_of(&l->ns, &l->cluster, false), "enabled");
    assert_string_equal(namespace_injection_of(&l->ns, &l->cluster, true), "missing");
    lab_kv(l, &l->ns_object.meta.labels, AUTO_KEY, "enabled");
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "enabled");
    l->ns.object = NULL;
    assert_string_equal(namespace_injection(&l->ns, &l->cluster), "not_applicable");
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row),
        cmocka_unit_test(the_live_webhook_decides),
        cmocka_unit_test(other_webhooks_of_the_controller_do_not_inject),
        cmocka_unit_test(a_namespace_with_both_families_needs_both_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
