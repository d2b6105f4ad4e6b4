/*
 * Judgement as a whole: random walks through a small namespace, and what must hold at each step
 * whatever the facts are. Walks are seeded, so a failure tells its walk and step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/model/build.h"

enum { WALKS = 200, STEPS = 40, MAX_PODS = 12 };

struct walk {
    struct lab *l;
    struct facts_binding *b[2];
    uint64_t random;
    int number, step;
    struct kube_workload *w;
};

static uint32_t pick(struct walk *k, uint32_t n)
{
    k->random = k->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(k->random >> 33) % n;
}

static struct kube_pod *some_pod(struct walk *k)
{
    return k->l->f.pods.n > 0 ? k->l->pods[pick(k, k->l->f.pods.n)] : NULL;
}

static void add_pod(struct walk *k)
{
    struct lab *l = k->l;
    if (l->f.pods.n == MAX_PODS) {
        return;
    }
    const char *hash = pick(k, 3) > 0 ? l->revisions[l->f.revisions.n - 1].hash : "hash1";
    struct kube_pod *p = lab_pod(l, arena_printf(l->a, "web-%u", l->f.pods.n), hash);
    static const char *const gates[] = {LBC "web", LBC "admin", LBC "gone", V1 "a_b_80",
                                        "example.org/ready"};
    for (uint32_t n = pick(k, 4); n > 0; n--) {
        lab_gate(l, p, gates[pick(k, 12) > 1 ? pick(k, 2) : pick(k, 5)]);
    }
}

static void change_pod(struct walk *k)
{
    struct lab *l = k->l;
    struct kube_pod *p = some_pod(k);
    if (p == NULL) {
        return;
    }
    static const char *const phases[] = {"Running", "Pending", "Failed", "Succeeded", "Unknown"};
    switch (pick(k, 8)) {
    case 0:
        lab_delete(l, p);
        break;
    case 1:
        p->phase = phases[pick(k, 5)];
        break;
    case 2:
        lab_containers_ready(l, p, false);
        break;
    case 3:
        p->conditions.n = pick(k, p->conditions.n + 1);
        break;
    default:
        lab_containers_ready(l, p, true);
    }
}

static void change_gate(struct walk *k)
{
    struct kube_pod *p = some_pod(k);
    if (p == NULL || p->gates.n == 0) {
        return;
    }
    static const char *const statuses[] = {"True", "True", "False", "Unknown", ""};
    static const char *const reasons[] = {"", "Elb.RegistrationInProgress",
                                          "Elb.InitialHealthChecking", "Target.Timeout"};
    static const char *const messages[] = {"", "", "Target Group Binding is deleted"};
    struct condition *c =
        lab_condition(k->l, p, p->gates.items[pick(k, p->gates.n)], statuses[pick(k, 5)],
                      reasons[pick(k, 4)], messages[pick(k, 3)]);
    if (pick(k, 8) == 0) {
        c->transition_at = 0;
    }
    lab_kubelet(k->l, p);
}

static void change_target(struct walk *k)
{
    const struct kube_pod *p = some_pod(k);
    if (p == NULL) {
        return;
    }
    static const char *const states[] = {"healthy",  "healthy", "initial",     "unhealthy",
                                         "draining", "unused",  "unavailable", "something.new"};
    static const char *const reasons[] = {"", "Elb.RegistrationInProgress", "Target.NotRegistered",
                                          "Target.Timeout", "Target.NotInUse"};
    int i = (int)pick(k, 2);
    (void)lab_target(k->l, k->b[i], p, 8080 + i, states[pick(k, 8)], reasons[pick(k, 5)]);
    if (pick(k, 6) == 0) {
        k->b[i]->group->known = false;
        k->b[i]->group->gone = pick(k, 4) == 0;
    }
}

static void change_workload(struct walk *k)
{
    struct lab *l = k->l;
    switch (pick(k, 7)) {
    case 0:
        k->w->replicas = pick(k, 6);
        break;
    case 1:
        k->w->paused = pick(k, 2);
        break;
    case 2:
        k->w->meta.generation++;
        break;
    case 3:
        if (l->f.revisions.n < 5) {
            lab_new_revision(l, arena_printf(l->a, "hash%u", l->f.revisions.n + 1),
                             l->f.revisions.n + 1);
        }
        break;
    case 4:
        l->bindings[pick(k, 2)].service = pick(k, 3) > 0 ? &l->services[pick(k, 2)] : NULL;
        break;
    case 5:
        l->cluster.kube_stale = pick(k, 3) == 0;
        break;
    default:
        k->w->observed_generation =
            arena_printf(l->a, "%lld", (long long)k->w->meta.generation - (pick(k, 4) == 0));
    }
    (void)lab_slice(l, &l->services[pick(k, 2)]);
}

static void change(struct walk *k)
{
    static void (*const changes[])(struct walk *) = {
        add_pod,     add_pod,     change_pod,    change_pod,    change_gate,
        change_gate, change_gate, change_target, change_target, change_workload};
    for (uint32_t n = pick(k, 4) + 1; n > 0; n--) {
        changes[pick(k, 10)](k);
    }
}

#define MUST(k, what) must((k), (what), #what)
static void must(const struct walk *k, bool holds, const char *what)
{
    if (!holds) {
        fail_msg("walk %d, step %d: %s; rollout %s", k->number, k->step, what,
                 rollout_state_name(k->l->v.state));
    }
}

static void counts_add_up(struct walk *k)
{
    const struct rollout_verdict *v = &k->l->v;
    int64_t sum = 0;
    for (int i = 0; i < POD_STATE_COUNT; i++) {
        sum += v->by_state[i];
    }
    MUST(k, sum == v->updated);
    MUST(k, v->gates_total == v->gates_open + v->gates_closed + v->gates_absent);
    MUST(k, v->ready <= v->updated);
    MUST(k, v->by_state[POD_DRAINING] == 0 && v->by_state[POD_FINISHED] == 0);
    MUST(k, v->pods.n == k->l->f.pods.n);
    int primary = 0;
    for (uint32_t i = 0; i < v->findings.n; i++) {
        primary += LIST_AT(struct finding, v->findings, i)->primary;
    }
    MUST(k, primary == (v->primary != NULL));
    MUST(k, v->primary == NULL || v->primary == (const struct finding *)v->findings.items);
}

static void states_agree(struct walk *k)
{
    const struct rollout_verdict *v = &k->l->v;
    bool served = v->state == ROLLOUT_SERVING || v->state == ROLLOUT_NOT_GATED;
    MUST(k, !served || (v->complete && v->by_state[POD_SERVING] == v->updated));
    MUST(k, v->terminal == (v->state == ROLLOUT_FAILED));
    MUST(k, (v->state == ROLLOUT_IDLE) == (v->desired == 0));
    MUST(k, v->state != ROLLOUT_EXPOSED || v->by_state[POD_EXPOSED] > 0);
    MUST(k, v->state != ROLLOUT_STUCK || v->pace == PACE_STUCK);
    MUST(k, v->state != ROLLOUT_SLOW || v->pace == PACE_SLOW);
    MUST(k, v->eta == 0 || v->state == ROLLOUT_PROGRESSING || v->state == ROLLOUT_SLOW);
    MUST(k, v->since > 0 && v->since <= k->l->f.now);
    MUST(k, v->started_at > 0);
    MUST(k, v->next_look == 0 || v->next_look > k->l->f.now);
    MUST(k, !served || v->served_at > 0);
}

/* The same facts once more: the same verdict, and nothing left to tell. */
static void is_settled(struct walk *k)
{
    struct rollout_verdict first = k->l->v;
    lab_remember(k->l);
    (void)lab_judge(k->l);
    const struct rollout_verdict *v = &k->l->v;
    MUST(k, v->state == first.state && v->pace == first.pace && v->since == first.since);
    MUST(k, v->transitions.n == 0 && v->samples.n == 0);
    MUST(k, v->findings.n == first.findings.n);
    for (uint32_t i = 0; i < v->pods.n; i++) {
        MUST(k, !lab_pod_verdict(k->l, i)->track_changed);
    }
}

/* Until the next look nothing changes by time alone. */
static void time_alone_changes_nothing(struct walk *k)
{
    struct rollout_verdict now = k->l->v;
    int64_t at = k->l->f.now;
    k->l->f.now = now.next_look != 0 ? now.next_look - 1 : at + INT64_C(864000000);
    k->l->cluster.now = k->l->f.now;
    (void)lab_judge(k->l);
    MUST(k, k->l->v.state == now.state && k->l->v.pace == now.pace);
    for (uint32_t i = 0; i < now.pods.n; i++) {
        MUST(k, lab_pod_verdict(k->l, i)->state == LIST_AT(struct pod_verdict, now.pods, i)->state);
    }
    k->l->f.now = at;
    k->l->cluster.now = at;
}

static void walk(int number)
{
    struct walk k = {.l = lab_new(), .random = (uint64_t)number, .number = number};
    struct lab *l = k.l;
    if (number % 2 == 0) {
        lab_inject(l);
    }
    k.w = lab_deployment(l, "web", 3);
    (void)lab_service(l, "web", "app", "web", 80, "8080");
    (void)lab_service(l, "admin", "app", "web", 81, "8081");
    k.b[0] = lab_binding(l, "web", "web", "80", number % 7 == 0 ? "instance" : "ip");
    k.b[1] = lab_binding(l, "admin", "admin", "81", "ip");
    for (k.step = 0; k.step < STEPS; k.step++) {
        change(&k);
        (void)lab_judge(l);
        counts_add_up(&k);
        states_agree(&k);
        is_settled(&k);
        time_alone_changes_nothing(&k);
        lab_clock(l, pick(&k, 6) == 0 ? 400 : pick(&k, 20));
    }
    lab_free(l);
}

static void what_holds_on_every_walk(void **state)
{
    (void)state;
    for (int i = 0; i < WALKS; i++) {
        walk(i);
    }
}

static void nothing_at_all_is_judged(void **state)
{
    (void)state;
    struct lab *l = lab_new();
    const struct rollout_verdict *v = lab_judge(l);
    assert_int_equal(v->state, ROLLOUT_IDLE);
    assert_int_equal(v->pods.n, 0);
    assert_int_equal(v->next_look, 0);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_holds_on_every_walk),
                                       cmocka_unit_test(nothing_at_all_is_judged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
