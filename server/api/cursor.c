/* Cursors (see cursor.h). Layout: 1 version, 8 time, 8 scope, 3x8 keys, text, 8 checksum. */
#include "api/cursor.h"

#include <string.h>

#include "base/digest.h"
#include "base/hash.h"

enum {
    VERSION = 1,
    FIXED = 1 + 8 + 8 + 3 * 8,
    CHECK = 8,
    TEXT_MAX = 256,
    RAW_MAX = FIXED + TEXT_MAX + CHECK
};

uint64_t cursor_scope(uint64_t seed, const char *text)
{
    return hash_part(seed ^ HASH_SEED, text);
}

static void put(uint8_t *to, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(n >> (8 * i));
    }
}

static uint64_t get(const uint8_t *from)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        n |= (uint64_t)from[i] << (8 * i);
    }
    return n;
}

static void checksum(const uint8_t *raw, size_t len, uint8_t ret[CHECK])
{
    uint8_t digest[DIGEST_SIZE];
    digest_sha256(raw, len, digest);
    memcpy(ret, digest, CHECK);
}

void cursor_write(const struct keyset *key, uint64_t scope, int64_t now, struct buf *out)
{
    uint8_t raw[RAW_MAX];
    char text[4 * ((RAW_MAX + 2) / 3) + 1];
    raw[0] = VERSION;
    put(raw + 1, (uint64_t)(now / CURSOR_HOUR_MS * CURSOR_HOUR_MS));
    put(raw + 9, scope);
    for (size_t i = 0; i < 3; i++) {
        put(raw + 17 + 8 * i, (uint64_t)key->n[i]);
    }
    size_t n = key->s != NULL ? strlen(key->s) : 0;
    n = n > TEXT_MAX ? TEXT_MAX : n;
    memcpy(raw + FIXED, key->s != NULL ? key->s : "", n);
    checksum(raw, FIXED + n, raw + FIXED + n);
    size_t len = digest_base64(raw, FIXED + n + CHECK, text);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c != '=') {
            (void)buf_addc(out, c == '+' ? '-' : c == '/' ? '_' : c);
        }
    }
}

/* base64url without padding back to bytes; 0 when it is none. */
static size_t unpack(const char *text, uint8_t raw[RAW_MAX + 8])
{
    char padded[CURSOR_TEXT_MAX + 4];
    size_t len = strlen(text);
    size_t n = 0;
    if (len == 0 || len > 4 * ((size_t)RAW_MAX + 2) / 3 || len % 4 == 1) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+' || c == '/' || c == '=') {
            return 0;
        }
        padded[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    while (len % 4 != 0) {
        padded[len++] = '=';
    }
    padded[len] = '\0';
    return digest_base64_decode(padded, len, raw, &n) ? n : 0;
}

enum cursor_verdict cursor_read(const char *text, uint64_t scope, int64_t now, struct arena *a,
                                struct keyset *ret)
{
    uint8_t raw[RAW_MAX + 8];
    uint8_t check[CHECK];
    size_t n = unpack(text, raw);
    if (n < FIXED + CHECK || n > RAW_MAX) {
        return CURSOR_GARBLED;
    }
    checksum(raw, n - CHECK, check);
    if (memcmp(check, raw + n - CHECK, CHECK) != 0) {
        return CURSOR_GARBLED;
    }
    int64_t at = (int64_t)get(raw + 1);
    if (raw[0] != VERSION || now - at > 2 * (int64_t)CURSOR_HOUR_MS) {
        return CURSOR_EXPIRED;
    }
    if (get(raw + 9) != scope) {
        return CURSOR_FOREIGN;
    }
    *ret = (struct keyset){.set = true};
    for (size_t i = 0; i < 3; i++) {
        ret->n[i] = (int64_t)get(raw + 17 + 8 * i);
    }
    if (n > FIXED + CHECK) {
        ret->s = arena_strndup(a, (const char *)raw + FIXED, n - FIXED - CHECK);
    }
    return CURSOR_OK;
}
