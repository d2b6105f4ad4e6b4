/*
 * Allocation that does not fail: out of memory ends the process (libh2o does so anyway), so normal
 * code has no out-of-memory branches. Sizes are checked for overflow.
 */
#ifndef GATEHOUSE_BASE_MEM_H
#define GATEHOUSE_BASE_MEM_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
/* Grows an array to at least `need` items of `size` bytes, doubling; *cap is updated. Returns the
 * array. */
void *xgrow(void *p, size_t *cap, size_t need, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));

#endif
