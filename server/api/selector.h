/* Label selectors as Kubernetes writes them, from a query parameter. Pure. */
#ifndef GATEHOUSE_API_SELECTOR_H
#define GATEHOUSE_API_SELECTOR_H

#include "base/arena.h"
#include "model/object.h"

enum { SELECTOR_TERMS_MAX = 32, SELECTOR_VALUES_MAX = 64, SELECTOR_BYTES_MAX = 2048 };

/* "a=b,c!=d,e in (f,g),h notin (i),j,!k" into a selector in the arena. As in Kubernetes, != and
 * notin also match what lacks the key. ERR_INPUT with the place. */
bool selector_parse(const char *text, struct arena *a, struct selector *ret,
                    struct err *err) MUST_CHECK;

#endif
