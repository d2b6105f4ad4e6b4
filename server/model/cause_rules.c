/*
 * The rules of the catalogue in their order. A rule reads the work sheet and starts findings; it
 * changes nothing else. Order matters only where a rule asks whether an earlier one has spoken.
 */
#include "model/cause_in.h"

static void (*const rules[])(struct judge *j) = {
    causes_health,
};

void causes_find(struct judge *j)
{
    for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        rules[i](j);
    }
}
