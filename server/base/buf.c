/* The bounded byte buffer (see buf.h). */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf)BUF_INIT(limit);
}

void buf_fini(struct buf *b)
{
    if (b == NULL) {
        return;
    }
    free(b->data);
    *b = (struct buf)BUF_INIT(b->limit);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

bool buf_reserve(struct buf *b, size_t more)
{
    if (more > b->limit - b->len) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + more + 1;
    if (need > b->cap) {
        b->data = xgrow(b->data, &b->cap, need < 256 ? 256 : need, 1);
    }
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    if (b->overflow || !buf_reserve(b, len)) {
        return false;
    }
    if (len != 0) {
        memcpy(b->data + b->len, data, len);
    }
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_addz(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    bool ok = n >= 0 && !b->overflow && buf_reserve(b, (size_t)n);
    if (ok) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again); /* reserved just above */
        b->len += (size_t)n;
    }
    va_end(again);
    return ok;
}

const char *decimal_text(char room[DECIMAL_SIZE], int64_t n)
{
    char *p = room + DECIMAL_SIZE - 1;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    *p = '\0';
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u != 0);
    if (n < 0) {
        *--p = '-';
    }
    return p;
}

bool buf_addi(struct buf *b, int64_t n)
{
    char room[DECIMAL_SIZE];
    return buf_addz(b, decimal_text(room, n));
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    char *data = b->data != NULL ? b->data : xstrdup("");
    if (ret_len != NULL) {
        *ret_len = b->len;
    }
    *b = (struct buf)BUF_INIT(b->limit);
    return data;
}

const char *buf_str(const struct buf *b)
{
    return b->data != NULL ? b->data : "";
}
