/* Crash loops: what is one, how it holds on while its container is up, and its pace. */
#include "unit/model/cause_case.h"

enum { MIN = 60000 };

static struct container_status *status_of(struct lab *l, int pod)
{
    return (struct container_status *)(uintptr_t)l->pods[pod]->statuses.items;
}

/* ---- which containers ---- */

struct container_case {
    const char *name;
    const char *waiting;
    int64_t restarts;
    int64_t run_ms;      /* of the last run; -1 = its start is not known */
    int64_t finished_ms; /* before now, 0 = never */
    bool known;          /* the loop was told at the last judgement */
    bool want;
    int64_t look_ms; /* the look at which it is forgotten; 0 = none */
};
static const struct container_case containers[] = {
    {"held back", "CrashLoopBackOff", 1, 1000, 5000, false, true, 0},
    {"up after two crashes", "", 2, 1000, 20000, false, true, 10 * MIN - 20000},
    {"up after the first", "", 1, 1000, 20000, false, false, 0},
    {"up after the first, known", "", 1, 1000, 20000, true, true, 10 * MIN - 20000},
    {"never crashed, known of others", "", 0, 0, 0, true, false, 0},
    {"up for as long as kubelet remembers", "", 7, 1000, 10 * MIN, true, false, 0},
    {"almost", "", 7, 1000, 10 * MIN - 1, true, true, 1},
    {"a crash after days, restarts of last month", "", 9, 500 * MIN, 5000, false, false, 0},
    {"the last run's start is not known", "", 2, -1, 5000, false, true, 10 * MIN - 5000},
    {"waits for something else", "CreateContainerConfigError", 4, 1000, 5000, true, false, 0},
};

static void check_container(const struct container_case *c)
{
    struct lab *l = shop_new();
    const struct prior_finding prior = {"crash_loop", "Deployment/web", l->f.now - 1000};
    l->prior.findings = (struct list){&prior, c->known ? 1 : 0};
    struct container_status *s = status_of(l, 0);
    s->waiting_reason = c->waiting;
    s->is_waiting = c->waiting[0] != '\0';
    s->is_running = c->waiting[0] == '\0';
    s->restarts = c->restarts;
    s->last_finished_at = c->finished_ms > 0 ? l->f.now - c->finished_ms : 0;
    s->last_started_at = c->run_ms >= 0 ? s->last_finished_at - c->run_ms : 0;
    (void)lab_judge(l);
    bool found = lab_finding(l, "crash_loop") != NULL;
    if (found != c->want) {
        fail_msg("%s: %s", c->name, found ? "a loop" : "no loop");
    }
    bool looks = l->v.next_look != 0 && l->v.next_look <= l->f.now + c->look_ms;
    if (c->look_ms != 0 && !looks) {
        fail_msg("%s: looks at %lld", c->name, (long long)(l->v.next_look - l->f.now));
    }
    lab_free(l);
}

static void what_kubelet_holds_back_or_restarts_soon_is_a_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++) {
        check_container(&containers[i]);
    }
}

static void an_init_container_that_came_through_is_over(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    struct container_status *c = lab_item(l, &l->pods[0]->init_statuses, sizeof *c);
    *c = *status_of(l, 0);
    c->name = "migrate";
    c->restarts = 3;
    c->last_finished_at = l->f.now - 5000;
    c->last_started_at = l->f.now - 6000;
    c->is_running = 0;
    c->is_terminated = 1;
    c->exit_code = 1;
    (void)lab_judge(l);
    assert_non_null(lab_finding(l, "crash_loop"));
    lab_remember(l);
    c->exit_code = 0;
    (void)lab_judge(l);
    assert_null(lab_finding(l, "crash_loop"));
    lab_free(l);
}

/* ---- a life ---- */

static void crashes(struct lab *l, int64_t run_s)
{
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        struct container_status *c = status_of(l, (int)i);
        c->restarts++;
        c->last_finished_at = l->f.now;
        c->last_started_at = l->f.now - run_s * 1000;
        c->last_exit_code = 1;
        c->last_reason = "Error";
        c->ready = 0;
        c->is_running = 0;
        c->is_waiting = 1;
        c->waiting_reason = "CrashLoopBackOff";
        lab_containers_ready(l, l->pods[i], false);
    }
    (void)lab_slice(l, &l->services[0]);
}

static void comes_up(struct lab *l)
{
    for (uint32_t i = 0; i < l->f.pods.n; i++) {
        struct container_status *c = status_of(l, (int)i);
        c->ready = 1;
        c->is_running = 1;
        c->is_waiting = 0;
        c->waiting_reason = "";
    }
    shop_ready(l);
}

static struct finding loop_of(struct lab *l)
{
    (void)lab_judge(l);
    const struct finding *f = lab_finding(l, "crash_loop");
    if (f == NULL) {
        fail_msg("no crash_loop");
        return (struct finding){.message = ""};
    }
    return *f;
}

/* It says a crash loop that began at `since`, of that severity, in that state of the rollout. */
static void says(struct lab *l, enum severity severity, enum rollout_state state, int64_t since)
{
    struct finding f = loop_of(l);
    assert_true(well_written(&f));
    assert_int_equal(f.severity, severity);
    assert_int_equal(l->v.state, state);
    assert_int_equal(f.since, since);
    assert_int_equal(f.primary, severity > SEVERITY_INFO);
}

static void a_loop_holds_on_while_its_container_is_up_and_ends_once(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    int64_t since = l->pods[0]->meta.created_at;
    crashes(l, 3);
    says(l, SEVERITY_WARNING, ROLLOUT_SLOW, since); /* it is not waited for */
    shop_after(l, 10);
    comes_up(l); /* waits at its gate, for a moment */
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    says(l, SEVERITY_WARNING, ROLLOUT_SLOW, since);
    shop_after(l, 20);
    crashes(l, 20);
    shop_after(l, 20);
    crashes(l, 20);
    says(l, SEVERITY_ERROR, ROLLOUT_SLOW, since); /* not stuck before stuck_min */
    shop_after(l, 60);
    says(l, SEVERITY_ERROR, ROLLOUT_STUCK, since);
    shop_after(l, 60);
    comes_up(l);
    says(l, SEVERITY_ERROR, ROLLOUT_STUCK, since); /* at its gate: it has not come through */
    shop_after(l, 10);
    shop_gates(l, "True", "", "healthy");
    says(l, SEVERITY_INFO, ROLLOUT_SERVING, since); /* what serves is said to serve */
    assert_non_null(strstr(loop_of(l).message, "crashes again and again"));
    shop_after(l, 20);
    crashes(l, 30);
    shop_gates(l, "False", "Elb.RegistrationInProgress", "initial");
    says(l, SEVERITY_ERROR, ROLLOUT_STUCK, since); /* it goes on: no new wait begins */
    shop_after(l, 300);
    comes_up(l);
    shop_gates(l, "True", "", "healthy");
    says(l, SEVERITY_INFO, ROLLOUT_SERVING, since);
    shop_after(l, 299);
    says(l, SEVERITY_INFO, ROLLOUT_SERVING, since);
    shop_after(l, 1);
    (void)lab_judge(l);
    assert_null(lab_finding(l, "crash_loop"));
    assert_int_equal(l->v.state, ROLLOUT_SERVING);
    lab_free(l);
}

static void pods_that_serve_begin_no_loop_and_hide_none(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    shop_serves(l);
    struct container_status *c = status_of(l, 0);
    c->restarts = 2;
    c->last_finished_at = l->f.now - 40000;
    c->last_started_at = l->f.now - 50000;
    (void)lab_judge(l);
    assert_null(lab_finding(l, "crash_loop")); /* nobody has been told of it */
    lab_remember(l);
    struct container_status *other = status_of(l, 1);
    *other = *c;
    other->restarts = 4;
    other->is_running = 0;
    other->waiting_reason = "CrashLoopBackOff";
    other->ready = 0;
    lab_containers_ready(l, l->pods[1], false);
    (void)lab_slice(l, &l->services[0]);
    (void)lab_judge(l);
    lab_remember(l);
    struct finding f = loop_of(l);
    assert_int_equal(f.pods, 2);
    assert_true(f.primary && f.severity == SEVERITY_ERROR);
    lab_free(l);
}

static void a_fixed_limit_rules_the_loop_too(void **state)
{
    (void)state;
    struct lab *l = shop_new();
    l->policy.stuck_after_ms = 200000;
    status_of(l, 0)->restarts = 4;
    status_of(l, 1)->restarts = 4;
    crashes(l, 3);
    int64_t created = l->pods[0]->meta.created_at;
    (void)lab_judge(l);
    assert_int_equal(l->v.state, ROLLOUT_SLOW);
    assert_int_equal(l->v.next_look, created + 200000);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_kubelet_holds_back_or_restarts_soon_is_a_loop),
        cmocka_unit_test(an_init_container_that_came_through_is_over),
        cmocka_unit_test(a_loop_holds_on_while_its_container_is_up_and_ends_once),
        cmocka_unit_test(pods_that_serve_begin_no_loop_and_hide_none),
        cmocka_unit_test(a_fixed_limit_rules_the_loop_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
