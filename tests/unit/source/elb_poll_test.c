/*
 * The poll plan at work, without a network: which group's turn it is when calls are scarce. Calls
 * are started on libcurl's multi handle and never performed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "source/elb_poll.h"

static const char *keys(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0) {
        return "AK";
    }
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "sk" : NULL;
}

static void drop(void *item)
{
    change_free(item);
}

static struct elb_group_state *group_at(const struct elb_poll *p, const char *arn)
{
    for (struct elb_group_state *g = p->groups; g != NULL; g = g->next) {
        if (strcmp(g->arn, arn) == 0) {
            return g;
        }
    }
    return NULL;
}

static void
given_a_scarce_rate_when_hot_groups_are_always_due_then_idle_ones_get_their_turn(void **st)
{
    (void)st;
    struct elb_options opt = {.rate = 1,
                              .burst = 1,
                              .endpoint = "http://127.0.0.1:1/",
                              .hot_interval_ms = 1000,
                              .idle_interval_ms = 60000};
    struct queue *q = queue_new(100, 1 << 20);
    struct elb_poll p = {.options = &opt, .arena = arena_new(0), .env = aws_env_real(), .out = q};
    p.env.getenv = keys;
    p.profiles.chosen = "default";
    p.base = (struct aws_identity){
        .env = &p.env, .profiles = &p.profiles, .provider = AWS_PROVIDER_ENVIRONMENT};
    p.multi = curl_multi_init();
    static char arns[6][120];
    struct elb_wish wishes[6];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(arns[i], sizeof arns[i],
                       "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/g%d/1", i);
        wishes[i] = (struct elb_wish){
            .arn = arns[i], .role_arn = "", .external_id = "", .hot = i != 0}; /* g0 is idle */
    }
    elb_poll_take(&p, wishes, 6);
    int64_t now = clock_mono_ms();
    int idle_at = -1;
    for (int second = 0; second < 40; second++) {
        for (struct elb_group_state *g = p.groups; g != NULL; g = g->next) {
            g->describe_due = INT64_MAX; /* health is what is looked at */
        }
        (void)elb_poll_start(&p, now + second * 1000);
        assert_true(p.n_calls <= 1);
        if (p.n_calls == 0) {
            continue;
        }
        struct elb_call *call = p.calls[0];
        bool idle = call->groups[0] == group_at(&p, arns[0]);
        idle_at = idle && idle_at < 0 ? second : idle_at;
        elb_poll_finish(&p, call, CURLE_COULDNT_CONNECT, now + second * 1000);
    }
    assert_in_range(idle_at, 6, 25);
    elb_poll_fini(&p);
    queue_free(q, drop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(
        given_a_scarce_rate_when_hot_groups_are_always_due_then_idle_ones_get_their_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
