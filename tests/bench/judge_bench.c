/*
 * What a judgement costs: one rollout of 1,000 pods behind two of a namespace's bindings, halfway
 * through: 600 pods serve, 300 wait at their gates, 100 start. All causes are looked for. The
 * ceiling is 2 ms a rollout, since the writer judges inside its transaction.
 *
 *   bench_judge_bench [pods] [bindings of the namespace]
 *
 * Each line: what, microseconds of CPU a rollout (best and median of 200 judgements), nanoseconds a
 * pod.
 */
#include <stdlib.h>
#include <time.h>

#include "unit/model/build.h"

enum { ROUNDS = 200, CEILING_US = 2000 };

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa;
    double b = *(const double *)pb;
    return (a > b) - (a < b);
}

static void open_gates(struct lab *l, struct kube_pod *p, struct facts_binding *const b[2],
                       bool open)
{
    for (int k = 0; k < 2; k++) {
        lab_gate_set(l, p, p->gates.items[k], open ? "True" : "False",
                     open ? "" : "Elb.RegistrationInProgress");
        (void)lab_target(l, b[k], p, 8080 + k, open ? "healthy" : "initial",
                         open ? "" : "Elb.RegistrationInProgress");
    }
}

static struct lab *make(uint32_t pods, uint32_t bindings)
{
    struct lab *l = lab_new();
    lab_inject(l);
    (void)lab_deployment(l, "web", pods);
    const struct kube_service *web = lab_service(l, "web", "app", "web", 80, "8080");
    struct kube_service *admin = lab_service(l, "admin", "app", "web", 81, "8081");
    struct facts_binding *b[2] = {lab_binding(l, "web", "web", "80", "ip"),
                                  lab_binding(l, "admin", "admin", "81", "ip")};
    for (uint32_t i = 2; i < bindings; i++) {
        const char *name = arena_printf(l->a, "other-%u", i);
        (void)lab_service(l, name, "app", name, 80, "8080");
        (void)lab_binding(l, name, name, "80", "ip");
    }
    for (uint32_t i = 0; i < pods; i++) {
        struct kube_pod *p = lab_pod(l, arena_printf(l->a, "web-hash1-%05u", i), "hash1");
        lab_kv(l, &p->meta.labels, "app.kubernetes.io/part-of", "shop");
        lab_kv(l, &p->meta.labels, "team", "front");
        lab_gate(l, p, LBC "web");
        lab_gate(l, p, LBC "admin");
        if (i % 10 != 0) {
            lab_containers_ready(l, p, true);
            open_gates(l, p, b, i % 10 > 3);
        }
    }
    (void)lab_slice(l, web);
    struct kube_slice *slice = lab_slice(l, admin);
    struct slice_port *port = arena_array(l->a, struct slice_port, 1);
    *port = (struct slice_port){"http", 8081};
    slice->ports = (struct list){port, 1};
    return l;
}

static bool measure(struct lab *l, const char *what, uint32_t pods)
{
    double us[ROUNDS];
    AUTO_PTR(arena) a = arena_new(1 << 20);
    struct rollout_verdict v;
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(a);
        double from = now_us();
        judge_rollout(&l->f, a, &v);
        us[i] = now_us() - from;
    }
    qsort(us, ROUNDS, sizeof *us, by_value);
    double median = us[ROUNDS / 2];
    (void)printf("%-24s %8.0f us best %8.0f us median %6.0f ns a pod  state %s, %u findings, "
                 "%zu KiB\n",
                 what, us[0], median, median * 1000 / pods, rollout_state_name(v.state),
                 v.findings.n, arena_bytes(a) / 1024);
    return pods > 1000 || us[0] <= CEILING_US; /* the best: other loads do not count */
}

int main(int argc, char **argv)
{
    uint32_t pods = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000;
    uint32_t bindings = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 4;
    struct lab *l = make(pods, bindings);
    bool ok = measure(l, "first sight", pods);
    lab_step(l, 5);
    ok = measure(l, "remembered, on time", pods) && ok;
    lab_clock(l, 3600);
    ok = measure(l, "an hour later, stuck", pods) && ok;
    lab_free(l);
    if (!ok) {
        (void)fprintf(stderr, "over the ceiling of %d us\n", CEILING_US);
    }
    return ok ? 0 : 1;
}
