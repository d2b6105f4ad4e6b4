/*
 * A byte buffer that cannot exist without a ceiling. Past the limit it keeps what it has, drops the
 * rest and remembers that it did (`overflow`), so a writer may add freely and check once at the
 * end. The data is always followed by a NUL that does not count.
 */
#ifndef GATEHOUSE_BASE_BUF_H
#define GATEHOUSE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/own.h"

struct buf {
    char *data;    /* NULL until the first byte; then NUL-terminated */
    size_t len;    /* bytes in use */
    size_t cap;    /* bytes allocated */
    size_t limit;  /* ceiling for len */
    bool overflow; /* something did not fit */
};

#define BUF_INIT(limit_bytes)                                                                      \
    {                                                                                              \
        .limit = (limit_bytes)                                                                     \
    }

void buf_init(struct buf *b, size_t limit);
void buf_fini(struct buf *b);
static inline void buf_auto(struct buf *b)
{
    buf_fini(b);
}
void buf_clear(struct buf *b); /* keeps the memory, drops content and overflow mark */
bool buf_reserve(struct buf *b, size_t more); /* false and overflow when past the limit */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_addz(struct buf *b, const char *text);
bool buf_addc(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...) FORMAT(2, 3);
bool buf_addi(struct buf *b, int64_t n); /* decimal */
enum { DECIMAL_SIZE = 24 };
/* n in decimal, at the end of room: where printf would cost too much. */
const char *decimal_text(char room[DECIMAL_SIZE], int64_t n);
/* Drops n bytes from the front (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* Gives the bytes away (never NULL); the buffer is empty afterwards. The caller frees. */
char *buf_take(struct buf *b, size_t *ret_len);
/* The text so far, "" when empty. Borrowed. */
const char *buf_str(const struct buf *b);

#endif
