/* On time, slow, stuck: limits, the next look, the eta, and the usual time itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/build.h"

#define REG "Elb.RegistrationInProgress"

/* A Deployment of n wanted pods behind binding web, usual 40/60 s; containers get ready 10 s after
 * creation. */
static struct facts_binding *gated(struct lab *l, int64_t replicas)
{
    lab_inject(l);
    (void)lab_deployment(l, "web", replicas);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    return lab_binding(l, "web", "web", "80", "ip");
}

static struct kube_pod *waiting_pod(struct lab *l, const char *name)
{
    struct kube_pod *p = lab_pod(l, name, "hash1");
    lab_gate(l, p, LBC "web");
    return p;
}

static void closed(struct lab *l, struct kube_pod *p)
{
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", REG);
}

struct limits {
    const char *name;
    int64_t p95_s, slow_percent, stuck_percent, stuck_min_s, stuck_after_s;
    int64_t slow_at_s, stuck_at_s; /* after containers ready */
};
static const struct limits table[] = {
    {"factors of p95", 60, 200, 300, 90, 0, 120, 180},
    {"never stuck before the minimum", 20, 200, 300, 90, 0, 40, 90},
    {"a minimum past nothing", 20, 200, 300, 0, 0, 40, 60},
    {"slow never after stuck", 60, 400, 300, 90, 0, 180, 180},
    {"slow not before one more look of the controller", 2, 200, 300, 90, 0, 17, 90},
    {"a fixed limit above", 60, 200, 300, 90, 600, 120, 600},
    {"a fixed limit below the usual time rules all", 60, 200, 300, 90, 30, 30, 30},
    {"a network load balancer", 240, 200, 300, 90, 0, 480, 720},
};

static void check_limits(const struct limits *t)
{
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    b->usual = (struct usual){t->p95_s * 500, t->p95_s * 1000, true};
    l->policy.slow_factor_percent = t->slow_percent;
    l->policy.stuck_factor_percent = t->stuck_percent;
    l->policy.stuck_min_ms = t->stuck_min_s * 1000;
    l->policy.stuck_after_ms = t->stuck_after_s * 1000;
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_step(l, 10);
    closed(l, p);
    int64_t ready = l->f.now;
    (void)lab_judge(l);
    assert_int_equal(l->v.pace, PACE_ON_TIME);
    if (l->v.next_look != ready + t->slow_at_s * 1000) {
        fail_msg("%s: slow at %lld", t->name, (long long)(l->v.next_look - ready));
    }
    while (l->v.pace != PACE_STUCK) { /* from look to look, as the writer does */
        int64_t look = l->v.next_look;
        assert_true(look > l->f.now);
        lab_remember(l);
        l->f.now = look - 1;
        enum pace before = l->v.pace;
        assert_int_equal(lab_judge(l)->pace, before);
        l->f.now = look;
        if (lab_judge(l)->pace == before && l->v.next_look == look) {
            fail_msg("%s: nothing at %lld", t->name, (long long)(look - ready));
        }
    }
    if (l->f.now != ready + t->stuck_at_s * 1000) {
        fail_msg("%s: stuck at %lld", t->name, (long long)(l->f.now - ready));
    }
    assert_int_equal(l->v.state, ROLLOUT_STUCK);
    assert_int_equal(l->v.since, l->f.now);
    lab_free(l);
}

static void limits_come_from_the_usual_time_and_the_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        check_limits(&table[i]);
    }
}

static void a_slow_rollout_says_so_and_the_slowest_binding_rules(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 1);
    struct facts_binding *nlb = lab_binding(l, "nlb", "web", "80", "ip");
    nlb->usual = (struct usual){200000, 240000, false};
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_gate(l, p, LBC "nlb");
    lab_step(l, 10);
    closed(l, p);
    int64_t ready = l->f.now;
    (void)lab_judge(l);
    assert_true(l->v.usual_known);
    assert_int_equal(l->v.usual.p95_ms, 240000);
    assert_false(l->v.usual.from_history);
    lab_remember(l);
    l->f.now = ready + 479999;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    l->f.now = ready + 480000;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SLOW);
    assert_int_equal(l->v.pace, PACE_SLOW);
    assert_int_equal(l->v.since, l->f.now);
    lab_free(l);
}

static void the_worst_new_pod_makes_the_pace(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 3);
    lab_new_revision(l, "hash2", 2);
    struct kube_pod *old = lab_pod(l, "old-1", "hash1");
    lab_gate(l, old, LBC "web");
    closed(l, old);
    lab_step(l, 3600);
    struct kube_pod *p1 = lab_pod(l, "web-1", "hash2");
    lab_gate(l, p1, LBC "web");
    lab_containers_ready(l, p1, true);
    lab_gate_set(l, p1, LBC "web", "True", "");
    struct kube_pod *p2 = lab_pod(l, "web-2", "hash2");
    lab_gate(l, p2, LBC "web");
    closed(l, p2);
    assert_int_equal(lab_judge(l)->pace, PACE_ON_TIME); /* the old one is stuck, and no matter */
    lab_after(l, 100);
    struct kube_pod *p3 = lab_pod(l, "web-3", "hash2");
    lab_gate(l, p3, LBC "web");
    closed(l, p3);
    lab_step(l, 30);
    assert_int_equal(lab_judge(l)->pace, PACE_SLOW);
    lab_after(l, 60);
    assert_int_equal(lab_judge(l)->pace, PACE_STUCK);
    lab_gate_set(l, p2, LBC "web", "True", "");
    assert_int_equal(lab_judge(l)->pace, PACE_ON_TIME);
    assert_int_equal(l->v.next_look, p3->conditions.n > 0 ? l->f.now - 90000 + 120000 : 0);
    (void)b;
    lab_free(l);
}

static void containers_that_never_get_ready_count_from_creation(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 1);
    struct kube_pod *p = waiting_pod(l, "web-1");
    int64_t created = l->f.now;
    (void)lab_judge(l);
    assert_int_equal(l->v.next_look, created + 300000); /* half of the default deadline */
    lab_after(l, 290);
    lab_containers_ready(l, p, true); /* ready for a moment: no new start */
    lab_gate_set(l, p, LBC "web", "False", REG);
    lab_step(l, 5);
    lab_containers_ready(l, p, false);
    lab_step(l, 5);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SLOW);
    lab_after(l, 300);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_STUCK);
    l->workload.progress_deadline_seconds = 1200;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SLOW);
    l->policy.stuck_after_ms = 3600000; /* slow by nature, says its owner */
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    lab_free(l);
}

static void a_pod_that_never_served_counts_from_creation_though_it_was_ready(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 1);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1"); /* no gate: exposed while ready */
    int64_t created = l->f.now;
    lab_step(l, 200);
    lab_containers_ready(l, p, true);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_EXPOSED);
    lab_after(l, 10);
    lab_containers_ready(l, p, false);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.next_look, created + 300000);
    lab_free(l);
}

static void pods_that_nobody_makes_get_slow_and_stuck_too(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    lab_after(l, 7200);
    l->workload.replicas = 2;
    int64_t from = l->f.now;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.next_look, from + 300000);
    lab_after(l, 299);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    lab_after(l, 1);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SLOW);
    lab_after(l, 150);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SLOW);
    lab_after(l, 150);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_STUCK);
    assert_int_equal(l->v.since, from + 600000);
    lab_after(l, 3600);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_STUCK);
    lab_remember(l);
    (void)waiting_pod(l, "web-2"); /* it moves again */
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    (void)b;
    lab_free(l);
}

static void at_first_sight_a_long_wait_is_stuck_since_its_limit(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 1);
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_clock(l, 10);
    closed(l, p);
    int64_t ready = l->f.now;
    lab_clock(l, 3600);
    l->cluster.started_at = l->f.now;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_STUCK);
    assert_int_equal(l->v.since, ready + 180000);
    lab_free(l);
}

static void other_gates_have_the_deadline(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, "example.org/ready");
    lab_containers_ready(l, p, true);
    (void)lab_judge(l);
    assert_false(l->v.usual_known);
    assert_int_equal(l->v.next_look, l->f.now + 300000);
    assert_int_equal(l->v.eta, 0);
    lab_free(l);
}

static void the_eta_counts_what_waits_and_the_batches_to_come(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 4);
    l->workload.max_surge = "1";
    l->workload.max_unavailable = "0";
    l->workload.min_ready_seconds = 5;
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_step(l, 10);
    closed(l, p); /* 10 s to start, usual 40 s */
    int64_t ready = l->f.now;
    (void)lab_judge(l);
    assert_int_equal(l->v.eta, ready + 40000 + 3 * INT64_C(55000));
    l->workload.max_surge = "50%"; /* 2 at once */
    assert_int_equal(lab_judge(l)->eta, ready + 40000 + 2 * INT64_C(55000));
    lab_after(l, 50); /* past p50: p95 */
    assert_int_equal(lab_judge(l)->eta, ready + 60000 + 2 * INT64_C(55000));
    struct kube_pod *starting = waiting_pod(l, "web-2"); /* 10 s to start like the first, 40 s */
    assert_int_equal(lab_judge(l)->eta, starting->meta.created_at + 10000 + 40000 + INT64_C(55000));
    l->f.pods.n--;
    lab_after(l, 20); /* past p95: nothing can be told */
    assert_int_equal(lab_judge(l)->eta, 0);
    lab_free(l);
}

static void no_eta_is_promised_while_a_container_cannot_start(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l, 1);
    struct kube_pod *p = waiting_pod(l, "web-1");
    lab_step(l, 10);
    assert_int_equal(lab_judge(l)->eta, l->f.now + 40000); /* it starts like any other */
    struct container_status *c = (struct container_status *)(uintptr_t)p->statuses.items;
    c->waiting_reason = "CrashLoopBackOff";
    c->is_waiting = 1;
    c->is_running = 0;
    c->restarts = 6;
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->primary->code, "crash_loop");
    assert_int_equal(v->state, ROLLOUT_SLOW); /* it is not waited for */
    assert_int_equal(v->eta, 0);
    lab_free(l);
}

static void the_usual_time_is_learned_or_by_formula(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *fb = gated(l, 1);
    struct kube_binding *b = (struct kube_binding *)(uintptr_t)fb->binding;
    int64_t samples[100];
    for (int i = 0; i < 100; i++) {
        samples[i] = 1000 * (i + 1);
    }
    b->protocol = "HTTP";
    struct usual u = usual_of(samples, 4, b, NULL, NULL);
    assert_false(u.from_history); /* too few */
    assert_int_equal(u.p95_ms, 25000);
    u = usual_of(samples, 5, b, NULL, NULL);
    assert_true(u.from_history);
    assert_int_equal(u.p50_ms, 3000);
    assert_int_equal(u.p95_ms, 5000);
    u = usual_of(samples, 100, b, NULL, NULL); /* the newest 64: 37 s to 100 s */
    assert_int_equal(u.p50_ms, 68000);
    assert_int_equal(u.p95_ms, 97000);

    static const char *const network[] = {"TCP", "UDP", "TLS", "TCP_UDP", "QUIC", "TCP_QUIC"};
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++) {
        b->protocol = network[i];
        assert_int_equal(usual_of(NULL, 0, b, NULL, NULL).p95_ms, 210000);
    }
    static const char *const application[] = {"HTTP", "HTTPS", "CP"};
    for (size_t i = 0; i < sizeof application / sizeof application[0]; i++) {
        b->protocol = application[i];
        assert_int_equal(usual_of(NULL, 0, b, NULL, NULL).p95_ms, 25000);
    }
    b->protocol = ""; /* older controllers do not fill it in: who made the binding tells */
    assert_int_equal(usual_of(NULL, 0, b, NULL, NULL).p95_ms, 210000);
    lab_kv(l, &b->meta.labels, "service.k8s.aws/stack-name", "web");
    assert_int_equal(usual_of(NULL, 0, b, NULL, NULL).p95_ms, 210000);
    lab_kv(l, &b->meta.labels, "ingress.k8s.aws/stack-name", "web");
    assert_int_equal(usual_of(NULL, 0, b, NULL, NULL).p95_ms, 25000);
    struct elb_group g;
    record_clear(&elb_group_table, &g);
    g.protocol = "TCP";
    g.health_interval = 30;
    g.healthy_threshold = 5;
    assert_int_equal(usual_of(NULL, 0, b, &g, NULL).p95_ms, 330000);
    struct elb_balancer lb;
    record_clear(&elb_balancer_table, &lb);
    lb.type = "application";
    assert_int_equal(usual_of(NULL, 0, b, &g, &lb).p95_ms, 40000);
    lb.type = "network";
    g.protocol = "HTTP";
    assert_int_equal(usual_of(NULL, 0, b, &g, &lb).p95_ms, 330000);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_come_from_the_usual_time_and_the_policy),
        cmocka_unit_test(a_slow_rollout_says_so_and_the_slowest_binding_rules),
        cmocka_unit_test(the_worst_new_pod_makes_the_pace),
        cmocka_unit_test(containers_that_never_get_ready_count_from_creation),
        cmocka_unit_test(a_pod_that_never_served_counts_from_creation_though_it_was_ready),
        cmocka_unit_test(pods_that_nobody_makes_get_slow_and_stuck_too),
        cmocka_unit_test(at_first_sight_a_long_wait_is_stuck_since_its_limit),
        cmocka_unit_test(other_gates_have_the_deadline),
        cmocka_unit_test(the_eta_counts_what_waits_and_the_batches_to_come),
        cmocka_unit_test(no_eta_is_promised_while_a_container_cannot_start),
        cmocka_unit_test(the_usual_time_is_learned_or_by_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
