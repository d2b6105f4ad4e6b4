/*
 * What is worked out of a field table once, at its first use, so that no object pays for it: what a
 * cleared record looks like, and which row a protobuf field number belongs to.
 */
#ifndef GATEHOUSE_MODEL_FIELD_PLAN_H
#define GATEHOUSE_MODEL_FIELD_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "model/field.h"

enum { PLAN_NUMBERS = 64 };

struct field_plan {
    atomic_bool ready;
    bool maps;                  /* a row is a FIELD_KVS */
    uint8_t row1[PLAN_NUMBERS]; /* 1 + first row of each field number; 0 = not wanted */
    void *blank;                /* a cleared record of table->size bytes; lives on */
};

/* Borrowed, for ever. Thread: any. */
const struct field_plan *field_plan_make(const struct field_table *table);

static inline const struct field_plan *field_plan(const struct field_table *table)
{
    return atomic_load_explicit(&table->plan->ready, memory_order_acquire) ? table->plan
                                                                           : field_plan_make(table);
}

/* 1 + the first row of a field number, 0 when the table does not want it. All rows of one number
 * stand side by side (a test holds the tables to it). */
static inline uint32_t field_row1(const struct field_plan *plan, const struct field_table *table,
                                  uint32_t number)
{
    if (number < PLAN_NUMBERS) {
        return plan->row1[number];
    }
    uint32_t i = 0;
    while (i < table->n && table->fields[i].pb != number) {
        i++;
    }
    return i < table->n ? i + 1 : 0;
}

/* Sets every field of the record to its absent value ("" / absent / empty). */
void record_clear(const struct field_table *table, void *record);

#endif
