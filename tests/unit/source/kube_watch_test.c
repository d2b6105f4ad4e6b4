/*
 * The watch machine against a scripted server. The first part ports client-go's reflector tests by
 * name (tools/cache/reflector_test.go, reflector_watchlist_test.go, tools/pager/pager_test.go); the
 * second part is what an API server, a proxy or a network can do besides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "watch_rig.h"

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static bool is_watch(const struct script_request *r)
{
    return has(r->path, "watch=1");
}

static void reply_list(struct script_conn *c, const char *rv, const char *token, const char *names)
{
    AUTO(buf) b = BUF_INIT(1 << 16);
    script_json(c, 200, json_pod_list(&b, rv, token, names));
}

static void begin_watch(struct script_conn *c)
{
    script_begin(c, "application/json");
}

/* A quiet watch that lives until the test ends. */
static void quiet_watch(struct script_conn *c)
{
    begin_watch(c);
    (void)script_hold(c, -1);
}

static void expect(script_fn fn, const char *log, const char *until)
{
    struct rig r;
    rig_init(&r);
    rig_start(&r, fn, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, until));
    assert_log(&r, log);
    rig_fini(&r);
}

/* ---- ported from client-go ---- */

static void list_and_watch(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (!is_watch(r)) {
        assert_string_equal(r->path, "/api/v1/pods?limit=500");
        reply_list(c, "10", "", "a@1 b@2");
        return;
    }
    assert_true(has(r->path, "&resourceVersion=10"));
    assert_true(has(r->path, "allowWatchBookmarks=true"));
    begin_watch(c);
    (void)script_text(c, JSON_POD("ADDED", "c", "11") JSON_POD("MODIFIED", "a", "12")
                             JSON_POD("DELETED", "b", "13") JSON_BOOKMARK("20"));
    (void)script_hold(c, -1);
}
static void test_list_and_watch(void **state)
{
    (void)state;
    expect(list_and_watch, " BEGIN +a@1 +b@2 END:10 +c@11 +a@12 -b@13 MARK:20", "MARK:20");
}

/* Lists fail in several ways before one works; nothing is deleted meanwhile. */
static void with_errors(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    switch (r->n) {
    case 0:
        script_cut(c);
        break;
    case 1:
        script_json(c, 500, "{\"kind\":\"Status\",\"message\":\"etcd is away\",\"code\":500}");
        break;
    case 2:
        script_reply(c, 200, "Content-Type: application/json\r\n", "{\"kind\":\"PodLi", 13);
        break;
    case 3:
        script_reply(c, 503, "Content-Type: text/html\r\n", "<html>no</html>", 15);
        break;
    default:
        if (is_watch(r)) {
            quiet_watch(c);
        } else {
            reply_list(c, "7", "", "a@1");
        }
    }
}
static void test_list_and_watch_with_errors(void **state)
{
    (void)state;
    expect(with_errors, " BEGIN ABORT BEGIN +a@1 END:7", "END:7");
}

/* A refused watch goes on from the same version: no list. Each wait is longer than the last. */
static int64_t seen_at[64];
static void watch_refused(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    seen_at[r->n] = clock_mono_ms();
    if (r->n == 0) {
        reply_list(c, "10", "", "");
    } else if (r->n < 6) {
        assert_true(has(r->path, "&resourceVersion=10"));
        script_json(c, 503, "{}");
    } else {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        (void)script_hold(c, -1);
    }
}
static void test_list_and_watch_init_conn_backoff(void **state)
{
    (void)state;
    expect(watch_refused, " BEGIN END:10 MARK:11", "MARK:11");
    assert_true(seen_at[6] - seen_at[5] >= 30);  /* 4, 8, 16, 32 and then the ceiling */
    assert_true(seen_at[6] - seen_at[1] < 2000); /* the ceiling of 40 ms, jittered to 80 */
}

static void too_many(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    seen_at[r->n] = clock_mono_ms();
    if (r->n == 0) {
        script_reply(c, 429, "Retry-After: 1\r\nContent-Type: text/plain\r\n", "slow", 4);
    } else if (r->n == 1) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n == 2) {
        script_reply(c, 429, "Retry-After: 1\r\nContent-Type: text/plain\r\n", "slow", 4);
    } else {
        assert_true(has(r->path, "&resourceVersion=10"));
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        (void)script_hold(c, -1);
    }
}
static void test_backoff_on_too_many_requests(void **state)
{
    (void)state;
    expect(too_many, " BEGIN +a@1 END:10 MARK:11", "MARK:11");
    assert_true(seen_at[1] - seen_at[0] >= 1000);
    assert_true(seen_at[3] - seen_at[2] >= 1000);
}

static void throttled_event(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n < 5) {
        assert_true(is_watch(r) && has(r->path, "&resourceVersion=10"));
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("429", "too many"));
        script_end(c);
    } else {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        (void)script_hold(c, -1);
    }
}
static void test_no_relist_on_too_many_requests(void **state)
{
    (void)state;
    expect(throttled_event, " BEGIN +a@1 END:10 MARK:11", "MARK:11");
}

static void internal_error(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n < 4) {
        assert_true(has(r->path, "&resourceVersion=10"));
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("500", "internal"));
        script_end(c);
    } else {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        (void)script_hold(c, -1);
    }
}
static void test_retry_internal_error(void **state)
{
    (void)state;
    expect(internal_error, " BEGIN +a@1 END:10 MARK:11", "MARK:11");
}

static void pages(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        assert_true(has(r->path, "&resourceVersion=10"));
        quiet_watch(c);
    } else if (!has(r->path, "continue")) {
        assert_string_equal(r->path, "/api/v1/pods?limit=2");
        reply_list(c, "10", "T1/+=", "a@1 b@2");
    } else if (has(r->path, "continue=T1%2F%2B%3D")) {
        assert_false(has(r->path, "resourceVersion")); /* the server refuses both */
        reply_list(c, "10", "T2", "");                 /* an empty page is not the end */
    } else {
        assert_true(has(r->path, "limit=2&continue=T2"));
        reply_list(c, "10", "", "c@3");
    }
}
static void test_watch_list_page_size(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.page_size = 2;
    rig_start(&r, pages, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10"));
    assert_log(&r, " BEGIN +a@1 +b@2 +c@3 END:10");
    rig_fini(&r);
}

/* client-go pages only when the server's cache is off; we page always, so a server that ignores
 * limit and one that obeys it must both be followed (NotPaginatingNotConsistentReads,
 * PaginatingNonConsistentReadsIfWatchCacheDisabled). */
static void one_big_page(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1 b@2 c@3 d@4");
    }
}
static void test_not_paginating(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.page_size = 2;
    rig_start(&r, one_big_page, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10"));
    assert_log(&r, " BEGIN +a@1 +b@2 +c@3 +d@4 END:10");
    rig_fini(&r);
}

/* ResyncWithResourceVersion, ResourceVersionUpdate: a watch that ends goes on from the last event.
 */
static void watch_ends(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_POD("ADDED", "a", "15"));
        script_end(c);
    } else if (r->n == 2) {
        assert_true(has(r->path, "&resourceVersion=15"));
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("18"));
        script_end(c);
    } else {
        assert_true(has(r->path, "&resourceVersion=18"));
        begin_watch(c);
        (void)script_text(c, JSON_POD("DELETED", "a", "19"));
        (void)script_hold(c, -1);
    }
}
static void test_resource_version_update(void **state)
{
    (void)state;
    expect(watch_ends, " BEGIN END:10 +a@15 MARK:18 -a@19", "-a@19");
}

/* ExpiredExactResourceVersion, in both forms: a 410 answer, and 200 with a 410 ERROR event. The
 * list comes at once. */
static void expired(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    seen_at[r->n] = clock_mono_ms();
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (r->n == 1) {
        script_json(c, 410,
                    "{\"kind\":\"Status\",\"metadata\":{},\"message\":\"gone\",\"code\":410}");
    } else if (r->n == 2) {
        assert_string_equal(r->path, "/api/v1/pods?limit=500");
        reply_list(c, "20", "", "b@2");
    } else if (r->n == 3) {
        assert_true(has(r->path, "&resourceVersion=20"));
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "too old resource version: 20 (30)"));
        script_end(c);
    } else if (r->n == 4) {
        assert_false(is_watch(r));
        reply_list(c, "30", "", "b@2 c@25");
    } else {
        quiet_watch(c);
    }
}
static void test_expired_resource_version(void **state)
{
    (void)state;
    struct rig r;
    struct watch_timing slow = rig_timing;
    slow.backoff_first = 3000;
    rig_init(&r);
    rig_start(&r, expired, &r);
    r.watch.timing = &slow;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:30"));
    assert_log(&r, " BEGIN +a@1 +b@2 END:10 BEGIN +b@2 END:20 BEGIN +b@2 +c@25 END:30");
    assert_int_equal(r.counters.relists_410, 2);
    assert_true(seen_at[2] - seen_at[1] < 1000); /* what was healthy does not wait */
    rig_fini(&r);
}

/* FullListIfExpired for pages: the 410 of a continuation brings another token; what follows is of
 * other times, so the watch starts at the first page's version. */
static void page_expired(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "OLD", "a@1");
    } else if (r->n == 1) {
        size_t n = 0;
        AUTO_FREE char *body = kube_fixture("status-410-continue.json", &n);
        script_reply(c, 410, "Content-Type: application/json\r\n", body, n);
    } else if (r->n == 2) {
        assert_true(has(r->path, "continue=eyJ2Ijoi"));
        reply_list(c, "50", "", "b@40");
    } else {
        assert_true(is_watch(r) && has(r->path, "&resourceVersion=10"));
        quiet_watch(c);
    }
}
static void test_full_list_if_expired(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, page_expired, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_requests(&r, 4));
    assert_log(&r, " BEGIN +a@1 +b@40 END:10");
    rig_fini(&r);
}

/* The same without a new token, and twice: the list starts over. */
static void page_expired_for_good(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else if (r->n == 0) {
        reply_list(c, "10", "OLD", "a@1");
    } else if (r->n == 1) {
        script_json(c, 410, "{\"kind\":\"Status\",\"metadata\":{},\"code\":410}");
    } else {
        assert_string_equal(r->path, "/api/v1/pods?limit=500");
        reply_list(c, "50", "", "b@40");
    }
}
static void test_page_expired_without_a_token(void **state)
{
    (void)state;
    expect(page_expired_for_good, " BEGIN +a@1 ABORT BEGIN +b@40 END:50", "END:50");
}

/* FullListIfTooLarge: a version from the server's future is tried twice, then everything is new. */
static void too_large(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    size_t n = 0;
    AUTO_FREE char *body = kube_fixture("status-504-too-large.json", &n);
    if (is_watch(r) && has(r->path, "&resourceVersion=99999999")) {
        script_reply(c, 504, "Content-Type: application/json\r\n", body, n);
    } else if (!is_watch(r)) {
        reply_list(c, "363", "", "a@1");
    } else {
        quiet_watch(c);
    }
}
static void test_full_list_if_too_large(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, too_large, &r);
    kube_watch_resume(&r.watch, "99999999");
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:363"));
    assert_log(&r, " BEGIN +a@1 END:363");
    assert_in_range(r.server->requests, 3, 4);
    rig_fini(&r);
}

/* WatchTimeout: the request carries a timeout of its own, not always the same. */
static char timeouts[3][256];
static void timeouts_differ(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "");
    } else if (r->n < 4) {
        (void)snprintf(timeouts[r->n - 1], 256, "%s", strstr(r->path, "timeoutSeconds="));
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("10"));
        script_end(c);
    } else {
        quiet_watch(c);
    }
}
static void test_watch_timeout(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, timeouts_differ, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_requests(&r, 5));
    for (int i = 0; i < 3; i++) {
        int seconds = atoi(timeouts[i] + strlen("timeoutSeconds="));
        assert_in_range(seconds, 300, 600);
    }
    assert_true(strcmp(timeouts[0], timeouts[1]) != 0 || strcmp(timeouts[1], timeouts[2]) != 0);
    rig_fini(&r);
}

/* A watch that ends at once without a word is an error, not an invitation to a hot loop
 * (VeryShortWatchError). */
static void short_watches(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "");
        return;
    }
    begin_watch(c);
    script_end(c);
}
static void test_very_short_watches_back_off(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, short_watches, &r);
    kube_watch_found(&r.watch, "v1");
    rig_for(&r, 400);
    assert_in_range(r.server->requests, 4, 30);
    assert_log(&r, " BEGIN END:10");
    rig_fini(&r);
}

/* ReplacesStoreOnUnsafeDelete: an ERROR event that is neither 410 nor 429 nor a 5xx relists. */
static void unsafe_delete(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("400", "corrupt object"));
        script_end(c);
    } else if (r->n == 2) {
        reply_list(c, "20", "", "b@2");
    } else {
        quiet_watch(c);
    }
}
static void test_replaces_store_on_unsafe_delete(void **state)
{
    (void)state;
    expect(unsafe_delete, " BEGIN +a@1 +b@2 END:10 BEGIN +b@2 END:20", "END:20");
}

/* ---- WatchList ---- */

static struct rig *rig_with_watch_list(struct rig *r, script_fn fn)
{
    rig_init(r);
    r->options.watch_list = true;
    rig_start(r, fn, r);
    kube_watch_found(&r->watch, "v1");
    return r;
}

static void watch_list(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    assert_int_equal(r->n, 0);
    assert_true(has(r->path, "sendInitialEvents=true"));
    assert_true(has(r->path, "resourceVersionMatch=NotOlderThan"));
    assert_true(has(r->path, "allowWatchBookmarks=true"));
    begin_watch(c);
    (void)script_text(c,
                      JSON_POD("ADDED", "b", "9") JSON_POD("ADDED", "a", "3") JSON_BOOKMARK("12"));
    (void)script_text(c, JSON_INITIAL_END("14") JSON_POD("MODIFIED", "a", "15"));
    (void)script_hold(c, -1);
}
static void test_watch_list(void **state)
{
    (void)state;
    struct rig r;
    rig_with_watch_list(&r, watch_list);
    assert_true(rig_until(&r, "+a@15"));
    assert_log(&r, " BEGIN +b@9 +a@3 END:14 +a@15"); /* the early bookmark ends nothing */
    rig_fini(&r);
}

/* A server without the feature says 422; it is not asked again. */
static void watch_list_invalid(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (has(r->path, "sendInitialEvents")) {
        assert_int_equal(r->n, 0);
        script_json(c, 422,
                    "{\"kind\":\"Status\",\"message\":\"sendInitialEvents is forbidden for watch\","
                    "\"code\":422}");
    } else if (is_watch(r)) {
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "expired"));
        script_end(c);
    } else {
        reply_list(c, r->n == 1 ? "10" : "20", "", "a@1");
    }
}
static void test_watch_list_fallback_invalid(void **state)
{
    (void)state;
    struct rig r;
    rig_with_watch_list(&r, watch_list_invalid);
    assert_true(rig_until(&r, "END:20"));
    assert_int_equal(strncmp(buf_str(&r.log), " BEGIN +a@1 END:10 BEGIN +a@1 END:20", 36), 0);
    rig_fini(&r);
}

/* Cut before the end bookmark, an ERROR event (etcd without progress notify), silence: pages next;
 * a later list may stream again. */
static void watch_list_breaks(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    switch (r->n) {
    case 0:
        assert_true(has(r->path, "sendInitialEvents"));
        begin_watch(c);
        (void)script_text(c, JSON_POD("ADDED", "a", "3"));
        script_cut(c);
        break;
    case 1:
        assert_false(is_watch(r));
        reply_list(c, "10", "", "b@2");
        break;
    case 2:
        assert_false(has(r->path, "sendInitialEvents"));
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "expired"));
        script_end(c);
        break;
    case 3:
        assert_true(has(r->path, "sendInitialEvents"));
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("500", "etcd does not support progress notify"));
        script_end(c);
        break;
    case 4:
        assert_false(is_watch(r));
        reply_list(c, "20", "", "b@2");
        break;
    case 5:
        begin_watch(c);
        (void)script_text(c, JSON_ERROR("410", "expired"));
        script_end(c);
        break;
    case 6:
        assert_true(has(r->path, "sendInitialEvents"));
        quiet_watch(c); /* opens and says nothing */
        break;
    case 7:
        assert_false(is_watch(r));
        reply_list(c, "30", "", "b@2");
        break;
    default:
        quiet_watch(c);
    }
}
static void test_watch_list_fallback(void **state)
{
    (void)state;
    struct rig r;
    rig_with_watch_list(&r, watch_list_breaks);
    assert_true(rig_until(&r, "END:30"));
    assert_log(&r, " BEGIN +a@3 ABORT BEGIN +b@2 END:10 BEGIN ABORT BEGIN +b@2 END:20"
                   " BEGIN ABORT BEGIN +b@2 END:30");
    rig_fini(&r);
}

/* Throttled at the door: waits and streams; no pages. */
static void watch_list_throttled(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    assert_true(has(r->path, "sendInitialEvents"));
    if (r->n < 2) {
        script_reply(c, 429, "Content-Type: text/plain\r\n", "slow", 4);
        return;
    }
    begin_watch(c);
    (void)script_text(c, JSON_INITIAL_END("14"));
    (void)script_hold(c, -1);
}
static void test_watch_list_retries_429(void **state)
{
    (void)state;
    struct rig r;
    rig_with_watch_list(&r, watch_list_throttled);
    assert_true(rig_until(&r, "END:14"));
    assert_log(&r, " BEGIN END:14");
    assert_true(has(buf_str(&r.sources), "throttled"));
    rig_fini(&r);
}

/* Recorded from a real server, in both forms, byte by byte. */
struct recorded {
    const char *file;
    const char *type;
    size_t step;
};
static void play_recording(struct script_conn *c, const struct script_request *r, void *arg)
{
    const struct recorded *rec = arg;
    size_t len = 0;
    AUTO_FREE char *data = kube_fixture(rec->file, &len);
    if (r->n > 0) {
        quiet_watch(c);
        return;
    }
    assert_int_equal(has(r->headers, "Accept: application/vnd.kubernetes.protobuf;stream=watch"),
                     has(rec->type, "protobuf"));
    script_begin(c, rec->type);
    for (size_t at = 0; at < len; at += rec->step) {
        (void)script_chunk(c, data + at, rec->step < len - at ? rec->step : len - at);
    }
    script_end(c);
}
static void test_recorded_watch_list_is_the_same_in_both_forms(void **state)
{
    (void)state;
    static const struct recorded recs[] = {
        {"watchlist-pods.ndjson", "application/json", 1 << 20},
        {"watchlist-pods.ndjson", "application/json", 13},
        {"watchlist-pods.pbstream", "application/vnd.kubernetes.protobuf;stream=watch", 1 << 20},
        {"watchlist-pods.pbstream", "application/vnd.kubernetes.protobuf;stream=watch", 13}};
    char first[65536] = "";
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        struct recorded rec = recs[i];
        rig_init(&r);
        r.options.watch_list = true;
        r.options.protobuf = has(rec.type, "protobuf");
        rig_start(&r, play_recording, &rec);
        kube_watch_found(&r.watch, "v1");
        assert_true(rig_requests(&r, 2));
        rig_for(&r, 20);
        assert_true(has(buf_str(&r.log), " BEGIN +") && has(buf_str(&r.log), " END:"));
        assert_true(has(buf_str(&r.log), " -") && has(buf_str(&r.log), " MARK:"));
        assert_int_equal(r.counters.decode_errors, 0);
        if (i == 0) {
            (void)snprintf(first, sizeof first, "%s", buf_str(&r.log));
        }
        assert_log(&r, first);
        rig_fini(&r);
    }
}

/* ---- access ---- */

static char token_path[] = "/tmp/gatehouse-token-XXXXXX";
static void write_token(const char *token)
{
    FILE *f = fopen(token_path, "w");
    assert_non_null(f);
    (void)fprintf(f, "%s\n", token);
    assert_int_equal(fclose(f), 0);
}
static void wants_new_token(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (!has(r->headers, "Authorization: Bearer fresh\r\n") &&
        !(has(r->headers, "Authorization: Bearer fresh") && !has(r->headers, "stale"))) {
        write_token("fresh"); /* the kubelet rotates it */
        script_json(c, 401, "{\"kind\":\"Status\",\"message\":\"Unauthorized\",\"code\":401}");
    } else if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_401_reads_the_token_again(void **state)
{
    (void)state;
    struct rig r;
    int fd = mkstemp(token_path);
    assert_true(fd >= 0);
    (void)close(fd);
    write_token("stale");
    rig_init(&r);
    r.access.token_file = token_path;
    rig_start(&r, wants_new_token, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10"));
    assert_in_range(r.server->requests, 2, 3);
    assert_false(has(buf_str(&r.sources), "denied")); /* a rotation is nobody's news */
    rig_fini(&r);
    (void)unlink(token_path);
}

static void always_401(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    (void)r;
    script_json(c, 401, "{\"kind\":\"Status\",\"message\":\"Unauthorized\",\"code\":401}");
}
static void test_401_that_stays_is_shown(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, always_401, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "denied"));
    assert_string_equal(r.message, "HTTP 401 Unauthorized");
    assert_log(&r, "");
    rig_fini(&r);
}

static void forbidden(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    seen_at[r->n] = clock_mono_ms();
    if (r->n < 5) {
        size_t n = 0;
        AUTO_FREE char *body = kube_fixture("status-403.json", &n);
        script_reply(c, 403, "Content-Type: application/json\r\n", body, n);
    } else if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_403_is_shown_and_retried_slowly(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, forbidden, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "denied"));
    assert_true(has(r.message, "forbidden"));
    assert_false(kube_watch_syncing(&r.watch)); /* holds nobody */
    assert_true(rig_until(&r, "END:10"));
    assert_true(seen_at[5] - seen_at[4] >= 150);
    assert_true(seen_at[4] - seen_at[0] < 1000); /* the first few might be a server that starts */
    assert_string_equal(buf_str(&r.sources), " syncing denied ok");
    rig_fini(&r);
}

/* A restarted server has not read its roles yet: nobody's news, and over soon. */
static void starting_server(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("11"));
        script_cut(c);
    } else if (r->n == 2) {
        script_json(c, 403, "{\"kind\":\"Status\",\"message\":\"no\",\"code\":403}");
    } else {
        assert_true(has(r->path, "&resourceVersion=11"));
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("12"));
        (void)script_hold(c, -1);
    }
}
static void test_a_403_while_the_server_starts_is_passed_over(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, starting_server, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "MARK:12"));
    assert_string_equal(buf_str(&r.sources), " syncing ok");
    rig_fini(&r);
}

/* The right to list without the right to watch. */
static void may_not_watch(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        script_json(c, 403,
                    "{\"kind\":\"Status\",\"message\":\"pods is forbidden: watch\",\"code\":403}");
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_403_on_watch_keeps_the_rows(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, may_not_watch, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "denied"));
    rig_for(&r, 60);
    assert_log(&r, " BEGIN +a@1 END:10");
    assert_in_range(r.server->requests, 3, 6);
    rig_fini(&r);
}

static void not_there(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n < 4) {
        script_reply(c, 404, "Content-Type: text/plain\r\n", "404 page not found\n", 19);
    } else {
        quiet_watch(c);
    }
}
static void test_404_asks_discovery_and_deletes_nothing_by_itself(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, not_there, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_requests(&r, 2));
    for (int i = 0; i < 100 && !r.watch.missing; i++) {
        rig_turn(&r);
    }
    assert_true(r.watch.missing);
    kube_watch_found(&r.watch, "v1"); /* discovery: it is there; a proxy was confused */
    assert_false(r.watch.missing);
    assert_true(rig_requests(&r, 5));
    assert_log(&r, " BEGIN +a@1 END:10");
    kube_watch_gone(&r.watch); /* now it is gone for good */
    rig_for(&r, 20);
    assert_log(&r, " BEGIN +a@1 END:10 GONE");
    assert_true(has(buf_str(&r.sources), "absent"));
    unsigned before = r.server->requests;
    rig_for(&r, 60);
    assert_int_equal(r.server->requests, before);
    rig_fini(&r);
}

/* A CRD comes back: listed anew. */
static void plain(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_a_kind_that_comes_back_is_listed(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, plain, &r);
    kube_watch_gone(&r.watch);
    kube_watch_gone(&r.watch);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10"));
    kube_watch_gone(&r.watch);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10 GONE BEGIN +a@1 END:10"));
    assert_log(&r, " GONE BEGIN +a@1 END:10 GONE BEGIN +a@1 END:10");
    rig_fini(&r);
}

/* ---- lines, bytes and memory ---- */

static void truncated_page(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    AUTO(buf) b = BUF_INIT(1 << 16);
    if (is_watch(r)) {
        quiet_watch(c);
        return;
    }
    (void)json_pod_list(&b, "10", "", "a@1 b@2 c@3");
    script_begin(c, "application/json");
    (void)script_chunk(c, b.data, r->n == 0 ? b.len - 60 : b.len);
    if (r->n == 0) {
        script_cut(c); /* the 60 s limit of the server */
    } else {
        script_end(c);
    }
}
static void test_a_truncated_page_is_never_the_end_of_the_list(void **state)
{
    (void)state;
    expect(truncated_page, " BEGIN +a@1 +b@2 ABORT BEGIN +a@1 +b@2 +c@3 END:10", "END:10");
}

/* Well-formed to the last byte by length, but the JSON stops early. */
static void short_json(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    AUTO(buf) b = BUF_INIT(1 << 16);
    (void)json_pod_list(&b, "10", "", "a@1 b@2 c@3");
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        script_reply(c, 200, "Content-Type: application/json\r\n", b.data,
                     r->n == 0 ? b.len - 3 : b.len);
    }
}
static void test_a_page_that_stops_inside_its_json_is_broken(void **state)
{
    (void)state;
    expect(short_json, " BEGIN +a@1 +b@2 +c@3 ABORT BEGIN +a@1 +b@2 +c@3 END:10", "END:10");
}

/* A page in the middle is throttled and cut: asked again, the list goes on. */
static void middle_page(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (is_watch(r)) {
        quiet_watch(c);
    } else if (!has(r->path, "continue")) {
        assert_int_equal(r->n, 0);
        reply_list(c, "10", "T1", "a@1");
    } else if (r->n == 1) {
        script_reply(c, 429, "Retry-After: 1\r\nContent-Type: text/plain\r\n", "slow", 4);
    } else if (r->n == 2) {
        script_cut(c);
    } else {
        assert_true(has(r->path, "continue=T1"));
        reply_list(c, "10", "", "b@2");
    }
}
static void test_a_page_in_the_middle_is_asked_again(void **state)
{
    (void)state;
    expect(middle_page, " BEGIN +a@1 +b@2 END:10", "END:10");
}

static void middle_page_never(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (has(r->path, "continue")) {
        script_json(c, 500, "{}");
    } else {
        reply_list(c, "10", "T1", "a@1");
    }
}
static void test_a_page_that_never_comes_gives_the_list_up(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, middle_page_never, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, " BEGIN +a@1 ABORT BEGIN +a@1"));
    assert_in_range(r.server->requests, 8, 9); /* page, six tries of the next one, page */
    rig_fini(&r);
}

static void not_a_list(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    static const char *const bodies[] = {"{}", "{\"kind\":\"Status\",\"metadata\":{}}", "<html>",
                                         "{\"kind\":\"PodList\",\"items\":[]}"};
    if (is_watch(r)) {
        quiet_watch(c);
    } else if (r->n < 4) {
        script_json(c, 200, bodies[r->n]);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_a_200_that_is_no_list_deletes_nothing(void **state)
{
    (void)state;
    expect(not_a_list, " BEGIN ABORT BEGIN ABORT BEGIN ABORT BEGIN ABORT BEGIN +a@1 END:10",
           "END:10");
}

/* Says nothing more, keeps the line. */
static void silent(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_POD("ADDED", "a", "11"));
        (void)script_hold(c, -1);
    } else {
        assert_true(has(r->path, "&resourceVersion=11"));
        begin_watch(c);
        (void)script_text(c, JSON_POD("ADDED", "b", "12"));
        (void)script_hold(c, -1);
    }
}
static void test_a_silent_peer_is_left(void **state)
{
    (void)state;
    expect(silent, " BEGIN END:10 +a@11 +b@12", "+b@12");
}

static void never_answers(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        (void)script_hold(c, -1);
    } else if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_a_peer_that_never_answers_is_left(void **state)
{
    (void)state;
    expect(never_answers, " BEGIN +a@1 END:10", "END:10");
}

/* Garbage in a live watch: from the same place once more, then a list. */
static void garbage(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    static const char *const junk[] = {"garbage\n", "{\"type\":\"ADDED\"}\n", "{\"a\":}\n"};
    if (!is_watch(r)) {
        reply_list(c, r->n == 0 ? "10" : "20", "", "a@1");
    } else if (r->n < 3) {
        assert_true(has(r->path, "&resourceVersion=10"));
        begin_watch(c);
        (void)script_text(c, junk[r->n]);
        (void)script_hold(c, -1);
    } else {
        quiet_watch(c);
    }
}
static void test_garbage_in_a_watch_ends_in_a_list(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, garbage, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:20"));
    assert_log(&r, " BEGIN +a@1 END:10 BEGIN +a@1 END:20");
    assert_true(has(buf_str(&r.sources), "failing"));
    rig_fini(&r);
}

/* Odd events do not stop the others: wrong kind, unknown type, no name. */
static void odd_events(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (!is_watch(r)) {
        reply_list(c, "10", "", "");
        return;
    }
    begin_watch(c);
    (void)script_text(c, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Service\",\"metadata\":{"
                         "\"name\":\"s\",\"resourceVersion\":\"11\"}}}\n");
    (void)script_text(c, "{\"type\":\"SINGING\",\"object\":{\"kind\":\"Pod\",\"metadata\":{"
                         "\"name\":\"s\",\"resourceVersion\":\"12\"}}}\n");
    (void)script_text(c, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{}}}\n");
    (void)script_text(c, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":7}}\n");
    (void)script_text(c, JSON_POD("ADDED", "a", "13"));
    (void)script_hold(c, -1);
}
static void test_odd_events_are_passed_over(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, odd_events, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+a@13"));
    assert_log(&r, " BEGIN END:10 +a@13");
    assert_int_equal(r.counters.decode_errors, 4);
    rig_fini(&r);
}

/* An 8 MiB object among others, in pages and in a watch, in protobuf. */
static void huge_objects(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    AUTO(buf) huge = BUF_INIT(KUBE_TEXT_LIMIT);
    AUTO(buf) out = BUF_INIT(KUBE_TEXT_LIMIT);
    AUTO(buf) list = BUF_INIT(KUBE_TEXT_LIMIT);
    if (!is_watch(r)) {
        AUTO(buf) meta = BUF_INIT(256);
        AUTO(buf) small = BUF_INIT(4096);
        pb_text(&meta, 2, "10");
        pb_pod(&huge, "huge", "1", (8 << 20) - 4096, NULL);
        pb_pod(&small, "small", "2", 0, NULL);
        pb_sub(&list, 1, &meta);
        pb_sub(&list, 2, &huge);
        pb_sub(&list, 2, &small);
        pb_envelope(&out, "PodList", &list);
        script_reply(c, 200, "Content-Type: application/vnd.kubernetes.protobuf\r\n", out.data,
                     out.len);
        return;
    }
    pb_pod(&huge, "over", "11", (8 << 20) + 1, NULL);
    pb_event(&out, "ADDED", "Pod", &huge);
    pb_pod_event(&out, "ADDED", "after", "12", NULL);
    script_begin(c, "application/vnd.kubernetes.protobuf;stream=watch");
    (void)script_chunk(c, out.data, out.len);
    (void)script_hold(c, -1);
}
static void test_an_8_mib_object_is_read_and_a_larger_one_passed_over(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.protobuf = true;
    rig_start(&r, huge_objects, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+after@12"));
    assert_log(&r, " BEGIN +huge@1 +small@2 END:10 +after@12");
    assert_int_equal(r.counters.decode_errors, 1);
    rig_fini(&r);
}

/* The writer sleeps while more events come than the queue holds: the socket is held, and not one
 * event is lost or doubled. Both with data waiting and with a stream that ended meanwhile. */
enum { FLOOD = 6000 };
static void flood(struct script_conn *c, const struct script_request *r, void *arg)
{
    const bool *gzip = arg;
    (void)gzip;
    if (!is_watch(r)) {
        reply_list(c, "10", "", "");
        return;
    }
    begin_watch(c);
    for (int i = 0; i < FLOOD; i++) {
        char line[512];
        (void)snprintf(line, sizeof line,
                       "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":"
                       "\"p%d\",\"resourceVersion\":\"%d\",\"labels\":{\"a\":\"%0200d\"}}}}\n",
                       i, 100 + i, i);
        if (!script_text(c, line)) {
            return;
        }
    }
    (void)script_hold(c, -1);
}
static void check_flood(struct rig *r)
{
    const char *p = buf_str(&r->log);
    p = strstr(p, "END:10");
    assert_non_null(p);
    p += strlen("END:10");
    for (int i = 0; i < FLOOD; i++) {
        char want[64];
        int n = snprintf(want, sizeof want, " +p%d@%d", i, 100 + i);
        if (strncmp(p, want, (size_t)n) != 0) {
            fail_msg("wanted \"%s\", got \"%.40s\"", want, p);
        }
        p += n;
    }
    assert_string_equal(p, "");
}
static void test_a_full_queue_holds_the_socket_and_loses_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    queue_free(r.queue, rig_drop);
    r.queue = queue_new(2, 4 << 20);
    rig_start(&r, flood, NULL);
    kube_watch_found(&r.watch, "v1");
    char last[32];
    (void)snprintf(last, sizeof last, "+p%d@", FLOOD - 1);
    assert_true(rig_with_sleepy_writer(&r, last, 40));
    check_flood(&r);
    assert_in_range(r.watch.streams[0].reader.in.cap, 1, 1 << 20); /* held in TCP, not here */
    assert_true(queue_stats(r.queue).found_full > 0);
    assert_int_equal(r.server->requests, 2);
    rig_fini(&r);
}

/* The same as a list: the answer is complete long before the writer wakes. */
static void flood_list(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    AUTO(buf) b = BUF_INIT(16 << 20);
    if (is_watch(r)) {
        quiet_watch(c);
        return;
    }
    (void)buf_addz(&b,
                   "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[");
    for (int i = 0; i < FLOOD; i++) {
        (void)buf_addf(&b, "%s{\"metadata\":{\"name\":\"p%d\",\"resourceVersion\":\"%d\"}}",
                       i > 0 ? "," : "", i, 100 + i);
    }
    (void)buf_addz(&b, "]}");
    script_reply(c, 200, "Content-Type: application/json\r\n", b.data, b.len);
}
static void check_flooded_list(struct rig *r)
{
    const char *p = buf_str(&r->log);
    unsigned n = 0;
    assert_int_equal(strncmp(p, " BEGIN +p0@100 +p1@101", 22), 0);
    assert_non_null(strstr(p, " +p5999@6099 END:10"));
    for (; (p = strchr(p, '+')) != NULL; p++) {
        n++;
    }
    assert_int_equal(n, FLOOD);
    assert_true(queue_stats(r->queue).found_full > 0);
}
static void test_a_full_queue_holds_a_page_and_loses_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    queue_free(r.queue, rig_drop);
    r.queue = queue_new(2, 4 << 20);
    rig_start(&r, flood_list, NULL);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_with_sleepy_writer(&r, "END:10", 40));
    check_flooded_list(&r);
    rig_fini(&r);
}

/* The same compressed: an answer that had to wait must not be inflated twice, nor left out. */
static void flood_gzip(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    AUTO(buf) b = BUF_INIT(16 << 20);
    if (is_watch(r)) {
        quiet_watch(c);
        return;
    }
    (void)buf_addz(&b,
                   "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[");
    for (int i = 0; i < FLOOD; i++) {
        (void)buf_addf(
            &b, "%s{\"metadata\":{\"name\":\"p%d\",\"resourceVersion\":\"%d\",\"uid\":\"%u\"}}",
            i > 0 ? "," : "", i, 100 + i, (unsigned)i * 2654435761u);
    }
    (void)buf_addz(&b, "]}");
    uLong size = compressBound(b.len) + 64;
    AUTO_FREE char *packed = malloc(size);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)b.data;
    z.avail_in = (uInt)b.len;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    script_reply(c, 200, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", packed,
                 size - z.avail_out);
    (void)deflateEnd(&z);
}
static void test_a_full_queue_holds_a_compressed_page(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.compress = true;
    queue_free(r.queue, rig_drop);
    r.queue = queue_new(2, 4 << 20);
    rig_start(&r, flood_gzip, NULL);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_with_sleepy_writer(&r, "END:10", 40));
    check_flooded_list(&r);
    rig_fini(&r);
}

/* What was taken from the socket and could not leave must leave later, though nothing more comes.
 */
static void test_a_backlog_leaves_though_the_stream_is_quiet(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    queue_free(r.queue, rig_drop);
    r.queue = queue_new(1, 4 << 20);
    rig_start(&r, plain, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_with_sleepy_writer(&r, "END:10", 0));
    struct watch_stream *s = &r.watch.streams[0];
    while (s->opened_ms == 0 || s->mode != STREAM_WATCH) {
        rig_turn(&r);
    }
    AUTO(buf) b = BUF_INIT(1 << 20);
    for (int i = 0; i < 700; i++) {
        (void)buf_addf(&b,
                       "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":"
                       "\"p%d\",\"resourceVersion\":\"%d\"}}}\n",
                       i, 100 + i);
    }
    bool wait = false;
    assert_true(stream_data(s, b.data, b.len, &wait)); /* one piece, taken whole */
    assert_false(wait);
    assert_true(frame_pending(&s->reader) > 0); /* two batches are full, the queue holds one */
    assert_true(stream_data(s, b.data, b.len, &wait));
    assert_true(wait); /* no room: not taken */
    assert_true(rig_until(&r, "+p699@799"));
    assert_int_equal(frame_pending(&s->reader), 0);
    rig_fini(&r);
}

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

/* Verification: a paged list in place of the watch, of the version where the watch stands, marked
 * as such; the kind stays synced, and a list that breaks goes back to the watch. */
static void verifies(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (r->n == 1) {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("12"));
        (void)script_hold(c, -1);
    } else if (r->n == 2) {
        assert_string_equal(r->path, "/api/v1/pods?limit=500&resourceVersion=12"
                                     "&resourceVersionMatch=Exact");
        script_json(c, 500, "{}");
    } else if (r->n == 3) {
        assert_true(is_watch(r) && has(r->path, "&resourceVersion=12"));
        quiet_watch(c);
    } else if (r->n == 4) {
        assert_true(has(r->path, "&resourceVersion=12&resourceVersionMatch=Exact"));
        reply_list(c, "12", "NEXT", "a@1");
    } else if (r->n == 5) {
        assert_string_equal(r->path, "/api/v1/pods?limit=500&continue=NEXT");
        reply_list(c, "12", "", "c@3");
    } else {
        assert_true(!is_watch(r) || has(r->path, "&resourceVersion=12"));
        quiet_watch(c);
    }
}
static void test_periodic_verification(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.verify_interval_ms = 200;
    rig_start(&r, verifies, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_requests(&r, 3));
    assert_true(r.watch.synced);
    assert_true(rig_until(&r, "END:12"));
    assert_log(&r, " BEGIN +a@1 +b@2 END:10 MARK:12 VERIFY +a@1 +c@3 END:12");
    assert_true(r.watch.synced);
    rig_fini(&r);
}

/* The version is compacted away, or the server does not know how: back to the watch, and the next
 * verification goes by the newest state. */
static void verifies_plainly(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1 b@2");
    } else if (is_watch(r)) {
        assert_true(has(r->path, r->n < 5 ? "&resourceVersion=10" : "&resourceVersion=20"));
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
    rig_start(&r, verifies_plainly, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:20"));
    assert_log(&r, " BEGIN +a@1 +b@2 END:10 VERIFY +a@1 END:20");
    rig_fini(&r);
}

/* ---- namespaces ---- */

static void by_namespace(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    bool one = has(r->path, "/namespaces/one/pods");
    if (!is_watch(r)) {
        assert_true(one || has(r->path, "/namespaces/two/pods"));
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
    rig_start(&r, by_namespace, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "+c@26"));
    assert_log(&r, " BEGIN +a@1 +b@2 END: +c@26"); /* no version to resume from */
    assert_int_equal(r.server->requests, 4);
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
    rig_for(&r, 200); /* now it waits for most of a minute */
    assert_true(r.watch.streams[0].due_ms > clock_mono_ms() + 20000);
    (void)snprintf(r.server_url, sizeof r.server_url, "%s", good);
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
    assert_string_equal(buf_str(&r.sources), " syncing ok unreachable ok");
    assert_log(&r, " BEGIN END:10 MARK:11 MARK:12 MARK:13");
    rig_fini(&r);
}

/* A multi-member gzip stream, as servers from 1.37 send to who asks: we do not ask, but read it. */
static void test_watch_does_not_offer_gzip(void **state);
static void no_gzip_offered(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    assert_int_equal(has(r->headers, "Accept-Encoding: gzip"), !is_watch(r));
    if (is_watch(r)) {
        quiet_watch(c);
    } else {
        reply_list(c, "10", "", "a@1");
    }
}
static void test_watch_does_not_offer_gzip(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    r.options.compress = true;
    rig_start(&r, no_gzip_offered, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_requests(&r, 2));
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_and_watch),
        cmocka_unit_test(test_list_and_watch_with_errors),
        cmocka_unit_test(test_list_and_watch_init_conn_backoff),
        cmocka_unit_test(test_backoff_on_too_many_requests),
        cmocka_unit_test(test_no_relist_on_too_many_requests),
        cmocka_unit_test(test_retry_internal_error),
        cmocka_unit_test(test_watch_list_page_size),
        cmocka_unit_test(test_not_paginating),
        cmocka_unit_test(test_resource_version_update),
        cmocka_unit_test(test_expired_resource_version),
        cmocka_unit_test(test_full_list_if_expired),
        cmocka_unit_test(test_page_expired_without_a_token),
        cmocka_unit_test(test_full_list_if_too_large),
        cmocka_unit_test(test_watch_timeout),
        cmocka_unit_test(test_very_short_watches_back_off),
        cmocka_unit_test(test_replaces_store_on_unsafe_delete),
        cmocka_unit_test(test_watch_list),
        cmocka_unit_test(test_watch_list_fallback_invalid),
        cmocka_unit_test(test_watch_list_fallback),
        cmocka_unit_test(test_watch_list_retries_429),
        cmocka_unit_test(test_recorded_watch_list_is_the_same_in_both_forms),
        cmocka_unit_test(test_401_reads_the_token_again),
        cmocka_unit_test(test_401_that_stays_is_shown),
        cmocka_unit_test(test_403_is_shown_and_retried_slowly),
        cmocka_unit_test(test_a_403_while_the_server_starts_is_passed_over),
        cmocka_unit_test(test_403_on_watch_keeps_the_rows),
        cmocka_unit_test(test_404_asks_discovery_and_deletes_nothing_by_itself),
        cmocka_unit_test(test_a_kind_that_comes_back_is_listed),
        cmocka_unit_test(test_a_truncated_page_is_never_the_end_of_the_list),
        cmocka_unit_test(test_a_page_that_stops_inside_its_json_is_broken),
        cmocka_unit_test(test_a_page_in_the_middle_is_asked_again),
        cmocka_unit_test(test_a_page_that_never_comes_gives_the_list_up),
        cmocka_unit_test(test_a_200_that_is_no_list_deletes_nothing),
        cmocka_unit_test(test_a_silent_peer_is_left),
        cmocka_unit_test(test_a_peer_that_never_answers_is_left),
        cmocka_unit_test(test_garbage_in_a_watch_ends_in_a_list),
        cmocka_unit_test(test_odd_events_are_passed_over),
        cmocka_unit_test(test_an_8_mib_object_is_read_and_a_larger_one_passed_over),
        cmocka_unit_test(test_a_full_queue_holds_the_socket_and_loses_nothing),
        cmocka_unit_test(test_a_full_queue_holds_a_page_and_loses_nothing),
        cmocka_unit_test(test_a_full_queue_holds_a_compressed_page),
        cmocka_unit_test(test_a_backlog_leaves_though_the_stream_is_quiet),
        cmocka_unit_test(test_resume_goes_on_without_a_list),
        cmocka_unit_test(test_an_expired_resume_is_not_ok_before_its_list),
        cmocka_unit_test(test_periodic_verification),
        cmocka_unit_test(test_verification_without_an_exact_version),
        cmocka_unit_test(test_named_namespaces_are_one_list_and_a_watch_each),
        cmocka_unit_test(test_one_expired_namespace_lists_all_anew),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_an_unreachable_server_is_shown_and_found_again),
        cmocka_unit_test(test_a_server_that_is_back_is_asked_at_once),
        cmocka_unit_test(test_a_cut_that_heals_is_not_reported),
        cmocka_unit_test(test_watch_does_not_offer_gzip),
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
