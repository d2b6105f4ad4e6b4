/* The arena: alignment, shared chunks that go from one arena to the next, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/utf8.h"

static void given_texts_between_structs_then_structs_are_aligned_and_nothing_overlaps(void **state)
{
    (void)state;
    enum { N = 2000 };
    AUTO_PTR(arena) a = arena_new(64);
    int64_t *numbers[N];
    char *texts[N];
    for (int i = 0; i < N; i++) {
        texts[i] = arena_strndup(a, "abcdefghijklmnop", (size_t)(i % 17));
        numbers[i] = arena_alloc(a, sizeof(int64_t));
        assert_int_equal((uintptr_t)numbers[i] % 16, 0);
        *numbers[i] = -1 - i;
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(strlen(texts[i]), i % 17);
        assert_int_equal(*numbers[i], -1 - i);
    }
}

static void given_a_shared_arena_when_it_is_freed_then_the_next_one_gets_its_memory(void **state)
{
    (void)state;
    struct arena *first = arena_new(ARENA_SHARED);
    void *p = arena_alloc(first, 100);
    assert_int_equal(arena_bytes(first), ARENA_SHARED);
    arena_free(first);
#ifdef __SANITIZE_ADDRESS__
    skip(); /* there it must be seen when freed memory is used */
#endif
    AUTO_PTR(arena) second = arena_new(ARENA_SHARED);
    assert_ptr_equal(arena_alloc(second, 100), p);
}

static void
given_a_shared_arena_when_more_is_asked_for_then_its_chunks_stay_of_one_size(void **state)
{
    (void)state;
    AUTO_PTR(arena) a = arena_new(ARENA_SHARED);
    assert_int_equal(arena_used(a), 0);
    for (int i = 0; i < 100; i++) {
        memset(arena_alloc(a, 10000), i, 10000);
    }
    assert_int_equal(arena_bytes(a) % ARENA_SHARED, 0);
    assert_true(arena_used(a) >= 1000000 && arena_used(a) <= arena_bytes(a));
    memset(arena_alloc(a, 10 * ARENA_SHARED), 1, 10 * ARENA_SHARED); /* one of its own */
    arena_reset(a);
    assert_true(arena_used(a) < 100);
}

static void given_texts_of_every_length_then_only_what_is_no_text_is_replaced(void **state)
{
    (void)state;
    static const char sixteen[] = "0123456789abcdef";
    AUTO_PTR(arena) a = arena_new(0);
    for (size_t len = 0; len < sizeof sixteen; len++) {
        assert_memory_equal(utf8_clean(a, sixteen, len), sixteen, len);
        assert_int_equal(strlen(utf8_clean(a, sixteen, len)), len);
        for (size_t bad = 0; bad < len; bad++) {
            char text[sizeof sixteen];
            memcpy(text, sixteen, sizeof text);
            text[bad] = bad % 2 == 0 ? '\0' : '\xff';
            const char *clean = utf8_clean(a, text, len);
            assert_int_equal(strlen(clean), len + 2);
            assert_memory_equal(clean, sixteen, bad);
            assert_memory_equal(clean + bad, "\xef\xbf\xbd", 3);
            assert_memory_equal(clean + bad + 3, sixteen + bad + 1, len - bad - 1);
        }
    }
    static const char word[] = "Gr\xc3\xbc\xc3\x9f"
                               "e aus \xf0\x9f\x9a\xa2";
    assert_string_equal(utf8_clean(a, word, sizeof word - 1), word);
    assert_string_equal(utf8_clean(a, word, sizeof word - 2),
                        "Gr\xc3\xbc\xc3\x9f"
                        "e aus "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_texts_between_structs_then_structs_are_aligned_and_nothing_overlaps),
        cmocka_unit_test(given_a_shared_arena_when_it_is_freed_then_the_next_one_gets_its_memory),
        cmocka_unit_test(
            given_a_shared_arena_when_more_is_asked_for_then_its_chunks_stay_of_one_size),
        cmocka_unit_test(given_texts_of_every_length_then_only_what_is_no_text_is_replaced)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
