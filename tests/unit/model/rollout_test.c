/* Stories of rollouts: the state, since when, and what is remembered from look to look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/judge.h"
#include "unit/model/build.h"

#define REG "Elb.RegistrationInProgress"

/* A gated Deployment behind binding web. */
static struct facts_binding *gated(struct lab *l, int64_t replicas)
{
    lab_inject(l);
    (void)lab_deployment(l, "web", replicas);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    return lab_binding(l, "web", "web", "80", "ip");
}

static struct kube_pod *gated_pod(struct lab *l, const char *name, const char *hash)
{
    struct kube_pod *p = lab_pod(l, name, hash);
    lab_gate(l, p, LBC "web");
    return p;
}

/* Containers ready, gate closed. */
static void wait_at_gate(struct lab *l, struct kube_pod *p)
{
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", REG);
}

static void serve(struct lab *l, struct facts_binding *b, struct kube_pod *p)
{
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    if (b->group->known) {
        (void)lab_target(l, b, p, 8080, "healthy", "");
    }
}

/* The verdict's first transition of that kind; one that says nothing when there is none. */
static const struct transition *step_of(const struct lab *l, const char *what)
{
    static const struct transition none = {.what = "", .from = "", .to = "", .reason = ""};
    for (uint32_t i = 0; i < l->v.transitions.n; i++) {
        const struct transition *t = LIST_AT(struct transition, l->v.transitions, i);
        if (strcmp(t->what, what) == 0) {
            return t;
        }
    }
    return &none;
}

static void expect(struct lab *l, enum rollout_state state)
{
    enum rollout_state got = lab_judge(l)->state;
    if (got != state) {
        fail_msg("%s, not %s", rollout_state_name(got), rollout_state_name(state));
    }
}

static void from_first_pod_to_serving_and_over_a_scale_up(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 2);
    expect(l, ROLLOUT_PROGRESSING); /* no pod yet */
    lab_after(l, 1);
    struct kube_pod *p1 = gated_pod(l, "web-1", "hash1");
    struct kube_pod *p2 = gated_pod(l, "web-2", "hash1");
    expect(l, ROLLOUT_PROGRESSING);
    lab_after(l, 10);
    serve(l, b, p1);
    wait_at_gate(l, p2);
    expect(l, ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.gates_open, 1);
    assert_int_equal(l->v.gates_closed, 1);
    assert_int_equal(l->v.ready, 1);
    int64_t since = l->v.since;
    lab_after(l, 30);
    serve(l, b, p2);
    expect(l, ROLLOUT_SERVING);
    assert_int_equal(l->v.since, l->f.now);
    assert_true(l->v.since > since);
    assert_int_equal(l->v.served_at, l->f.now);
    const struct transition *t = step_of(l, "rollout");
    assert_string_equal(t->from, "progressing");
    assert_string_equal(t->to, "serving");
    int64_t served_at = l->v.served_at;
    int64_t started_at = l->v.started_at;
    lab_after(l, 3600);
    expect(l, ROLLOUT_SERVING);
    assert_int_equal(l->v.since, served_at);
    assert_int_equal(l->v.transitions.n, 0);
    assert_int_equal(l->v.next_look, 0);
    lab_remember(l);

    l->workload.replicas = 3; /* scale-up: no pod yet, then a new one of the old revision */
    expect(l, ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.pace, PACE_ON_TIME);
    lab_after(l, 1);
    struct kube_pod *p3 = gated_pod(l, "web-3", "hash1");
    expect(l, ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.started_at, started_at);
    assert_int_equal(l->v.served_at, served_at);
    lab_after(l, 5);
    serve(l, b, p3);
    expect(l, ROLLOUT_SERVING);
    assert_int_equal(l->v.served_at, l->f.now);
    lab_free(l);
}

static void a_new_revision_starts_anew_and_old_pods_do_not_decide(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    lab_group_known(l, b);
    struct kube_pod *old = gated_pod(l, "web-1", "hash1");
    serve(l, b, old);
    expect(l, ROLLOUT_SERVING);
    lab_after(l, 600);
    lab_new_revision(l, "hash2", 2);
    (void)lab_target(l, b, old, 8080, "unhealthy", "Target.Timeout");
    struct kube_pod *fresh = gated_pod(l, "web-2", "hash2");
    expect(l, ROLLOUT_PROGRESSING); /* the old pod is exposed, and is not the question */
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_EXPOSED);
    assert_int_equal(l->v.started_at, l->f.now);
    assert_int_equal(l->v.since, l->f.now);
    assert_int_equal(l->v.served_at, 0);
    lab_after(l, 20);
    serve(l, b, fresh);
    expect(l, ROLLOUT_PROGRESSING); /* the old one is still there */
    assert_false(l->v.complete);
    lab_delete(l, old);
    expect(l, ROLLOUT_SERVING);
    lab_free(l);
}

static void a_serving_pod_that_loses_its_target_is_exposed_at_once(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    lab_group_known(l, b);
    struct kube_pod *p = gated_pod(l, "web-1", "hash1");
    serve(l, b, p);
    lab_step(l, 300);
    (void)lab_target(l, b, p, 8080, "unhealthy", "Target.Timeout");
    expect(l, ROLLOUT_EXPOSED);
    assert_int_equal(l->v.by_state[POD_EXPOSED], 1);
    lab_after(l, 10);
    (void)lab_target(l, b, p, 8080, "healthy", "");
    expect(l, ROLLOUT_SERVING);
    lab_free(l);
}

static void a_pod_that_loses_its_gate_waits_from_then_on(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    struct kube_pod *p = gated_pod(l, "web-1", "hash1");
    serve(l, b, p);
    lab_step(l, 86400);
    lab_gate_set(l, p, LBC "web", "False", "Target.Timeout");
    expect(l, ROLLOUT_PROGRESSING); /* not stuck since yesterday */
    assert_int_equal(l->v.pace, PACE_ON_TIME);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_FAILING);
    assert_int_equal(l->v.next_look, l->f.now + 120000);
    lab_free(l);
}

static void a_workload_that_nothing_gates_is_not_gated(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    expect(l, ROLLOUT_PROGRESSING);
    lab_containers_ready(l, p, true);
    expect(l, ROLLOUT_NOT_GATED);
    assert_false(l->v.gated);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    (void)lab_binding(l, "web", "web", "80", "instance");
    expect(l, ROLLOUT_SERVING); /* a binding selects it, and has no gates to wait for */
    assert_true(l->v.gated);
    l->bindings[0].binding = NULL;
    l->ns.bindings.n = 0;
    (void)lab_binding(l, "web", "web", "80", "ip");
    expect(l, ROLLOUT_EXPOSED);
    assert_int_equal(l->v.gates_missing, 1);
    lab_free(l);
}

static void paused_only_until_it_is_complete(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 2);
    l->workload.paused = 1;
    l->workload.updated_replicas = 1;
    serve(l, b, gated_pod(l, "web-1", "hash1"));
    expect(l, ROLLOUT_PAUSED);
    assert_int_equal(l->v.eta, 0);
    serve(l, b, gated_pod(l, "web-2", "hash1"));
    l->workload.updated_replicas = 2;
    expect(l, ROLLOUT_SERVING);
    l->workload.updated_replicas = 0; /* its template went on while it was paused */
    expect(l, ROLLOUT_PAUSED);
    lab_free(l);
}

static void the_progress_deadline_fails_it_and_serving_recovers_it(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    struct kube_pod *p = gated_pod(l, "web-1", "hash1");
    wait_at_gate(l, p);
    lab_step(l, 30);
    struct condition *c = lab_item(l, &l->workload.conditions, sizeof *c);
    *c = (struct condition){"Progressing", "False", "ProgressDeadlineExceeded", "", 0, 0};
    expect(l, ROLLOUT_FAILED);
    assert_true(l->v.terminal);
    assert_int_equal(l->v.eta, 0);
    lab_after(l, 30);
    serve(l, b, p); /* the condition is corrected a moment later */
    expect(l, ROLLOUT_SERVING);
    assert_false(l->v.terminal);
    lab_free(l);
}

/* Rules for the tests below: a finding of the catalogue for the last pod, or for none. */
static void last_pod_is_denied(struct judge *j)
{
    struct finding *f = judge_finding(j, "register_denied", "TargetGroupBinding/web");
    finding_pod(j, f, &j->pods[j->n_pods - 1]);
}
static void creation_is_refused_for_good(struct judge *j)
{
    (void)judge_finding(j, "webhook_service_missing", "Deployment/web");
}
static void something_terminal_about_no_pod(struct judge *j)
{
    (void)judge_finding(j, "target_group_gone", "TargetGroup/x");
}

static enum rollout_state state_by(struct lab *l, void (*rules)(struct judge *))
{
    judge_by(&l->f, l->a, rules, &l->v);
    return l->v.state;
}

static void a_terminal_cause_fails_when_it_holds_all_that_wait(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 3);
    struct kube_pod *p1 = gated_pod(l, "web-1", "hash1");
    struct kube_pod *p2 = gated_pod(l, "web-2", "hash1");
    wait_at_gate(l, p1);
    wait_at_gate(l, p2);
    assert_int_equal(state_by(l, last_pod_is_denied), ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_REGISTERING);
    assert_int_equal(lab_pod_verdict(l, 1)->state, POD_FAILING); /* waits for nothing */
    assert_int_equal(lab_pod_verdict(l, 1)->track.state, POD_FAILING);
    serve(l, b, p1);
    assert_int_equal(state_by(l, last_pod_is_denied), ROLLOUT_FAILED);
    assert_int_equal(l->v.by_state[POD_FAILING], 1);
    assert_true(l->v.terminal);
    assert_ptr_equal(l->v.primary, l->v.findings.items);
    assert_string_equal(l->v.primary->code, "register_denied");
    assert_string_equal(lab_pod_verdict(l, 1)->cause, "register_denied");
    assert_string_equal(step_of(l, "rollout")->reason, "register_denied");
    lab_new_revision(l, "hash2", 2); /* the denied pod is an old one now */
    struct kube_pod *p3 = gated_pod(l, "web-3", "hash2");
    l->f.pods.n = 2;
    assert_int_equal(state_by(l, last_pod_is_denied), ROLLOUT_PROGRESSING);
    assert_int_equal(l->v.findings.n, 1);
    assert_null(l->v.primary);
    (void)p3;
    lab_free(l);
}

static void pods_that_cannot_be_made_fail_it_too(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 2);
    serve(l, b, gated_pod(l, "web-1", "hash1"));
    assert_int_equal(state_by(l, something_terminal_about_no_pod), ROLLOUT_PROGRESSING);
    assert_int_equal(state_by(l, creation_is_refused_for_good), ROLLOUT_FAILED);
    struct kube_pod *p = gated_pod(l, "web-2", "hash1");
    wait_at_gate(l, p);
    assert_int_equal(state_by(l, creation_is_refused_for_good), ROLLOUT_PROGRESSING);
    serve(l, b, p);
    assert_int_equal(state_by(l, creation_is_refused_for_good), ROLLOUT_SERVING);
    lab_free(l);
}

static void silent_sources_keep_what_was_known(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 2);
    struct kube_pod *p1 = gated_pod(l, "web-1", "hash1");
    struct kube_pod *p2 = gated_pod(l, "web-2", "hash1");
    serve(l, b, p1);
    wait_at_gate(l, p2);
    lab_step(l, 30);
    l->cluster.kube_stale = true;
    expect(l, ROLLOUT_PROGRESSING);
    assert_true(l->v.stale);
    assert_int_equal(l->v.eta, 0);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_SERVING);
    assert_int_equal(lab_pod_verdict(l, 0)->kubelet, TRUTH_UNKNOWN);
    assert_int_equal(lab_pod_verdict(l, 0)->gate, TRUTH_UNKNOWN);
    lab_after(l, 600); /* would be stuck, if it still waits */
    expect(l, ROLLOUT_UNKNOWN);
    assert_int_equal(l->v.pace, PACE_ON_TIME);
    lab_remember(l);
    l->cluster.kube_stale = false;
    expect(l, ROLLOUT_STUCK);
    lab_after(l, 10);
    l->cluster.kube_stale = true; /* a stuck one does not recover by our blindness */
    expect(l, ROLLOUT_STUCK);
    assert_true(l->v.stale);
    lab_free(l);
}

static void a_serving_rollout_stays_so_while_stale(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    serve(l, b, gated_pod(l, "web-1", "hash1"));
    lab_step(l, 30);
    l->cluster.kube_stale = true;
    lab_clock(l, 86400);
    expect(l, ROLLOUT_SERVING);
    assert_true(l->v.stale);
    lab_free(l);
}

static void lost_pods_are_unknown_unless_something_waits(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 2);
    struct kube_pod *p1 = gated_pod(l, "web-1", "hash1");
    struct kube_pod *p2 = gated_pod(l, "web-2", "hash1");
    serve(l, b, p1);
    p2->phase = "Unknown";
    expect(l, ROLLOUT_UNKNOWN);
    wait_at_gate(l, p1);
    expect(l, ROLLOUT_PROGRESSING);
    lab_free(l);
}

static void at_first_sight_since_comes_from_the_facts(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 1);
    struct kube_pod *p = gated_pod(l, "web-1", "hash1");
    lab_clock(l, 10);
    serve(l, b, p);
    int64_t ready = l->f.now;
    lab_clock(l, 7200);
    l->cluster.started_at = l->f.now;
    expect(l, ROLLOUT_SERVING);
    assert_int_equal(l->v.since, ready);
    assert_int_equal(l->v.served_at, ready);
    assert_int_equal(lab_pod_verdict(l, 0)->state_since, ready);
    assert_int_equal(l->v.started_at, l->revisions[0].created_at);
    assert_int_equal(l->v.transitions.n, 1); /* the rollout's own; nobody watched the pod */
    lab_free(l);
}

static void the_same_facts_give_the_same_verdict(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l, 3);
    lab_group_known(l, b);
    serve(l, b, gated_pod(l, "web-1", "hash1"));
    wait_at_gate(l, gated_pod(l, "web-2", "hash1"));
    (void)lab_judge(l);
    struct rollout_verdict first = l->v;
    (void)lab_judge(l);
    assert_int_equal(first.state, l->v.state);
    assert_int_equal(first.next_look, l->v.next_look);
    assert_int_equal(first.eta, l->v.eta);
    assert_int_equal(first.transitions.n, l->v.transitions.n);
    assert_int_equal(first.findings.n, l->v.findings.n);
    lab_remember(l);
    (void)lab_judge(l);
    assert_int_equal(l->v.transitions.n, 0);
    for (uint32_t i = 0; i < l->v.pods.n; i++) {
        assert_false(lab_pod_verdict(l, i)->track_changed);
    }
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_first_pod_to_serving_and_over_a_scale_up),
        cmocka_unit_test(a_new_revision_starts_anew_and_old_pods_do_not_decide),
        cmocka_unit_test(a_serving_pod_that_loses_its_target_is_exposed_at_once),
        cmocka_unit_test(a_pod_that_loses_its_gate_waits_from_then_on),
        cmocka_unit_test(a_workload_that_nothing_gates_is_not_gated),
        cmocka_unit_test(paused_only_until_it_is_complete),
        cmocka_unit_test(the_progress_deadline_fails_it_and_serving_recovers_it),
        cmocka_unit_test(a_terminal_cause_fails_when_it_holds_all_that_wait),
        cmocka_unit_test(pods_that_cannot_be_made_fail_it_too),
        cmocka_unit_test(silent_sources_keep_what_was_known),
        cmocka_unit_test(a_serving_rollout_stays_so_while_stale),
        cmocka_unit_test(lost_pods_are_unknown_unless_something_waits),
        cmocka_unit_test(at_first_sight_since_comes_from_the_facts),
        cmocka_unit_test(the_same_facts_give_the_same_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
