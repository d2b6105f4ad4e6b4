/* Policies: the nearest source that says something wins, and nonsense is left out and noted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/policy.h"

static const char text[] = "gates: {families: [duty=duty.example.org/]}\n"
                           "pace:\n  stuck_min: 77s\n  overrides:\n"
                           "    - {namespace: shop, workload: deployment/web, stuck_after: 3m}\n"
                           "    - {namespace: shop, stuck_after: 5m, alerts: false,"
                           " runbook: 'https://w.example/shop'}\n"
                           "    - {workload: api, stuck_after: 9m}\n";

struct fixture {
    const struct config *config;
    struct arena *arena;
    struct kube_namespace ns_object;
    struct kube_workload workload;
    struct facts_namespace ns;
    struct facts facts;
    struct policy policy;
    struct policy_notes notes;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    if (!config_parse("t.yaml", text, strlen(text), &f->config, &err)) {
        fail_msg("%s", err.text);
    }
    f->arena = arena_new(0);
    f->ns = (struct facts_namespace){.name = "shop", .object = &f->ns_object};
    f->facts =
        (struct facts){.ns = &f->ns, .kind = "Deployment", .name = "web", .workload = &f->workload};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    config_unref(f->config);
    arena_free(f->arena);
    free(f);
    return 0;
}

static const struct policy *merged(struct fixture *f)
{
    policy_rollout(f->config, &f->facts, f->arena, &f->policy, &f->notes);
    return &f->policy;
}

static void given_families_of_gates_then_every_policy_has_them(void **state)
{
    struct fixture *f = *state;
    struct policy general;
    policy_general(f->config, &general);
    assert_string_equal(merged(f)->families[0], "duty=duty.example.org/");
    assert_string_equal(general.families[0], "duty=duty.example.org/");
}

static void given_overrides_then_the_first_match_counts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(merged(f)->stuck_min_ms, 77000);
    assert_int_equal(f->policy.stuck_after_ms, 180000);
    assert_false(f->policy.alerts_off);
    assert_string_equal(f->policy.runbook, "");
    f->facts.name = "api";
    assert_int_equal(merged(f)->stuck_after_ms, 300000);
    assert_true(f->policy.alerts_off);
    assert_string_equal(f->policy.runbook, "https://w.example/shop");
    f->ns.name = "other";
    assert_int_equal(merged(f)->stuck_after_ms, 540000);
    f->facts.name = "web";
    assert_int_equal(merged(f)->stuck_after_ms, 0);
    f->ns.name = "shop";
    f->facts.kind = "StatefulSet"; /* the first override names another kind */
    assert_int_equal(merged(f)->stuck_after_ms, 300000);
}

static void given_annotations_then_the_nearest_wins_field_by_field(void **state)
{
    struct fixture *f = *state;
    static const struct kv on_ns[] = {{"gatehouse.dev/alerts", "off"},
                                      {"gatehouse.dev/runbook", "https://w.example/ns"},
                                      {"gatehouse.dev/stuck-after", "1h30m"}};
    static const struct kv on_workload[] = {{"gatehouse.dev/alerts", "on"},
                                            {"gatehouse.dev/stuck-after", "10m"}};
    f->ns_object.meta.annotations = (struct kvs){on_ns, 3};
    assert_int_equal(merged(f)->stuck_after_ms, 5400000);
    assert_true(f->policy.alerts_off);
    f->workload.meta.annotations = (struct kvs){on_workload, 2};
    assert_int_equal(merged(f)->stuck_after_ms, 600000);
    assert_false(f->policy.alerts_off);
    assert_string_equal(f->policy.runbook, "https://w.example/ns");
    assert_int_equal(f->notes.n, 0);
}

static void given_annotations_that_cannot_be_read_then_left_out_and_noted(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[][2] = {
        {"gatehouse.dev/stuck-after", "10"},
        {"gatehouse.dev/stuck-after", ""},
        {"gatehouse.dev/stuck-after", "0s"},
        {"gatehouse.dev/stuck-after", "-5m"},
        {"gatehouse.dev/stuck-after", "25h"},
        {"gatehouse.dev/stuck-after", "99999999999999999999d"},
        {"gatehouse.dev/alerts", "no"},
        {"gatehouse.dev/runbook", "javascript:alert(1)"},
        {"gatehouse.dev/runbook", "https://"},
        {"gatehouse.dev/runbook", "http://x/\"><script>"},
        {"gatehouse.dev/runbook", "http://x/a b"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct kv pair = {bad[i][0], bad[i][1]};
        f->workload.meta.annotations = (struct kvs){&pair, 1};
        assert_int_equal(merged(f)->stuck_after_ms, 180000);
        assert_false(f->policy.alerts_off);
        assert_string_equal(f->policy.runbook, "");
        assert_int_equal(f->notes.n, 1);
        assert_non_null(strstr(f->notes.text[0], "Deployment shop/web"));
        assert_non_null(strstr(f->notes.text[0], bad[i][0]));
    }
}

static void given_a_bare_pod_then_its_own_annotations_count(void **state)
{
    struct fixture *f = *state;
    static const struct kv own[] = {{"gatehouse.dev/stuck-after", "2m"}};
    struct kube_pod pod = {.meta.annotations = {own, 1}};
    struct facts_pod fp = {.pod = &pod};
    f->facts.workload = NULL;
    f->facts.kind = "Pod";
    f->facts.name = "lone";
    f->facts.pods = (struct list){&fp, 1};
    assert_int_equal(merged(f)->stuck_after_ms, 120000);
    f->facts.kind = "Job"; /* pods of another owner speak for themselves only */
    assert_int_equal(merged(f)->stuck_after_ms, 300000);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_families_of_gates_then_every_policy_has_them),
        TEST(given_overrides_then_the_first_match_counts),
        TEST(given_annotations_then_the_nearest_wins_field_by_field),
        TEST(given_annotations_that_cannot_be_read_then_left_out_and_noted),
        TEST(given_a_bare_pod_then_its_own_annotations_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
