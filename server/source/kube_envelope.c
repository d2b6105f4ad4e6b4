/* Envelopes around what an API server sends: the protobuf magic, gzip (see kube_frame.h). */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/mem.h"
#include "source/kube_frame.h"

/* TypeMeta {1: apiVersion, 2: kind} */
static struct pb kind_of(struct pb in)
{
    struct pb_item item;
    struct pb kind = {NULL, NULL};
    bool bad = false;
    while (pb_next(&in, &item, &bad)) {
        if (item.number == 2 && item.wire == 2) {
            kind = item.bytes;
        }
    }
    return kind;
}

bool frame_unwrap_kind(const void *data, size_t len, struct pb *ret, struct pb *ret_kind,
                       struct err *err)
{
    if (len < 4 || memcmp(data, "k8s\0", 4) != 0) {
        return err_set(err, ERR_INPUT, "not a Kubernetes protobuf envelope");
    }
    struct pb in = pb_of((const char *)data + 4, len - 4);
    struct pb_item item;
    struct pb kind = {NULL, NULL};
    struct pb raw = {NULL, NULL};
    bool bad = false;
    while (pb_next(&in, &item, &bad)) { /* runtime.Unknown {1: typeMeta, 2: raw} */
        if (item.number == 1 && item.wire == 2) {
            kind = kind_of(item.bytes);
        } else if (item.number == 2 && item.wire == 2) {
            raw = item.bytes;
        }
    }
    if (bad || raw.p == NULL) {
        return err_set(err, ERR_INPUT, "damaged Kubernetes protobuf envelope");
    }
    *ret = raw;
    if (ret_kind != NULL) {
        *ret_kind = kind;
    }
    return true;
}

bool frame_unwrap(const void *data, size_t len, struct pb *ret, struct err *err)
{
    return frame_unwrap_kind(data, len, ret, NULL, err);
}

struct inflater {
    z_stream z;
    bool started;
    bool inside; /* a member has begun and not ended */
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
    bool more = true; /* output may wait inside zlib after the last byte went in */
    while (z->z.avail_in > 0 || more) {
        char chunk[32768];
        z->z.next_out = (Bytef *)chunk;
        z->z.avail_out = sizeof chunk;
        z->inside = z->inside || z->z.avail_in > 0;
        int rc = inflate(&z->z, Z_NO_FLUSH);
        if (!buf_add(out, chunk, sizeof chunk - z->z.avail_out)) {
            return err_set(err, ERR_INPUT, "a compressed answer is over the limit of %zu bytes",
                           out->limit);
        }
        more = z->z.avail_out == 0;
        if (rc == Z_STREAM_END) {
            (void)inflateReset(&z->z); /* the next member */
            z->inside = false;
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return err_set(err, ERR_INPUT, "damaged gzip data");
        }
    }
    return true;
}

bool inflater_whole(const struct inflater *z)
{
    return !z->inside;
}
