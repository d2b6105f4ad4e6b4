/*
 * The deliver thread against receivers on loopback. The test is the writer: it books results when
 * it wants to, and turns next_at back instead of waiting for a back-off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "fake_store.h"

#include "alert/sign.h"
#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "case.h"
#include "hook_server.h"
#include "model/change.h"

#define SECRET "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
enum { PATIENCE_MS = 10000, RESULTS = 64 };

struct fixture {
    struct store *s;
    struct queue *q;
    struct hook *a;
    struct hook *b;
    const struct config *config;
    struct deliver *d;
    int64_t resend_ms;
    struct delivery_result results[RESULTS]; /* in order of arrival */
    size_t n;
};

static void drop(void *c)
{
    change_free(c);
}

static void configure(struct fixture *f, const char *more)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "alerts:\n  receivers:\n"
        "    - {name: a, url: 'http://127.0.0.1:%d/a', allow_private: true, timeout: 20s,"
        " secret: " SECRET "}\n%s",
        f->a->port, more);
    config_unref(f->config);
    f->config = case_load(text);
}

static void with_b(struct fixture *f)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "    - {name: b, url: 'http://127.0.0.1:%d/b', allow_private: true,"
                   " secret: " SECRET "}\n",
                   f->b->port);
    configure(f, text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->s = fake_open();
    f->q = queue_new(64, 1 << 20);
    f->a = hook_start("200 OK");
    f->b = hook_start("200 OK");
    f->s->now = clock_unix_ms();
    configure(f, "");
    *state = f;
    return 0;
}

static void start(struct fixture *f)
{
    struct err err = {0};
    struct deliver_options opt = {.db_path = f->s->path,
                                  .out = f->q,
                                  .config = f->config,
                                  .pause_ms = 5,
                                  .resend_ms = f->resend_ms};
    if (!deliver_start(&opt, &f->d, &err)) {
        fail_msg("%s", err.text);
    }
}

static void stop(struct fixture *f)
{
    deliver_stop(f->d);
    deliver_free(f->d);
    f->d = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->d != NULL) {
        stop(f);
    }
    hook_stop(f->a);
    hook_stop(f->b);
    queue_free(f->q, drop);
    config_unref(f->config);
    fake_close(f->s);
    free(f);
    return 0;
}

static void add(struct fixture *f, const char *receiver, int64_t alert, const char *body)
{
    struct err err = {0};
    char id[64];
    static int number;
    (void)snprintf(id, sizeof id, "msg_%d", ++number);
    struct outbox_delivery d = {.webhook_id = id,
                                .alert_id = alert,
                                .receiver = receiver,
                                .type = "rollout.stuck",
                                .body = body};
    if (!outbox_add(f->s, &d, &err)) {
        fail_msg("%s", err.text);
    }
    if (f->d != NULL) {
        deliver_wake(f->d);
    }
}

/* Takes one result without booking it; false when none came in time. */
static bool take(struct fixture *f, int timeout_ms)
{
    void *item = NULL;
    if (queue_drain(f->q, &item, 1, timeout_ms) == 0) {
        return false;
    }
    const struct change *c = item;
    assert_int_equal(c->command, COMMAND_DELIVERY_RESULT);
    const struct delivery_result *r = c->data;
    assert_true(f->n < RESULTS);
    f->results[f->n++] = *r;
    change_free(item);
    return true;
}

static const struct delivery_result *take_and_book(struct fixture *f)
{
    struct err err = {0};
    if (!take(f, PATIENCE_MS)) {
        fail_msg("no result came");
    }
    const struct delivery_result *r = &f->results[f->n - 1];
    assert_true(alert_book(f->s, f->config, r, &err));
    deliver_wake(f->d);
    return r;
}

static void hurry(struct fixture *f)
{
    fake_exec(f->s, "UPDATE delivery SET next_at = 1 WHERE state = 0");
    deliver_wake(f->d);
}

static int64_t state_of(struct fixture *f, int id)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "SELECT state FROM delivery WHERE id = %d", id);
    return fake_number(f->s, sql);
}

static void wait_requests(struct hook *h, size_t n)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    (void)pthread_mutex_lock(&h->lock);
    int rc = 0;
    while (h->n < n && rc == 0) {
        rc = pthread_cond_timedwait(&h->changed, &h->lock, &until);
    }
    size_t got = h->n;
    (void)pthread_mutex_unlock(&h->lock);
    if (got < n) {
        fail_msg("%zu requests of %zu came", got, n);
    }
}

static void given_a_pending_delivery_then_it_arrives_signed_and_is_booked(void **state)
{
    struct fixture *f = *state;
    char id[128];
    char at[32];
    char signature[128];
    char want[SIGN_SIZE];
    start(f);
    add(f, "a", 1, "{\"type\":\"t\"}");
    assert_int_equal(take_and_book(f)->status, 200);
    assert_string_equal(f->results[0].reply, "ok");
    assert_int_equal(state_of(f, 1), DELIVERY_DELIVERED);
    const struct hook_request first = hook_at(f->a, 0);
    const struct hook_request *r = &first;
    assert_memory_equal(r->head, "POST /a HTTP/1.1\r\n", 18);
    assert_string_equal(r->body, "{\"type\":\"t\"}");
    (void)hook_value(r, "webhook-id", id, sizeof id);
    (void)hook_value(r, "webhook-timestamp", at, sizeof at);
    (void)hook_value(r, "webhook-signature", signature, sizeof signature);
    assert_true(sign_standard(SECRET, id, atoll(at), r->body, want, NULL));
    assert_string_equal(signature, want);
    assert_in_range(atoll(at), clock_unix_ms() / 1000 - 60, clock_unix_ms() / 1000);
    assert_non_null(strcasestr(r->head, "content-type: application/json"));
}

static void given_a_receiver_that_hangs_then_the_others_get_theirs(void **state)
{
    struct fixture *f = *state;
    with_b(f);
    hook_set(f->a, "200 OK", true);
    start(f);
    add(f, "a", 1, "{}");
    wait_requests(f->a, 1);
    for (int i = 0; i < 5; i++) {
        add(f, "b", 2 + i, "{}");
        assert_int_equal(take_and_book(f)->delivery_id, 2 + i);
    }
    assert_int_equal(hook_count(f->b), 5);
    assert_int_equal(state_of(f, 1), DELIVERY_PENDING);
}

static void given_an_attempt_under_way_when_stopped_then_soon_and_it_stays_pending(void **state)
{
    struct fixture *f = *state;
    hook_set(f->a, "200 OK", true);
    start(f);
    add(f, "a", 1, "{}");
    wait_requests(f->a, 1);
    int64_t before = clock_mono_ms();
    stop(f);
    assert_in_range(clock_mono_ms() - before, 0, 5000);
    assert_false(take(f, 0));
    assert_int_equal(state_of(f, 1), DELIVERY_PENDING);
}

static void given_a_failing_receiver_then_the_order_of_an_alert_is_kept(void **state)
{
    struct fixture *f = *state;
    hook_set(f->a, "500 Sorry", false);
    start(f);
    add(f, "a", 1, "\"stuck\"");
    assert_int_equal(take_and_book(f)->status, 500);
    add(f, "a", 1, "\"recovered\"");
    add(f, "a", 2, "\"other\"");
    assert_int_equal(take_and_book(f)->delivery_id, 3); /* another alert does not wait */
    hook_set(f->a, "200 OK", false);
    hurry(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take_and_book(f)->status, 200);
    }
    size_t n = 0;
    for (size_t i = 0; i < hook_count(f->a); i++) {
        bool recovered = strcmp(hook_at(f->a, i).body, "\"recovered\"") == 0;
        n += recovered;
        assert_true(!recovered || i >= 3);
    }
    assert_int_equal(n, 1);
    assert_int_equal(fake_number(f->s, "SELECT count(*) FROM delivery WHERE state = 1"), 3);
}

static void
given_a_result_that_is_not_booked_then_it_is_sent_once_and_again_after_a_crash(void **state)
{
    struct fixture *f = *state;
    char first[128];
    char second[128];
    start(f);
    add(f, "a", 1, "{\"n\":1}");
    assert_true(take(f, PATIENCE_MS));
    for (int i = 0; i < 5; i++) {
        deliver_wake(f->d);
        assert_false(take(f, 20));
    }
    assert_int_equal(hook_count(f->a), 1);
    stop(f); /* the writer never wrote it: as after kill -9 */
    start(f);
    assert_int_equal(take_and_book(f)->status, 200);
    assert_int_equal(hook_count(f->a), 2);
    const struct hook_request one = hook_at(f->a, 0);
    const struct hook_request two = hook_at(f->a, 1);
    (void)hook_value(&one, "webhook-id", first, sizeof first);
    (void)hook_value(&two, "webhook-id", second, sizeof second);
    assert_string_equal(first, second);
    assert_string_equal(one.body, two.body);
}

static void given_410_then_the_receiver_is_left_alone_until_a_reload(void **state)
{
    struct fixture *f = *state;
    hook_set(f->a, "410 Gone", false);
    start(f);
    add(f, "a", 1, "{}");
    assert_int_equal(take_and_book(f)->status, 410);
    add(f, "a", 2, "{}");
    assert_int_equal(take_and_book(f)->fate, FATE_DISABLED);
    assert_int_equal(state_of(f, 1), DELIVERY_DEAD);
    assert_int_equal(state_of(f, 2), DELIVERY_DEAD);
    assert_int_equal(hook_count(f->a), 1);
    hook_set(f->a, "200 OK", false);
    deliver_reload(f->d, f->config);
    add(f, "a", 3, "{}");
    assert_int_equal(take_and_book(f)->status, 200);
}

static void given_retry_after_then_the_booking_obeys_it(void **state)
{
    struct fixture *f = *state;
    hook_set(f->a, "503 Later\r\nRetry-After: 120", false);
    start(f);
    add(f, "a", 1, "{}");
    const struct delivery_result *r = take_and_book(f);
    assert_int_equal(r->retry_after_ms, 120000);
    assert_int_equal(fake_number(f->s, "SELECT next_at FROM delivery"), r->at + 120000);
    hurry(f); /* the lane remembers it as well */
    assert_false(take(f, 100));
}

static void given_an_answer_without_end_then_its_status_counts(void **state)
{
    struct fixture *f = *state;
    f->a->endless = true;
    start(f);
    add(f, "a", 1, "{}");
    const struct delivery_result *r = take_and_book(f);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->error, "");
    assert_int_equal(state_of(f, 1), DELIVERY_DELIVERED);
}

static void given_a_redirect_then_it_is_not_followed(void **state)
{
    struct fixture *f = *state;
    char answer[128];
    (void)snprintf(answer, sizeof answer, "302 Found\r\nLocation: http://127.0.0.1:%d/",
                   f->b->port);
    hook_set(f->a, answer, false);
    start(f);
    add(f, "a", 1, "{}");
    const struct delivery_result *r = take_and_book(f);
    assert_int_equal(r->status, 302);
    assert_non_null(strstr(r->error, "redirects are not followed"));
    assert_int_equal(hook_count(f->b), 0);
    assert_int_equal(state_of(f, 1), DELIVERY_PENDING);
}

static void given_a_private_address_without_leave_then_nothing_is_sent(void **state)
{
    struct fixture *f = *state;
    char text[256];
    (void)snprintf(text, sizeof text,
                   "    - {name: p, url: 'http://127.0.0.1:%d/', secret: " SECRET "}\n",
                   f->b->port);
    configure(f, text);
    start(f);
    add(f, "p", 1, "{}");
    assert_int_equal(take_and_book(f)->status, 0);
    assert_non_null(strstr(f->results[0].error, "private"));
    assert_int_equal(hook_count(f->b), 0);
}

static void given_a_receiver_that_left_then_its_deliveries_are_dropped_with_a_note(void **state)
{
    struct fixture *f = *state;
    add(f, "old", 1, "{}");
    fake_exec(f->s, "UPDATE delivery SET created_at = 1");
    add(f, "new", 2, "{}"); /* may be of a configuration that is on its way here */
    start(f);
    assert_int_equal(take_and_book(f)->fate, FATE_DROPPED);
    assert_int_equal(state_of(f, 1), DELIVERY_DROPPED);
    assert_false(take(f, 50));
    assert_int_equal(state_of(f, 2), DELIVERY_PENDING);
}

static void given_a_reload_then_new_receivers_are_served(void **state)
{
    struct fixture *f = *state;
    start(f);
    add(f, "b", 1, "{}");
    assert_false(take(f, 50));
    with_b(f);
    deliver_reload(f->d, f->config);
    assert_int_equal(take_and_book(f)->status, 200);
    assert_int_equal(hook_count(f->b), 1);
}

static void given_a_next_try_planned_by_a_clock_that_jumped_back_then_it_is_due(void **state)
{
    struct fixture *f = *state;
    start(f);
    f->s->now += INT64_C(86400000);
    add(f, "a", 1, "{}");
    assert_int_equal(take_and_book(f)->status, 200);
}

static void given_a_firing_alert_then_alertmanager_hears_of_it_until_it_ends(void **state)
{
    struct fixture *f = *state;
    char text[256];
    struct err err = {0};
    int64_t id = 0;
    (void)snprintf(text, sizeof text,
                   "    - {name: am, format: alertmanager, url: 'http://127.0.0.1:%d//',"
                   " allow_private: true}\n",
                   f->b->port);
    configure(f, text);
    struct outbox_alert alert = {
        .key = "k",
        .type = "rollout.stuck",
        .cause = "",
        .severity = SEVERITY_ERROR,
        .started_at = f->s->now,
        .body = "{\"cluster\":\"prod\",\"name\":\"web\",\"alert\":{\"revision_hash\":\"6c9f\"}}"};
    assert_true(outbox_open(f->s, &alert, &id, &err));
    f->resend_ms = 30;
    start(f);
    wait_requests(f->b, 3);
    assert_false(take(f, 0)); /* repeats are no deliveries */
    const struct hook_request repeat = hook_at(f->b, 1);
    const struct hook_request *r = &repeat;
    assert_memory_equal(r->head, "POST /api/v2/alerts HTTP/1.1\r\n", 30);
    json_t *v = json_loads(r->body, 0, NULL);
    const json_t *one = json_array_get(v, 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(one, "labels"), "rollout")), "web");
    const char *ends = json_string_value(json_object_get(one, "endsAt"));
    int64_t ends_at = 0;
    assert_true(clock_parse(ends, strlen(ends), &ends_at));
    assert_true(ends_at > f->s->now);
    json_decref(v);
    assert_true(outbox_end(f->s, id, "{}", &err));
    size_t before = hook_count(f->b) + 1; /* one may be on its way */
    struct timespec pause = {.tv_nsec = 150000000L};
    (void)nanosleep(&pause, NULL);
    assert_in_range(hook_count(f->b), before - 1, before);
}

static void given_many_dead_receivers_then_pending_ones_are_asked_once_a_pause(void **state)
{
    struct fixture *f = *state;
    hook_set(f->a, "500 Sorry", false);
    for (int i = 0; i < 40; i++) {
        add(f, "a", i + 1, "{}");
    }
    struct err err = {0};
    struct deliver_options opt = {.db_path = f->s->path, .out = f->q, .config = f->config};
    assert_true(deliver_start(&opt, &f->d, &err));
    assert_int_equal(take_and_book(f)->status, 500);
    assert_false(take(f, 200));
    assert_int_equal(hook_count(f->a), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    http_global_init();
    const struct CMUnitTest tests[] = {
        TEST(given_a_pending_delivery_then_it_arrives_signed_and_is_booked),
        TEST(given_a_receiver_that_hangs_then_the_others_get_theirs),
        TEST(given_an_attempt_under_way_when_stopped_then_soon_and_it_stays_pending),
        TEST(given_a_failing_receiver_then_the_order_of_an_alert_is_kept),
        TEST(given_a_result_that_is_not_booked_then_it_is_sent_once_and_again_after_a_crash),
        TEST(given_410_then_the_receiver_is_left_alone_until_a_reload),
        TEST(given_retry_after_then_the_booking_obeys_it),
        TEST(given_an_answer_without_end_then_its_status_counts),
        TEST(given_a_redirect_then_it_is_not_followed),
        TEST(given_a_private_address_without_leave_then_nothing_is_sent),
        TEST(given_a_receiver_that_left_then_its_deliveries_are_dropped_with_a_note),
        TEST(given_a_reload_then_new_receivers_are_served),
        TEST(given_a_next_try_planned_by_a_clock_that_jumped_back_then_it_is_due),
        TEST(given_a_firing_alert_then_alertmanager_hears_of_it_until_it_ends),
        TEST(given_many_dead_receivers_then_pending_ones_are_asked_once_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
