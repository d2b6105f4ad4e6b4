/* Who may ask (see access.h). */
#include "api/access.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/problem.h"
#include "base/digest.h"

enum { HOST_MAX = 254 };

/* The host of "name:port", "[v6]:port" or a bare one. false: none, or too long. */
static bool host_of(const char *authority, char ret[HOST_MAX])
{
    const char *start = authority;
    size_t len;
    if (authority[0] == '[') {
        start++;
        len = strcspn(start, "]");
        if (start[len] != ']') {
            return false;
        }
    } else {
        len = strcspn(start, ":/");
    }
    if (len == 0 || len >= HOST_MAX) {
        return false;
    }
    memcpy(ret, start, len);
    ret[len] = '\0';
    return true;
}

static bool loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0 ||
        (len > 10 && strcasecmp(host + len - 10, ".localhost") == 0)) {
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return (ntohl(v4.s_addr) >> 24) == 127;
    }
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* host of "http://host:port/..." */
static bool url_host(const char *url, char ret[HOST_MAX])
{
    const char *p = strstr(url, "://");
    return p != NULL && host_of(p + 3, ret);
}

bool access_host(const struct config *config, const char *authority)
{
    char host[HOST_MAX];
    char own[HOST_MAX];
    bool listed = config->allow_hosts != NULL;
    if (!listed && config->n_tokens > 0) {
        return true; /* a token says enough */
    }
    if (!host_of(authority, host)) {
        return false;
    }
    for (size_t i = 0; listed && config->allow_hosts[i] != NULL; i++) {
        if (strcasecmp(config->allow_hosts[i], host) == 0 ||
            strcasecmp(config->allow_hosts[i], authority) == 0) {
            return true;
        }
    }
    if (config->external_url[0] != '\0' && url_host(config->external_url, own) &&
        strcasecmp(own, host) == 0) {
        return true;
    }
    return !listed && loopback(host);
}

static bool same_origin(const struct exchange *x)
{
    const char *p = strstr(x->req.origin, "://");
    return x->req.origin[0] == '\0' || (p != NULL && strcasecmp(p + 3, x->req.host) == 0);
}

/* Compares the hash with every token's, all in the same time. */
static const struct config_token *find_token(const struct config *config, const char *token)
{
    uint8_t digest[DIGEST_SIZE];
    char text[DIGEST_HEX_SIZE];
    const struct config_token *found = NULL;
    digest_sha256(token, strlen(token), digest);
    (void)digest_hex(digest, sizeof digest, text);
    for (size_t i = 0; i < config->n_tokens; i++) {
        if (strlen(config->tokens[i].sha256) == DIGEST_HEX_SIZE - 1 &&
            digest_equal(config->tokens[i].sha256, text, DIGEST_HEX_SIZE - 1)) {
            found = &config->tokens[i];
        }
    }
    return found;
}

bool access_allow(const struct config *config, enum access access, struct exchange *x)
{
    x->viewer = "";
    if (access == ACCESS_OPEN && x->req.method == METHOD_GET) {
        return true; /* kubelet asks by address, whatever it is */
    }
    if (!access_host(config, x->req.host)) {
        problem(x, PROBLEM_MISDIRECTED,
                "the Host header names neither this machine's loopback nor "
                "one of http.allow_hosts");
        return false;
    }
    if (x->req.method != METHOD_GET && !same_origin(x)) {
        problem(x, PROBLEM_FORBIDDEN, "the Origin header names another host");
        return false;
    }
    if (access == ACCESS_OPEN || config->n_tokens == 0) {
        return true;
    }
    const char *p = x->req.authorization;
    const struct config_token *token = NULL;
    if (strncasecmp(p, "Bearer ", 7) == 0) {
        token = find_token(config, p + 7 + strspn(p + 7, " "));
    }
    if (token == NULL) {
        problem(x, PROBLEM_UNAUTHORIZED, p[0] != '\0' ? "the token is not known" : NULL);
        return false;
    }
    x->viewer = token->name;
    return true;
}
