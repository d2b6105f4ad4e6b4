/*
 * What no single value can show: factors in the wrong order, an open address without tokens, a
 * receiver without a secret, names that stand twice. Messages name the place of the record where
 * they can.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool check_listen(const struct config *c, struct err *err)
{
    const char *colon = strrchr(c->listen, ':');
    char host[256];
    size_t len = colon != NULL ? (size_t)(colon - c->listen) : 0;
    if (colon == NULL || len == 0 || len >= sizeof host) {
        return err_set(err, ERR_INPUT, "listen: \"%.80s\" is not ADDR:PORT", c->listen);
    }
    char *end = NULL;
    long port = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port < 0 || port > 65535) {
        return err_set(err, ERR_INPUT, "listen: \"%.80s\" is not a port", colon + 1);
    }
    bool bracket = c->listen[0] == '[' && len > 2 && c->listen[len - 1] == ']';
    (void)snprintf(host, sizeof host, "%.*s", (int)(bracket ? len - 2 : len),
                   c->listen + (bracket ? 1 : 0));
    if (!is_loopback(host) && c->n_tokens == 0) {
        return err_set(
            err, ERR_INPUT,
            "listen: %s is not a loopback address, so access.tokens must name at least one token",
            c->listen);
    }
    return true;
}

static bool fail_record(const struct config_places *p, const struct config_place *at,
                        const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "%s:%zu:%zu: %s", p->file, at->line, at->column, what);
}

static bool is_hex64(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool secret_ok(const char *secret)
{
    size_t n = strlen(secret);
    static const char base64[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    /* Standard Webhooks: 24 to 64 bytes of randomness, base64 behind the prefix. */
    return strncmp(secret, "whsec_", 6) == 0 && n - 6 >= 32 && n - 6 <= 88 &&
           strspn(secret + 6, base64) == n - 6;
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

static bool check_families(const struct config *c, struct err *err)
{
    for (const char *const *f = c->gate_families; f != NULL && *f != NULL; f++) {
        if (!family_ok(*f)) {
            return err_set(err, ERR_INPUT,
                           "gates.families: \"%.80s\" is not NAME=PREFIX, a word in lower case and "
                           "a beginning of condition types with its domain, as in "
                           "kapacity=kapacity.traas.io/",
                           *f);
        }
    }
    return true;
}

bool config_check(const struct config *c, const struct config_places *p, struct err *err)
{
    if (c->stuck_factor_percent <= c->slow_factor_percent) {
        return err_set(err, ERR_INPUT,
                       "pace.stuck_factor (%" PRId64 "%%) must be above pace.slow_factor (%" PRId64
                       "%%)",
                       c->stuck_factor_percent, c->slow_factor_percent);
    }
    if ((c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0')) {
        return err_set(err, ERR_INPUT, "http.tls_cert and http.tls_key go together");
    }
    if (!check_families(c, err)) {
        return false;
    }
    for (size_t i = 0; i < c->n_tokens; i++) {
        if (!is_hex64(c->tokens[i].sha256)) {
            return fail_record(p, &p->tokens[i],
                               "access.tokens: sha256 is not 64 lower-case hex digits", err);
        }
    }
    for (size_t i = 0; i < c->n_receivers; i++) {
        if (!check_receiver(c, p, i, err)) {
            return false;
        }
    }
    return check_listen(c, err);
}
