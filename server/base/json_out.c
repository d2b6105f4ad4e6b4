/* The JSON writer (see json_out.h). */
#include "base/json_out.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

static void before_value(struct json_out *j)
{
    if (j->comma) {
        (void)buf_addc(j->buf, ','); /* overflow is remembered by the buffer */
    }
    j->comma = true;
}

void json_open(struct json_out *j, char bracket)
{
    before_value(j);
    (void)buf_addc(j->buf, bracket);
    j->comma = false;
}

void json_close(struct json_out *j, char bracket)
{
    (void)buf_addc(j->buf, bracket);
    j->comma = true;
}

void json_key(struct json_out *j, const char *key)
{
    before_value(j);
    (void)buf_addc(j->buf, '"');
    (void)buf_addz(j->buf, key);
    (void)buf_add(j->buf, "\":", 2);
    j->comma = false;
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static size_t escape_one(struct buf *b, const unsigned char *p, size_t room)
{
    static const char short_form[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = short_form; *s != '\0'; s += 2) {
        if (*p == (unsigned char)*s) {
            char pair[2] = {'\\', s[1]};
            (void)buf_add(b, pair, 2);
            return 1;
        }
    }
    if (*p < 0x80) {
        (void)buf_addf(b, "\\u%04x", *p);
        return 1;
    }
    size_t n = utf8_length(p, room);
    if (n == 0) {
        (void)buf_addz(b, "\\ufffd");
        return 1;
    }
    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
        (void)buf_addz(b, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
    } else {
        (void)buf_add(b, p, n);
    }
    return n;
}

void json_strn(struct json_out *j, const char *text, size_t len)
{
    before_value(j);
    (void)buf_addc(j->buf, '"');
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < len) {
        size_t run = i;
        while (run < len && plain(p[run])) {
            run++;
        }
        (void)buf_add(j->buf, p + i, run - i);
        i = run;
        if (i < len) {
            i += escape_one(j->buf, p + i, len - i);
        }
    }
    (void)buf_addc(j->buf, '"');
}

void json_str(struct json_out *j, const char *text)
{
    if (text == NULL) {
        json_nil(j);
    } else {
        json_strn(j, text, strlen(text));
    }
}

void json_int(struct json_out *j, int64_t n)
{
    before_value(j);
    (void)buf_addi(j->buf, n);
}

void json_num(struct json_out *j, double n)
{
    if (!isfinite(n)) {
        json_nil(j);
        return;
    }
    before_value(j);
    size_t start = j->buf->len;
    if (!buf_addf(j->buf, "%.3f", n)) {
        return;
    }
    while (j->buf->len > start && j->buf->data[j->buf->len - 1] == '0') {
        j->buf->data[--j->buf->len] = '\0';
    }
    if (j->buf->data[j->buf->len - 1] == '.') {
        j->buf->data[--j->buf->len] = '\0';
    }
}

void json_bool(struct json_out *j, bool v)
{
    before_value(j);
    (void)buf_addz(j->buf, v ? "true" : "false");
}

void json_nil(struct json_out *j)
{
    before_value(j);
    (void)buf_addz(j->buf, "null");
}

void json_raw(struct json_out *j, const char *text)
{
    before_value(j);
    (void)buf_addz(j->buf, text);
}

void json_time(struct json_out *j, int64_t unix_ms)
{
    char text[CLOCK_TEXT_SIZE];
    json_str(j, unix_ms > 0 ? clock_format(unix_ms, text) : NULL);
}

void json_kstr(struct json_out *j, const char *key, const char *text)
{
    json_key(j, key);
    json_str(j, text);
}

void json_kint(struct json_out *j, const char *key, int64_t n)
{
    json_key(j, key);
    json_int(j, n);
}

void json_kbool(struct json_out *j, const char *key, bool v)
{
    json_key(j, key);
    json_bool(j, v);
}

void json_ktime(struct json_out *j, const char *key, int64_t unix_ms)
{
    json_key(j, key);
    json_time(j, unix_ms);
}
