/*
 * The credentials chain: which provider is configured, and what it gives. The first configured
 * provider is chosen once; when it fails that is an error with what to do, for going on to the next
 * one would be a silent change of identity. How credentials are kept stands in aws_identity.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "source/aws.h"

#define X(suffix, name) name,
static const char *const provider_names[] = {AWS_PROVIDERS(X)};
#undef X

const char *aws_provider_name(enum aws_provider p)
{
    return provider_names[p];
}

static bool profile_has_credentials(const struct aws_profiles *p)
{
    static const char *const keys[] = {"aws_access_key_id",  "role_arn",
                                       "credential_process", "web_identity_token_file",
                                       "sso_session",        "sso_start_url"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (aws_profile_get(p, p->chosen, keys[i]) != NULL) {
            return true;
        }
    }
    return false;
}

enum aws_provider aws_provider_find(const struct aws_env *env, const struct aws_profiles *p)
{
    bool explicit_profile = env->profile != NULL && env->profile[0] != '\0';
    bool keys = aws_getenv(env, "AWS_ACCESS_KEY_ID") != NULL ||
                aws_getenv(env, "AWS_SECRET_ACCESS_KEY") != NULL;
    if (!explicit_profile && keys) {
        return AWS_PROVIDER_ENVIRONMENT;
    }
    if (p->by_name) { /* somebody named it: it must give credentials, or say why not */
        return AWS_PROVIDER_PROFILE;
    }
    /* botocore and the AWS SDKs put a role of the default profile before the pod's identity */
    if (aws_profile_get(p, p->chosen, "role_arn") != NULL &&
        aws_profile_get(p, p->chosen, "web_identity_token_file") == NULL) {
        return AWS_PROVIDER_PROFILE;
    }
    if (aws_getenv(env, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL) {
        return AWS_PROVIDER_WEB_IDENTITY;
    }
    if (profile_has_credentials(p)) {
        return AWS_PROVIDER_PROFILE;
    }
    if (aws_getenv(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
        aws_getenv(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL) {
        return AWS_PROVIDER_CONTAINER;
    }
    return aws_imds_is_off(env) ? AWS_PROVIDER_NONE : AWS_PROVIDER_IMDS;
}

bool aws_provider_fetch(const struct aws_env *env, const struct aws_profiles *p,
                        enum aws_provider provider, struct aws_credentials *ret, struct err *err)
{
    bool ok = false;
    struct aws_role role = {.arn = NULL};
    switch (provider) {
    case AWS_PROVIDER_ENVIRONMENT:
        ok = aws_fetch_environment(env, ret, err);
        break;
    case AWS_PROVIDER_PROFILE:
        ok = aws_fetch_profile(env, p, ret, err);
        break;
    case AWS_PROVIDER_WEB_IDENTITY:
        role.arn = aws_getenv(env, "AWS_ROLE_ARN");
        role.session = aws_getenv(env, "AWS_ROLE_SESSION_NAME");
        role.token_file = aws_getenv(env, "AWS_WEB_IDENTITY_TOKEN_FILE");
        ok = aws_fetch_web_identity(env, p, &role, ret, err);
        break;
    case AWS_PROVIDER_CONTAINER:
        ok = aws_fetch_container(env, ret, err);
        break;
    case AWS_PROVIDER_IMDS:
        ok = aws_fetch_imds(env, ret, err);
        break;
    case AWS_PROVIDER_NONE:
    default:
        return err_set(err, ERR_DENIED, "no AWS credentials are configured");
    }
    return ok || err_wrap(err, "AWS credentials from %s", aws_provider_name(provider));
}

/* ---- the pieces that several providers share ---- */

static bool put(char *to, size_t size, const char *from, const char *what, struct err *err)
{
    size_t n = strlen(from);
    if (n >= size) {
        return err_set(err, ERR_INPUT, "the %s is longer than %zu bytes", what, size - 1);
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)from[i] < 0x21 || (unsigned char)from[i] > 0x7e) {
            return err_set(err, ERR_INPUT, "the %s has blanks or control characters", what);
        }
    }
    memcpy(to, from, n + 1);
    return true;
}

bool aws_credentials_set(struct aws_credentials *c, const char *key_id, const char *secret,
                         const char *token, struct err *err)
{
    if (key_id == NULL || key_id[0] == '\0' || secret == NULL || secret[0] == '\0') {
        return err_set(err, ERR_DENIED, "access key id or secret is missing");
    }
    c->expires_at = 0;
    return put(c->key_id, sizeof c->key_id, key_id, "access key id", err) &&
           put(c->secret, sizeof c->secret, secret, "secret access key", err) &&
           put(c->token, sizeof c->token, token != NULL ? token : "", "session token", err);
}

bool aws_credentials_from_json(const char *text, size_t len, struct aws_credentials *ret,
                               struct err *err)
{
    json_error_t je;
    json_t *doc = json_loadb(text, len, 0, &je);
    if (!json_is_object(doc)) {
        json_decref(doc);
        return err_set(err, ERR_REMOTE, "the answer is no JSON object");
    }
    const char *code = json_string_value(json_object_get(doc, "Code"));
    const char *message = json_string_value(json_object_get(doc, "Message"));
    const char *token = json_string_value(json_object_get(doc, "Token"));
    token = token != NULL ? token : json_string_value(json_object_get(doc, "SessionToken"));
    const char *expires = json_string_value(json_object_get(doc, "Expiration"));
    bool ok = true;
    if (code != NULL && strcmp(code, "Success") != 0) {
        ok = err_set(err, ERR_DENIED, "%.60s: %.200s", code, message != NULL ? message : "");
    }
    ok = ok && aws_credentials_set(ret, json_string_value(json_object_get(doc, "AccessKeyId")),
                                   json_string_value(json_object_get(doc, "SecretAccessKey")),
                                   token, err);
    if (ok && expires != NULL && !clock_parse(expires, strlen(expires), &ret->expires_at)) {
        ok = err_set(err, ERR_REMOTE, "Expiration \"%.40s\" is no time", expires);
    }
    json_decref(doc);
    return ok;
}
