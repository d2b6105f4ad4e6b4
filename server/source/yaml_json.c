/*
 * YAML events to jansson values (see manifest.h). A stack of open collections replaces recursion;
 * an alias shares the value it stands for and is charged its whole size, so that aliases of aliases
 * end at the ceiling instead of in memory.
 *
 * Plain scalars are typed as Kubernetes' own reader has them, but for what YAML 1.1 alone calls
 * booleans: yes and no stay texts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/mem.h"
#include "base/own.h"
#include "source/manifest.h"

DEFINE_AUTO_PTR(json_t, json_decref)

enum { ANCHORS_MAX = 256, ANCHOR_NAME = 128 };

struct frame {
    json_t *value; /* ours */
    json_t *merge; /* value of "<<", ours; NULL = none */
    char *key;     /* of the value to come; NULL = a key comes next (mappings) */
    char anchor[ANCHOR_NAME];
    size_t nodes; /* inside so far */
};
struct anchor {
    char name[ANCHOR_NAME];
    json_t *value; /* ours */
    size_t nodes;
};

struct yaml_stream {
    yaml_parser_t parser;
    const char *name;
    struct frame stack[MANIFEST_DEPTH_MAX];
    size_t depth;
    struct anchor anchors[ANCHORS_MAX];
    size_t n_anchors;
    struct yaml_place places[YAML_PLACES_MAX];
    size_t n_places;
    size_t nodes; /* of the whole stream */
    json_t *root; /* of the document; ours */
    bool broken;
};

struct yaml_stream *yaml_stream_new(const char *name, const char *text, size_t len)
{
    struct yaml_stream *s = xcalloc(1, sizeof *s);
    s->name = name;
    if (yaml_parser_initialize(&s->parser) == 0) {
        abort(); /* out of memory, as in base/mem */
    }
    yaml_parser_set_encoding(&s->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&s->parser, (const unsigned char *)text, len);
    return s;
}

static void drop_document(struct yaml_stream *s)
{
    while (s->depth > 0) {
        struct frame *f = &s->stack[--s->depth];
        json_decref(f->value);
        json_decref(f->merge);
        free(f->key);
    }
    for (size_t i = 0; i < s->n_anchors; i++) {
        json_decref(s->anchors[i].value);
    }
    json_decref(s->root);
    s->root = NULL;
    s->n_anchors = 0;
    s->n_places = 0;
}

void yaml_stream_free(struct yaml_stream *s)
{
    if (s != NULL) {
        drop_document(s);
        yaml_parser_delete(&s->parser);
        free(s);
    }
}

static bool fail(struct yaml_stream *s, const yaml_mark_t *at, const char *what, struct err *err)
{
    s->broken = true;
    return err_set(err, ERR_INPUT, "%.200s:%zu:%zu: %s", s->name, at->line + 1, at->column + 1,
                   what);
}

/* ---- scalars ---- */

static bool one_of(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *number_of(const char *text)
{
    const char *digits = text + (*text == '-' || *text == '+');
    char *end = NULL;
    int base = strncmp(digits, "0x", 2) == 0 ? 16 : strncmp(digits, "0o", 2) == 0 ? 8 : 10;
    if (*digits < '0' || *digits > '9') {
        return NULL;
    }
    errno = 0;
    long long n = base == 8 ? strtoll(digits + 2, &end, 8) : strtoll(text, &end, base);
    if (errno == 0 && *end == '\0') {
        return json_integer(base == 8 && *text == '-' ? -n : n);
    }
    errno = 0;
    double d = strtod(text, &end);
    bool decimal = strspn(text, "+-0123456789.eE") == strlen(text);
    return decimal && *end == '\0' && errno == 0 ? json_real(d) : NULL;
}

static json_t *scalar_of(const yaml_event_t *e)
{
    static const char *const nils[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    bool plain = e->data.scalar.plain_implicit != 0 && strlen(text) == len &&
                 e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && one_of(text, nils)) {
        return json_null();
    }
    if (plain && (one_of(text, yes) || one_of(text, no))) {
        return json_boolean(one_of(text, yes));
    }
    json_t *n = plain ? number_of(text) : NULL;
    return n != NULL ? n : json_stringn(text, len);
}

/* ---- building ---- */

static bool anchor_add(struct yaml_stream *s, const yaml_mark_t *at, const char *name,
                       json_t *value, size_t nodes, struct err *err)
{
    struct anchor *a = NULL;
    for (size_t i = 0; i < s->n_anchors && a == NULL; i++) {
        a = strcmp(s->anchors[i].name, name) == 0 ? &s->anchors[i] : NULL;
    }
    if (a == NULL) {
        if (s->n_anchors == ANCHORS_MAX) {
            return fail(s, at, "too many anchors", err);
        }
        a = &s->anchors[s->n_anchors++];
        *a = (struct anchor){.value = NULL};
        (void)snprintf(a->name, sizeof a->name, "%s", name); /* its length was checked */
    }
    json_decref(a->value);
    a->value = json_incref(value);
    a->nodes = nodes;
    return true;
}

/* Merge keys: what is written beside "<<" wins; of a list, the first that has the key. */
static void merge(struct frame *f)
{
    if (json_is_object(f->merge)) {
        (void)json_object_update_missing(f->value, f->merge);
    }
    size_t i = 0;
    json_t *item = NULL; /* borrowed */
    json_array_foreach(f->merge, i, item)
    {
        if (json_is_object(item)) {
            (void)json_object_update_missing(f->value, item);
        }
    }
    json_decref(f->merge);
    f->merge = NULL;
}

/* Puts a whole value (taken) where it belongs: a key, a value, an item, or the document's root. */
static bool place(struct yaml_stream *s, const yaml_event_t *e, json_t *value, size_t nodes,
                  struct err *err)
{
    AUTO_PTR(json_t) own = value;
    s->nodes += nodes;
    if (own == NULL) {
        return fail(s, &e->start_mark, "not UTF-8", err);
    }
    if (s->nodes > MANIFEST_NODES_MAX) {
        return fail(s, &e->start_mark, "too much: what aliases stand for counts each time", err);
    }
    if (s->depth == 0) {
        json_decref(s->root);
        s->root = steal(&own);
        return true;
    }
    struct frame *f = &s->stack[s->depth - 1];
    f->nodes += nodes;
    if (json_is_array(f->value)) {
        (void)json_array_append(f->value, own);
        return true;
    }
    if (f->key == NULL) {
        if (e->type != YAML_SCALAR_EVENT ||
            memchr(e->data.scalar.value, 0, e->data.scalar.length)) {
            return fail(s, &e->start_mark, "a key must be a text", err);
        }
        f->key = xstrdup((const char *)e->data.scalar.value);
        return true;
    }
    if (strcmp(f->key, "<<") == 0) {
        json_decref(f->merge);
        f->merge = steal(&own);
    } else if (json_object_set(f->value, f->key, own) != 0) {
        return fail(s, &e->start_mark, "the key is not UTF-8", err);
    }
    free(f->key);
    f->key = NULL;
    return true;
}

static bool check_anchor(struct yaml_stream *s, const yaml_event_t *e, const unsigned char *anchor,
                         struct err *err)
{
    if (anchor != NULL && strlen((const char *)anchor) >= ANCHOR_NAME) {
        return fail(s, &e->start_mark, "the anchor's name is too long", err);
    }
    return true;
}

static bool open_collection(struct yaml_stream *s, const yaml_event_t *e, json_t *value,
                            const unsigned char *anchor, struct err *err)
{
    AUTO_PTR(json_t) own = value;
    const struct frame *up = s->depth > 0 ? &s->stack[s->depth - 1] : NULL;
    if (s->depth == MANIFEST_DEPTH_MAX) {
        return fail(s, &e->start_mark, "nested too deeply", err);
    }
    if (up != NULL && json_is_object(up->value) && up->key == NULL) {
        return fail(s, &e->start_mark, "a key must be a text", err);
    }
    if (!check_anchor(s, e, anchor, err)) {
        return false;
    }
    if (json_is_object(own) && s->n_places < YAML_PLACES_MAX && s->depth <= 2) {
        s->places[s->n_places++] =
            (struct yaml_place){own, e->start_mark.line + 1, e->start_mark.column + 1};
    }
    struct frame *f = &s->stack[s->depth++];
    *f = (struct frame){.value = steal(&own)};
    if (anchor != NULL) {
        (void)snprintf(f->anchor, sizeof f->anchor, "%s", (const char *)anchor);
    }
    return true;
}

static bool close_collection(struct yaml_stream *s, const yaml_event_t *e, struct err *err)
{
    struct frame f = s->stack[--s->depth];
    if (f.merge != NULL) {
        merge(&f);
    }
    free(f.key); /* NULL: libyaml ends mappings after values */
    bool ok =
        f.anchor[0] == '\0' || anchor_add(s, &e->start_mark, f.anchor, f.value, f.nodes + 1, err);
    if (!ok) {
        json_decref(f.value);
        return false;
    }
    ok = place(s, e, f.value, 1, err);
    if (ok && s->depth > 0) {
        s->stack[s->depth - 1].nodes += f.nodes;
    }
    return ok;
}

static bool use_alias(struct yaml_stream *s, const yaml_event_t *e, struct err *err)
{
    const char *name = (const char *)e->data.alias.anchor;
    for (size_t i = 0; i < s->n_anchors; i++) {
        if (strcmp(s->anchors[i].name, name) == 0) {
            return place(s, e, json_incref(s->anchors[i].value), s->anchors[i].nodes, err);
        }
    }
    return fail(s, &e->start_mark, "the anchor is not known here", err);
}

static bool scalar(struct yaml_stream *s, const yaml_event_t *e, struct err *err)
{
    const unsigned char *anchor = e->data.scalar.anchor;
    json_t *value = scalar_of(e);
    if (anchor != NULL && value != NULL &&
        (!check_anchor(s, e, anchor, err) ||
         !anchor_add(s, &e->start_mark, (const char *)anchor, value, 1, err))) {
        json_decref(value);
        return false;
    }
    return place(s, e, value, 1, err);
}

/* One event; *ret_done at the end of a document or of the stream. */
static bool event(struct yaml_stream *s, const yaml_event_t *e, bool *ret_done, struct err *err)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return scalar(s, e, err);
    case YAML_ALIAS_EVENT:
        return use_alias(s, e, err);
    case YAML_MAPPING_START_EVENT:
        return open_collection(s, e, json_object(), e->data.mapping_start.anchor, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(s, e, json_array(), e->data.sequence_start.anchor, err);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return close_collection(s, e, err);
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        *ret_done = true;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_START_EVENT:
        return true;
    }
    return true;
}

bool yaml_stream_next(struct yaml_stream *s, json_t **ret, bool *ret_end, struct err *err)
{
    bool done = false;
    bool end = false;
    drop_document(s);
    while (!done) {
        yaml_event_t e;
        if (s->broken || yaml_parser_parse(&s->parser, &e) == 0) {
            const yaml_mark_t *at = &s->parser.problem_mark;
            return fail(s, at, s->parser.problem != NULL ? s->parser.problem : "not YAML", err);
        }
        end = e.type == YAML_STREAM_END_EVENT;
        bool ok = event(s, &e, &done, err);
        yaml_event_delete(&e);
        if (!ok) {
            return false;
        }
    }
    *ret_end = end;
    *ret = json_is_null(s->root) ? NULL : json_incref(s->root);
    return true;
}

bool yaml_stream_place(const struct yaml_stream *s, const json_t *object, struct yaml_place *ret)
{
    for (size_t i = 0; i < s->n_places; i++) {
        if (s->places[i].object == object) {
            *ret = s->places[i];
            return true;
        }
    }
    return false;
}
