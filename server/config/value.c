/* One value in an option's notation: durations, sizes, percents, words, lists. Messages carry no
 * place: the caller knows it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "config/config.h"
#include "config/table.h"

enum { LIMIT_ADDRESS = 2048 };

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", INT64_C(1) << 30}, {NULL, 0}};

static const struct unit *unit_at(const struct unit *units, const char *p, size_t len)
{
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (strlen(u->name) == len && strncmp(u->name, p, len) == 0) {
            return u;
        }
    }
    return NULL;
}

/* "1h30m" or "64MiB": pairs of a whole number and a unit, summed. */
static bool read_units(const struct unit *units, const char *text, int64_t *ret)
{
    int64_t total = 0;
    const char *p = text;
    do {
        char *end = NULL;
        errno = 0;
        long long n = strtoll(p, &end, 10);
        if (end == p || errno != 0 || n < 0) {
            return false;
        }
        size_t len = strspn(end, "BGKMdhims");
        const struct unit *u = unit_at(units, end, len);
        int64_t part = 0;
        if (u == NULL || __builtin_mul_overflow((int64_t)n, u->factor, &part) ||
            __builtin_add_overflow(total, part, &total)) {
            return false;
        }
        p = end + len;
    } while (*p != '\0');
    *ret = total;
    return true;
}

bool config_duration(const char *text, int64_t *ret_ms)
{
    return read_units(duration_units, text, ret_ms);
}

void option_print(const struct option *o, int64_t value, char ret[OPTION_NUMBER_SIZE])
{
    const struct unit *units = o->type == OPTION_DURATION ? duration_units
                               : o->type == OPTION_SIZE   ? size_units
                                                          : NULL;
    const struct unit *best = units;
    for (const struct unit *u = units; u != NULL && u->name != NULL; u++) {
        if (value % u->factor == 0 && value >= u->factor) {
            best = u;
        }
    }
    if (value == 0 && o->type == OPTION_DURATION) {
        best = &duration_units[1]; /* 0s */
    }
    (void)snprintf(ret, OPTION_NUMBER_SIZE, "%" PRId64 "%s",
                   best != NULL ? value / best->factor : value,
                   best != NULL                ? best->name
                   : o->type == OPTION_PERCENT ? "%"
                                               : "");
}

static bool read_count(const char *text, const char *suffix, int64_t *ret)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno != 0 || strcmp(end, suffix) != 0) {
        return false;
    }
    *ret = n;
    return true;
}

static const char *notation(enum option_type type)
{
    switch (type) {
    case OPTION_DURATION:
        return "a duration such as 250ms, 90s, 5m, 1h30m or 7d";
    case OPTION_SIZE:
        return "a size such as 512KiB, 64MiB or 1GiB";
    case OPTION_PERCENT:
        return "a percentage such as 200%";
    case OPTION_BOOL:
        return "true or false";
    case OPTION_COUNT:
        return "a whole number";
    case OPTION_URL:
        return "an http:// or https:// address";
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_PATH:
    case OPTION_ENUM:
    case OPTION_TEXTS:
    case OPTION_RECORDS:
        break;
    }
    return "a text";
}

static bool set_number(const struct option *o, void *base, const char *text, struct err *err)
{
    int64_t v = 0;
    bool ok = false;
    if (o->type == OPTION_DURATION) {
        ok = read_units(duration_units, text, &v);
    } else if (o->type == OPTION_SIZE) {
        ok = read_units(size_units, text, &v);
    } else {
        ok = read_count(text, o->type == OPTION_PERCENT ? "%" : "", &v);
    }
    if (!ok) {
        return err_set(err, ERR_INPUT, "\"%.80s\" is not %s", text, notation(o->type));
    }
    if (v < o->min || v > o->max) {
        char min[OPTION_NUMBER_SIZE];
        char max[OPTION_NUMBER_SIZE];
        option_print(o, o->min, min);
        option_print(o, o->max, max);
        return err_set(err, ERR_INPUT, "%.80s is out of range: %s to %s", text, min, max);
    }
    memcpy((char *)base + o->offset, &v, sizeof v);
    return true;
}

static bool set_bool(const struct option *o, void *base, const char *text, struct err *err)
{
    bool v = strcmp(text, "true") == 0;
    if (!v && strcmp(text, "false") != 0) {
        return err_set(err, ERR_INPUT, "\"%.80s\" is not %s", text, notation(OPTION_BOOL));
    }
    memcpy((char *)base + o->offset, &v, sizeof v);
    return true;
}

static void set_pointer(const struct option *o, void *base, const char *p)
{
    memcpy((char *)base + o->offset, &p, sizeof p);
}

static bool check_word(const struct option *o, const char *text, struct err *err)
{
    size_t len = strlen(text);
    for (const char *w = o->words; w != NULL && *w != '\0';) {
        size_t n = strcspn(w, "|");
        if (n == len && strncmp(w, text, n) == 0) {
            return true;
        }
        w += n + (w[n] == '|' ? 1 : 0);
    }
    return err_set(err, ERR_INPUT, "\"%.80s\" is not one of %s", text, o->words);
}

static bool set_word(const struct option *o, void *base, const char *text, struct arena *arena,
                     struct err *err)
{
    if (!check_word(o, text, err)) {
        return false;
    }
    set_pointer(o, base, arena_strdup(arena, text));
    return true;
}

bool config_web_address(const char *text)
{
    size_t skip = strncasecmp(text, "https://", 8) == 0 ? 8 : 7;
    if (skip == 7 && strncasecmp(text, "http://", 7) != 0) {
        return false;
    }
    size_t len = strlen(text);
    if (len <= skip || len > LIMIT_ADDRESS) {
        return false;
    }
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("\"<>\\^`{|}", *p) != NULL) {
            return false;
        }
    }
    return true;
}

static bool set_address(const struct option *o, void *base, const char *text, struct arena *arena,
                        struct err *err)
{
    if (text[0] != '\0' && !config_web_address(text)) {
        return err_set(err, ERR_INPUT, "\"%.80s\" is not %s", text, notation(o->type));
    }
    set_pointer(o, base, arena_strdup(arena, text));
    return true;
}

static const char *expand_home(const char *text, struct arena *arena)
{
    const char *home = getenv("HOME");
    if (text[0] == '~' && text[1] == '/' && home != NULL) {
        return arena_printf(arena, "%s%s", home, text + 1);
    }
    return arena_strdup(arena, text);
}

bool option_check_item(const struct option *o, const char *text, struct err *err)
{
    return (o->words == NULL || check_word(o, text, err)) &&
           (o->check == NULL || o->check(text, err));
}

void option_set_texts(const struct option *o, void *base, const char *const *items, size_t n,
                      struct arena *arena)
{
    const char **list = NULL;
    if (n != 0) {
        list = arena_array(arena, const char *, n + 1);
        for (size_t i = 0; i < n; i++) {
            list[i] = arena_strdup(arena, items[i]);
        }
    }
    memcpy((char *)base + o->offset, &list, sizeof list);
}

static bool set_comma_list(const struct option *o, void *base, const char *text,
                           struct arena *arena, struct err *err)
{
    const char *items[256];
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n < 256;) {
        size_t len = strcspn(p, ",");
        if (len != 0) {
            items[n] = arena_strndup(arena, p, len);
            if (!option_check_item(o, items[n++], err)) {
                return false;
            }
        }
        p += len + (p[len] == ',' ? 1 : 0);
    }
    option_set_texts(o, base, items, n, arena);
    return true;
}

bool option_set(const struct option *o, void *base, const char *text, struct arena *arena,
                struct err *err)
{
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_SECRET:
        if (o->check != NULL && text[0] != '\0' && !o->check(text, err)) {
            return false;
        }
        set_pointer(o, base, arena_strdup(arena, text));
        return true;
    case OPTION_URL:
        return set_address(o, base, text, arena, err);
    case OPTION_PATH:
        set_pointer(o, base, expand_home(text, arena));
        return true;
    case OPTION_ENUM:
        return set_word(o, base, text, arena, err);
    case OPTION_BOOL:
        return set_bool(o, base, text, err);
    case OPTION_COUNT:
    case OPTION_DURATION:
    case OPTION_SIZE:
    case OPTION_PERCENT:
        return set_number(o, base, text, err);
    case OPTION_TEXTS:
        return set_comma_list(o, base, text, arena, err);
    case OPTION_RECORDS:
        break;
    }
    return err_set(err, ERR_INPUT, "a list of mappings cannot be given as one value");
}

void option_defaults(const struct option_table *table, void *base, struct arena *arena)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct option *o = &table->options[i];
        if (o->type == OPTION_RECORDS) {
            continue;
        }
        struct err err = {0};
        bool ok = option_set(o, base, o->def != NULL ? o->def : "", arena, &err);
        if (!ok) {
            (void)fprintf(stderr, "default of %s: %s\n", o->key, err.text);
            abort();
        }
    }
}
