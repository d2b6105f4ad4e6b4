/* The ledger of attempts: back-off, death, redelivery. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_store.h"

#include "alert/book.h"
#include "case.h"

struct fixture {
    struct store *s;
    const struct config *config;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    f->s = fake_open();
    f->config = case_load(case_config);
    struct outbox_delivery d = {
        .webhook_id = "msg_1", .alert_id = 1, .receiver = "hook", .type = "t", .body = "{}"};
    assert_true(outbox_add(f->s, &d, &err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    config_unref(f->config);
    fake_close(f->s);
    free(f);
    return 0;
}

static void book(struct fixture *f, struct delivery_result r)
{
    struct err err = {0};
    r.delivery_id = 1;
    r.at = f->s->now;
    if (!alert_book(f->s, f->config, &r, &err)) {
        fail_msg("%s", err.text);
    }
}

static int64_t of(struct fixture *f, const char *column)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM delivery WHERE id = 1", column);
    return fake_number(f->s, sql);
}

static void given_failures_then_the_wait_doubles_up_to_five_minutes(void **state)
{
    (void)state;
    static const int64_t plan[] = {5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};
    for (int64_t i = 0; i < 8; i++) {
        assert_int_equal(book_wait_ms(i, 0, 0), plan[i] * 8 / 10);
        assert_in_range(book_wait_ms(i, 0, UINT32_MAX), plan[i] * 119 / 100, plan[i] * 12 / 10);
    }
    assert_in_range(book_wait_ms(INT64_MAX, 0, 0), 1, RETRY_MAX_MS);
}

static void given_retry_after_then_it_is_obeyed_within_reason(void **state)
{
    (void)state;
    assert_int_equal(book_wait_ms(0, 120000, 0), 120000);
    assert_int_equal(book_wait_ms(0, 1, 0), 4000);
    assert_int_equal(book_wait_ms(0, INT64_MAX, 0), RETRY_AFTER_MAX_MS);
    assert_true(RETRY_AFTER_MAX_MS < RETRY_HORIZON_MS);
    assert_true(RETRY_MAX_MS * 12 / 10 < RETRY_HORIZON_MS);
}

static void given_a_failure_then_pending_with_a_later_try(void **state)
{
    struct fixture *f = *state;
    book(f, (struct delivery_result){.status = 500});
    assert_int_equal(of(f, "state"), DELIVERY_PENDING);
    assert_int_equal(of(f, "attempts"), 1);
    assert_in_range(of(f, "next_at") - f->s->now, 4000, 6000);
    char *error = fake_text(f->s, "SELECT last_error FROM delivery");
    assert_string_equal(error, "the receiver answered 500");
    free(error);
    book(f, (struct delivery_result){.error = "connection refused"});
    assert_in_range(of(f, "next_at") - f->s->now, 8000, 12000);
    assert_int_equal(fake_number(f->s, "SELECT count(*) FROM attempt WHERE delivery_id = 1"), 2);
}

static void given_success_then_delivered_and_it_stays_so(void **state)
{
    struct fixture *f = *state;
    book(f, (struct delivery_result){.status = 204});
    assert_int_equal(of(f, "state"), DELIVERY_DELIVERED);
    assert_int_equal(of(f, "done_at"), f->s->now);
    book(f, (struct delivery_result){.status = 500});
    assert_int_equal(of(f, "state"), DELIVERY_DELIVERED);
    assert_int_equal(of(f, "attempts"), 2);
}

static void given_a_redirect_then_it_is_a_failure(void **state)
{
    struct fixture *f = *state;
    book(f, (struct delivery_result){.status = 302});
    assert_int_equal(of(f, "state"), DELIVERY_PENDING);
}

static void given_gone_or_too_old_then_dead(void **state)
{
    struct fixture *f = *state;
    book(f, (struct delivery_result){.status = 410});
    assert_int_equal(of(f, "state"), DELIVERY_DEAD);
    fake_exec(f->s, "UPDATE delivery SET state = 0");
    book(f, (struct delivery_result){.status = 500, .too_old = true});
    assert_int_equal(of(f, "state"), DELIVERY_DEAD);
    fake_exec(f->s, "UPDATE delivery SET state = 0");
    book(f, (struct delivery_result){.fate = FATE_EXPIRED, .error = "given up"});
    assert_int_equal(of(f, "state"), DELIVERY_DEAD);
    fake_exec(f->s, "UPDATE delivery SET state = 0");
    book(f, (struct delivery_result){.status = 200, .too_old = true});
    assert_int_equal(of(f, "state"), DELIVERY_DELIVERED);
}

static void given_a_receiver_that_left_then_dropped(void **state)
{
    struct fixture *f = *state;
    fake_exec(f->s, "UPDATE delivery SET receiver = 'other'");
    book(f, (struct delivery_result){.status = 500});
    assert_int_equal(of(f, "state"), DELIVERY_DROPPED);
}

static void given_no_such_delivery_then_booking_is_quiet_and_redelivery_says_so(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct delivery_result r = {.delivery_id = 77, .status = 200};
    assert_true(alert_book(f->s, f->config, &r, &err));
    assert_false(alert_redeliver(f->s, 77, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void given_a_dead_one_when_redelivered_then_due_now_with_its_id(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    book(f, (struct delivery_result){.status = 410});
    f->s->now += 90000;
    assert_true(alert_redeliver(f->s, 1, &err));
    assert_int_equal(of(f, "state"), DELIVERY_PENDING);
    assert_int_equal(of(f, "next_at"), f->s->now);
    assert_int_equal(of(f, "created_at"), f->s->now);
    assert_int_equal(of(f, "webhook_id = 'msg_1'"), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_failures_then_the_wait_doubles_up_to_five_minutes),
        cmocka_unit_test(given_retry_after_then_it_is_obeyed_within_reason),
        TEST(given_a_failure_then_pending_with_a_later_try),
        TEST(given_success_then_delivered_and_it_stays_so),
        TEST(given_a_redirect_then_it_is_a_failure),
        TEST(given_gone_or_too_old_then_dead),
        TEST(given_a_receiver_that_left_then_dropped),
        TEST(given_no_such_delivery_then_booking_is_quiet_and_redelivery_says_so),
        TEST(given_a_dead_one_when_redelivered_then_due_now_with_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
