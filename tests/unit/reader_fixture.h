/* A small database made from the schema, with rows by hand: what the readers and the server show is
 * known beforehand. For the tests of store/reader and api. */
#ifndef GATEHOUSE_TESTS_READER_FIXTURE_H
#define GATEHOUSE_TESTS_READER_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "model/model.h"
#include "model/pack.h"
#include "store/reader.h"

#define INLINE static inline __attribute__((unused))

#define T0 INT64_C(1760000000000) /* 2025-10-09T08:53:20Z */

struct fixture {
    char dir[64];
    char path[96];
    sqlite3 *db;
};

INLINE void sql(struct fixture *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = sqlite3_vmprintf(fmt, ap);
    va_end(ap);
    char *error = NULL;
    if (sqlite3_exec(f->db, text, NULL, NULL, &error) != SQLITE_OK) {
        fail_msg("%s: %s", text, error);
    }
    sqlite3_free(text);
}

/* A packed record into a blob column. */
INLINE void sql_blob(struct fixture *f, const char *statement, const struct field_table *table,
                     const void *record)
{
    AUTO(buf) b = BUF_INIT(1 << 20);
    pack_record(table, record, &b);
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(f->db, statement, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_bind_blob(st, 1, b.data, (int)b.len, SQLITE_TRANSIENT), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_DONE);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
}

INLINE void fixture_schema(struct fixture *f)
{
    static const char *const files[] = {"0001_initial", "0002_routes", "0003_gone_pods",
                                        "0004_contradictions"};
    sql(f, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        AUTO(buf) text = BUF_INIT(1 << 20);
        char chunk[4096];
        size_t n = 0;
        (void)snprintf(chunk, sizeof chunk, "%s/schema/%s.sql", SOURCE_DIR, files[i]);
        FILE *file = fopen(chunk, "re");
        assert_non_null(file);
        while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) {
            assert_true(buf_add(&text, chunk, n));
        }
        assert_int_equal(fclose(file), 0);
        sql(f, "%s", buf_str(&text));
    }
}

/* id, namespace id, kind, name, state, rank, since after T0 in seconds */
struct fixture_rollout {
    int id;
    int ns;
    const char *kind;
    const char *name;
    enum rollout_state state;
    int since;
};

INLINE void fixture_rollout(struct fixture *f, struct fixture_rollout r)
{
    sql(f,
        "INSERT INTO workload (id, cluster, ns_id, kind, name, uid, state, rank, since, started_at,"
        " revision, revision_hash, generation, complete, images, desired, updated, ready, by_state,"
        " gates_total, gates_open, gates_closed, usual_p50_ms, usual_p95_ms, usual_from, rev)"
        " VALUES (%d, 1, %d, '%q', '%q', 'uid-%d', %d, %d, %lld, %lld, '7', 'hash%d', 3, %d,"
        " '[\"reg/%q:1\"]', 3, 3, 3, '{\"serving\":3}', 3, 2, 1, 41500, 96000, 'history', 50)",
        r.id, r.ns, r.kind, r.name, r.id, (int)r.state, rollout_state_rank(r.state),
        (long long)(T0 + r.since * INT64_C(1000)), (long long)T0, r.id, r.state == ROLLOUT_SERVING,
        r.name);
    sql(f,
        "INSERT INTO tally VALUES (1, 0, 0, %d, 1) ON CONFLICT DO UPDATE SET n = n + 1;"
        "INSERT INTO tally VALUES (1, %d, 0, %d, 1) ON CONFLICT DO UPDATE SET n = n + 1;",
        (int)r.state, r.ns, (int)r.state);
}

INLINE void fixture_finding(struct fixture *f, int workload, int ns, const char *code, bool primary)
{
    sql(f,
        "INSERT INTO finding (cluster, ns_id, workload_id, code, object, severity, terminal,"
        " confidence, is_primary, position, first_seen_at, last_seen_at, since, pods, detail)"
        " VALUES (1, %d, %d, '%q', 'TargetGroupBinding/web', 2, 0, 0, %d, %d, %lld, %lld, %lld, 2,"
        " '{\"message\":\"The check answers 503\",\"action\":\"Look at the app\",\"commands\":"
        "[\"kubectl logs web-1\"],\"docs\":\"\",\"evidence\":[{\"object\":\"Pod/web-1\",\"field\":"
        "\"reason\",\"value\":\"Target.Timeout\"}],\"pod_names\":[\"web-1\"]}')",
        ns, workload, code, primary, primary ? 0 : 1, (long long)T0, (long long)T0 + 5000,
        (long long)T0);
    if (primary) {
        sql(f, "UPDATE workload SET cause = '%q', severity = 2 WHERE id = %d", code, workload);
    }
}

/* The Deployment shop/web: labels, a runbook, three pods of which one waits at its gate. */
INLINE void fixture_web(struct fixture *f)
{
    static const char gate[] = "target-health.elbv2.k8s.aws/web";
    static const struct kv labels[] = {{"app", "web"}, {"tier", "front"}};
    static const struct kv notes[] = {{"gatehouse.dev/runbook", "https://wiki/web"}};
    struct kube_workload w;
    record_clear(kind_info(KIND_DEPLOYMENT)->table, &w);
    w.meta.name = "web";
    w.meta.labels = (struct kvs){labels, 2};
    w.meta.annotations = (struct kvs){notes, 1};
    sql_blob(f, "UPDATE workload SET body = ?1 WHERE id = 1", kind_info(KIND_DEPLOYMENT)->table,
             &w);
    for (int i = 1; i <= 3; i++) {
        char text[512];
        const char *const gates[] = {gate, gate}; /* twice, as some controllers write it */
        struct condition conditions[] = {{.type = "ContainersReady",
                                          .status = "True",
                                          .reason = "",
                                          .message = "",
                                          .transition_at = T0 + 1000},
                                         {.type = gate,
                                          .status = i == 1 ? "False" : "True",
                                          .reason = i == 1 ? "Target.Timeout" : "",
                                          .message = "",
                                          .transition_at = T0 + 2000}};
        struct gate_track track = {.type = gate,
                                   .first_seen_at = T0 + 1500,
                                   .opened_at = i == 1 ? 0 : T0 + 2000,
                                   .reason = ""};
        struct pod_track pt;
        struct kube_pod p;
        record_clear(kind_info(KIND_POD)->table, &p);
        record_clear(&pod_track_table, &pt);
        p.node = "node-1";
        p.gates = (struct strs){gates, 2};
        p.conditions = (struct list){conditions, 2};
        pt.containers_ready_at = T0 + 1000;
        pt.gates = (struct list){&track, 1};
        sql(f,
            "INSERT INTO pod (id, cluster, ns_id, name, uid, resource_version, workload_id, "
            "revision,"
            " ip, created_at, state, state_since, is_new, truths, contradiction, cause, body)"
            " VALUES (%d, 1, 1, 'web-%d', 'pod-%d', '1', 1, 'hash1', '10.0.0.%d', %lld, %d, %lld, "
            "1,"
            " %d, %d, '%q', x'00')",
            i, i, i, i, (long long)T0 + i, i == 1 ? POD_FAILING : POD_SERVING, (long long)T0 + 2000,
            i == 1 ? TRUTH_NO + 4 * TRUTH_NO + 16 * TRUTH_YES : TRUTH_YES + 4 * TRUTH_YES,
            i == 1 ? CONTRADICTION_HEALTHY_BUT_CLOSED : 0, i == 1 ? "health_check_timeout" : "");
        (void)snprintf(text, sizeof text, "UPDATE pod SET body = ?1 WHERE id = %d", i);
        sql_blob(f, text, kind_info(KIND_POD)->table, &p);
        (void)snprintf(text, sizeof text, "UPDATE pod SET track = ?1 WHERE id = %d", i);
        sql_blob(f, text, &pod_track_table, &pt);
    }
}

/* An object's row as the store writes it. */
struct fixture_object {
    int id;
    enum kind kind;
    int ns; /* 0: an object of the cluster */
    const char *ref;
    void *record; /* gets the name */
    const char *name;
};

INLINE void fixture_object(struct fixture *f, struct fixture_object o)
{
    char text[512];
    ((struct meta *)o.record)->name = o.name;
    (void)snprintf(text, sizeof text,
                   "INSERT INTO object (id, cluster, kind, ns_id, name, uid, resource_version, ref,"
                   " first_seen_at, body) VALUES (%d, 1, %d, %d, '%s', 'u', '1', '%s', 0, ?1)",
                   o.id, (int)o.kind, o.ns, o.name, o.ref);
    sql_blob(f, text, kind_info(o.kind)->table, o.record);
}

/* Object 50: the open-source controller's webhook, with Service infra/hook. */
INLINE void fixture_webhook(struct fixture *f, const char *failure_policy, struct selector objects)
{
    static const char *const pods[] = {"pods"};
    static const char *const enabled[] = {"enabled"};
    static const struct webhook_rule rule = {.resources = {pods, 1}};
    static const struct selector_term in = {
        "elbv2.k8s.aws/pod-readiness-gate-inject", "In", {enabled, 1}};
    const struct webhook w = {.name = "mpod.elbv2.k8s.aws",
                              .service_namespace = "infra",
                              .service_name = "hook",
                              .path = "/mutate-v1-pod",
                              .url = "",
                              .failure_policy = failure_policy,
                              .namespace_selector = {.present = 1, .terms = {&in, 1}},
                              .object_selector = objects,
                              .rules = {&rule, 1},
                              .timeout_seconds = 10};
    struct kube_webhook_config c;
    record_clear(kind_info(KIND_WEBHOOK_CONFIG)->table, &c);
    c.webhooks = (struct list){&w, 1};
    fixture_object(f, (struct fixture_object){50, KIND_WEBHOOK_CONFIG, 0, "", &c,
                                              "aws-load-balancer-webhook"});
}

/* A slice of infra/hook: ready as its endpoints say (-1: they do not). */
INLINE void fixture_hook_slice(struct fixture *f, int id, const int64_t *ready, uint32_t n)
{
    struct endpoint endpoints[4];
    struct kube_slice s;
    char name[32];
    record_clear(kind_info(KIND_ENDPOINT_SLICE)->table, &s);
    assert_in_range(n, 0, 4);
    for (uint32_t i = 0; i < n; i++) {
        endpoints[i] = (struct endpoint){.ready = ready[i],
                                         .target_kind = "",
                                         .target_name = "",
                                         .target_uid = "",
                                         .node = "",
                                         .zone = ""};
    }
    s.endpoints = (struct list){endpoints, n};
    (void)snprintf(name, sizeof name, "hook-%d", id);
    fixture_object(f, (struct fixture_object){id, KIND_ENDPOINT_SLICE, 3, "hook", &s, name});
}

INLINE void fixture_objects(struct fixture *f)
{
    static const struct kv selector[] = {{"app", "web"}};
    static const struct service_port port = {
        .name = "http", .protocol = "TCP", .port = 80, .target_port = "8080"};
    struct kube_service s;
    struct kube_binding b;
    struct elb_target t;
    record_clear(kind_info(KIND_SERVICE)->table, &s);
    record_clear(kind_info(KIND_BINDING_LBC)->table, &b);
    record_clear(&elb_target_table, &t);
    s.type = "ClusterIP";
    s.selector = (struct kvs){selector, 1};
    s.ports = (struct list){&port, 1};
    b.arn = "arn:tg/web";
    b.service = "web";
    b.service_port = "80";
    b.target_type = "ip";
    t.id = "10.0.0.1";
    t.zone = "eu-1a";
    t.anomaly = "anomalous";
    t.override_state = "zonal_shift_active";
    t.description = "Request timed out";
    fixture_object(f, (struct fixture_object){1, KIND_SERVICE, 1, "", &s, "web"});
    fixture_object(f, (struct fixture_object){2, KIND_BINDING_LBC, 1, "web", &b, "web"});
    sql(f,
        "INSERT INTO binding_group VALUES (2, 1, 'web', 'arn:tg/web', '');"
        "INSERT INTO usual VALUES (1, 1, 'web', x'', 41500, 96000, 0);"
        "INSERT INTO target_group (id, cluster, arn, name, targets, healthy, observed_at)"
        " VALUES (5, 1, 'arn:tg/web', 'k8s-web', 3, 2, 1760000000000);"
        "INSERT INTO target_group (id, cluster, arn, name) VALUES (6, 1, 'arn:tg/other', 'other')");
    sql_blob(
        f,
        "INSERT INTO target (group_id, target, port, state, reason, first_seen_at, state_since,"
        " body) VALUES (5, '10.0.0.1', 8080, 'unhealthy', 'Target.Timeout', 1760000001000, 0,"
        " ?1)",
        &elb_target_table, &t);
    /* the same address in a group that no binding here names */
    sql_blob(f,
             "INSERT INTO target (group_id, target, port, state, first_seen_at, state_since, body)"
             " VALUES (6, '10.0.0.1', 9090, 'healthy', 0, 0, ?1)",
             &elb_target_table, &t);
}

INLINE void fixture_history(struct fixture *f)
{
    for (int i = 1; i <= 5; i++) {
        sql(f,
            "INSERT INTO transition (id, at, workload_id, what, pod, subject, from_state, to_state)"
            " VALUES (%d, %lld, 1, %d, 'web-1', 'gate', 'closed', 'open')",
            i, (long long)T0 + i * 1000LL, i % 4);
    }
    sql(f, "INSERT INTO revision (workload_id, revision, revision_hash, images, started_at,"
           " finished_at, served_at, outcome, pods, cause) VALUES"
           " (1, '6', 'old', '[\"reg/web:0\"]', 1759000000000, 1759900000000, 1759000060000,"
           " 'superseded', 3, ''), (1, '7', 'hash1', '[\"reg/web:1\"]', 1760000000000, 0, 0, '', 3,"
           " 'health_check_timeout')");
    sql(f,
        "INSERT INTO alert (id, cluster, ns_id, workload_id, key, type, cause, severity,"
        " started_at, updated_at, body) VALUES (1, 1, 1, 1, 'k1', 'rollout.stuck',"
        " 'health_check_timeout', 2, 1760000100000, 1760000100000, '{\"a\":1}');"
        "INSERT INTO alert (id, cluster, ns_id, workload_id, key, type, cause, severity,"
        " started_at, ended_at, updated_at, body) VALUES (2, 1, 2, 3, 'k2', 'rollout.stuck', '',"
        " 2, 1760000050000, 1760000060000, 1760000060000, '{}');"
        "INSERT INTO delivery (id, webhook_id, alert_id, receiver, type, body, state, created_at,"
        " next_at, attempts, last_status, last_error) VALUES"
        " (1, 'msg_1', 1, 'chat', 'rollout.stuck', '{}', 2, 1760000100000, 0, 2, 500, 'HTTP 500'),"
        " (2, 'msg_2', 1, 'pager', 'rollout.stuck', '{}', 0, 1760000100000, 1760000200000, 0, 0,"
        " '');"
        "INSERT INTO attempt (delivery_id, at, status, latency_ms, error, reply) VALUES"
        " (1, 1760000101000, 500, 12, 'HTTP 500', 'no')");
}

INLINE void fixture_open(struct fixture *f)
{
    *f = (struct fixture){0};
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/gatehouse-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof f->path, "%s/test.db", f->dir);
    assert_int_equal(sqlite3_open(f->path, &f->db), SQLITE_OK);
    fixture_schema(f);
    sql(f, "INSERT INTO cluster (id, name) VALUES (1, 'prod');"
           "INSERT INTO counter VALUES ('revision', 100);"
           "INSERT INTO namespace (id, cluster, name, injection, present) VALUES"
           " (1, 1, 'shop', 'enabled', 1), (2, 1, 'pay', 'missing', 1), (3, 1, 'infra', '', 1),"
           " (4, 1, 'gone', '', 0);"
           "INSERT INTO source VALUES (1, 'kubernetes', 2, '', 1760000000000, 1760000500000),"
           " (1, 'kubernetes/pods', 2, '', 1760000000000, 1760000500000),"
           " (1, 'kubernetes/leases', 4, 'leases is forbidden', 1760000000000, 0),"
           " (1, 'aws', 8, '', 1760000000000, 0)");
    fixture_rollout(f, (struct fixture_rollout){1, 1, "Deployment", "web", ROLLOUT_STUCK, 10});
    fixture_rollout(f, (struct fixture_rollout){2, 1, "StatefulSet", "db", ROLLOUT_SERVING, 20});
    fixture_rollout(f, (struct fixture_rollout){3, 2, "Deployment", "api", ROLLOUT_FAILED, 30});
    fixture_rollout(f,
                    (struct fixture_rollout){4, 2, "Deployment", "worker", ROLLOUT_PROGRESSING, 5});
    fixture_rollout(f, (struct fixture_rollout){5, 3, "DaemonSet", "agent", ROLLOUT_IDLE, 1});
    fixture_rollout(f, (struct fixture_rollout){6, 3, "CloneSet", "odd", ROLLOUT_SERVING, 2});
    fixture_finding(f, 1, 1, "health_check_timeout", true);
    fixture_finding(f, 1, 1, "autoscaler_waits", false);
    sql(f, "INSERT INTO tally VALUES (1, 0, 1, 4, 2), (1, 0, 1, 3, 1), (1, 1, 1, 4, 2), (1, 1, 1, "
           "3, 1),"
           " (1, 0, 2, 2, 1), (1, 0, 3, 0, 1)");
    fixture_web(f);
    fixture_objects(f);
    fixture_history(f);
}

INLINE void fixture_close(struct fixture *f)
{
    char path[128];
    static const char *const ends[] = {"", "-wal", "-shm"};
    assert_int_equal(sqlite3_close(f->db), SQLITE_OK);
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
}

/* What a view wrote, as jansson sees it: it must be JSON. The caller decrefs. */
INLINE json_t *parsed(const char *text)
{
    json_error_t error;
    json_t *v = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (v == NULL) {
        fail_msg("%s in: %s", error.text, text);
    }
    return v;
}

/* The value at "a.b.0.c"; NULL when it is not there. Borrowed. */
INLINE json_t *at(json_t *v, const char *path)
{
    char key[64];
    while (v != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");
        (void)snprintf(key, sizeof key, "%.*s", (int)n, path);
        v = json_is_array(v) ? json_array_get(v, strtoul(key, NULL, 10)) : json_object_get(v, key);
        path += n + (path[n] == '.');
    }
    return v;
}

INLINE const char *text_at(json_t *v, const char *path)
{
    const char *text = json_string_value(at(v, path));
    return text != NULL ? text : "(none)";
}

INLINE long long int_at(json_t *v, const char *path)
{
    json_t *n = at(v, path);
    return n != NULL && json_is_integer(n) ? (long long)json_integer_value(n) : -999;
}

#endif
