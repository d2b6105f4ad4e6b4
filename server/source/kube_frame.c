/*
 * Framing (see kube_frame.h): protobuf is split by its own lengths. A value over the limit is
 * passed over as it streams by: memory stays at one object whatever comes.
 */
#include "source/kube_frame_in.h"

#include <string.h>

#include "base/varint.h"

enum { PB_HEADER_MAX = 20, FRAME_BUFFER_LIMIT = LIMIT_OBJECT_BYTES + (1 << 20) };

void frame_init(struct frame_reader *r)
{
    *r = (struct frame_reader){.form = FRAME_JSON_WATCH};
    buf_init(&r->in, FRAME_BUFFER_LIMIT);
}

void frame_fini(struct frame_reader *r)
{
    buf_fini(&r->in);
}

void frame_start(struct frame_reader *r, enum frame_form form)
{
    struct buf in = r->in;
    buf_clear(&in);
    if (in.cap > (1 << 20)) { /* a rare giant must not keep its memory for ever */
        buf_fini(&in);
    }
    *r = (struct frame_reader){.form = form, .in = in};
}

bool frame_feed(struct frame_reader *r, const char *data, size_t len, struct err *err)
{
    /* What is used up makes room when there is at least as much of it as must be moved. */
    if (r->used >= frame_pending(r) || len > r->in.limit - r->in.len) {
        buf_consume(&r->in, r->used);
        r->used = 0;
    }
    return buf_add(&r->in, data, len) ||
           err_set(err, ERR_INPUT, "more than %zu bytes wait to be read", r->in.limit);
}

size_t frame_pending(const struct frame_reader *r)
{
    return r->in.len - r->used;
}

const char *frame_front(const struct frame_reader *r)
{
    return r->in.data + r->used;
}

enum frame_what frame_bad(struct err *err, const char *what)
{
    (void)err_set(err, ERR_INPUT, "%s", what);
    return FRAME_BAD;
}

bool frame_ends_in_list(const char *kind, size_t len)
{
    return len >= 4 && memcmp(kind + len - 4, "List", 4) == 0;
}

/* ---- protobuf ---- */

struct pb_header {
    uint32_t number;
    unsigned wire;
    size_t size;  /* of tag and length, or of the whole scalar field */
    uint64_t len; /* wire 2: bytes that follow */
};

/* The header of the field at the front. FRAME_ITEM: read; FRAME_MORE; FRAME_BAD. */
static enum frame_what pb_header(const struct frame_reader *r, struct pb_header *h)
{
    const unsigned char *front = (const unsigned char *)frame_front(r);
    const unsigned char *end = front + frame_pending(r);
    const unsigned char *p = front;
    uint64_t tag = 0;
    enum frame_what undecided = end - front >= PB_HEADER_MAX ? FRAME_BAD : FRAME_MORE;
    if (!varint_read(&p, end, &tag)) {
        return undecided;
    }
    *h = (struct pb_header){.number = (uint32_t)(tag >> 3), .wire = (unsigned)(tag & 7)};
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return FRAME_BAD;
    }
    uint64_t value = 0;
    ptrdiff_t fixed = h->wire == 1 ? 8 : 4;
    switch (h->wire) {
    case 0:
    case 2:
        if (!varint_read(&p, end, &value)) {
            return undecided;
        }
        h->len = h->wire == 2 ? value : 0;
        break;
    case 1:
    case 5:
        if (end - p < fixed) {
            return FRAME_MORE;
        }
        p += fixed;
        break;
    default:
        return FRAME_BAD;
    }
    h->size = (size_t)(p - front);
    return FRAME_ITEM;
}

/* Passes over skip_left bytes. FRAME_ITEM: done, go on. */
static enum frame_what pb_skip(struct frame_reader *r)
{
    size_t n = frame_pending(r);
    n = n < r->skip_left ? n : (size_t)r->skip_left;
    r->used += n;
    r->skip_left -= n;
    if (r->skip_left > 0) {
        return FRAME_MORE;
    }
    bool item = r->skip_item;
    r->skip_item = false;
    return item ? FRAME_SKIPPED : FRAME_ITEM;
}

static void pb_take_kind(struct frame_reader *r, const char *data, size_t len)
{
    struct pb in = pb_of(data, len);
    struct pb_item item;
    bool damaged = false;
    while (pb_next(&in, &item, &damaged)) { /* TypeMeta {1: apiVersion, 2: kind} */
        if (item.number == 2 && item.wire == 2) {
            r->is_list = frame_ends_in_list((const char *)item.bytes.p,
                                            (size_t)(item.bytes.end - item.bytes.p));
        }
    }
}

/* Between the fields of runtime.Unknown {1: typeMeta, 2: raw}. */
static enum frame_what pb_outer(struct frame_reader *r, struct err *err)
{
    struct pb_header h;
    enum frame_what what = pb_header(r, &h);
    if (what != FRAME_ITEM) {
        return what == FRAME_MORE ? FRAME_MORE : frame_bad(err, "damaged list envelope");
    }
    if (h.number == 1 && h.wire == 2) {
        if (h.len > FRAME_KIND_MAX) {
            return frame_bad(err, "damaged list envelope: an endless kind");
        }
        if (frame_pending(r) - h.size < h.len) {
            return FRAME_MORE;
        }
        pb_take_kind(r, frame_front(r) + h.size, (size_t)h.len);
        r->used += h.size + (size_t)h.len;
        return FRAME_ITEM;
    }
    r->used += h.size;
    if (h.number == 2 && h.wire == 2) {
        if (r->has_items || !r->is_list) {
            return frame_bad(err,
                             r->has_items ? "two lists in one answer" : "the answer is not a list");
        }
        r->has_items = true;
        r->body_left = h.len;
        r->place = PLACE_ITEMS;
    } else {
        r->skip_left = h.len;
    }
    return FRAME_ITEM;
}

/* Between the fields of a list {1: metadata, 2: items}. FRAME_ITEM with *ret_len 0 and *ret_data
 * NULL: go on. */
static enum frame_what pb_list(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                               struct err *err)
{
    if (r->body_left == 0) {
        r->place = PLACE_FIELDS;
        return FRAME_ITEM;
    }
    struct pb_header h;
    enum frame_what what = pb_header(r, &h);
    if (what == FRAME_MORE) {
        return r->body_left < frame_pending(r) ? frame_bad(err, "a damaged list") : FRAME_MORE;
    }
    if (what == FRAME_BAD || h.size > r->body_left || h.len > r->body_left - h.size) {
        return frame_bad(err, "a damaged list");
    }
    bool wanted = h.wire == 2 && (h.number == 1 || h.number == 2);
    if (!wanted || h.len > LIMIT_OBJECT_BYTES) {
        r->used += h.size;
        r->body_left -= h.size + h.len;
        r->skip_left = h.len;
        r->skip_item = wanted;
        return FRAME_ITEM;
    }
    if (frame_pending(r) - h.size < h.len) {
        return FRAME_MORE;
    }
    *ret_data = frame_front(r) + h.size;
    *ret_len = (size_t)h.len;
    r->used += h.size + (size_t)h.len;
    r->body_left -= h.size + h.len;
    return h.number == 1 ? FRAME_META : FRAME_ITEM;
}

static enum frame_what next_pb_list(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                    struct err *err)
{
    for (;;) {
        enum frame_what what = FRAME_MORE;
        if (r->skip_left > 0 || r->skip_item) {
            what = pb_skip(r);
        } else if (r->place == PLACE_ITEMS) {
            what = pb_list(r, ret_data, ret_len, err);
        } else if (r->place == PLACE_FIELDS) {
            what = frame_pending(r) == 0 ? FRAME_MORE : pb_outer(r, err);
        } else if (frame_pending(r) >= 4) {
            if (memcmp(frame_front(r), "k8s\0", 4) != 0) {
                return frame_bad(err, "not a Kubernetes protobuf envelope");
            }
            r->used += 4;
            r->place = PLACE_FIELDS;
            what = FRAME_ITEM;
        }
        if (what != FRAME_ITEM || *ret_data != NULL) {
            return what;
        }
    }
}

/* A watch frame: four bytes of length, big-endian, then the event. */
static enum frame_what next_pb_watch(struct frame_reader *r, const char **ret_data, size_t *ret_len)
{
    while (r->skip_left > 0 || r->skip_item) {
        enum frame_what what = pb_skip(r);
        if (what != FRAME_ITEM) {
            return what;
        }
    }
    size_t room = frame_pending(r);
    if (room < 4) {
        return FRAME_MORE;
    }
    const unsigned char *p = (const unsigned char *)frame_front(r);
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n > LIMIT_OBJECT_BYTES) {
        r->used += 4;
        r->skip_left = n;
        r->skip_item = true;
        return next_pb_watch(r, ret_data, ret_len);
    }
    if (room - 4 < n) {
        return FRAME_MORE;
    }
    *ret_data = frame_front(r) + 4;
    *ret_len = n;
    r->used += n + 4;
    return FRAME_ITEM;
}

/* ---- the door ---- */

enum frame_what frame_next(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                           struct err *err)
{
    *ret_data = NULL;
    *ret_len = 0;
    if (r->in.data == NULL) {
        return FRAME_MORE;
    }
    switch (r->form) {
    case FRAME_JSON_WATCH:
        return frame_json_watch(r, ret_data, ret_len, err);
    case FRAME_PB_WATCH:
        return next_pb_watch(r, ret_data, ret_len);
    case FRAME_JSON_LIST:
        return frame_json_list(r, ret_data, ret_len, err);
    case FRAME_PB_LIST:
        return next_pb_list(r, ret_data, ret_len, err);
    }
    return FRAME_BAD;
}

bool frame_whole(const struct frame_reader *r, struct err *err)
{
    bool rest = frame_pending(r) > 0 || r->skip_left > 0 || r->skip_json;
    bool list = r->form == FRAME_JSON_LIST || r->form == FRAME_PB_LIST;
    enum frame_place end = r->form == FRAME_JSON_LIST ? PLACE_FINISHED : PLACE_FIELDS;
    if (!list) {
        return !rest || err_set(err, ERR_REMOTE, "the stream was cut inside an event");
    }
    if (rest || r->place != end) {
        return err_set(err, ERR_REMOTE, "the list was cut off");
    }
    return (r->is_list && r->has_items) || err_set(err, ERR_REMOTE, "the answer is not a list");
}
