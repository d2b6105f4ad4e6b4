/*
 * The engine under the readers of ELBv2's and STS's XML (elb_read.c), by expat: a table names each
 * wanted leaf by its path below the list's member, and lists inside a member by tables of their
 * own. State and Reason occur in two siblings, so leaves are matched by path, never by name; order,
 * blanks and unknown elements do not matter. A result counts only when the document ended well and
 * held the expected result element.
 */
#include "source/elb_xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "base/utf8.h"

enum { XML_DEPTH = 24, XML_PATH = 512, XML_TEXT = 64 << 10, XML_ROWS = 20000, XML_FRAMES = 4 };

/* A row that is being filled. It does not move: only its own list grows, once it is closed. */
struct xml_frame {
    const struct xml_table *table;
    char *row;
    int depth;
};

struct xml_run {
    const struct xml_table *table;
    XML_Parser parser;
    struct arena *a;
    char path[XML_PATH]; /* of the open element, below the root, "/"-joined */
    size_t marks[XML_DEPTH + 1];
    int depth;
    struct buf text;
    bool result_seen;
    size_t result_len;                   /* of its path; the item's path follows */
    struct xml_frame frames[XML_FRAMES]; /* open rows: an item, a row of a list in it, ... */
    int n_frames;
    struct list items;
    uint32_t n_rows; /* of all lists */
    const char *marker;
    const char *wrong; /* first thing that is wrong */
};

static void fail(struct xml_run *r, const char *why)
{
    if (r->wrong == NULL) {
        r->wrong = why;
        (void)XML_StopParser(r->parser, XML_FALSE);
    }
}

/* The path below the innermost open row, or NULL outside of one. */
static const char *path_in_row(const struct xml_run *r)
{
    if (r->n_frames == 0) {
        return NULL;
    }
    const char *p = r->path + r->marks[r->frames[r->n_frames - 1].depth];
    return *p == '/' ? p + 1 : p;
}

static void clear_row(const struct xml_table *t, void *row)
{
    memset(row, 0, t->size);
    for (size_t i = 0; i < t->n; i++) {
        char *at = (char *)row + t->leaves[i].offset;
        if (t->leaves[i].type == XML_STR) {
            *(const char **)(void *)at = "";
        } else if (t->leaves[i].type == XML_BOOL || t->leaves[i].type == XML_PINT) {
            *(int64_t *)(void *)at = -1;
        }
    }
}

/* Room for one more: the array doubles whenever its count is a power of two. */
static char *push_row(struct xml_run *r, const struct xml_table *t, struct list *list)
{
    uint32_t n = list->n;
    char *items = (char *)(uintptr_t)list->items; /* ours */
    if ((n & (n - 1)) == 0) {
        items = arena_alloc(r->a, (n == 0 ? 1 : 2 * (size_t)n) * t->size);
        if (n > 0) {
            memcpy(items, list->items, n * t->size);
        }
        list->items = items;
    }
    list->n++;
    clear_row(t, items + n * t->size);
    return items + n * t->size;
}

static void open_row(struct xml_run *r, const struct xml_table *t, struct list *list)
{
    if (r->n_rows == XML_ROWS || r->n_frames == XML_FRAMES) {
        fail(r, "more items than anybody has");
        return;
    }
    r->n_rows++;
    r->frames[r->n_frames++] =
        (struct xml_frame){.table = t, .row = push_row(r, t, list), .depth = r->depth};
}

/* Does a row of a list begin inside the open one? */
static void open_in_row(struct xml_run *r)
{
    const struct xml_frame *f = &r->frames[r->n_frames - 1];
    const char *below = path_in_row(r);
    for (size_t i = 0; i < f->table->n; i++) {
        const struct xml_leaf *leaf = &f->table->leaves[i];
        if (leaf->type == XML_LIST && strcmp(below, leaf->path) == 0) {
            open_row(r, leaf->rows, (struct list *)(void *)(f->row + leaf->offset));
            return;
        }
    }
}

static void open_known(struct xml_run *r)
{
    const char *result = r->table->result;
    if (!r->result_seen && r->depth == 2 && strcmp(r->path, result) == 0) {
        r->result_seen = true;
        r->result_len = strlen(result);
        if (r->table->item[0] == '\0') {
            open_row(r, r->table, &r->items);
        }
        return;
    }
    if (r->n_frames > 0) {
        open_in_row(r);
    } else if (r->result_seen && strncmp(r->path, result, r->result_len) == 0 &&
               r->path[r->result_len] == '/' &&
               strcmp(r->path + r->result_len + 1, r->table->item) == 0) {
        open_row(r, r->table, &r->items);
    }
}

static void XMLCALL on_open(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    (void)attributes;
    struct xml_run *r = arg;
    const char *colon = strchr(name, ':');
    name = colon != NULL ? colon + 1 : name;
    if (r->depth == XML_DEPTH) {
        fail(r, "nested too deeply");
        return;
    }
    r->depth++;
    size_t at = r->depth > 1 ? r->marks[r->depth - 1] : 0;
    if (r->depth > 1) { /* the root's name is the call's and says nothing */
        size_t n = strlen(name);
        if (at + n + 2 > sizeof r->path) {
            r->marks[r->depth] = at;
            fail(r, "an element's path is too long");
            return;
        }
        if (at > 0) {
            r->path[at++] = '/';
        }
        memcpy(r->path + at, name, n + 1);
        at += n;
    }
    r->marks[r->depth] = at;
    buf_clear(&r->text);
    if (r->table != NULL) {
        open_known(r);
    }
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int len)
{
    struct xml_run *r = arg;
    if (!buf_add(&r->text, text, (size_t)len)) {
        fail(r, "a text is too long");
    }
}

static void add_text(struct xml_run *r, struct strs *list, const char *text)
{
    if (list->n == XML_ROWS) {
        fail(r, "a list is too long");
        return;
    }
    const char **more = arena_array(r->a, const char *, list->n + 1);
    if (list->n > 0) {
        memcpy(more, list->items, list->n * sizeof *more);
    }
    more[list->n] = text;
    list->items = more;
    list->n++;
}

static void take_leaf(struct xml_run *r, char *row, const struct xml_leaf *leaf)
{
    char *at = row + leaf->offset;
    const char *text = utf8_clean(r->a, buf_str(&r->text), r->text.len);
    switch (leaf->type) {
    case XML_STR:
        *(const char **)(void *)at = text;
        break;
    case XML_INT:
    case XML_PINT:
        *(int64_t *)(void *)at = strtoll(text, NULL, 10);
        break;
    case XML_BOOL:
        *(int64_t *)(void *)at = strcmp(text, "true") == 0 ? 1 : 0;
        break;
    case XML_STRS:
        add_text(r, (struct strs *)(void *)at, text);
        break;
    case XML_LIST: /* its rows have opened frames of their own */
    default:
        break;
    }
}

static void close_known(struct xml_run *r)
{
    const char *below = path_in_row(r);
    struct xml_frame *f = below != NULL ? &r->frames[r->n_frames - 1] : NULL;
    for (size_t i = 0; f != NULL && i < f->table->n; i++) {
        if (strcmp(below, f->table->leaves[i].path) == 0) {
            take_leaf(r, f->row, &f->table->leaves[i]);
        }
    }
    if (r->result_seen && r->depth == 3 && strcmp(r->path + r->result_len, "/NextMarker") == 0) {
        r->marker = utf8_clean(r->a, buf_str(&r->text), r->text.len);
    }
    if (f != NULL && f->depth == r->depth) {
        r->n_frames--;
    }
}

static void XMLCALL on_close(void *arg, const XML_Char *name)
{
    (void)name;
    struct xml_run *r = arg;
    if (r->table != NULL) {
        close_known(r);
    }
    r->depth--;
    r->path[r->depth > 0 ? r->marks[r->depth] : 0] = '\0';
    buf_clear(&r->text);
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int internal)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)internal;
    fail(arg, "it has a DOCTYPE");
}

static bool run_parser(struct xml_run *r, XML_EndElementHandler on_end, const char *xml, size_t len,
                       struct err *err)
{
    r->parser = XML_ParserCreate(NULL);
    r->marker = "";
    buf_init(&r->text, XML_TEXT);
    if (r->parser == NULL || len > LIMIT_AWS_ANSWER) {
        XML_ParserFree(r->parser);
        return err_set(err, ERR_INPUT, "an answer of %zu bytes", len);
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_open, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    bool ok = XML_Parse(r->parser, xml, (int)len, 1) == XML_STATUS_OK && r->wrong == NULL;
    if (!ok) {
        (void)err_set(err, ERR_INPUT, "XML line %lu: %s",
                      (unsigned long)XML_GetCurrentLineNumber(r->parser),
                      r->wrong != NULL ? r->wrong : XML_ErrorString(XML_GetErrorCode(r->parser)));
    }
    XML_ParserFree(r->parser);
    buf_fini(&r->text);
    return ok;
}

bool elb_xml_read(const struct xml_table *table, const char *xml, size_t len, struct arena *a,
                  struct elb_page *ret, struct err *err)
{
    struct xml_run r = {.table = table, .a = a};
    if (!run_parser(&r, on_close, xml, len, err)) {
        return false;
    }
    if (!r.result_seen) {
        return err_set(err, ERR_INPUT, "the answer has no %s", table->result);
    }
    *ret = (struct elb_page){r.items, r.marker};
    return true;
}

/* ---- errors: the first Error/Code and Error/Message anywhere ---- */

struct error_run {
    struct xml_run run; /* stands first: the shared handlers see it alone */
    struct elb_error *ret;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void XMLCALL on_error_close(void *arg, const XML_Char *name)
{
    struct error_run *e = arg;
    if (ends_with(e->run.path, "Error/Code") && e->ret->code[0] == '\0') {
        (void)snprintf(e->ret->code, sizeof e->ret->code, "%.99s", buf_str(&e->run.text));
    } else if (ends_with(e->run.path, "Error/Message") && e->ret->message[0] == '\0') {
        (void)snprintf(e->ret->message, sizeof e->ret->message, "%.399s", buf_str(&e->run.text));
    }
    on_close(arg, name);
}

void elb_read_error(int status, const char *xml, size_t len, struct elb_error *ret)
{
    *ret = (struct elb_error){.code = ""};
    struct error_run e = {.ret = ret};
    struct err ignored = {0};
    bool ok = run_parser(&e.run, on_error_close, xml, len, &ignored);
    if (!ok || ret->code[0] == '\0') {
        *ret = (struct elb_error){.code = ""};
        (void)snprintf(ret->code, sizeof ret->code, "HTTP %d", status);
    }
}
