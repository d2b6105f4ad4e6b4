/* UTF-8 checking and repair (see utf8.h). */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

size_t utf8_length(const unsigned char *p, size_t room)
{
    unsigned char c = p[0];
    size_t n = 0;
    if (c < 0x80) {
        return 1;
    }
    if (c >= 0xc2 && c < 0xe0) {
        n = 2;
    } else if ((c & 0xf0) == 0xe0) {
        n = 3;
    } else if (c >= 0xf0 && c < 0xf5) {
        n = 4;
    }
    if (n == 0 || n > room) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) ||
               (c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : n;
}

/* Bytes of plain text (0x01 to 0x7f) at the front, eight at a time: most of what comes is that. */
static size_t ascii_prefix(const unsigned char *p, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, sizeof w);
        if (((w | (w - ones)) & highs) != 0) { /* a high bit, or a zero byte (or one after it) */
            break;
        }
    }
    return i;
}

static size_t valid_prefix(const unsigned char *p, size_t len)
{
    size_t i = ascii_prefix(p, len);
    while (i < len) {
        bool ascii = p[i] != '\0' && p[i] < 0x80; /* most of a short text: without a call */
        size_t n = ascii ? 1 : p[i] == '\0' ? 0 : utf8_length(p + i, len - i);
        if (n == 0) {
            break;
        }
        i += n;
    }
    return i;
}

const char *utf8_clean(struct arena *a, const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t good = len != 0 ? valid_prefix(p, len) : 0;
    if (good == len) {
        return arena_strndup(a, data, len);
    }
    char *out = arena_alloc(a, good + (len - good) * 3 + 1);
    memcpy(out, data, good);
    size_t n = good;
    for (size_t i = good; i < len;) {
        size_t run = valid_prefix(p + i, len - i);
        memcpy(out + n, p + i, run);
        n += run;
        i += run;
        if (i < len) {
            memcpy(out + n, "\xef\xbf\xbd", 3);
            n += 3;
            i++;
        }
    }
    out[n] = '\0';
    return out;
}
