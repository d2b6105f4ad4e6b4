/*
 * The YAML layer: a document of libyaml walked by the option table. Every message names file, line
 * and column; unknown keys, repeated keys, wrong node types, tags and second documents are errors.
 * Anchors are resolved by libyaml; nesting is bounded before a document is built.
 */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/yaml_depth.h"
#include "config/load.h"

enum { DEPTH_MAX = 16 };

struct walk {
    const char *name;
    yaml_document_t *doc;
    struct arena *arena;
    struct config_places *places;
    bool files;
    struct err *err;
};

static bool fail_at(struct walk *w, const yaml_node_t *node, const char *what)
{
    return err_set(w->err, ERR_INPUT, "%s:%zu:%zu: %s", w->name, node->start_mark.line + 1,
                   node->start_mark.column + 1, what);
}

static bool fail_key(struct walk *w, const yaml_node_t *node, const char *key, const char *what)
{
    return err_set(w->err, ERR_INPUT, "%s:%zu:%zu: %.100s: %s", w->name, node->start_mark.line + 1,
                   node->start_mark.column + 1, key, what);
}

static bool scalar_text(struct walk *w, const yaml_node_t *node, const char *key, const char **ret)
{
    if (node->type != YAML_SCALAR_NODE) {
        return fail_key(w, node, key, "a single value is wanted here");
    }
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length) {
        return fail_key(w, node, key, "the value contains a NUL byte");
    }
    bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    *ret = plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0) ? "" : text;
    return true;
}

static bool set_list(struct walk *w, const struct option *o, const yaml_node_t *node, void *base)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        return fail_key(w, node, o->key, "a list is wanted here");
    }
    const char *items[LIMIT_RECORDS];
    size_t n = 0;
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        const yaml_node_t *item = yaml_document_get_node(w->doc, *i);
        if (n == LIMIT_RECORDS) {
            return fail_key(w, item, o->key, "too many items");
        }
        const char *text = "";
        struct err inner = {0};
        if (!scalar_text(w, item, o->key, &text)) {
            return false;
        }
        if (!option_check_item(o, text, &inner)) {
            return fail_key(w, item, o->key, inner.text);
        }
        items[n++] = text;
    }
    option_set_texts(o, base, items, n, w->arena);
    return true;
}

static bool set_scalar(struct walk *w, const struct option *o, const yaml_node_t *node, void *base)
{
    const char *text = NULL;
    if (!scalar_text(w, node, o->key, &text)) {
        return false;
    }
    struct err inner = {0};
    if (!option_set(o, base, text, w->arena, &inner)) {
        return fail_key(w, node, o->key, inner.text);
    }
    return true;
}

/* KEY_file of a secret: the value is read from that file. */
static bool set_secret_file(struct walk *w, const struct option *o, const yaml_node_t *node,
                            void *base)
{
    const char *path = NULL;
    if (!scalar_text(w, node, o->key, &path)) {
        return false;
    }
    const char *secret = "";
    struct err inner = {0};
    if (w->files && !config_read_secret(path, w->arena, &secret, &inner)) {
        return fail_key(w, node, o->key, inner.text);
    }
    *(const char **)(void *)((char *)base + o->offset) = secret;
    return true;
}

static bool walk_mapping(struct walk *w, const struct option_table *table, const char *prefix,
                         const yaml_node_t *node, void *base);

/* Where records stand, for the checks that look at the whole; nobody asks for the rest. */
static struct config_place *places_of(struct walk *w, const struct option *o, size_t n)
{
    struct config_place *places = arena_array(w->arena, struct config_place, n + 1);
    if (strcmp(o->key, "alerts.receivers") == 0) {
        w->places->receivers = places;
    }
    return places;
}

static bool missing_keys(struct walk *w, const struct option_table *table, const yaml_node_t *node,
                         const void *record)
{
    for (size_t i = 0; i < table->n; i++) {
        const char *text = NULL;
        if (table->options[i].def != NULL) {
            continue;
        }
        memcpy(&text, (const char *)record + table->options[i].offset, sizeof text);
        if (text == NULL || text[0] == '\0') {
            return fail_key(w, node, table->options[i].key, "is missing here");
        }
    }
    return true;
}

static bool set_records(struct walk *w, const struct option *o, const yaml_node_t *node, void *base)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        return fail_key(w, node, o->key, "a list of mappings is wanted here");
    }
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (n > LIMIT_RECORDS) {
        return fail_key(w, node, o->key, "too many items");
    }
    char *records = arena_zalloc(w->arena, (n + 1) * o->sub->size);
    struct config_place *places = places_of(w, o, n);
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *item =
            yaml_document_get_node(w->doc, node->data.sequence.items.start[i]);
        void *record = records + i * o->sub->size;
        places[i] = (struct config_place){item->start_mark.line + 1, item->start_mark.column + 1};
        option_defaults(o->sub, record, w->arena);
        if (item->type != YAML_MAPPING_NODE) {
            return fail_key(w, item, o->key, "each item is a mapping");
        }
        if (!walk_mapping(w, o->sub, "", item, record) || !missing_keys(w, o->sub, item, record)) {
            return false;
        }
    }
    memcpy((char *)base + o->offset, &records, sizeof records);
    memcpy((char *)base + o->count_offset, &n, sizeof n);
    return true;
}

static bool set_option(struct walk *w, const struct option *o, const yaml_node_t *node, void *base)
{
    if (o->type == OPTION_RECORDS) {
        return set_records(w, o, node, base);
    }
    return o->type == OPTION_TEXTS ? set_list(w, o, node, base) : set_scalar(w, o, node, base);
}

static bool is_section(const struct option_table *table, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < table->n; i++) {
        if (strncmp(table->options[i].key, key, len) == 0 && table->options[i].key[len] == '.') {
            return true;
        }
    }
    return false;
}

static const struct option *secret_twin(const struct option_table *table, const char *key)
{
    size_t len = strlen(key);
    char stem[128];
    if (len <= 5 || len >= sizeof stem || strcmp(key + len - 5, "_file") != 0) {
        return NULL;
    }
    memcpy(stem, key, len - 5);
    stem[len - 5] = '\0';
    const struct option *o = option_find(table, stem);
    return o != NULL && o->type == OPTION_SECRET ? o : NULL;
}

static bool set_pair(struct walk *w, const struct option_table *table, const char *path,
                     const yaml_node_t *key_node, const yaml_node_t *value, void *base)
{
    const struct option *o = option_find(table, path);
    if (o != NULL) {
        if (table == &config_table) {
            w->places->where[o - table->options] =
                arena_printf(w->arena, "%s:%zu:%zu", w->name, value->start_mark.line + 1,
                             value->start_mark.column + 1);
        }
        return set_option(w, o, value, base);
    }
    const struct option *secret = secret_twin(table, path);
    if (secret != NULL) {
        return set_secret_file(w, secret, value, base);
    }
    if (strchr(path, '.') == NULL && is_section(table, path)) {
        if (value->type == YAML_SCALAR_NODE && value->data.scalar.length == 0) {
            return true; /* a section with everything commented out */
        }
        return walk_mapping(w, table, path, value, base);
    }
    return fail_key(w, key_node, path, "there is no such option");
}

static bool repeated(struct walk *w, const yaml_node_t *node, const yaml_node_pair_t *pair,
                     const char *key)
{
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < pair; p++) {
        const yaml_node_t *k = yaml_document_get_node(w->doc, p->key);
        if (k->type == YAML_SCALAR_NODE && strcmp((const char *)k->data.scalar.value, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool walk_mapping(struct walk *w, const struct option_table *table, const char *prefix,
                         const yaml_node_t *node, void *base)
{
    if (node->type != YAML_MAPPING_NODE) {
        return fail_at(w, node, "a mapping (key: value) is wanted here");
    }
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key_node = yaml_document_get_node(w->doc, p->key);
        const char *key = "";
        if (!scalar_text(w, key_node, "key", &key)) {
            return false;
        }
        if (repeated(w, node, p, key)) {
            return fail_key(w, key_node, key, "stands here twice");
        }
        char path[256];
        (void)snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
        if (!set_pair(w, table, path, key_node, yaml_document_get_node(w->doc, p->value), base)) {
            return false;
        }
    }
    return true;
}

/* Bytes that are no text have an offset and no mark. */
static yaml_mark_t mark_at(const char *text, size_t offset)
{
    yaml_mark_t m = {.index = offset};
    for (size_t i = 0; i < offset; i++) {
        bool ends = text[i] == '\n';
        m.line += ends;
        m.column = ends ? 0 : m.column + (((unsigned char)text[i] & 0xc0) != 0x80);
    }
    return m;
}

static bool parser_error(const struct config_places *places, const yaml_parser_t *parser,
                         const char *text, struct err *err)
{
    yaml_mark_t at = parser->error == YAML_READER_ERROR ? mark_at(text, parser->problem_offset)
                                                        : parser->problem_mark;
    return err_set(err, ERR_INPUT, "%s:%zu:%zu: not YAML: %s", places->file, at.line + 1,
                   at.column + 1, parser->problem != NULL ? parser->problem : "unreadable");
}

static bool walk_document(struct walk *w, struct config *cfg)
{
    const yaml_node_t *root = yaml_document_get_root_node(w->doc);
    if (root == NULL || (root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0)) {
        return true; /* an empty file: all defaults */
    }
    return walk_mapping(w, &config_table, "", root, cfg);
}

bool config_read_yaml(const char *text, size_t len, struct arena *arena, struct config *cfg,
                      struct config_places *places, struct err *err)
{
    const char *name = places->file;
    yaml_parser_t parser;
    yaml_document_t doc;
    size_t line = 0;
    size_t column = 0;
    if (!yaml_depth_ok(text, len, DEPTH_MAX, &line, &column)) {
        return err_set(err, ERR_INPUT, "%s:%zu:%zu: nested more than %d levels deep", name, line,
                       column, DEPTH_MAX);
    }
    if (!yaml_parser_initialize(&parser)) {
        return err_set(err, ERR_BUG, "%s: libyaml did not start", name);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    bool ok = yaml_parser_load(&parser, &doc) != 0;
    if (!ok) {
        (void)parser_error(places, &parser, text, err);
        yaml_parser_delete(&parser);
        return false;
    }
    struct walk w = {name, &doc, arena, places, places->secrets, err};
    ok = walk_document(&w, cfg);
    yaml_document_delete(&doc);
    if (ok) {
        if (yaml_parser_load(&parser, &doc) == 0) {
            ok = parser_error(places, &parser, text, err);
        } else {
            const yaml_node_t *second = yaml_document_get_root_node(&doc);
            if (second != NULL) {
                ok = fail_at(&w, second, "a second document; one is allowed");
            }
            yaml_document_delete(&doc);
        }
    }
    yaml_parser_delete(&parser);
    return ok;
}
