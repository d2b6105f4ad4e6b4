/*
 * Framing: where one message ends and the next begins in what an API server sends, for the four
 * bodies there are: a watch in JSON or protobuf, a list in JSON or protobuf. Bytes in as they come,
 * one object at a time out: a list is never held or parsed as one document. No I/O, so the fuzzer
 * sees all of it.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_FRAME_H
#define GATEHOUSE_SOURCE_KUBE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "source/read.h"

enum frame_form { FRAME_JSON_WATCH, FRAME_PB_WATCH, FRAME_JSON_LIST, FRAME_PB_LIST };

enum frame_what {
    FRAME_MORE,    /* feed more bytes */
    FRAME_ITEM,    /* a watch event, or an object of the list */
    FRAME_META,    /* the list's metadata (JSON object or ListMeta) */
    FRAME_SKIPPED, /* an object over LIMIT_OBJECT_BYTES was passed over */
    FRAME_BAD      /* *err says why; the body cannot be read on */
};

/* Where in the body the reader stands. */
enum frame_place {
    PLACE_START,   /* nothing seen */
    PLACE_FIELDS,  /* list: between the fields of the outer object */
    PLACE_COLON,   /* JSON list: after a key */
    PLACE_VALUE,   /* JSON list: before a value */
    PLACE_ITEMS,   /* list: between items */
    PLACE_FINISHED /* JSON list: after the outer object */
};

struct json_scan {
    size_t pos; /* bytes of the front value looked at so far */
    int depth;
    bool in_string;
    bool escaped;
};

struct frame_reader {
    enum frame_form form;
    enum frame_place place;
    struct buf in; /* bytes not handed out yet */
    size_t used;   /* of them, handed out by now */
    struct json_scan scan;
    uint64_t body_left; /* protobuf list: bytes of the list message still to come */
    uint64_t skip_left; /* protobuf: bytes to pass over */
    bool skip_item;     /* what is passed over counts as FRAME_SKIPPED */
    bool skip_json;     /* JSON: the front value is too large: pass over it */
    bool has_items;     /* the list's items were seen (JSON: the key) */
    bool is_list;       /* its kind ends in "List" */
    char key[16];       /* JSON list: the key whose value comes; "" = none of interest */
};

void frame_init(struct frame_reader *r);
void frame_fini(struct frame_reader *r);
/* Starts a new body; drops what is buffered. */
void frame_start(struct frame_reader *r, enum frame_form form);
/* Adds bytes; call frame_next until FRAME_MORE before the next feed. ERR_INPUT when the buffer is
 * full, which only a caller that does not drain can cause. */
bool frame_feed(struct frame_reader *r, const char *data, size_t len, struct err *err) MUST_CHECK;
/* The next message; *ret_data and *ret_len (ITEM, META) are valid until the next feed or start. */
enum frame_what frame_next(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                           struct err *err);
/* Bytes that frame_next has not seen to the end. */
size_t frame_pending(const struct frame_reader *r);
/* The body has ended: was it whole? A list must have closed and call itself a list; a watch must
 * not stop inside an event. */
bool frame_whole(const struct frame_reader *r, struct err *err) MUST_CHECK;

/* The raw message inside "k8s\0" + runtime.Unknown. ret_kind (may be NULL) gets the kind's name,
 * empty when the envelope has none. ERR_INPUT when it is not that. */
bool frame_unwrap_kind(const void *data, size_t len, struct pb *ret, struct pb *ret_kind,
                       struct err *err) MUST_CHECK;
bool frame_unwrap(const void *data, size_t len, struct pb *ret, struct err *err) MUST_CHECK;

/* Inflates gzip, several members in a row included (a server flushes by ending a member). */
struct inflater;
struct inflater *inflater_new(void);
void inflater_free(struct inflater *z);
bool inflater_feed(struct inflater *z, const char *data, size_t len, struct buf *out,
                   struct err *err) MUST_CHECK;
/* Ended between members. */
bool inflater_whole(const struct inflater *z);

#endif
