/*
 * Inside this folder: the writer connection's statements by name. The texts stand in sql_write.def
 * (this folder's own) and sql_outbox.def (alerts and deliveries); db_get(db, SQL_NAME) gives the
 * statement.
 */
#ifndef GATEHOUSE_STORE_SQL_H
#define GATEHOUSE_STORE_SQL_H

enum write_sql {
#define X(name, text) SQL_##name,
#include "store/sql_write.def"
#if __has_include("store/sql_outbox.def")
#include "store/sql_outbox.def"
#endif
#undef X
    SQL_COUNT
};

/* The texts in the same order (open.c). */
extern const char *const write_sql[SQL_COUNT];

#endif
