/*
 * Reading a load balancer's listeners and rules: which call is next, what is kept of the answers,
 * and what becomes of failures. No network: answers are handed in, calls that start are never
 * performed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "source/elb_poll.h"

#define ARN "arn:aws:elasticloadbalancing:eu-west-1:1:"
static const char group[] = ARN "targetgroup/web/1";
static const char app[] = ARN "loadbalancer/app/front/1";
static const char net[] = ARN "loadbalancer/net/front/1";

#define LISTENERS(rows, marker)                                                                    \
    "<X><DescribeListenersResult><Listeners>" rows "</Listeners>" marker                           \
    "</DescribeListenersResult></X>"
#define LISTENER(arn, port, action)                                                                \
    "<member><ListenerArn>" arn "</ListenerArn><Port>" port "</Port><Protocol>HTTP</Protocol>"     \
    "<DefaultActions><member><Type>" action "</Type></member></DefaultActions>"                    \
    "</member>"
#define RULES(rows, marker)                                                                        \
    "<X><DescribeRulesResult><Rules>" rows "</Rules>" marker "</DescribeRulesResult></X>"
#define RULE(priority, group, weight)                                                              \
    "<member><Priority>" priority "</Priority><IsDefault>false</IsDefault><Actions><member>"       \
    "<Type>forward</Type><ForwardConfig><TargetGroups><member><TargetGroupArn>" group              \
    "</TargetGroupArn><Weight>" weight "</Weight></member></TargetGroups></ForwardConfig>"         \
    "</member></Actions></member>"
#define MORE "<NextMarker>m1</NextMarker>"

struct bed {
    struct elb_options opt;
    struct elb_poll p;
    struct queue *q;
    int64_t mono;
    struct elb_balancer_state *b;
};

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

static void wish(struct bed *bed, const char *balancer)
{
    struct elb_wish w = {
        .arn = group, .role_arn = "", .external_id = "", .hot = true, .balancer = balancer};
    elb_poll_take(&bed->p, &w, 1);
    bed->p.groups->health_due = INT64_MAX; /* listeners are what is looked at */
    bed->p.groups->describe_due = INT64_MAX;
    for (struct elb_balancer_state *b = bed->p.balancers; b != NULL; b = b->next) {
        b->due = INT64_MAX;
    }
}

static struct bed *bed_new(const char *balancer)
{
    struct bed *bed = calloc(1, sizeof *bed); /* large */
    assert_non_null(bed);
    bed->opt = (struct elb_options){.rate = 100,
                                    .burst = 100,
                                    .endpoint = "http://127.0.0.1:1/",
                                    .hot_interval_ms = 1000,
                                    .idle_interval_ms = 1000};
    bed->q = queue_new(100, 1 << 20);
    bed->p = (struct elb_poll){
        .options = &bed->opt, .arena = arena_new(0), .env = aws_env_real(), .out = bed->q};
    bed->p.profiles.chosen = "default";
    bed->p.env.getenv = keys;
    bed->p.base = (struct aws_identity){
        .env = &bed->p.env, .profiles = &bed->p.profiles, .provider = AWS_PROVIDER_ENVIRONMENT};
    bed->p.multi = curl_multi_init();
    bed->mono = clock_mono_ms() + 1000;
    wish(bed, balancer);
    bed->b = elb_poll_balancer(&bed->p, bed->p.sites, balancer, 0);
    return bed;
}

static void bed_free(struct bed *bed)
{
    elb_poll_fini(&bed->p);
    queue_free(bed->q, drop);
    free(bed);
}

/* The call that is due, as its request's body; "" = none. It is taken back. */
static const char *next(struct bed *bed)
{
    static char text[1000];
    text[0] = '\0';
    (void)elb_poll_start(&bed->p, bed->mono);
    assert_true(bed->p.n_calls <= 1);
    if (bed->p.n_calls == 1) {
        struct elb_call *call = bed->p.calls[0];
        AUTO(buf) body = BUF_INIT(1000);
        (void)buf_addf(&body, "%s", elb_call_action(call->kind));
        elb_listeners_body(call, &body);
        (void)snprintf(text, sizeof text, "%s", buf_str(&body));
        elb_poll_finish(&bed->p, call, CURLE_COULDNT_CONNECT, bed->mono);
        bed->b->listeners_due = bed->mono; /* not in half a minute: the test goes on at once */
    }
    return text;
}

static void answer(struct bed *bed, enum elb_call_kind kind, const char *xml)
{
    struct elb_call call = {.kind = kind, .balancers = {bed->b}, .n = 1};
    struct err err = {0};
    buf_init(&call.answer.body, 1 << 20);
    (void)buf_addz(&call.answer.body, xml);
    if (!elb_listeners_take(&bed->p, &call, bed->mono, &err)) {
        fail_msg("%s", err.text);
    }
    aws_answer_fini(&call.answer);
}

static void fails(struct bed *bed, enum elb_call_kind kind, enum elb_class why)
{
    struct elb_call call = {.kind = kind, .balancers = {bed->b}, .n = 1};
    elb_listeners_failed(&bed->p, &call, why, bed->mono);
}

/* The load balancer that was told, NULL = none. The change is the caller's. */
static struct change *told(struct bed *bed)
{
    void *item = NULL;
    while (queue_drain(bed->q, &item, 1, 0) == 1) {
        struct change *c = item;
        if (c->type == CHANGE_GROUPS && c->n_balancers == 1) {
            return c;
        }
        change_free(c);
    }
    return NULL;
}

static void given_pages_when_read_then_whole_and_once(void **state)
{
    (void)state;
    struct bed *bed = bed_new(app);
    assert_non_null(strstr(next(bed), "DescribeListeners&LoadBalancerArn="));
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li1", "80", "redirect"), MORE));
    assert_non_null(strstr(next(bed), "DescribeListeners&LoadBalancerArn="));
    assert_non_null(strstr(next(bed), "&Marker=m1"));
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li2", "443", "fixed-response"), ""));
    const char *body = next(bed);
    assert_non_null(strstr(body, "DescribeRules&ListenerArn=li1"));
    assert_null(strstr(body, "Marker"));
    answer(bed, CALL_RULES, RULES(RULE("1", "arn:other", "5"), MORE));
    assert_non_null(strstr(next(bed), "ListenerArn=li1&Marker=m1"));
    answer(bed, CALL_RULES, RULES("", ""));
    assert_null(told(bed)); /* nothing before the whole */
    assert_non_null(strstr(next(bed), "DescribeRules&ListenerArn=li2"));
    answer(bed, CALL_RULES, RULES(RULE("7", ARN "targetgroup/web/1", "0"), ""));
    struct change *c = told(bed);
    assert_non_null(c);
    assert_string_equal(c->balancers[0].arn, app);
    assert_string_equal(c->balancers[0].name, "");
    assert_true(c->balancers[0].listeners_at > 0);
    assert_int_equal(c->balancers[0].listeners.n, 2);
    const struct elb_listener *l = c->balancers[0].listeners.items;
    assert_int_equal(l[0].port, 80);
    assert_string_equal(l[0].action, "redirect");
    assert_int_equal(l[0].rules, 1);
    assert_string_equal(LIST_AT(struct elb_forward, l[0].forwards, 0)->group_arn, "arn:other");
    assert_int_equal(l[1].forwards.n, 1);
    assert_string_equal(LIST_AT(struct elb_forward, l[1].forwards, 0)->rule, "7");
    assert_int_equal(LIST_AT(struct elb_forward, l[1].forwards, 0)->weight, 0);
    change_free(c);
    assert_string_equal(next(bed), ""); /* not again for a while */
    wish(bed, "");
    wish(bed, app); /* a finding that needs it anew does not take what was read before */
    assert_non_null(strstr(next(bed), "DescribeListeners"));
    bed_free(bed);
}

static void given_nobody_needs_them_or_a_network_balancer_then_no_rules(void **state)
{
    (void)state;
    struct bed *bed = bed_new(net);
    wish(bed, "");
    assert_string_equal(next(bed), "");
    wish(bed, net);
    assert_non_null(strstr(next(bed), "DescribeListeners"));
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li1", "80", "forward"), ""));
    struct change *c = told(bed);
    assert_non_null(c);
    assert_int_equal(LIST_AT(struct elb_listener, c->balancers[0].listeners, 0)->rules, 0);
    change_free(c);
    bed_free(bed);
}

static void given_failures_when_reading_then_what_is_told(void **state)
{
    (void)state;
    struct bed *bed = bed_new(app);
    (void)next(bed);
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li1", "80", "forward"), ""));
    fails(bed, CALL_RULES, ELB_PERMISSION); /* the listeners alone, and that rules are not known */
    struct change *c = told(bed);
    assert_non_null(c);
    assert_int_equal(LIST_AT(struct elb_listener, c->balancers[0].listeners, 0)->rules, -1);
    change_free(c);
    bed->b->listeners_due = bed->mono;
    assert_non_null(strstr(next(bed), "DescribeListeners"));
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li1", "80", "forward"), ""));
    fails(bed, CALL_RULES, ELB_GONE); /* a listener went meanwhile: all anew */
    assert_null(told(bed));
    bed->b->listeners_due = bed->mono;
    assert_non_null(strstr(next(bed), "DescribeListeners"));
    fails(bed, CALL_LISTENERS, ELB_PERMISSION);
    assert_null(told(bed));
    bed->b->listeners_due = bed->mono;
    (void)next(bed);
    fails(bed, CALL_LISTENERS, ELB_GONE); /* the load balancer itself */
    c = told(bed);
    assert_non_null(c);
    assert_int_equal(c->balancers[0].listeners.n, 0);
    assert_true(c->balancers[0].listeners_at > 0);
    change_free(c);
    bed_free(bed);
}

static void given_a_marker_that_never_ends_then_it_ends(void **state)
{
    (void)state;
    struct bed *bed = bed_new(app);
    (void)next(bed);
    int pages = 0;
    struct change *c = NULL;
    while (c == NULL && pages < 10000) {
        answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li", "80", "forward"), MORE));
        pages++;
        c = told(bed);
        if (c == NULL) {
            assert_non_null(bed->b->reading);
        }
    }
    assert_int_not_equal(pages, 10000);
    if (c != NULL) {
        assert_in_range(c->balancers[0].listeners.n, 1, 100);
    }
    change_free(c);
    bed_free(bed);
}

/* Many rules to groups of others do not push out the one that is ours. */
static void given_more_ways_than_anybody_wants_then_ours_is_kept(void **state)
{
    (void)state;
    struct bed *bed = bed_new(app);
    (void)next(bed);
    answer(bed, CALL_LISTENERS, LISTENERS(LISTENER("li1", "80", "forward"), ""));
    AUTO(buf) rules = BUF_INIT(1 << 20);
    (void)buf_addz(&rules, "<X><DescribeRulesResult><Rules>");
    for (int i = 0; i < 100; i++) {
        (void)buf_addz(&rules, RULE("3", "arn:other", "1"));
    }
    (void)buf_addz(&rules, RULE("9", ARN "targetgroup/web/1", "1") "</Rules></DescribeRulesResult>"
                                                                   "</X>");
    answer(bed, CALL_RULES, buf_str(&rules));
    struct change *c = told(bed);
    assert_non_null(c);
    const struct elb_listener *l = c->balancers[0].listeners.items;
    assert_int_equal(l->rules, 101);
    assert_in_range(l->forwards.n, 2, 20);
    assert_string_equal(LIST_AT(struct elb_forward, l->forwards, l->forwards.n - 1)->group_arn,
                        group);
    change_free(c);
    bed_free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_pages_when_read_then_whole_and_once),
        cmocka_unit_test(given_nobody_needs_them_or_a_network_balancer_then_no_rules),
        cmocka_unit_test(given_failures_when_reading_then_what_is_told),
        cmocka_unit_test(given_a_marker_that_never_ends_then_it_ends),
        cmocka_unit_test(given_more_ways_than_anybody_wants_then_ours_is_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
