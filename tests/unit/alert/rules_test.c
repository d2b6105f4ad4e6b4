/* Which verdicts open, change and end an alert, and what lands in the outbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fake_store.h"

#include "case.h"

struct fixture {
    struct store *s;
    const struct config *config;
    struct alert_case c;
    int queued;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->s = fake_open();
    f->config = case_load(case_config);
    case_init(&f->c, f->config);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->c.arena);
    config_unref(f->config);
    fake_close(f->s);
    free(f);
    return 0;
}

static void judge(struct fixture *f)
{
    struct err err = {0};
    f->s->now += 1000;
    f->c.facts.now = f->s->now;
    if (!alert_rollout(f->s, &f->c.subject, &f->queued, &err)) {
        fail_msg("%s", err.text);
    }
}

static int64_t firing(struct fixture *f)
{
    return fake_number(f->s, "SELECT count(*) FROM alert WHERE ended_at = 0");
}

static void assert_text(struct fixture *f, const char *sql, const char *want)
{
    char *text = fake_text(f->s, sql);
    assert_string_equal(text, want);
    free(text);
}

static void given_a_stuck_rollout_then_one_alert_and_a_delivery_for_who_wants_it(void **state)
{
    struct fixture *f = *state;
    judge(f);
    assert_int_equal(firing(f), 1);
    assert_int_equal(f->queued, 2);
    assert_int_equal(f->s->news, 1);
    assert_int_equal(f->s->news_state, 1);
    assert_text(f, "SELECT group_concat(receiver || ' ' || type, ', ') FROM delivery",
                "hook rollout.stuck, am rollout.stuck");
    assert_text(f, "SELECT key FROM alert", "prod/shop/Deployment/web");
    assert_int_equal(fake_number(f->s, "SELECT workload_id FROM alert"), 11);
    assert_int_equal(fake_number(f->s, "SELECT count(DISTINCT webhook_id) FROM delivery"), 1);
    assert_int_equal(fake_number(f->s, "SELECT instr(webhook_id, '.') FROM delivery"), 0);
}

static void given_a_firing_alert_when_still_stuck_then_nobody_is_told_again(void **state)
{
    struct fixture *f = *state;
    judge(f);
    judge(f);
    assert_int_equal(f->queued, 2);
    assert_int_equal(f->s->news, 1);
    int64_t updated = fake_number(f->s, "SELECT updated_at FROM alert");
    assert_int_equal(updated, f->s->now - 1000); /* the same words: not written */
    f->c.finding.code = "no_subnet_route";
    f->c.verdict.state = ROLLOUT_FAILED;
    judge(f);
    assert_int_equal(f->queued, 2);
    assert_int_equal(firing(f), 1);
    assert_text(f, "SELECT cause FROM alert", "no_subnet_route");
    assert_text(f, "SELECT json_extract(body, '$.state') FROM alert", "failed");
    assert_int_equal(f->s->news, 2);
}

static void given_a_firing_alert_when_serving_then_it_ends_and_recovery_is_told(void **state)
{
    struct fixture *f = *state;
    judge(f);
    case_serving(&f->c);
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_int_equal(f->queued, 5); /* hook, am, picky */
    assert_text(f,
                "SELECT group_concat(receiver, ' ') FROM delivery WHERE type = 'rollout.recovered'",
                "hook am picky");
    assert_text(f, "SELECT json_extract(body, '$.alert.reason') FROM alert", "serving");
    assert_text(f, "SELECT json_extract(body, '$.data.alert.cause') FROM delivery WHERE id = 3",
                "health_check_code_mismatch");
    assert_int_equal(f->s->news_state, 0);
    judge(f);
    assert_int_equal(f->queued, 5);
}

static void given_a_firing_alert_when_a_normal_wait_follows_then_it_keeps_its_cause(void **state)
{
    struct fixture *f = *state;
    f->c.verdict.primary = NULL;
    judge(f);
    assert_text(f, "SELECT cause FROM alert", "");
    f->c.finding.code = "gate_awaits_recheck"; /* better than none */
    f->c.finding.severity = SEVERITY_INFO;
    f->c.verdict.primary = &f->c.finding;
    judge(f);
    assert_text(f, "SELECT cause FROM alert", "gate_awaits_recheck");
    f->c.finding.code = "health_check_timeout";
    f->c.finding.severity = SEVERITY_WARNING;
    judge(f);
    assert_text(f, "SELECT cause FROM alert", "health_check_timeout");
    int64_t news = f->s->news;
    f->c.finding.code = "gate_awaits_recheck";
    f->c.finding.severity = SEVERITY_INFO;
    judge(f);
    assert_text(f, "SELECT cause FROM alert", "health_check_timeout");
    assert_int_equal(f->s->news, news);
    case_serving(&f->c);
    judge(f);
    assert_text(f, "SELECT json_extract(body, '$.alert.cause') FROM alert", "health_check_timeout");
}

static void given_a_firing_alert_when_unknown_or_stale_then_it_stays(void **state)
{
    struct fixture *f = *state;
    judge(f);
    f->c.verdict.state = ROLLOUT_UNKNOWN;
    judge(f);
    f->c.verdict.state = ROLLOUT_PROGRESSING; /* a change that is not observed yet */
    f->c.verdict.observed = false;
    judge(f);
    f->c.verdict.observed = true;
    case_serving(&f->c);
    f->c.verdict.stale = true;
    judge(f);
    assert_int_equal(firing(f), 1);
    assert_int_equal(f->queued, 2);
}

static void given_a_stale_stuck_verdict_then_no_alert_opens(void **state)
{
    struct fixture *f = *state;
    f->c.verdict.stale = true;
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_int_equal(f->queued, 0);
}

static void given_pods_that_get_stuck_in_turn_then_one_alert_until_it_is_well(void **state)
{
    struct fixture *f = *state;
    f->c.policy.stuck_min_ms = 90000;
    for (int i = 0; i < 3; i++) {
        f->c.verdict.state = ROLLOUT_STUCK;
        judge(f);
        f->c.verdict.state = ROLLOUT_PROGRESSING;
        f->c.verdict.since = f->s->now;
        f->s->now += 90000;
        judge(f);
        assert_int_equal(firing(f), 1);
        assert_int_equal(alert_next_look(&f->c.facts, &f->c.verdict), f->c.verdict.since + 105000);
    }
    assert_int_equal(f->queued, 2);
    f->s->now = f->c.verdict.since + 105000 - 1000;
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_text(f, "SELECT json_extract(body, '$.alert.reason') FROM alert", "progressing");
    assert_int_equal(alert_next_look(&f->c.facts, &f->c.verdict), 0);
}

static void serves(struct fixture *f, int64_t for_ms)
{
    case_serving(&f->c);
    f->c.verdict.since = f->s->now + 1000; /* as judge() moves the clock */
    judge(f);
    f->s->now += for_ms - 1000;
    judge(f);
}

static void sticks(struct fixture *f)
{
    f->c.verdict.state = ROLLOUT_STUCK;
    f->c.verdict.primary = &f->c.finding;
    f->c.verdict.findings = (struct list){&f->c.finding, 1};
    judge(f);
}

static void
given_a_rollout_that_comes_and_goes_then_its_second_end_is_told_when_it_is_calm(void **state)
{
    struct fixture *f = *state;
    judge(f);
    serves(f, 60000);
    assert_int_equal(firing(f), 0); /* the first end is told at once */
    for (int i = 0; i < 5; i++) {
        sticks(f);
        assert_int_equal(firing(f), 1);
        serves(f, 599000);
        assert_int_equal(firing(f), 1);
        assert_int_equal(alert_next_look(&f->c.facts, &f->c.verdict), f->c.verdict.since + 600000);
    }
    assert_int_equal(fake_number(f->s, "SELECT count(*) FROM alert"), 2);
    serves(f, 600000);
    assert_int_equal(firing(f), 0);
    assert_int_equal(alert_next_look(&f->c.facts, &f->c.verdict), 0);
    assert_text(f, "SELECT group_concat(type, ' ') FROM delivery WHERE receiver = 'hook'",
                "rollout.stuck rollout.recovered rollout.stuck rollout.recovered");
}

static void given_an_end_long_ago_or_of_another_revision_then_recovery_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    judge(f);
    serves(f, 60000);
    f->s->now += 1800000;
    sticks(f);
    serves(f, 2000);
    assert_int_equal(firing(f), 0);
    f->c.verdict.revision_hash = "77aa";
    sticks(f);
    assert_int_equal(firing(f), 1);
    serves(f, 2000);
    assert_int_equal(firing(f), 0);
}

static void given_a_crash_loop_that_serves_for_a_moment_then_its_alert_stays(void **state)
{
    struct fixture *f = *state;
    judge(f);
    case_serving(&f->c);
    f->c.finding.code = "crash_loop";
    f->c.finding.severity = SEVERITY_INFO;
    f->c.finding.primary = false;
    f->c.finding.new_pods = 1;
    f->c.verdict.findings = (struct list){&f->c.finding, 1};
    judge(f);
    assert_int_equal(firing(f), 1);
    assert_text(f, "SELECT cause FROM alert", "health_check_code_mismatch");
    f->c.finding.new_pods = 0; /* of an old revision: it has no say */
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_int_equal(f->queued, 5);
}

static void given_a_new_revision_when_progressing_then_recovered_as_superseded(void **state)
{
    struct fixture *f = *state;
    judge(f);
    f->c.verdict.state = ROLLOUT_PROGRESSING;
    f->c.verdict.revision_hash = "77aa";
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_text(f, "SELECT json_extract(body, '$.alert.reason') FROM alert", "superseded");
}

static void given_a_new_revision_when_stuck_at_once_then_the_old_alert_ends_first(void **state)
{
    struct fixture *f = *state;
    judge(f);
    f->c.verdict.revision_hash = "77aa";
    judge(f);
    assert_int_equal(firing(f), 1);
    assert_text(f, "SELECT group_concat(type, ' ') FROM delivery WHERE receiver = 'hook'",
                "rollout.stuck rollout.recovered rollout.stuck");
    assert_text(f, "SELECT json_extract(body, '$.alert.revision_hash') FROM alert WHERE ended_at=0",
                "77aa");
}

static void given_alerts_off_then_none_opens_and_a_firing_one_ends(void **state)
{
    struct fixture *f = *state;
    f->c.policy.alerts_off = true;
    judge(f);
    assert_int_equal(firing(f), 0);
    f->c.policy.alerts_off = false;
    judge(f);
    assert_int_equal(firing(f), 1);
    f->c.policy.alerts_off = true;
    judge(f);
    assert_int_equal(firing(f), 0);
    assert_text(f, "SELECT json_extract(body, '$.alert.reason') FROM alert", "alerts_off");
}

static void given_a_rollout_that_is_gone_then_its_alert_ends(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    judge(f);
    assert_true(alert_rollout_gone(f->s, f->config, 12, &f->queued, &err));
    assert_int_equal(firing(f), 1);
    assert_true(alert_rollout_gone(f->s, f->config, 11, &f->queued, &err));
    assert_int_equal(firing(f), 0);
    assert_int_equal(f->queued, 5);
    assert_text(f, "SELECT json_extract(body, '$.data.alert.reason') FROM delivery WHERE id = 3",
                "gone");
    assert_text(f, "SELECT json_extract(body, '$.data.name') FROM delivery WHERE id = 3", "web");
}

static void given_an_alert_without_its_workload_when_swept_then_it_ends(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    judge(f);
    fake_exec(f->s, "INSERT INTO workload (id, cluster, ns_id, kind, name)"
                    " VALUES (11, 1, 4, 'Deployment', 'web')");
    assert_true(alert_sweep(f->s, f->config, &f->queued, &err));
    assert_int_equal(firing(f), 1);
    fake_exec(f->s, "DELETE FROM workload");
    assert_true(alert_sweep(f->s, f->config, &f->queued, &err));
    assert_int_equal(firing(f), 0);
}

static void given_two_workloads_then_two_alerts(void **state)
{
    struct fixture *f = *state;
    judge(f);
    f->c.facts.name = "api";
    f->c.subject.workload_id = 12;
    judge(f);
    assert_int_equal(firing(f), 2);
}

static void given_an_alert_over_its_life_then_its_alertmanager_labels_do_not_change(void **state)
{
    struct fixture *f = *state;
    judge(f);
    f->c.finding.severity = SEVERITY_WARNING;
    f->c.finding.code = "other";
    judge(f);
    case_serving(&f->c);
    f->c.verdict.revision_hash = "77aa";
    judge(f);
    assert_text(f, "SELECT json_extract(body, '$[0].labels') FROM delivery WHERE receiver = 'am'",
                "{\"alertname\":\"RolloutStuck\",\"cluster\":\"prod\",\"namespace\":\"shop\","
                "\"kind\":\"Deployment\",\"rollout\":\"web\",\"revision\":\"6c9f\","
                "\"severity\":\"critical\"}");
    assert_int_equal(fake_number(f->s, "SELECT count(DISTINCT json_extract(body, '$[0].labels'))"
                                       " FROM delivery WHERE receiver = 'am'"),
                     1);
    assert_int_equal(fake_number(f->s,
                                 "SELECT json_extract(body, '$[0].endsAt') IS NULL FROM delivery"
                                 " WHERE receiver = 'am' AND type = 'rollout.stuck'"),
                     1);
    assert_int_equal(fake_number(f->s,
                                 "SELECT json_extract(body, '$[0].endsAt') > json_extract(body,"
                                 " '$[0].startsAt') FROM delivery WHERE receiver = 'am' AND"
                                 " type = 'rollout.recovered'"),
                     1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_stuck_rollout_then_one_alert_and_a_delivery_for_who_wants_it),
        TEST(given_a_firing_alert_when_still_stuck_then_nobody_is_told_again),
        TEST(given_a_firing_alert_when_serving_then_it_ends_and_recovery_is_told),
        TEST(given_a_firing_alert_when_a_normal_wait_follows_then_it_keeps_its_cause),
        TEST(given_a_firing_alert_when_unknown_or_stale_then_it_stays),
        TEST(given_a_stale_stuck_verdict_then_no_alert_opens),
        TEST(given_pods_that_get_stuck_in_turn_then_one_alert_until_it_is_well),
        TEST(given_a_rollout_that_comes_and_goes_then_its_second_end_is_told_when_it_is_calm),
        TEST(given_an_end_long_ago_or_of_another_revision_then_recovery_is_told_at_once),
        TEST(given_a_crash_loop_that_serves_for_a_moment_then_its_alert_stays),
        TEST(given_a_new_revision_when_progressing_then_recovered_as_superseded),
        TEST(given_a_new_revision_when_stuck_at_once_then_the_old_alert_ends_first),
        TEST(given_alerts_off_then_none_opens_and_a_firing_one_ends),
        TEST(given_a_rollout_that_is_gone_then_its_alert_ends),
        TEST(given_an_alert_without_its_workload_when_swept_then_it_ends),
        TEST(given_two_workloads_then_two_alerts),
        TEST(given_an_alert_over_its_life_then_its_alertmanager_labels_do_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
