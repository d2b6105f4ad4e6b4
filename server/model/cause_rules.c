/*
 * The rules of the catalogue in their order. A rule reads the work sheet and claims findings; it
 * changes nothing else. Order matters only where a rule asks whether an earlier one has spoken: the
 * controller's rules leave bindings alone whose registration is known to fail, and what nothing
 * explains comes last.
 */
#include "model/cause_in.h"

static void (*const rules[])(struct judge *j) = {
    causes_node,     causes_start,      causes_creation, causes_missing, causes_closed,
    causes_register, causes_controller, causes_health,   causes_exposed, causes_drain,
    causes_unbound,  causes_rollout,    claims_write,
};

void causes_find(struct judge *j)
{
    sight_open(j);
    for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        rules[i](j);
    }
}
