/*
 * The exec credential plugin: a program without a shell, with a deadline and an output ceiling;
 * what it prints is an ExecCredential of the same apiVersion that it was asked in.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "source/kube_access.h"

enum { EXEC_TIMEOUT_MS = 30000, EXEC_OUTPUT_LIMIT = 1 << 20 };

extern char **environ;

static char **build_env(const struct kube_exec *e, struct arena *a)
{
    size_t n = 0;
    while (environ[n] != NULL) {
        n++;
    }
    char **env = arena_array(a, char *, n + e->env.n + 2);
    size_t k = 0;
    for (uint32_t i = 0; i < e->env.n;
         i++) { /* the plugin's own values stand first: getenv takes the first */
        env[k++] = arena_printf(a, "%s=%s", e->env.items[i].key, e->env.items[i].value);
    }
    env[k++] =
        arena_printf(a,
                     "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
                     "\"spec\":{\"interactive\":false}}",
                     e->api_version);
    for (size_t i = 0; i < n; i++) {
        env[k++] = environ[i];
    }
    return env;
}

static bool spawn(const struct kube_exec *e, struct arena *a, pid_t *ret_pid, int *ret_fd,
                  struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return err_set(err, ERR_BUSY, "pipe: %s", strerror(errno));
    }
    char **argv = arena_array(a, char *, e->args.n + 2);
    argv[0] = arena_strdup(a, e->command);
    for (uint32_t i = 0; i < e->args.n; i++) {
        argv[i + 1] = arena_strdup(a, e->args.items[i]);
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr,
                                     &none); /* our threads block signals; the plugin must not */
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    int rc = posix_spawnp(ret_pid, e->command, &actions, &attr, argv, build_env(e, a));
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(fds[1]);
    if (rc != 0) {
        (void)close(fds[0]);
        return err_set(err, ERR_DENIED, "exec plugin %.200s: %s", e->command, strerror(rc));
    }
    *ret_fd = fds[0];
    return true;
}

/* Reads all output until the deadline; kills the plugin's process group when it is late or talks
 * too much. */
static bool collect(pid_t pid, int fd, const char *command, struct buf *out, struct err *err)
{
    int64_t deadline = clock_mono_ms() + EXEC_TIMEOUT_MS;
    const char *why = NULL;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char chunk[4096];
        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            why = "did not finish within 30 s";
            break;
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
            why = "printed more than 1 MiB";
            break;
        }
    }
    (void)close(fd);
    if (why != NULL) {
        (void)kill(-pid, SIGKILL);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (why != NULL) {
        return err_set(err, ERR_TIMEOUT, "exec plugin %.200s %s", command, why);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, ERR_DENIED, "exec plugin %.200s ended with status %d", command,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    return true;
}

static const char *member(const json_t *status, const char *key, struct arena *a)
{
    const char *v = json_string_value(json_object_get(status, key));
    return v != NULL ? arena_strdup(a, v) : "";
}

bool kube_exec_run(const struct kube_exec *exec, struct arena *arena, const char **ret_token,
                   const char **ret_cert, const char **ret_key, int64_t *ret_expires,
                   struct err *err)
{
    pid_t pid = 0;
    int fd = -1;
    AUTO(buf) out = BUF_INIT(EXEC_OUTPUT_LIMIT);
    if (!spawn(exec, arena, &pid, &fd, err) || !collect(pid, fd, exec->command, &out, err)) {
        return false;
    }
    json_error_t je;
    json_t *doc = json_loadb(buf_str(&out), out.len, 0, &je);
    const json_t *status = json_object_get(doc, "status");
    const char *version = json_string_value(json_object_get(doc, "apiVersion"));
    bool same = version != NULL &&
                (exec->api_version[0] == '\0' || strcmp(version, exec->api_version) == 0);
    bool ok = json_is_object(status) && same;
    if (!ok) {
        (void)err_set(err, ERR_DENIED, "exec plugin %.200s did not print an ExecCredential of %s",
                      exec->command, exec->api_version);
    } else {
        *ret_token = member(status, "token", arena);
        *ret_cert = member(status, "clientCertificateData", arena);
        *ret_key = member(status, "clientKeyData", arena);
        const char *expires = member(status, "expirationTimestamp", arena);
        *ret_expires = 0;
        (void)clock_parse(expires, strlen(expires), ret_expires); /* no time: it never expires */
    }
    json_decref(doc);
    return ok;
}
