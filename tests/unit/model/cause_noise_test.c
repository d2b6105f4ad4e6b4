/*
 * Healthy life makes no alarm: a thousand random rollouts, from a seed that a failure prints, go to
 * their end with what happens on the way in healthy clusters - slow starts, a container that
 * restarts, scaling, drained nodes, a controller that looks late or restarts, targets that wait as
 * long as they usually do, polls that are behind - judged every few seconds. No finding of severity
 * error may be heard, in the rollout, its namespace or the cluster, behind either controller, with
 * or without ELBv2.
 */
#include "unit/model/cause_case.h"

enum { ROLLOUTS = 1000, STEPS = 60, STEP_S = 3, PODS_MAX = 24 };

/* A pod's plan and how far it has come. */
struct life {
    int64_t born_at;
    int64_t ready_at;   /* containers */
    int64_t noticed_at; /* the controller registers it */
    int64_t checked_at; /* ELBv2 starts to check */
    int64_t healthy_at; /* ELBv2 calls it healthy */
    int64_t opened_at;  /* the controller says so */
    int64_t crash_at;   /* containers go away for a moment; 0 = never */
    int64_t back_at;
    int64_t leaves_at; /* deleted: scale-down, drain, or the old revision; 0 = stays */
    bool old;
};

struct world {
    struct lab *l;
    uint32_t seed;
    struct life lives[PODS_MAX];
    struct kube_pod *pods[PODS_MAX];
    uint32_t n;
    const char *gate;
    bool elb;
    bool auto_mode; /* EKS Auto Mode: its own binding, gate and label, no lease to be seen */
    bool network;   /* an NLB: minutes */
    int64_t lag_ms; /* the controller's looks are late by so much */
    int64_t polled_at;
};

static uint32_t next(struct world *w)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return w->seed >> 8;
}

static int64_t between(struct world *w, int64_t low, int64_t high)
{
    return low + (int64_t)(next(w) % (uint32_t)(high - low + 1));
}

/* From containers ready on: what the controller and ELBv2 need. */
static void plan_from_ready(struct world *w, struct life *p)
{
    int64_t usual = w->network ? 110000 : 25000;
    p->noticed_at = p->ready_at + between(w, 10, 200) + w->lag_ms;
    p->checked_at = p->noticed_at + between(w, 1000, usual / 2);
    p->healthy_at = p->checked_at + between(w, 1000, usual / 2);
    p->opened_at = p->healthy_at + between(w, 0, 15000) + w->lag_ms;
}

static void plan(struct world *w, struct life *p, bool old)
{
    int64_t now = w->l->f.now;
    *p = (struct life){.born_at = old ? now - 600000 : now + between(w, 0, 40000), .old = old};
    p->ready_at = p->born_at + between(w, 1000, 30000);
    plan_from_ready(w, p);
    if (old) {
        p->opened_at = p->healthy_at + 1000;
        p->leaves_at = now + between(w, 60000, 160000);
    } else if (next(w) % 8 == 0) {
        p->crash_at = p->ready_at + between(w, 500, 90000);
        p->back_at = p->crash_at + between(w, 2000, 25000);
    } else if (next(w) % 12 == 0) {
        p->leaves_at = p->born_at + between(w, 20000, 150000); /* a drained node */
    }
}

static void go_auto(struct world *w)
{
    struct lab *l = w->l;
    struct kube_binding *b = (struct kube_binding *)(uintptr_t)l->bindings[0].binding;
    b->meta.kind = KIND_BINDING_AUTO;
    b->api_version = "eks.amazonaws.com/v1";
    l->ns_object.meta.labels.n = 0;
    lab_kv(l, &l->ns_object.meta.labels, "eks.amazonaws.com/pod-readiness-gate-inject", "enabled");
    shop_auto_webhook(l);
    l->cluster.has_auto = true;
    l->cluster.has_lbc = false;
    l->cluster.leases.n = 0;
    w->gate = AUTO_GATE "web";
}

static struct world world_of(uint32_t seed)
{
    struct world w = {.l = shop_new(), .gate = GATE, .seed = seed * 2654435761u + 1};
    struct lab *l = w.l;
    l->f.pods.n = 0;
    lab_clock(l, 1200);
    w.auto_mode = next(&w) % 3 == 0;
    if (w.auto_mode) {
        go_auto(&w);
    }
    l->leases[0].renew_at = l->f.now;
    w.elb = next(&w) % 4 != 0;
    w.network = next(&w) % 3 == 0;
    w.lag_ms = next(&w) % 3 == 0 ? between(&w, 0, 18000) : 0;
    int64_t p95 = w.network ? 150000 : 60000;
    l->bindings[0].usual = (struct usual){p95 / 2, p95, true};
    w.n = (uint32_t)between(&w, 1, PODS_MAX);
    l->workload.replicas = w.n;
    lab_new_revision(l, "hash2", 2);
    for (uint32_t i = 0; i < w.n; i++) {
        plan(&w, &w.lives[i], i % 3 == 2);
    }
    return w;
}

/* ---- what the cluster does ---- */

static void progress(struct world *w, uint32_t i);

static void be_born(struct world *w, uint32_t i)
{
    struct lab *l = w->l;
    const struct life *p = &w->lives[i];
    int64_t now = l->f.now;
    l->f.now = p->born_at;
    w->pods[i] = lab_pod(l, arena_printf(l->a, "web-%u", i), p->old ? "hash1" : "hash2");
    lab_gate(l, w->pods[i], w->gate);
    if (p->old) { /* it serves since long before we look */
        l->f.now = p->opened_at;
        progress(w, i);
    }
    l->f.now = now;
}

static void target(struct world *w, uint32_t i, const char *state, const char *reason)
{
    if (w->elb && w->l->f.now >= w->polled_at) {
        (void)lab_target(w->l, &w->l->bindings[0], w->pods[i], 8080, state, reason);
    }
}

static void crash(struct world *w, uint32_t i)
{
    struct life *p = &w->lives[i];
    struct container_status *c = (struct container_status *)(uintptr_t)w->pods[i]->statuses.items;
    lab_containers_ready(w->l, w->pods[i], false);
    c->restarts++;
    c->last_finished_at = w->l->f.now;
    c->last_exit_code = 1;
    c->waiting_reason = "CrashLoopBackOff";
    c->is_running = 0;
    c->is_waiting = 1;
    p->crash_at = 0;
    p->ready_at = p->back_at;
    bool registered = w->l->f.now >= p->noticed_at;
    if (registered) {
        target(w, i, "draining", "Target.DeregistrationInProgress");
    }
    plan_from_ready(w, p);
}

static void come_back(struct world *w, uint32_t i)
{
    struct container_status *c = (struct container_status *)(uintptr_t)w->pods[i]->statuses.items;
    c->waiting_reason = "";
    c->is_running = 1;
    c->is_waiting = 0;
    c->ready = 1;
    lab_containers_ready(w->l, w->pods[i], true);
}

static void progress(struct world *w, uint32_t i)
{
    struct life *p = &w->lives[i];
    struct kube_pod *pod = w->pods[i];
    int64_t now = w->l->f.now;
    if (now < p->ready_at) {
        return;
    }
    if (!condition_true(&pod->conditions, "ContainersReady")) {
        come_back(w, i);
    }
    const char *reason =
        now >= p->checked_at ? "Elb.InitialHealthChecking" : "Elb.RegistrationInProgress";
    if (now >= p->opened_at) {
        lab_gate_set(w->l, pod, w->gate, "True", "");
    } else if (now >= p->noticed_at) {
        lab_gate_set(w->l, pod, w->gate, "False", reason);
    }
    if (now >= p->healthy_at) {
        target(w, i, "healthy", "");
    } else if (now >= p->noticed_at) {
        target(w, i, "initial", reason);
    }
}

static void live(struct world *w, uint32_t i)
{
    struct life *p = &w->lives[i];
    int64_t now = w->l->f.now;
    if (w->pods[i] == NULL) {
        if (now >= p->born_at) {
            be_born(w, i);
        }
        return;
    }
    if (p->leaves_at != 0 && now >= p->leaves_at) {
        if (w->pods[i]->meta.deleted_at == 0) {
            lab_delete(w->l, w->pods[i]);
            target(w, i, "draining", "Target.DeregistrationInProgress");
        }
        return;
    }
    if (p->crash_at != 0 && now >= p->crash_at) {
        crash(w, i);
        return;
    }
    progress(w, i);
}

static void step(struct world *w)
{
    struct lab *l = w->l;
    bool polls = l->f.now >= w->polled_at;
    for (uint32_t i = 0; i < w->n; i++) {
        live(w, i);
    }
    if (w->elb && polls) {
        lab_group_known(l, &l->bindings[0]);
        w->polled_at = l->f.now + between(w, 3000, 15000);
    }
    l->leases[0].renew_at = l->f.now - between(w, 0, w->lag_ms + 2000);
    (void)lab_slice(l, &l->services[0]);
}

/* ---- what must not be said ---- */

static void quiet(const struct world *w, const struct list *findings, uint32_t seed)
{
    for (uint32_t i = 0; i < findings->n; i++) {
        const struct finding *f = LIST_AT(struct finding, *findings, i);
        if (f->severity == SEVERITY_ERROR) {
            fail_msg("seed %u, %lld s, %s, %s: %s: %s", seed,
                     (long long)((w->l->f.now - LAB_T0) / 1000 - 1205),
                     w->auto_mode ? "Auto Mode" : "its own controller",
                     w->elb ? "with ELBv2" : "Kubernetes alone", f->code, f->message);
        }
    }
}

static void one_rollout(uint32_t seed, uint32_t *ret_served)
{
    struct world w = world_of(seed);
    struct lab *l = w.l;
    for (int i = 0; i < STEPS * 2; i++) {
        step(&w);
        struct scope_verdict found;
        quiet(&w, &lab_judge(l)->findings, seed);
        if (i % 10 == 0) {
            judge_namespace(&l->ns, &l->cluster, &l->policy, l->a, &found);
            quiet(&w, &found.findings, seed);
            judge_cluster(&l->cluster, &l->policy, l->a, &found);
            quiet(&w, &found.findings, seed);
        }
        lab_after(l, STEP_S);
    }
    (void)lab_judge(l);
    *ret_served += l->v.by_state[POD_SERVING] > 0;
    lab_free(l);
}

static void a_thousand_healthy_rollouts_raise_no_error(void **state)
{
    (void)state;
    uint32_t served = 0;
    for (uint32_t seed = 1; seed <= ROLLOUTS; seed++) {
        one_rollout(seed, &served);
    }
    assert_true(served > ROLLOUTS * 9 / 10); /* they did come to their end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_healthy_rollouts_raise_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
