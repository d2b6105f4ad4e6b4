/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms. */
#ifndef GATEHOUSE_BASE_UTF8_H
#define GATEHOUSE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Length of the valid sequence at p (1 to 4), 0 when it is not one. room >= 1. */
size_t utf8_length(const unsigned char *p, size_t room);

/* Copies len bytes as a NUL-terminated text: each invalid byte and each NUL becomes U+FFFD. */
const char *utf8_clean(struct arena *a, const char *data, size_t len);

#endif
