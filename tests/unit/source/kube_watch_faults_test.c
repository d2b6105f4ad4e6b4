/*
 * The watch machine and what an API server, a proxy or a network can do besides: refusals, cuts,
 * silence, garbage, giants, and a writer that does not keep up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zlib.h>

#include "watch_rig.h"

/* When each request came, monotonic. */
static int64_t seen_at[64];

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

/* Gone for a while, then starting: what failed before the first 403 does not make it a no. */
static void server_back_after_an_outage(struct script_conn *c, const struct script_request *r,
                                        void *arg)
{
    (void)arg;
    seen_at[r->n] = clock_mono_ms();
    if (r->n == 0) {
        reply_list(c, "10", "", "a@1");
    } else if (r->n <= 6) {
        script_json(c, 503, "{\"kind\":\"Status\",\"message\":\"starting\",\"code\":503}");
    } else if (r->n == 7) {
        script_json(c, 403, "{\"kind\":\"Status\",\"message\":\"no roles\",\"code\":403}");
    } else {
        begin_watch(c);
        (void)script_text(c, JSON_BOOKMARK("12"));
        (void)script_hold(c, -1);
    }
}
static void test_a_403_after_an_outage_is_no_refusal(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, server_back_after_an_outage, &r);
    struct watch_timing timing = rig_timing;
    timing.denied_retry = 60000;
    r.watch.timing = &timing;
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "MARK:12"));
    assert_true(seen_at[8] - seen_at[7] < 5000);
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

static void full_at_first(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n == 0) {
        script_reply(c, 429, "Retry-After: 1\r\nContent-Type: text/plain\r\n", "slow", 4);
    } else {
        plain(c, r, arg);
    }
}
static void test_room_for_another_kind_ends_the_wait_of_one_that_was_sent_away(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, full_at_first, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "throttled"));
    assert_true(has(r.message, "asks to wait 1 s"));
    int64_t told = clock_mono_ms();
    r.watch.streams[0].due_ms = told + 60000; /* its own back-off is long by now */
    kube_watch_hurry(&r.watch);               /* that a server answers at all is no sign of room */
    rig_for(&r, 60);
    assert_int_equal(atomic_load(&r.server->requests), 1);
    kube_watch_room(&r.watch);
    assert_true(rig_until(&r, "END:"));
    assert_true(clock_mono_ms() - told > 800); /* and not before the server wants it */
    rig_fini(&r);
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

/* A list that fails and fails is tried on, but nobody waits for the kind: said once. A server that
 * does not answer at all is another matter: there is nothing to judge from. */
static void list_fails(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)arg;
    if (r->n < 8) {
        script_json(c, 500, "{\"kind\":\"Status\",\"message\":\"conversion webhook\"}");
    } else {
        plain(c, r, arg);
    }
}
static void test_a_first_list_that_keeps_failing_is_settled(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, list_fails, &r);
    kube_watch_found(&r.watch, "v1");
    assert_true(rig_until(&r, "END:10"));
    assert_true(rig_until(&r, "ok"));
    assert_string_equal(buf_str(&r.sources), " syncing failing failing(settled) ok(settled)");
    rig_fini(&r);
}
static void test_an_unreachable_server_settles_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r, plain, &r);
    (void)snprintf(r.server_url, sizeof r.server_url, "http://127.0.0.1:1");
    kube_watch_found(&r.watch, "v1");
    for (int64_t end = clock_mono_ms() + 5000;
         r.watch.streams[0].failures < 8 && clock_mono_ms() < end;) {
        rig_turn(&r);
    }
    assert_true(r.watch.streams[0].failures >= 8);
    assert_string_equal(buf_str(&r.sources), " syncing unreachable"); /* once, not at each try */
    assert_string_equal(r.message,
                        "Failed to connect to 127.0.0.1 port 1: Couldn't connect to server");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_401_reads_the_token_again),
        cmocka_unit_test(test_401_that_stays_is_shown),
        cmocka_unit_test(test_403_is_shown_and_retried_slowly),
        cmocka_unit_test(test_a_403_while_the_server_starts_is_passed_over),
        cmocka_unit_test(test_a_403_after_an_outage_is_no_refusal),
        cmocka_unit_test(test_403_on_watch_keeps_the_rows),
        cmocka_unit_test(test_404_asks_discovery_and_deletes_nothing_by_itself),
        cmocka_unit_test(test_room_for_another_kind_ends_the_wait_of_one_that_was_sent_away),
        cmocka_unit_test(test_a_kind_that_comes_back_is_listed),
        cmocka_unit_test(test_a_truncated_page_is_never_the_end_of_the_list),
        cmocka_unit_test(test_a_page_that_stops_inside_its_json_is_broken),
        cmocka_unit_test(test_a_page_in_the_middle_is_asked_again),
        cmocka_unit_test(test_a_page_that_never_comes_gives_the_list_up),
        cmocka_unit_test(test_a_first_list_that_keeps_failing_is_settled),
        cmocka_unit_test(test_an_unreachable_server_settles_nothing),
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
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
