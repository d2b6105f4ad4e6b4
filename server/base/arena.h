/*
 * An arena: many small allocations, one free. Crosses threads only by moving the whole arena with
 * the change that lives in it. Memory is not zeroed unless asked.
 */
#ifndef GATEHOUSE_BASE_ARENA_H
#define GATEHOUSE_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/own.h"

struct arena;

enum { ARENA_SHARED = 64 << 10 };

/* first_chunk 0 = 4 KiB; later chunks double. ARENA_SHARED: all chunks have that size, and are kept
 * (a few of them) for the next such arena of any thread. */
struct arena *arena_new(size_t first_chunk);
void arena_free(struct arena *a); /* accepts NULL */
DEFINE_AUTO_PTR(arena, arena_free)
void arena_reset(struct arena *a); /* keeps one chunk */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) FORMAT(2, 3)
    __attribute__((returns_nonnull));
/* Room for a text: not aligned. */
char *arena_text(struct arena *a, size_t size) __attribute__((returns_nonnull));
size_t
arena_bytes(const struct arena *a); /* bytes allocated from the system, for weights and limits */
/* Bytes of those that are handed out, or lost at the end of a chunk. */
size_t arena_used(const struct arena *a);

/* An array of n zeroed items of a type. */
#define arena_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))

#endif
