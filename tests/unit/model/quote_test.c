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
        {"(combined from similar events): Failed reconcile due to EOF, RequestID: 1",
         "Failed reconcile due to EOF"},
        {"Get \"http://10.1.0.9:8080/up\": read tcp 10.1.0.1:43210->10.1.0.9:8080: read: "
         "connection reset by peer",
         "Get \"http://10.1.0.9:8080/up\": read tcp 10.1.0.1->10.1.0.9:8080: read: "
         "connection reset by peer"},
        {"write tcp6 [fd00::1]:9->[fd00::27]:1500: broken pipe, read udp4 "
         "1.2.3.4:56789->5.6.7.8:53",
         "write tcp6 [fd00::1]->[fd00::27]:1500: broken pipe, read udp4 1.2.3.4->5.6.7.8:53"},
        {"for sandbox \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\": no "
         "address"
         " from /ip/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "for sandbox \"...\": no address from /ip/..."},
        {"x509: certificate has expired or is not yet valid: current time "
         "2026-01-02T03:04:05+01:00 "
         "is after 2025-12-31T00:00:00Z",
         "x509: certificate has expired or is not yet valid: current time is after "
         "2025-12-31T00:00:00Z"},
        {"", ""},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(quote_steady(a, cases[i][0]), cases[i][1]);
    }
    arena_free(a);
}

static void what_tells_something_stays(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "TooManyTargets: You have no request left, id 7",
        "dial tcp 10.1.0.9:8080: connect: connection refused",
        "dial tcp 10.1.0.1->10.1.0.9:8080: connect: connection refused",
        "redirect 10.1.0.1:80->10.1.0.9:8080", /* no words of Go's */
        "port 80->8080, tcp :80->8080",
        "web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
        "g0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "the current time is not known",
        "current time 2026",
        "combined from similar events",
        "->",
        "tcp 1:2",
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_ptr_equal(quote_steady(a, cases[i]), cases[i]);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_from_call_to_call_is_left_out),
        cmocka_unit_test(what_tells_something_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
