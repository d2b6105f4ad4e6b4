/*
 * The AWS tools' files: ~/.aws/config and ~/.aws/credentials. Lines are [section], key = value,
 * comments (# or ;), and indented lines that nest under the key before them. Pure over bytes, then
 * the two files and the chosen profile.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "source/aws.h"

enum { INI_PAIRS_MAX = 20000 };

struct ini_state {
    struct arena *a;
    struct aws_ini *ini;
    size_t cap;
    const char *section;
    const char *outer; /* key with an empty value: indented lines nest under it */
};

static const char *trimmed(struct arena *a, const char *p, size_t len)
{
    while (len > 0 && isspace((unsigned char)p[0]) != 0) {
        p++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)p[len - 1]) != 0) {
        len--;
    }
    return arena_strndup(a, p, len);
}

static bool add_pair(struct ini_state *s, const char *key, const char *value)
{
    struct aws_ini *ini = s->ini;
    if (ini->n == INI_PAIRS_MAX) {
        return false;
    }
    if (ini->n == s->cap) {
        size_t cap = s->cap == 0 ? 64 : s->cap * 2;
        struct aws_ini_pair *more = arena_array(s->a, struct aws_ini_pair, cap);
        if (ini->n > 0) {
            memcpy(more, ini->pairs, ini->n * sizeof *more);
        }
        ini->pairs = more;
        s->cap = cap;
    }
    ini->pairs[ini->n++] = (struct aws_ini_pair){s->section, key, value};
    return true;
}

/* NULL = fine, else what is wrong. */
static const char *one_line(struct ini_state *s, const char *line, size_t len)
{
    const char *text = trimmed(s->a, line, len);
    if (text[0] == '\0' || text[0] == '#' || text[0] == ';') {
        return NULL;
    }
    bool indented = isspace((unsigned char)line[0]) != 0;
    if (text[0] == '[' && !indented) {
        size_t n = strcspn(text, "]");
        if (text[n] != ']') {
            return "a section without ]";
        }
        s->section = trimmed(s->a, text + 1, n - 1);
        s->outer = NULL;
        return NULL;
    }
    if (s->section == NULL) {
        return "a key before any [section]";
    }
    const char *equals = strchr(text, '=');
    if (equals == NULL) {
        return "neither [section] nor key = value";
    }
    const char *key = trimmed(s->a, text, (size_t)(equals - text));
    const char *value = trimmed(s->a, equals + 1, strlen(equals + 1));
    if (indented && s->outer != NULL) {
        key = arena_printf(s->a, "%s.%s", s->outer, key);
    } else {
        s->outer = value[0] == '\0' ? key : NULL;
    }
    return add_pair(s, key, value) ? NULL : "too many lines";
}

bool aws_ini_parse(const char *name, const char *text, size_t len, struct arena *a,
                   struct aws_ini *ini, struct err *err)
{
    struct ini_state s = {.a = a, .ini = ini, .cap = ini->n};
    int number = 1;
    for (size_t at = 0; at < len; number++) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end != NULL ? (size_t)(end - (text + at)) : len - at;
        if (memchr(text + at, '\0', n) != NULL) {
            return err_set(err, ERR_INPUT, "%s:%d: a NUL byte", name, number);
        }
        const char *wrong = n > 0 ? one_line(&s, text + at, n) : NULL;
        if (wrong != NULL) {
            return err_set(err, ERR_INPUT, "%s:%d: %s", name, number, wrong);
        }
        at += n + 1;
    }
    return true;
}

const char *aws_ini_get(const struct aws_ini *ini, const char *section, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < ini->n; i++) {
        if (strcmp(ini->pairs[i].section, section) == 0 && strcmp(ini->pairs[i].key, key) == 0) {
            found = ini->pairs[i].value;
        }
    }
    return found;
}

bool aws_ini_has(const struct aws_ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->n; i++) {
        if (strcmp(ini->pairs[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the two files ---- */

bool aws_read_file(const char *path, size_t limit, struct arena *a, const char **ret,
                   struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(err, ERR_DENIED, "%s cannot be read", path);
    }
    AUTO(buf) b = BUF_INIT(limit);
    char chunk[4096];
    size_t n = 0;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && buf_add(&b, chunk, n)) {
    }
    bool bad = ferror(f) != 0;
    (void)fclose(f);
    if (bad || b.overflow) {
        return err_set(err, ERR_DENIED, "%s cannot be read, or is larger than %zu bytes", path,
                       limit);
    }
    while (b.len > 0 && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r')) {
        b.len--;
    }
    *ret = arena_strndup(a, buf_str(&b), b.len);
    return true;
}

static bool load_file(const struct aws_env *env, const char *variable, const char *name,
                      struct arena *a, struct aws_ini *ini, struct err *err)
{
    const char *path = aws_getenv(env, variable);
    const char *home = aws_getenv(env, "HOME");
    if (path == NULL) {
        path = home != NULL ? arena_printf(a, "%s/.aws/%s", home, name) : NULL;
    } else if (strncmp(path, "~/", 2) == 0 && home != NULL) {
        path = arena_printf(a, "%s%s", home, path + 1);
    }
    const char *text = "";
    struct err ignored = {0};
    if (path == NULL || !aws_read_file(path, LIMIT_AWS_FILE, a, &text, &ignored)) {
        return true; /* no file is the usual case in a cluster */
    }
    return aws_ini_parse(path, text, strlen(text), a, ini, err);
}

bool aws_profiles_load(const struct aws_env *env, struct arena *a, struct aws_profiles *ret,
                       struct err *err)
{
    struct aws_profiles p = {.chosen = "default"};
    const char *named = env->profile != NULL ? env->profile : aws_getenv(env, "AWS_PROFILE");
    if (named != NULL && named[0] != '\0') {
        p.chosen = arena_strdup(a, named);
        p.by_name = true;
    }
    if (!load_file(env, "AWS_CONFIG_FILE", "config", a, &p.config, err) ||
        !load_file(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials", a, &p.credentials, err)) {
        return false;
    }
    *ret = p;
    return true;
}

static void config_section(const char *profile, char section[300])
{
    bool plain = strcmp(profile, "default") == 0;
    (void)snprintf(section, 300, "%s%.280s", plain ? "" : "profile ", profile);
}

const char *aws_profile_get(const struct aws_profiles *p, const char *profile, const char *key)
{
    char section[300];
    config_section(profile, section);
    const char *v = aws_ini_get(&p->credentials, profile, key);
    if (v == NULL) {
        v = aws_ini_get(&p->config, section, key);
    }
    if (v == NULL && strcmp(profile, "default") == 0) {
        v = aws_ini_get(&p->config, "profile default", key);
    }
    return v;
}

const char *aws_region_of(const struct aws_env *env, const struct aws_profiles *p)
{
    if (env->region != NULL && env->region[0] != '\0') {
        return env->region;
    }
    const char *v = aws_getenv(env, "AWS_REGION");
    v = v != NULL ? v : aws_getenv(env, "AWS_DEFAULT_REGION");
    v = v != NULL ? v : aws_profile_get(p, p->chosen, "region");
    return v != NULL ? v : "";
}

const char *aws_setting(const struct aws_env *env, const struct aws_profiles *p,
                        const char *variable, const char *key)
{
    const char *v = aws_getenv(env, variable);
    return v != NULL ? v : aws_profile_get(p, p->chosen, key);
}

bool aws_is_on(const struct aws_env *env, const struct aws_profiles *p, const char *variable,
               const char *key)
{
    const char *v = aws_setting(env, p, variable, key);
    return v != NULL && strcasecmp(v, "true") == 0;
}

const char *aws_ca_bundle(const struct aws_env *env, const struct aws_profiles *p)
{
    return aws_setting(env, p, "AWS_CA_BUNDLE", "ca_bundle");
}

const char *aws_endpoint_override(const struct aws_env *env, const struct aws_profiles *p,
                                  const char *service_env, const char *service_key)
{
    if (aws_is_on(env, p, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                  "ignore_configured_endpoint_urls")) {
        return NULL;
    }
    char name[100];
    (void)snprintf(name, sizeof name, "AWS_ENDPOINT_URL_%s", service_env);
    const char *v = aws_getenv(env, name);
    v = v != NULL ? v : aws_getenv(env, "AWS_ENDPOINT_URL");
    const char *services = aws_profile_get(p, p->chosen, "services");
    if (v == NULL && services != NULL) {
        char section[300];
        (void)snprintf(section, sizeof section, "services %.280s", services);
        (void)snprintf(name, sizeof name, "%s.endpoint_url", service_key);
        v = aws_ini_get(&p->config, section, name);
    }
    return v != NULL ? v : aws_profile_get(p, p->chosen, "endpoint_url");
}
