/* The epoll loop under libcurl: waking, time limits, and bytes that come in small pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "script_server.h"
#include "source/kube_loop.h"

enum { PIECES = 400, PIECE = 1000, PIECE_US = 200 };

static void on_wish(CURL *easy, curl_socket_t fd, bool gone)
{
    (void)easy;
    (void)fd;
    (void)gone;
}

static void on_event(void *arg, curl_socket_t fd)
{
    (void)arg;
    (void)fd;
}

static const struct kube_loop_hooks quiet = {on_wish, on_event, NULL};

struct transfer {
    CURL *easy;
    size_t bytes;
    bool in_order;
};

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    for (size_t i = 0; i < size * n; i++) {
        t->in_order = t->in_order && data[i] == (char)('a' + (t->bytes + i) / PIECE % 26);
    }
    t->bytes += size * n;
    return size * n;
}

static void transfer_start(struct kube_loop *l, const struct script *s, struct transfer *t)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", s->port);
    *t = (struct transfer){.easy = curl_easy_init(), .in_order = true};
    (void)curl_easy_setopt(t->easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    (void)curl_multi_add_handle(l->multi, t->easy);
}

/* Turns until the transfer has ended; its result. */
static CURLcode transfer_end(struct kube_loop *l, struct transfer *t, int *ret_turns)
{
    CURLMsg *msg = NULL;
    int left = 0;
    *ret_turns = 0;
    while ((msg = curl_multi_info_read(l->multi, &left)) == NULL) {
        kube_loop_run(l, 10000);
        (*ret_turns)++;
    }
    CURLcode result = msg->data.result;
    (void)curl_multi_remove_handle(l->multi, t->easy);
    curl_easy_cleanup(t->easy);
    return result;
}

static void in_pieces(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)r;
    (void)arg;
    script_begin(c, "text/plain");
    for (int i = 0; i < PIECES; i++) {
        char piece[PIECE];
        memset(piece, 'a' + i % 26, sizeof piece);
        (void)script_chunk(c, piece, sizeof piece);
        (void)usleep(PIECE_US);
    }
    script_end(c);
}

static void pieces_arrive_whole(bool bulk, int *ret_turns)
{
    struct kube_loop l;
    struct transfer t;
    struct script *s = NULL;
    s = script_start(in_pieces, NULL);
    kube_loop_init(&l, &quiet);
    l.bulk = bulk;
    transfer_start(&l, s, &t);
    assert_int_equal(transfer_end(&l, &t, ret_turns), CURLE_OK);
    assert_int_equal(t.bytes, PIECES * PIECE);
    assert_true(t.in_order);
    kube_loop_fini(&l);
    script_stop(s);
}

static void given_small_pieces_when_they_are_read_then_they_are_whole_and_in_order(void **state)
{
    (void)state;
    int turns = 0;
    pieces_arrive_whole(false, &turns);
}

static void
given_a_list_in_small_pieces_when_it_is_bulk_then_many_are_taken_in_one_turn(void **state)
{
    (void)state;
    int turns = 0;
    pieces_arrive_whole(true, &turns);
    assert_in_range(turns, 1, PIECES / 2);
}

static void silent(struct script_conn *c, const struct script_request *r, void *arg)
{
    (void)r;
    (void)arg;
    (void)script_hold(c, -1);
}

static void
given_a_silent_server_when_the_transfer_has_a_limit_then_it_ends_at_the_limit(void **state)
{
    (void)state;
    struct kube_loop l;
    struct transfer t;
    struct script *s = NULL;
    int turns = 0;
    s = script_start(silent, NULL);
    kube_loop_init(&l, &quiet);
    transfer_start(&l, s, &t);
    (void)curl_easy_setopt(t.easy, CURLOPT_TIMEOUT_MS, 150L);
    int64_t began = clock_mono_ms();
    assert_int_equal(transfer_end(&l, &t, &turns), CURLE_OPERATION_TIMEDOUT);
    assert_in_range(clock_mono_ms() - began, 140, 5000);
    kube_loop_fini(&l);
    script_stop(s);
}

static void *wake_soon(void *arg)
{
    (void)usleep(50000);
    kube_loop_wake(arg);
    return NULL;
}

static void given_a_long_wait_when_another_thread_wakes_it_then_it_ends(void **state)
{
    (void)state;
    struct kube_loop l;
    pthread_t thread;
    kube_loop_init(&l, &quiet);
    int64_t began = clock_mono_ms();
    assert_int_equal(pthread_create(&thread, NULL, wake_soon, &l), 0);
    kube_loop_run(&l, 20000);
    assert_in_range(clock_mono_ms() - began, 40, 10000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    began = clock_mono_ms();
    kube_loop_run(&l, 50); /* one wake ends one wait */
    assert_in_range(clock_mono_ms() - began, 45, 10000);
    kube_loop_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_small_pieces_when_they_are_read_then_they_are_whole_and_in_order),
        cmocka_unit_test(
            given_a_list_in_small_pieces_when_it_is_bulk_then_many_are_taken_in_one_turn),
        cmocka_unit_test(
            given_a_silent_server_when_the_transfer_has_a_limit_then_it_ends_at_the_limit),
        cmocka_unit_test(given_a_long_wait_when_another_thread_wakes_it_then_it_ends),
    };
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
