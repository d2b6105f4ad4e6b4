/* Inside this folder: a configuration under construction. */
#ifndef GATEHOUSE_CONFIG_LOAD_H
#define GATEHOUSE_CONFIG_LOAD_H

#include "base/arena.h"
#include "config/config.h"
#include "config/table.h"

enum { LIMIT_CONFIG_FILE = 1 << 20, LIMIT_SECRET_FILE = 64 << 10, LIMIT_RECORDS = 1000 };

struct config_place {
    size_t line; /* both from 1 */
    size_t column;
};

/* Where values came from, for checks that come after reading. */
struct config_places {
    const char *file;
    bool secrets;       /* KEY_file twins are read from disk */
    const char **where; /* by place in config_table: "FILE:LINE:COLUMN", "flag --listen"; NULL = its
                           default */
    struct config_place *receivers;
};

/* Reads the YAML text into *cfg; places names the file. */
bool config_read_yaml(const char *text, size_t len, struct arena *arena, struct config *cfg,
                      struct config_places *places, struct err *err) MUST_CHECK;

/* Reads a secret's file: without its last newline; not empty; no control characters. */
bool config_read_secret(const char *path, struct arena *arena, const char **ret,
                        struct err *err) MUST_CHECK;

/* A whole file under a ceiling. The caller frees *ret_text. */
bool config_read_file(const char *path, size_t limit, char **ret_text, size_t *ret_len,
                      struct err *err) MUST_CHECK;

/* What no single value can show: combinations and formats. */
bool config_check(const struct config *cfg, const struct config_places *places,
                  struct err *err) MUST_CHECK;

#endif
