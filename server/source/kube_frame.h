/*
 * Framing: where one message ends and the next begins, in what an API server sends. Bytes in,
 * slices out; no I/O, so the fuzzer sees all of it.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_FRAME_H
#define GATEHOUSE_SOURCE_KUBE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "source/read.h"

/* Finds the next complete frame at the front of data: *ret_off and *ret_len of its content,
 * *ret_used bytes to drop. false with err->code NONE: not complete yet; false with a code: damaged
 * or over LIMIT_OBJECT_BYTES. */
bool frame_next_protobuf(const char *data, size_t len, size_t *ret_off, size_t *ret_len,
                         size_t *ret_used, struct err *err);
/* The same for concatenated JSON values. *scan remembers how far the front value was looked at; 0
 * for a new one. */
struct json_scan {
    size_t pos;
    int depth;
    bool in_string;
    bool escaped;
};
bool frame_next_json(const char *data, size_t len, struct json_scan *scan, size_t *ret_off,
                     size_t *ret_len, size_t *ret_used, struct err *err);

/* The raw message inside "k8s\0" + runtime.Unknown. ERR_INPUT when it is not that. */
bool frame_unwrap(const void *data, size_t len, struct pb *ret, struct err *err) MUST_CHECK;

/* Inflates gzip, several members in a row included (a server flushes by ending a member). */
struct inflater;
struct inflater *inflater_new(void);
void inflater_free(struct inflater *z);
bool inflater_feed(struct inflater *z, const char *data, size_t len, struct buf *out,
                   struct err *err) MUST_CHECK;

#endif
