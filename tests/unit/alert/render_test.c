/* Bodies: valid JSON whatever the cluster's texts are, and never too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alert/render.h"
#include "case.h"

static const struct render_alert shown = {.key = "prod/shop/Deployment/web",
                                          .revision_hash = "6c9f",
                                          .cause = "health_check_code_mismatch",
                                          .started_at = INT64_C(1700000000000),
                                          .reason = ""};

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *v = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (v == NULL) {
        fail_msg("%s in %.200s", error.text, text);
    }
    return v;
}

static const char *at(const json_t *v, const char *a, const char *b)
{
    const char *text = json_string_value(json_object_get(json_object_get(v, a), b));
    return text != NULL ? text : "(none)";
}

static void given_a_stuck_rollout_then_the_fields_of_the_interface(void **state)
{
    (void)state;
    struct alert_case c;
    const struct config *config = case_load(case_config);
    case_init(&c, config);
    c.policy.runbook = "https://wiki.example/web";
    json_t *v = parse(render_rollout(&c.subject, &shown));
    assert_string_equal(json_string_value(json_object_get(v, "state")), "stuck");
    assert_string_equal(at(v, "cause", "code"), "health_check_code_mismatch");
    assert_string_equal(at(v, "links", "rollout"), "https://gate.example/r/shop/Deployment/web");
    assert_string_equal(at(v, "links", "runbook"), "https://wiki.example/web");
    assert_string_equal(at(v, "alert", "started_at"), "2023-11-14T22:13:20Z");
    assert_true(json_is_null(json_object_get(json_object_get(v, "alert"), "ended_at")));
    assert_string_equal(json_string_value(json_object_get(v, "summary")),
                        "Deployment shop/web in prod is stuck: 7 of 12 pods serve, cause "
                        "health_check_code_mismatch");
    const json_t *pods = json_object_get(v, "pods");
    assert_int_equal(json_integer_value(json_object_get(pods, "desired")), 12);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(pods, "by_state"), "failing")), 5);
    json_decref(v);
    config_unref(config);
    arena_free(c.arena);
}

/* Texts of a cluster that wants to break out, and far too many of them. */
static void given_hostile_and_huge_facts_then_valid_and_below_twenty_kilobytes(void **state)
{
    (void)state;
    enum { HUGE = 100000, MANY = 300 };
    struct alert_case c;
    const struct config *config = case_load(case_config);
    case_init(&c, config);
    char *huge = malloc(HUGE + 1);
    memset(huge, '<', HUGE);
    memcpy(huge, "\"}\n\x01\xff\xe2\x80", 7);
    huge[HUGE] = '\0';
    const char *texts[MANY];
    struct evidence evidence[MANY];
    struct finding findings[MANY];
    for (size_t i = 0; i < MANY; i++) {
        texts[i] = huge;
        evidence[i] = (struct evidence){huge, huge, huge};
        findings[i] = c.finding;
        findings[i].message = huge;
        findings[i].action = huge;
        findings[i].object = huge;
        findings[i].commands = (struct strs){texts, MANY};
        findings[i].pod_names = (struct strs){texts, MANY};
        findings[i].evidence = (struct list){evidence, MANY};
        findings[i].primary = i == 0;
    }
    c.ns.name = huge;
    c.facts.name = huge;
    c.facts.uid = huge;
    c.verdict.revision_hash = huge;
    c.verdict.images = (struct strs){texts, MANY};
    c.verdict.primary = &findings[0];
    c.verdict.findings = (struct list){findings, MANY};
    const char *data = render_rollout(&c.subject, &shown);
    const char *body = render_standard(ALERT_STUCK, 1, data, c.arena);
    assert_in_range(strlen(body), 1, 20000);
    json_t *v = parse(body);
    assert_string_equal(at(v, "data", "state"), "stuck");
    json_decref(v);

    struct outbox_alert row = {.severity = SEVERITY_ERROR, .started_at = 1, .body = data};
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_BODY);
    render_alertmanager(&row, 2, &b);
    v = parse(buf_str(&b));
    assert_string_equal(at(v, "labels", "severity"), "critical");
    json_decref(v);
    config_unref(config);
    arena_free(c.arena);
    free(huge);
}

static void given_a_damaged_body_then_the_end_is_told_all_the_same(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(0);
    struct render_alert ended = shown;
    ended.ended_at = INT64_C(1700000060000);
    ended.reason = "gone";
    assert_string_equal(render_gone("{nonsense", &ended, a), "{nonsense");
    json_t *v = parse(render_gone("{\"a\":[1,\"\\u0001x\"],\"alert\":{}}", &ended, a));
    assert_string_equal(at(v, "alert", "reason"), "gone");
    json_decref(v);
    struct outbox_alert row = {.body = "{nonsense", .started_at = 1};
    AUTO(buf) b = BUF_INIT(LIMIT_ALERT_BODY);
    render_alertmanager(&row, 0, &b);
    v = parse(buf_str(&b));
    assert_string_equal(at(v, "labels", "alertname"), "RolloutStuck");
    json_decref(v);
}

static void given_the_types_that_are_sent_when_a_receiver_asks_for_them_then_taken(void **state)
{
    (void)state;
    static const char yaml[] =
        "alerts:\n  receivers:\n    - {name: a, format: alertmanager, url: http://h/,\n"
        "       types: [" ALERT_STUCK ", " ALERT_RECOVERED "]}\n";
    const struct config *c = NULL;
    struct err err = {0};
    if (!config_parse("x", yaml, strlen(yaml), &c, &err)) {
        fail_msg("%s", err.text);
    }
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_stuck_rollout_then_the_fields_of_the_interface),
        cmocka_unit_test(given_hostile_and_huge_facts_then_valid_and_below_twenty_kilobytes),
        cmocka_unit_test(given_a_damaged_body_then_the_end_is_told_all_the_same),
        cmocka_unit_test(given_the_types_that_are_sent_when_a_receiver_asks_for_them_then_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
