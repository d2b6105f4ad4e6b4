/* Registered and not healthy; open and yet exposed. */
#include "unit/model/cause_case.h"

static struct kube_binding *binding(struct lab *l)
{
    return (struct kube_binding *)(uintptr_t)l->bindings[0].binding;
}

static void state(struct lab *l, const char *elb_state, const char *reason)
{
    shop_ready(l);
    shop_gates(l, "False", reason, elb_state);
}

static void registering(struct lab *l)
{
    state(l, "initial", "Elb.RegistrationInProgress");
}
static void registering_slowly(struct lab *l)
{
    registering(l);
    shop_after(l, 130);
}
static void registering_for_long(struct lab *l)
{
    registering(l);
    shop_after(l, 200);
}
static void checking(struct lab *l)
{
    state(l, "initial", "Elb.InitialHealthChecking");
}
static void mismatch(struct lab *l)
{
    state(l, "unhealthy", "Target.ResponseCodeMismatch");
}
static void mismatch_for_long(struct lab *l)
{
    mismatch(l);
    shop_after(l, 200);
}
static void mismatch_by_condition(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Target.ResponseCodeMismatch", "");
}
static void elb_wins(struct lab *l)
{
    mismatch_by_condition(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "unhealthy", "Target.Timeout");
    }
}
static void our_poll_is_old(struct lab *l)
{
    state(l, "initial", "Elb.InitialHealthChecking");
    int64_t polled = l->f.now;
    shop_after(l, 40);
    l->bindings[0].group->observed_at = polled;
    for (int i = 0; i < 2; i++) {
        lab_gate_set(l, l->pods[i], GATE, "False", "Target.Timeout");
    }
}
static void stale_reason_on_true(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "True", "Elb.RegistrationInProgress", "");
}
static void timeouts(struct lab *l)
{
    state(l, "unhealthy", "Target.Timeout");
}
static void failed_checks(struct lab *l)
{
    state(l, "unhealthy", "Target.FailedHealthChecks");
}
static void new_reason(struct lab *l)
{
    state(l, "unhealthy", "Target.SomethingNew");
}
static void internal(struct lab *l)
{
    state(l, "unavailable", "Elb.InternalError");
}
static void disabled(struct lab *l)
{
    state(l, "unavailable", "Target.HealthCheckDisabled");
}
static void unusable(struct lab *l)
{
    state(l, "unused", "Target.IpUnusable");
}
static void invalid(struct lab *l)
{
    state(l, "unused", "Target.InvalidState");
}

static struct elb_group *describe(struct lab *l)
{
    struct elb_group *g = arena_alloc(l->a, sizeof *g);
    record_clear(&elb_group_table, g);
    g->name = "web";
    g->target_type = "ip";
    g->health_protocol = "HTTP";
    g->health_port = "traffic-port";
    g->health_path = "/healthz";
    g->matcher = "200";
    lab_str(l, &g->load_balancer_arns, "arn:lb");
    l->bindings[0].group->group = g;
    return g;
}

static void unused(struct lab *l)
{
    state(l, "unused", "Target.NotInUse");
    shop_after(l, 61);
}
static void unused_yet(struct lab *l)
{
    state(l, "unused", "Target.NotInUse");
    describe(l)->load_balancer_arns.n = 0;
}
static void no_listener(struct lab *l)
{
    unused(l);
    describe(l)->load_balancer_arns.n = 0;
}
static void zone_by_balancer(struct lab *l)
{
    unused(l);
    (void)describe(l);
    struct elb_balancer *b = arena_alloc(l->a, sizeof *b);
    record_clear(&elb_balancer_table, b);
    b->name = "front";
    lab_str(l, &b->zones, "eu-west-1a");
    l->bindings[0].group->balancer = b;
    for (int i = 0; i < 2; i++) {
        lab_target(l, &l->bindings[0], l->pods[i], 8080, "unused", "Target.NotInUse")->t.zone =
            "eu-west-1c";
    }
}
static void zone_by_condition(struct lab *l)
{
    shop_ready(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "False", "Target.NotInUse",
                            "Target is in an Availability Zone that is not enabled for the load "
                            "balancer");
    }
    shop_after(l, 61);
}
static void lost(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "");
    lab_group_known(l, &l->bindings[0]);
    shop_after(l, 50);
}
static void lost_a_moment(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "");
    lab_group_known(l, &l->bindings[0]);
    shop_after(l, 12);
}
static void draining_while_it_lives(struct lab *l)
{
    lost(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "draining",
                         "Target.DeregistrationInProgress");
    }
}

static const struct scene_case health[] = {
    {.name = "registering",
     .scene = registering,
     .code = "registration_in_progress",
     .primary = true,
     .severity = SEVERITY_INFO,
     .text = "Usually this takes 40 s, rarely more than 60 s."},
    {.name = "registering slowly",
     .scene = registering_slowly,
     .code = "registration_in_progress",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "registering for long",
     .scene = registering_for_long,
     .code = "registration_in_progress",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "first checks",
     .scene = checking,
     .code = "initial_health_checks",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "code mismatch",
     .scene = mismatch,
     .code = "health_check_code_mismatch",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "aws elbv2 describe-target-health --region eu-west-1 --target-group-arn arn:aws:"},
    {.name = "code mismatch for long",
     .scene = mismatch_for_long,
     .code = "health_check_code_mismatch",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "code mismatch by condition",
     .scene = mismatch_by_condition,
     .code = "health_check_code_mismatch",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "ELBv2 wins",
     .scene = elb_wins,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "health_check_code_mismatch"},
    {.name = "our poll is old",
     .scene = our_poll_is_old,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .never = "initial_health_checks"},
    {.name = "a stale reason on True",
     .scene = stale_reason_on_true,
     .never = "registration_in_progress"},
    {.name = "time-out",
     .scene = timeouts,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "failed checks",
     .scene = failed_checks,
     .code = "health_check_failed",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "a reason not known yet",
     .scene = new_reason,
     .code = "health_check_failed",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "internal error",
     .scene = internal,
     .code = "health_check_internal_error",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "checks disabled",
     .scene = disabled,
     .code = "health_checks_disabled",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "0123 --health-check-enabled"},
    {.name = "address unusable",
     .scene = unusable,
     .code = "target_ip_unusable",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "instance stopped",
     .scene = invalid,
     .code = "target_invalid_state",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "not in use",
     .scene = unused,
     .code = "target_group_not_in_use",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "not in use yet",
     .scene = unused_yet,
     .code = "target_group_not_in_use",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "no listener",
     .scene = no_listener,
     .code = "target_group_not_in_use",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .terminal = true},
    {.name = "zone, by the load balancer",
     .scene = zone_by_balancer,
     .code = "target_zone_not_enabled",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "eu-west-1c"},
    {.name = "zone, by the condition",
     .scene = zone_by_condition,
     .code = "target_zone_not_enabled",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .likely = true},
    {.name = "registration lost",
     .scene = lost,
     .code = "target_not_registered",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "registration_in_progress"},
    {.name = "registration not seen yet", .scene = lost_a_moment, .never = "target_not_registered"},
    {.name = "draining while it lives",
     .scene = draining_while_it_lives,
     .code = "target_not_registered",
     .primary = true,
     .severity = SEVERITY_ERROR},
};

static void targets_that_are_not_healthy(void **s)
{
    (void)s;
    HOLD_CASES(health);
}

/* ---- exposed ---- */

static void turned_unhealthy(struct lab *l)
{
    shop_serves(l);
    (void)lab_target(l, &l->bindings[0], l->pods[0], 8080, "unhealthy", "Target.Timeout");
}
static void turned_unhealthy_for_good(struct lab *l)
{
    turned_unhealthy(l);
    shop_after(l, 60);
}
static void all_unhealthy(struct lab *l)
{
    shop_serves(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "unhealthy", "Target.Timeout");
    }
    shop_after(l, 60);
}
static void poll_is_older(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Elb.InitialHealthChecking", "initial");
    shop_after(l, 5);
    l->bindings[0].group->observed_at = l->f.now - 3000;
    shop_gates(l, "True", "", "");
}
static void opened_after_our_poll(struct lab *l)
{
    shop_ready(l);
    shop_gates(l, "False", "Target.Timeout", "unhealthy");
    shop_after(l, 20);
    l->bindings[0].group->observed_at = l->f.now - 15000;
    for (int i = 0; i < 2; i++) {
        lab_gate_set(l, l->pods[i], GATE, "True", "");
    }
}
static void taken_out(struct lab *l)
{
    shop_serves(l);
    l->bindings[0].group->targets.n = 1;
    shop_after(l, 1);
    shop_after(l, 30);
}
static void taken_out_a_moment(struct lab *l)
{
    shop_serves(l);
    (void)lab_target(l, &l->bindings[0], l->pods[0], 8080, "draining",
                     "Target.DeregistrationInProgress");
    shop_after(l, 5);
}
static void deleted_pod_drains(struct lab *l)
{
    shop_serves(l);
    lab_delete(l, l->pods[1]);
    (void)lab_target(l, &l->bindings[0], l->pods[1], 8080, "draining",
                     "Target.DeregistrationInProgress");
    shop_after(l, 60);
}
static void service_deleted(struct lab *l)
{
    shop_serves(l);
    l->bindings[0].service = NULL;
    l->ns.services.n = 0;
}
static void service_deleted_and_noticed(struct lab *l)
{
    service_deleted(l);
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "True", "", "Target Group Binding is deleted");
        (void)lab_target(l, &l->bindings[0], l->pods[i], 8080, "draining", "");
    }
}
/* One pod's gate is forced open, the other is only about to start. */
static void service_deleted_and_half_noticed(struct lab *l)
{
    service_deleted(l);
    lab_containers_ready(l, l->pods[0], false);
    (void)lab_condition(l, l->pods[1], GATE, "True", "", "Target Group Binding is deleted");
}
static void service_deleted_before_they_start(struct lab *l)
{
    l->bindings[0].service = NULL;
    l->ns.services.n = 0;
}
static void services_unreadable(struct lab *l)
{
    service_deleted(l);
    l->cluster.denied_kinds = "services";
}
static void port_gone(struct lab *l)
{
    shop_serves(l);
    ((struct service_port *)(uintptr_t)l->services[0].ports.items)->port = 81;
}
static void binding_gone(struct lab *l)
{
    shop_serves(l);
    l->ns.bindings.n = 0;
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "True", "", "Target Group Binding is deleted");
    }
}
static void wanted_by_ingress(struct lab *l)
{
    binding_gone(l);
    struct kube_ingress *ing = LAB_LIST(l, l->ns.ingresses, l->ingresses, LAB_MANY);
    record_clear(kind_info(KIND_INGRESS)->table, ing);
    ing->meta.name = "front";
    ing->meta.created_at = LAB_T0 - 86400000;
    ing->class_name = "alb";
    ing->default_service = "web";
    lab_kv(l, &ing->meta.annotations, "alb.ingress.kubernetes.io/target-type", "ip");
    struct lb_ingress *at = lab_item(l, &ing->ingress, sizeof *at);
    *at = (struct lb_ingress){"front.example.org", ""};
}
static void replaced(struct lab *l)
{
    shop_serves(l);
    binding(l)->meta.name = "web2";
    for (int i = 0; i < 2; i++) {
        (void)lab_condition(l, l->pods[i], GATE, "True", "", "Target Group Binding is deleted");
    }
}
static void shared(struct lab *l)
{
    shop_serves(l);
    l->bindings[0].sharers = 1;
}
static void shared_on_purpose(struct lab *l)
{
    shared(l);
    binding(l)->multi_cluster = 1;
}
static void restarted(struct lab *l)
{
    shop_serves(l);
    lab_containers_ready(l, l->pods[0], false);
    shop_after(l, 10);
    lab_containers_ready(l, l->pods[0], true);
    lab_gate_set(l, l->pods[0], GATE, "False", "Elb.RegistrationInProgress");
    (void)lab_target(l, &l->bindings[0], l->pods[0], 8080, "initial", "Elb.RegistrationInProgress");
}
static void lost_gate(struct lab *l)
{
    shop_serves(l);
    shop_after(l, 300);
    state(l, "initial", "Elb.RegistrationInProgress");
}
static void lost_gate_unhealthy(struct lab *l)
{
    shop_serves(l);
    shop_after(l, 300);
    state(l, "unhealthy", "Target.Timeout");
}
static void lost_gate_before_we_came(struct lab *l)
{
    lost_gate(l);
    l->tracks[0] = (struct pod_track){.state = -1};
    l->tracks[1] = (struct pod_track){.state = -1};
    l->cluster.started_at = l->f.now;
}

static const struct scene_case exposed[] = {
    {.name = "unhealthy after open",
     .scene = turned_unhealthy,
     .code = "target_unhealthy_after_open",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "Target.Timeout"},
    {.name = "unhealthy after open, for good",
     .scene = turned_unhealthy_for_good,
     .code = "target_unhealthy_after_open",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .never = "load_balancer_fail_open",
     .text = "the whole group anew, in minutes or in hours: then pod web-1 is ready no longer"},
    {.name = "all unhealthy",
     .scene = all_unhealthy,
     .code = "load_balancer_fail_open",
     .primary = false,
     .severity = SEVERITY_ERROR},
    {.name = "our poll is older", .scene = poll_is_older, .never = "target_unhealthy_after_open"},
    {.name = "opened after our poll",
     .scene = opened_after_our_poll,
     .never = "target_unhealthy_after_open"},
    {.name = "taken out",
     .scene = taken_out,
     .code = "target_deregistered_while_serving",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "five minutes old: touch it again"},
    {.name = "taken out, a moment",
     .scene = taken_out_a_moment,
     .never = "target_deregistered_while_serving"},
    {.name = "a deleted pod drains",
     .scene = deleted_pod_drains,
     .never = "target_deregistered_while_serving"},
    {.name = "Service deleted",
     .scene = service_deleted,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "2 pods of Deployment web are served only until the controller looks again."},
    {.name = "Service deleted, half noticed",
     .scene = service_deleted_and_half_noticed,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "2 pods of Deployment web are called ready and not served."},
    {.name = "Service deleted before they start",
     .scene = service_deleted_before_they_start,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "opens every gate. 2 pods of Deployment web are not served."},
    {.name = "Service deleted and noticed",
     .scene = service_deleted_and_noticed,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "2 pods of Deployment web are called ready and not served."},
    {.name = "Service deleted, what to look at",
     .scene = service_deleted_and_noticed,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_ERROR,
     .text = "kubectl -n shop get service web -o yaml"},
    {.name = "Services cannot be read",
     .scene = services_unreadable,
     .never = "binding_backend_not_found"},
    {.name = "Service port gone",
     .scene = port_gone,
     .code = "binding_backend_not_found",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "Port 80 of Service web"},
    {.name = "binding deleted",
     .scene = binding_gone,
     .code = "binding_deleted",
     .primary = true,
     .severity = SEVERITY_INFO},
    {.name = "binding deleted, wanted",
     .scene = wanted_by_ingress,
     .code = "binding_deleted",
     .primary = true,
     .severity = SEVERITY_WARNING,
     .text = "Ingress/front"},
    {.name = "binding replaced",
     .scene = replaced,
     .code = "gate_missing_injection_failed",
     .primary = true,
     .severity = SEVERITY_INFO,
     .likely = true,
     .never = "binding_deleted"},
    {.name = "shared",
     .scene = shared,
     .code = "target_group_shared",
     .primary = true,
     .severity = SEVERITY_WARNING},
    {.name = "shared on purpose", .scene = shared_on_purpose, .never = "target_group_shared"},
    {.name = "restarted",
     .scene = restarted,
     .code = "container_restarted_after_open",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "registration_in_progress"},
    {.name = "lost its gate",
     .scene = lost_gate,
     .code = "serving_pod_gate_closed",
     .primary = true,
     .severity = SEVERITY_INFO,
     .never = "registration_in_progress"},
    {.name = "lost its gate, unhealthy",
     .scene = lost_gate_unhealthy,
     .code = "health_check_timeout",
     .primary = true,
     .severity = SEVERITY_ERROR},
    {.name = "lost its gate, unhealthy, beside it",
     .scene = lost_gate_unhealthy,
     .code = "serving_pod_gate_closed",
     .primary = false,
     .severity = SEVERITY_INFO},
    {.name = "lost its gate before we came",
     .scene = lost_gate_before_we_came,
     .code = "serving_pod_gate_closed",
     .primary = true,
     .severity = SEVERITY_INFO,
     .likely = true},
};

/* A container that was only not ready has no last words to read. */
static void last_words_of_a_container_that_restarted(void **s)
{
    (void)s;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct lab *l = shop_new();
        restarted(l);
        ((struct container_status *)(uintptr_t)l->pods[0]->statuses.items)->restarts = restarts;
        (void)lab_judge(l);
        const struct finding *f = lab_finding(l, "container_restarted_after_open");
        assert_non_null(f);
        assert_int_equal(has_command(f, "kubectl -n shop logs web-1 -c app --previous"),
                         restarts > 0);
        assert_int_equal(has_command(f, "--previous"), restarts > 0);
        lab_free(l);
    }
}

static void pods_that_only_look_as_if_they_served(void **s)
{
    (void)s;
    HOLD_CASES(exposed);
}

/* A few by name and the rest by number, so that the words stay while others come and go. */
static void other_owners_of_a_group_are_named(void **state)
{
    (void)state;
    static const char *const names[] = {"ops/web", "pay/a", "pay/z"};
    static const struct {
        uint32_t sharers;
        uint32_t named;
        const char *text;
        const char *evidence;
    } cases[] = {
        {1, 1, "owner: binding ops/web names it as well.", "ops/web"},
        {2, 2, "owner: bindings ops/web and pay/a name it as well.", "ops/web and pay/a"},
        {3, 3, "bindings ops/web, pay/a and pay/z name it as well.", "ops/web, pay/a and pay/z"},
        {7, 3, "bindings ops/web, pay/a, pay/z and 4 more name it as well.",
         "ops/web, pay/a, pay/z and 4 more"},
        {2, 0, "owner: bindings 2 others name it as well.", "2 others"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab *l = shop_new();
        shared(l);
        l->bindings[0].sharers = cases[i].sharers;
        l->bindings[0].sharer_names = (struct strs){names, cases[i].named};
        (void)lab_judge(l);
        const struct finding *f = lab_finding(l, "target_group_shared");
        bool good = f != NULL && strstr(f->message, cases[i].text) != NULL && f->evidence.n == 2 &&
                    strcmp(LIST_AT(struct evidence, f->evidence, 1)->value, cases[i].evidence) == 0;
        if (!good) {
            fail_msg("case %zu: %s", i, f != NULL ? f->message : "nothing");
        }
        lab_free(l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_that_are_not_healthy),
        cmocka_unit_test(pods_that_only_look_as_if_they_served),
        cmocka_unit_test(last_words_of_a_container_that_restarted),
        cmocka_unit_test(other_owners_of_a_group_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
