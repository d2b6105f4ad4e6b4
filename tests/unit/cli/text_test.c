/* What the client commands say: foreign text is harmless, ages and cuts, the exit code of a
 * verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/wait.h"

static void test_control_characters_never_reach_a_terminal(void **state)
{
    (void)state;
    AUTO(buf) out = BUF_INIT(256);
    text_clean(&out,
               "a\x1b[31mb\nc\x7f\xc2\x9b"
               "d\xff\xc3\xa9",
               false);
    assert_string_equal(buf_str(&out), "a [31mb c  d?\xc3\xa9");
    buf_clear(&out);
    text_clean(&out, "a\nb\rc", true);
    assert_string_equal(buf_str(&out), "a\nb c");
}

static void test_ages_are_short(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {{-5, "0s"},    {59, "59s"},     {61, "1m01s"},      {600, "10m"},
                 {3599, "59m"}, {3660, "1h01m"}, {172799, "47h59m"}, {172800, "2d"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buf) out = BUF_INIT(32);
        text_age(&out, cases[i].s * 1000);
        assert_string_equal(buf_str(&out), cases[i].text);
    }
}

static void test_a_cut_counts_characters_and_splits_none(void **state)
{
    (void)state;
    AUTO(buf) out = BUF_INIT(32);
    text_cut(&out, 3);
    (void)buf_addz(&out, "a\xc3\xa9\xe2\x82\xac"
                         "d");
    text_cut(&out, 3);
    assert_string_equal(buf_str(&out), "a\xc3\xa9\xe2\x82\xac");
}

static int code_of(const char *text, bool late)
{
    AUTO_PTR(json_t) answer = json_loads(text, 0, NULL);
    assert_non_null(answer);
    return wait_code(answer, late);
}

static void test_a_verdict_is_an_exit_code(void **state)
{
    (void)state;
    assert_int_equal(code_of("{\"met\":true,\"verdict\":\"serving\"}", false), EXIT_FINE);
    assert_int_equal(code_of("{\"met\":false,\"verdict\":\"failed\"}", false), EXIT_FAILED);
    assert_int_equal(code_of("{\"met\":false,\"verdict\":\"superseded\"}", false), EXIT_SUPERSEDED);
    assert_int_equal(code_of("{\"met\":false,\"verdict\":\"waiting\"}", false), -1);
    assert_int_equal(code_of("{\"met\":false,\"verdict\":\"waiting\",\"rollout\":null}", true),
                     EXIT_TIMEOUT);
    /* nobody knows how it is: that is not the rollout's fault */
    assert_int_equal(code_of("{\"verdict\":\"waiting\",\"rollout\":{\"stale\":true}}", true),
                     EXIT_UNREACHABLE);
    assert_int_equal(code_of("{\"verdict\":\"waiting\",\"sources\":[{\"name\":\"kubernetes\","
                             "\"state\":\"unreachable\"}]}",
                             true),
                     EXIT_UNREACHABLE);
    /* complete, but waited for serving: the server says whether that is it */
    assert_int_equal(code_of("{\"met\":false,\"verdict\":\"serving\"}", false), -1);
}

static void test_the_result_names_the_cause_and_what_to_do(void **state)
{
    (void)state;
    AUTO(buf) out = BUF_INIT(4096);
    AUTO_PTR(json_t)
    answer = json_loads("{\"verdict\":\"failed\",\"rollout\":{\"state\":\"failed\",\"revision\":"
                        "\"7\",\"gates\":{\"total\":2,"
                        "\"open\":1,\"missing\":1},\"pods\":{\"ready\":1,\"desired\":2,\"old\":1},"
                        "\"cause\":{\"code\":\"x\","
                        "\"severity\":\"error\",\"message\":\"m\\u001b[0m\",\"action\":\"a\","
                        "\"commands\":[\"c1\",\"c2\"]}}}",
                        0, NULL);
    wait_result(answer, "shop/web", EXIT_FAILED, 61000, &out);
    assert_string_equal(buf_str(&out),
                        "shop/web has failed, it is failed, revision 7: 1 of 2 gates open, 1 of 2 "
                        "pods ready, 1 without a gate, 1 old; waited 1m01s\n"
                        "  error x: m [0m\n    do:  a\n    run: c1\n         c2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_characters_never_reach_a_terminal),
        cmocka_unit_test(test_ages_are_short),
        cmocka_unit_test(test_a_cut_counts_characters_and_splits_none),
        cmocka_unit_test(test_a_verdict_is_an_exit_code),
        cmocka_unit_test(test_the_result_names_the_cause_and_what_to_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
