/*
 * Cursors: where a page ended, as an opaque text. Inside: version, time, a hash of the list and its
 * filters, the sort keys, a checksum; base64url. A cursor of another list or filter is refused, an
 * old one is gone (410): its keys would still work, but what lay before them may have changed
 * beyond what a reader of pages expects. Its time is the full hour, so that a page's ETag does not
 * change with every second: it lives one to two hours.
 */
#ifndef GATEHOUSE_API_CURSOR_H
#define GATEHOUSE_API_CURSOR_H

#include "base/buf.h"
#include "store/reader.h"

enum { CURSOR_HOUR_MS = 3600 * 1000, CURSOR_TEXT_MAX = 512 };

enum cursor_verdict { CURSOR_OK, CURSOR_GARBLED, CURSOR_FOREIGN, CURSOR_EXPIRED };

/* What the cursor belongs to: a hash over route and filters, but not over limit and cursor. */
uint64_t cursor_scope(uint64_t seed, const char *text);

void cursor_write(const struct keyset *key, uint64_t scope, int64_t now, struct buf *out);
/* ret->s lives in the arena. */
enum cursor_verdict cursor_read(const char *text, uint64_t scope, int64_t now, struct arena *a,
                                struct keyset *ret);

#endif
