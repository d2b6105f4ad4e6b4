/*
 * The JSON writer: appends to a bounded buffer, keeps track of commas, escapes every foreign byte.
 * Output is ASCII-clean where it must be and valid UTF-8 always: an invalid sequence becomes
 * U+FFFD, and U+2028/2029, '<', '>' and '&' are escaped so that a body may stand inside HTML.
 */
#ifndef GATEHOUSE_BASE_JSON_OUT_H
#define GATEHOUSE_BASE_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json_out {
    struct buf *buf; /* borrowed */
    bool comma;      /* a value was written at this level: the next one needs a comma */
};

static inline struct json_out json_out(struct buf *buf)
{
    return (struct json_out){buf, false};
}
void json_open(struct json_out *j, char bracket);    /* '{' or '[' as a value */
void json_close(struct json_out *j, char bracket);   /* '}' or ']' */
void json_key(struct json_out *j, const char *key);  /* key is ours: not escaped */
void json_str(struct json_out *j, const char *text); /* NULL writes null */
void json_strn(struct json_out *j, const char *text, size_t len);
void json_int(struct json_out *j, int64_t n);
void json_num(struct json_out *j,
              double n); /* up to three decimals, no exponent; not finite = null */
void json_bool(struct json_out *j, bool v);
void json_nil(struct json_out *j);
void json_raw(struct json_out *j, const char *text); /* a value that is JSON already */
void json_time(struct json_out *j, int64_t unix_ms); /* RFC 3339, null for 0 */

/* key and value in one call */
void json_kstr(struct json_out *j, const char *key, const char *text);
void json_kint(struct json_out *j, const char *key, int64_t n);
void json_kbool(struct json_out *j, const char *key, bool v);
void json_ktime(struct json_out *j, const char *key, int64_t unix_ms);

#endif
