/*
 * The causes on what the real controller wrote (tests/fixtures/aws-lbc): all recorded steps of a
 * namespace are played in order of time (replay_play.h), once with ELBv2's answers and once from
 * Kubernetes alone. Each row names the primary cause at the end of its step, and all causes above
 * `info` that may be heard on the way: any other is a false alarm.
 */
#include "unit/source/replay_play.h"

static const struct row rows[] = {
#include "cause_replay_rows.h"
};

static bool lists(const char *codes, const char *code)
{
    size_t n = strlen(code);
    for (const char *at = codes; at != NULL && (at = strstr(at, code)) != NULL; at += n) {
        if ((at == codes || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ')) {
            return true;
        }
    }
    return false;
}

static const char *primary_of(const struct lab *l)
{
    return l->v.primary != NULL ? l->v.primary->code : "";
}

static void complain(struct stage *s, const char *what, const char *code)
{
    s->bad++;
    char text[CLOCK_TEXT_SIZE];
    print_error("step %s, %s, %s, at %s: %s %s\n", s->row->step, s->row->pod,
                s->with_elb ? "with ELBv2" : "Kubernetes alone", clock_format(s->l->f.now, text),
                what, code);
}

static void check_noise(struct stage *s)
{
    const struct list *findings = &s->l->v.findings;
    for (uint32_t i = 0; s->checking && i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        if (f->severity != SEVERITY_INFO && !lists(s->row->may, f->code) && s->bad < 5) {
            complain(s, severity_name(f->severity), f->code);
        }
        assert_true(f->message[0] != '\0' && f->action[0] != '\0' && f->evidence.n > 0);
        assert_null(strpbrk(f->message, "{}"));
    }
}

static int check(const struct row *r, bool with_elb)
{
    static struct stage stage; /* it is large */
    struct stage *s = &stage;
    *s = (struct stage){.l = lab_new(), .row = r, .with_elb = with_elb};
    open_stage(s);
    bool played = false;
    for (size_t i = 0; i < n_files && !played; i++) {
        played = strncmp(files[i].step, r->step, strlen(r->step)) == 0;
        s->checking = played;
        if (played || (!r->snapshot && files[i].from != 0 && concerns(s, &files[i]))) {
            play(s, &files[i]);
        }
    }
    assert_true(played);
    const char *want = with_elb ? r->elb : r->kube;
    if (s->l->f.pods.n == 0) {
        complain(s, "no pods are left", "");
    }
    if (strcmp(primary_of(s->l), want) != 0) {
        complain(s, arena_printf(s->l->a, "primary cause \"%s\", wanted", primary_of(s->l)), want);
    }
    if (with_elb && r->info != NULL && lab_finding(s->l, r->info) == NULL) {
        complain(s, "missing beside it:", r->info);
    }
    lab_free(s->l);
    return s->bad;
}

static void each_recorded_step_has_its_cause(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bad += check(&rows[i], false);
        bad += check(&rows[i], true);
    }
    assert_int_equal(bad, 0);
}

/* ---- pods that could not be made ---- */

static const struct file *file_of(const char *step)
{
    for (size_t i = 0; i < n_files; i++) {
        if (starts(files[i].step, step)) {
            return &files[i];
        }
    }
    fail_msg("no step %s", step);
    return NULL;
}

/* A Deployment of one missing pod, whose ReplicaSet was refused with this message. */
static void expect_refusal(const char *message, const char *code, bool long_binding)
{
    struct lab *l = lab_new();
    lab_inject(l);
    (void)lab_deployment(l, "lng", 1);
    const char *name =
        long_binding ? "long-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     : "hooks";
    (void)lab_service(l, "lng", "app", "lng", 80, "8080");
    (void)lab_binding(l, name, "lng", "80", "ip");
    struct kube_workload *rs = (struct kube_workload *)(uintptr_t)l->revisions[0].replicaset;
    struct condition *c = lab_item(l, &rs->conditions, sizeof *c);
    *c = (struct condition){.type = "ReplicaFailure",
                            .status = "True",
                            .reason = "FailedCreate",
                            .message = message,
                            .transition_at = l->f.now - 1000};
    (void)lab_judge(l);
    if (strcmp(l->v.primary != NULL ? l->v.primary->code : "", code) != 0) {
        fail_msg("%s: wanted %s", message, code);
    }
    lab_free(l);
}

/* Step 63: seven faults of the webhook, each told by the ReplicaSet's own event. */
static void each_fault_of_the_webhook_has_its_cause(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"refused-", "webhook_unreachable"},        {"slow-", "webhook_unreachable"},
        {"x509-", "webhook_certificate_untrusted"}, {"nosvc-", "webhook_service_missing"},
        {"noep", "webhook_no_endpoints"},
    };
    size_t i = 0;
    int heard = 0;
    const json_t *e = NULL;
    json_array_foreach(json_object_get(file_of("63")->doc, "events"), i, e)
    {
        const char *name =
            json_string_value(json_object_get(json_object_get(e, "involvedObject"), "name"));
        const char *message = json_string_value(json_object_get(e, "message"));
        for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
            if (starts(name, wanted[k][0]) && starts(message, "Error creating: ")) {
                expect_refusal(message + strlen("Error creating: "), wanted[k][1], false);
                heard++;
            }
        }
    }
    assert_true(heard >= 4);
}

/* Step 31: the condition of the ReplicaSet as recorded. */
static void a_name_of_70_characters_has_its_cause(void **state)
{
    (void)state;
    size_t i = 0;
    int heard = 0;
    const json_t *o = NULL;
    json_array_foreach(json_object_get(file_of("31")->doc, "objects"), i, o)
    {
        size_t k = 0;
        const json_t *c = NULL;
        json_array_foreach(json_object_get(json_object_get(o, "status"), "conditions"), k, c)
        {
            if (strcmp(json_string_value(json_object_get(c, "type")), "ReplicaFailure") == 0) {
                expect_refusal(json_string_value(json_object_get(c, "message")),
                               "binding_name_too_long", true);
                heard++;
            }
        }
    }
    assert_true(heard > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_recorded_step_has_its_cause),
        cmocka_unit_test(each_fault_of_the_webhook_has_its_cause),
        cmocka_unit_test(a_name_of_70_characters_has_its_cause),
    };
    return cmocka_run_group_tests(tests, load_files, free_files);
}
