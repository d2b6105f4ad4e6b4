/*
 * The two readers: bytes of one object in protobuf, or one JSON object, to a record, by the kind's
 * field table. The same object in both forms gives the same record. Everything lands in the arena.
 */
#ifndef GATEHOUSE_SOURCE_READ_H
#define GATEHOUSE_SOURCE_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/object.h"
#include "model/pack.h"

enum { LIMIT_OBJECT_BYTES = 8 << 20, LIMIT_OBJECT_DEPTH = 32 };

/* A cursor over protobuf bytes; the low level, for envelopes and lists. Never reads outside. */
struct pb {
    const unsigned char *p;
    const unsigned char *end;
};
struct pb_item {
    uint32_t number;
    unsigned wire;   /* 0 varint, 1 fixed64, 2 bytes, 5 fixed32 */
    uint64_t value;  /* varint and fixed */
    struct pb bytes; /* wire 2 */
};
/* Next field; false at the end or on damage (*ret_bad tells which). */
bool pb_next(struct pb *in, struct pb_item *ret, bool *ret_bad);
static inline struct pb pb_of(const void *data, size_t len)
{
    const unsigned char *p = data;
    return (struct pb){p, p + len};
}

/* One object without its envelope. The record is cleared first; meta.kind is set. ERR_INPUT on
 * damage. */
bool pb_read_object(enum kind kind, const void *data, size_t len, struct arena *arena,
                    void *ret_record, struct err *err) MUST_CHECK;
/* The same by any table (Status, ListMeta). */
bool pb_read_table(const struct field_table *table, const void *data, size_t len,
                   struct arena *arena, void *ret_record, struct err *err) MUST_CHECK;

/* One object from a parsed JSON document. `json` is borrowed. Wrongly typed fields count as absent;
 * ERR_INPUT when it is no object. */
bool json_read_object(enum kind kind, const json_t *json, struct arena *arena, void *ret_record,
                      struct err *err) MUST_CHECK;
bool json_read_table(const struct field_table *table, const json_t *json, struct arena *arena,
                     void *ret_record, struct err *err) MUST_CHECK;
/* Parses JSON as a server sends it: NUL characters are taken, and integers beyond 64 bits, which
 * custom resources may hold, do not spoil an object. NULL with *ret_why set when it is no JSON; a
 * new reference else. */
json_t *json_read_bytes(const char *text, size_t len, json_error_t *ret_why);
/* Parses and reads one object from text. */
bool json_read_text(enum kind kind, const char *text, size_t len, struct arena *arena,
                    void *ret_record, struct err *err) MUST_CHECK;

/* Sorts pairs by key, as both servers and maps of both forms should; inside this folder. */
void read_sort_kvs(struct kv *items, uint32_t n);
/* Is a key of a map wanted? */
bool read_keep(const struct field *f, const char *key, size_t len);

/* v1.Status, the body of errors and of ERROR events. */
struct kube_status {
    const char *message;
    const char *reason;
    const char *continue_token;
    const char *resource_version;
    int64_t code;
    int64_t retry_after;
};
extern const struct field_table kube_status_table;
/* ListMeta: fills resource_version and continue_token of a struct kube_status, nothing else. */
extern const struct field_table kube_list_meta_table;

#endif
