/* The option tables' shape: inside this folder only. */
#ifndef GATEHOUSE_CONFIG_TABLE_H
#define GATEHOUSE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum option_type {
    OPTION_TEXT,
    OPTION_SECRET, /* text, with a KEY_file twin; never printed */
    OPTION_URL,    /* text: an http or https address, or empty */
    OPTION_PATH,   /* text; "~/" at the front is the home folder */
    OPTION_ENUM,   /* one of the words in `words` */
    OPTION_BOOL,
    OPTION_COUNT,    /* integer */
    OPTION_DURATION, /* int64_t ms; written 90s, 5m, 1h30m, 250ms, 7d */
    OPTION_SIZE,     /* int64_t bytes; written 64MiB, 512KiB, 1GiB */
    OPTION_PERCENT,  /* int64_t; written 200% */
    OPTION_TEXTS,    /* NULL-ended list of texts; YAML list or comma list */
    OPTION_RECORDS   /* list of mappings by the table `sub` */
};

struct option_table;
enum { OPTION_NUMBER_SIZE = 32 };

struct option {
    const char *key; /* "kubernetes.page_size"; in a sub-table "url" */
    enum option_type type;
    bool reload; /* a reload applies it; else a restart is needed */
    size_t offset;
    size_t count_offset; /* OPTION_RECORDS: where the number of records goes */
    int64_t min;
    int64_t max;
    const char *def;   /* as written in YAML; NULL = required (sub-tables) or empty */
    const char *words; /* OPTION_ENUM, OPTION_TEXTS: "a|b|c"; NULL = any text */
    const char *help;
    const struct option_table *sub;
    /* What a text or an item of a list must look like; NULL = anything. Message without place. */
    bool (*check)(const char *text, struct err *err);
};

struct option_table {
    const struct option *options;
    size_t n;
    size_t size; /* of the struct */
};

extern const struct option_table config_table;

const struct option *option_find(const struct option_table *table, const char *key);

/* Reads one value in the option's notation into base+offset; texts go to the arena. Message without
 * place. */
bool option_set(const struct option *o, void *base, const char *text, struct arena *arena,
                struct err *err) MUST_CHECK;
/* A number in the option's notation, by its largest whole unit: "90s", "128MiB", "300%". */
void option_print(const struct option *o, int64_t value, char ret[OPTION_NUMBER_SIZE]);
/* May the text be an item of the list? Message without place. */
bool option_check_item(const struct option *o, const char *text, struct err *err) MUST_CHECK;
/* Writes a NULL-ended list. items are copied. */
void option_set_texts(const struct option *o, void *base, const char *const *items, size_t n,
                      struct arena *arena);
/* `check` of single options (check.c). */
bool check_address(const char *text, struct err *err);
bool check_family(const char *text, struct err *err);
bool check_sha256(const char *text, struct err *err);
/* Sets every option of the table to its default. */
void option_defaults(const struct option_table *table, void *base, struct arena *arena);

#endif
