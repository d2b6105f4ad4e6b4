/*
 * What single options must look like beyond their type, and what no single value can show: factors
 * in the wrong order, an open address without tokens, a receiver without a secret, names that stand
 * twice. Messages say where the value, or its record, was given.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "config/load.h"

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool check_address(const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon - text > 255) {
        return err_set(err, ERR_INPUT, "\"%.80s\" is not ADDR:PORT", text);
    }
    if (text[0] != '[' && memchr(text, ':', (size_t)(colon - text)) != NULL) {
        return err_set(err, ERR_INPUT, "\"%.80s\": an IPv6 address stands in brackets: [::1]:8080",
                       text);
    }
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
        strtoul(colon + 1, NULL, 10) > 65535) {
        return err_set(err, ERR_INPUT, "\"%.80s\" is not a port", colon + 1);
    }
    return true;
}

/* Says where the option got its value, if anybody gave it one. */
static bool fail_option(const struct config_places *p, const char *key, const char *what,
                        struct err *err)
{
    const struct option *o = option_find(&config_table, key);
    const char *where = p->where[o - config_table.options];
    return err_set(err, ERR_INPUT, "%s%s%s", where != NULL ? where : "", where != NULL ? ": " : "",
                   what);
}

bool config_is_open(const struct config *c)
{
    const char *colon = strrchr(c->listen, ':');
    char host[256];
    size_t len = colon != NULL ? (size_t)(colon - c->listen) : 0;
    bool bracket = c->listen[0] == '[' && len > 2 && c->listen[len - 1] == ']';
    (void)snprintf(host, sizeof host, "%.*s", (int)(bracket ? len - 2 : len),
                   c->listen + (bracket ? 1 : 0));
    return !is_loopback(host);
}

static bool check_listen(const struct config *c, const struct config_places *p, struct err *err)
{
    if (c->listen[0] == '\0') {
        return fail_option(p, "listen", "listen: ADDR:PORT is wanted", err);
    }
    if (config_is_open(c) && c->n_tokens == 0) {
        char what[400];
        (void)snprintf(what, sizeof what,
                       "listen: %.255s is not a loopback address, so access.tokens must name at "
                       "least one token",
                       c->listen);
        return fail_option(p, "listen", what, err);
    }
    return true;
}

static bool fail_record(const struct config_places *p, const struct config_place *at,
                        const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "%s:%zu:%zu: %s", p->file, at->line, at->column, what);
}

bool check_sha256(const char *text, struct err *err)
{
    bool ok = strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
    return ok || err_set(err, ERR_INPUT, "this is not 64 lower-case hex digits");
}

static bool secret_ok(const char *secret)
{
    uint8_t key[66];
    size_t key_len = 0;
    size_t n = strlen(secret);
    /* Standard Webhooks: 24 to 64 bytes of randomness, base64 behind the prefix. */
    return strncmp(secret, "whsec_", 6) == 0 && n - 6 <= 88 &&
           digest_base64_decode(secret + 6, n - 6, key, &key_len) && key_len >= 24 && key_len <= 64;
}

static bool check_receiver(const struct config *c, const struct config_places *p, size_t i,
                           struct err *err)
{
    const struct config_receiver *r = &c->receivers[i];
    const struct config_place *at = &p->receivers[i];
    if (strcmp(r->format, "standard") == 0 && r->secret[0] != '\0' && !secret_ok(r->secret)) {
        return fail_record(
            p, at, "alerts.receivers: secret must be whsec_ and base64 of 24 to 64 bytes", err);
    }
    if (strcmp(r->format, "standard") == 0 && r->secret[0] == '\0') {
        return fail_record(
            p, at, "alerts.receivers: format standard is signed: secret or secret_file is missing",
            err);
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(c->receivers[k].name, r->name) == 0) {
            return fail_record(p, at, "alerts.receivers: the name stands twice", err);
        }
    }
    return true;
}

/* NAME=PREFIX: a word, and how condition types begin. */
static bool family_ok(const char *text)
{
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    const char *prefix = text + name + 1;
    return name > 0 && name <= 63 && text[name] == '=' && strlen(prefix) <= 316 &&
           prefix[strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-._/")] == '\0' &&
           strchr(prefix, '/') != NULL;
}

bool check_family(const char *text, struct err *err)
{
    return family_ok(text) ||
           err_set(err, ERR_INPUT,
                   "\"%.80s\" is not NAME=PREFIX, a word in lower case and a beginning of "
                   "condition types with its domain, as in kapacity=kapacity.traas.io/",
                   text);
}

static bool check_factors(const struct config *c, const struct config_places *p, struct err *err)
{
    if (c->stuck_factor_percent > c->slow_factor_percent) {
        return true;
    }
    const struct option *stuck = option_find(&config_table, "pace.stuck_factor");
    bool given = p->where[stuck - config_table.options] != NULL;
    char what[160];
    (void)snprintf(what, sizeof what,
                   "pace.stuck_factor (%" PRId64 "%%) must be above pace.slow_factor (%" PRId64
                   "%%)",
                   c->stuck_factor_percent, c->slow_factor_percent);
    return fail_option(p, given ? "pace.stuck_factor" : "pace.slow_factor", what, err);
}

bool config_check(const struct config *c, const struct config_places *p, struct err *err)
{
    if (!check_factors(c, p, err)) {
        return false;
    }
    if ((c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0')) {
        return fail_option(p, c->tls_key[0] == '\0' ? "http.tls_cert" : "http.tls_key",
                           "http.tls_cert and http.tls_key go together", err);
    }
    for (size_t i = 0; i < c->n_receivers; i++) {
        if (!check_receiver(c, p, i, err)) {
            return false;
        }
    }
    if (c->db[0] == '\0') {
        return fail_option(p, "db", "db: the name of a file is wanted", err);
    }
    return check_listen(c, p, err);
}
