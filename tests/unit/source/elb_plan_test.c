/* The token bucket and the poll intervals, on a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/elb.h"

static int take_all(struct elb_bucket *b, int64_t now)
{
    int n = 0;
    while (elb_bucket_take(b, now)) {
        n++;
    }
    return n;
}

static void given_a_full_bucket_when_emptied_then_it_refills_by_its_rate(void **state)
{
    (void)state;
    struct elb_bucket b;
    elb_bucket_init(&b, 5.0, 20.0, 1000);
    assert_int_equal(take_all(&b, 1000), 20);
    assert_in_range(elb_bucket_wait(&b, 1000), 190, 210);
    assert_int_equal(take_all(&b, 2000), 5);
    assert_int_equal(take_all(&b, 1000000), 20); /* never more than the burst */
    assert_int_equal(take_all(&b, 500), 0);      /* a clock that goes back gives nothing */
}

static void given_throttling_when_told_then_half_the_rate_and_a_slow_way_back(void **state)
{
    (void)state;
    struct elb_bucket b;
    elb_bucket_init(&b, 8.0, 20.0, 0);
    elb_bucket_throttled(&b, 0);
    assert_int_equal(take_all(&b, 0), 0);
    assert_int_equal(take_all(&b, 1000), 4);
    for (int i = 0; i < 20; i++) {
        elb_bucket_throttled(&b, 1000);
    }
    assert_in_range(take_all(&b, 9000), 1, 4); /* it never stands still */
    assert_int_equal(take_all(&b, 1000000), 20);
    assert_int_equal(take_all(&b, 1001000), 8); /* recovered */
}

static void given_groups_when_planned_then_hot_fast_and_idle_within_the_rate(void **state)
{
    (void)state;
    assert_int_equal(elb_poll_interval(true, 0, 5.0, 10000, 300000), 10000);
    assert_int_equal(elb_poll_interval(false, 3, 5.0, 10000, 300000), 30000);
    assert_int_equal(elb_poll_interval(false, 300, 5.0, 10000, 300000), 120000);
    assert_int_equal(elb_poll_interval(false, 100000, 5.0, 10000, 300000), 300000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_full_bucket_when_emptied_then_it_refills_by_its_rate),
        cmocka_unit_test(given_throttling_when_told_then_half_the_rate_and_a_slow_way_back),
        cmocka_unit_test(given_groups_when_planned_then_hot_fast_and_idle_within_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
