/*
 * One table per kind names each wanted field once: its JSON key, its protobuf field number, its
 * type and where it lands in the record struct. The protobuf reader and the JSON reader (source/),
 * the packer that makes store rows (pack.h) and the dump all walk the same table, so the same
 * object gives the same record whatever form it came in. Tables nest as messages nest.
 *
 * Strings in records are never NULL: absent is "". They are valid UTF-8 without NUL bytes (readers
 * replace what is not). Numbers carry the table's `absent` value when the object did not have the
 * field.
 */
#ifndef GATEHOUSE_MODEL_FIELD_H
#define GATEHOUSE_MODEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_STR,   /* const char *: a string */
    FIELD_INT,   /* int64_t: any integer kind */
    FIELD_BOOL,  /* int64_t: 0, 1, or the `absent` value */
    FIELD_TIME,  /* int64_t Unix ms: metav1.Time / MicroTime (protobuf message {1:seconds,2:nanos},
                    JSON RFC 3339) */
    FIELD_IOS,   /* const char *: IntOrString as text ("80", "http", "25%") */
    FIELD_KVS,   /* struct kvs: map<string,string>, kept in key order */
    FIELD_STRS,  /* struct strs: repeated string; with `map_of`: repeated message of one string (its
                    JSON key; its  protobuf number stands in `absent`) */
    FIELD_MSG,   /* nested message whose fields (sub) land in the same struct */
    FIELD_LIST,  /* repeated message: array of sub->size structs */
    FIELD_COUNT, /* int64_t: how many items a repeated field has, or 1 for a present message;
                    content skipped */
    FIELD_NUMSTR /* const char *: a JSON number or string as text (Argo's observedGeneration),
                    protobuf string */
};

struct kv {
    const char *key;
    const char *value;
};

struct kvs {
    const struct kv *items;
    uint32_t n;
};

struct strs {
    const char *const *items;
    uint32_t n;
};

/* A repeated message: items points to n structs of the sub-table's size. Use LIST_AT. */
struct list {
    const void *items;
    uint32_t n;
};
#define LIST_AT(type, l, i) (&((const type *)(l).items)[i])

struct field_table;

struct field {
    const char *json; /* JSON key; NULL = protobuf nests a message here that JSON has inlined */
    uint32_t pb;      /* protobuf field number; 0 = JSON only */
    enum field_type type;
    uint32_t offset;               /* in the record struct (unused by FIELD_MSG) */
    const struct field_table *sub; /* FIELD_MSG, FIELD_LIST */
    int64_t absent;                /* FIELD_INT, FIELD_BOOL: value when the field is missing */
    const char *const *keep; /* FIELD_KVS: NULL-ended list of wanted key prefixes; NULL = all */
    const char *map_of; /* JSON only; FIELD_LIST over a JSON object: key lands in this sub-field */
};

struct field_plan;

struct field_table {
    const char *name;
    uint32_t size; /* bytes of the record struct the offsets refer to */
    uint32_t n;
    const struct field *fields;
    struct field_plan *plan; /* room of the table's own, filled at first use: see field_plan.h */
    /* Tables of the same struct whose fields this kind lacks: cleared too. NULL-ended; NULL = none.
     */
    const struct field_table *const *also;
};

/* Where the field stands in its record. */
static inline const void *field_at(const void *record, const struct field *f)
{
    return (const char *)record + f->offset;
}

/* Does the record have the field? One that is absent, empty, or "" says nothing. A FIELD_MSG says
 * what its fields say: true here. */
static inline bool field_says(const struct field *f, const void *record)
{
    const void *at = field_at(record, f);
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        return (*(const char *const *)at)[0] != '\0';
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        return *(const int64_t *)at != f->absent;
    case FIELD_KVS:
        return ((const struct kvs *)at)->n != 0;
    case FIELD_STRS:
        return ((const struct strs *)at)->n != 0;
    case FIELD_LIST:
        return ((const struct list *)at)->n != 0;
    case FIELD_MSG:
        break;
    }
    return true;
}

/* Value for a key, or NULL when the map does not have it. Borrowed. */
const char *kvs_get(const struct kvs *kvs, const char *key);

#endif
