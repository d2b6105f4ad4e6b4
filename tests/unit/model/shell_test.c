/* Words for a shell: what a shell reads is the name again, whatever it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/shell.h"

static void words_stay_one_word(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"web-1.a_b:80/x=y,z", "web-1.a_b:80/x=y,z"},
        {"", "''"},
        {"a b", "'a b'"},
        {"$(id)`id`;", "'$(id)`id`;'"},
        {"*~#!&|<>\\\"\n", "'*~#!&|<>\\\"\n'"},
        {"it's", "'it'\\''s'"},
        {"''", "''\\'''\\'''"},
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(shell_word(a, cases[i][0]), cases[i][1]);
    }
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_stay_one_word)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
