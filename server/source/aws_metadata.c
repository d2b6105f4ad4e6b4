/*
 * Credentials from metadata endpoints: the container endpoint (EKS Pod Identity, ECS) and IMDSv2,
 * which knows the region of the instance too.
 * Plain http to fixed addresses, so: never through a proxy, no redirects, hosts compared as parsed
 * addresses. botocore ContainerMetadataFetcher, IMDSFetcher.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "source/aws.h"

enum { CONTAINER_TRIES = 3, CONTAINER_MS = 2000, IMDS_MS = 1000, METADATA_LIMIT = 64 << 10 };

/* ---- container ---- */

static bool host_allowed(const char *host)
{
    static const char *const allowed[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        if ((ntohl(v4.s_addr) >> 24) == 127) {
            return true;
        }
        for (size_t i = 0; i < 2; i++) {
            struct in_addr a;
            if (inet_pton(AF_INET, allowed[i], &a) == 1 && a.s_addr == v4.s_addr) {
                return true;
            }
        }
        return false;
    }
    struct in6_addr a6;
    return (inet_pton(AF_INET6, host, &v6) == 1 && inet_pton(AF_INET6, allowed[2], &a6) == 1 &&
            (memcmp(&v6, &a6, sizeof v6) == 0 || IN6_IS_ADDR_LOOPBACK(&v6))) ||
           strcmp(host, "localhost") == 0;
}

static bool url_allowed(const char *url, struct err *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    if (ok && strcmp(scheme, "https") != 0) {
        char bare[128];
        (void)snprintf(bare, sizeof bare, "%.127s", host[0] == '[' ? host + 1 : host);
        bare[strcspn(bare, "]")] = '\0';
        ok = strcmp(scheme, "http") == 0 && host_allowed(bare);
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return ok || err_set(err, ERR_DENIED,
                         "the container credentials address %.150s is neither https nor loopback "
                         "nor one of the fixed addresses",
                         url);
}

static bool auth_header(const struct aws_env *env, struct arena *a, const char **ret,
                        struct err *err)
{
    const char *file = aws_getenv(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = aws_getenv(env, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (file != NULL && !aws_read_file(file, LIMIT_AWS_TOKEN, a, &token, err)) {
        return false;
    }
    if (token != NULL && strpbrk(token, "\r\n") != NULL) {
        return err_set(err, ERR_INPUT, "the container authorization token has a line break");
    }
    *ret = token != NULL ? arena_printf(a, "Authorization: %s", token) : NULL;
    return true;
}

static bool get(const struct aws_env *env, const struct aws_transfer *t, struct aws_answer *ret,
                struct err *err)
{
    if (!aws_ask(env, t, ret, err)) {
        return err_wrap(err, "%s", t->url);
    }
    if (ret->status != 200) {
        int status = ret->status;
        aws_answer_fini(ret);
        return err_set(err, status >= 500 ? ERR_REMOTE : ERR_DENIED, "%s: HTTP %d", t->url, status);
    }
    return true;
}

bool aws_fetch_container(const struct aws_env *env, struct aws_credentials *ret, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    const char *relative = aws_getenv(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_getenv(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *url = relative != NULL ? arena_printf(a, "http://169.254.170.2%s", relative) : full;
    const char *auth = NULL;
    if (url == NULL) {
        return err_set(err, ERR_DENIED, "no container credentials address is set");
    }
    if (!url_allowed(url, err) || !auth_header(env, a, &auth, err)) {
        return false;
    }
    const char *headers[] = {"Accept: application/json", auth, NULL};
    struct aws_transfer t = {.url = url,
                             .headers = headers,
                             .timeout_ms = CONTAINER_MS,
                             .limit = METADATA_LIMIT,
                             .no_proxy = true};
    for (int i = 0; i < CONTAINER_TRIES; i++) {
        struct err why = {0};
        AUTO(aws_answer) answer = {.body = BUF_INIT(0)};
        if (get(env, &t, &answer, &why)) {
            return aws_credentials_from_json(buf_str(&answer.body), answer.body.len, ret, err);
        }
        answer = (struct aws_answer){.body = BUF_INIT(0)};
        *err = why;
        if (why.code == ERR_DENIED) {
            break;
        }
    }
    return false;
}

/* ---- IMDSv2 ---- */

bool aws_imds_is_off(const struct aws_env *env)
{
    const char *off = aws_getenv(env, "AWS_EC2_METADATA_DISABLED");
    return off != NULL && strcasecmp(off, "true") == 0;
}

static const char *imds_base(const struct aws_env *env)
{
    const char *own = aws_getenv(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_getenv(env, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (own != NULL) {
        return own;
    }
    return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
}

static bool imds_get(const struct aws_env *env, struct arena *a, const char *token,
                     const char *path, const char **ret, struct err *err)
{
    const char *base = imds_base(env);
    size_t n = strlen(base);
    n -= n > 0 && base[n - 1] == '/' ? 1 : 0;
    bool first = token == NULL;
    const char *headers[] = {first ? "X-aws-ec2-metadata-token-ttl-seconds: 21600"
                                   : arena_printf(a, "X-aws-ec2-metadata-token: %s", token),
                             NULL};
    struct aws_transfer t = {.method = first ? "PUT" : NULL,
                             .url = arena_printf(a, "%.*s%s", (int)n, base, path),
                             .headers = headers,
                             .timeout_ms = IMDS_MS,
                             .limit = METADATA_LIMIT,
                             .no_proxy = true};
    struct aws_answer answer;
    if (!get(env, &t, &answer, err)) {
        return false;
    }
    *ret = arena_strndup(a, buf_str(&answer.body), answer.body.len);
    aws_answer_fini(&answer);
    return strpbrk(*ret, first ? "\r\n" : "") == NULL ||
           err_set(err, ERR_REMOTE, "%s: the token has a line break", t.url);
}

/* What every other request needs. hint: what else may be behind silence in a pod. */
static bool imds_token(const struct aws_env *env, struct arena *a, const char *hint,
                       const char **ret, struct err *err)
{
    if (aws_imds_is_off(env)) {
        return err_set(err, ERR_DENIED, "AWS_EC2_METADATA_DISABLED forbids to ask");
    }
    if (imds_get(env, a, NULL, "/latest/api/token", ret, err)) {
        return true;
    }
    /* a hop limit of 1 swallows the answer to a pod: that looks like silence */
    return err->code == ERR_TIMEOUT && err_wrap(err, "no answer (in a pod: hop limit 1%s)", hint);
}

bool aws_fetch_region(const struct aws_env *env, char ret[AWS_REGION_BYTES], struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    const char *token = NULL;
    const char *text = NULL;
    if (!imds_token(env, a, "", &token, err) ||
        !imds_get(env, a, token, "/latest/meta-data/placement/region", &text, err)) {
        return false;
    }
    text = arena_strndup(a, text, strcspn(text, "\r\n"));
    if (!aws_region_is_clean(text)) {
        return err_set(err, ERR_REMOTE, "%s: \"%.60s\" is no AWS region", imds_base(env), text);
    }
    (void)snprintf(ret, AWS_REGION_BYTES, "%s", text);
    return true;
}

bool aws_fetch_imds(const struct aws_env *env, struct aws_credentials *ret, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    const char *token = NULL;
    const char *role = NULL;
    const char *text = NULL;
    static const char path[] = "/latest/meta-data/iam/security-credentials/";
    static const char hint[] = ", or no node role meant for pods; use Pod Identity or IRSA";
    if (!imds_token(env, a, hint, &token, err) || !imds_get(env, a, token, path, &role, err)) {
        return false;
    }
    role = arena_strndup(a, role, strcspn(role, "\r\n"));
    return imds_get(env, a, token, arena_printf(a, "%s%s", path, role), &text, err) &&
           aws_credentials_from_json(text, strlen(text), ret, err);
}
