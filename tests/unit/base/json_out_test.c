/* Every foreign byte is escaped or replaced; commas stand where they belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"

static void given_odd_bytes_when_written_then_valid_json(void **state)
{
    (void)state;
    AUTO(buf) b = BUF_INIT(1024);
    struct json_out j = json_out(&b);
    json_open(&j, '{');
    json_kstr(&j, "a", "q\"b\\s\nn<\x01");
    json_kstr(&j, "b", "bad\xff\xc0\xaf ok\xc3\xa9 sur\xed\xa0\x80");
    json_kint(&j, "c", INT64_MIN);
    json_key(&j, "d");
    json_open(&j, '[');
    json_num(&j, 1.5);
    json_num(&j, 2.0);
    json_nil(&j);
    json_close(&j, ']');
    json_close(&j, '}');
    assert_string_equal(
        buf_str(&b),
        "{\"a\":\"q\\\"b\\\\s\\nn\\u003c\\u0001\",\"b\":\"bad\\ufffd\\ufffd\\ufffd ok\xc3\xa9 "
        "sur\\ufffd\\ufffd\\ufffd\",\"c\":-9223372036854775808,\"d\":[1.5,2,null]}");
}

static void given_a_full_buffer_when_added_then_overflow_is_remembered(void **state)
{
    (void)state;
    AUTO(buf) b = BUF_INIT(4);
    assert_true(buf_addz(&b, "abc"));
    assert_false(buf_addz(&b, "de"));
    assert_true(b.overflow);
    assert_false(buf_addz(&b, "d"));
    assert_string_equal(buf_str(&b), "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_odd_bytes_when_written_then_valid_json),
        cmocka_unit_test(given_a_full_buffer_when_added_then_overflow_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
