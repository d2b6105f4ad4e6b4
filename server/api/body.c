/* Shared bodies (see body.h). */
#include "api/body.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/digest.h"
#include "base/mem.h"

/* The deflated form, made once by whichever loop needs it first. */
struct packed {
    char *data; /* gzip header and deflated bytes, ending at a byte boundary (sync flush) */
    size_t len;
    uint32_t crc;
};

struct body {
    atomic_uint refs;
    char *data;
    size_t len;
    uint64_t hash;
    _Atomic(struct packed *) packed;
};

struct body *body_new(struct buf *b)
{
    uint8_t digest[DIGEST_SIZE];
    struct body *body = xcalloc(1, sizeof *body);
    atomic_init(&body->refs, 1);
    atomic_init(&body->packed, NULL);
    body->data = buf_take(b, &body->len);
    digest_sha256(body->data, body->len, digest);
    memcpy(&body->hash, digest, sizeof body->hash);
    return body;
}

struct body *body_ref(struct body *b)
{
    (void)atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static void packed_free(struct packed *p)
{
    if (p != NULL) {
        free(p->data);
        free(p);
    }
}

void body_unref(struct body *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        packed_free(atomic_load(&b->packed));
        free(b->data);
        free(b);
    }
}

const char *body_data(const struct body *b)
{
    return b->data;
}

size_t body_len(const struct body *b)
{
    return b->len;
}

uint64_t body_hash(const struct body *b)
{
    return b->hash;
}

size_t body_weight(const struct body *b)
{
    struct packed *p = atomic_load(&b->packed);
    return sizeof *b + b->len + (p != NULL ? p->len : 0);
}

/* deflate's bound leaves no room for the gzip header and the flush marker */
enum { PACK_SLACK = 64, PACK_LEVEL = 4, GZIP_WINDOW = 15 + 16 };

static struct packed *pack(const struct body *b)
{
    z_stream z = {0};
    if (b->len > UINT32_MAX / 2 ||
        deflateInit2(&z, PACK_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return NULL;
    }
    size_t room = deflateBound(&z, b->len) + PACK_SLACK;
    struct packed *p = xcalloc(1, sizeof *p);
    p->data = xmalloc(room);
    z.next_in = (Bytef *)b->data;
    z.avail_in = (uInt)b->len;
    z.next_out = (Bytef *)p->data;
    z.avail_out = (uInt)room;
    bool ok = deflate(&z, Z_SYNC_FLUSH) == Z_OK && z.avail_in == 0 && z.avail_out > 0;
    p->len = room - z.avail_out;
    (void)deflateEnd(&z); /* says the stream was not finished: it is on purpose */
    if (!ok) {
        packed_free(p);
        return NULL;
    }
    p->crc = (uint32_t)crc32(0, (const Bytef *)b->data, (uInt)b->len);
    return p;
}

static struct packed *packed_of(struct body *b)
{
    struct packed *p = atomic_load(&b->packed);
    if (p != NULL) {
        return p;
    }
    struct packed *fresh = pack(b);
    if (fresh == NULL) {
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&b->packed, &p, fresh)) {
        packed_free(fresh); /* another loop was first */
        return p;
    }
    return fresh;
}

static void add_le(struct buf *out, uint32_t n, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        (void)buf_addc(out, (char)(n >> (8 * i) & 0xff));
    }
}

bool body_gzip(struct body *b, const char *tail, size_t tail_len, const char **ret_head,
               size_t *ret_head_len, struct buf *ret_end)
{
    if (b->len < GZIP_MIN || tail_len > GZIP_TAIL_MAX) {
        return false;
    }
    struct packed *p = packed_of(b);
    if (p == NULL) {
        return false;
    }
    /* RFC 1951 3.2.4: a stored block, the last one; then RFC 1952's checksum and size */
    (void)buf_addc(ret_end, 1);
    add_le(ret_end, (uint32_t)tail_len, 2);
    add_le(ret_end, ~(uint32_t)tail_len, 2);
    (void)buf_add(ret_end, tail, tail_len);
    uLong crc =
        crc32_combine(p->crc, crc32(0, (const Bytef *)tail, (uInt)tail_len), (z_off_t)tail_len);
    add_le(ret_end, (uint32_t)crc, 4);
    add_le(ret_end, (uint32_t)(b->len + tail_len), 4);
    *ret_head = p->data;
    *ret_head_len = p->len;
    return !ret_end->overflow;
}
