/* Framing (see kube_frame.h). */
#include "source/kube_frame.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/mem.h"

bool frame_next_protobuf(const char *data, size_t len, size_t *ret_off, size_t *ret_len,
                         size_t *ret_used, struct err *err)
{
    const unsigned char *p = (const unsigned char *)data;
    if (len < 4) {
        return false;
    }
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n > LIMIT_OBJECT_BYTES) {
        return err_set(err, ERR_INPUT, "a watch frame of %zu bytes is over the limit of %d", n,
                       LIMIT_OBJECT_BYTES);
    }
    if (len - 4 < n) {
        return false;
    }
    *ret_off = 4;
    *ret_len = n;
    *ret_used = n + 4;
    return true;
}

static void scan_byte(struct json_scan *s, char c)
{
    if (s->in_string) {
        if (s->escaped) {
            s->escaped = false;
        } else if (c == '\\') {
            s->escaped = true;
        } else if (c == '"') {
            s->in_string = false;
        }
        return;
    }
    if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        s->depth--;
    }
}

bool frame_next_json(const char *data, size_t len, struct json_scan *scan, size_t *ret_off,
                     size_t *ret_len, size_t *ret_used, struct err *err)
{
    size_t start = 0;
    while (start < len && strchr(" \t\r\n,", data[start]) != NULL && data[start] != '\0') {
        start++;
    }
    if (scan->pos < start) {
        scan->pos = start;
    }
    while (scan->pos < len) {
        if (scan->depth == 0 && data[scan->pos] != '{') {
            return err_set(err, ERR_INPUT, "the stream holds something else than JSON objects");
        }
        scan_byte(scan, data[scan->pos++]);
        if (scan->depth == 0) {
            *ret_off = start;
            *ret_len = scan->pos - start;
            *ret_used = scan->pos;
            *scan = (struct json_scan){0};
            return true;
        }
    }
    if (len - start > LIMIT_OBJECT_BYTES) {
        return err_set(err, ERR_INPUT, "a JSON object is over the limit of %d bytes",
                       LIMIT_OBJECT_BYTES);
    }
    return false;
}

bool frame_unwrap(const void *data, size_t len, struct pb *ret, struct err *err)
{
    if (len < 4 || memcmp(data, "k8s\0", 4) != 0) {
        return err_set(err, ERR_INPUT, "not a Kubernetes protobuf envelope");
    }
    struct pb in = pb_of((const char *)data + 4, len - 4);
    struct pb_item item;
    bool bad = false;
    bool found = false;
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 2 && item.wire == 2) {
            *ret = item.bytes;
            found = true;
        }
    }
    if (bad || !found) {
        return err_set(err, ERR_INPUT, "damaged Kubernetes protobuf envelope");
    }
    return true;
}

struct inflater {
    z_stream z;
    bool started;
};

struct inflater *inflater_new(void)
{
    return xcalloc(1, sizeof(struct inflater));
}

void inflater_free(struct inflater *z)
{
    if (z != NULL && z->started) {
        (void)inflateEnd(&z->z);
    }
    free(z);
}

bool inflater_feed(struct inflater *z, const char *data, size_t len, struct buf *out,
                   struct err *err)
{
    if (!z->started && inflateInit2(&z->z, 15 + 16) != Z_OK) {
        return err_set(err, ERR_BUG, "zlib did not start");
    }
    z->started = true;
    z->z.next_in = (Bytef *)(uintptr_t)data;
    z->z.avail_in = (uInt)len;
    while (z->z.avail_in > 0) {
        char chunk[32768];
        z->z.next_out = (Bytef *)chunk;
        z->z.avail_out = sizeof chunk;
        int rc = inflate(&z->z, Z_NO_FLUSH);
        if (!buf_add(out, chunk, sizeof chunk - z->z.avail_out)) {
            return err_set(err, ERR_INPUT, "a compressed answer is over the limit of %zu bytes",
                           out->limit);
        }
        if (rc == Z_STREAM_END) {
            (void)inflateReset(&z->z); /* the next member */
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return err_set(err, ERR_INPUT, "damaged gzip data");
        }
    }
    return true;
}
