/*
 * The protobuf reader: walks the wire format once, keeps the fields that the table names and skips
 * the rest by length. Each length is checked against the bytes that are there; nesting is bounded.
 * Fields of another wire type than the table expects are skipped: an unknown future encoding must
 * not break the object.
 */
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "base/varint.h"
#include "model/field_plan.h"
#include "source/read.h"

enum { PB_LIST_MAX = 100000 };

struct walk {
    struct arena *arena;
    bool bad;
};

static bool fixed(struct pb *in, size_t n, uint64_t *ret)
{
    if ((size_t)(in->end - in->p) < n) {
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)in->p[i] << (8 * i);
    }
    in->p += n;
    *ret = v;
    return true;
}

/* Any field, and what is wrong with one; *ret_bad is true already. */
static bool next_of_any(struct pb *in, struct pb_item *ret, bool *ret_bad)
{
    uint64_t tag = 0;
    if (!varint_read(&in->p, in->end, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return false;
    }
    *ret = (struct pb_item){.number = (uint32_t)(tag >> 3), .wire = (unsigned)(tag & 7)};
    bool ok = false;
    if (ret->wire == 0) {
        ok = varint_read(&in->p, in->end, &ret->value);
    } else if (ret->wire == 1 || ret->wire == 5) {
        ok = fixed(in, ret->wire == 1 ? 8 : 4, &ret->value);
    } else if (ret->wire == 2) {
        uint64_t len = 0;
        ok = varint_read(&in->p, in->end, &len) && len <= (uint64_t)(in->end - in->p);
        if (ok) {
            ret->bytes = (struct pb){in->p, in->p + len};
            in->p += len;
        }
    }
    *ret_bad = !ok;
    return ok;
}

/* A varint of one or two bytes; two must be there. 0: it is longer. */
static inline unsigned short_varint(const unsigned char *p, uint32_t *ret)
{
    *ret = p[0];
    if (p[0] < 0x80) {
        return 1;
    }
    *ret = (p[0] & 0x7fU) | (uint32_t)p[1] << 7;
    return p[1] < 0x80 ? 2 : 0;
}

/* Nearly all fields are texts and messages of less than 16 KB with a number below 2048: they are
 * read here, in place; all others, and all damage, there. Only copies are passed on, so that the
 * caller's cursor and item can live in registers. */
static inline __attribute__((always_inline)) bool next_field(struct pb *in, struct pb_item *ret,
                                                             bool *ret_bad)
{
    uint32_t tag = 0;
    uint32_t len = 0;
    if (in->end - in->p >= 4) {
        unsigned n = short_varint(in->p, &tag);
        unsigned m = n != 0 && (tag & 7) == 2 && tag > 7 ? short_varint(in->p + n, &len) : 0;
        if (m != 0 && (ptrdiff_t)len <= in->end - in->p - (ptrdiff_t)(n + m)) {
            const unsigned char *p = in->p + n + m;
            *ret = (struct pb_item){.number = tag >> 3, .wire = 2, .bytes = {p, p + len}};
            in->p = p + len;
            *ret_bad = false;
            return true;
        }
    }
    struct pb rest = *in;
    struct pb_item item = {0};
    bool bad = rest.p < rest.end;
    bool found = bad && next_of_any(&rest, &item, &bad);
    *in = rest;
    *ret = item;
    *ret_bad = bad;
    return found;
}

bool pb_next(struct pb *in, struct pb_item *ret, bool *ret_bad)
{
    return next_field(in, ret, ret_bad);
}

static const char *text_of(struct walk *w, struct pb b)
{
    return utf8_clean(w->arena, (const char *)b.p, (size_t)(b.end - b.p));
}

/* The values of fields a and b of a message of scalars; the last of each wins, one that is missing
 * keeps number 0. */
static void inner(struct walk *w, struct pb in, uint32_t a, struct pb_item *ret_a, uint32_t b,
                  struct pb_item *ret_b)
{
    struct pb_item item;
    while (next_field(&in, &item, &w->bad)) {
        if (item.number == a) {
            *ret_a = item;
        } else if (item.number == b) {
            *ret_b = item;
        }
    }
}

/* metav1.Time {1: seconds, 2: nanos}; an empty message is no time, absent nanos are zero. */
static int64_t time_of(struct walk *w, struct pb in)
{
    struct pb_item s = {0};
    struct pb_item ns = {0};
    inner(w, in, 1, &s, 2, &ns);
    int64_t seconds = (int64_t)s.value;
    if (w->bad || seconds <= 0 || seconds > INT64_C(253402300799)) { /* year 9999 */
        return 0;
    }
    return seconds * 1000 + (int64_t)(ns.value % 1000000000u) / 1000000;
}

/* IntOrString {1: type, 2: int, 3: string}. */
static const char *ios_of(struct walk *w, struct pb in)
{
    struct pb_item type = {0};
    struct pb_item number = {0};
    struct pb_item text = {0};
    inner(w, in, 1, &type, 2, &number); /* an absent type is 0, a number; an absent number is 0 */
    if (type.value == 0) {
        char room[DECIMAL_SIZE];
        return arena_strdup(w->arena, decimal_text(room, (int32_t)number.value));
    }
    inner(w, in, 2, &number, 3, &text);
    return text.wire == 2 ? text_of(w, text.bytes) : "";
}

/* Grows a list in the arena by doubling; old halves stay behind, the arena goes as a whole. Small
 * items come in company: labels, conditions. */
static void *list_push(struct walk *w, const void *items, uint32_t n, size_t size)
{
    uint32_t first = size <= 64 ? 4 : 1;
    char *base = (char *)(uintptr_t)items;
    if (n == 0 || (n >= first && (n & (n - 1)) == 0)) { /* full */
        base = arena_alloc(w->arena, (size_t)(n == 0 ? first : n * 2) * size);
        if (n != 0) {
            memcpy(base, items, (size_t)n * size);
        }
    }
    return base;
}

static void add_pair(struct walk *w, const struct field *f, struct kvs *kvs, struct pb in)
{
    struct pb_item key = {0};
    struct pb_item value = {0};
    inner(w, in, 1, &key, 2, &value);
    const char *name = (const char *)key.bytes.p;
    size_t len = (size_t)(key.bytes.end - key.bytes.p);
    if (w->bad || key.wire != 2 || kvs->n >= PB_LIST_MAX || !read_keep(f, name, len)) {
        return;
    }
    name = text_of(w, key.bytes);
    const char *text = value.wire == 2 ? text_of(w, value.bytes) : "";
    struct kv *items = list_push(w, kvs->items, kvs->n, sizeof *items);
    items[kvs->n] = (struct kv){name, text};
    kvs->items = items;
    kvs->n++;
}

static void add_string(struct walk *w, const struct field *f, struct strs *strs, struct pb in)
{
    if (f->map_of != NULL) { /* a message of one string */
        struct pb_item value = {0};
        struct pb_item none = {0};
        inner(w, in, (uint32_t)f->absent, &value, 0, &none);
        if (w->bad || value.wire != 2) {
            return;
        }
        in = value.bytes;
    }
    if (strs->n >= PB_LIST_MAX) {
        return;
    }
    const char **items = list_push(w, strs->items, strs->n, sizeof *items);
    items[strs->n] = text_of(w, in);
    strs->items = items;
    strs->n++;
}

static void fields_of(struct walk *w, const struct field_table *table, struct pb in, void *record,
                      int depth);

static void add_record(struct walk *w, const struct field *f, struct list *list, struct pb in,
                       int depth)
{
    if (list->n >= PB_LIST_MAX) {
        return;
    }
    char *items = list_push(w, list->items, list->n, f->sub->size);
    void *item = items + (size_t)list->n * f->sub->size;
    record_clear(f->sub, item);
    fields_of(w, f->sub, in, item, depth + 1);
    *list = (struct list){items, list->n + 1};
}

static void bytes_field(struct walk *w, const struct field *f, struct pb in, void *record,
                        int depth)
{
    void *p = (char *)record + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_NUMSTR:
        *(const char **)p = text_of(w, in);
        break;
    case FIELD_TIME:
        *(int64_t *)p = time_of(w, in);
        break;
    case FIELD_IOS:
        *(const char **)p = ios_of(w, in);
        break;
    case FIELD_KVS:
        add_pair(w, f, p, in);
        break;
    case FIELD_STRS:
        add_string(w, f, p, in);
        break;
    case FIELD_MSG:
        fields_of(w, f->sub, in, record, depth + 1);
        break;
    case FIELD_LIST:
        add_record(w, f, p, in, depth);
        break;
    case FIELD_COUNT:
        *(int64_t *)p += 1;
        break;
    case FIELD_INT:
    case FIELD_BOOL:
        break; /* not a number on the wire: skipped */
    }
}

static void number_field(struct walk *w, const struct field *f, uint64_t v, void *record)
{
    void *p = (char *)record + f->offset;
    if (f->type == FIELD_INT) {
        *(int64_t *)p = (int64_t)v;
    } else if (f->type == FIELD_BOOL) {
        *(int64_t *)p = v != 0;
    } else if (f->type == FIELD_NUMSTR) {
        *(const char **)p = v == 0 ? "" : arena_printf(w->arena, "%lld", (long long)v);
    }
}

/* All rows of one number stand side by side in a table (a test holds them to it). */
static void one_field(struct walk *w, const struct field_table *table, uint32_t row,
                      const struct pb_item *item, void *record, int depth)
{
    for (; row < table->n && table->fields[row].pb == item->number; row++) {
        if (item->wire == 2) {
            bytes_field(w, &table->fields[row], item->bytes, record, depth);
        } else if (item->wire == 0) {
            number_field(w, &table->fields[row], item->value, record);
        }
    }
}

static void sort_maps(const struct field_table *table, void *record)
{
    for (uint32_t i = 0; i < table->n; i++) {
        if (table->fields[i].type == FIELD_KVS) {
            struct kvs *kvs = (struct kvs *)(void *)((char *)record + table->fields[i].offset);
            read_sort_kvs((struct kv *)(uintptr_t)kvs->items, kvs->n);
        }
    }
}

static void fields_of(struct walk *w, const struct field_table *table, struct pb in, void *record,
                      int depth)
{
    struct pb_item item;
    if (depth > LIMIT_OBJECT_DEPTH) {
        w->bad = true;
        return;
    }
    bool bad = false;
    const struct field_plan *plan = field_plan(table);
    while (!w->bad && next_field(&in, &item, &bad)) {
        uint32_t row1 = field_row1(plan, table, item.number);
        if (row1 != 0) {
            one_field(w, table, row1 - 1, &item, record, depth);
        }
    }
    w->bad = w->bad || bad;
    if (plan->maps) {
        sort_maps(table, record);
    }
}

bool pb_read_table(const struct field_table *table, const void *data, size_t len,
                   struct arena *arena, void *ret_record, struct err *err)
{
    struct walk w = {arena, false};
    record_clear(table, ret_record);
    fields_of(&w, table, pb_of(data, len), ret_record, 0);
    if (w.bad) {
        return err_set(err, ERR_INPUT, "%s: damaged protobuf", table->name);
    }
    return true;
}

bool pb_read_object(enum kind kind, const void *data, size_t len, struct arena *arena,
                    void *ret_record, struct err *err)
{
    if (!pb_read_table(kind_info(kind)->table, data, len, arena, ret_record, err)) {
        return false;
    }
    ((struct meta *)ret_record)->kind = kind;
    return true;
}
