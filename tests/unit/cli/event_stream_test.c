/* Event streams: every way of cutting the same bytes gives the same events; what is too long ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/event_stream.h"

enum { LIMIT = 64 };

struct heard {
    struct buf text; /* "name=data;" of each */
    int n;
    int enough; /* the event after which no more are wanted; 0 = none */
};

static bool hear(void *arg, const char *name, const char *data, size_t len)
{
    struct heard *h = arg;
    assert_int_equal(strlen(data), len);
    (void)buf_addf(&h->text, "%s=%s;", name, data);
    return ++h->n != h->enough;
}

static const char whole[] = ":\n\n"
                            "event: progress\ndata: {\"a\": 1}\n\n"
                            "event: of no data\n\n"
                            "data:x\r\ndata: y\r\nid: 7\r\nretry: 1\r\n\r\n"
                            ": a comment\revent:result\rdata\rdata: z: z\r\r"
                            "data: not whole";
static const char want[] = "progress={\"a\": 1};message=x\ny;result=\nz: z;";

static void test_pieces_of_any_size_give_the_same_events(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof whole; piece++) {
        AUTO(event_stream) s = EVENT_STREAM_INIT(LIMIT);
        struct heard h = {.text = BUF_INIT(1024)};
        for (size_t at = 0; at < sizeof whole - 1; at += piece) {
            size_t left = sizeof whole - 1 - at;
            assert_true(event_stream_feed(&s, whole + at, left < piece ? left : piece, hear, &h));
            assert_false(s.broken);
        }
        assert_string_equal(buf_str(&h.text), want);
        buf_fini(&h.text);
    }
}

static void test_it_ends_where_the_taker_has_enough(void **state)
{
    (void)state;
    AUTO(event_stream) s = EVENT_STREAM_INIT(LIMIT);
    struct heard h = {.text = BUF_INIT(1024), .enough = 2};
    assert_false(event_stream_feed(&s, whole, sizeof whole - 1, hear, &h));
    assert_false(s.broken);
    assert_int_equal(h.n, 2);
    buf_fini(&h.text);
}

static void test_a_line_or_an_event_past_the_limit_is_broken(void **state)
{
    (void)state;
    static const char line[] =
        "data: 0123456789012345678901234567890123456789012345678901234567890";
    for (int n = 1; n <= 2; n++) { /* one long line, or an event of lines that fit */
        AUTO(event_stream) s = EVENT_STREAM_INIT(LIMIT);
        struct heard h = {.text = BUF_INIT(1024)};
        bool more = true;
        for (int i = 0; i < 2 && more; i++) {
            size_t len = n == 1 ? sizeof line - 1 : 50;
            more = event_stream_feed(&s, line, len, hear, &h) &&
                   event_stream_feed(&s, "\n", (size_t)n - 1, hear, &h);
        }
        assert_true(s.broken);
        assert_int_equal(h.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_of_any_size_give_the_same_events),
        cmocka_unit_test(test_it_ends_where_the_taker_has_enough),
        cmocka_unit_test(test_a_line_or_an_event_past_the_limit_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
