/* Manual refreshes: who may ask again, and how much of the call rate they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "source/elb_refresh.h"

static struct elb_refresh refresh; /* large */

static size_t ask(const char *arn, int64_t now, int64_t *wait)
{
    struct elb_asked one = {.arn = arn, .started = true};
    size_t n = elb_refresh_ask(&refresh, &one, 1, now, wait);
    assert_int_equal(one.started, n == 1);
    return n;
}

static void given_a_group_asked_for_when_asked_again_then_later(void **state)
{
    (void)state;
    int64_t wait = 0;
    elb_refresh_init(&refresh, 10, 20, 1000);
    assert_int_equal(ask("a", 1000, &wait), 1);
    assert_int_equal(ask("a", 3000, &wait), 0);
    assert_int_equal(wait, ELB_REFRESH_MS - 2000);
    struct elb_asked two[] = {{.arn = "a"}, {.arn = "b"}}; /* the other one is not held up */
    assert_int_equal(elb_refresh_ask(&refresh, two, 2, 3000, &wait), 1);
    assert_false(two[0].started);
    assert_true(two[1].started);
    const char *arns[ELB_REFRESH_ROWS];
    AUTO_PTR(arena) a = arena_new(0);
    assert_int_equal(elb_refresh_take(&refresh, a, arns), 2);
    assert_string_equal(arns[0], "a");
    assert_string_equal(arns[1], "b");
    assert_int_equal(elb_refresh_take(&refresh, a, arns), 0);
    assert_int_equal(ask("a", 1000 + ELB_REFRESH_MS, &wait), 1);
    assert_int_equal(refresh.n, 2); /* what is old is forgotten, what is asked again stands once */
    elb_refresh_fini(&refresh);
}

static void given_many_groups_when_asked_for_then_half_of_the_call_rate(void **state)
{
    (void)state;
    static char names[50][16];
    int64_t wait = 0;
    size_t started = 0;
    elb_refresh_init(&refresh, 10, 20, 1000);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(names[i], sizeof names[i], "g%d", i);
        started += ask(names[i], 1000, &wait);
    }
    assert_int_equal(started, 10); /* half of the burst */
    assert_in_range(wait, 1, 201); /* the next token at half of the rate: 5 a second */
    started = 0;
    for (int i = 0; i < 50; i++) {
        started += ask(names[i], 2000, &wait);
    }
    assert_int_equal(started, 5);
    elb_refresh_fini(&refresh);
}

static void given_a_poller_that_takes_nothing_then_the_memory_is_bounded(void **state)
{
    (void)state;
    char name[16];
    int64_t wait = 0;
    elb_refresh_init(&refresh, 1e6, 1e6, 1000);
    for (int i = 0; i < ELB_REFRESH_ROWS; i++) {
        (void)snprintf(name, sizeof name, "g%d", i);
        assert_int_equal(ask(name, 1000, &wait), 1);
    }
    assert_int_equal(ask("more", 1000, &wait), 0);
    assert_true(wait > 0);
    assert_int_equal(ask("more", 1000 + 10 * ELB_REFRESH_MS, &wait), 0); /* they still wait */
    const char *arns[ELB_REFRESH_ROWS];
    AUTO_PTR(arena) a = arena_new(0);
    assert_int_equal(elb_refresh_take(&refresh, a, arns), ELB_REFRESH_ROWS);
    assert_int_equal(ask("more", 1000 + 10 * ELB_REFRESH_MS, &wait), 1);
    elb_refresh_fini(&refresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_group_asked_for_when_asked_again_then_later),
        cmocka_unit_test(given_many_groups_when_asked_for_then_half_of_the_call_rate),
        cmocka_unit_test(given_a_poller_that_takes_nothing_then_the_memory_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
