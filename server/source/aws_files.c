/*
 * Credentials of this machine: environment variables and profiles (static keys, role_arn with
 * source_profile or credential_source, web_identity_token_file, credential_process). Single sign-on
 * and MFA need a person: they are refused by name.
 */
#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "source/aws.h"

enum { PROFILE_DEPTH = 5, PROCESS_TIMEOUT_MS = 30000, PROCESS_ARGS = 64 };

bool aws_fetch_environment(const struct aws_env *env, struct aws_credentials *ret, struct err *err)
{
    const char *token = aws_getenv(env, "AWS_SESSION_TOKEN");
    if (token == NULL) {
        token = aws_getenv(env, "AWS_SECURITY_TOKEN");
    }
    if (!aws_credentials_set(ret, aws_getenv(env, "AWS_ACCESS_KEY_ID"),
                             aws_getenv(env, "AWS_SECRET_ACCESS_KEY"), token, err)) {
        return false;
    }
    const char *expires = aws_getenv(env, "AWS_CREDENTIAL_EXPIRATION");
    if (expires != NULL && !clock_parse(expires, strlen(expires), &ret->expires_at)) {
        return err_set(err, ERR_INPUT, "AWS_CREDENTIAL_EXPIRATION \"%.40s\" is no time", expires);
    }
    return true;
}

/* Words as a shell would split them, without a shell: blanks, quotes, backslash. */
static bool split_words(const char *text, struct arena *a, const char **argv, size_t max,
                        struct err *err)
{
    size_t n = 0;
    const char *p = text + strspn(text, " \t");
    while (*p != '\0') {
        char *word = arena_alloc(a, strlen(p) + 1);
        size_t len = 0;
        char quote = '\0';
        for (; *p != '\0' && (quote != '\0' || (*p != ' ' && *p != '\t')); p++) {
            if (quote == '\0' && (*p == '"' || *p == '\'')) {
                quote = *p;
            } else if (*p == quote) {
                quote = '\0';
            } else if (*p == '\\' && quote != '\'' && p[1] != '\0') {
                word[len++] = *++p;
            } else {
                word[len++] = *p;
            }
        }
        word[len] = '\0';
        if (quote != '\0' || n + 1 == max) {
            return err_set(err, ERR_INPUT, "credential_process: an open quote or too many words");
        }
        argv[n++] = word;
        p += strspn(p, " \t");
    }
    argv[n] = NULL;
    return n > 0 || err_set(err, ERR_INPUT, "credential_process is empty");
}

static bool fetch_process(const struct aws_env *env, const char *command, struct arena *a,
                          struct aws_credentials *ret, struct err *err)
{
    const char *argv[PROCESS_ARGS];
    AUTO(buf) out = BUF_INIT(LIMIT_AWS_FILE);
    if (!split_words(command, a, argv, PROCESS_ARGS, err)) {
        return false;
    }
    struct child child = {.argv = argv,
                          .timeout_ms = PROCESS_TIMEOUT_MS,
                          .what = "credential_process",
                          .cancelled = env->cancelled,
                          .cancelled_arg = env->cancelled_arg};
    return child_run(&child, &out, err) &&
           (aws_credentials_from_json(buf_str(&out), out.len, ret, err) ||
            err_wrap(err, "credential_process"));
}

struct profile_walk {
    const struct aws_env *env;
    const struct aws_profiles *p;
    struct arena *a;
    int depth;
};

static bool fetch_one(struct profile_walk *w, const char *profile, struct aws_credentials *ret,
                      struct err *err);

/* What credential_source names. */
static bool fetch_source(const struct profile_walk *w, const char *source,
                         struct aws_credentials *ret, struct err *err)
{
    if (strcmp(source, "Environment") == 0) {
        return aws_fetch_environment(w->env, ret, err);
    }
    if (strcmp(source, "Ec2InstanceMetadata") == 0) {
        return aws_fetch_imds(w->env, ret, err);
    }
    if (strcmp(source, "EcsContainer") == 0) {
        return aws_fetch_container(w->env, ret, err);
    }
    return err_set(err, ERR_INPUT, "credential_source \"%.60s\" is not known", source);
}

static bool fetch_role(struct profile_walk *w, const char *profile, const char *role,
                       struct aws_credentials *ret, struct err *err)
{
    const char *token_file = aws_profile_get(w->p, profile, "web_identity_token_file");
    const char *session = aws_profile_get(w->p, profile, "role_session_name");
    if (token_file != NULL) {
        struct aws_role web = {.arn = role, .session = session, .token_file = token_file};
        return aws_fetch_web_identity(w->env, w->p, &web, ret, err);
    }
    if (aws_profile_get(w->p, profile, "mfa_serial") != NULL) {
        return err_set(err, ERR_DENIED, "mfa_serial needs a person at the keyboard");
    }
    const char *source = aws_profile_get(w->p, profile, "source_profile");
    const char *kind = aws_profile_get(w->p, profile, "credential_source");
    struct aws_credentials *with = arena_zalloc(w->a, sizeof *with);
    bool ok = false;
    if (source != NULL && strcmp(source, profile) == 0) { /* its own static keys */
        ok = aws_credentials_set(with, aws_profile_get(w->p, profile, "aws_access_key_id"),
                                 aws_profile_get(w->p, profile, "aws_secret_access_key"),
                                 aws_profile_get(w->p, profile, "aws_session_token"), err);
    } else if (source != NULL) {
        ok = fetch_one(w, source, with, err);
    } else if (kind != NULL) {
        ok = fetch_source(w, kind, with, err);
    } else {
        ok = err_set(err, ERR_INPUT, "role_arn needs source_profile or credential_source");
    }
    const char *region = aws_profile_get(w->p, profile, "region");
    struct aws_role assumed = {.arn = role,
                               .region = region != NULL ? region : aws_region_of(w->env, w->p),
                               .external_id = aws_profile_get(w->p, profile, "external_id"),
                               .with = with};
    return ok && aws_fetch_assume_role(w->env, w->p, &assumed, ret, err);
}

static bool fetch_keys(struct profile_walk *w, const char *profile, struct aws_credentials *ret,
                       struct err *err)
{
    const char *key = aws_profile_get(w->p, profile, "aws_access_key_id");
    const char *process = aws_profile_get(w->p, profile, "credential_process");
    const char *role = aws_profile_get(w->p, profile, "role_arn");
    if (role != NULL) {
        return fetch_role(w, profile, role, ret, err);
    }
    if (key != NULL) {
        return aws_credentials_set(ret, key,
                                   aws_profile_get(w->p, profile, "aws_secret_access_key"),
                                   aws_profile_get(w->p, profile, "aws_session_token"), err);
    }
    if (process != NULL) {
        return fetch_process(w->env, process, w->a, ret, err);
    }
    bool sso = aws_profile_get(w->p, profile, "sso_session") != NULL ||
               aws_profile_get(w->p, profile, "sso_start_url") != NULL;
    return err_set(err, ERR_DENIED,
                   sso ? "single sign-on needs a person; give keys, a role or credential_process"
                       : "there is no such profile, or it holds no credentials");
}

static bool fetch_one(struct profile_walk *w, const char *profile, struct aws_credentials *ret,
                      struct err *err)
{
    if (++w->depth > PROFILE_DEPTH) {
        return err_set(err, ERR_INPUT, "source_profile goes in a circle, or more than %d deep",
                       PROFILE_DEPTH);
    }
    return fetch_keys(w, profile, ret, err) || err_wrap(err, "profile \"%.100s\"", profile);
}

bool aws_fetch_profile(const struct aws_env *env, const struct aws_profiles *p,
                       struct aws_credentials *ret, struct err *err)
{
    AUTO_PTR(arena) a = arena_new(0);
    struct profile_walk w = {.env = env, .p = p, .a = a};
    return fetch_one(&w, p->chosen, ret, err);
}
