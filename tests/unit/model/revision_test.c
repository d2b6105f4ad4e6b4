/* Which revision a rollout goes to, how many pods it wants, and when it is complete, by kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/build.h"

/* n ready pods of a hash, named PREFIX-0 ... */
static void pods(struct lab *l, const char *prefix, const char *hash, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        struct kube_pod *p = lab_pod(l, arena_printf(l->a, "%s-%d", prefix, i), hash);
        lab_containers_ready(l, p, true);
    }
}

static void a_deployment_follows_its_annotation_not_age(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_deployment(l, "web", 2);
    lab_new_revision(l, "hash2", 2);
    pods(l, "old", "hash1", 0, 1);
    pods(l, "new", "hash2", 0, 1);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "hash2");
    assert_string_equal(v->revision, "2");
    assert_int_equal(v->updated, 1);
    assert_int_equal(v->old, 1);
    assert_false(v->complete);
    assert_int_equal(v->state, ROLLOUT_PROGRESSING);
    assert_true(lab_pod_verdict(l, 1)->is_new);
    assert_false(lab_pod_verdict(l, 0)->is_new);

    lab_kv(l, &w->meta.annotations, "deployment.kubernetes.io/revision", "1");
    assert_string_equal(lab_judge(l)->revision_hash, "hash1"); /* a newer one has just been made */

    /* A roll-back takes the old ReplicaSet again and renumbers it. */
    l->revisions[0].number = 3;
    lab_kv(l, &w->meta.annotations, "deployment.kubernetes.io/revision", "3");
    v = lab_judge(l);
    assert_string_equal(v->revision_hash, "hash1");
    assert_string_equal(v->revision, "3");
    lab_free(l);
}

static void a_deployment_without_a_usable_annotation_takes_the_newest(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, "", "seven", "9"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct lab *l = lab_new();
        struct kube_workload *w = lab_deployment(l, "web", 1);
        lab_new_revision(l, "hash2", 2);
        (void)lab_revision(l, "web-hash0", "hash0", 2);
        l->revisions[2].created_at = l->f.now - 90000; /* older under the same number */
        w->meta.annotations.n = 0;
        if (texts[i] != NULL) {
            lab_kv(l, &w->meta.annotations, "deployment.kubernetes.io/revision", texts[i]);
        }
        assert_string_equal(lab_judge(l)->revision_hash, "hash2");
        lab_free(l);
    }
}

static void a_replicaset_of_another_owner_does_not_count(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    (void)lab_deployment(l, "web", 1);
    struct facts_revision *r = lab_revision(l, "web-other", "other", 1);
    r->created_at = l->f.now;
    struct owner *o = (struct owner *)(uintptr_t)r->replicaset->meta.owners.items;
    o->uid = "uid-of-an-earlier-web";
    assert_string_equal(lab_judge(l)->revision_hash, "hash1");
    lab_free(l);
}

static void nothing_is_known_of_a_revision_not_yet_observed(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_deployment(l, "web", 1);
    pods(l, "web", "hash1", 0, 1);
    w->meta.generation = 10;
    w->observed_generation = "9";
    struct condition *c = lab_item(l, &w->conditions, sizeof *c);
    *c = (struct condition){"Progressing", "False", "ProgressDeadlineExceeded", "", 0, 0};
    const struct rollout_verdict *v = lab_judge(l);
    assert_false(v->observed);
    assert_false(v->complete);
    assert_int_equal(v->generation, 10);
    assert_int_equal(v->state, ROLLOUT_PROGRESSING); /* the old condition is about the old one */
    assert_false(v->terminal);
    w->observed_generation = "10";
    assert_true(lab_judge(l)->observed);
    lab_free(l);
}

static void a_revision_whose_replicaset_has_not_come_is_not_observed(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_deployment(l, "web", 1);
    pods(l, "web", "hash1", 0, 1);
    lab_kv(l, &w->meta.annotations, "deployment.kubernetes.io/revision", "2");
    const struct rollout_verdict *v = lab_judge(l);
    assert_false(v->observed);
    assert_int_equal(v->state, ROLLOUT_PROGRESSING); /* not serving for the blink in between */
    lab_new_revision(l, "hash2", 2);
    assert_true(lab_judge(l)->observed);
    lab_free(l);
}

static void argo_reads_its_own_fields(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_workload(l, KIND_ARGO_ROLLOUT, "web", 2);
    lab_kv(l, &w->meta.annotations, "rollout.argoproj.io/revision", "12");
    w->current_pod_hash = "new";
    w->stable_rs = "old";
    pods(l, "a", "old", 0, 2);
    pods(l, "b", "new", 0, 2);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision, "12");
    assert_string_equal(v->revision_hash, "new");
    assert_int_equal(v->old, 2);
    assert_false(v->complete);
    w->stable_rs = "new"; /* promoted: the old pods stay for scaleDownDelaySeconds */
    assert_true(lab_judge(l)->complete);
    w->observed_generation = "7f8d5c"; /* before v1.0 */
    assert_true(lab_judge(l)->observed);
    w->observed_generation = "0";
    assert_false(lab_judge(l)->observed);
    lab_free(l);
}

static void argo_pauses_and_aborts(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_workload(l, KIND_ARGO_ROLLOUT, "web", 4);
    w->current_pod_hash = "new";
    w->stable_rs = "old";
    pods(l, "a", "old", 0, 3);
    pods(l, "b", "new", 0, 1);
    struct pause_condition *pc = lab_item(l, &w->pause_conditions, sizeof *pc);
    *pc = (struct pause_condition){"CanaryPauseStep", l->f.now};
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PAUSED);
    w->pause_conditions.n = 0;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_PROGRESSING);
    w->abort = 1;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_FAILED);
    assert_true(l->v.terminal);
    lab_free(l);
}

static struct kube_workload *statefulset(struct lab *l, int64_t replicas)
{
    struct kube_workload *w = lab_workload(l, KIND_STATEFULSET, "db", replicas);
    w->strategy = "RollingUpdate";
    w->current_revision = "db-1";
    w->update_revision = "db-2";
    (void)lab_revision(l, "db-1", "1", 1);
    (void)lab_revision(l, "db-2", "2", 2);
    return w;
}

static void a_statefulset_is_complete_at_its_partition(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = statefulset(l, 4);
    w->partition = 3;
    pods(l, "db", "db-1", 0, 4);
    pods(l, "db", "db-2", 4, 1); /* about to be scaled away */
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "db-2");
    assert_string_equal(v->revision, "2");
    assert_false(v->complete); /* ordinal 3 is old and not wanted so */
    lab_free(l);

    l = lab_new();
    w = statefulset(l, 5);
    w->partition = 3;
    pods(l, "db", "db-1", 0, 3);
    pods(l, "db", "db-2", 3, 2);
    v = lab_judge(l);
    assert_true(v->complete);
    assert_int_equal(v->old, 3);
    assert_int_equal(v->updated, 2);
    assert_int_equal(v->state, ROLLOUT_NOT_GATED);
    w->partition = 0;
    assert_false(lab_judge(l)->complete);
    lab_free(l);
}

static void a_partition_without_a_new_revision_wants_all_pods(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = statefulset(l, 3);
    w->current_revision = "db-2";
    w->partition = 2;
    pods(l, "db", "db-2", 0, 2);
    assert_false(lab_judge(l)->complete);
    pods(l, "db", "db-2", 2, 1);
    assert_true(lab_judge(l)->complete);
    assert_int_equal(l->v.updated, 3);
    lab_free(l);
}

static void a_partition_past_the_last_ordinal_keeps_the_current_revision(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = statefulset(l, 2);
    w->partition = 2;
    pods(l, "db", "db-1", 0, 2);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "db-1");
    assert_true(v->complete);
    assert_int_equal(v->updated, 2);
    lab_free(l);
}

static void on_delete_waits_for_a_person_not_for_pods(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = statefulset(l, 3);
    w->strategy = "OnDelete";
    pods(l, "db", "db-1", 0, 3);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "db-1");
    assert_true(v->complete);
    lab_free(l);

    l = lab_new();
    w = statefulset(l, 3);
    w->strategy = "OnDelete";
    pods(l, "db", "db-1", 0, 2);
    assert_false(lab_judge(l)->complete); /* one was deleted and is not back yet */
    pods(l, "db", "db-2", 2, 1);
    v = lab_judge(l);
    assert_string_equal(v->revision_hash, "db-2");
    assert_true(v->complete);
    assert_int_equal(v->old, 2);
    lab_free(l);
}

static void a_daemonset_goes_to_its_newest_controllerrevision(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_workload(l, KIND_DAEMONSET, "agent", 2);
    w->replicas = -1;
    (void)lab_revision(l, "agent-aa", "aa", 1);
    (void)lab_revision(l, "agent-bb", "bb", 2);
    pods(l, "agent", "aa", 0, 1);
    pods(l, "agent", "bb", 1, 1);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "bb");
    assert_int_equal(v->desired, 2);
    assert_int_equal(v->updated, 1);
    assert_false(v->complete);
    w->desired_scheduled = 0;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_IDLE);
    lab_free(l);
}

static void every_pod_of_other_owners_counts(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        enum kind record; /* KIND_COUNT = none */
    } kinds[] = {{"ReplicaSet", KIND_REPLICASET}, {"GameServer", KIND_COUNT}, {"Pod", KIND_COUNT}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct lab *l = lab_new();
        if (kinds[i].record != KIND_COUNT) {
            (void)lab_workload(l, kinds[i].record, "web", 2);
        }
        l->f.kind = kinds[i].kind;
        l->f.name = "web";
        pods(l, "web", "a", 0, 1);
        pods(l, "web", "b", 1, 1);
        const struct rollout_verdict *v = lab_judge(l);
        assert_int_equal(v->updated, 2);
        assert_int_equal(v->desired, 2);
        assert_string_equal(v->revision_hash, "");
        assert_int_equal(v->state, ROLLOUT_NOT_GATED);
        lab_delete(l, l->pods[0]);
        lab_delete(l, l->pods[1]);
        if (kinds[i].record == KIND_COUNT) {
            assert_int_equal(lab_judge(l)->state, ROLLOUT_IDLE);
        }
        lab_free(l);
    }
}

static void a_deployment_that_is_not_known_is_its_youngest_pods(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    l->f.kind = "Deployment";
    l->f.name = "web";
    pods(l, "a", "hash1", 0, 2);
    lab_clock(l, 60);
    pods(l, "b", "hash2", 0, 1);
    const struct rollout_verdict *v = lab_judge(l);
    assert_string_equal(v->revision_hash, "hash2");
    assert_int_equal(v->updated, 1);
    assert_int_equal(v->old, 2);
    lab_free(l);
}

static void images_are_those_of_the_revision(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_deployment(l, "web", 1);
    struct container_spec *c = lab_item(l, &w->template_containers, sizeof *c);
    *c = (struct container_spec){.name = "app", .image = "app:2"};
    assert_string_equal(lab_judge(l)->images.items[0], "app:2");
    struct kube_workload *rs = (struct kube_workload *)(uintptr_t)l->revisions[0].replicaset;
    c = lab_item(l, &rs->template_containers, sizeof *c);
    *c = (struct container_spec){.name = "app", .image = "app:1"};
    c = lab_item(l, &rs->template_containers, sizeof *c);
    *c = (struct container_spec){.name = "same", .image = "app:1"};
    const struct rollout_verdict *v = lab_judge(l);
    assert_int_equal(v->images.n, 1);
    assert_string_equal(v->images.items[0], "app:1");
    lab_free(l);
}

static void zero_replicas_are_idle_and_absent_ones_are_one(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    struct kube_workload *w = lab_deployment(l, "web", 0);
    pods(l, "web", "hash1", 0, 1); /* about to go */
    assert_int_equal(lab_judge(l)->state, ROLLOUT_IDLE);
    w->replicas = -1;
    assert_int_equal(lab_judge(l)->desired, 1);
    assert_int_equal(l->v.state, ROLLOUT_NOT_GATED);
    w->meta.deleted_at = l->f.now;
    assert_int_equal(lab_judge(l)->state, ROLLOUT_IDLE);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_follows_its_annotation_not_age),
        cmocka_unit_test(a_deployment_without_a_usable_annotation_takes_the_newest),
        cmocka_unit_test(a_replicaset_of_another_owner_does_not_count),
        cmocka_unit_test(nothing_is_known_of_a_revision_not_yet_observed),
        cmocka_unit_test(a_revision_whose_replicaset_has_not_come_is_not_observed),
        cmocka_unit_test(argo_reads_its_own_fields),
        cmocka_unit_test(argo_pauses_and_aborts),
        cmocka_unit_test(a_statefulset_is_complete_at_its_partition),
        cmocka_unit_test(a_partition_without_a_new_revision_wants_all_pods),
        cmocka_unit_test(a_partition_past_the_last_ordinal_keeps_the_current_revision),
        cmocka_unit_test(on_delete_waits_for_a_person_not_for_pods),
        cmocka_unit_test(a_daemonset_goes_to_its_newest_controllerrevision),
        cmocka_unit_test(every_pod_of_other_owners_counts),
        cmocka_unit_test(a_deployment_that_is_not_known_is_its_youngest_pods),
        cmocka_unit_test(images_are_those_of_the_revision),
        cmocka_unit_test(zero_replicas_are_idle_and_absent_ones_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
