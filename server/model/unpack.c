/* From packed bytes to records (see pack.h for the layout). */
#include <string.h>

#include "base/varint.h"
#include "model/pack.h"

enum { UNPACK_DEPTH = 24 };

static void *at(void *record, const struct field *f)
{
    return (char *)record + f->offset;
}

struct reader {
    const unsigned char *p;
    const unsigned char *end;
    struct arena *arena;
    bool plain; /* version 1: no text is numbered, times are absolute */
    int64_t time;
    unsigned n;
    const char *texts[PACK_TEXTS]; /* the first n are set */
};

static bool get_str(struct reader *r, const char **ret)
{
    uint64_t len = 0;
    if (!varint_read(&r->p, r->end, &len)) {
        return false;
    }
    if (!r->plain) {
        if ((len & 1) != 0) {
            bool known = len >> 1 < r->n;
            *ret = known ? r->texts[len >> 1] : "";
            return known;
        }
        len >>= 1;
    }
    if (len >= (uint64_t)(r->end - r->p) || r->p[len] != '\0') {
        return false;
    }
    *ret = (const char *)r->p;
    r->p += len + 1;
    if (len >= PACK_TEXT_LEAST && r->n < PACK_TEXTS) {
        r->texts[r->n++] = *ret;
    }
    return true;
}

/* A count whose items take at least `least` bytes each, so it cannot ask for more memory than there
 * are bytes. */
static bool get_count(struct reader *r, size_t least, uint32_t *ret)
{
    uint64_t n = 0;
    if (!varint_read(&r->p, r->end, &n) || n > (uint64_t)(r->end - r->p) / least) {
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

static bool get_kvs(struct reader *r, struct kvs *ret)
{
    uint32_t n = 0;
    if (!get_count(r, 2, &n)) {
        return false;
    }
    struct kv *items = arena_array(r->arena, struct kv, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!get_str(r, &items[i].key) || !get_str(r, &items[i].value)) {
            return false;
        }
    }
    *ret = (struct kvs){items, n};
    return true;
}

static bool get_strs(struct reader *r, struct strs *ret)
{
    uint32_t n = 0;
    if (!get_count(r, 1, &n)) {
        return false;
    }
    const char **items = arena_array(r->arena, const char *, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!get_str(r, &items[i])) {
            return false;
        }
    }
    *ret = (struct strs){items, n};
    return true;
}

static bool unpack_fields(struct reader *r, const struct field_table *table, void *record,
                          int depth);

static bool get_list(struct reader *r, const struct field *f, struct list *ret, int depth)
{
    uint32_t n = 0;
    if (!get_count(r, 1, &n)) {
        return false;
    }
    char *items = arena_alloc(r->arena, (size_t)n * f->sub->size);
    for (uint32_t i = 0; i < n; i++) {
        void *item = items + (size_t)i * f->sub->size;
        record_clear(f->sub, item);
        if (!unpack_fields(r, f->sub, item, depth + 1)) {
            return false;
        }
    }
    *ret = (struct list){items, n};
    return true;
}

static bool get_number(struct reader *r, bool is_time, int64_t *ret)
{
    uint64_t v = 0;
    if (!varint_read(&r->p, r->end, &v)) {
        return false;
    }
    *ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    if (is_time && !r->plain) {
        *ret = (int64_t)((uint64_t)*ret + (uint64_t)r->time);
        r->time = *ret;
    }
    return true;
}

static bool unpack_field(struct reader *r, const struct field *f, void *record, int depth)
{
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        return get_str(r, at(record, f));
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        return get_number(r, f->type == FIELD_TIME, at(record, f));
    case FIELD_KVS:
        return get_kvs(r, at(record, f));
    case FIELD_STRS:
        return get_strs(r, at(record, f));
    case FIELD_LIST:
        return get_list(r, f, at(record, f), depth);
    case FIELD_MSG:
        return unpack_fields(r, f->sub, record, depth + 1);
    }
    return false;
}

static bool unpack_fields(struct reader *r, const struct field_table *table, void *record,
                          int depth)
{
    size_t bytes = (table->n + 7u) / 8u;
    if (depth > UNPACK_DEPTH || (size_t)(r->end - r->p) < bytes) {
        return false;
    }
    const unsigned char *bitmap = r->p;
    r->p += bytes;
    for (uint32_t i = 0; i < table->n; i++) {
        bool there = (bitmap[i / 8] >> (i % 8) & 1) != 0;
        if (there && !unpack_field(r, &table->fields[i], record, depth)) {
            return false;
        }
    }
    return true;
}

bool unpack_record(const struct field_table *table, const void *data, size_t len,
                   struct arena *arena, void *ret_record, struct err *err)
{
    struct reader r;
    r.p = data;
    r.end = r.p + len;
    r.arena = arena;
    r.time = 0;
    r.n = 0;
    r.plain = len != 0 && *r.p == PACK_OLDEST;
    if (len == 0 || (*r.p != PACK_VERSION && !r.plain)) {
        return err_set(err, ERR_INPUT, "%s: not packed by this version", table->name);
    }
    r.p++;
    record_clear(table, ret_record);
    if (!unpack_fields(&r, table, ret_record, 0) || r.p != r.end) {
        record_clear(table, ret_record);
        return err_set(err, ERR_INPUT, "%s: damaged row", table->name);
    }
    return true;
}

void *record_copy(const struct field_table *table, const void *record, struct arena *arena)
{
    AUTO(buf) packed = BUF_INIT(64u << 20);
    pack_record(table, record, &packed);
    char *bytes = arena_alloc(arena, packed.len);
    memcpy(bytes, packed.data, packed.len);
    void *copy = arena_alloc(arena, table->size);
    struct err err = {0};
    if (packed.overflow || !unpack_record(table, bytes, packed.len, arena, copy, &err)) {
        record_clear(table, copy);
    }
    return copy;
}
