/*
 * The arena: a list of chunks, newest first; objects of more than half a chunk get one of their
 * own.
 *
 * Chunks of one size, ARENA_SHARED, are kept for the next arena when theirs is freed: while a list
 * comes in, one thread fills arenas and another frees them at some 20 MB a second, and memory that
 * goes back to the system each time comes back page by page.
 */
#include "base/arena.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
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
    bool shared; /* its chunks are ARENA_SHARED */
    size_t bytes;
};

#ifndef __has_feature /* clang's way to ask */
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { KEEPS_SPARE = 0 }; /* a use after free is to be seen */
#else
enum { KEEPS_SPARE = 1 };
#endif
enum { SPARE_MAX = 32, SHARED_SIZE = ARENA_SHARED - sizeof(struct chunk) };

static struct {
    pthread_mutex_t lock;
    struct chunk *chunks;
    unsigned n;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct chunk *chunk_new(size_t size)
{
    struct chunk *c = NULL;
    if (size == SHARED_SIZE) {
        (void)pthread_mutex_lock(&spare.lock);
        if (spare.n > 0) {
            c = spare.chunks;
            spare.chunks = c->next;
            spare.n--;
        }
        (void)pthread_mutex_unlock(&spare.lock);
    }
    return c != NULL ? c : xmalloc(sizeof *c + size);
}

static void chunk_free(struct chunk *c)
{
    if (KEEPS_SPARE && c->size == SHARED_SIZE) {
        (void)pthread_mutex_lock(&spare.lock);
        if (spare.n < SPARE_MAX) {
            c->next = spare.chunks;
            spare.chunks = c;
            spare.n++;
            c = NULL;
        }
        (void)pthread_mutex_unlock(&spare.lock);
    }
    free(c);
}

static struct chunk *chunk_add(struct arena *a, size_t size)
{
    struct chunk *c = chunk_new(size);
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
    a->shared = first_chunk == ARENA_SHARED;
    a->next_size = a->shared ? SHARED_SIZE : first_chunk != 0 ? first_chunk : ARENA_CHUNK;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL) {
        return;
    }
    for (struct chunk *c = a->head; c != NULL;) {
        struct chunk *next = c->next;
        chunk_free(c);
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
        chunk_free(c);
        c = next;
    }
    keep->next = NULL;
    keep->used = 0;
    a->bytes = sizeof *keep + keep->size;
}

static struct chunk *grow(struct arena *a, size_t size)
{
    size_t chunk = a->next_size > size ? a->next_size : size;
    if (!a->shared && a->next_size < ARENA_CHUNK_MAX) {
        a->next_size *= 2;
    }
    return chunk_add(a, chunk);
}

static inline void *take(struct arena *a, size_t align, size_t size)
{
    struct chunk *c = a->head;
    size_t at = c != NULL ? (c->used + (align - 1)) & ~(align - 1) : 0;
    if (c == NULL || at > c->size || c->size - at < size) {
        c = grow(a, size);
        at = 0;
    }
    c->used = at + size;
    return c->data + at;
}

void *arena_alloc(struct arena *a, size_t size)
{
    return take(a, ARENA_ALIGN, size);
}

char *arena_text(struct arena *a, size_t size)
{
    return take(a, 1, size);
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
    char *copy = arena_text(a, n + 1);
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
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    size_t len = n > 0 ? (size_t)n : 0;
    char *text = arena_text(a, len + 1);
    text[0] = '\0';
    va_start(args, fmt);
    (void)vsnprintf(text, len + 1, fmt, args); /* sized by the call above */
    va_end(args);
    return text;
}

size_t arena_bytes(const struct arena *a)
{
    return a->bytes;
}

size_t arena_used(const struct arena *a)
{
    return a->head != NULL ? a->bytes - (a->head->size - a->head->used) : 0;
}
