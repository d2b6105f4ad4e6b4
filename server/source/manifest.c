/* Manifests to records (see manifest.h). */
#include "source/manifest.h"

#include <string.h>

#include "base/mem.h"
#include "base/own.h"
#include "base/utf8.h"
#include "source/read.h"

DEFINE_AUTO_PTR(json_t, json_decref)
DEFINE_AUTO_PTR(yaml_stream, yaml_stream_free)

enum { LIST_DEPTH_MAX = 3 }; /* lists in lists, as kubectl takes them */

struct reading {
    const char *name;
    const struct yaml_stream *yaml; /* NULL = JSON */
    struct arena *arena;
    struct manifest *items;
    uint32_t n;
    struct yaml_place at; /* of the document, for what has no place of its own */
};

static bool fail(const struct reading *r, const struct yaml_place *at, struct err *err,
                 const char *what)
{
    return err_set(err, ERR_INPUT, "%.200s:%zu:%zu: %s", r->name, at->line, at->column, what);
}

static struct yaml_place place_of(const struct reading *r, const json_t *object)
{
    struct yaml_place at = r->at;
    if (r->yaml != NULL) {
        (void)yaml_stream_place(r->yaml, object, &at);
    }
    return at;
}

static const char *text_of(const struct reading *r, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key); /* borrowed */
    return json_is_string(value)
               ? utf8_clean(r->arena, json_string_value(value), json_string_length(value))
               : "";
}

/* Bytes of the group, without the version. */
static size_t group_len(const char *api_version)
{
    const char *slash = strchr(api_version, '/');
    return slash != NULL ? (size_t)(slash - api_version) : 0;
}

/* The kinds that say something about gates. */
static enum kind kind_of(const char *api_version, const char *kind)
{
    static const enum kind kinds[] = {KIND_NAMESPACE,    KIND_SERVICE,     KIND_WEBHOOK_CONFIG,
                                      KIND_INGRESS,      KIND_BINDING_LBC, KIND_BINDING_AUTO,
                                      KIND_DEPLOYMENT,   KIND_STATEFULSET, KIND_DAEMONSET,
                                      KIND_ARGO_ROLLOUT, KIND_REPLICASET,  KIND_POD,
                                      KIND_HPA,          KIND_PDB};
    size_t len = group_len(api_version);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct kind_info *info = kind_info(kinds[i]);
        if (strcmp(info->name, kind) == 0 && strlen(info->group) == len &&
            strncmp(info->group, api_version, len) == 0) {
            return kinds[i];
        }
    }
    return KIND_COUNT;
}

/* What is compared often must be small. */
static bool small(enum kind kind, const void *record)
{
    const struct meta *meta = record;
    uint32_t most = meta->labels.n;
    if (kind == KIND_SERVICE) {
        const struct kube_service *s = record;
        most = s->selector.n > most ? s->selector.n : most;
    } else if (kind == KIND_DEPLOYMENT || kind == KIND_STATEFULSET || kind == KIND_DAEMONSET ||
               kind == KIND_ARGO_ROLLOUT || kind == KIND_REPLICASET) {
        const struct kube_workload *w = record;
        most = w->template_labels.n > most ? w->template_labels.n : most;
        most = w->template_gates.n > most ? w->template_gates.n : most;
    }
    return most <= MANIFEST_LABELS_MAX;
}

static bool read_record(struct reading *r, const json_t *object, const struct yaml_place *at,
                        struct manifest *m, struct err *err)
{
    struct meta *record = arena_alloc(r->arena, kind_info(m->kind)->table->size);
    if (!json_read_object(m->kind, object, r->arena, record, err)) {
        return false;
    }
    if (!small(m->kind, record)) {
        return fail(r, at, err, "more labels than anybody needs");
    }
    record->name = m->name;
    m->record = record;
    return true;
}

static bool read_maker(struct reading *r, const json_t *object, const struct yaml_place *at,
                       struct manifest *m, struct err *err)
{
    struct maker *maker = arena_alloc(r->arena, sizeof *maker);
    if (!json_read_table(&maker_table, object, r->arena, maker, err)) {
        return false;
    }
    if (maker->parents.n > MANIFEST_PARENTS_MAX || maker->routes.n > MANIFEST_LABELS_MAX) {
        return fail(r, at, err, "more parents or route configurations than anybody needs");
    }
    m->maker = maker;
    return true;
}

static bool add_object(struct reading *r, const json_t *object, struct err *err)
{
    struct yaml_place at = place_of(r, object);
    const json_t *meta = json_object_get(object, "metadata"); /* borrowed */
    struct manifest m = {.kind_name = text_of(r, object, "kind"),
                         .namespace = text_of(r, meta, "namespace"),
                         .name = text_of(r, meta, "name"),
                         .line = (uint32_t)at.line,
                         .column = (uint32_t)at.column};
    const char *api_version = text_of(r, object, "apiVersion");
    if (m.kind_name[0] == '\0' || api_version[0] == '\0') {
        return fail(r, &at, err, "an object needs apiVersion and kind");
    }
    m.kind = kind_of(api_version, m.kind_name);
    m.maker_kind = maker_kind(api_version, group_len(api_version), m.kind_name);
    if (m.name[0] == '\0' && (m.kind != KIND_COUNT || m.maker_kind != MAKER_NONE)) {
        const char *generated = text_of(r, meta, "generateName");
        if (generated[0] == '\0') {
            return fail(r, &at, err, "the object has no metadata.name");
        }
        m.name = arena_printf(r->arena, "%s*", generated);
    }
    if ((m.kind != KIND_COUNT && !read_record(r, object, &at, &m, err)) ||
        (m.maker_kind != MAKER_NONE && !read_maker(r, object, &at, &m, err))) {
        return false;
    }
    if (r->n == MANIFEST_OBJECTS_MAX) {
        return fail(r, &at, err, "more than 1000 objects: leave out what has no pods");
    }
    r->items[r->n++] = m;
    return true;
}

static bool is_list(const struct reading *r, const json_t *object)
{
    const char *kind = text_of(r, object, "kind");
    size_t len = strlen(kind);
    return len >= 4 && strcmp(kind + len - 4, "List") == 0 &&
           json_is_array(json_object_get(object, "items"));
}

/* One document: an object, or a list of them. */
static bool add(struct reading *r, const json_t *object, int depth, struct err *err)
{
    struct yaml_place at = place_of(r, object);
    if (!json_is_object(object)) {
        return fail(r, &at, err, "an object is wanted here");
    }
    if (!is_list(r, object)) {
        return add_object(r, object, err);
    }
    if (depth == LIST_DEPTH_MAX) {
        return fail(r, &at, err, "lists in lists in lists");
    }
    size_t i = 0;
    const json_t *item = NULL; /* borrowed */
    json_array_foreach(json_object_get(object, "items"), i, item)
    {
        if (!add(r, item, depth + 1, err)) {
            return false;
        }
    }
    return true;
}

/* ---- the two notations ---- */

static bool read_yaml(struct reading *r, const char *text, size_t len, struct err *err)
{
    AUTO_PTR(yaml_stream) s = yaml_stream_new(r->name, text, len);
    bool end = false;
    r->yaml = s;
    while (!end) {
        AUTO_PTR(json_t) document = NULL;
        if (!yaml_stream_next(s, &document, &end, err) ||
            (document != NULL && !add(r, document, 0, err))) {
            return false;
        }
    }
    return true;
}

static void count_lines(struct yaml_place *at, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool line = text[i] == '\n';
        at->line += line;
        at->column = line ? 1 : at->column + 1;
    }
}

/* Objects one after the other. */
static bool read_json(struct reading *r, const char *text, size_t len, struct err *err)
{
    static const char blanks[] = " \t\r\n";
    r->at = (struct yaml_place){.line = 1, .column = 1};
    while (len > 0) {
        size_t skip = 0;
        while (skip < len && strchr(blanks, text[skip]) != NULL && text[skip] != '\0') {
            skip++;
        }
        count_lines(&r->at, text, skip);
        text += skip;
        len -= skip;
        if (len == 0) {
            return true;
        }
        json_error_t why;
        AUTO_PTR(json_t)
        object = json_loadb(text, len, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &why);
        if (object == NULL) {
            struct yaml_place at = {.line = r->at.line + (size_t)(why.line > 0 ? why.line - 1 : 0),
                                    .column = (size_t)(why.column > 0 ? why.column : 1)};
            return fail(r, &at, err, why.text);
        }
        if (!add(r, object, 0, err)) {
            return false;
        }
        size_t used = why.position > 0 ? (size_t)why.position : len;
        used = used < len ? used : len;
        count_lines(&r->at, text, used);
        text += used;
        len -= used;
    }
    return true;
}

bool manifest_read(const char *name, const char *text, size_t len, struct arena *arena,
                   struct list *ret, struct err *err)
{
    struct reading r = {.name = name, .arena = arena, .at = {.line = 1, .column = 1}};
    if (len > MANIFEST_BYTES) {
        return fail(&r, &r.at, err, "more than 1 MiB of manifests");
    }
    r.items = arena_array(arena, struct manifest, MANIFEST_OBJECTS_MAX);
    size_t blank = 0;
    while (blank < len && (text[blank] == ' ' || text[blank] == '\n' || text[blank] == '\r' ||
                           text[blank] == '\t')) {
        blank++;
    }
    bool json = blank < len && text[blank] == '{';
    struct err why = {0};
    if (json && !read_json(&r, text, len, &why)) {
        /* YAML has a notation with braces too; JSON's message stands when that fails as well */
        struct err other = {0};
        r.n = 0;
        r.at = (struct yaml_place){.line = 1, .column = 1};
        if (!read_yaml(&r, text, len, &other)) {
            *err = why;
            return false;
        }
    } else if (!json && !read_yaml(&r, text, len, err)) {
        return false;
    }
    if (r.n == 0) {
        return fail(&r, &r.at, err, "there is no object in it");
    }
    *ret = (struct list){r.items, r.n};
    return true;
}
