/*
 * A hash map from int64 to int64, and a set when values are not wanted: open addressing, one
 * allocation, no memory per entry. Inside this folder. Thread: the owner's.
 */
#ifndef GATEHOUSE_STORE_IDMAP_H
#define GATEHOUSE_STORE_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A zeroed one is empty. Keys: anything but INT64_MIN. */
struct idmap {
    int64_t *keys;
    int64_t *values; /* NULL in a set */
    size_t cap;      /* a power of two, 0 = nothing allocated */
    size_t n;
    bool is_set;
};

void idmap_fini(struct idmap *m);
void idmap_clear(struct idmap *m); /* gives large memory back */
/* true when the key is new. */
bool idmap_put(struct idmap *m, int64_t key, int64_t value);
/* Adds to the value (0 when absent). */
void idmap_add(struct idmap *m, int64_t key, int64_t delta);
bool idmap_has(const struct idmap *m, int64_t key);
int64_t idmap_get(const struct idmap *m, int64_t key, int64_t absent);
bool idmap_remove(struct idmap *m, int64_t key); /* true when it was there */
/* Next entry from *pos on (start with 0); false at the end. ret_value may be NULL. */
bool idmap_next(const struct idmap *m, size_t *pos, int64_t *ret_key, int64_t *ret_value);

/* FNV-1a of a text, never 0. */
uint64_t text_hash(const char *text);

#endif
