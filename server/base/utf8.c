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

/* Copies plain text (0x01 to 0x7f), which most of what comes is, eight bytes at a time; the length
 * of the plain part at the front, to within eight bytes. */
static size_t copy_plain(char *to, const unsigned char *from, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = UINT64_C(0x8080808080808080);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, from + i, sizeof w);
        if (((w | (w - ones)) & highs) != 0) { /* a high bit, or a zero byte (or one after it) */
            break;
        }
        memcpy(to + i, &w, sizeof w);
    }
    return i;
}

static size_t valid_prefix(const unsigned char *p, size_t len)
{
    size_t i = 0;
    while (i < len) {
        size_t n = p[i] == '\0' ? 0 : utf8_length(p + i, len - i);
        if (n == 0) {
            break;
        }
        i += n;
    }
    return i;
}

/* A text that is not plain. */
static const char *mend(struct arena *a, const unsigned char *p, size_t len)
{
    size_t n = valid_prefix(p, len);
    if (n == len) {
        return arena_strndup(a, (const char *)p, len);
    }
    char *out = arena_text(a, n + (len - n) * 3 + 1);
    memcpy(out, p, n);
    for (size_t i = n; i < len;) {
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

const char *utf8_clean(struct arena *a, const char *data, size_t len)
{
    const unsigned char *p = (const unsigned char *)data;
    char *out = arena_text(a, len + 1);
    size_t i = copy_plain(out, p, len);
    for (; i < len && p[i] < 0x80 && p[i] != '\0'; i++) {
        out[i] = (char)p[i];
    }
    if (i < len) {
        return mend(a, p, len);
    }
    out[len] = '\0';
    return out;
}
