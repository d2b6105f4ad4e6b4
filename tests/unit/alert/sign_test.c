/* Standard Webhooks signatures: the specification's own example, and secrets that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alert/sign.h"

static void given_the_specs_example_when_signed_then_the_signature_is_its(void **state)
{
    (void)state;
    char text[SIGN_SIZE] = "";
    struct err err = {0};
    assert_true(sign_standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                              "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                              text, &err));
    assert_string_equal(text, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void given_one_byte_more_when_signed_then_the_signature_differs(void **state)
{
    (void)state;
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    char a[SIGN_SIZE] = "";
    char b[SIGN_SIZE] = "";
    assert_true(sign_standard(secret, "msg_1", 1, "{}", a, NULL));
    assert_true(sign_standard(secret, "msg_1", 2, "{}", b, NULL));
    assert_string_not_equal(a, b);
    assert_true(sign_standard(secret, "msg_2", 1, "{}", b, NULL));
    assert_string_not_equal(a, b);
    assert_true(sign_standard(secret, "msg_1", 1, "{} ", b, NULL));
    assert_string_not_equal(a, b);
}

static void given_no_such_secret_when_signed_then_an_error_without_the_secret(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                      "whsec_not base64", "whsec_abc"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[SIGN_SIZE] = "";
        struct err err = {0};
        if (strcmp(bad[i], "whsec_") == 0) {
            continue; /* an empty key is the configuration check's to refuse */
        }
        assert_false(sign_standard(bad[i], "msg_1", 1, "{}", text, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_null(strstr(err.text, "base64_secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_the_specs_example_when_signed_then_the_signature_is_its),
        cmocka_unit_test(given_one_byte_more_when_signed_then_the_signature_differs),
        cmocka_unit_test(given_no_such_secret_when_signed_then_an_error_without_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
