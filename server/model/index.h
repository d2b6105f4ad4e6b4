/*
 * A small hash index over items that live in an array of the caller: hash -> item number, open
 * addressing, in an arena. It makes joins by address and by name linear; items are compared by the
 * caller.
 *
 *   for (uint32_t at = index_start(&ix, h), i; index_next(&ix, &at, &i);) compare item i ...
 */
#ifndef GATEHOUSE_MODEL_INDEX_H
#define GATEHOUSE_MODEL_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct index {
    uint32_t *slots; /* item number + 1; 0 = free. NULL = empty index */
    uint32_t mask;
    uint32_t n;
};

/* FNV-1a over text, chained: start with INDEX_SEED. */
#define INDEX_SEED UINT32_C(2166136261)
static inline uint32_t index_hash(uint32_t h, const char *text)
{
    for (; *text != '\0'; text++) {
        h = (h ^ (unsigned char)*text) * UINT32_C(16777619);
    }
    return h;
}
static inline uint32_t index_hash_bytes(uint32_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT32_C(16777619);
    }
    return h;
}

/* Room for `items` items at half load. Items past it must not be added. */
static inline void index_init(struct index *ix, struct arena *a, uint32_t items)
{
    uint32_t size = 8;
    while (size < items * 2) {
        size *= 2;
    }
    *ix = (struct index){arena_array(a, uint32_t, size), size - 1, 0};
}

static inline void index_add(struct index *ix, uint32_t hash, uint32_t item)
{
    uint32_t at = hash & ix->mask;
    while (ix->slots[at] != 0) {
        at = (at + 1) & ix->mask;
    }
    ix->slots[at] = item + 1;
    ix->n++;
}

static inline uint32_t index_start(const struct index *ix, uint32_t hash)
{
    return hash & ix->mask;
}

/* The next candidate of the chain; false at its end. */
static inline bool index_next(const struct index *ix, uint32_t *at, uint32_t *ret_item)
{
    if (ix->slots == NULL || ix->slots[*at] == 0) {
        return false;
    }
    *ret_item = ix->slots[*at] - 1;
    *at = (*at + 1) & ix->mask;
    return true;
}

#endif
