/* Stories of rollouts: facts step by step, and what the verdict must say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/judge.h"
#include "unit/model/build.h"

__attribute__((weak)) void causes_find(struct judge *j)
{
    (void)j;
}
__attribute__((weak)) const struct cause *cause_get(const char *code)
{
    (void)code;
    return NULL;
}

static void smoke(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    lab_deployment(l, "web", 1);
    struct kube_service *s = lab_service(l, "web", "app", "web", 80, "8080");
    struct facts_binding *b = lab_binding(l, "web", "web", "80", "ip");
    struct kube_pod *p = lab_pod(l, "web-1", "hash1");
    lab_gate(l, p, LBC "web");
    (void)lab_slice(l, s);
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_STARTING);
    lab_after(l, 5);
    lab_containers_ready(l, p, true);
    lab_gate_set(l, p, LBC "web", "False", "Elb.RegistrationInProgress");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_REGISTERING);
    lab_target(l, b, p, 8080, "initial", "Elb.InitialHealthChecking");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    assert_int_equal(lab_pod_verdict(l, 0)->state, POD_CHECKING);
    lab_after(l, 30);
    lab_target(l, b, p, 8080, "healthy", "");
    lab_gate_set(l, p, LBC "web", "True", "");
    assert_int_equal(lab_judge(l)->state, ROLLOUT_SERVING);
    assert_int_equal(l->v.samples.n, 1);
    assert_int_equal(LIST_AT(struct usual_sample, l->v.samples, 0)->ms, 30000);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(smoke)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
