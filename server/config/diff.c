/* What a reload cannot apply: options that differ and are read at the start only. */
#include <string.h>

#include "config/config.h"
#include "config/table.h"

static bool same_texts(const char *const *a, const char *const *b)
{
    size_t i = 0;
    for (; a != NULL && b != NULL && a[i] != NULL && b[i] != NULL; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    bool a_ends = a == NULL || a[i] == NULL;
    bool b_ends = b == NULL || b[i] == NULL;
    return a_ends && b_ends;
}

static bool same_table(const struct option_table *table, const void *a, const void *b);

static bool same_value(const struct option *o, const void *base_a, const void *base_b)
{
    const char *a = (const char *)base_a + o->offset;
    const char *b = (const char *)base_b + o->offset;
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_URL:
    case OPTION_PATH:
    case OPTION_ENUM:
        return strcmp(*(const char *const *)(const void *)a,
                      *(const char *const *)(const void *)b) == 0;
    case OPTION_BOOL:
        return *(const bool *)(const void *)a == *(const bool *)(const void *)b;
    case OPTION_TEXTS:
        return same_texts(*(const char *const *const *)(const void *)a,
                          *(const char *const *const *)(const void *)b);
    case OPTION_RECORDS: {
        size_t n = *(const size_t *)(const void *)((const char *)base_a + o->count_offset);
        bool same = n == *(const size_t *)(const void *)((const char *)base_b + o->count_offset);
        const char *rows_a = *(const char *const *)(const void *)a;
        const char *rows_b = *(const char *const *)(const void *)b;
        for (size_t i = 0; same && i < n; i++) {
            same = same_table(o->sub, rows_a + i * o->sub->size, rows_b + i * o->sub->size);
        }
        return same;
    }
    case OPTION_COUNT:
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_PERCENT:
    default:
        return *(const int64_t *)(const void *)a == *(const int64_t *)(const void *)b;
    }
}

static bool same_table(const struct option_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->n; i++) {
        if (!same_value(&table->options[i], a, b)) {
            return false;
        }
    }
    return true;
}

void config_diff_restart(const struct config *old, const struct config *fresh, struct buf *out)
{
    for (size_t i = 0; i < config_table.n; i++) {
        const struct option *o = &config_table.options[i];
        if (!o->reload && !same_value(o, old, fresh)) {
            (void)buf_addf(out, "%s%s", out->len > 0 ? "," : "", o->key);
        }
    }
}
