/* Records as JSON (see pack.h). */
#include <string.h>

#include "base/json_out.h"
#include "model/pack.h"

static void dump_fields(const struct field_table *table, const void *record, struct json_out *out);

static bool present(const struct field *f, const void *record)
{
    bool any = f->type != FIELD_MSG && field_says(f, record);
    for (uint32_t i = 0; f->type == FIELD_MSG && i < f->sub->n && !any; i++) {
        any = present(&f->sub->fields[i], record);
    }
    return any;
}

static void dump_value(const struct field *f, const void *record, struct json_out *out)
{
    const void *p = field_at(record, f);
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        json_str(out, *(const char *const *)p);
        break;
    case FIELD_BOOL:
        json_bool(out, *(const int64_t *)p == 1);
        break;
    case FIELD_INT:
    case FIELD_COUNT:
        json_int(out, *(const int64_t *)p);
        break;
    case FIELD_TIME:
        json_time(out, *(const int64_t *)p);
        break;
    case FIELD_KVS: {
        const struct kvs *kvs = p;
        json_open(out, '{');
        for (uint32_t i = 0; i < kvs->n; i++) {
            json_strn(out, kvs->items[i].key, strlen(kvs->items[i].key));
            (void)buf_addc(out->buf, ':');
            out->comma = false;
            json_str(out, kvs->items[i].value);
        }
        json_close(out, '}');
        break;
    }
    case FIELD_STRS: {
        const struct strs *s = p;
        json_open(out, '[');
        for (uint32_t i = 0; i < s->n; i++) {
            json_str(out, s->items[i]);
        }
        json_close(out, ']');
        break;
    }
    case FIELD_LIST: {
        const struct list *l = p;
        json_open(out, '[');
        for (uint32_t i = 0; i < l->n; i++) {
            json_open(out, '{');
            dump_fields(f->sub, (const char *)l->items + (size_t)i * f->sub->size, out);
            json_close(out, '}');
        }
        json_close(out, ']');
        break;
    }
    case FIELD_MSG:
        json_open(out, '{');
        dump_fields(f->sub, record, out);
        json_close(out, '}');
        break;
    }
}

static void dump_fields(const struct field_table *table, const void *record, struct json_out *out)
{
    for (uint32_t i = 0; i < table->n; i++) {
        const struct field *f = &table->fields[i];
        if (!present(f, record)) {
            continue;
        }
        if (f->json == NULL) {
            dump_fields(f->sub, record, out); /* inlined in JSON */
            continue;
        }
        if (f->type == FIELD_COUNT) { /* says only that the message beside it is there */
            (void)buf_addc(out->buf, out->comma ? ',' : ' ');
            (void)buf_addf(out->buf, "\"#%s\":", f->json);
            out->comma = false;
        } else {
            json_key(out, f->json);
        }
        dump_value(f, record, out);
    }
}

void record_dump(const struct field_table *table, const void *record, struct json_out *out)
{
    json_open(out, '{');
    dump_fields(table, record, out);
    json_close(out, '}');
}
