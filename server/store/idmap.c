/* The int64 map (see idmap.h): linear probing, load at most 3/4, backward shift on removal. */
#include "store/idmap.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { FIRST_CAP = 16, KEEP_CAP = 4096 };

static const int64_t EMPTY = INT64_MIN;

static size_t place(const struct idmap *m, int64_t key)
{
    uint64_t h = (uint64_t)key * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(h >> 32) & (m->cap - 1);
}

static size_t find(const struct idmap *m, int64_t key)
{
    size_t i = place(m, key);
    while (m->keys[i] != EMPTY && m->keys[i] != key) {
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

static void allocate(struct idmap *m, size_t cap)
{
    m->cap = cap;
    m->n = 0;
    m->keys = xmalloc(cap * sizeof *m->keys);
    m->values = m->is_set ? NULL : xmalloc(cap * sizeof *m->values);
    for (size_t i = 0; i < cap; i++) {
        m->keys[i] = EMPTY;
    }
}

static void grow(struct idmap *m)
{
    struct idmap old = *m;
    allocate(m, old.cap != 0 ? old.cap * 2 : FIRST_CAP);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.keys[i] != EMPTY) {
            size_t at = find(m, old.keys[i]);
            m->keys[at] = old.keys[i];
            if (m->values != NULL) {
                m->values[at] = old.values[i];
            }
            m->n++;
        }
    }
    free(old.keys);
    free(old.values);
}

void idmap_fini(struct idmap *m)
{
    free(m->keys);
    free(m->values);
    *m = (struct idmap){.is_set = m->is_set};
}

void idmap_clear(struct idmap *m)
{
    if (m->cap > KEEP_CAP) {
        idmap_fini(m);
        return;
    }
    for (size_t i = 0; i < m->cap; i++) {
        m->keys[i] = EMPTY;
    }
    m->n = 0;
}

bool idmap_put(struct idmap *m, int64_t key, int64_t value)
{
    if ((m->n + 1) * 4 > m->cap * 3) {
        grow(m);
    }
    size_t i = find(m, key);
    bool fresh = m->keys[i] == EMPTY;
    m->keys[i] = key;
    m->n += fresh ? 1 : 0;
    if (m->values != NULL) {
        m->values[i] = value;
    }
    return fresh;
}

void idmap_add(struct idmap *m, int64_t key, int64_t delta)
{
    (void)idmap_put(m, key, idmap_get(m, key, 0) + delta); /* new or not does not matter */
}

bool idmap_has(const struct idmap *m, int64_t key)
{
    return m->n != 0 && m->keys[find(m, key)] == key;
}

int64_t idmap_get(const struct idmap *m, int64_t key, int64_t absent)
{
    if (m->n == 0 || m->values == NULL) {
        return absent;
    }
    size_t i = find(m, key);
    return m->keys[i] == key ? m->values[i] : absent;
}

bool idmap_remove(struct idmap *m, int64_t key)
{
    if (!idmap_has(m, key)) {
        return false;
    }
    size_t hole = find(m, key);
    for (size_t i = (hole + 1) & (m->cap - 1); m->keys[i] != EMPTY; i = (i + 1) & (m->cap - 1)) {
        size_t home = place(m, m->keys[i]);
        bool movable = ((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1));
        if (movable) {
            m->keys[hole] = m->keys[i];
            if (m->values != NULL) {
                m->values[hole] = m->values[i];
            }
            hole = i;
        }
    }
    m->keys[hole] = EMPTY;
    m->n--;
    return true;
}

bool idmap_next(const struct idmap *m, size_t *pos, int64_t *ret_key, int64_t *ret_value)
{
    for (; *pos < m->cap; (*pos)++) {
        if (m->keys[*pos] != EMPTY) {
            *ret_key = m->keys[*pos];
            if (ret_value != NULL) {
                *ret_value = m->values != NULL ? m->values[*pos] : 0;
            }
            (*pos)++;
            return true;
        }
    }
    return false;
}

uint64_t text_hash(const char *text)
{
    uint64_t h = hash_text(HASH_SEED, text);
    return h != 0 ? h : 1;
}
