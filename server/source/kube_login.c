/* Credentials that renew themselves (see kube_login.h). */
#include "source/kube_login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { TOKEN_LIMIT = 64 << 10, TOKEN_AGE_MS = 60000, EXPIRY_MARGIN_MS = 60000, FAILURE_MS = 10000 };

void login_init(struct kube_login *l, const struct kube_access *access)
{
    *l = (struct kube_login){.access = access};
}

void login_fini(struct kube_login *l)
{
    free(l->token);
    free(l->cert);
    free(l->key);
    *l = (struct kube_login){.access = l->access};
}

/* A header value ends at a line's end: a token with one inside would forge headers. */
static bool is_clean(const char *token)
{
    for (const char *p = token; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

static char *slurp_token(const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return NULL;
    }
    char *text = xcalloc(1, TOKEN_LIMIT + 1);
    size_t n = fread(text, 1, TOKEN_LIMIT, f);
    (void)fclose(f);
    while (n > 0 && strchr("\n\r\t ", text[n - 1]) != NULL) {
        text[--n] = '\0';
    }
    if (n == 0 || !is_clean(text)) {
        free(text);
        return NULL;
    }
    return text;
}

static bool read_token_file(struct kube_login *l, struct err *err)
{
    if (l->token != NULL && l->read_ms != 0 && clock_mono_ms() - l->read_ms < TOKEN_AGE_MS) {
        return true;
    }
    char *text = slurp_token(l->access->token_file);
    if (text == NULL) {
        if (l->token != NULL) {
            return true; /* keep the old one: it lives on until it expires */
        }
        return err_set(err, ERR_DENIED, "token file %.300s cannot be read or holds no token",
                       l->access->token_file);
    }
    free(l->token);
    l->token = text;
    l->read_ms = clock_mono_ms();
    return true;
}

static bool remember_failure(struct kube_login *l, const struct err *err)
{
    l->failed_until = clock_mono_ms() + FAILURE_MS;
    (void)snprintf(l->failure, sizeof l->failure, "%s", err->text);
    return false;
}

static bool run_plugin(struct kube_login *l, struct err *err)
{
    bool fresh =
        l->read_ms != 0 && (l->expires == 0 || clock_unix_ms() < l->expires - EXPIRY_MARGIN_MS);
    if (fresh) {
        return true;
    }
    if (clock_mono_ms() < l->failed_until) {
        return err_set(err, ERR_DENIED, "%s", l->failure);
    }
    AUTO_PTR(arena) a = arena_new(0);
    struct kube_exec_answer answer;
    if (!kube_exec_run(&l->access->exec, a, &answer, err)) {
        return remember_failure(l, err);
    }
    if (!is_clean(answer.token)) {
        (void)err_set(err, ERR_DENIED, "exec plugin %.200s gave a token with control characters",
                      l->access->exec.command);
        return remember_failure(l, err);
    }
    login_fini(l);
    l->token = xstrdup(answer.token);
    l->cert = xstrdup(answer.cert);
    l->key = xstrdup(answer.key);
    l->expires = answer.expires;
    l->read_ms = clock_mono_ms();
    return true;
}

bool login_ready(struct kube_login *l, struct err *err)
{
    if (l->access->token_file[0] != '\0') {
        return read_token_file(l, err);
    }
    return l->access->exec.command[0] == '\0' || run_plugin(l, err);
}

void login_renew(struct kube_login *l, int64_t request_started_ms)
{
    if (request_started_ms >= l->read_ms) {
        l->read_ms = 0;
    }
}

static const char *first_of(const char *a, const char *b)
{
    return a != NULL && a[0] != '\0' ? a : b;
}

const char *login_token(const struct kube_login *l)
{
    return first_of(l->token, l->access->token);
}

const char *login_cert(const struct kube_login *l)
{
    return first_of(l->cert, l->access->cert_pem);
}

const char *login_key(const struct kube_login *l)
{
    return first_of(l->key, l->access->key_pem);
}
