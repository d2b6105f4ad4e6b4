/*
 * The watch machine over time: resuming from the store, periodic verification, named namespaces,
 * servers that go and come back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "watch_rig.h"

/* ---- resume and verification ---- */

static void resumes(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    assert_true(is_watch(r) && has(r->path, "&resourceVersion=77"));
    begin_watch(c);
    (void)script_text(c, JSON_POD("ADDED", "a", "78"));
    (void)script_hold(c, -1);
}
static void test_resume_goes_on_without_a_list(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, resumes, &r);
    kube_watch_resume(&r.watch, "77");
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+a@78"));
    assert_log(&r, " +a@78");
    rig_for(&r, 30);
    assert_string_equal(buf_str(&r.sources), " syncing ok");
    rig_fini(&r);
}

static void resume_expired(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "too old resource version"));
        script_end(c);
    } else if (r->n == 1) {
        reply_list(c, "90", "", "a@80");
    } else {
        quiet_watch(c);
    }
}
static void test_an_expired_resume_is_not_ok_before_its_list(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, resume_expired, &r);
    kube_watch_resume(&r.watch, "77");
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:90"));
    assert_log(&r, " BEGIN +a@80 END:90");
    assert_string_equal(buf_str(&r.sources), " syncing ok");
    rig_fini(&r);
}

/* Verification: a paged list of the version where the watch stands, beside it: the watch goes on
 * meanwhile. One that breaks is nobody's news. */
static atomic_uint pages_seen;
static void verifies(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (is_watch(r)) {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("12"));
        while (atomic_load(&pages_seen) < 3 && script_hold(c, 5)) { /* till the first is read */
        }
        (void)script_text(c, JSON_POD("MODIFIED", "a", "13"));
        (void)script_hold(c, -1);
    } else if (has(r->path, "continue")) {
        assert_string_equal(r->path, "/api/v1/pods?limit=500&continue=NEXT");
        atomic_fetch_add(&pages_seen, 1);
        (void)script_hold(c, 500);
        reply_list(c, "12", "", "c@3");
    } else {
        assert_string_equal(r->path, "/api/v1/pods?limit=500&resourceVersion=12"
                                     "&resourceVersionMatch=Exact");
        if (atomic_load(&pages_seen) == 0) {
            script_json(c, 500, "{}");
        } else {
            reply_list(c, "12", "NEXT", "a@1");
        }
        atomic_fetch_add(&pages_seen, 1);
    }
}
static void test_periodic_verification(void **state)
{
    (void)state;
    struct rig r;
    atomic_store(&pages_seen, 0);
    rig_init(&r);
    r.options.verify_interval_ms = 200;
    struct watch_timing timing = patient();
    rig_start(&r, verifies, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:12"));
    assert_log(&r, " BEGIN +a@1 +b@2 END:10 MARK:12 VERIFY:12 ABORT VERIFY:12 +a@1 +a@13 +c@3"
                   " END:12");
    assert_string_equal(buf_str(&r.sources), " syncing ok");
    assert_int_equal(r.server->requests, 5); /* one watch */
    assert_int_equal(r.watch.state, WATCH_LIVE);
    rig_fini(&r);
}

/* A page in the middle is asked again, and newer pages are taken where the old ones are gone. */
static void verifies_stumbling(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else if (has(r->path, "continue=NEWER")) {
        reply_list(c, "17", "", "c@17");
    } else if (has(r->path, "continue=NEXT") && atomic_fetch_add(&pages_seen, 1) == 0) {
        script_reply(c, 429, "Content-Type: text/plain\r\n", "slow", 4);
    } else if (has(r->path, "continue=NEXT")) {
        script_json(c, 410,
                    "{\"kind\":\"Status\",\"metadata\":{\"continue\":\"NEWER\"},"
                    "\"code\":410}");
    } else {
        reply_list(c, "10", r->n == 0 ? "" : "NEXT", "a@1");
    }
}
static void test_a_verification_gets_over_a_page_that_fails(void **state)
{
    (void)state;
    struct rig r;
    atomic_store(&pages_seen, 0);
    rig_init(&r);
    r.options.verify_interval_ms = 100;
    struct watch_timing timing = patient();
    rig_start(&r, verifies_stumbling, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "VERIFY:10 +a@1 +c@17 END:10"));
    rig_fini(&r);
}

/* A list that replaces everything ends a verification first: one list of a kind at a time. */
static void expires_while_verified(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n == 1) {
        begin_watch(c);
        while (atomic_load(&pages_seen) < 1 && script_hold(c, 5)) {
        }
        (void)script_text(c, JSON_ERROR("410", "too old"));
        (void)script_hold(c, -1);
    } else if (is_watch(r)) {
        quiet_watch(c);
    } else if (has(r->path, "Exact")) {
        atomic_fetch_add(&pages_seen, 1);
        (void)script_hold(c, -1);
    } else {
        reply_list(c, "20", "", "b@11");
    }
}
static void test_a_relist_ends_a_verification(void **state)
{
    (void)state;
    struct rig r;
    atomic_store(&pages_seen, 0);
    rig_init(&r);
    r.options.verify_interval_ms = 100;
    struct watch_timing timing = patient();
    rig_start(&r, expires_while_verified, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:20"));
    assert_log(&r, " BEGIN +a@1 END:10 VERIFY:10 ABORT BEGIN +b@11 END:20");
    rig_fini(&r);
}

/* A restored etcd: our version lies in its future, and a watch from there hears nothing. */
static void set_back(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    size_t n = 0;
    AUTO_FREE char *body = kube_fixture("status-504-too-large.json", &n);
    if (is_watch(r)) {
        quiet_watch(c);
    } else if (has(r->path, "Exact")) {
        script_reply(c, 504, "Content-Type: application/json\r\n", body, n);
    } else if (r->n == 0) {
        reply_list(c, "99", "", "a@98");
    } else {
        reply_list(c, "20", "", "b@11");
    }
}
static void test_a_server_that_was_set_back_is_listed_anew(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.verify_interval_ms = 100;
    struct watch_timing timing = patient();
    rig_start(&r, set_back, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:20"));
    assert_log(&r, " BEGIN +a@98 END:99 VERIFY:99 ABORT BEGIN +b@11 END:20");
    rig_fini(&r);
}

/* Versions that cannot be compared say nothing of what is newer. */
static void opaque_versions(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "x10", "", "a@1");
    }
}
static void test_opaque_versions_are_not_verified(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.verify_interval_ms = 20;
    struct watch_timing timing = patient();
    rig_start(&r, opaque_versions, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:x10"));
    rig_for(&r, 100);
    assert_log(&r, " BEGIN +a@1 END:x10");
    assert_int_equal(r.server->requests, 2);
    rig_fini(&r);
}

/* The version is compacted away, or the server does not know how: the next verification goes by the
 * newest state. */
static void verifies_plainly(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (is_watch(r)) {
        assert_int_equal(r->n, 1);
        quiet_watch(c);
    } else if (r->n == 2) {
        assert_true(has(r->path, "resourceVersionMatch=Exact"));
        size_t n = 0;
        AUTO_FREE char *body = kube_fixture("status-410-exact.json", &n);
        script_reply(c, 410, "Content-Type: application/json\r\n", body, n);
    } else {
        assert_string_equal(r->path, "/api/v1/pods?limit=500");
        reply_list(c, "20", "", "a@1");
    }
}
static void test_verification_without_an_exact_version(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.verify_interval_ms = 120;
    struct watch_timing timing = patient();
    rig_start(&r, verifies_plainly, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "VERIFY:10 +a@1 END:10"));
    assert_log(&r, " BEGIN +a@1 +b@2 END:10 VERIFY:10 ABORT VERIFY:10 +a@1 END:10");
    rig_fini(&r);
}

/* ---- namespaces ---- */

static void by_namespace(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    bool one = has(r->path, "/namespaces/one/pods");
    if (!is_watch(r)) {
        assert_true(one || has(r->path, "/namespaces/two/pods"));
        assert_false(has(r->path, "Exact")); /* their watches stand at different versions */
        reply_list(c, one ? "10" : "14", "", one ? "a@1" : "b@2");
        return;
    }
    begin_watch(c);
    if (has(r->path, "&resourceVersion=10")) {
        (void)script_text(c, one ? JSON_BOOKMARK("30")
                                 : JSON_BOOKMARK("25") JSON_POD("ADDED", "c", "26"));
    }
    (void)script_hold(c, -1);
}
static void test_named_namespaces_are_one_list_and_a_watch_each(void **state)
{
    (void)state;
    struct rig r;
    static const char *const names[] = {"one", "two", NULL};
    rig_init(&r);
    r.options.namespaces = names;
    r.options.watch_list = true;
    struct watch_timing timing = patient();
    rig_start(&r, by_namespace, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+c@26"));
    assert_log(&r, " BEGIN +a@1 +b@2 END: +c@26"); /* no version to resume from */
    assert_int_equal(r.server->requests, 4);
    rig_fini(&r);
}

/* Of what stood where the slowest of its watches stands. */
static void test_named_namespaces_are_verified_one_after_the_other(void **state)
{
    (void)state;
    struct rig r;
    static const char *const names[] = {"one", "two", NULL};
    rig_init(&r);
    r.options.namespaces = names;
    r.options.verify_interval_ms = 300;
    struct watch_timing timing = patient();
    rig_start(&r, by_namespace, &r);
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "VERIFY:26 +a@1 +b@2 END:26"));
    assert_int_equal(r.server->requests, 6);
    rig_fini(&r);
}

static void one_expires(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    bool one = has(r->path, "/namespaces/one/pods");
    if (!is_watch(r)) {
        reply_list(c, r->n < 2 ? "10" : "20", "", one ? "a@1" : "b@2");
    } else if (one && has(r->path, "&resourceVersion=10")) {
        script_json(c, 410, "{\"kind\":\"Status\",\"code\":410}");
    } else {
        quiet_watch(c);
    }
}
static void test_one_expired_namespace_lists_all_anew(void **state)
{
    (void)state;
    struct rig r;
    static const char *const names[] = {"one", "two", NULL};
    rig_init(&r);
    r.options.namespaces = names;
    rig_start(&r, one_expires, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END: BEGIN +a@1 +b@2 END:"));
    assert_log(&r, " BEGIN +a@1 +b@2 END: BEGIN +a@1 +b@2 END:");
    rig_fini(&r);
}

static void test_paths(void **state)
{
    (void)state;
    struct kube_options opt = {.page_size = 7, .watch_list = true};
    struct watch_counters counters = {0};
    static const struct {
        enum kind kind;
        const char *version;
        const char *path;
    } cases[] = {
        {KIND_NAMESPACE, "v1", "/api/v1/namespaces?limit=7"},
        {KIND_BINDING_AUTO, "v1", "/apis/eks.amazonaws.com/v1/targetgroupbindings?limit=7"},
        {KIND_EVENT, "v1", "/api/v1/events?limit=7&fieldSelector=type%21%3DNormal"},
        {KIND_LEASE, "v1",
         "/apis/coordination.k8s.io/v1/leases?limit=7&fieldSelector="
         "metadata.name%3Daws-load-balancer-controller-leader"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kube_watch w;
        AUTO(buf) path = BUF_INIT(4096);
        kube_watch_init(&w, cases[i].kind, &opt, NULL, NULL, &counters);
        (void)snprintf(w.version, sizeof w.version, "%s", cases[i].version);
        w.streams[0].mode = STREAM_PAGE;
        kube_watch_path(&w, &w.streams[0], 300, &path);
        assert_string_equal(buf_str(&path), cases[i].path);
        kube_watch_fini(&w);
    }
}

/* Nobody listens: shown as unreachable, and found again when somebody does. */
static void test_an_unreachable_server_is_shown_and_found_again(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, plain, &r);
    char good[64];
    (void)snprintf(good, sizeof good, "%s", r.server_url);
    (void)snprintf(r.server_url, sizeof r.server_url, "http://127.0.0.1:1");
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "unreachable"));
    assert_log(&r, "");
    (void)snprintf(r.server_url, sizeof r.server_url, "%s", good);
    assert_true(rig_until(&r, "END:10"));
    assert_string_equal(buf_str(&r.sources), " syncing unreachable ok");
    rig_fini(&r);
}

/* Once the server is known to answer again, a long back-off is not waited out. */
static void test_a_server_that_is_back_is_asked_at_once(void **state)
{
    (void)state;
    struct rig r;
    struct watch_timing slow = rig_timing;
    slow.backoff_first = 60;
    slow.backoff_max = 100000;
    rig_init(&r);
    rig_start(&r, plain, &r);
    char good[64];
    (void)snprintf(good, sizeof good, "%s", r.server_url);
    (void)snprintf(r.server_url, sizeof r.server_url, "http://127.0.0.1:1");
    r.watch.timing = &slow;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "unreachable"));
    r.watch.streams[0].backoff_ms = 50000;
    assert_true(rig_waits_long(&r));
    (void)snprintf(r.server_url, sizeof r.server_url, "%s", good);
    kube_watch_hurry(&r.watch);
    assert_true(rig_until(&r, "END:10"));
    rig_fini(&r);
}

/* After a long outage the server starts: it refuses, then forgets, then lists. None of these steps
 * waits as long as the outage taught to wait. */
static void starts_after_an_outage(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n < 2) {
        script_json(c, 403, "{\"kind\":\"Status\",\"message\":\"no roles\",\"code\":403}");
    } else if (r->n == 2) {
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "too old"));
        (void)script_hold(c, -1);
    } else {
        plain(c, r, arg);
    }
}
static void test_a_server_that_starts_is_not_waited_for_like_one_that_is_gone(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, starts_after_an_outage, &r);
    char good[64];
    struct watch_timing slow = rig_timing;
    slow.backoff_max = 100000;
    r.watch.timing = &slow;
    (void)snprintf(good, sizeof good, "%s", r.server_url);
    (void)snprintf(r.server_url, sizeof r.server_url, "http://127.0.0.1:1");
    kube_watch_resume(&r.watch, "7");
    kube_watch_found(&r.watch, "v1");
    struct watch_stream *s = &r.watch.streams[0];
    s->backoff_ms = 50000;
    s->due_ms = 1;
    assert_true(rig_until(&r, "unreachable"));
    assert_true(rig_waits_long(&r));
    (void)snprintf(r.server_url, sizeof r.server_url, "%s", good);
    s->due_ms = 1; /* the wait is over */
    assert_true(rig_until(&r, "END:10"));
    assert_in_range(r.server->requests, 4, 5); /* the last may be the watch */
    rig_fini(&r);
}

/* Refused again and again is asked rarely, but at once when the server was gone since: what it said
 * may have been of its start. */
static void refuses_six_times(struct script_conn *c, const struct script_request *r, void *arg)
{
    if (r->n < 6) {
        script_json(c, 403, "{\"kind\":\"Status\",\"message\":\"no roles\",\"code\":403}");
    } else {
        plain(c, r, arg);
    }
}
static void test_a_refused_kind_is_asked_again_when_the_server_is_back(void **state)
{
    (void)state;
    struct rig r;
    struct watch_timing slow = rig_timing;
    slow.denied_retry = 60000;
    rig_init(&r);
    rig_start(&r, refuses_six_times, &r);
    r.watch.timing = &slow;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_waits_long(&r));
    assert_int_equal(r.server->requests, 5);
    kube_watch_hurry(&r.watch);
    assert_true(rig_until(&r, "END:10"));
    rig_fini(&r);
}

/* A cut that heals at the next try is nobody's news; one that does not is. */
static void cut_once(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        script_cut(c);
    } else if (r->n == 2) {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("12"));
        script_cut(c);
    } else if (r->n < 5) {
        script_cut(c);
    } else {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("13"));
        (void)script_hold(c, -1);
    }
}
static void test_a_cut_that_heals_is_not_reported(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, cut_once, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "MARK:12"));
    assert_string_equal(buf_str(&r.sources), " syncing ok");
    assert_true(rig_until(&r, "MARK:13"));
    rig_for(&r, 30);
    assert_true(has(buf_str(&r.sources), " syncing ok unreachable")); /* in these words or others */
    assert_true(has(buf_str(&r.sources), "unreachable ok"));
    assert_log(&r, " BEGIN END:10 MARK:11 MARK:12 MARK:13");
    rig_fini(&r);
}

/* ---- gzip ---- */

/* One member, as a server from 1.37 ends one with each flush. */
static void packed_text(struct script_conn *c, const char *text)
{
    char out[4096];
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = (Bytef *)out;
    z.avail_out = sizeof out;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)script_chunk(c, out, sizeof out - z.avail_out);
    (void)deflateEnd(&z);
}

static void packed_then_plain(struct script_conn *c, const struct script_request *r, void *arg)
{
    struct rig *rig = arg;
    bool initial = has(r->path, "sendInitialEvents");
    assert_int_equal(has(r->headers, "Accept-Encoding: gzip"), initial && rig->options.compress);
    if (!initial) { /* it goes on where the packed stream stood */
        assert_true(has(r->path, "&resourceVersion=15"));
        begin_watch(c);
        (void)script_text(c, JSON_POD("DELETED", "b", "16"));
        (void)script_hold(c, -1);
        return;
    }
    script_begin(c, "application/json\r\nContent-Encoding: gzip");
    packed_text(c, JSON_POD("ADDED", "b", "9") JSON_POD("ADDED", "a", "3"));
    packed_text(c, JSON_INITIAL_END("14"));
    packed_text(c, JSON_POD("MODIFIED", "a", "15"));
    (void)script_hold(c, 100); /* the event is out before the stream ends */
    script_end(c);
}
static void test_a_packed_watch_list_is_live_and_followed_by_a_plain_watch(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.watch_list = true;
    r.options.compress = true;
    rig_start(&r, packed_then_plain, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+a@15"));
    assert_int_equal(r.server->requests, 1);
    assert_true(rig_until(&r, "-b@16"));
    assert_log(&r, " BEGIN +b@9 +a@3 END:14 +a@15 -b@16");
    rig_fini(&r);
}

static void offers_by_page(struct script_conn *c, const struct script_request *r, void *arg)
{
    struct rig *rig = arg;
    bool want = rig->options.compress && !is_watch(r);
    assert_int_equal(has(r->headers, "Accept-Encoding: gzip"), want);
    plain(c, r, arg);
}
static void test_pages_offer_gzip_when_asked_to_and_watches_never(void **state)
{
    (void)state;
    for (int compress = 0; compress < 2; compress++) {
        struct rig r;
        rig_init(&r);
        r.options.compress = compress != 0;
        rig_start(&r, offers_by_page, &r);
        kube_watch_found(&r.watch, "v1");
        assert_true(rig_requests(&r, 2));
        rig_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_goes_on_without_a_list),
        cmocka_unit_test(test_an_expired_resume_is_not_ok_before_its_list),
        cmocka_unit_test(test_periodic_verification),
        cmocka_unit_test(test_a_verification_gets_over_a_page_that_fails),
        cmocka_unit_test(test_a_relist_ends_a_verification),
        cmocka_unit_test(test_opaque_versions_are_not_verified),
        cmocka_unit_test(test_verification_without_an_exact_version),
        cmocka_unit_test(test_a_server_that_was_set_back_is_listed_anew),
        cmocka_unit_test(test_named_namespaces_are_one_list_and_a_watch_each),
        cmocka_unit_test(test_named_namespaces_are_verified_one_after_the_other),
        cmocka_unit_test(test_one_expired_namespace_lists_all_anew),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_an_unreachable_server_is_shown_and_found_again),
        cmocka_unit_test(test_a_server_that_is_back_is_asked_at_once),
        cmocka_unit_test(test_a_server_that_starts_is_not_waited_for_like_one_that_is_gone),
        cmocka_unit_test(test_a_refused_kind_is_asked_again_when_the_server_is_back),
        cmocka_unit_test(test_a_cut_that_heals_is_not_reported),
        cmocka_unit_test(test_a_packed_watch_list_is_live_and_followed_by_a_plain_watch),
        cmocka_unit_test(test_pages_offer_gzip_when_asked_to_and_watches_never),
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
