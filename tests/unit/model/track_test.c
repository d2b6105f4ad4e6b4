/* What is remembered of a pod: times, samples, steps of the timeline, and its packed form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "unit/model/build.h"

#define REG "Elb.RegistrationInProgress"
#define INI "Elb.InitialHealthChecking"

static struct facts_binding *gated(struct lab *l)
{
    lab_inject(l);
    (void)lab_deployment(l, "web", 1);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    return lab_binding(l, "web", "web", "80", "ip");
}

static struct kube_pod *gated_pod(struct lab *l)
{
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    return p;
}

static const struct pod_track *track(const struct lab *l)
{
    return &lab_pod_verdict(l, 0)->track;
}

static const struct gate_track *gate(const struct lab *l)
{
    return LIST_AT(struct gate_track, track(l)->gates, 0);
}

/* "pod starting registering; gate absent closed" of the last verdict. */
static const char *steps(struct lab *l)
{
    const char *text = "";
    for (uint32_t i = 0; i < l->v.transitions.n; i++) {
        const struct transition *t = LIST_AT(struct transition, l->v.transitions, i);
        if (strcmp(t->what, "rollout") != 0) {
            text = arena_printf(l->a, "%s%s%s %s %s", text, text[0] != '\0' ? "; " : "", t->what,
                                t->from, t->to);
        }
    }
    return text;
}

static void null_transition_times(struct kube_pod *p)
{
    for (uint32_t i = 0; i < p->conditions.n; i++) {
        ((struct condition *)(uintptr_t)p->conditions.items)[i].transition_at = 0;
    }
}

static void the_life_of_a_pod_in_steps(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l);
    lab_group_known(l, b);
    struct kube_pod *p = gated_pod(l);
    int64_t t0 = l->f.now;
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod  starting");
    assert_int_equal(track(l)->watched, 1);
    assert_int_equal(track(l)->first_seen_at, t0);
    assert_true(lab_pod_verdict(l, 0)->track_changed);
    lab_after(l, 10);
    lab_containers_ready(l, p, true);
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod starting registering");
    assert_int_equal(track(l)->containers_ready_at, t0 + 10000);
    lab_after(l, 1);
    lab_gate_set(l, p, LBC "web", "False", REG);
    (void)lab_target(l, b, p, 8080, "initial", REG);
    (void)lab_judge(l);
    assert_string_equal(steps(l), "gate absent closed; target absent initial");
    const struct transition *t = LIST_AT(struct transition, l->v.transitions, 1);
    assert_non_null(strstr(t->subject, "targetgroup/web/0123 10.0.0.1:8080"));
    assert_string_equal(strrchr(t->subject, ':'), ":8080");
    assert_int_equal(gate(l)->first_seen_at, t0 + 11000);
    assert_string_equal(gate(l)->reason, REG);
    lab_after(l, 9);
    (void)lab_condition(l, p, LBC "web", "False", INI, "checks");
    (void)lab_target(l, b, p, 8080, "initial", INI);
    (void)lab_judge(l);
    assert_string_equal(steps(l),
                        "pod registering checking; gate closed closed; target initial initial");
    assert_int_equal(gate(l)->reason_since, t0 + 20000);
    assert_int_equal(gate(l)->changed_at, t0 + 11000);
    lab_after(l, 20);
    lab_gate_set(l, p, LBC "web", "True", "");
    (void)lab_target(l, b, p, 8080, "healthy", "");
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod checking serving; gate closed open; target initial healthy");
    assert_int_equal(gate(l)->opened_at, t0 + 40000);
    assert_int_equal(track(l)->ready_at, t0 + 40000);
    assert_int_equal(track(l)->served_at, t0 + 40000);
    assert_int_equal(track(l)->healthy_at, t0 + 40000);
    assert_int_equal(l->v.samples.n, 1);
    assert_int_equal(LIST_AT(struct usual_sample, l->v.samples, 0)->ms, 30000);
    assert_string_equal(LIST_AT(struct usual_sample, l->v.samples, 0)->binding, "web");
    lab_after(l, 60);
    (void)lab_judge(l);
    assert_string_equal(steps(l), "");
    assert_false(lab_pod_verdict(l, 0)->track_changed);
    assert_int_equal(l->v.samples.n, 0);
    lab_gate_set(l, p, LBC "web", "False", "Target.Timeout");
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod serving checking; gate open closed");
    assert_int_equal(gate(l)->closed_again_at, t0 + 100000);
    assert_int_equal(gate(l)->opened_at, t0 + 40000); /* the first time */
    lab_after(l, 5);
    lab_gate_set(l, p, LBC "web", "True", "");
    (void)lab_judge(l);
    assert_int_equal(l->v.samples.n, 0); /* it had been open before */
    lab_free(l);
}

static void our_own_clock_where_transition_times_are_null(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l);
    struct kube_pod *p = gated_pod(l);
    null_transition_times(p);
    lab_step(l, 10);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", REG);
    null_transition_times(p);
    int64_t ready = l->f.now;
    lab_step(l, 25);
    lab_gate_set(l, p, LBC "web", "True", REG); /* the stale reason on True is no reason */
    null_transition_times(p);
    (void)lab_judge(l);
    assert_int_equal(track(l)->containers_ready_at, ready);
    assert_int_equal(gate(l)->first_seen_at, ready);
    assert_int_equal(gate(l)->opened_at, l->f.now);
    assert_string_equal(gate(l)->reason, "");
    assert_int_equal(LIST_AT(struct usual_sample, l->v.samples, 0)->ms, 25000);
    int64_t ready_at = track(l)->ready_at;
    assert_int_equal(ready_at, l->f.now);
    lab_after(l, 100);
    (void)lab_judge(l);
    assert_int_equal(track(l)->ready_at, ready_at);
    assert_false(lab_pod_verdict(l, 0)->track_changed);
    lab_free(l);
}

static void no_sample_from_what_we_did_not_watch(void **state)
{
    (void)state;
    static const char *const cases[] = {"open at first sight", "there before us", "restarted",
                                        "forced open", "open before its containers"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lab *l = lab_new();
        (void)gated(l);
        struct kube_pod *p = gated_pod(l);
        lab_clock(l, 10);
        if (i == 1) {
            l->cluster.started_at = l->f.now;
        }
        if (i != 4) {
            lab_containers_ready(l, p, true);
        }
        if (i != 0) {
            lab_gate_set(l, p, LBC "web", "False", REG);
            lab_step(l, 10);
        }
        if (i == 2) {
            lab_containers_ready(l, p, false);
            lab_step(l, 1);
            lab_containers_ready(l, p, true);
            lab_step(l, 1);
        }
        (void)lab_condition(l, p, LBC "web", "True", "",
                            i == 3 ? "Target Group Binding is deleted" : "");
        lab_kubelet(l, p);
        if (lab_judge(l)->samples.n != 0) {
            fail_msg("a sample: %s", cases[i]);
        }
        lab_free(l);
    }
}

static void a_pod_that_was_there_tells_no_steps(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l);
    struct kube_pod *p = gated_pod(l);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    (void)lab_target(l, b, p, 8080, "healthy", "");
    lab_clock(l, 600);
    l->cluster.started_at = l->f.now;
    (void)lab_judge(l);
    assert_string_equal(steps(l), "");
    assert_int_equal(track(l)->watched, 0);
    assert_int_equal(track(l)->containers_ready_at, LAB_T0);
    assert_int_equal(gate(l)->opened_at, LAB_T0);
    lab_after(l, 10);
    (void)lab_target(l, b, p, 8080, "unhealthy", "Target.Timeout");
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod serving exposed; target healthy unhealthy");
    lab_free(l);
}

static void containers_that_come_and_go(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)gated(l);
    struct kube_pod *p = gated_pod(l);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    ((struct container_status *)(uintptr_t)p->statuses.items)->restarts = 1;
    (void)lab_judge(l);
    assert_int_equal(track(l)->restarts_at_open, 1);
    lab_after(l, 100);
    lab_containers_ready(l, p, false);
    ((struct container_status *)(uintptr_t)p->statuses.items)->restarts = 2;
    (void)lab_judge(l);
    assert_int_equal(track(l)->containers_unready_at, l->f.now);
    assert_int_equal(track(l)->spell_ready_at, 0);
    assert_int_equal(track(l)->restarts, 2);
    assert_int_equal(track(l)->restarts_at_open, 1);
    lab_after(l, 10);
    lab_containers_ready(l, p, true);
    (void)lab_judge(l);
    assert_int_equal(track(l)->containers_ready_at, LAB_T0);
    assert_int_equal(track(l)->spell_ready_at, l->f.now);
    lab_after(l, 50);
    /* Away and back between two looks. */
    struct condition *c =
        (struct condition *)(uintptr_t)condition_get(&p->conditions, "ContainersReady");
    c->transition_at = l->f.now - 5000;
    (void)lab_judge(l);
    assert_int_equal(track(l)->spell_ready_at, l->f.now - 5000);
    assert_int_equal(track(l)->containers_unready_at, l->f.now - 5000);
    lab_free(l);
}

static void a_silent_group_keeps_its_last_word(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l);
    struct kube_pod *p = gated_pod(l);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "True", "");
    (void)lab_target(l, b, p, 8080, "healthy", "");
    lab_step(l, 10);
    b->group->known = false;
    (void)lab_judge(l);
    assert_string_equal(steps(l), "");
    lab_after(l, 10);
    b->group->known = true;
    (void)lab_judge(l);
    assert_string_equal(steps(l), "");
    b->group->targets.n = 0;
    (void)lab_judge(l);
    assert_string_equal(steps(l), "pod serving exposed; target healthy absent");
    lab_free(l);
}

static void dump(const struct pod_track *t, struct buf *out)
{
    struct json_out j = json_out(out);
    record_dump(&pod_track_table, t, &j);
}

static void a_packed_track_comes_back_whole(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct facts_binding *b = gated(l);
    struct kube_pod *p = gated_pod(l);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", INI);
    (void)lab_target(l, b, p, 8080, "initial", INI);
    (void)lab_judge(l);
    AUTO(buf) packed = BUF_INIT(1 << 16);
    pack_record(&pod_track_table, track(l), &packed);
    struct pod_track back;
    struct err err = {0};
    assert_true(unpack_record(&pod_track_table, packed.data, packed.len, l->a, &back, &err));
    AUTO(buf) before = BUF_INIT(1 << 16);
    AUTO(buf) after = BUF_INIT(1 << 16);
    dump(track(l), &before);
    dump(&back, &after);
    assert_string_equal(buf_str(&before), buf_str(&after));
    assert_non_null(strstr(buf_str(&after), INI));
    l->tracks[0] = back; /* and judges as if never packed */
    l->prior.state = (int64_t)l->v.state;
    (void)lab_judge(l);
    assert_false(lab_pod_verdict(l, 0)->track_changed);
    record_clear(&pod_track_table, &back);
    assert_int_equal(back.state, -1);
    lab_free(l);
}

/* What an earlier version has packed cannot be fetched again: these are its bytes, as it wrote
 * them.
 */
static void a_track_of_the_oldest_layout_is_still_read(void **state)
{
    (void)state;
    static const char oldest[] =
        "\x01\x0b\x3b\x80\xc0\xe2\x85\xe3\x68\x80\xc0\xe2\x85\xe3\x68\x80\xc0\xe2\x85\xe3\x68"
        "\x04\x80\xc0\xe2\x85\xe3\x68\x02\x01\xeb\x1ftarget-health.elbv2.k8s.aws/web\0\x80\xc0"
        "\xe2\x85\xe3\x68\x80\xc0\xe2\x85\xe3\x68\x02\x19"
        "Elb.InitialHealthChecking\0\x80\xc0\xe2"
        "\x85\xe3\x68\x01\x0f\x03web\0\xa0\x7e\x07initial\0\x19"
        "Elb.InitialHealthChecking";
    AUTO_PTR(arena) a = arena_new(0);
    struct pod_track t;
    struct err err = {0};
    assert_true(unpack_record(&pod_track_table, oldest, sizeof oldest, a, &t, &err));
    AUTO(buf) out = BUF_INIT(1 << 16);
    dump(&t, &out);
    assert_string_equal(
        buf_str(&out),
        "{\"first_seen_at\":1800000000000,\"containers_ready_at\":1800000000000,"
        "\"spell_ready_at\":1800000000000,\"state\":2,\"state_since\":1800000000000,\"watched\":1,"
        "\"gates\":[{\"type\":\"target-health.elbv2.k8s.aws/web\",\"first_seen_at\":1800000000000,"
        "\"changed_at\":1800000000000,\"status\":1,\"reason\":\"Elb.InitialHealthChecking\","
        "\"reason_since\":1800000000000}],\"targets\":[{\"binding\":\"web\",\"port\":8080,"
        "\"state\":\"initial\",\"reason\":\"Elb.InitialHealthChecking\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_life_of_a_pod_in_steps),
        cmocka_unit_test(our_own_clock_where_transition_times_are_null),
        cmocka_unit_test(no_sample_from_what_we_did_not_watch),
        cmocka_unit_test(a_pod_that_was_there_tells_no_steps),
        cmocka_unit_test(containers_that_come_and_go),
        cmocka_unit_test(a_silent_group_keeps_its_last_word),
        cmocka_unit_test(a_packed_track_comes_back_whole),
        cmocka_unit_test(a_track_of_the_oldest_layout_is_still_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
