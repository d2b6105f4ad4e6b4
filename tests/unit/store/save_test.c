/* Verdicts to rows: only what differs, with history, findings, counters and the feed. */
#include "verdict_help.h"

/* A store with Deployment shop/web, its ReplicaSet and n pods; the workload's id is 1. */
static void web(struct bed *b, struct arena *a, int n)
{
    bed_init(b);
    bed_settle(b);
    struct kube_workload *rs = replicaset(a, "shop", "web-abc", "r1", "11");
    owned(a, &rs->meta, "Deployment", "web", "d1");
    bed_do(b, change_one(KIND_DEPLOYMENT, deployment(a, "shop", "web", "d1", "10"), false, false));
    bed_do(b, change_one(KIND_REPLICASET, rs, false, false));
    for (int i = 0; i < n; i++) {
        struct kube_pod *p = pod(a, "shop", arena_printf(a, "web-abc-%d", i),
                                 arena_printf(a, "p%d", i), arena_printf(a, "%d", 100 + i));
        owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
        bed_do(b, change_one(KIND_POD, p, false, false));
    }
    (void)drain_has(b, DIRTY_CLUSTER, 0, NULL);
}

static void a_verdict_fills_the_columns(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 3);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    assert_int_equal(f.pods.n, 3);
    assert_int_equal(f.prior->state, -1);
    assert_int_equal(LIST_AT(struct facts_pod, f.pods, 0)->track->state, -1);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_STUCK, POD_REGISTERING);
    const char *images[] = {"registry/\"web\":1"};
    v.images = (struct strs){images, 1};
    v.gates_total = 3;
    v.gates_closed = 2;
    v.gates_absent = 1;
    v.pace = PACE_STUCK;
    v.next_look = b.now + 60000;
    v.usual = (struct usual){41000, 96000, true};
    v.usual_known = true;
    struct finding *finding = finding_of(a, &v, 1);
    const char *names[] = {"web-abc-0", "web-abc-1"};
    finding->severity = SEVERITY_ERROR;
    finding->primary = true;
    finding->pods = 2;
    finding->pod_names = (struct strs){names, 2};
    struct saved saved = save(&b, 1, &f, &v);
    bed_commit(&b);
    assert_true(saved.changed);
    assert_int_equal(saved.from_state, -1);
    assert_string_equal(saved.cluster_name, "test");
    assert_string_equal(
        ask_text(&b, "SELECT state || ' ' || rank || ' ' || pace || ' ' || revision_hash || ' ' ||"
                     " images || ' ' || by_state || ' ' || gates_closed || ' ' || gates_absent ||"
                     " ' ' || usual_p95_ms || usual_from || ' ' || cause || ' ' || severity || ' '"
                     " || (judged_at > 0) || ' ' || updated FROM workload"),
        "2 1 2 6c9f [\"registry/\\\"web\\\":1\"] {\"registering\":3} 2 1 96000history unexplained 2"
        " 1 3");
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE state = 1 AND is_new = 1 AND truths ="
                             " 1 + 4 * 2 AND track IS NOT NULL"),
                     3);
    assert_string_equal(
        ask_text(&b, "SELECT detail FROM finding WHERE code = 'unexplained' AND is_primary = 1 AND"
                     " pods = 2 AND severity = 2 AND ended_at = 0"),
        "{\"message\":\"nothing holds\",\"action\":\"look\",\"commands\":[],\"docs\":\"\","
        "\"evidence\":[],\"pod_names\":[\"web-abc-0\",\"web-abc-1\"]}");
    assert_int_equal(feed_state(&b, FEED_ROLLOUT, "web"), ROLLOUT_STUCK);
    assert_int_equal(feed_from(&b, FEED_ROLLOUT, "web"), -1);
    assert_int_equal(feed_state(&b, FEED_POD, "web-abc-2"), POD_REGISTERING);
    assert_int_equal(feed_from(&b, FEED_POD, "web-abc-2"), -1);
    assert_int_equal(feed_state(&b, FEED_NAMESPACE, "shop"), 0);
    assert_true(b.commit.list_changed);
    assert_true(b.commit.summary_changed);
    assert_int_equal(ask(&b, "SELECT rev FROM workload"), b.commit.revision);
    assert_int_equal(ask(&b, "SELECT rev FROM namespace WHERE name = 'shop'"), b.commit.revision);
    assert_int_equal(ask(&b, "SELECT n FROM counter WHERE name = 'rev_rollouts'"),
                     b.commit.revision);
    assert_int_equal(ask(&b, "SELECT n FROM counter WHERE name = 'rev_summary'"),
                     b.commit.revision);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 0 AND state = 2"), 1);
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 2 AND state = 2"), 1);
    bed_fini(&b);
}

static void the_same_verdict_writes_nothing(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 3);
    for (int i = 0; i < 2; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
        v.next_look = INT64_C(1760000000000);
        (void)finding_of(a, &v, 2);
        ((struct finding *)(uintptr_t)v.findings.items)[1].code = "rollout_paused";
        int64_t rows = total_changes(&b);
        struct saved saved = save(&b, 1, &f, &v);
        int64_t written = total_changes(&b) - rows;
        int64_t revision = b.commit.revision;
        bed_commit(&b);
        assert_int_equal(saved.changed, i == 0);
        assert_int_equal(saved.from_state, i == 0 ? -1 : ROLLOUT_SERVING);
        if (i == 1) {
            assert_int_equal(written, 0);
            assert_int_equal(b.commit.revision, revision);
            assert_int_equal(b.commit.n_items, 0);
            assert_false(b.commit.list_changed);
        }
    }
    bed_fini(&b);
}

static void findings_keep_their_first_sighting_and_end(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    int64_t first = 0;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    for (int i = 0; i < 3; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        assert_int_equal(f.prior->findings.n, i == 0 ? 0 : 2);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SLOW, POD_CHECKING);
        struct finding *items = finding_of(a, &v, i == 2 ? 1 : 2);
        items[0].object = "Pod/web-abc-0";
        items[0].message = i == 0 ? "one" : "two";
        (void)save(&b, 1, &f, &v);
        bed_commit(&b);
        first = i == 0 ? b.now : first;
    }
    assert_int_equal(ask(&b, "SELECT count(*) FROM finding"), 2);
    assert_true(ask(&b, "SELECT first_seen_at FROM finding WHERE object = 'Pod/web-abc-0'") ==
                first);
    assert_true(ask(&b, "SELECT last_seen_at FROM finding WHERE object = 'Pod/web-abc-0'") ==
                first + 1000);
    assert_true(ask(&b, "SELECT ended_at FROM finding WHERE object = 'Deployment/web'") == b.now);
    bed_fini(&b);
}

/* Lists show the primary finding, the rollout's own views all of them. */
static void findings_alone_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *primary;
        const char *other;
        bool told;
        bool listed;
    } steps[] = {{"one", "one", true, true},  {"one", "one", false, false},
                 {"one", "two", true, false}, {"two", "two", true, true},
                 {"two", NULL, true, false},  {"two", NULL, false, false}};
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SLOW, POD_CHECKING);
        struct finding *items = finding_of(a, &v, steps[i].other != NULL ? 2 : 1);
        items[0].primary = true;
        items[0].message = steps[i].primary;
        if (steps[i].other != NULL) {
            items[1].code = "rollout_paused";
            items[1].message = steps[i].other;
        }
        struct saved saved = save(&b, 1, &f, &v);
        bed_commit(&b);
        assert_int_equal(saved.changed, i == 0);
        assert_int_equal(feed_state(&b, FEED_ROLLOUT, "web"),
                         steps[i].told ? (int)ROLLOUT_SLOW : -999);
        assert_int_equal(b.commit.list_changed, steps[i].listed);
        assert_int_equal(ask(&b, "SELECT rev FROM workload") == b.commit.revision &&
                             b.commit.n_items > 0,
                         steps[i].told);
    }
    bed_fini(&b);
}

static void prior_is_what_was_saved(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
    struct pod_verdict *pv = (struct pod_verdict *)(uintptr_t)v.pods.items;
    struct gate_track gate = {.type = "target-health.elbv2.k8s.aws/web",
                              .first_seen_at = 5,
                              .opened_at = 6,
                              .reason = ""};
    pv->track.gates = (struct list){&gate, 1};
    pv->track.served_at = 77;
    pv->track_changed = true;
    v.served_at = v.since - 4000; /* the verdict says when, nobody else */
    (void)finding_of(a, &v, 1);
    (void)save(&b, 1, &f, &v);
    bed_commit(&b);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    assert_int_equal(f.prior->state, ROLLOUT_SERVING);
    assert_true(f.prior->since == v.since);
    assert_true(f.prior->served_at == v.since - 4000);
    assert_true(ask(&b, "SELECT served_at FROM revision") == v.since - 4000);
    assert_string_equal(f.prior->revision_hash, "6c9f");
    assert_string_equal(f.prior->cause, "unexplained");
    assert_int_equal(f.prior->cause_since, 5);
    assert_int_equal(f.prior->findings.n, 1);
    const struct pod_track *t = LIST_AT(struct facts_pod, f.pods, 0)->track;
    assert_int_equal(t->state, POD_SERVING);
    assert_int_equal(t->served_at, 77);
    assert_int_equal(t->gates.n, 1);
    assert_string_equal(LIST_AT(struct gate_track, t->gates, 0)->type, gate.type);
    bed_fini(&b);
}

static void revisions_have_a_row_each(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        enum rollout_state state;
    } steps[] = {{"one", ROLLOUT_PROGRESSING}, {"one", ROLLOUT_SERVING},
                 {"two", ROLLOUT_STUCK},       {"two", ROLLOUT_FAILED},
                 {"two", ROLLOUT_STUCK},       {"three", ROLLOUT_SERVING}};
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, steps[i].state, POD_CHECKING);
        v.revision_hash = steps[i].hash;
        (void)save(&b, 1, &f, &v);
        bed_commit(&b);
    }
    assert_string_equal(
        ask_text(&b, "SELECT group_concat(t, ', ') FROM (SELECT revision_hash || ' ' || outcome ||"
                     " ' ' || (finished_at > 0) || ' ' || (served_at > 0) AS t FROM revision ORDER"
                     " BY id)"),
        "one served 1 1, two superseded 1 0, three served 0 1");
    bed_fini(&b);
}

/* Deleted: its pods outlive the objects that told the number. Made anew: the first word of it comes
 * before its ReplicaSet, when the pods are still those of the old one. */
static void a_revision_keeps_its_number_and_waits_for_its_own_hash(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        const char *hash;
        bool observed;
    } steps[] = {{"7", "one", true}, {"", "one", true}, {"", "two", false}, {"8", "two", true}};
    static const char *const then[] = {"7 one", "7 one", "7 one", "7 one, 8 two"};
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_PROGRESSING, POD_CHECKING);
        v.revision = steps[i].number;
        v.revision_hash = steps[i].hash;
        v.observed = steps[i].observed;
        (void)save(&b, 1, &f, &v);
        bed_commit(&b);
        assert_string_equal(ask_text(&b, "SELECT group_concat(t, ', ') FROM (SELECT revision || ' '"
                                         " || revision_hash AS t FROM revision ORDER BY id)"),
                            then[i]);
    }
    bed_fini(&b);
}

static void opening_times_become_the_usual_time(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    for (int i = 1; i <= USUAL_SAMPLES + 36; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
        struct usual_sample sample = {"web", i * 1000};
        v.samples = (struct list){&sample, 1};
        (void)save(&b, 1, &f, &v);
        bed_commit(&b);
    }
    assert_int_equal(ask(&b, "SELECT length(samples) FROM usual"), USUAL_SAMPLES * 4);
    assert_int_equal(ask(&b, "SELECT p50_ms FROM usual"), 68000); /* of 37..100 */
    assert_int_equal(ask(&b, "SELECT p95_ms FROM usual"), 97000);
    bed_fini(&b);
}

static void gate_transitions_move_the_binding_and_the_controller(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    struct kube_binding *binding = record_new(KIND_BINDING_LBC, a);
    named(binding, "shop", "k8s-web", "b1", "50");
    binding->service = "web";
    bed_do(&b, change_one(KIND_BINDING_LBC, binding, false, false));
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    assert_int_equal(LIST_AT(struct facts_binding, f.ns->bindings, 0)->gate_flipped_at, 0);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
    struct transition t[2] = {{.at = 5,
                               .what = "gate",
                               .pod = "web-abc-0",
                               .subject = "target-health.elbv2.k8s.aws/k8s-web",
                               .from = "closed",
                               .to = "open",
                               .reason = "",
                               .message = ""},
                              {.at = 6,
                               .what = "rollout",
                               .pod = "",
                               .subject = "",
                               .from = "slow",
                               .to = "serving",
                               .reason = "",
                               .message = ""}};
    v.transitions = (struct list){t, 2};
    (void)save(&b, 1, &f, &v);
    bed_commit(&b);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    bed_commit(&b);
    int64_t saved_at = b.now - 1000;
    assert_true(LIST_AT(struct facts_binding, f.ns->bindings, 0)->gate_flipped_at == saved_at);
    assert_true(f.cluster->controller_flip_at == saved_at);
    assert_int_equal(ask(&b, "SELECT count(*) FROM transition WHERE what = 2 AND pod = 'web-abc-0'"
                             " AND from_state = 'closed' AND to_state = 'open'"),
                     1);
    assert_int_equal(ask(&b, "SELECT count(*) FROM transition WHERE what = 0 AND at = 6"), 1);
    bed_fini(&b);
}

static void waiting_pods_are_counted_for_the_cluster(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    struct kube_pod *p = pod(a, "shop", "web-abc-0", "p0", "200");
    owned(a, &p->meta, "ReplicaSet", "web-abc", "r1");
    struct condition ready = {
        .type = "ContainersReady", .status = "True", .reason = "", .message = ""};
    p->conditions = (struct list){&ready, 1};
    bed_do(&b, change_one(KIND_POD, p, false, false));
    struct gate_verdict gate = {
        .type = "target-health.elbv2.k8s.aws/web", .family = FAMILY_AWS_LBC, .status = GATE_CLOSED};
    for (int i = 0; i < 2; i++) {
        bed_begin(&b);
        facts_of(&b, 1, a, &f);
        assert_int_equal(f.cluster->waiting_pods, i);
        struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SLOW, POD_REGISTERING);
        gate.status = i == 0 ? GATE_CLOSED : GATE_OPEN;
        ((struct pod_verdict *)(uintptr_t)v.pods.items)->gates = (struct list){&gate, 1};
        (void)save(&b, 1, &f, &v);
        bed_commit(&b);
    }
    assert_int_equal(ask(&b, "SELECT n FROM tally WHERE ns_id = 0 AND what = 3"), 0);
    bed_fini(&b);
}

static void looks_come_due(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_PROGRESSING, POD_REGISTERING);
    v.next_look = b.now + 5000;
    (void)save(&b, 1, &f, &v);
    bed_commit(&b);
    assert_true(store_dirty_due(b.s, b.now + 4999) == b.now + 5000);
    size_t rollouts = 0;
    (void)drain_has(&b, DIRTY_CLUSTER, 0, &rollouts);
    assert_int_equal(rollouts, 0);
    (void)store_dirty_due(b.s, v.next_look);
    assert_true(drain_has(&b, DIRTY_ROLLOUT, 1, &rollouts));
    bed_fini(&b);
}

static void namespaces_are_looked_at_when_they_asked_for_it(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    int64_t shop = ask(&b, "SELECT id FROM namespace WHERE name = 'shop'");
    struct scope_verdict v = {{NULL, 0}, b.now + 7000};
    (void)store_dirty_due(b.s, b.now); /* the cluster's own turn */
    bed_begin(&b);
    assert_true(store_save_findings(b.s, shop, &v, "enabled", &err));
    bed_commit(&b);
    (void)drain_has(&b, DIRTY_CLUSTER, 0, NULL);
    assert_true(store_dirty_due(b.s, v.next_look - 1) == v.next_look);
    assert_false(drain_has(&b, DIRTY_NAMESPACE, shop, NULL));
    (void)store_dirty_due(b.s, v.next_look);
    assert_true(drain_has(&b, DIRTY_NAMESPACE, shop, NULL));
    (void)store_dirty_due(b.s, v.next_look + 1); /* once is enough */
    assert_false(drain_has(&b, DIRTY_NAMESPACE, shop, NULL));
    bed_begin(&b);
    v.next_look = b.now + 9000;
    assert_true(store_save_findings(b.s, shop, &v, "enabled", &err));
    int64_t at = b.now + 9000;
    v.next_look = 0; /* it changed in time */
    assert_true(store_save_findings(b.s, shop, &v, "enabled", &err));
    v.next_look = b.now + 3000;
    assert_true(store_save_findings(b.s, 0, &v, NULL, &err));
    bed_commit(&b);
    (void)store_dirty_due(b.s, at);
    assert_false(drain_has(&b, DIRTY_NAMESPACE, shop, NULL));
    bed_fini(&b);
}

static void findings_without_a_rollout_are_kept_by_namespace_and_cluster(void **state)
{
    (void)state;
    struct bed b;
    struct err err = {0};
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 1);
    int64_t shop = ask(&b, "SELECT id FROM namespace WHERE name = 'shop'");
    struct rollout_verdict made = {0};
    (void)finding_of(a, &made, 1);
    const struct scope_verdict v = {made.findings, 0};
    const struct scope_verdict none = {{NULL, 0}, 0};
    for (int i = 0; i < 2; i++) {
        bed_begin(&b);
        assert_true(store_save_findings(b.s, shop, &v, "missing", &err));
        assert_true(store_save_findings(b.s, 0, &v, NULL, &err));
        int64_t before = b.commit.revision;
        bed_commit(&b);
        assert_int_equal(b.commit.revision - before, i == 0 ? 1 : 0);
        assert_int_equal(feed_state(&b, FEED_NAMESPACE, "shop"), i == 0 ? 0 : -999);
    }
    assert_int_equal(ask(&b, "SELECT count(*) FROM finding WHERE workload_id = 0 AND ended_at = 0"),
                     2);
    assert_string_equal(ask_text(&b, "SELECT injection FROM namespace WHERE name = 'shop'"),
                        "missing");
    bed_begin(&b);
    const struct facts_namespace *ns = NULL;
    const struct facts_cluster *cluster = NULL;
    assert_true(store_namespace_facts(b.s, shop, &ns, &err));
    assert_true(store_cluster_facts(b.s, &cluster, &err));
    assert_int_equal(ns->findings.n, 1); /* what was found before: its since is kept by it */
    assert_int_equal(cluster->findings.n, 1);
    assert_true(store_save_findings(b.s, 0, &none, NULL, &err));
    assert_true(store_cluster_facts(b.s, &cluster, &err));
    assert_int_equal(cluster->findings.n, 0);
    bed_commit(&b);
    assert_true(b.commit.summary_changed);
    assert_int_equal(ask(&b, "SELECT count(*) FROM finding WHERE ns_id = 0 AND ended_at > 0"), 1);
    assert_int_equal(ask(&b, "SELECT count(*) FROM finding WHERE ns_id > 0 AND ended_at = 0"), 1);
    bed_fini(&b);
}

static void another_rollout_may_be_loaded_before_saving(void **state)
{
    (void)state;
    struct bed b;
    struct facts f;
    struct facts other;
    AUTO_PTR(arena) a = arena_new(0);
    web(&b, a, 2);
    struct kube_pod *lonely = pod(a, "shop", "lonely", "x1", "300");
    bed_do(&b, change_one(KIND_POD, lonely, false, false));
    bed_begin(&b);
    facts_of(&b, 1, a, &f);
    facts_of(&b, 2, a, &other);
    struct rollout_verdict v = verdict_of(&f, a, ROLLOUT_SERVING, POD_SERVING);
    (void)save(&b, 1, &f, &v);
    bed_commit(&b);
    assert_int_equal(ask(&b, "SELECT count(*) FROM pod WHERE state = 4"), 2);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_fills_the_columns),
        cmocka_unit_test(the_same_verdict_writes_nothing),
        cmocka_unit_test(findings_keep_their_first_sighting_and_end),
        cmocka_unit_test(findings_alone_are_told),
        cmocka_unit_test(prior_is_what_was_saved),
        cmocka_unit_test(revisions_have_a_row_each),
        cmocka_unit_test(a_revision_keeps_its_number_and_waits_for_its_own_hash),
        cmocka_unit_test(opening_times_become_the_usual_time),
        cmocka_unit_test(gate_transitions_move_the_binding_and_the_controller),
        cmocka_unit_test(waiting_pods_are_counted_for_the_cluster),
        cmocka_unit_test(looks_come_due),
        cmocka_unit_test(namespaces_are_looked_at_when_they_asked_for_it),
        cmocka_unit_test(findings_without_a_rollout_are_kept_by_namespace_and_cluster),
        cmocka_unit_test(another_rollout_may_be_loaded_before_saving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
