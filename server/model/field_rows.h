/* How the rows of field tables are written, for the files that hold tables of objects: F(JSON key,
 * protobuf number, struct, member). The P forms are for pointers: absent is -1. */
#ifndef GATEHOUSE_MODEL_FIELD_ROWS_H
#define GATEHOUSE_MODEL_FIELD_ROWS_H

#include "model/field_plan.h"

#define N(a) ((uint32_t)(sizeof(a) / sizeof((a)[0])))
/* A table with the room for its plan; PUBLIC_TABLE: one that a header declares. */
#define TABLE_OF(id, text, type, rows, ...)                                                        \
    {                                                                                              \
        .name = (text), .size = sizeof(type), .n = N(rows), .fields = (rows), .plan = &id##_plan,  \
        __VA_ARGS__                                                                                \
    }
#define TABLE(id, text, type, rows)                                                                \
    static struct field_plan id##_plan;                                                            \
    static const struct field_table id = TABLE_OF(id, text, type, rows, )
#define PUBLIC_TABLE(id, text, type, rows)                                                         \
    static struct field_plan id##_plan;                                                            \
    const struct field_table id = TABLE_OF(id, text, type, rows, )

#define STR(k, p, s, m)                                                                            \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_STR, .offset = offsetof(struct s, m)                 \
    }
#define INT(k, p, s, m)                                                                            \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_INT, .offset = offsetof(struct s, m)                 \
    }
#define BOOL(k, p, s, m)                                                                           \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_BOOL, .offset = offsetof(struct s, m)                \
    }
#define PINT(k, p, s, m)                                                                           \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_INT, .offset = offsetof(struct s, m), .absent = -1   \
    }
#define PBOOL(k, p, s, m)                                                                          \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_BOOL, .offset = offsetof(struct s, m), .absent = -1  \
    }
#define TIME(k, p, s, m)                                                                           \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_TIME, .offset = offsetof(struct s, m)                \
    }
#define IOS(k, p, s, m)                                                                            \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_IOS, .offset = offsetof(struct s, m)                 \
    }
#define KVS(k, p, s, m)                                                                            \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_KVS, .offset = offsetof(struct s, m)                 \
    }
#define STRS(k, p, s, m)                                                                           \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_STRS, .offset = offsetof(struct s, m)                \
    }
#define COUNT(k, p, s, m)                                                                          \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_COUNT, .offset = offsetof(struct s, m)               \
    }
#define NUMSTR(k, p, s, m)                                                                         \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_NUMSTR, .offset = offsetof(struct s, m)              \
    }
#define MSG(k, p, t)                                                                               \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_MSG, .sub = &(t)                                     \
    }
#define LIST(k, p, s, m, t)                                                                        \
    {                                                                                              \
        .json = (k), .pb = (p), .type = FIELD_LIST, .offset = offsetof(struct s, m), .sub = &(t)   \
    }

#endif
