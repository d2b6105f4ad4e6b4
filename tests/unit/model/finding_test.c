/* Findings: one a code and object, pods counted once, the primary cause the nearest to the root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/judge.h"
#include "unit/model/build.h"

/* A work sheet with new pods (of hash1) and old ones, as the rules get it. */
struct sheet {
    struct lab *l;
    struct rollout_verdict v;
    struct judge j;
};

static struct sheet *sheet_new(uint32_t new_pods, uint32_t old_pods)
{
    struct sheet *s = xcalloc(1, sizeof *s);
    s->l = lab_new();
    (void)lab_deployment(s->l, "web", (int64_t)new_pods);
    uint32_t n = new_pods + old_pods;
    s->j = (struct judge){.f = &s->l->f, .a = s->l->a, .v = &s->v, .n_pods = n};
    s->j.pods = arena_array(s->l->a, struct pod_sheet, n);
    struct pod_verdict *verdicts = arena_array(s->l->a, struct pod_verdict, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)lab_pod(s->l, arena_printf(s->l->a, "web-%u", i), i < new_pods ? "hash1" : "hash0");
        verdicts[i].cause = "";
        s->j.pods[i] = (struct pod_sheet){.fp = &s->l->facts_pods[i],
                                          .v = &verdicts[i],
                                          .is_new = i < new_pods,
                                          .is_old = i >= new_pods};
    }
    return s;
}

static void sheet_free(struct sheet *s)
{
    lab_free(s->l);
    free(s);
}

static const struct finding *at(const struct sheet *s, uint32_t i)
{
    assert_true(i < s->v.findings.n);
    return LIST_AT(struct finding, s->v.findings, i);
}

static void one_finding_a_code_and_object(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(30, 1);
    struct finding *f = judge_finding(&s->j, "health_check_timeout", "TargetGroup/a");
    f->message = "first";
    (void)judge_finding(&s->j, "health_check_timeout", "TargetGroup/b");
    assert_string_equal(judge_finding(&s->j, "health_check_timeout", "TargetGroup/a")->message,
                        "first");
    assert_int_equal(s->j.n_findings, 2);
    for (uint32_t i = 0; i < 31; i++) {
        f = judge_finding(&s->j, "health_check_timeout", "TargetGroup/a");
        finding_pod(&s->j, f, &s->j.pods[i]);
        finding_pod(&s->j, f, &s->j.pods[i]);
    }
    assert_int_equal(f->pods, 31);
    assert_int_equal(f->new_pods, 30);
    assert_int_equal(f->pod_names.n, 20);
    assert_string_equal(f->pod_names.items[19], "web-19");
    assert_string_equal(s->j.pods[30].v->cause, "health_check_timeout");
    sheet_free(s);
}

static void a_thousand_findings_are_found_again(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(1, 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            const char *object = arena_printf(s->l->a, "Pod/web-%d", i);
            struct finding *f = judge_finding(&s->j, "crash_loop", object);
            finding_evidence(&s->j, f, object, "field", "%d", i);
        }
    }
    assert_int_equal(s->j.n_findings, 1000);
    assert_int_equal(s->j.findings[999].evidence.n, 2);
    assert_string_equal(LIST_AT(struct evidence, s->j.findings[999].evidence, 1)->value, "999");
    sheet_free(s);
}

static void evidence_and_commands_have_ceilings(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(1, 0);
    struct finding *f = judge_finding(&s->j, "crash_loop", "Pod/web-0");
    char huge[5000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        finding_evidence(&s->j, f, "Pod/web-0", "message", "%s", huge);
        finding_command(&s->j, f, "kubectl logs web-%d", i);
    }
    assert_int_equal(f->evidence.n, 20);
    assert_int_equal(strlen(LIST_AT(struct evidence, f->evidence, 0)->value), 1023);
    assert_int_equal(f->commands.n, 8);
    assert_string_equal(f->commands.items[7], "kubectl logs web-7");
    sheet_free(s);
}

static void since_is_remembered_by_code_and_object(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(1, 0);
    static const struct prior_finding prior[] = {{"crash_loop", "Pod/web-0", 1000},
                                                 {"image_pull", "Pod/web-0", 2000}};
    s->l->prior.findings = (struct list){prior, 2};
    assert_int_equal(judge_finding(&s->j, "image_pull", "Pod/web-0")->since, 2000);
    assert_int_equal(judge_finding(&s->j, "image_pull", "Pod/web-1")->since, s->l->f.now);
    sheet_free(s);
}

static void the_catalogue_gives_severity_and_terminal(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(1, 0);
    const struct finding *f = judge_finding(&s->j, "gate_binding_gone", "Pod/web-0");
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_true(f->terminal);
    assert_int_equal(f->confidence, CONFIDENCE_CERTAIN);
    assert_non_null(f->message);
    assert_non_null(f->action);
    sheet_free(s);
}

static void add(struct sheet *s, const char *code, uint32_t from, uint32_t to)
{
    struct finding *f = judge_finding(&s->j, code, "object");
    for (uint32_t i = from; i < to; i++) {
        finding_pod(&s->j, f, &s->j.pods[i]);
    }
}

static void the_nearest_to_the_root_is_primary(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(10, 0);
    add(s, "registration_in_progress", 0, 9); /* info: a normal wait gives way */
    add(s, "init_running", 0, 10);            /* info too, and nearer than all */
    add(s, "health_check_timeout", 0, 8);
    add(s, "register_denied", 9, 10); /* nearer, though it holds one pod only */
    add(s, "progress_deadline_exceeded", 0, 0);
    judge_findings_close(&s->j);
    assert_string_equal(s->v.primary->code, "register_denied");
    assert_true(at(s, 0)->primary);
    assert_false(at(s, 1)->primary);
    assert_int_equal(s->v.findings.n, 5);
    assert_int_equal(at(s, 4)->severity, SEVERITY_INFO); /* then by severity */
    assert_string_equal(s->j.pods[0].v->cause, "health_check_timeout");
    assert_string_equal(s->j.pods[8].v->cause, "init_running");
    sheet_free(s);
}

static void old_pods_and_findings_set_aside_are_never_primary(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(1, 2);
    add(s, "register_denied", 1, 3); /* old pods only */
    judge_finding(&s->j, "network_reconcile_failed", "object")->aside = true;
    judge_findings_close(&s->j);
    assert_null(s->v.primary);
    assert_int_equal(s->v.findings.n, 2);
    assert_int_equal(at(s, 0)->severity, SEVERITY_ERROR);
    add(s, "initial_health_checks", 0, 1);
    judge_findings_close(&s->j);
    assert_string_equal(s->v.primary->code, "initial_health_checks");
    assert_string_equal(at(s, 0)->code, "initial_health_checks");
    sheet_free(s);
}

static void a_pod_is_terminal_by_any_of_its_findings(void **state)
{
    (void)state;
    struct sheet *s = sheet_new(2, 0);
    add(s, "crash_loop", 0, 2);
    add(s, "gate_binding_gone", 1, 2);
    assert_false(pod_is_terminal(&s->j, &s->j.pods[0]));
    assert_true(pod_is_terminal(&s->j, &s->j.pods[1]));
    judge_finding(&s->j, "gate_binding_gone", "object")->terminal = false; /* a rule may say so */
    assert_false(pod_is_terminal(&s->j, &s->j.pods[1]));
    sheet_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_finding_a_code_and_object),
        cmocka_unit_test(a_thousand_findings_are_found_again),
        cmocka_unit_test(evidence_and_commands_have_ceilings),
        cmocka_unit_test(since_is_remembered_by_code_and_object),
        cmocka_unit_test(the_catalogue_gives_severity_and_terminal),
        cmocka_unit_test(the_nearest_to_the_root_is_primary),
        cmocka_unit_test(old_pods_and_findings_set_aside_are_never_primary),
        cmocka_unit_test(a_pod_is_terminal_by_any_of_its_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
