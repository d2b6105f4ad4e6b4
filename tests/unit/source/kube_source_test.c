/*
 * Thread kube as a whole against a scripted server: identity, discovery in both forms and its
 * polling, who may sync when, resuming, named namespaces, and stopping in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "base/clock.h"
#include "base/log.h"
#include "kube_text.h"
#include "model/change.h"
#include "script_server.h"
#include "source/kube_discovery.h"
#include "source/source.h"

/* The cluster that the server plays. */
struct cluster {
    const char *uid;       /* NULL = may not be read */
    atomic_bool crd;       /* targetgroupbindings are installed */
    bool plain;            /* no aggregated discovery */
    bool stale;            /* the group of bindings does not answer */
    const char *forbidden; /* resource that may not be listed */
    const char *slow;      /* resource whose list takes 150 ms */
    const char *cut;       /* resource that gets no answer */
    const char *lost;      /* resource that is in discovery, and 404 */
    atomic_bool no_api;    /* /api is 500 */
    atomic_int api_asked;
    atomic_int listing;      /* lists under way, pods apart */
    atomic_int most_listing; /* at once */
    atomic_int lists;
    atomic_int not_modified;
    atomic_int pods_at; /* lists that had begun when pods were listed */
    atomic_int watches;
    char paths[64][512]; /* of lists and watches, in order of arrival */
    int n_paths;
    pthread_mutex_t lock; /* guards paths */
};

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void reply_fixture(struct script_conn *c, const char *name)
{
    size_t n = 0;
    AUTO_FREE char *body = kube_fixture(name, &n);
    script_reply(c, 200, "Content-Type: application/json\r\n", body, n);
}

static const char stale_group[] =
    "{\"metadata\":{\"name\":\"elbv2.k8s.aws\"},\"versions\":[{\"version\":\"v1beta1\","
    "\"freshness\":\"Stale\"}]}";

static const char binding_group[] =
    "{\"metadata\":{\"name\":\"elbv2.k8s.aws\"},\"versions\":[{\"version\":\"v1beta1\","
    "\"resources\":"
    "[{\"resource\":\"targetgroupbindings\"}],\"freshness\":\"Current\"}]}";

/* With an ETag, and 304 while nothing has changed. */
static void reply_groups(struct script_conn *c, const struct script_request *r, struct cluster *k)
{
    bool crd = atomic_load(&k->crd);
    char etag[64];
    (void)snprintf(etag, sizeof etag, "\"crd-%d\"", crd);
    if (has(r->headers, etag)) {
        atomic_fetch_add(&k->not_modified, 1);
        script_reply(c, 304, "", "", 0);
        return;
    }
    size_t n = 0;
    AUTO_FREE char *body = kube_fixture("discovery-apis.json", &n);
    AUTO(buf) b = BUF_INIT(1 << 21);
    char *end = strrchr(body, ']');
    (void)buf_add(&b, body, (size_t)(end - body));
    if (crd) {
        (void)buf_addf(&b, ",%s", binding_group);
    } else if (k->stale) {
        (void)buf_addf(&b, ",%s", stale_group);
    }
    (void)buf_addz(&b, end);
    char headers[256];
    (void)snprintf(headers, sizeof headers, "Content-Type: application/json\r\nETag: %s\r\n", etag);
    script_reply(c, 200, headers, b.data, b.len);
}

static void reply_plain(struct script_conn *c, const struct script_request *r, struct cluster *k)
{
    char body[512];
    if (strcmp(r->path, "/api") == 0) {
        script_json(c, 200, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
    } else if (strcmp(r->path, "/apis") == 0) {
        reply_fixture(c, "discovery-plain-apis.json");
    } else if (strcmp(r->path, "/apis/discovery.k8s.io/v1") == 0 && k->stale) {
        script_json(c, 503, "{\"kind\":\"Status\",\"code\":503}");
    } else if (strcmp(r->path, "/apis/apps/v1") == 0) {
        reply_fixture(c, "discovery-plain-apps.json");
    } else if (strcmp(r->path, "/apis/autoscaling/v2") == 0) {
        (void)snprintf(body, sizeof body,
                       "{\"kind\":\"APIResourceList\",\"groupVersion\":\"autoscaling/v2\","
                       "\"resources\":[{\"name\":\"horizontalpodautoscalers\"}]}");
        script_json(c, 200, body);
    } else {
        script_reply(c, 404, "Content-Type: text/plain\r\n", "404 page not found\n", 19);
    }
    (void)k;
}

static void list_begins(struct cluster *k, const struct script_request *r)
{
    bool pods = has(r->path, "/pods?");
    if (pods) {
        atomic_store(&k->pods_at, atomic_load(&k->lists));
    }
    atomic_fetch_add(&k->lists, 1);
    int now = atomic_fetch_add(&k->listing, 1) + 1;
    if (now > atomic_load(&k->most_listing)) {
        atomic_store(&k->most_listing, now);
    }
}

static void note_path(struct cluster *k, const char *path)
{
    (void)pthread_mutex_lock(&k->lock);
    if (k->n_paths < 64) {
        (void)snprintf(k->paths[k->n_paths++], sizeof k->paths[0], "%s", path);
    }
    (void)pthread_mutex_unlock(&k->lock);
}

static void serve_cluster(struct script_conn *c, const struct script_request *r, void *arg)
{
    struct cluster *k = arg;
    char body[512];
    if (strcmp(r->path, "/version") == 0) {
        reply_fixture(c, "version.json");
    } else if (strcmp(r->path, "/api/v1/namespaces/kube-system") == 0) {
        (void)snprintf(body, sizeof body, "{\"metadata\":{\"uid\":\"%s\"}}",
                       k->uid != NULL ? k->uid : "");
        script_json(c, k->uid != NULL ? 200 : 403, k->uid != NULL ? body : "{}");
    } else if (!has(r->path, "?") && k->plain) {
        reply_plain(c, r, k);
    } else if (strcmp(r->path, "/api") == 0) {
        assert_true(has(r->headers, "as=APIGroupDiscoveryList"));
        atomic_fetch_add(&k->api_asked, 1);
        if (atomic_load(&k->no_api)) {
            script_json(c, 500, "{}");
        } else {
            reply_fixture(c, "discovery-api.json");
        }
    } else if (strcmp(r->path, "/apis") == 0) {
        reply_groups(c, r, k);
    } else if (k->forbidden != NULL && has(r->path, k->forbidden)) {
        script_json(c, 403, "{\"kind\":\"Status\",\"message\":\"not for you\",\"code\":403}");
    } else if (k->lost != NULL && has(r->path, k->lost)) {
        script_reply(c, 404, "Content-Type: text/plain\r\n", "404 page not found\n", 19);
    } else if (k->cut != NULL && has(r->path, k->cut)) {
        script_cut(c);
    } else if (has(r->path, "targetgroupbindings") && !atomic_load(&k->crd)) {
        script_reply(c, 404, "Content-Type: text/plain\r\n", "404 page not found\n", 19);
    } else if (has(r->path, "watch=1")) {
        note_path(k, r->path);
        atomic_fetch_add(&k->watches, 1);
        script_begin(c, "application/json");
        while (script_hold(c, 20)) {
            if (has(r->path, "targetgroupbindings") && !atomic_load(&k->crd)) {
                script_end(c); /* what a server does when a CRD goes */
                return;
            }
        }
    } else {
        note_path(k, r->path);
        list_begins(k, r);
        if (k->slow != NULL && has(r->path, k->slow)) {
            (void)script_hold(c, 150);
        } else {
            (void)script_hold(c, 5);
        }
        atomic_fetch_sub(&k->listing, 1);
        script_json(c, 200,
                    "{\"kind\":\"XList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[]}");
    }
}

/* A running source and what it said, as "TYPE kind;" in order. */
struct run {
    struct cluster cluster;
    struct script *server;
    struct kube_options options;
    struct kube_source *source;
    struct queue *queue;
    struct buf log;
    char kubeconfig[64];
    const char *user; /* its user, in YAML; NULL = none */
};

static void run_init(struct run *r)
{
    *r = (struct run){.log = BUF_INIT(1 << 20)};
    r->cluster.uid = "uid-1";
    (void)pthread_mutex_init(&r->cluster.lock, NULL);
    r->options = (struct kube_options){
        .protobuf = true, .watch_list = false, .discovery_interval_ms = 60, .page_size = 500};
    r->queue = queue_new(4096, 16 << 20);
}

static bool run_new(struct run *r, struct err *err)
{
    r->server = script_start(serve_cluster, &r->cluster);
    (void)snprintf(r->kubeconfig, sizeof r->kubeconfig, "/tmp/gatehouse-source-XXXXXX");
    int fd = mkstemp(r->kubeconfig);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    (void)fprintf(
        f,
        "current-context: c\nclusters: [{name: c, cluster: {server: "
        "'http://127.0.0.1:%d'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        "users: [{name: u, user: {%s}}]\n",
        r->server->port, r->user != NULL ? r->user : "");
    (void)fclose(f);
    r->options.kubeconfig = r->kubeconfig;
    return kube_source_new(&r->options, r->queue, &r->source, err);
}

static void run_start(struct run *r, const struct kube_resume *resume)
{
    struct err err = {0};
    assert_true(run_new(r, &err));
    assert_string_equal(kube_source_context(r->source), "c");
    assert_true(kube_source_start(r->source, resume, &err));
}

static void note(struct run *r, const struct change *c)
{
    if (c->type == CHANGE_SOURCE) {
        (void)buf_addf(&r->log, "%s=%s%s;", c->source.source, source_state_name(c->source.state),
                       c->settled ? " settled" : "");
    } else if (c->type == CHANGE_CLUSTER) {
        (void)buf_addf(&r->log, "CLUSTER %s %s;", c->cluster_uid, c->server_version);
    } else {
        (void)buf_addf(&r->log, "%s %s.%s;", change_type_name(c->type),
                       kind_info(c->kind)->resource, kind_info(c->kind)->group);
    }
}

static void drain(struct run *r)
{
    void *items[64];
    size_t n = 0;
    while ((n = queue_drain(r->queue, items, 64, 2)) > 0) {
        for (size_t i = 0; i < n; i++) {
            note(r, items[i]);
            change_free(items[i]);
        }
    }
}

static void until(struct run *r, const char *text)
{
    int64_t end = clock_mono_ms() + 10000;
    while (!has(buf_str(&r->log), text)) {
        if (clock_mono_ms() > end) {
            fail_msg("waited for \"%s\", got \"%s\"", text, buf_str(&r->log));
        }
        drain(r);
    }
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, part)) != NULL; p += strlen(part)) {
        n++;
    }
    return n;
}

static void drop(void *c)
{
    change_free(c);
}

static void run_end(struct run *r)
{
    int64_t start = clock_mono_ms();
    kube_source_stop(r->source);
    assert_true(clock_mono_ms() - start < 2000);
    kube_source_free(r->source);
    script_stop(r->server);
    queue_free(r->queue, drop);
    buf_fini(&r->log);
    (void)unlink(r->kubeconfig);
}

static void a_plugin_that_hangs_does_not_hold_the_stop(void **state)
{
    (void)state;
    struct run r;
    char mark[] = "/tmp/gatehouse-plugin-XXXXXX";
    char user[256];
    struct stat st = {0};
    int fd = mkstemp(mark);
    (void)close(fd);
    (void)snprintf(user, sizeof user,
                   "exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, "
                   "args: [-c, 'echo runs > %s; sleep 30']}",
                   mark);
    run_init(&r);
    r.user = user;
    run_start(&r, NULL);
    int64_t end = clock_mono_ms() + 10000;
    while (st.st_size == 0) {
        assert_true(clock_mono_ms() < end);
        drain(&r);
        assert_int_equal(stat(mark, &st), 0);
    }
    int64_t start = clock_mono_ms();
    kube_source_stop(r.source);
    assert_true(clock_mono_ms() - start < 2000);
    drain(&r);
    assert_null(strstr(buf_str(&r.log), "denied")); /* nobody refused us */
    run_end(&r);
    (void)unlink(mark);
}

static void every_kind_the_server_has_is_followed_pods_last(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.slow = "/nodes?";
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    drain(&r);
    const char *log = buf_str(&r.log);
    assert_int_equal(strncmp(log, "kubernetes=ok;CLUSTER uid-1 v1.36.3;", 36), 0);
    assert_int_equal(count(log, "LIST_END "), 16);
    assert_int_equal(count(log, "LIST_ABORT "), 0);
    assert_int_equal(count(log, "KIND_GONE "), 3); /* both bindings and Argo's rollouts */
    assert_int_equal(atomic_load(&r.cluster.pods_at), 15);
    assert_in_range(atomic_load(&r.cluster.most_listing), 2, 3);
    struct source_metrics m = {0};
    kube_source_metrics(r.source, &m);
    assert_int_equal(m.kube_lists, 16);
    run_end(&r);
}

static void a_forbidden_kind_holds_nobody(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.forbidden = "/nodes?";
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    assert_true(has(buf_str(&r.log), "kubernetes/nodes=denied;"));
    assert_int_equal(count(buf_str(&r.log), "LIST_END "), 15);
    run_end(&r);
}

/* A kind in trouble makes us ask the server itself: once in a while, not as fast as it answers. */
static void a_kind_in_trouble_does_not_make_discovery_spin(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.cut = "/nodes?";
    r.options.discovery_interval_ms = 60000;
    run_start(&r, NULL);
    until(&r, "kubernetes/nodes=unreachable;");
    until(&r, "kubernetes/pods=ok;");
    int64_t end = clock_mono_ms() + 1000;
    while (clock_mono_ms() < end) {
        drain(&r);
    }
    assert_in_range(atomic_load(&r.cluster.not_modified), 1, 2);
    run_end(&r);
}

/* A 404 asks discovery once; when that fails, it is asked for again later and not at once. */
static void a_lost_kind_and_failing_discovery_make_no_storm(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.lost = "/nodes?";
    r.options.discovery_interval_ms = 60000;
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    atomic_store(&r.cluster.no_api, true);
    until(&r, "kubernetes=failing;"); /* a 404 has asked */
    int before = atomic_load(&r.cluster.api_asked);
    int64_t end = clock_mono_ms() + 1000;
    while (clock_mono_ms() < end) {
        drain(&r);
    }
    assert_in_range(atomic_load(&r.cluster.api_asked) - before, 0, 2);
    run_end(&r);
}

static void a_crd_that_comes_is_followed_and_one_that_goes_is_dropped(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    int64_t end = clock_mono_ms() + 5000;
    while (atomic_load(&r.cluster.not_modified) < 3 && clock_mono_ms() < end) {
        drain(&r);
    }
    assert_true(atomic_load(&r.cluster.not_modified) >= 3); /* polling costs a 304 */
    assert_false(has(buf_str(&r.log), "LIST_END targetgroupbindings"));
    atomic_store(&r.cluster.crd, true);
    until(&r, "LIST_END targetgroupbindings.elbv2.k8s.aws;");
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=ok;");
    buf_clear(&r.log);
    atomic_store(&r.cluster.crd, false);
    until(&r, "KIND_GONE targetgroupbindings.elbv2.k8s.aws;");
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=absent;");
    assert_int_equal(count(buf_str(&r.log), "GONE"), 1);
    run_end(&r);
}

/* A group whose server is broken: said at once, settled at the second time, followed when it is
 * there. */
static void a_stale_group_is_settled_as_failing(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.stale = true;
    r.options.discovery_interval_ms = 60000;
    run_start(&r, NULL);
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=failing;");
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=failing settled;");
    until(&r, "kubernetes/pods=ok;");
    assert_int_equal(count(buf_str(&r.log), "settled;"), 1);
    assert_int_equal(count(buf_str(&r.log), "KIND_GONE "), 2); /* unknown is not absent */
    run_end(&r);
    run_init(&r);
    r.cluster.stale = true;
    run_start(&r, NULL);
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=failing settled;");
    atomic_store(&r.cluster.crd, true);
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=ok settled;");
    run_end(&r);
}

/* Versions are fresh or stale one by one. */
static void a_fresh_version_beside_a_stale_one_counts(void **state)
{
    (void)state;
    static const char text[] =
        "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"elbv2.k8s.aws\"},"
        "\"versions\":[{\"version\":\"v1beta1\",\"freshness\":\"Current\",\"resources\":"
        "[{\"resource\":\"targetgroupbindings\"}]},{\"version\":\"v1alpha1\","
        "\"freshness\":\"Stale\"}]},{\"metadata\":{\"name\":\"argoproj.io\"},\"versions\":["
        "{\"version\":\"v1alpha1\",\"freshness\":\"Stale\"}]}]}";
    struct kube_found found = {0};
    json_t *doc = json_loads(text, 0, NULL);
    assert_true(discovery_read_aggregated(doc, false, &found));
    json_decref(doc);
    assert_true(found.known[KIND_BINDING_LBC]);
    assert_string_equal(found.version[KIND_BINDING_LBC], "v1beta1");
    assert_false(found.known[KIND_ARGO_ROLLOUT]);
    assert_false(found.known[KIND_POD]); /* of the other document */
    assert_true(found.known[KIND_DEPLOYMENT] && found.version[KIND_DEPLOYMENT][0] == '\0');
}

/* In the plain form a group is asked by itself: its failure is not that of the others. */
static void a_group_that_fails_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.plain = true;
    r.cluster.stale = true;
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    until(&r, "kubernetes/deployments.apps=ok;");
    until(&r, "kubernetes/endpointslices.discovery.k8s.io=failing settled;");
    run_end(&r);
}

static void plain_discovery_is_understood(void **state)
{
    (void)state;
    struct run r;
    run_init(&r);
    r.cluster.plain = true;
    run_start(&r, NULL);
    until(&r, "kubernetes/pods=ok;");
    until(&r, "kubernetes/horizontalpodautoscalers.autoscaling=ok;");
    until(&r, "kubernetes/deployments.apps=ok;");
    until(&r, "kubernetes/targetgroupbindings.elbv2.k8s.aws=absent;");
    run_end(&r);
}

static void rows_of_the_same_cluster_are_resumed(void **state)
{
    (void)state;
    struct run r;
    struct kube_resume resume = {.cluster_uid = "uid-1"};
    resume.resource_version[KIND_POD] = "77";
    run_init(&r);
    run_start(&r, &resume);
    until(&r, "kubernetes/pods=ok;");
    assert_false(has(buf_str(&r.log), "LIST_END pods"));
    assert_true(has(buf_str(&r.log), "LIST_END services"));
    bool resumed = false;
    (void)pthread_mutex_lock(&r.cluster.lock);
    for (int i = 0; i < r.cluster.n_paths; i++) {
        resumed = resumed || (has(r.cluster.paths[i], "/pods?watch=1") &&
                              has(r.cluster.paths[i], "&resourceVersion=77"));
    }
    (void)pthread_mutex_unlock(&r.cluster.lock);
    assert_true(resumed);
    run_end(&r);
}

static void rows_of_another_cluster_are_not(void **state)
{
    (void)state;
    static const char *const uids[] = {"uid-2", NULL};
    for (size_t i = 0; i < 2; i++) { /* another one, and one that does not tell */
        struct run r;
        struct kube_resume resume = {.cluster_uid = i == 0 ? "uid-1" : ""};
        resume.resource_version[KIND_POD] = "77";
        run_init(&r);
        r.cluster.uid = uids[i];
        run_start(&r, &resume);
        until(&r, "LIST_END pods.;");
        run_end(&r);
    }
}

static void named_namespaces_list_anew_and_stay_inside(void **state)
{
    (void)state;
    struct run r;
    static const char *const names[] = {"shop", "bank", NULL};
    struct kube_resume resume = {.cluster_uid = "uid-1"};
    resume.resource_version[KIND_POD] = "77";
    run_init(&r);
    r.options.namespaces = names;
    run_start(&r, &resume);
    until(&r, "kubernetes/pods=ok;");
    until(&r, "LIST_END pods.;");
    (void)pthread_mutex_lock(&r.cluster.lock);
    for (int i = 0; i < r.cluster.n_paths; i++) {
        const char *p = r.cluster.paths[i];
        bool wide = has(p, "/namespaces?") || has(p, "/nodes?") ||
                    has(p, "/mutatingwebhookconfigurations?");
        if (!wide && !has(p, "/namespaces/shop/") && !has(p, "/namespaces/bank/")) {
            fail_msg("outside the named namespaces: %s", p);
        }
    }
    (void)pthread_mutex_unlock(&r.cluster.lock);
    run_end(&r);
}

static void too_many_namespaces_are_refused(void **state)
{
    (void)state;
    struct run r;
    struct err err = {0};
    const char *names[KUBE_NAMESPACES_MAX + 2] = {NULL};
    for (int i = 0; i <= KUBE_NAMESPACES_MAX; i++) {
        names[i] = "n";
    }
    run_init(&r);
    r.options.namespaces = names;
    assert_false(run_new(&r, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(has(err.text, "at most 16"));
    script_stop(r.server);
    queue_free(r.queue, drop);
    buf_fini(&r.log);
    (void)unlink(r.kubeconfig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_the_server_has_is_followed_pods_last),
        cmocka_unit_test(a_forbidden_kind_holds_nobody),
        cmocka_unit_test(a_kind_in_trouble_does_not_make_discovery_spin),
        cmocka_unit_test(a_lost_kind_and_failing_discovery_make_no_storm),
        cmocka_unit_test(a_crd_that_comes_is_followed_and_one_that_goes_is_dropped),
        cmocka_unit_test(a_stale_group_is_settled_as_failing),
        cmocka_unit_test(a_fresh_version_beside_a_stale_one_counts),
        cmocka_unit_test(a_group_that_fails_does_not_hold_up_the_others),
        cmocka_unit_test(a_plugin_that_hangs_does_not_hold_the_stop),
        cmocka_unit_test(plain_discovery_is_understood),
        cmocka_unit_test(rows_of_the_same_cluster_are_resumed),
        cmocka_unit_test(rows_of_another_cluster_are_not),
        cmocka_unit_test(named_namespaces_list_anew_and_stay_inside),
        cmocka_unit_test(too_many_namespaces_are_refused),
    };
    log_set_level(LOG_LEVEL_ERROR);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
