/*
 * Readers of ELBv2's answers: order, blanks and unknown elements do not matter, siblings are kept
 * apart by path, and an answer that is cut or has a DOCTYPE gives nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "source/elb.h"

static const char health[] =
    "<?xml version=\"1.0\"?>\n"
    "<DescribeTargetHealthResponse "
    "xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">\n"
    " <DescribeTargetHealthResult><TargetHealthDescriptions>\n"
    "  <member><AdministrativeOverride><State>zonal_shift_active</State><Reason>R</Reason>"
    "</AdministrativeOverride>\n"
    "   <TargetHealth><Description>Health checks failed with these codes: [503] &amp; more"
    "</Description><State>unhealthy</State><Reason>Target.ResponseCodeMismatch</Reason>"
    "</TargetHealth><Future><State>x</State></Future>\n"
    "   <HealthCheckPort>8080</HealthCheckPort>\n"
    "   <Target><Port>8080</Port><AvailabilityZone>eu-west-1a</AvailabilityZone>"
    "<Id>10.0.0.9</Id></Target></member>\n"
    "  <member><Target><Id>2001:DB8:0::7</Id><Port>80</Port></Target>"
    "<TargetHealth><State>healthy</State></TargetHealth></member>\n"
    "  <member><Target><Id>10.0.0.9</Id><Port>80</Port></Target>"
    "<TargetHealth><State>initial</State><Reason>Elb.RegistrationInProgress</Reason>"
    "</TargetHealth></member>\n"
    " </TargetHealthDescriptions></DescribeTargetHealthResult>"
    "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
    "</DescribeTargetHealthResponse>";

static void given_shuffled_members_when_read_then_rows_are_sorted_and_siblings_kept_apart(void **st)
{
    (void)st;
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_target *t = NULL;
    uint32_t n = 0;
    struct err err = {0};
    assert_true(elb_read_health(health, strlen(health), a, &t, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(t[0].id, "10.0.0.9");
    assert_int_equal(t[0].port, 80);
    assert_string_equal(t[0].reason, "Elb.RegistrationInProgress");
    assert_int_equal(t[1].port, 8080);
    assert_string_equal(t[1].state, "unhealthy");
    assert_string_equal(t[1].reason, "Target.ResponseCodeMismatch");
    assert_string_equal(t[1].description, "Health checks failed with these codes: [503] & more");
    assert_string_equal(t[1].override_state, "zonal_shift_active");
    assert_string_equal(t[1].zone, "eu-west-1a");
    assert_string_equal(t[2].id, "2001:db8::7"); /* one spelling for an address */
    assert_string_equal(t[2].reason, "");
}

static void given_any_cut_when_read_then_nothing_comes(void **st)
{
    (void)st;
    size_t whole = strlen(health);
    for (size_t cut = 0; cut < whole; cut++) {
        AUTO_PTR(arena) a = arena_new(0);
        struct elb_target *t = NULL;
        uint32_t n = 77;
        struct err err = {0};
        assert_false(elb_read_health(health, cut, a, &t, &n, &err));
        assert_int_equal(n, 77);
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static bool reads(const char *xml, uint32_t *ret_n, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_target *t = NULL;
    return elb_read_health(xml, strlen(xml), a, &t, ret_n, err);
}

static void given_odd_documents_when_read_then_empty_lists_are_fine_and_the_rest_refused(void **st)
{
    (void)st;
    struct err err = {0};
    uint32_t n = 9;
    assert_true(reads("<R><DescribeTargetHealthResult/></R>", &n, &err));
    assert_int_equal(n, 0);
    assert_true(reads("<R><DescribeTargetHealthResult><TargetHealthDescriptions/>"
                      "</DescribeTargetHealthResult></R>",
                      &n, &err));
    assert_int_equal(n, 0);
    assert_false(reads("<R><OtherResult/></R>", &n, &err));
    assert_non_null(strstr(err.text, "DescribeTargetHealthResult"));
    assert_false(
        reads("<!DOCTYPE R [<!ENTITY a \"b\">]><R><DescribeTargetHealthResult/></R>", &n, &err));
    assert_non_null(strstr(err.text, "DOCTYPE"));
    assert_false(reads("", &n, &err));
    assert_false(reads("<html><body>502</body></html>", &n, &err));
    char deep[1000] = "";
    for (int i = 0; i < 60; i++) {
        (void)strcat(deep, "<a>");
    }
    assert_false(reads(deep, &n, &err));
}

static void given_groups_and_balancers_when_read_then_lists_and_markers_are_there(void **st)
{
    (void)st;
    static const char groups[] =
        "<X><DescribeTargetGroupsResult><NextMarker>m1</NextMarker><TargetGroups><member>"
        "<TargetGroupArn>arn:a</TargetGroupArn><LoadBalancerArns><member>lb1</member>"
        "<member>lb2</member></LoadBalancerArns><HealthCheckEnabled>true</HealthCheckEnabled>"
        "<HealthCheckIntervalSeconds>15</HealthCheckIntervalSeconds><Matcher><HttpCode>200-299"
        "</HttpCode></Matcher></member><member><TargetGroupArn>arn:b</TargetGroupArn>"
        "<LoadBalancerArns/></member></TargetGroups></DescribeTargetGroupsResult></X>";
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_page page;
    struct err err = {0};
    assert_true(elb_read_groups(groups, strlen(groups), a, &page, &err));
    assert_int_equal(page.items.n, 2);
    assert_string_equal(page.marker, "m1");
    const struct elb_group *g = page.items.items;
    assert_int_equal(g[0].load_balancer_arns.n, 2);
    assert_string_equal(g[0].load_balancer_arns.items[1], "lb2");
    assert_int_equal(g[0].health_enabled, 1);
    assert_int_equal(g[0].health_interval, 15);
    assert_string_equal(g[0].matcher, "200-299");
    assert_int_equal(g[1].load_balancer_arns.n, 0);
    assert_int_equal(g[1].health_enabled, -1);
    assert_string_equal(g[1].name, "");
    static const char lbs[] = "<X><DescribeLoadBalancersResult><LoadBalancers><member>"
                              "<State><Code>active</Code></State><AvailabilityZones><member>"
                              "<ZoneName>a</ZoneName></member><member><ZoneName>b</ZoneName>"
                              "</member></AvailabilityZones><Type>network</Type></member>"
                              "</LoadBalancers></DescribeLoadBalancersResult></X>";
    assert_true(elb_read_balancers(lbs, strlen(lbs), a, &page, &err));
    const struct elb_balancer *b = page.items.items;
    assert_string_equal(b[0].state, "active");
    assert_int_equal(b[0].zones.n, 2);
    assert_string_equal(page.marker, "");
    static const char attrs[] =
        "<X><DescribeTargetGroupAttributesResult><Attributes><member><Key>"
        "deregistration_delay.timeout_seconds</Key><Value>30</Value></member></Attributes>"
        "</DescribeTargetGroupAttributesResult></X>";
    struct list list;
    assert_true(elb_read_attributes(attrs, strlen(attrs), a, &list, &err));
    assert_int_equal(list.n, 1);
    assert_string_equal(LIST_AT(struct elb_attribute, list, 0)->value, "30");
}

static void given_listeners_and_rules_when_read_then_lists_inside_lists(void **st)
{
    (void)st;
    static const char listeners[] =
        "<X><DescribeListenersResult><Listeners><member><DefaultActions><member><Order>1</Order>"
        "<Type>authenticate-oidc</Type></member><member><TargetGroupArn>arn:a</TargetGroupArn>"
        "<Type>forward</Type><Order>2</Order><ForwardConfig><TargetGroups><member><Weight>0"
        "</Weight><TargetGroupArn>arn:a</TargetGroupArn></member><member><TargetGroupArn>arn:b"
        "</TargetGroupArn></member></TargetGroups><TargetGroupStickinessConfig><Enabled>false"
        "</Enabled></TargetGroupStickinessConfig></ForwardConfig></member></DefaultActions>"
        "<Port>443</Port><ListenerArn>li1</ListenerArn><Protocol>HTTPS</Protocol>"
        "<Certificates><member><CertificateArn>c</CertificateArn></member></Certificates></member>"
        "<member><ListenerArn>li2</ListenerArn><DefaultActions/></member></Listeners><NextMarker>m"
        "</NextMarker></DescribeListenersResult></X>";
    AUTO_PTR(arena) a = arena_new(0);
    struct elb_page page;
    struct err err = {0};
    assert_true(elb_read_listeners(listeners, strlen(listeners), a, &page, &err));
    assert_int_equal(page.items.n, 2);
    assert_string_equal(page.marker, "m");
    const struct elb_listener_row *l = page.items.items;
    assert_string_equal(l[0].arn, "li1"); /* behind the lists: the row has not moved */
    assert_int_equal(l[0].port, 443);
    assert_string_equal(l[0].protocol, "HTTPS");
    assert_int_equal(l[0].actions.n, 2);
    const struct elb_action *action = l[0].actions.items;
    assert_string_equal(action[0].type, "authenticate-oidc");
    assert_string_equal(action[1].type, "forward");
    assert_int_equal(action[1].order, 2);
    assert_string_equal(action[1].group_arn, "arn:a");
    assert_int_equal(action[0].shares.n, 0);
    assert_int_equal(action[1].shares.n, 2);
    const struct elb_share *share = action[1].shares.items;
    assert_int_equal(share[0].weight, 0);
    assert_string_equal(share[0].group_arn, "arn:a");
    assert_int_equal(share[1].weight, -1); /* absent is not zero */
    assert_string_equal(share[1].group_arn, "arn:b");
    assert_string_equal(l[1].arn, "li2");
    assert_int_equal(l[1].actions.n, 0);
    AUTO(buf) rules = BUF_INIT(1 << 20);
    (void)buf_addz(&rules, "<X><DescribeRulesResult><Rules>");
    for (int i = 0; i < 100; i++) { /* the arrays grow several times */
        (void)buf_addf(&rules,
                       "<member><Priority>%d</Priority><IsDefault>false</IsDefault><Actions>"
                       "<member><Type>forward</Type><TargetGroupArn>arn:%d</TargetGroupArn>"
                       "</member></Actions></member>",
                       i + 1, i);
    }
    (void)buf_addz(&rules, "<member><Priority>default</Priority><IsDefault>true</IsDefault>"
                           "</member></Rules></DescribeRulesResult></X>");
    assert_true(elb_read_rules(buf_str(&rules), rules.len, a, &page, &err));
    assert_int_equal(page.items.n, 101);
    const struct elb_rule_row *r = page.items.items;
    assert_string_equal(r[99].priority, "100");
    assert_int_equal(r[99].is_default, 0);
    assert_string_equal(LIST_AT(struct elb_action, r[99].actions, 0)->group_arn, "arn:99");
    assert_string_equal(r[100].priority, "default");
    assert_int_equal(r[100].is_default, 1);
}

static void given_every_error_shape_when_read_then_code_and_message(void **st)
{
    (void)st;
    static const struct {
        int status;
        const char *body;
        const char *code;
        const char *message;
        enum elb_class cls;
    } rows[] = {
        {400,
         "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded"
         "</Message></Error><RequestId/></ErrorResponse>",
         "Throttling", "Rate exceeded", ELB_THROTTLE},
        {403,
         "<ErrorResponse><Errors><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
         "</Errors></ErrorResponse>",
         "AccessDenied", "no", ELB_PERMISSION},
        {401,
         "<Response><Errors><Error><Code>AuthFailure</Code><Message>x</Message></Error></Errors>"
         "<RequestID>1</RequestID></Response>",
         "AuthFailure", "x", ELB_BUG},
        {502, "<html><body>Bad Gateway", "HTTP 502", "", ELB_TRANSIENT},
        {503, "", "HTTP 503", "", ELB_TRANSIENT},
        {429, "", "HTTP 429", "", ELB_THROTTLE},
        {400, "<a><Error><Code>TargetGroupNotFound</Code></Error></a>", "TargetGroupNotFound", "",
         ELB_GONE},
        {403, "<a><Error><Code>ExpiredToken</Code></Error></a>", "ExpiredToken", "",
         ELB_CREDENTIALS},
        {403, "<a><Error><Code>SignatureDoesNotMatch</Code></Error></a>", "SignatureDoesNotMatch",
         "", ELB_CLOCK},
        {500, "<a><Error><Code>HealthUnavailable</Code></Error></a>", "HealthUnavailable", "",
         ELB_TRANSIENT},
        {400, "<a><Error><Code>ValidationError</Code></Error></a>", "ValidationError", "", ELB_BUG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct elb_error e;
        elb_read_error(rows[i].status, rows[i].body, strlen(rows[i].body), &e);
        assert_string_equal(e.code, rows[i].code);
        assert_string_equal(e.message, rows[i].message);
        assert_int_equal(elb_error_class(rows[i].status, e.code), rows[i].cls);
    }
    assert_int_equal(elb_error_class(0, "no answer"), ELB_TRANSIENT);
}

static void given_an_sts_answer_when_read_then_credentials_with_their_end(void **st)
{
    (void)st;
    static const char sts[] =
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
        "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>"
        "<SessionToken>tok</SessionToken><Expiration>2026-11-23T07:55:55.740412Z</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>";
    static struct aws_credentials c;
    struct err err = {0};
    assert_true(elb_read_sts(sts, strlen(sts), &c, &err));
    assert_string_equal(c.secret, "s/+=");
    assert_int_equal(c.expires_at, INT64_C(1795420555740));
    assert_false(elb_read_sts("<a/>", 4, &c, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_shuffled_members_when_read_then_rows_are_sorted_and_siblings_kept_apart),
        cmocka_unit_test(given_any_cut_when_read_then_nothing_comes),
        cmocka_unit_test(
            given_odd_documents_when_read_then_empty_lists_are_fine_and_the_rest_refused),
        cmocka_unit_test(given_groups_and_balancers_when_read_then_lists_and_markers_are_there),
        cmocka_unit_test(given_listeners_and_rules_when_read_then_lists_inside_lists),
        cmocka_unit_test(given_every_error_shape_when_read_then_code_and_message),
        cmocka_unit_test(given_an_sts_answer_when_read_then_credentials_with_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
