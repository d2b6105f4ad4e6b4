/*
 * Inside this folder: XML by tables (see elb_xml.c). One table a call, one row a wanted leaf.
 */
#ifndef GATEHOUSE_SOURCE_ELB_XML_H
#define GATEHOUSE_SOURCE_ELB_XML_H

#include "source/elb.h"

/* What a leaf becomes in its row, absent values in brackets: const char * (""), int64_t (0, or -1
 * for PINT and BOOL), struct strs, struct list of rows by the leaf's own table. */
enum xml_type { XML_STR, XML_INT, XML_PINT, XML_BOOL, XML_STRS, XML_LIST };
struct xml_table;
struct xml_leaf {
    const char *path; /* below the row; of a list: of one of its members */
    enum xml_type type;
    size_t offset;
    const struct xml_table *rows; /* XML_LIST */
};
struct xml_table {
    const char *result; /* path of the result element below the root; NULL in lists */
    const char *item;   /* path of a row below the result, "" = the result itself is the row */
    size_t size;
    const struct xml_leaf *leaves;
    size_t n;
};

#define XML_LEAF(p, t, s, m)                                                                       \
    {                                                                                              \
        .path = (p), .type = (t), .offset = offsetof(struct s, m)                                  \
    }
#define XML_SUBLIST(p, s, m, table)                                                                \
    {                                                                                              \
        .path = (p), .type = XML_LIST, .offset = offsetof(struct s, m), .rows = &(table)           \
    }
#define XML_TABLE(id, r, i, s, rows)                                                               \
    static const struct xml_table id = {.result = (r),                                             \
                                        .item = (i),                                               \
                                        .size = sizeof(struct s),                                  \
                                        .leaves = (rows),                                          \
                                        .n = sizeof(rows) / sizeof((rows)[0])}

/* Rows of a whole answer, in the arena. ERR_INPUT on damage, DOCTYPE, a missing result. */
bool elb_xml_read(const struct xml_table *table, const char *xml, size_t len, struct arena *a,
                  struct elb_page *ret, struct err *err) MUST_CHECK;

#endif
