/* Allocation that ends the process instead of failing (see mem.h). */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p, size_t size)
{
    if (p == NULL) {
        (void)fprintf(stderr, "gatehouse: out of memory (%zu bytes)\n", size);
        abort();
    }
    return p;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size != 0 ? size : 1), size);
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n != 0 ? n : 1, size != 0 ? size : 1), n * size);
}

void *xrealloc(void *p, size_t size)
{
    return checked(realloc(p, size != 0 ? size : 1), size);
}

void *xgrow(void *p, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap && p != NULL) {
        return p;
    }
    size_t next = *cap != 0 ? *cap : 8;
    while (next < need) {
        next *= 2;
    }
    if (size != 0 && next > SIZE_MAX / size) {
        (void)checked(NULL, SIZE_MAX);
    }
    *cap = next;
    return xrealloc(p, next * size);
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = xmalloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
