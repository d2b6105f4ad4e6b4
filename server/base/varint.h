/* Base-128 varints, the least significant group first: protobuf's, and those of packed records. */
#ifndef GATEHOUSE_BASE_VARINT_H
#define GATEHOUSE_BASE_VARINT_H

#include <stdbool.h>
#include <stdint.h>

/* The number at *p, which moves behind it. false: it does not end before `end`, or after ten bytes.
 * Thread: any. */
static inline bool varint_read(const unsigned char **p, const unsigned char *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        unsigned char c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

#endif
