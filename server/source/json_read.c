/*
 * The JSON reader: one parsed object to a record by the field table. A field of the wrong type
 * counts as absent: one odd value must not hide the object.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "model/field_rows.h"
#include "source/read.h"

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct kv *)a)->key, ((const struct kv *)b)->key);
}

void read_sort_kvs(struct kv *items, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if (compare_keys(&items[i - 1], &items[i]) > 0) {
            qsort(items, n, sizeof *items, compare_keys);
            return;
        }
    }
}

bool read_keep(const struct field *f, const char *key, size_t len)
{
    if (f->keep == NULL) {
        return true;
    }
    for (const char *const *k = f->keep; *k != NULL; k++) {
        size_t n = strlen(*k);
        if (len >= n && memcmp(key, *k, n) == 0) {
            return true;
        }
    }
    return false;
}

static const char *text_of(const json_t *j, struct arena *a)
{
    return utf8_clean(a, json_string_value(j), json_string_length(j));
}

/* A real stands for an integer where it is one: see json_read_bytes. */
static bool whole_number(const json_t *j, int64_t *ret)
{
    static const double limit = 9007199254740992.0; /* 2^53: exact up to there */
    if (json_is_integer(j)) {
        *ret = json_integer_value(j);
        return true;
    }
    double d = json_is_real(j) ? json_real_value(j) : limit;
    if (d <= -limit || d >= limit || d != (double)(int64_t)d) {
        return false;
    }
    *ret = (int64_t)d;
    return true;
}

static const char *number_text(const json_t *j, struct arena *a)
{
    if (json_is_string(j)) {
        return text_of(j, a);
    }
    int64_t n = 0;
    return whole_number(j, &n) ? arena_printf(a, "%" PRId64, n) : "";
}

static void read_kvs(const struct field *f, const json_t *j, struct arena *a, struct kvs *ret)
{
    size_t size = json_object_size(j);
    if (size == 0) {
        return;
    }
    struct kv *items = arena_array(a, struct kv, size);
    uint32_t n = 0;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (read_keep(f, key, strlen(key)) && json_is_string(value)) {
            items[n++] = (struct kv){utf8_clean(a, key, strlen(key)), text_of(value, a)};
        }
    }
    read_sort_kvs(items, n);
    *ret = (struct kvs){items, n};
}

static void read_strs(const struct field *f, const json_t *j, struct arena *a, struct strs *ret)
{
    size_t size = json_array_size(j);
    if (size == 0) {
        return;
    }
    const char **items = arena_array(a, const char *, size);
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(j, i);
        if (f->map_of != NULL) {
            item = json_object_get(item, f->map_of);
        }
        if (json_is_string(item)) {
            items[n++] = text_of(item, a);
        }
    }
    *ret = (struct strs){items, n};
}

static void read_fields(const struct field_table *table, const json_t *j, struct arena *a,
                        void *record, int depth);

static void read_list(const struct field *f, const json_t *j, struct arena *a, struct list *ret,
                      int depth)
{
    size_t size = json_array_size(j);
    if (size == 0) {
        return;
    }
    char *items = arena_alloc(a, size * f->sub->size);
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(j, i);
        if (json_is_object(item)) {
            void *record = items + (size_t)n++ * f->sub->size;
            record_clear(f->sub, record);
            read_fields(f->sub, item, a, record, depth + 1);
        }
    }
    *ret = (struct list){items, n};
}

static void read_value(const struct field *f, const json_t *j, struct arena *a, void *record,
                       int depth)
{
    void *p = (char *)record + f->offset;
    switch (f->type) {
    case FIELD_STR:
        if (json_is_string(j)) {
            *(const char **)p = text_of(j, a);
        }
        break;
    case FIELD_IOS:
        *(const char **)p = number_text(j, a);
        break;
    case FIELD_NUMSTR: {
        const char *text = number_text(j, a);
        *(const char **)p = strcmp(text, "0") == 0 ? "" : text;
        break;
    }
    case FIELD_INT:
        (void)whole_number(j, p); /* no whole number: stays absent */
        break;
    case FIELD_BOOL:
        if (json_is_boolean(j)) {
            *(int64_t *)p = json_is_true(j);
        }
        break;
    case FIELD_TIME:
        if (json_is_string(j)) {
            (void)clock_parse(json_string_value(j), json_string_length(j),
                              p); /* no time: stays absent */
        }
        break;
    case FIELD_KVS:
        read_kvs(f, j, a, p);
        break;
    case FIELD_STRS:
        read_strs(f, j, a, p);
        break;
    case FIELD_LIST:
        read_list(f, j, a, p, depth);
        break;
    case FIELD_COUNT:
        *(int64_t *)p = json_is_object(j) ? 1 : (int64_t)json_array_size(j);
        break;
    case FIELD_MSG:
        read_fields(f->sub, j, a, record, depth + 1);
        break;
    }
}

static void read_fields(const struct field_table *table, const json_t *j, struct arena *a,
                        void *record, int depth)
{
    if (!json_is_object(j) || depth > LIMIT_OBJECT_DEPTH) {
        return;
    }
    for (uint32_t i = 0; i < table->n; i++) {
        const struct field *f = &table->fields[i];
        const json_t *value = f->json == NULL ? j : json_object_get(j, f->json);
        if (value != NULL && !json_is_null(value)) {
            read_value(f, value, a, record, depth);
        }
    }
}

bool json_read_table(const struct field_table *table, const json_t *json, struct arena *arena,
                     void *ret_record, struct err *err)
{
    record_clear(table, ret_record);
    if (!json_is_object(json)) {
        return err_set(err, ERR_INPUT, "%s: not a JSON object", table->name);
    }
    read_fields(table, json, arena, ret_record, 0);
    return true;
}

bool json_read_object(enum kind kind, const json_t *json, struct arena *arena, void *ret_record,
                      struct err *err)
{
    if (!json_read_table(kind_info(kind)->table, json, arena, ret_record, err)) {
        return false;
    }
    ((struct meta *)ret_record)->kind = kind;
    return true;
}

/* jansson refuses a whole document for one such integer: then all its numbers are read as reals. */
json_t *json_read_bytes(const char *text, size_t len, json_error_t *ret_why)
{
    json_t *doc = json_loadb(text, len, JSON_ALLOW_NUL, ret_why);
    if (doc == NULL && json_error_code(ret_why) == json_error_numeric_overflow) {
        doc = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, ret_why);
    }
    return doc;
}

bool json_read_text(enum kind kind, const char *text, size_t len, struct arena *arena,
                    void *ret_record, struct err *err)
{
    json_error_t je;
    json_t *j = json_read_bytes(text, len, &je);
    if (j == NULL) {
        return err_set(err, ERR_INPUT, "%s: byte %d: not JSON: %s", kind_info(kind)->name,
                       je.position, je.text);
    }
    bool ok = json_read_object(kind, j, arena, ret_record, err);
    json_decref(j);
    return ok;
}

static const struct field status_list_meta[] = {
    STR("continue", 3, kube_status, continue_token),
    STR("resourceVersion", 2, kube_status, resource_version)};
PUBLIC_TABLE(kube_list_meta_table, "metadata", struct kube_status, status_list_meta);
static const struct field status_details[] = {
    INT("retryAfterSeconds", 5, kube_status, retry_after)};
TABLE(status_details_table, "details", struct kube_status, status_details);
static const struct field status_fields[] = {
    MSG("metadata", 1, kube_list_meta_table), STR("message", 3, kube_status, message),
    STR("reason", 4, kube_status, reason), MSG("details", 5, status_details_table),
    INT("code", 6, kube_status, code)};
PUBLIC_TABLE(kube_status_table, "Status", struct kube_status, status_fields);
