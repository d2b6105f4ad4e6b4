/* Cleared records and rows by number (see field_plan.h). */
#include "model/field_plan.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"

static void clear_field(const struct field *f, void *record);

static void clear_fields(const struct field_table *table, void *record)
{
    for (uint32_t i = 0; i < table->n; i++) {
        clear_field(&table->fields[i], record);
    }
}

static void clear_field(const struct field *f, void *record)
{
    void *at = (char *)record + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_IOS:
    case FIELD_NUMSTR:
        *(const char **)at = "";
        break;
    case FIELD_INT:
    case FIELD_BOOL:
    case FIELD_TIME:
    case FIELD_COUNT:
        *(int64_t *)at = f->absent;
        break;
    case FIELD_KVS:
        *(struct kvs *)at = (struct kvs){NULL, 0};
        break;
    case FIELD_STRS:
        *(struct strs *)at = (struct strs){NULL, 0};
        break;
    case FIELD_LIST:
        *(struct list *)at = (struct list){NULL, 0};
        break;
    case FIELD_MSG:
        clear_fields(f->sub, record);
        break;
    }
}

static void clear_all(const struct field_table *table, void *record)
{
    memset(record, 0, table->size);
    for (size_t i = 0; table->also != NULL && table->also[i] != NULL; i++) {
        clear_fields(table->also[i], record);
    }
    clear_fields(table, record);
}

void record_clear(const struct field_table *table, void *record)
{
    memcpy(record, field_plan(table)->blank, table->size);
}

const struct field_plan *field_plan_make(const struct field_table *table)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct field_plan *plan = table->plan;
    (void)pthread_mutex_lock(&lock);
    if (!atomic_load_explicit(&plan->ready, memory_order_relaxed)) {
        plan->blank = xmalloc(table->size);
        clear_all(table, plan->blank);
        for (uint32_t i = table->n; i-- > 0;) { /* backwards: the first row of a number wins */
            const struct field *f = &table->fields[i];
            plan->maps = plan->maps || f->type == FIELD_KVS;
            if (f->pb > 0 && f->pb < PLAN_NUMBERS) {
                plan->row1[f->pb] = (uint8_t)(i + 1);
            }
        }
        atomic_store_explicit(&plan->ready, true, memory_order_release);
    }
    (void)pthread_mutex_unlock(&lock);
    return plan;
}
