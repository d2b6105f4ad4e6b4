/* The bounded queue: order, both ceilings, and the two ways it closes. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/queue.h"

static int items[8];

static void given_both_ceilings_when_pushed_then_full_and_in_order(void **state)
{
    (void)state;
    void *out[8];
    struct queue *q = queue_new(3, 100);
    assert_int_equal(queue_try_push(q, &items[0], 500), QUEUE_OK); /* alone it may be heavier */
    assert_int_equal(queue_try_push(q, &items[1], 1), QUEUE_FULL);
    assert_int_equal(queue_drain(q, out, 8, 0), 1);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(queue_try_push(q, &items[i], 10), QUEUE_OK);
    }
    assert_int_equal(queue_push(q, &items[4], 10, 10), QUEUE_FULL);
    queue_close(q);
    assert_int_equal(queue_push(q, &items[4], 10, -1), QUEUE_CLOSED);
    assert_int_equal(queue_drain(q, out, 8, 0), 3);
    assert_ptr_equal(out[0], &items[1]);
    assert_ptr_equal(out[2], &items[3]);
    queue_free(q, NULL);
}

static void *push_one(void *arg)
{
    return (void *)(intptr_t)queue_push(arg, &items[1], 1, -1);
}

/* What waits for room at the end gets none, and nothing that comes after it slips in. */
static void
given_a_full_queue_when_it_closes_then_the_waiting_push_and_all_later_ones_end(void **state)
{
    (void)state;
    void *out[8];
    void *result = NULL;
    pthread_t thread;
    const struct timespec pause = {.tv_nsec = 50000000};
    struct queue *q = queue_new(1, 100);
    assert_int_equal(queue_try_push(q, &items[0], 1), QUEUE_OK);
    assert_int_equal(pthread_create(&thread, NULL, push_one, q), 0);
    (void)nanosleep(&pause, NULL);
    queue_close_when_full(q);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, QUEUE_CLOSED);
    assert_int_equal(queue_drain(q, out, 8, 0), 1);
    assert_int_equal(queue_try_push(q, &items[2], 1), QUEUE_CLOSED);
    queue_free(q, NULL);
}

static void given_room_when_it_closes_when_full_then_pushes_go_on(void **state)
{
    (void)state;
    void *out[8];
    struct queue *q = queue_new(2, 100);
    queue_close_when_full(q);
    assert_int_equal(queue_push(q, &items[0], 1, -1), QUEUE_OK);
    assert_int_equal(queue_push(q, &items[1], 1, -1), QUEUE_OK);
    assert_int_equal(queue_drain(q, out, 8, 0), 2);
    assert_int_equal(queue_push(q, &items[2], 1, -1), QUEUE_OK);
    assert_int_equal(queue_drain(q, out, 8, 0), 1);
    queue_free(q, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_both_ceilings_when_pushed_then_full_and_in_order),
        cmocka_unit_test(
            given_a_full_queue_when_it_closes_then_the_waiting_push_and_all_later_ones_end),
        cmocka_unit_test(given_room_when_it_closes_when_full_then_pushes_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
