/* RFC 3339 in and out, and what is not RFC 3339 refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static void given_times_when_parsed_then_unix_ms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-11-23T10:24:40Z", 1795429480000},
                {"2026-11-23T10:24:40.213Z", 1795429480213},
                {"2026-11-23T10:24:40.5+02:30", 1795420480500},
                {"2024-02-29T23:59:59.123456789Z", 1709251199123}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = -1;
        assert_true(clock_parse(good[i].text, strlen(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"",
                                      "2026-11-23",
                                      "2026-11-23T10:24:40",
                                      "2026-13-23T10:24:40Z",
                                      "2026-11-23T10:24:40.Z",
                                      "2026-11-23T10:24:40Zx",
                                      "null"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = -1;
        assert_false(clock_parse(bad[i], strlen(bad[i]), &ms));
    }
}

static void given_a_time_when_formatted_then_it_parses_back(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    assert_string_equal(clock_format(1795429480213, text), "2026-11-23T10:24:40.213Z");
    assert_string_equal(clock_format(0, text), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_times_when_parsed_then_unix_ms),
        cmocka_unit_test(given_a_time_when_formatted_then_it_parses_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
