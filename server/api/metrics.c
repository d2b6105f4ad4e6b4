/*
 * GET /metrics in Prometheus' text format. Series that grow with the cluster are those of rollouts
 * that do not serve, worst first and capped; everything else has a fixed number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/problem.h"
#include "api/worker.h"

enum { METRICS_BYTES = 4 << 20, ATTENTION_MAX = 500 };

static void head(struct buf *b, const char *name, const char *type, const char *help)
{
    (void)buf_addf(b, "# HELP gatehouse_%s %s\n# TYPE gatehouse_%s %s\n", name, help, name, type);
}

static void number(struct buf *b, const char *name, const char *type, const char *help, int64_t n)
{
    head(b, name, type, help);
    (void)buf_addf(b, "gatehouse_%s %" PRId64 "\n", name, n);
}

static void seconds(struct buf *b, const char *name, const char *help, int64_t ms)
{
    head(b, name, "gauge", help);
    (void)buf_addf(b, "gatehouse_%s %.3f\n", name, (double)ms / 1000.0);
}

/* A label's value: backslash, quote and newline escaped. */
static void label(struct buf *b, const char *name, const char *value)
{
    (void)buf_addf(b, "%s=\"", name);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\\' || *p == '"') {
            (void)buf_addc(b, '\\');
        }
        (void)buf_addz(b, *p == '\n' ? "\\n" : (char[]){*p, '\0'});
    }
    (void)buf_addc(b, '"');
}

/* ---- what is watched ---- */

static void add_tallies(struct buf *b, const struct tallies *t)
{
    head(b, "rollouts", "gauge", "Rollouts by state.");
    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        (void)buf_addf(b, "gatehouse_rollouts{state=\"%s\"} %" PRId64 "\n",
                       rollout_state_name((enum rollout_state)i), t->rollouts[i]);
    }
    head(b, "pods", "gauge", "Pods by state.");
    for (int i = 0; i < POD_STATE_COUNT; i++) {
        (void)buf_addf(b, "gatehouse_pods{state=\"%s\"} %" PRId64 "\n",
                       pod_state_name((enum pod_state)i), t->pods[i]);
    }
    head(b, "rollouts_with_findings", "gauge", "Rollouts by the severity of their worst finding.");
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        (void)buf_addf(b, "gatehouse_rollouts_with_findings{severity=\"%s\"} %" PRId64 "\n",
                       severity_name((enum severity)i), t->findings[i]);
    }
}

static bool add_contradictions(struct worker *w, struct buf *b, int64_t cluster, struct err *err)
{
    int64_t counts[CONTRADICTION_COUNT] = {0};
    if (!reader_contradictions(w->reader, cluster, counts, err)) {
        return false;
    }
    head(b, "pods_contradicting", "gauge",
         "Pods whose three truths (kubelet, gate, ELBv2) disagree, by how.");
    for (int i = 0; i < CONTRADICTION_COUNT; i++) {
        const char *name = contradiction_name((enum contradiction)i);
        if (name != NULL && name[0] != '\0') {
            (void)buf_addf(b, "gatehouse_pods_contradicting{contradiction=\"%s\"} %" PRId64 "\n",
                           name, counts[i]);
        }
    }
    return true;
}

static bool add_attention(struct worker *w, struct buf *b, int64_t cluster, struct err *err)
{
    struct list rows;
    if (!reader_attention(w->reader, cluster, ATTENTION_MAX, &rows, err)) {
        return false;
    }
    head(b, "rollout_since_timestamp_seconds", "gauge",
         "Since when a rollout that does not serve is in its state; worst first, at most 500.");
    for (uint32_t i = 0; i < rows.n; i++) {
        const struct rollout_info *r = LIST_AT(struct rollout_info, rows, i);
        (void)buf_addz(b, "gatehouse_rollout_since_timestamp_seconds{");
        label(b, "namespace", r->namespace);
        (void)buf_addc(b, ',');
        label(b, "kind", r->kind);
        (void)buf_addc(b, ',');
        label(b, "name", r->name);
        (void)buf_addc(b, ',');
        label(b, "state", rollout_state_name(r->state));
        (void)buf_addc(b, ',');
        label(b, "cause", r->cause);
        (void)buf_addf(b, "} %.3f\n", (double)r->since / 1000.0);
    }
    return true;
}

static bool add_sources(struct worker *w, struct buf *b, int64_t cluster, struct err *err)
{
    struct list rows;
    if (!reader_sources(w->reader, cluster, &rows, err)) {
        return false;
    }
    head(b, "source_up", "gauge", "Is the source well? Absent and switched-off ones are left out.");
    for (uint32_t i = 0; i < rows.n; i++) {
        const struct source_seen *s = LIST_AT(struct source_seen, rows, i);
        if (s->state != SOURCE_ABSENT && s->state != SOURCE_OFF) {
            (void)buf_addz(b, "gatehouse_source_up{");
            label(b, "source", s->name);
            (void)buf_addf(b, "} %d\n", s->state == SOURCE_OK);
        }
    }
    head(b, "source_ok_timestamp_seconds", "gauge", "When the source was last known to be well.");
    for (uint32_t i = 0; i < rows.n; i++) {
        const struct source_seen *s = LIST_AT(struct source_seen, rows, i);
        if (s->ok_at > 0) {
            (void)buf_addz(b, "gatehouse_source_ok_timestamp_seconds{");
            label(b, "source", s->name);
            (void)buf_addf(b, "} %.3f\n", (double)s->ok_at / 1000.0);
        }
    }
    return true;
}

static bool add_stored(struct worker *w, struct buf *b, struct err *err)
{
    int64_t cluster = 0;
    int64_t firing = 0;
    int64_t pending = 0;
    const char *name = NULL;
    struct tallies t = {0};
    struct err none; /* no cluster yet: everything is zero */
    if (reader_cluster(w->reader, NULL, &cluster, &name, &none) &&
        !reader_tallies(w->reader, cluster, 0, &t, err)) {
        return false;
    }
    add_tallies(b, &t);
    if (!add_contradictions(w, b, cluster, err) || !add_attention(w, b, cluster, err) ||
        !add_sources(w, b, cluster, err) || !reader_counts(w->reader, &firing, &pending, err)) {
        return false;
    }
    number(b, "alerts_firing", "gauge", "Alerts that fire.", firing);
    number(b, "deliveries_pending", "gauge", "Notifications that wait to be delivered.", pending);
    number(b, "store_revision", "gauge", "The store's commit counter.", reader_snapshot(w->reader));
    return true;
}

/* ---- how the program does ---- */

static void add_writer(const struct worker *w, struct buf *b)
{
    static const char *const bounds[] = {"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05",
                                         "0.1",   "0.25",   "0.5",   "1",    "2.5",   "+Inf"};
    struct writer_metrics m = {0};
    if (w->shared->writer != NULL) {
        writer_metrics(w->shared->writer, &m);
    }
    number(b, "writer_changes_total", "counter", "Changes applied.", (int64_t)m.changes);
    number(b, "writer_commits_total", "counter", "Transactions committed.", (int64_t)m.commits);
    number(b, "writer_judged_total", "counter", "Rollouts judged.", (int64_t)m.judged);
    number(b, "writer_failures_total", "counter", "Transactions that failed and were tried again.",
           (int64_t)m.failures);
    number(b, "writer_failing", "gauge", "The store refuses writes just now.", m.failing);
    number(b, "writer_settled", "gauge", "Every kind has been listed: verdicts are whole.",
           m.settled);
    seconds(b, "writer_last_commit_timestamp_seconds", "When something was last committed.",
            m.last_commit_at);
    head(b, "writer_commit_latency_seconds", "histogram", "From arrival to commit.");
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof m.latency / sizeof m.latency[0]; i++) {
        sum += m.latency[i];
        (void)buf_addf(b, "gatehouse_writer_commit_latency_seconds_bucket{le=\"%s\"} %" PRIu64 "\n",
                       bounds[i], sum);
    }
    (void)buf_addf(b, "gatehouse_writer_commit_latency_seconds_sum %.6f\n",
                   (double)m.latency_sum_us / 1e6);
    (void)buf_addf(b, "gatehouse_writer_commit_latency_seconds_count %" PRIu64 "\n", sum);
}

static void add_queue(const struct worker *w, struct buf *b)
{
    if (w->shared->opt.writer_in == NULL) {
        return;
    }
    struct queue_stats q = queue_stats(w->shared->opt.writer_in);
    number(b, "queue_changes", "gauge", "Changes that wait for the writer.", (int64_t)q.items);
    number(b, "queue_bytes", "gauge", "Their size.", (int64_t)q.weight);
    number(b, "queue_pushed_total", "counter", "Changes pushed.", (int64_t)q.pushed);
    number(b, "queue_full_total", "counter", "Pushes that found the queue full.",
           (int64_t)q.found_full);
}

static void add_store(const struct worker *w, struct buf *b)
{
    struct store_metrics m = {0};
    if (w->shared->opt.store == NULL) {
        return;
    }
    store_metrics(w->shared->opt.store, &m);
    number(b, "store_file_bytes", "gauge", "Size of the database file.", m.file_bytes);
    number(b, "store_wal_bytes", "gauge", "Size of its write-ahead log.", m.wal_bytes);
    number(b, "store_rows_written_total", "counter", "Rows of objects written.",
           (int64_t)m.rows_written);
    number(b, "store_rows_unchanged_total", "counter", "Objects seen that had not changed.",
           (int64_t)m.rows_unchanged);
    number(b, "store_repaired_total", "counter", "Rows that a verification had to change.",
           (int64_t)m.repaired);
    number(b, "store_checkpoints_total", "counter", "Checkpoints.", (int64_t)m.checkpoints);
    number(b, "store_checkpoint_failures_total", "counter", "Checkpoints that failed.",
           (int64_t)m.checkpoint_failures);
}

static void add_kube(const struct worker *w, struct buf *b)
{
    struct source_metrics m = {0};
    if (w->shared->opt.kube == NULL) {
        return;
    }
    kube_source_metrics(w->shared->opt.kube, &m);
    number(b, "kube_events_total", "counter", "Watch events received.", (int64_t)m.kube_events);
    number(b, "kube_received_bytes_total", "counter", "Bytes received from the API server.",
           (int64_t)m.kube_bytes);
    number(b, "kube_lists_total", "counter", "Full lists.", (int64_t)m.kube_lists);
    number(b, "kube_relists_expired_total", "counter", "Lists after a watch expired (410).",
           (int64_t)m.kube_relists_410);
    number(b, "kube_watch_closed_early_total", "counter", "Watches that ended before their time.",
           (int64_t)m.kube_watch_closed_early);
    number(b, "kube_decode_errors_total", "counter", "Objects that could not be read.",
           (int64_t)m.kube_decode_errors);
    number(b, "kube_retries_total", "counter", "Requests tried again.", (int64_t)m.kube_retries);
}

static void add_elb(const struct worker *w, struct buf *b)
{
    struct source_metrics m = {0};
    if (w->shared->opt.elb == NULL) {
        return;
    }
    elb_source_metrics(w->shared->opt.elb, &m);
    number(b, "elb_calls_total", "counter", "Calls to ELBv2.", (int64_t)m.elb_calls);
    number(b, "elb_errors_total", "counter", "Calls that failed.", (int64_t)m.elb_errors);
    number(b, "elb_throttled_total", "counter", "Calls that were throttled.",
           (int64_t)m.elb_throttled);
    number(b, "elb_connections_total", "counter", "Connections opened.",
           (int64_t)m.elb_connections);
    seconds(b, "elb_clock_skew_seconds", "Our clock against that of AWS.", m.elb_clock_skew_ms);
}

static void add_latency(struct counters *c, struct buf *b)
{
    uint64_t sum = 0;
    head(b, "http_request_duration_seconds", "histogram",
         "From a request to its last byte; waits and streams are left out.");
    for (int i = 0; i <= LATENCY_BUCKETS; i++) {
        sum += atomic_load(&c->latency[i]);
        if (i < LATENCY_BUCKETS) {
            (void)buf_addf(
                b, "gatehouse_http_request_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                (double)latency_bounds_us[i] / 1e6, sum);
        }
    }
    (void)buf_addf(b, "gatehouse_http_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n",
                   sum);
    (void)buf_addf(b, "gatehouse_http_request_duration_seconds_sum %.6f\n",
                   (double)atomic_load(&c->latency_us) / 1e6);
    (void)buf_addf(b, "gatehouse_http_request_duration_seconds_count %" PRIu64 "\n", sum);
}

static void add_http(struct worker *w, struct buf *b)
{
    struct counters *c = &w->shared->counters;
    head(b, "http_requests_total", "counter", "Requests by class of status.");
    for (int i = 2; i < 6; i++) {
        (void)buf_addf(b, "gatehouse_http_requests_total{code=\"%dxx\"} %" PRIuFAST64 "\n", i,
                       atomic_load(&c->requests[i]));
    }
    number(b, "http_not_modified_total", "counter", "Answers of 304.",
           (int64_t)atomic_load(&c->not_modified));
    number(b, "http_response_bytes_total", "counter", "Bytes of bodies sent.",
           (int64_t)atomic_load(&c->bytes));
    number(b, "http_connections", "gauge", "Connections open.", atomic_load(&c->connections));
    number(b, "http_connections_closed_for_room_total", "counter",
           "Quiet connections closed near http.max_connections to make room for new ones.",
           (int64_t)atomic_load(&c->made_room));
    number(b, "http_streams", "gauge", "Event streams open.", atomic_load(&c->streams));
    number(b, "http_waiters", "gauge", "Requests that wait for a rollout.",
           atomic_load(&c->waiters));
    number(b, "http_refused_total", "counter", "Streams and waiters past their ceiling.",
           (int64_t)atomic_load(&c->refused));
    number(b, "stream_resyncs_total", "counter", "Streams told to read the lists again.",
           (int64_t)atomic_load(&c->resyncs));
    number(b, "stream_frames_total", "counter", "Events rendered.",
           (int64_t)atomic_load(&c->frames));
    number(b, "stream_sends_total", "counter", "Writes to streams.",
           (int64_t)atomic_load(&c->sends));
    add_latency(c, b);
}

static void add_cache(struct worker *w, struct buf *b)
{
    struct cache_metrics m;
    cache_metrics(w->shared->cache, &m);
    number(b, "cache_hits_total", "counter", "Bodies found in the cache.", (int64_t)m.hits);
    number(b, "cache_misses_total", "counter", "Bodies not in the cache.", (int64_t)m.misses);
    number(b, "cache_stale_total", "counter", "Bodies found that no longer stood.",
           (int64_t)m.stale);
    number(b, "cache_evictions_total", "counter", "Bodies that had to make room.",
           (int64_t)m.evicted);
    number(b, "cache_bytes", "gauge", "Size of the cached bodies.", (int64_t)m.bytes);
    number(b, "cache_bodies", "gauge", "Cached bodies.", (int64_t)m.entries);
}

/* The names that every Prometheus client library gives these. */
static void add_process(const struct worker *w, struct buf *b)
{
    struct rusage u;
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        char line[128] = "";
        char *end = line;
        if (fgets(line, sizeof line, f) != NULL) {
            (void)strtol(line, &end, 10);
            pages = strtol(end, NULL, 10);
        }
        (void)fclose(f); /* read only */
    }
    (void)getrusage(RUSAGE_SELF, &u); /* cannot fail with this argument */
    (void)buf_addf(b,
                   "# HELP process_resident_memory_bytes Resident memory.\n"
                   "# TYPE process_resident_memory_bytes gauge\n"
                   "process_resident_memory_bytes %lld\n"
                   "# HELP process_cpu_seconds_total CPU time spent.\n"
                   "# TYPE process_cpu_seconds_total counter\n"
                   "process_cpu_seconds_total %.3f\n"
                   "# HELP process_start_time_seconds When the process started.\n"
                   "# TYPE process_start_time_seconds gauge\n"
                   "process_start_time_seconds %.3f\n",
                   (long long)pages * sysconf(_SC_PAGESIZE),
                   (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
                   (double)w->shared->started_at / 1000.0);
}

enum outcome get_metrics(struct worker *w, struct exchange *x)
{
    struct err err = {0};
    AUTO(buf) b = BUF_INIT(METRICS_BYTES);
    head(&b, "build_info", "gauge", "The version that runs.");
    (void)buf_addf(&b, "gatehouse_build_info{version=\"%s\"} 1\n", GATEHOUSE_VERSION);
    bool ok = reader_begin(w->reader, &err) && add_stored(w, &b, &err);
    reader_end(w->reader);
    if (!ok) {
        problem_of(x, &err);
        return OUTCOME_ANSWER;
    }
    add_writer(w, &b);
    add_queue(w, &b);
    add_store(w, &b);
    add_kube(w, &b);
    add_elb(w, &b);
    add_http(w, &b);
    add_cache(w, &b);
    add_process(w, &b);
    x->reply.status = 200;
    x->reply.body = body_new(&b);
    x->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    x->reply.cache_control = "no-store";
    return OUTCOME_ANSWER;
}
