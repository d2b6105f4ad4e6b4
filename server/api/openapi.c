/* The contract in both notations (see openapi.h). */
#include "api/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/json_out.h"

static const unsigned char document[] = {
#include "openapi.inc"
};

enum { DEPTH_MAX = 64, JSON_BYTES = 4 << 20 };

static bool is_number(const char *text)
{
    const char *p = text + (*text == '-');
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || (digits > 1 && *p == '0')) {
        return false;
    }
    p += digits;
    if (*p == '.') {
        p++;
        digits = strspn(p, "0123456789");
        p += digits;
        if (digits == 0) {
            return false;
        }
    }
    return *p == '\0';
}

static void scalar(const yaml_node_t *n, bool key, struct json_out *j)
{
    const char *text = (const char *)n->data.scalar.value;
    bool plain = !key && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || text[0] == '\0')) {
        json_nil(j);
    } else if (plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        json_bool(j, text[0] == 't');
    } else if (plain && is_number(text)) {
        json_raw(j, text);
    } else {
        json_strn(j, text, n->data.scalar.length);
    }
}

static bool node(yaml_document_t *d, const yaml_node_t *n, struct json_out *j, int depth);

static bool mapping(yaml_document_t *d, const yaml_node_t *n, struct json_out *j, int depth)
{
    json_open(j, '{');
    for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(d, p->key);
        if (key->type != YAML_SCALAR_NODE) {
            return false;
        }
        scalar(key, true, j);
        (void)buf_addc(j->buf, ':');
        j->comma = false;
        if (!node(d, yaml_document_get_node(d, p->value), j, depth + 1)) {
            return false;
        }
    }
    json_close(j, '}');
    return true;
}

static bool node(yaml_document_t *d, const yaml_node_t *n, struct json_out *j, int depth)
{
    if (n == NULL || depth > DEPTH_MAX || j->buf->overflow) {
        return false;
    }
    if (n->type == YAML_SCALAR_NODE) {
        scalar(n, false, j);
        return true;
    }
    if (n->type == YAML_MAPPING_NODE) {
        return mapping(d, n, j, depth);
    }
    json_open(j, '[');
    for (const yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
         i++) {
        if (!node(d, yaml_document_get_node(d, *i), j, depth + 1)) {
            return false;
        }
    }
    json_close(j, ']');
    return true;
}

bool yaml_to_json(const char *text, size_t len, struct buf *out, struct err *err)
{
    yaml_parser_t parser;
    yaml_document_t d;
    if (yaml_parser_initialize(&parser) == 0) {
        return err_set(err, ERR_BUG, "the YAML parser does not start");
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (yaml_parser_load(&parser, &d) == 0) {
        (void)err_set(err, ERR_INPUT, "line %zu: %s", parser.problem_mark.line + 1,
                      parser.problem != NULL ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return false;
    }
    struct json_out j = json_out(out);
    bool ok = node(&d, yaml_document_get_root_node(&d), &j, 0);
    yaml_document_delete(&d);
    yaml_parser_delete(&parser);
    return ok || err_set(err, ERR_INPUT, "the document is too deep, too large or has odd keys");
}

struct body *openapi_yaml(void)
{
    AUTO(buf) b = BUF_INIT(JSON_BYTES);
    (void)buf_add(&b, document, sizeof document);
    return body_new(&b);
}

struct body *openapi_json(void)
{
    AUTO(buf) b = BUF_INIT(JSON_BYTES);
    struct err err;
    if (!yaml_to_json((const char *)document, sizeof document, &b, &err)) {
        (void)fprintf(stderr, "openapi.yaml: %s\n", err.text);
        abort(); /* built in, and held by a test: our own bug */
    }
    return body_new(&b);
}
