/* Listeners and rules: which of them decide, and what is told of them. */
#include "unit/model/cause_case.h"

struct way {
    const char *rule;
    const char *group; /* "" = the one in question */
    int64_t weight;
};

/* Both pods' targets are not in use for a while; the group is described. */
static struct facts_group *scene(struct lab *l, uint32_t balancers)
{
    struct facts_group *fg = l->bindings[0].group;
    struct elb_group *g = arena_alloc(l->a, sizeof *g);
    record_clear(&elb_group_table, g);
    g->name = "web";
    g->target_type = "ip";
    for (uint32_t i = 0; i < balancers; i++) {
        lab_str(l, &g->load_balancer_arns, "arn:lb");
    }
    fg->group = g;
    shop_ready(l);
    shop_gates(l, "False", "Target.NotInUse", "unused");
    shop_after(l, 61);
    return fg;
}

/* A load balancer with one listener, read. */
static struct elb_balancer *front(struct lab *l, const struct way *ways, uint32_t n, int64_t rules)
{
    struct elb_balancer *b = arena_alloc(l->a, sizeof *b);
    struct elb_listener *li = arena_alloc(l->a, sizeof *li);
    struct elb_forward *f = arena_array(l->a, struct elb_forward, n + 1);
    record_clear(&elb_balancer_table, b);
    for (uint32_t i = 0; i < n; i++) {
        const char *arn = ways[i].group[0] != '\0' ? ways[i].group : l->bindings[0].group->arn;
        f[i] = (struct elb_forward){arn, ways[i].rule, ways[i].weight};
    }
    *li = (struct elb_listener){.protocol = "HTTPS",
                                .port = 443,
                                .action = "fixed-response",
                                .rules = rules,
                                .forwards = {f, n}};
    b->arn = "arn:lb";
    b->name = "front";
    b->listeners = (struct list){li, 1};
    b->listeners_at = l->f.now;
    return b;
}

static bool tells(const struct finding *f, const char *object, const char *field, const char *value)
{
    for (uint32_t i = 0; i < f->evidence.n; i++) {
        const struct evidence *e = LIST_AT(struct evidence, f->evidence, i);
        if (strcmp(e->object, object) == 0 && strcmp(e->field, field) == 0 &&
            strcmp(e->value, value) == 0) {
            return true;
        }
    }
    for (uint32_t i = 0; i < f->evidence.n; i++) {
        const struct evidence *e = LIST_AT(struct evidence, f->evidence, i);
        print_error("says %s | %s | %s\n", e->object, e->field, e->value);
    }
    return false;
}

static void judged(struct lab *l, const char *code, bool terminal, bool likely,
                   const struct finding **ret)
{
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, code);
    if (f == NULL) {
        fail_msg("no %s", code);
        return;
    }
    assert_int_equal(f->terminal, terminal);
    assert_int_equal(f->confidence == CONFIDENCE_LIKELY, likely);
    *ret = f;
}

static void given_no_way_here_then_who_has_the_traffic_is_told(void **state)
{
    (void)state;
    static const struct way ways[] = {
        {"10", "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/blue/01", 100}};
    struct lab *l = shop_new();
    struct facts_group *g = scene(l, 1);
    g->balancer = front(l, ways, 1, 1);
    const struct finding *f = NULL;
    judged(l, "target_group_not_in_use", true, false, &f);
    assert_true(
        tells(f, "LoadBalancer/front", "listeners and rules", "1 and 1: none forwards here"));
    assert_true(tells(f, "LoadBalancer/front", "listener HTTPS:443",
                      "fixed-response; rule 10 to blue with weight 100"));
    lab_free(l);
}

static void given_a_group_taken_off_then_the_load_balancer_of_before_is_told(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct facts_group *g = scene(l, 0);
    g->last_balancer = front(l, NULL, 0, 0);
    const struct finding *f = NULL;
    judged(l, "target_group_not_in_use", true, false, &f);
    assert_true(tells(f, "LoadBalancer/front", "listeners and rules (it sent here before)",
                      "1 and 0: none forwards here"));
    assert_true(tells(f, "LoadBalancer/front", "listener HTTPS:443", "fixed-response"));
    lab_free(l);
}

static void given_weight_zero_then_that_is_no_way(void **state)
{
    (void)state;
    static const struct way ways[] = {{"10", "arn:x:targetgroup/blue/01", 1}, {"10", "", 0}};
    struct lab *l = shop_new();
    struct facts_group *g = scene(l, 1);
    g->balancer = front(l, ways, 2, 1);
    const struct finding *f = NULL;
    judged(l, "target_group_not_in_use", true, false, &f);
    assert_true(tells(f, "LoadBalancer/front", "listeners and rules",
                      "1 and 1: one forwards here, with weight 0"));
    assert_true(tells(f, "LoadBalancer/front", "listener HTTPS:443",
                      "fixed-response; rule 10 to here with weight 0; rule 10 to blue with weight "
                      "1"));
    lab_free(l);
}

static void given_a_way_here_then_it_is_the_zone(void **state)
{
    (void)state;
    static const struct way ways[] = {{"default", "", -1}};
    struct lab *l = shop_new();
    struct facts_group *g = scene(l, 1);
    g->balancer = front(l, ways, 1, 0);
    const struct finding *f = NULL;
    judged(l, "target_zone_not_enabled", false, false, &f);
    lab_free(l);
}

/* The right to read rules is missing: a listener that does not forward here proves nothing. */
static void given_rules_not_read_then_nothing_is_certain(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct facts_group *g = scene(l, 1);
    g->balancer = front(l, NULL, 0, -1);
    const struct finding *f = NULL;
    judged(l, "target_group_not_in_use", false, true, &f);
    assert_true(tells(f, "LoadBalancer/front", "listeners and rules", "1 and 0: rules not read"));
    lab_free(l);
}

static void given_all_unhealthy_then_the_limits_that_were_read_are_told(void **state)
{
    (void)state;
    static const struct elb_attribute attribute = {
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", "2"};
    struct lab *l = shop_new();
    shop_serves(l);
    struct elb_group *g = arena_alloc(l->a, sizeof *g);
    record_clear(&elb_group_table, g);
    g->name = "web";
    g->attributes = (struct list){&attribute, 1};
    l->bindings[0].group->group = g;
    shop_gates(l, "True", "Target.Timeout", "unhealthy");
    shop_after(l, 30);
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "load_balancer_fail_open");
    assert_non_null(f);
    assert_true(tells(f, arena_printf(l->a, "TargetGroup/%s", l->bindings[0].group->arn),
                      attribute.key, "2"));
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_no_way_here_then_who_has_the_traffic_is_told),
        cmocka_unit_test(given_a_group_taken_off_then_the_load_balancer_of_before_is_told),
        cmocka_unit_test(given_weight_zero_then_that_is_no_way),
        cmocka_unit_test(given_a_way_here_then_it_is_the_zone),
        cmocka_unit_test(given_rules_not_read_then_nothing_is_certain),
        cmocka_unit_test(given_all_unhealthy_then_the_limits_that_were_read_are_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
