/* Counters kept equal counters counted, whatever happens in whatever order. */
#include "verdict_help.h"

enum { OPERATIONS = 10000, NAMESPACES = 4, WORKLOADS = 5, PODS = 8 };

static uint32_t dice_state = 12345;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % sides;
}

static long version = 100;

/* Differences between the table and a recount, both ways; 0 = equal. */
static int64_t differences(struct bed *b)
{
    static const char sql[] =
        "WITH counted (ns_id, what, state, n) AS ("
        " SELECT ns_id, 0, state, count(*) FROM workload GROUP BY ns_id, state"
        " UNION ALL SELECT 0, 0, state, count(*) FROM workload GROUP BY state"
        " UNION ALL SELECT ns_id, 1, state, count(*) FROM pod WHERE workload_id <> 0 AND state <> 8"
        " GROUP BY ns_id, state"
        " UNION ALL SELECT 0, 1, state, count(*) FROM pod WHERE workload_id <> 0 AND state <> 8"
        " GROUP BY state"
        " UNION ALL SELECT ns_id, 2, severity, count(*) FROM workload WHERE severity >= 0"
        " GROUP BY ns_id, severity"
        " UNION ALL SELECT 0, 2, severity, count(*) FROM workload WHERE severity >= 0"
        " GROUP BY severity"
        " UNION ALL SELECT ns_id, 3, 0, sum(waiting) FROM workload GROUP BY ns_id"
        " UNION ALL SELECT 0, 3, 0, sum(waiting) FROM workload),"
        " kept AS (SELECT ns_id, what, state, n FROM tally WHERE n <> 0),"
        " wanted AS (SELECT * FROM counted WHERE n <> 0)"
        " SELECT (SELECT count(*) FROM (SELECT * FROM kept EXCEPT SELECT * FROM wanted))"
        " + (SELECT count(*) FROM (SELECT * FROM wanted EXCEPT SELECT * FROM kept))";
    return ask(b, sql);
}

static struct change *random_pod(struct arena *a)
{
    unsigned ns = dice(NAMESPACES);
    unsigned w = dice(WORKLOADS);
    unsigned i = dice(PODS);
    struct kube_pod *p =
        pod(a, arena_printf(a, "ns-%u", ns), arena_printf(a, "p-%u-%u", w, i),
            arena_printf(a, "u-%u-%u-%u-%u", ns, w, i, dice(3)), arena_printf(a, "%ld", ++version));
    p->phase = arena_printf(a, "phase %u", dice(5));
    switch (dice(8)) {
    case 0:
        break; /* bare */
    case 1:
        owned(a, &p->meta, "Job", "job", "job-1");
        break;
    case 2:
        owned(a, &p->meta, "StatefulSet", arena_printf(a, "set-%u", w), "set");
        break;
    default:
        owned(a, &p->meta, "ReplicaSet", arena_printf(a, "rs-%u", w),
              arena_printf(a, "rs-%u-%u", ns, w));
        break;
    }
    return change_one(KIND_POD, p, dice(4) == 0, false);
}

static struct change *random_replicaset(struct arena *a)
{
    unsigned ns = dice(NAMESPACES);
    unsigned w = dice(WORKLOADS);
    struct kube_workload *rs =
        replicaset(a, arena_printf(a, "ns-%u", ns), arena_printf(a, "rs-%u", w),
                   arena_printf(a, "rs-%u-%u", ns, w), arena_printf(a, "%ld", ++version));
    rs->replicas = dice(3);
    if (dice(4) != 0) {
        owned(a, &rs->meta, "Deployment", arena_printf(a, "web-%u", dice(2) + w), "dep");
    }
    return change_one(KIND_REPLICASET, rs, dice(5) == 0, false);
}

static struct change *random_deployment(struct arena *a)
{
    struct kube_workload *d = deployment(
        a, arena_printf(a, "ns-%u", dice(NAMESPACES)), arena_printf(a, "web-%u", dice(WORKLOADS)),
        arena_printf(a, "d-%u", dice(2)), arena_printf(a, "%ld", ++version));
    d->replicas = dice(9);
    return change_one(KIND_DEPLOYMENT, d, dice(3) == 0, false);
}

static struct change *random_list(struct bed *b, struct arena *a)
{
    enum kind kind = dice(2) == 0 ? KIND_POD : KIND_DEPLOYMENT;
    bed_apply(b, change_of_kind(CHANGE_LIST_BEGIN, kind));
    for (uint32_t i = dice(30); i > 0; i--) {
        struct change *c = kind == KIND_POD ? random_pod(a) : random_deployment(a);
        c->in_list = true;
        c->objects[0].deleted = false;
        bed_apply(b, c);
    }
    return change_rv(dice(4) == 0 ? CHANGE_LIST_ABORT : CHANGE_LIST_END, kind,
                     arena_printf(a, "%ld", ++version));
}

/* Judges some of what is dirty, at random. */
static void random_verdicts(struct bed *b, struct arena *a)
{
    struct dirty d;
    for (uint32_t i = dice(6); i > 0 && store_next_dirty(b->s, &d); i--) {
        struct facts f;
        struct err err = {0};
        if (d.what != DIRTY_ROLLOUT) {
            continue;
        }
        if (!store_rollout_facts(b->s, d.id, a, &f, &err)) {
            assert_int_equal(err.code, ERR_NOT_FOUND);
            continue;
        }
        struct rollout_verdict v = verdict_of(&f, a, (enum rollout_state)dice(ROLLOUT_STATE_COUNT),
                                              (enum pod_state)dice(POD_STATE_COUNT));
        struct finding *items = finding_of(a, &v, dice(2));
        if (v.findings.n > 0) {
            items[0].severity = (enum severity)dice(SEVERITY_COUNT);
        }
        struct condition *ready = arena_array(a, struct condition, 1);
        *ready = (struct condition){.type = "ContainersReady", .status = "True"};
        struct gate_verdict *gate = arena_array(a, struct gate_verdict, 1);
        *gate = (struct gate_verdict){.type = "g",
                                      .family = FAMILY_EKS_AUTO,
                                      .status = (enum gate_status)dice(GATE_STATUS_COUNT)};
        for (uint32_t k = 0; k < f.pods.n; k++) {
            ((struct pod_verdict *)(uintptr_t)v.pods.items)[k].gates = (struct list){gate, 1};
            ((struct kube_pod *)(uintptr_t)LIST_AT(struct facts_pod, f.pods, k)->pod)->conditions =
                (struct list){ready, 1};
        }
        (void)save(b, d.id, &f, &v);
    }
}

static void one_operation(struct bed *b, struct arena *a)
{
    bed_begin(b);
    for (uint32_t i = dice(4) + 1; i > 0; i--) {
        uint32_t what = dice(100);
        bed_apply(b, what < 60   ? random_pod(a)
                     : what < 80 ? random_replicaset(a)
                     : what < 98 ? random_deployment(a)
                                 : random_list(b, a));
    }
    random_verdicts(b, a);
    if (dice(10) == 0) {
        store_rollback(b->s);
    } else {
        bed_commit(b);
    }
}

static void tallies_equal_a_recount_after_random_operations(void **state)
{
    (void)state;
    struct bed b;
    int64_t most = 0;
    bed_init(&b);
    for (int i = 0; i < OPERATIONS; i++) {
        AUTO_PTR(arena) a = arena_new(0);
        one_operation(&b, a);
        int64_t n = ask(&b, "SELECT count(*) FROM pod");
        most = n > most ? n : most;
        if (i % 100 == 0 && differences(&b) != 0) {
            fail_msg("after operation %d: %lld rows differ", i, (long long)differences(&b));
        }
    }
    assert_int_equal(differences(&b), 0);
    assert_true(most > 20);
    bed_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tallies_equal_a_recount_after_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
