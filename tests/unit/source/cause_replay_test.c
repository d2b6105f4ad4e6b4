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

/* Bit i: the code is the i-th of the list. */
static uint32_t place_in(const char *codes, const char *code)
{
    uint32_t bit = 1;
    for (const char *at = codes; at != NULL && *at != '\0'; bit <<= 1) {
        size_t len = strcspn(at, " ");
        if (strlen(code) == len && strncmp(at, code, len) == 0) {
            return bit;
        }
        at += len + (at[len] == ' ');
    }
    return 0;
}

static uint32_t all_of(const char *codes)
{
    uint32_t bits = codes != NULL ? 1 : 0;
    for (const char *at = codes; at != NULL && *at != '\0'; at++) {
        bits = *at == ' ' ? bits << 1 | 1 : bits;
    }
    return bits;
}

static void check_noise(struct stage *s)
{
    const struct list *findings = &s->l->v.findings;
    for (uint32_t i = 0; s->checking && i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        s->heard |= place_in(s->row->heard, f->code);
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
    if (with_elb && s->heard != all_of(r->heard)) {
        complain(s, arena_printf(s->l->a, "heard %x only of", s->heard), r->heard);
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

/* ---- steps that no stage can play ---- */

/* Why a recording has no row above; the test that looks at it stands below. */
static const struct {
    const char *step;
    const char *why;
} elsewhere[] = {
    {"31", "no pod could be made"},
    {"51", "no binding could be made"},
    {"63", "no pod could be made, or it was made without a trace"},
    {"75", "answers of the API server, without objects"},
};

static void no_recorded_step_is_left_out(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < n_files; i++) {
        bool found = false;
        for (size_t k = 0; k < sizeof rows / sizeof rows[0] && !found; k++) {
            found = starts(files[i].step, rows[k].step);
        }
        for (size_t k = 0; k < sizeof elsewhere / sizeof elsewhere[0] && !found; k++) {
            found = starts(files[i].step, elsewhere[k].step) && elsewhere[k].why[0] != '\0';
        }
        if (!found) {
            print_error("step %s has no row\n", files[i].step);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    assert_true(n_files > 60);
}

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

/* A namespace with injection, at a time. */
static struct lab *open_lab(struct stage *s, const char *ns, int64_t now)
{
    static struct row row;
    row = (struct row){.step = "", .ns = ns, .pod = "", .may = ""};
    *s = (struct stage){.l = lab_new(), .row = &row};
    open_stage(s);
    s->l->f.now = now;
    s->l->cluster.now = now;
    s->l->cluster.kube_ok_at = now;
    s->l->leases[0].renew_at = now;
    return s->l;
}

/* A Deployment and its ReplicaSet as recorded, whose pods are not there. */
static void take_deployment(struct lab *l, const json_t *deployment, const json_t *replicaset)
{
    (void)lab_deployment(l, "any", 1);
    l->workload = *(const struct kube_workload *)record_of(l, KIND_DEPLOYMENT, deployment);
    l->workload.meta.kind = KIND_DEPLOYMENT;
    l->f.name = l->workload.meta.name;
    const struct kube_workload *rs = record_of(l, KIND_REPLICASET, replicaset);
    l->revisions[0].name = rs->meta.name;
    l->revisions[0].hash = kvs_get(&rs->meta.labels, "pod-template-hash");
    l->revisions[0].created_at = rs->meta.created_at;
    l->revisions[0].replicaset = rs;
}

static void expect_refused(struct lab *l, const char *what, const char *code, bool terminal)
{
    (void)lab_judge(l);
    const struct finding *f = l->v.primary;
    if (strcmp(f != NULL ? f->code : "", code) != 0) {
        fail_msg("%s: it says \"%s\", wanted \"%s\"", what, f != NULL ? f->code : "", code);
    }
    if (f != NULL) {
        assert_int_equal(f->severity, terminal ? SEVERITY_ERROR : SEVERITY_WARNING);
        assert_int_equal(f->terminal, terminal);
        assert_int_equal(l->v.state, terminal ? ROLLOUT_FAILED : ROLLOUT_PROGRESSING);
    }
}

/* The one pod of the rollout. */
static void cast_alone(struct stage *s, struct kube_pod *p)
{
    s->actors[0] = (struct actor){.pod = p, .track = {.state = -1}, .present = true};
    s->n_actors = 1;
    s->l->f.workload = NULL;
    s->l->f.revisions.n = 0;
    cast_pods(s);
}

/* The pod was made without its gate; our own records say that the webhook was down then. */
static void expect_skipped(struct stage *s, const json_t *pod)
{
    struct lab *l = s->l;
    struct kube_pod *p = record_of(l, KIND_POD, pod);
    struct facts_span *down = arena_array(l->a, struct facts_span, 1);
    *down = (struct facts_span){p->meta.created_at - 5000, 0};
    l->cluster.injector_down = (struct list){down, 1};
    assert_int_equal(p->gates.n, 0);
    p->phase = "Running";
    (void)lab_condition(l, p, "ContainersReady", "True", "", "");
    (void)lab_condition(l, p, "Ready", "True", "", "");
    cast_alone(s, p);
    (void)lab_judge(l);
    assert_string_equal(primary_of(l), "gate_missing_injection_failed");
}

/* Step 63: seven faults of the webhook, as Deployment and ReplicaSet show them a moment later.
 * Where it is skipped nothing shows it, but the pods have no gate. */
static void each_fault_of_the_webhook_has_its_cause(void **state)
{
    (void)state;
    static const struct {
        const char *trial;
        const char *code; /* "" = no pod was refused */
        bool terminal;
    } wanted[] = {
        {"down, failurePolicy Ignore", "", false},
        {"down, failurePolicy Fail", "webhook_unreachable", false},
        {"never answers, Fail", "webhook_unreachable", false},
        {"never answers, Ignore", "", false},
        {"certificate of another authority, Fail", "webhook_certificate_untrusted", false},
        {"service does not exist, Fail", "webhook_service_missing", true},
        {"service without endpoints, Fail", "webhook_no_endpoints", false},
    };
    static struct stage stage;
    size_t i = 0;
    const json_t *t = NULL;
    const json_t *trials = json_object_get(file_of("63")->doc, "trials");
    assert_int_equal(json_array_size(trials), sizeof wanted / sizeof wanted[0]);
    json_array_foreach(trials, i, t)
    {
        const char *trial = json_string_value(json_object_get(t, "trial"));
        assert_string_equal(trial, wanted[i].trial);
        const json_t *deployment = json_object_get(t, "deployment");
        int64_t made = time_of(json_object_get(deployment, "metadata"), "creationTimestamp");
        struct lab *l = open_lab(&stage, "hooks", made + 11000);
        (void)lab_service(l, "hooks", "app", "hooks", 80, "8080");
        (void)lab_binding(l, "hooks", "hooks", "80", "ip");
        ((struct kube_binding *)(uintptr_t)l->bindings[0].binding)->meta.created_at =
            made - 3600000;
        take_deployment(l, deployment, json_array_get(json_object_get(t, "replicasets"), 0));
        if (wanted[i].code[0] != '\0') {
            expect_refused(l, trial, wanted[i].code, wanted[i].terminal);
        } else {
            expect_skipped(&stage, json_object_get(json_object_get(t, "pod_create"), "body"));
        }
        lab_free(l);
    }
}

/* Step 31: Deployment, ReplicaSet and binding as recorded; before the first refusal nothing is
 * known of it. */
static void a_name_of_70_characters_has_its_cause(void **state)
{
    (void)state;
    static struct stage stage;
    const struct file *f = file_of("31");
    const json_t *objects = json_object_get(f->doc, "objects");
    struct lab *l = open_lab(&stage, "names", time_of(f->doc, "to"));
    stage.doc = f->doc;
    add_binding(&stage, binding_record(&stage, json_array_get(objects, 0)));
    assert_int_equal(strlen(l->bindings[0].binding->meta.name), 70);
    take_deployment(l, json_array_get(objects, 1), json_array_get(objects, 2));
    expect_refused(l, "a name of 70 characters", "binding_name_too_long", true);
    assert_non_null(strstr(l->v.primary->message, l->bindings[0].binding->meta.name));
    struct kube_workload *rs = (struct kube_workload *)(uintptr_t)l->revisions[0].replicaset;
    rs->conditions.n = 0;
    l->workload.conditions.n = 0;
    l->f.now = l->workload.meta.created_at + 200;
    expect_refused(l, "before the first refusal", "", false);
    lab_free(l);
}

/* Step 38: what became of pods whose binding was deleted a moment before, and of those whose
 * binding was made a moment before. */
static void each_race_with_a_binding_has_its_cause(void **state)
{
    (void)state;
    static struct stage stage;
    const json_t *doc = file_of("38")->doc;
    const json_t *late = json_array_get(json_object_get(doc, "objects"), 0);
    int seen[3] = {0};
    size_t i = 0;
    const json_t *race = NULL;
    json_array_foreach(json_object_get(doc, "after_binding_delete"), i, race)
    {
        struct kube_pod *p = NULL;
        struct lab *l = open_lab(&stage, "race", time_of(doc, "to"));
        p = record_of(l, KIND_POD, late);
        const char *gate = json_string_value(json_array_get(json_object_get(race, "gates"), 0));
        const json_t *condition =
            gate != NULL ? json_object_get(json_object_get(race, "condition_after_25_s"), gate)
                         : NULL;
        p->gates = (struct strs){0};
        if (gate != NULL) {
            lab_str(l, &p->gates, gate);
        }
        p->conditions.n = 0;
        lab_condition(l, p, "ContainersReady", "True", "", "")->transition_at =
            p->meta.created_at + 3000;
        (void)lab_condition(
            l, p, "Ready",
            json_string_value(json_object_get(json_object_get(race, "ready"), "status")), "", "");
        if (condition != NULL) {
            (void)lab_condition(l, p, gate, "True", "",
                                json_string_value(json_object_get(condition, "message")));
        }
        cast_alone(&stage, p);
        (void)lab_judge(l);
        assert_false(l->v.terminal); /* its binding may be on its way */
        lab_after(l, 11);
        (void)lab_judge(l);
        const char *want = gate == NULL        ? ""
                           : condition != NULL ? "binding_deleted"
                                               : "gate_binding_gone";
        assert_string_equal(primary_of(l), want);
        assert_int_equal(l->v.terminal, strcmp(want, "gate_binding_gone") == 0);
        assert_int_equal(l->v.state, gate == NULL        ? ROLLOUT_NOT_GATED
                                     : condition != NULL ? ROLLOUT_EXPOSED
                                                         : ROLLOUT_FAILED);
        seen[gate == NULL ? 0 : condition != NULL ? 1 : 2]++;
        lab_free(l);
    }
    assert_int_equal(seen[0], 5);
    assert_int_equal(seen[1], 4);
    assert_int_equal(seen[2], 3);
    json_array_foreach(json_object_get(doc, "after_binding_create"), i, race)
    {
        assert_int_equal(json_array_size(json_object_get(race, "gates")), 1);
    }
    assert_int_equal(i, 16);
}

/* Step 51: both tries were refused, so there is no second binding and nothing is shared. */
static void a_refused_binding_leaves_nothing_to_judge(void **state)
{
    (void)state;
    size_t i = 0;
    const json_t *o = NULL;
    const json_t *objects = json_object_get(file_of("51")->doc, "objects");
    json_array_foreach(objects, i, o)
    {
        assert_string_equal(json_string_value(json_object_get(o, "kind")), "Status");
        assert_int_equal(json_integer_value(json_object_get(o, "code")), 403);
    }
    assert_int_equal(i, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_recorded_step_is_left_out),
        cmocka_unit_test(each_recorded_step_has_its_cause),
        cmocka_unit_test(each_fault_of_the_webhook_has_its_cause),
        cmocka_unit_test(a_name_of_70_characters_has_its_cause),
        cmocka_unit_test(each_race_with_a_binding_has_its_cause),
        cmocka_unit_test(a_refused_binding_leaves_nothing_to_judge),
    };
    return cmocka_run_group_tests(tests, load_files, free_files);
}
