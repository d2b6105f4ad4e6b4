/* Quoted messages: the same trouble reads the same, whichever call met it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/quote.h"

static void what_differs_from_call_to_call_is_left_out(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"StatusCode: 403, RequestID: 00000000-0000-0000-0000-795429345994, api error AccessDenied",
         "StatusCode: 403, api error AccessDenied"},
        {"StatusCode: 0, RequestID: , request send failed, Post \"https://x/\": EOF",
         "StatusCode: 0, request send failed, Post \"https://x/\": EOF"},
        {"AccessDenied: no\n\tstatus code: 403, request id: 362bc6af-0d9f-4b63-a3c5-b5b1ac7adbd5",
         "AccessDenied: no\n\tstatus code: 403"},
        {"(Service: AmazonEC2; Request ID: 7a_b=) and (Request ID: 8)",
         "(Service: AmazonEC2;) and ()"},
        {"You are not authorized. Encoded authorization failure message: Zm9v_-YmFy/+==, "
         "RequestID: 1, then",
         "You are not authorized., then"},
        {"RequestID: 1", ""},
        {"", ""},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(quote_steady(a, cases[i][0]), cases[i][1]);
    }
    static const char plain[] = "TooManyTargets: You have no request left, id 7";
    assert_ptr_equal(quote_steady(a, plain), plain);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_from_call_to_call_is_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
