/*
 * Packing: a record to a compact byte string and back, by the record's own field table. This is
 * what a store row keeps of an object: only wanted fields, in table order, numbers as varints,
 * strings with their length and a closing NUL, absent fields as one bit. Unpacking points into the
 * packed bytes, so it costs a walk and no string copies.
 *
 * Layout: version byte (PACK_VERSION, bumped whenever a table changes incompatibly), then per table
 * a presence bitmap and the present fields. A row with another version unpacks as an error: the
 * caller treats the object as unknown until the next list.
 */
#ifndef GATEHOUSE_MODEL_PACK_H
#define GATEHOUSE_MODEL_PACK_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/field.h"

enum { PACK_VERSION = 1 };

/* Appends the packed record (a struct of table->size bytes) to out. Pure. Thread: any. */
void pack_record(const struct field_table *table, const void *record, struct buf *out);

/* Fills *ret_record (table->size bytes, any content) from data. Strings point into data, which must
 * outlive the record and is kept by the caller (usually copied into the arena first); lists are
 * allocated in the arena. ERR_INPUT on damaged or foreign bytes: never reads outside data. Thread:
 * any. */
bool unpack_record(const struct field_table *table, const void *data, size_t len,
                   struct arena *arena, void *ret_record, struct err *err) MUST_CHECK;

/* Sets every field of the record to its absent value ("" / absent / empty). */
void record_clear(const struct field_table *table, void *record);

/* Deep copy into an arena. */
void *record_copy(const struct field_table *table, const void *record, struct arena *arena);

/* One JSON object of all present fields, nested like the source document (for `gatehouse dump` and
 * tests). */
struct json_out;
void record_dump(const struct field_table *table, const void *record, struct json_out *out);

#endif
