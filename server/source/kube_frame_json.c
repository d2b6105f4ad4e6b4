/*
 * Framing of JSON (see kube_frame.h): brackets are counted outside strings, which finds the end of
 * a value without understanding it. Parsing is for whoever takes the value.
 */
#include "source/kube_frame_in.h"

#include <string.h>

static void skip_blanks(struct frame_reader *r, bool commas)
{
    while (frame_pending(r) > 0) {
        char c = *frame_front(r);
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t' && !(commas && c == ',')) {
            return;
        }
        r->used++;
    }
}

/* The next interesting byte of a value, from scan->pos on. */
static bool scan_byte(struct json_scan *s, char c)
{
    if (s->in_string) {
        if (s->escaped) {
            s->escaped = false;
        } else if (c == '\\') {
            s->escaped = true;
        } else if (c == '"') {
            s->in_string = false;
            return s->depth == 0;
        }
        return false;
    }
    if (c == '"') {
        s->in_string = true;
    } else if (c == '{' || c == '[') {
        s->depth++;
    } else if (c == '}' || c == ']') {
        s->depth--;
        return s->depth <= 0;
    }
    return false;
}

/* Takes the value at the front: an object, an array or a string by its brackets or quotes, anything
 * else up to what ends it. FRAME_ITEM: whole, in *ret_data. */
static enum frame_what json_value(struct frame_reader *r, const char **ret_data, size_t *ret_len)
{
    struct json_scan *s = &r->scan;
    const char *p = frame_front(r);
    size_t room = frame_pending(r);
    bool whole = false;
    bool scalar = s->pos == 0 && room > 0 && !r->skip_json && strchr("{[\"", p[0]) == NULL;
    if (scalar) {
        size_t n = 0;
        while (n < room && strchr(",}] \r\n\t", p[n]) == NULL) {
            n++;
        }
        whole = n < room;
        s->pos = whole ? n : 0;
    }
    while (!scalar && !whole && s->pos < room) {
        whole = scan_byte(s, p[s->pos++]);
    }
    if (!whole && room > LIMIT_OBJECT_BYTES) {
        r->skip_json = true;
    }
    if (!whole && !r->skip_json) {
        return FRAME_MORE;
    }
    bool skipped = r->skip_json;
    *ret_data = p;
    *ret_len = s->pos;
    r->used += s->pos;
    if (!whole) { /* passed over as it comes: only depth and quotes are kept */
        s->pos = 0;
        return FRAME_MORE;
    }
    *s = (struct json_scan){0};
    r->skip_json = false;
    return skipped || *ret_len > LIMIT_OBJECT_BYTES ? FRAME_SKIPPED : FRAME_ITEM;
}

enum frame_what frame_json_watch(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                 struct err *err)
{
    bool fresh = r->scan.pos == 0 && !r->skip_json;
    if (fresh) {
        skip_blanks(r, false);
    }
    if (frame_pending(r) == 0) {
        return FRAME_MORE;
    }
    if (fresh && *frame_front(r) != '{') {
        return frame_bad(err, "the stream holds something else than JSON objects");
    }
    return json_value(r, ret_data, ret_len);
}

/* Between keys: FRAME_ITEM when a key was read or the object ended. */
static enum frame_what json_key(struct frame_reader *r, struct err *err)
{
    const char *key = NULL;
    size_t n = 0;
    if (*frame_front(r) == '}') {
        r->used++;
        r->place = PLACE_FINISHED;
        return FRAME_ITEM;
    }
    if (*frame_front(r) != '"') {
        return frame_bad(err, "a list that is not JSON");
    }
    if (json_value(r, &key, &n) != FRAME_ITEM) {
        return frame_pending(r) > FRAME_KIND_MAX ? frame_bad(err, "an endless key") : FRAME_MORE;
    }
    r->key[0] = '\0';
    if (n - 2 < sizeof r->key) {
        memcpy(r->key, key + 1, n - 2);
        r->key[n - 2] = '\0';
    }
    r->place = PLACE_COLON;
    return FRAME_ITEM;
}

/* Before a value of the outer object. FRAME_META: it is the metadata. */
static enum frame_what json_outer_value(struct frame_reader *r, const char **ret_data,
                                        size_t *ret_len, struct err *err)
{
    bool items = strcmp(r->key, "items") == 0;
    if (items && r->scan.pos == 0 && *frame_front(r) == '[') {
        r->used++;
        r->has_items = true;
        r->place = PLACE_ITEMS;
        return FRAME_ITEM;
    }
    enum frame_what what = json_value(r, ret_data, ret_len);
    if (what == FRAME_MORE) {
        *ret_data = NULL;
        return FRAME_MORE;
    }
    const char *value = *ret_data;
    size_t n = *ret_len;
    *ret_data = NULL;
    r->place = PLACE_FIELDS;
    if (items && (n != 4 || memcmp(value, "null", 4) != 0)) {
        return frame_bad(err, "items is not a list");
    }
    r->has_items = r->has_items || items;
    if (strcmp(r->key, "kind") == 0) {
        r->is_list = n > 2 && frame_ends_in_list(value + 1, n - 2);
    }
    if (what == FRAME_ITEM && strcmp(r->key, "metadata") == 0) {
        *ret_data = value;
        return FRAME_META;
    }
    return FRAME_ITEM;
}

/* Inside "items". */
static enum frame_what json_item(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                 struct err *err)
{
    bool fresh = r->scan.pos == 0 && !r->skip_json;
    if (fresh && *frame_front(r) == ']') {
        r->used++;
        r->place = PLACE_FIELDS;
        return FRAME_ITEM;
    }
    if (fresh && *frame_front(r) != '{') {
        return frame_bad(err, "an item that is not an object");
    }
    enum frame_what what = json_value(r, ret_data, ret_len);
    if (what != FRAME_ITEM) {
        *ret_data = NULL;
    }
    return what;
}

static enum frame_what json_outer(struct frame_reader *r, struct err *err)
{
    char want = r->place == PLACE_START ? '{' : ':';
    if (r->place == PLACE_FINISHED || *frame_front(r) != want) {
        return frame_bad(err, r->place == PLACE_FINISHED ? "more after the list"
                                                         : "a list that is not JSON");
    }
    r->used++;
    r->place = r->place == PLACE_START ? PLACE_FIELDS : PLACE_VALUE;
    return FRAME_ITEM;
}

enum frame_what frame_json_list(struct frame_reader *r, const char **ret_data, size_t *ret_len,
                                struct err *err)
{
    for (;;) {
        if (r->scan.pos == 0 && !r->skip_json) {
            skip_blanks(r, r->place == PLACE_FIELDS || r->place == PLACE_ITEMS);
        }
        if (frame_pending(r) == 0) {
            return FRAME_MORE;
        }
        enum frame_what what = FRAME_BAD;
        switch (r->place) {
        case PLACE_FIELDS:
            what = json_key(r, err);
            break;
        case PLACE_VALUE:
            what = json_outer_value(r, ret_data, ret_len, err);
            break;
        case PLACE_ITEMS:
            what = json_item(r, ret_data, ret_len, err);
            break;
        case PLACE_START:
        case PLACE_COLON:
        case PLACE_FINISHED:
            what = json_outer(r, err);
            break;
        }
        if (what != FRAME_ITEM || *ret_data != NULL) {
            return what;
        }
    }
}
