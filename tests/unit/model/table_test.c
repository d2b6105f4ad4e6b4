/* Field tables: rows of one protobuf number stand side by side, as the reader's search relies on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/object.h"

static void check_table(const struct field_table *t, int depth)
{
    assert_true(depth < 16);
    assert_non_null(t->plan); /* the readers need its room */
    assert_true(t->n < UINT8_MAX);
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t k = i + 1; k < t->n; k++) {
            if (t->fields[k].pb == t->fields[i].pb && t->fields[i].pb != 0) {
                for (uint32_t between = i; between <= k; between++) {
                    assert_int_equal(t->fields[between].pb, t->fields[i].pb);
                }
            }
        }
        if (t->fields[i].sub != NULL) {
            check_table(t->fields[i].sub, depth + 1);
        }
    }
}

static void given_every_kind_when_its_tables_are_walked_then_numbers_stand_together(void **state)
{
    (void)state;
    for (int i = 0; i < KIND_COUNT; i++) {
        check_table(kind_info((enum kind)i)->table, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_every_kind_when_its_tables_are_walked_then_numbers_stand_together)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
