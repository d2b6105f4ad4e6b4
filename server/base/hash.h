/*
 * FNV-1a of texts, 64 bits: for tables, and for telling apart what comes from the same hands. Who
 * chooses the texts can make them meet: whatever must not be fooled compares the texts too, or uses
 * base/digest.h. Any thread.
 */
#ifndef GATEHOUSE_BASE_HASH_H
#define GATEHOUSE_BASE_HASH_H

#include <stdint.h>

#define HASH_SEED  UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

/* The text added to h, which starts as HASH_SEED. */
static inline uint64_t hash_text(uint64_t h, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        h = (h ^ (unsigned char)*p) * HASH_PRIME;
    }
    return h;
}

/* ... as one of several: ("ab", "c") is not ("a", "bc"). */
static inline uint64_t hash_part(uint64_t h, const char *text)
{
    return (hash_text(h, text) ^ 0xff) * HASH_PRIME;
}

#endif
