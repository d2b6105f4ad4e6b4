/* Packing by field table (see pack.h for the layout). */
#include "model/pack.h"

#include <string.h>

#include "base/json_out.h"

enum { PACK_DEPTH = 24 };

static void *at(void *record, const struct field *f)
{
    return (char *)record + f->offset;
}

static const void *at_const(const void *record, const struct field *f)
{
    return (const char *)record + f->offset;
}

/* ---- clearing ---- */

static void clear_field(const struct field *f, void *record);

static void clear_fields(const struct field_table *table, void *record)
{
    for (uint32_t i = 0; i < table->n; i++) {
        clear_field(&table->fields[i], record);
    }
}

static void clear_field(const struct field *f, void *record)
{
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        *(const char **)at(record, f) = "";
        break;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        *(int64_t *)at(record, f) = f->absent;
        break;
    case FIELD_KVS:
        *(struct kvs *)at(record, f) = (struct kvs){NULL, 0};
        break;
    case FIELD_STRS:
        *(struct strs *)at(record, f) = (struct strs){NULL, 0};
        break;
    case FIELD_LIST:
        *(struct list *)at(record, f) = (struct list){NULL, 0};
        break;
    case FIELD_MSG:
        clear_fields(f->sub, record);
        break;
    }
}

void record_clear(const struct field_table *table, void *record)
{
    memset(record, 0, table->size);
    for (size_t i = 0; table->also != NULL && table->also[i] != NULL; i++) {
        clear_fields(table->also[i], record);
    }
    clear_fields(table, record);
}

/* ---- is there anything to say ---- */

static bool present(const struct field *f, const void *record)
{
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        return (*(const char *const *)at_const(record, f))[0] != '\0';
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        return *(const int64_t *)at_const(record, f) != f->absent;
    case FIELD_KVS:
        return ((const struct kvs *)at_const(record, f))->n != 0;
    case FIELD_STRS:
        return ((const struct strs *)at_const(record, f))->n != 0;
    case FIELD_LIST:
        return ((const struct list *)at_const(record, f))->n != 0;
    case FIELD_MSG:
        for (uint32_t i = 0; i < f->sub->n; i++) {
            if (present(&f->sub->fields[i], record)) {
                return true;
            }
        }
        return false;
    }
    return false;
}

/* ---- packing ---- */

enum { VARINT_MAX = 10 };

static char *varint_at(char *at, uint64_t v)
{
    while (v > 0x7f) {
        *at++ = (char)((v & 0x7f) | 0x80);
        v >>= 7;
    }
    *at++ = (char)v;
    return at;
}

static void put_varint(struct buf *out, uint64_t v)
{
    char bytes[VARINT_MAX];
    /* overflow is remembered by the buffer */
    (void)buf_add(out, bytes, (size_t)(varint_at(bytes, v) - bytes));
}

/* Texts are most of a record: written in place, with one look at the room. */
static void put_str(struct buf *out, const char *s)
{
    size_t len = strlen(s);
    if (out->overflow || !buf_reserve(out, len + 1 + VARINT_MAX)) {
        return; /* remembered */
    }
    char *at = varint_at(out->data + out->len, len);
    memcpy(at, s, len + 1);
    out->len = (size_t)(at - out->data) + len + 1;
}

static bool pack_fields(const struct field_table *table, const void *record, struct buf *out);

static void pack_list(const struct field *f, const struct list *l, struct buf *out)
{
    put_varint(out, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        (void)pack_fields(f->sub, (const char *)l->items + (size_t)i * f->sub->size, out);
    }
}

static void pack_kvs(const struct kvs *kvs, struct buf *out)
{
    put_varint(out, kvs->n);
    for (uint32_t i = 0; i < kvs->n; i++) {
        put_str(out, kvs->items[i].key);
        put_str(out, kvs->items[i].value);
    }
}

static void pack_strs(const struct strs *strs, struct buf *out)
{
    put_varint(out, strs->n);
    for (uint32_t i = 0; i < strs->n; i++) {
        put_str(out, strs->items[i]);
    }
}

/* false: there is nothing to say, and nothing was added. */
static bool pack_field(const struct field *f, const void *record, struct buf *out)
{
    const void *p = at_const(record, f);
    if (f->type == FIELD_MSG) {
        size_t before = out->len;
        bool any = pack_fields(f->sub, record, out);
        out->len = any ? out->len : before;
        return any;
    }
    if (!present(f, record)) {
        return false;
    }
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        put_str(out, *(const char *const *)p);
        break;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT: {
        int64_t v = *(const int64_t *)p;
        put_varint(out, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
        break;
    }
    case FIELD_KVS:
        pack_kvs(p, out);
        break;
    case FIELD_STRS:
        pack_strs(p, out);
        break;
    case FIELD_LIST:
        pack_list(f, p, out);
        break;
    case FIELD_MSG:
        break; /* above */
    }
    return true;
}

/* true when any field had something to say. */
static bool pack_fields(const struct field_table *table, const void *record, struct buf *out)
{
    size_t bitmap = out->len;
    size_t bytes = (table->n + 7u) / 8u;
    static const char zeros[16] = {0};
    bool any = false;
    if (!buf_add(out, zeros, bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < table->n; i++) {
        if (pack_field(&table->fields[i], record, out)) {
            char *byte = &out->data[bitmap + i / 8];
            *byte = (char)((unsigned char)*byte | (1u << (i % 8)));
            any = true;
        }
    }
    return any;
}

void pack_record(const struct field_table *table, const void *record, struct buf *out)
{
    (void)buf_addc(out, (char)PACK_VERSION);
    (void)pack_fields(table, record, out); /* an empty record packs, too */
}

/* ---- unpacking ---- */

struct reader {
    const unsigned char *p;
    const unsigned char *end;
    struct arena *arena;
};

static bool get_varint(struct reader *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
        unsigned char c = *r->p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_str(struct reader *r, const char **ret)
{
    uint64_t len = 0;
    if (!get_varint(r, &len) || len >= (uint64_t)(r->end - r->p) || r->p[len] != '\0') {
        return false;
    }
    *ret = (const char *)r->p;
    r->p += len + 1;
    return true;
}

/* A count whose items take at least `least` bytes each, so it cannot ask for more memory than there
 * are bytes. */
static bool get_count(struct reader *r, size_t least, uint32_t *ret)
{
    uint64_t n = 0;
    if (!get_varint(r, &n) || n > (uint64_t)(r->end - r->p) / least) {
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

static bool get_kvs(struct reader *r, struct kvs *ret)
{
    uint32_t n = 0;
    if (!get_count(r, 4, &n)) {
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
    if (!get_count(r, 2, &n)) {
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

static bool unpack_field(struct reader *r, const struct field *f, void *record, int depth)
{
    uint64_t v = 0;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        return get_str(r, at(record, f));
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        if (!get_varint(r, &v)) {
            return false;
        }
        *(int64_t *)at(record, f) = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
        return true;
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
    if (depth > PACK_DEPTH || (size_t)(r->end - r->p) < bytes) {
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
    struct reader r = {data, (const unsigned char *)data + len, arena};
    if (len == 0 || *r.p++ != PACK_VERSION) {
        return err_set(err, ERR_INPUT, "%s: not packed by this version", table->name);
    }
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

/* ---- dump ---- */

static void dump_fields(const struct field_table *table, const void *record, struct json_out *out);

static void dump_value(const struct field *f, const void *record, struct json_out *out)
{
    const void *p = at_const(record, f);
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        json_str(out, *(const char *const *)p);
        break;
    case FIELD_BOOL:
        json_bool(out, *(const int64_t *)p == 1);
        break;
    case FIELD_INT:
    case FIELD_COUNT:
        json_int(out, *(const int64_t *)p);
        break;
    case FIELD_TIME:
        json_time(out, *(const int64_t *)p);
        break;
    case FIELD_KVS: {
        const struct kvs *kvs = p;
        json_open(out, '{');
        for (uint32_t i = 0; i < kvs->n; i++) {
            json_strn(out, kvs->items[i].key, strlen(kvs->items[i].key));
            (void)buf_addc(out->buf, ':');
            out->comma = false;
            json_str(out, kvs->items[i].value);
        }
        json_close(out, '}');
        break;
    }
    case FIELD_STRS: {
        const struct strs *s = p;
        json_open(out, '[');
        for (uint32_t i = 0; i < s->n; i++) {
            json_str(out, s->items[i]);
        }
        json_close(out, ']');
        break;
    }
    case FIELD_LIST: {
        const struct list *l = p;
        json_open(out, '[');
        for (uint32_t i = 0; i < l->n; i++) {
            json_open(out, '{');
            dump_fields(f->sub, (const char *)l->items + (size_t)i * f->sub->size, out);
            json_close(out, '}');
        }
        json_close(out, ']');
        break;
    }
    case FIELD_MSG:
        json_open(out, '{');
        dump_fields(f->sub, record, out);
        json_close(out, '}');
        break;
    }
}

static void dump_fields(const struct field_table *table, const void *record, struct json_out *out)
{
    for (uint32_t i = 0; i < table->n; i++) {
        const struct field *f = &table->fields[i];
        if (!present(f, record)) {
            continue;
        }
        if (f->json == NULL) {
            dump_fields(f->sub, record, out); /* inlined in JSON */
            continue;
        }
        if (f->type == FIELD_COUNT) { /* says only that the message beside it is there */
            (void)buf_addc(out->buf, out->comma ? ',' : ' ');
            (void)buf_addf(out->buf, "\"#%s\":", f->json);
            out->comma = false;
        } else {
            json_key(out, f->json);
        }
        dump_value(f, record, out);
    }
}

void record_dump(const struct field_table *table, const void *record, struct json_out *out)
{
    json_open(out, '{');
    dump_fields(table, record, out);
    json_close(out, '}');
}
