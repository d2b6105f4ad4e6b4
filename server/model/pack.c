/* Packing by field table (see pack.h for the layout). */
#include "model/pack.h"

#include <string.h>

enum { VARINT_MAX = 10, SLOTS = 128 };

struct packer {
    struct buf *out;
    int64_t time; /* the last one; most of an object's times are equal or close */
    unsigned n;
    size_t at[PACK_TEXTS]; /* where in out the numbered texts stand */
    size_t len[PACK_TEXTS];
    uint8_t slots[SLOTS]; /* 1 + number of a text, open addressing; 0 = empty */
};

/* NULL: no room, which the buffer remembers. */
static inline char *room(struct packer *k, size_t more)
{
    struct buf *b = k->out;
    bool there = more < b->cap - b->len && more <= b->limit - b->len;
    return !b->overflow && (there || buf_reserve(b, more)) ? b->data + b->len : NULL;
}

static inline char *varint_at(char *at, uint64_t v)
{
    while (v > 0x7f) {
        *at++ = (char)((v & 0x7f) | 0x80);
        v >>= 7;
    }
    *at++ = (char)v;
    return at;
}

static void put_varint(struct packer *k, uint64_t v)
{
    char *at = room(k, VARINT_MAX);
    if (at != NULL) {
        k->out->len = (size_t)(varint_at(at, v) - k->out->data);
    }
}

static void put_signed(struct packer *k, int64_t v)
{
    put_varint(k, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

static unsigned slot_of(const char *s, size_t len)
{
    uint16_t ends[3];
    memcpy(&ends[0], s, 2);
    memcpy(&ends[1], s + len / 2 - 1, 2);
    memcpy(&ends[2], s + len - 2, 2);
    uint32_t h = (uint32_t)len * 0x9e3779b1u + ends[0] * 0x85ebca6bu + ends[1] * 0xc2b2ae35u +
                 ends[2] * 0x27d4eb2fu;
    return h >> 25; /* SLOTS of them */
}

/* The number of a text that has come before. false: *ret_slot is where it would be noted. */
static bool come_before(const struct packer *k, const char *s, size_t len, unsigned *ret_number,
                        unsigned *ret_slot)
{
    unsigned i = slot_of(s, len);
    for (; k->slots[i] != 0; i = (i + 1) % SLOTS) {
        unsigned number = k->slots[i] - 1u;
        if (k->len[number] == len && memcmp(k->out->data + k->at[number], s, len) == 0) {
            *ret_number = number;
            return true;
        }
    }
    *ret_slot = i;
    return false;
}

static void put_str(struct packer *k, const char *s)
{
    size_t len = strlen(s);
    unsigned number = 0;
    unsigned slot = 0;
    bool counts = len >= PACK_TEXT_LEAST;
    if (counts && come_before(k, s, len, &number, &slot)) {
        put_varint(k, (uint64_t)number << 1 | 1);
        return;
    }
    char *at = room(k, len + 1 + VARINT_MAX);
    if (at == NULL) {
        return; /* remembered */
    }
    at = varint_at(at, (uint64_t)len << 1);
    memcpy(at, s, len + 1);
    if (counts && k->n < PACK_TEXTS) {
        k->at[k->n] = (size_t)(at - k->out->data);
        k->len[k->n] = len;
        k->slots[slot] = (uint8_t)++k->n;
    }
    k->out->len = (size_t)(at - k->out->data) + len + 1;
}

static bool pack_fields(struct packer *k, const struct field_table *table, const void *record);

static void pack_list(struct packer *k, const struct field *f, const struct list *l)
{
    put_varint(k, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        (void)pack_fields(k, f->sub, (const char *)l->items + (size_t)i * f->sub->size);
    }
}

static void pack_kvs(struct packer *k, const struct kvs *kvs)
{
    put_varint(k, kvs->n);
    for (uint32_t i = 0; i < kvs->n; i++) {
        put_str(k, kvs->items[i].key);
        put_str(k, kvs->items[i].value);
    }
}

static void pack_strs(struct packer *k, const struct strs *strs)
{
    put_varint(k, strs->n);
    for (uint32_t i = 0; i < strs->n; i++) {
        put_str(k, strs->items[i]);
    }
}

static void pack_number(struct packer *k, const struct field *f, int64_t v)
{
    if (f->type == FIELD_TIME) {
        put_signed(k, (int64_t)((uint64_t)v - (uint64_t)k->time));
        k->time = v;
    } else {
        put_signed(k, v);
    }
}

/* false: there is nothing to say, and nothing was added. */
static bool pack_field(struct packer *k, const struct field *f, const void *record)
{
    const void *p = field_at(record, f);
    size_t before = k->out->len;
    if (!field_says(f, record)) {
        return false;
    }
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        put_str(k, *(const char *const *)p);
        break;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        pack_number(k, f, *(const int64_t *)p);
        break;
    case FIELD_KVS:
        pack_kvs(k, p);
        break;
    case FIELD_STRS:
        pack_strs(k, p);
        break;
    case FIELD_LIST:
        pack_list(k, f, p);
        break;
    case FIELD_MSG:
        if (!pack_fields(k, f->sub, record)) {
            k->out->len = before; /* an empty bitmap */
            return false;
        }
        break;
    }
    return true;
}

/* true when any field had something to say. */
static bool pack_fields(struct packer *k, const struct field_table *table, const void *record)
{
    size_t bitmap = k->out->len;
    size_t bytes = (table->n + 7u) / 8u;
    char *at = room(k, bytes);
    bool any = false;
    if (at == NULL) {
        return false;
    }
    memset(at, 0, bytes);
    k->out->len += bytes;
    for (uint32_t i = 0; i < table->n; i++) {
        if (pack_field(k, &table->fields[i], record)) {
            char *byte = &k->out->data[bitmap + i / 8];
            *byte = (char)((unsigned char)*byte | (1u << (i % 8)));
            any = true;
        }
    }
    return any;
}

void pack_record(const struct field_table *table, const void *record, struct buf *out)
{
    struct packer k;
    k.out = out;
    k.time = 0;
    k.n = 0;
    memset(k.slots, 0, sizeof k.slots);
    (void)buf_addc(out, (char)PACK_VERSION);
    (void)pack_fields(&k, table, record); /* an empty record packs, too */
    (void)buf_addz(out, "");              /* ends with a NUL again */
}
