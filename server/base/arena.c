/* The arena: a list of chunks, newest first; objects of more than half a chunk get one of their
 * own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ARENA_ALIGN = 16, ARENA_CHUNK = 4096, ARENA_CHUNK_MAX = 256 * 1024 };

struct chunk {
    struct chunk *next;
    size_t size; /* bytes behind the header */
    size_t used;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

struct arena {
    struct chunk *head;
    size_t next_size;
    size_t bytes;
};

static struct chunk *chunk_add(struct arena *a, size_t size)
{
    struct chunk *c = xmalloc(sizeof *c + size);
    c->next = a->head;
    c->size = size;
    c->used = 0;
    a->head = c;
    a->bytes += sizeof *c + size;
    return c;
}

struct arena *arena_new(size_t first_chunk)
{
    struct arena *a = xcalloc(1, sizeof *a);
    a->next_size = first_chunk != 0 ? first_chunk : ARENA_CHUNK;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL) {
        return;
    }
    for (struct chunk *c = a->head; c != NULL;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    free(a);
}

void arena_reset(struct arena *a)
{
    struct chunk *keep = a->head;
    if (keep == NULL) {
        return;
    }
    for (struct chunk *c = keep->next; c != NULL;) {
        struct chunk *next = c->next;
        free(c);
        c = next;
    }
    keep->next = NULL;
    keep->used = 0;
    a->bytes = sizeof *keep + keep->size;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = (size + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
    struct chunk *c = a->head;
    if (c == NULL || c->size - c->used < need) {
        size_t chunk = a->next_size > need ? a->next_size : need;
        if (a->next_size < ARENA_CHUNK_MAX) {
            a->next_size *= 2;
        }
        c = chunk_add(a, chunk);
    }
    void *p = c->data + c->used;
    c->used += need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n != 0) {
        memcpy(copy, s, n);
    }
    copy[n] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t len = n > 0 ? (size_t)n : 0;
    char *text = arena_alloc(a, len + 1);
    text[0] = '\0';
    (void)vsnprintf(text, len + 1, fmt, again); /* sized by the call above */
    va_end(again);
    return text;
}

size_t arena_bytes(const struct arena *a)
{
    return a->bytes;
}
