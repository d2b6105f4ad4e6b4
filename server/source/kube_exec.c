/*
 * The exec credential plugin: a program without a shell, with a deadline and an output ceiling;
 * what it prints is an ExecCredential of the same apiVersion that it was asked in.
 */
#include <string.h>

#include <jansson.h>

#include "base/child.h"
#include "base/clock.h"
#include "source/kube_access.h"

enum { EXEC_TIMEOUT_MS = 30000, EXEC_OUTPUT_LIMIT = 1 << 20 };

static const char *const *argv_of(const struct kube_exec *e, struct arena *a)
{
    const char **argv = arena_array(a, const char *, e->args.n + 2);
    argv[0] = e->command;
    for (uint32_t i = 0; i < e->args.n; i++) {
        argv[i + 1] = e->args.items[i];
    }
    return argv;
}

static const char *const *env_of(const struct kube_exec *e, struct arena *a)
{
    const char **env = arena_array(a, const char *, e->env.n + 2);
    for (uint32_t i = 0; i < e->env.n; i++) {
        env[i] = arena_printf(a, "%s=%s", e->env.items[i].key, e->env.items[i].value);
    }
    bool cluster = e->cluster_info != NULL && e->cluster_info[0] != '\0';
    env[e->env.n] = arena_printf(
        a,
        "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
        "\"spec\":{\"interactive\":false%s%s}}",
        e->api_version, cluster ? ",\"cluster\":" : "", cluster ? e->cluster_info : "");
    return env;
}

static const char *member(const json_t *status, const char *key, struct arena *a)
{
    const char *v = json_string_value(json_object_get(status, key));
    return v != NULL ? arena_strdup(a, v) : "";
}

static bool read_answer(const struct kube_exec *exec, const json_t *doc, struct arena *arena,
                        struct kube_exec_answer *ret)
{
    const json_t *status = json_object_get(doc, "status");
    const char *version = json_string_value(json_object_get(doc, "apiVersion"));
    bool same = version != NULL &&
                (exec->api_version[0] == '\0' || strcmp(version, exec->api_version) == 0);
    if (!json_is_object(status) || !same) {
        return false;
    }
    struct kube_exec_answer a = {.token = member(status, "token", arena),
                                 .cert = member(status, "clientCertificateData", arena),
                                 .key = member(status, "clientKeyData", arena)};
    const char *expires = member(status, "expirationTimestamp", arena);
    (void)clock_parse(expires, strlen(expires), &a.expires); /* no time: it never expires */
    bool usable = a.token[0] != '\0' || (a.cert[0] != '\0' && a.key[0] != '\0');
    if (usable) {
        *ret = a;
    }
    return usable;
}

bool kube_exec_run(const struct kube_exec *exec, struct arena *arena,
                   struct kube_exec_answer *ret_answer, struct err *err)
{
    struct child child = {.argv = argv_of(exec, arena),
                          .env = env_of(exec, arena),
                          .timeout_ms =
                              exec->timeout_ms > 0 ? (int)exec->timeout_ms : EXEC_TIMEOUT_MS,
                          .cancelled = exec->cancelled,
                          .cancelled_arg = exec->cancelled_arg,
                          .what = arena_printf(arena, "exec plugin %.200s", exec->command)};
    AUTO(buf) out = BUF_INIT(EXEC_OUTPUT_LIMIT);
    if (!child_run(&child, &out, err)) {
        return false;
    }
    json_t *doc = json_loadb(buf_str(&out), out.len, 0, NULL);
    bool ok = read_answer(exec, doc, arena, ret_answer);
    json_decref(doc);
    return ok ||
           err_set(err, ERR_DENIED,
                   "exec plugin %.200s did not print an ExecCredential of %s with credentials",
                   exec->command, exec->api_version);
}
