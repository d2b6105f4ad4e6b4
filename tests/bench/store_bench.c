/*
 * The writer's side of the store alone: 100,000 synthetic pods into committed rows, the same list
 * again, and watch events in an open loop (arrival to commit) with our checkpoint thread and with
 * SQLite's default checkpointing, in turn. Ratios within one run are the result.
 *
 *   bench_store_bench [pods [events_per_second [seconds]]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/change.h"
#include "model/pack.h"
#include "store/store.h"

enum { PER_NAMESPACE = 50, PER_ROLLOUT = 10, BATCH = 256, ROUNDS = 5, BATCH_MAX = 512 };

static void die(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, err->text);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec ts;
    (void)clock_gettime(clock, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double peak_mib(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

/* ---- pods as an EKS cluster has them ---- */

static struct condition *conditions(struct arena *a, bool ready, int64_t at)
{
    static const char *const types[] = {"PodReadyToStartContainers",
                                        "Initialized",
                                        "ContainersReady",
                                        "Ready",
                                        "PodScheduled",
                                        "target-health.elbv2.k8s.aws/k8s-shop-web-0123456789"};
    struct condition *c = arena_array(a, struct condition, 6);
    for (int i = 0; i < 6; i++) {
        bool open = ready || i < 3 || i == 4;
        c[i] = (struct condition){.type = types[i],
                                  .status = open ? "True" : "False",
                                  .reason = i == 5 && !open ? "Elb.RegistrationInProgress" : "",
                                  .message =
                                      i == 5 && !open ? "Target registration is in progress" : "",
                                  .transition_at = at};
    }
    return c;
}

static struct kvs labels(struct arena *a, long rollout)
{
    struct kv *kv = arena_array(a, struct kv, 6);
    kv[0] = (struct kv){"app.kubernetes.io/instance", arena_printf(a, "web-%ld", rollout)};
    kv[1] = (struct kv){"app.kubernetes.io/managed-by", "Helm"};
    kv[2] = (struct kv){"app.kubernetes.io/name", arena_printf(a, "web-%ld", rollout)};
    kv[3] = (struct kv){"app.kubernetes.io/version", "2.41.0"};
    kv[4] = (struct kv){"pod-template-hash", arena_printf(a, "6c9f7d%04lx", rollout & 0xffff)};
    kv[5] = (struct kv){"topology.kubernetes.io/zone", "eu-west-1a"};
    return (struct kvs){kv, 6};
}

static struct list containers(struct arena *a)
{
    struct container_spec *c = arena_array(a, struct container_spec, 2);
    struct container_port *port = arena_array(a, struct container_port, 1);
    *port = (struct container_port){"http", 8080};
    static const struct container_spec empty = {.name = "",
                                                .image = "",
                                                .probe_path = "",
                                                .probe_port = "",
                                                .probe_scheme = "",
                                                .prestop_sleep_seconds = -1};
    c[0] = empty;
    c[0].name = "app";
    c[0].image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/web:2.41.0";
    c[0].ports = (struct list){port, 1};
    c[0].has_readiness = 1;
    c[0].probe_path = "/healthz";
    c[0].probe_port = "http";
    c[0].probe_scheme = "HTTP";
    c[0].probe_period = 10;
    c[1] = empty;
    c[1].name = "proxy";
    c[1].image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mesh/proxy:1.22.3";
    return (struct list){c, 2};
}

static struct list statuses(struct arena *a, bool ready, int64_t at)
{
    struct container_status *c = arena_array(a, struct container_status, 2);
    for (int i = 0; i < 2; i++) {
        c[i] = (struct container_status){.name = i == 0 ? "app" : "proxy",
                                         .ready = ready,
                                         .started = 1,
                                         .image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x",
                                         .waiting_reason = "",
                                         .waiting_message = "",
                                         .running_since = at,
                                         .is_running = 1,
                                         .terminated_reason = "",
                                         .exit_code = -1,
                                         .last_reason = ""};
    }
    return (struct list){c, 2};
}

static const struct kube_pod *make_pod(struct arena *a, long i, long version, bool ready)
{
    long rollout = i / PER_ROLLOUT;
    struct kube_pod *p = arena_alloc(a, sizeof *p);
    record_clear(kind_info(KIND_POD)->table, p);
    p->meta.kind = KIND_POD;
    p->meta.namespace = arena_printf(a, "team-%04ld", i / PER_NAMESPACE);
    p->meta.name = arena_printf(a, "web-%ld-6c9f7d%04lx-%05lx", rollout, rollout & 0xffff, i);
    p->meta.uid = arena_printf(a, "0b6f3a52-7c1d-4e8f-9a3b-%012lx", i);
    p->meta.resource_version = arena_printf(a, "%ld", version);
    p->meta.created_at = INT64_C(1750000000000) + i;
    p->meta.labels = labels(a, rollout);
    struct owner *o = arena_array(a, struct owner, 1);
    *o = (struct owner){"apps/v1", "ReplicaSet",
                        arena_printf(a, "web-%ld-6c9f7d%04lx", rollout, rollout & 0xffff),
                        arena_printf(a, "7d0c9d1e-1111-4e8f-9a3b-%012lx", rollout), 1};
    p->meta.owners = (struct list){o, 1};
    p->node =
        arena_printf(a, "ip-10-%ld-%ld-%ld.eu-west-1.compute.internal", i % 7, i % 251, i % 13);
    p->grace_seconds = 30;
    p->restart_policy = "Always";
    const char **gate = arena_array(a, const char *, 1);
    gate[0] = "target-health.elbv2.k8s.aws/k8s-shop-web-0123456789";
    p->gates = (struct strs){gate, 1};
    p->containers = containers(a);
    p->phase = "Running";
    p->ip = arena_printf(a, "10.%ld.%ld.%ld", i / 62500, i / 250 % 250, i % 250);
    p->started_at = p->meta.created_at + 2000;
    p->conditions = (struct list){conditions(a, ready, p->started_at + version), 6};
    p->statuses = statuses(a, ready, p->started_at);
    return p;
}

static const struct kube_workload *make_replicaset(struct arena *a, long rollout)
{
    struct kube_workload *w = arena_alloc(a, sizeof *w);
    record_clear(kind_info(KIND_REPLICASET)->table, w);
    w->meta.kind = KIND_REPLICASET;
    w->meta.namespace = arena_printf(a, "team-%04ld", rollout * PER_ROLLOUT / PER_NAMESPACE);
    w->meta.name = arena_printf(a, "web-%ld-6c9f7d%04lx", rollout, rollout & 0xffff);
    w->meta.uid = arena_printf(a, "7d0c9d1e-1111-4e8f-9a3b-%012lx", rollout);
    w->meta.resource_version = "1";
    struct owner *o = arena_array(a, struct owner, 1);
    *o = (struct owner){"apps/v1", "Deployment", arena_printf(a, "web-%ld", rollout),
                        arena_printf(a, "9e0c9d1e-2222-4e8f-9a3b-%012lx", rollout), 1};
    w->meta.owners = (struct list){o, 1};
    w->replicas = PER_ROLLOUT;
    return w;
}

/* ---- the writer's part ---- */

static void begin(struct store *s)
{
    struct err err = {0};
    static int64_t now = INT64_C(1760000000000);
    if (!store_begin(s, now++, &err)) {
        die("begin", &err);
    }
}

static void commit(struct store *s)
{
    struct err err = {0};
    struct commit c;
    struct dirty d;
    while (store_next_dirty(s, &d)) { /* nobody judges here */
    }
    if (!store_commit(s, &c, &err)) {
        die("commit", &err);
    }
}

static void apply(struct store *s, struct change *c)
{
    struct err err = {0};
    if (!store_apply(s, c, &err)) {
        die("apply", &err);
    }
    change_free(c);
}

static struct change *control(enum change_type type, enum kind kind, const char *rv)
{
    struct change *c = change_new(type, 256);
    c->kind = kind;
    c->resource_version = rv;
    return c;
}

static void list(struct store *s, enum kind kind, long n, const char *rv)
{
    begin(s);
    apply(s, control(CHANGE_LIST_BEGIN, kind, ""));
    for (long at = 0; at < n; at += BATCH) {
        struct change *c = change_new(CHANGE_OBJECTS, 256 << 10);
        c->kind = kind;
        c->in_list = true;
        c->objects = arena_array(c->arena, struct change_object, BATCH);
        for (long i = at; i < n && i < at + BATCH; i++) {
            c->objects[c->n_objects++].record = kind == KIND_POD
                                                    ? (const void *)make_pod(c->arena, i, 1, true)
                                                    : make_replicaset(c->arena, i);
        }
        apply(s, c);
    }
    apply(s, control(CHANGE_LIST_END, kind, rv));
    commit(s);
}

/* Making the records costs too: measured alone, to be taken off. */
static double cost_of_making(long n)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long at = 0; at < n; at += BATCH) {
        struct arena *a = arena_new(256 << 10);
        for (long i = at; i < n && i < at + BATCH; i++) {
            (void)make_pod(a, i, 1, true);
        }
        arena_free(a);
    }
    return seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
}

static struct store *open_store(const char *path, bool default_checkpointing)
{
    struct err err = {0};
    struct store *s = NULL;
    char *note = NULL;
    struct store_options opt = {.path = path,
                                .cluster_name = "bench",
                                .cache_bytes = 8 << 20,
                                .wal_limit_bytes = 128 << 20,
                                .keep_history_ms = INT64_C(86400000),
                                .keep_bytes = INT64_C(2) << 30,
                                .default_checkpointing = default_checkpointing};
    if (!store_open(&opt, &s, &note, &err)) {
        die("open", &err);
    }
    free(note);
    return s;
}

static void bench_lists(const char *path, long pods)
{
    double making = cost_of_making(pods);
    struct store *s = open_store(path, false);
    list(s, KIND_REPLICASET, pods / PER_ROLLOUT, "1");
    struct store_metrics before;
    struct store_metrics after;
    store_metrics(s, &before);
    double wall = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    list(s, KIND_POD, pods, "2");
    double first_wall = seconds(CLOCK_MONOTONIC) - wall;
    double first = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu - making;
    store_metrics(s, &after);
    (void)printf("first list     %ld pods: wall %.2f s, store's CPU %.2f s = %.0f rows/s, file "
                 "%.0f MiB, WAL %.0f MiB, peak %.0f MiB\n",
                 pods, first_wall, first, (double)pods / first, (double)after.file_bytes / 1048576,
                 (double)after.wal_bytes / 1048576, peak_mib());
    store_metrics(s, &before);
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    list(s, KIND_POD, pods, "3");
    double again = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu - making;
    store_metrics(s, &after);
    (void)printf("same list      CPU %.2f s = %.2f of the first, rows written %" PRIu64
                 ", peak %.0f MiB\n",
                 again, again / first, after.rows_written - before.rows_written, peak_mib());
    store_close(s);
}

/* ---- watch events ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct latency {
    double p50;
    double p99;
    double busy;
    double wal_mib;
};

static long next_version = 10;

static void apply_event(struct store *s, long pods, unsigned *seed)
{
    struct change *c = change_new(CHANGE_OBJECTS, 4096);
    long version = ++next_version;
    c->kind = KIND_POD;
    c->objects = arena_array(c->arena, struct change_object, 1);
    c->n_objects = 1;
    c->objects[0].record = make_pod(c->arena, rand_r(seed) % pods, version, version % 2 == 0);
    apply(s, c);
}

/* Open loop: event i arrives at start + i/rate whatever we do; all that have arrived are committed
 * at once. */
static struct latency run_events(struct store *s, long pods, double rate, double length)
{
    size_t n = (size_t)(rate * length);
    double *ms = xmalloc(n * sizeof *ms);
    unsigned seed = 7;
    double start = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    size_t done = 0;
    while (done < n) {
        double now = seconds(CLOCK_MONOTONIC);
        double due = start + (double)done / rate;
        if (now < due) {
            const struct timespec ts = {.tv_nsec = (long)((due - now) * 1e9) % 1000000000L};
            (void)nanosleep(&ts, NULL);
            continue;
        }
        size_t upto = done;
        begin(s);
        while (upto < n && upto - done < BATCH_MAX && start + (double)upto / rate <= now) {
            apply_event(s, pods, &seed);
            upto++;
        }
        commit(s);
        now = seconds(CLOCK_MONOTONIC);
        for (; done < upto; done++) {
            ms[done] = (now - start - (double)done / rate) * 1000;
        }
    }
    struct latency l = {.busy = (seconds(CLOCK_THREAD_CPUTIME_ID) - cpu) /
                                (seconds(CLOCK_MONOTONIC) - start)};
    struct store_metrics m;
    store_metrics(s, &m);
    l.wal_mib = (double)m.wal_bytes / 1048576;
    qsort(ms, n, sizeof *ms, by_value);
    l.p50 = ms[n / 2];
    l.p99 = ms[n * 99 / 100];
    free(ms);
    return l;
}

static double saturate(struct store *s, long pods)
{
    enum { EVENTS = 20000 };
    unsigned seed = 9;
    double start = seconds(CLOCK_MONOTONIC);
    for (int i = 0; i < EVENTS;) {
        begin(s);
        for (int k = 0; k < 100; k++, i++) {
            apply_event(s, pods, &seed);
        }
        commit(s);
    }
    return EVENTS / (seconds(CLOCK_MONOTONIC) - start);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static void bench_events(const char *path, long pods, double rate, double length)
{
    double p99[2][ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int mode = 0; mode < 2; mode++) {
            struct store *s = open_store(path, mode == 1);
            struct latency l = run_events(s, pods, rate, length);
            p99[mode][round] = l.p99;
            (void)printf("events %.0f/s   %-22s p50 %.2f ms, p99 %.2f ms, busy %.0f %%, WAL %.0f "
                         "MiB\n",
                         rate, mode == 0 ? "checkpoint thread" : "default checkpointing", l.p50,
                         l.p99, l.busy * 100, l.wal_mib);
            store_close(s);
        }
    }
    double ours = median(p99[0], ROUNDS);
    double theirs = median(p99[1], ROUNDS);
    (void)printf("p99 ratio      %.3f (%.2f ms to %.2f ms, medians of %d; bar: 0.333)\n",
                 ours / theirs, ours, theirs, ROUNDS);
    struct store *s = open_store(path, false);
    (void)printf("saturation     %.0f events/s in transactions of 100\n", saturate(s, pods));
    store_close(s);
}

int main(int argc, char **argv)
{
    long pods = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    double rate = argc > 2 ? strtod(argv[2], NULL) : 5000;
    double length = argc > 3 ? strtod(argv[3], NULL) : 4;
    char dir[] = "/tmp/gatehouse-bench-XXXXXX";
    char path[64];
    if (mkdtemp(dir) == NULL || pods < PER_NAMESPACE) {
        (void)fprintf(stderr, "usage: bench_store_bench [pods [events_per_second [seconds]]]\n");
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/bench.db", dir);
    bench_lists(path, pods);
    bench_events(path, pods, rate, length);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : 1;
}
