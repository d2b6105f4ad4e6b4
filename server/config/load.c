/*
 * Loading: defaults, file, environment, flags, checks, in this order, into one arena that lives as
 * long as somebody holds the configuration.
 */
#include "config/load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* The public struct stands first, so that a pointer to it is a pointer to the whole. */
struct held {
    struct config config;
    struct arena *arena;
    _Atomic int refs;
};

/* Flags that people type, beside --section-key. */
static const struct {
    const char *flag;
    const char *key;
} short_flags[] = {{"kubeconfig", "kubernetes.kubeconfig"}, {"context", "kubernetes.context"}};

static struct held *held_new(const char *file)
{
    struct held *h = xcalloc(1, sizeof *h);
    h->arena = arena_new(0);
    atomic_init(&h->refs, 1);
    option_defaults(&config_table, &h->config, h->arena);
    h->config.file = arena_strdup(h->arena, file);
    return h;
}

const struct config *config_ref(const struct config *c)
{
    struct held *h = (struct held *)(uintptr_t)c;
    (void)atomic_fetch_add(&h->refs, 1);
    return c;
}

void config_unref(const struct config *c)
{
    struct held *h = (struct held *)(uintptr_t)c;
    if (h != NULL && atomic_fetch_sub(&h->refs, 1) == 1) {
        arena_free(h->arena);
        free(h);
    }
}

bool config_read_file(const char *path, size_t limit, char **ret_text, size_t *ret_len,
                      struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INPUT, "%s: %s", path,
                       strerror(errno));
    }
    AUTO(buf) b = BUF_INIT(limit);
    char chunk[8192];
    ssize_t n = 0;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && buf_add(&b, chunk, (size_t)n)) {
    }
    int saved = errno;
    (void)close(fd);
    if (n < 0) {
        return err_set(err, ERR_INPUT, "%s: %s", path, strerror(saved));
    }
    if (b.overflow) {
        return err_set(err, ERR_INPUT, "%s: larger than %zu bytes", path, limit);
    }
    *ret_text = buf_take(&b, ret_len);
    return true;
}

bool config_read_secret(const char *path, struct arena *arena, const char **ret, struct err *err)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    if (!config_read_file(path, LIMIT_SECRET_FILE, &text, &len, err)) {
        return false;
    }
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    if (len == 0) {
        return err_set(err, ERR_INPUT, "%s: the secret is empty", path);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return err_set(err, ERR_INPUT, "%s: the secret has control characters", path);
        }
    }
    *ret = arena_strndup(arena, text, len);
    return true;
}

static void note_origin(struct held *h, struct config_places *places, const struct option *o,
                        const char *kind, const char *name)
{
    places->where[o - config_table.options] = arena_printf(h->arena, "%s %s", kind, name);
}

static void env_name(const char *key, char name[128])
{
    int n = snprintf(name, 128, "GATEHOUSE_%s", key);
    for (int i = 0; i < n && i < 127; i++) {
        name[i] = name[i] == '.' ? '_' : (char)toupper((unsigned char)name[i]);
    }
}

static bool apply_environment(struct held *h, const char *(*get)(const char *),
                              struct config_places *places, struct err *err)
{
    for (size_t i = 0; i < config_table.n; i++) {
        const struct option *o = &config_table.options[i];
        char name[128];
        env_name(o->key, name);
        const char *value = o->type == OPTION_RECORDS ? NULL : get(name);
        if (value == NULL) {
            continue;
        }
        if (!option_set(o, &h->config, value, h->arena, err)) {
            return err_wrap(err, "environment %s", name);
        }
        note_origin(h, places, o, "environment", name);
    }
    return true;
}

static void flag_name(const char *key, char name[128])
{
    int n = snprintf(name, 128, "--%s", key);
    for (int i = 2; i < n && i < 127; i++) {
        name[i] = name[i] == '.' || name[i] == '_' ? '-' : name[i];
    }
}

static bool apply_flags(struct held *h, const struct config_input *in, struct config_places *places,
                        struct err *err)
{
    for (size_t i = 0; i < in->n_flags; i++) {
        const struct option *o = option_find(&config_table, in->flags[i].key);
        if (o == NULL) {
            return err_set(err, ERR_INPUT, "flag for %s: there is no such option",
                           in->flags[i].key);
        }
        char name[128];
        flag_name(o->key, name);
        if (!option_set(o, &h->config, in->flags[i].value, h->arena, err)) {
            return err_wrap(err, "flag %s", name);
        }
        note_origin(h, places, o, "flag", name);
    }
    return true;
}

static bool apply_file(struct held *h, const char *path, struct config_places *places,
                       struct err *err)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    return config_read_file(path, LIMIT_CONFIG_FILE, &text, &len, err) &&
           config_read_yaml(text, len, h->arena, &h->config, places, err);
}

static const char *real_getenv(const char *name)
{
    return getenv(name);
}

bool config_load(const struct config_input *in, const struct config **ret, struct err *err)
{
    struct held *h = held_new(in->file != NULL ? in->file : "");
    struct config_places places = {.file = h->config.file,
                                   .secrets = true,
                                   .where = arena_array(h->arena, const char *, config_table.n)};
    bool ok =
        (in->file == NULL || apply_file(h, in->file, &places, err)) &&
        apply_environment(h, in->getenv_fn != NULL ? in->getenv_fn : real_getenv, &places, err) &&
        apply_flags(h, in, &places, err) && config_check(&h->config, &places, err);
    if (!ok) {
        config_unref(&h->config);
        return false;
    }
    *ret = &h->config;
    return true;
}

bool config_parse(const char *name, const char *text, size_t len, const struct config **ret,
                  struct err *err)
{
    struct held *h = held_new(name);
    struct config_places places = {.file = h->config.file,
                                   .where = arena_array(h->arena, const char *, config_table.n)};
    bool ok = config_read_yaml(text, len, h->arena, &h->config, &places, err) &&
              config_check(&h->config, &places, err);
    if (!ok) {
        config_unref(&h->config);
        return false;
    }
    *ret = &h->config;
    return true;
}

const char *config_flag_key(const char *flag)
{
    for (size_t i = 0; i < sizeof short_flags / sizeof short_flags[0]; i++) {
        if (strcmp(short_flags[i].flag, flag) == 0) {
            return short_flags[i].key;
        }
    }
    for (size_t i = 0; i < config_table.n; i++) {
        const struct option *o = &config_table.options[i];
        size_t n = strlen(o->key);
        bool same = strlen(flag) == n && o->type != OPTION_RECORDS;
        for (size_t k = 0; same && k < n; k++) {
            char c = o->key[k] == '.' || o->key[k] == '_' ? '-' : o->key[k];
            same = c == flag[k];
        }
        if (same) {
            return o->key;
        }
    }
    return NULL;
}

bool config_flag_is_bool(const char *key)
{
    const struct option *o = option_find(&config_table, key);
    return o != NULL && o->type == OPTION_BOOL;
}
