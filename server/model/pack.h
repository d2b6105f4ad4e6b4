/*
 * Packing: a record to a compact byte string and back, by the record's own field table. This is
 * what a store row keeps of an object: only wanted fields, in table order, numbers as varints,
 * strings with their length and a closing NUL or, where the same stood earlier, as its number,
 * times as the step from the one before, absent fields as one bit. Unpacking points into the packed
 * bytes, so it costs a walk and no string copies.
 *
 * Layout: version byte, then per table a presence bitmap and the present fields. PACK_VERSION is
 * bumped whenever the layout changes; PACK_OLDEST can be read still (that one has no numbered
 * strings and absolute times), since what is remembered beyond an object cannot be fetched again.
 * Tables change by the store's `shape`. A row of another version unpacks as an error: the caller
 * treats the object as unknown until the next list.
 */
#ifndef GATEHOUSE_MODEL_PACK_H
#define GATEHOUSE_MODEL_PACK_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/field_plan.h"

enum { PACK_VERSION = 2, PACK_OLDEST = 1 };

/* Texts repeat within an object: images, gate names, container names, "True". The first PACK_TEXTS
 * of at least PACK_TEXT_LEAST bytes are numbered as they come. A text's varint is its length and a
 * low bit 0, or a number and a low bit 1. */
enum { PACK_TEXTS = 64, PACK_TEXT_LEAST = 3 };

/* Appends the packed record (a struct of table->size bytes) to out. Pure. Thread: any. */
void pack_record(const struct field_table *table, const void *record, struct buf *out);

/* Fills *ret_record (table->size bytes, any content) from data. Strings point into data, which must
 * outlive the record and is kept by the caller (usually copied into the arena first); lists are
 * allocated in the arena. ERR_INPUT on damaged or foreign bytes: never reads outside data. Thread:
 * any. */
bool unpack_record(const struct field_table *table, const void *data, size_t len,
                   struct arena *arena, void *ret_record, struct err *err) MUST_CHECK;

/* Deep copy into an arena. */
void *record_copy(const struct field_table *table, const void *record, struct arena *arena);

/* One JSON object of all present fields, nested like the source document (for `gatehouse dump` and
 * tests). */
struct json_out;
void record_dump(const struct field_table *table, const void *record, struct json_out *out);

#endif
