/*
 * Bodies: immutable bytes, shared between loops by an atomic count, with what HTTP wants to know of
 * them: a hash for the ETag, a checksum and a deflated form for gzip.
 *
 * A view's answer is a body and a tail. The body is what the ETag stands for and what the cache
 * keeps; the tail (now, revision, ages of the sources) is written for each answer. Deflate streams
 * may be continued at a flush, so the deflated body is kept too and the tail follows it as a stored
 * block.
 */
#ifndef GATEHOUSE_API_BODY_H
#define GATEHOUSE_API_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct body;

/* Takes the buffer's bytes. Thread: any. */
struct body *body_new(struct buf *b);
struct body *body_ref(struct body *b);
void body_unref(struct body *b); /* accepts NULL */

const char *body_data(const struct body *b);
size_t body_len(const struct body *b);
uint64_t body_hash(const struct body *b);
size_t body_weight(const struct body *b); /* memory, for the cache */

/* The gzip form of body and tail: *ret_head is borrowed from the body, *ret_end is filled with the
 * rest. false when it does not pay or does not fit. Made on first use. Thread: any. */
enum { GZIP_MIN = 1024, GZIP_TAIL_MAX = 65535 };
bool body_gzip(struct body *b, const char *tail, size_t tail_len, const char **ret_head,
               size_t *ret_head_len, struct buf *ret_end);

#endif
