/*
 * The watch machine by the book: client-go's reflector tests by name
 * (tools/cache/reflector_test.go, reflector_watchlist_test.go, tools/pager/pager_test.go) against a
 * scripted server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "watch_rig.h"

/* When each request came, monotonic. */
static int64_t seen_at[64];

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
    struct watch_timing timing = patient();
    rig_start(&r, timeouts_differ, &r);
    r.watch.timing = &timing;
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

/* Cut before anything has come on top of the list: the watch goes on from the list's version. Asked
 * without one, a server begins in the present, and what was deleted meanwhile stays for ever. */
static void watch_list_cut_in_the_quiet(struct script_conn *c, const struct script_request *r,
                                        void *arg)
{
    (void)arg;
    begin_watch(c);
    if (r->n == 0) {
        (void)script_text(c, JSON_POD("ADDED", "a", "3") JSON_POD("ADDED", "b", "9")
                                 JSON_INITIAL_END("14"));
        (void)script_hold(c, 20);
        script_cut(c);
    } else if (r->n == 1 && has(r->path, "&resourceVersion=14")) {
        (void)script_text(c, JSON_POD("DELETED", "a", "15"));
        (void)script_hold(c, -1);
    } else {
        (void)script_text(c, JSON_POD("ADDED", "b", "9") JSON_BOOKMARK("16"));
        (void)script_hold(c, -1);
    }
}
static void test_a_watch_list_cut_in_the_quiet_goes_on_from_its_end(void **state)
{
    (void)state;
    struct rig r;
    rig_with_watch_list(&r, watch_list_cut_in_the_quiet);
    assert_true(rig_until(&r, "-a@15"));
    assert_log(&r, " BEGIN +a@3 +b@9 END:14 -a@15");
    rig_fini(&r);
}

/* Bookmarks come each second while a list is awaited, and each minute after it. */
static void watch_list_then_quiet(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    (void)r;
    begin_watch(c);
    (void)script_text(c, JSON_INITIAL_END("14"));
    (void)script_hold(c, -1);
}
static void test_a_watch_list_may_be_quiet_after_its_end(void **state)
{
    (void)state;
    struct rig r;
    struct watch_timing timing = rig_timing;
    timing.initial_silence = 60;
    timing.silence = 5000;
    rig_with_watch_list(&r, watch_list_then_quiet);
    r.watch.timing = &timing;
    assert_true(rig_until(&r, "END:14"));
    rig_for(&r, 200);
    assert_int_equal(r.server->requests, 1);
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
        cmocka_unit_test(test_a_watch_list_cut_in_the_quiet_goes_on_from_its_end),
        cmocka_unit_test(test_a_watch_list_may_be_quiet_after_its_end),
        cmocka_unit_test(test_watch_list_fallback_invalid),
        cmocka_unit_test(test_watch_list_fallback),
        cmocka_unit_test(test_watch_list_retries_429),
        cmocka_unit_test(test_recorded_watch_list_is_the_same_in_both_forms),
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
