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
    bool cluster = e->cluster_info != NULL && e->cluster_info[0] != '\0';
    env[k++] = arena_printf(
        a,
        "KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
        "\"spec\":{\"interactive\":false%s%s}}",
        e->api_version, cluster ? ",\"cluster\":" : "", cluster ? e->cluster_info : "");
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

/* Reads all output until the deadline. NULL when it ended, else what is wrong with it. */
static const char *read_output(int fd, int64_t deadline, struct buf *out)
{
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char chunk[4096];
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0) {
            continue; /* a signal */
        }
        if (ready == 0) {
            return "did not finish in time";
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return NULL;
        }
        if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
            return "printed more than 1 MiB";
        }
    }
}

/* Its output may be closed long before it ends. false: still running at the deadline. */
static bool reap(pid_t pid, int64_t deadline, int *ret_status)
{
    for (;;) {
        pid_t done = waitpid(pid, ret_status, WNOHANG);
        if (done != 0 && !(done < 0 && errno == EINTR)) {
            return true;
        }
        if (clock_mono_ms() >= deadline) {
            return false;
        }
        (void)poll(NULL, 0, 5);
    }
}

/* Output and end of the plugin; its process group is killed when it is late or talks too much. */
static bool collect(pid_t pid, int fd, const struct kube_exec *exec, struct buf *out,
                    struct err *err)
{
    int64_t limit = exec->timeout_ms > 0 ? exec->timeout_ms : EXEC_TIMEOUT_MS;
    int64_t deadline = clock_mono_ms() + limit;
    const char *why = read_output(fd, deadline, out);
    int status = 0;
    (void)close(fd);
    if (why == NULL && !reap(pid, deadline, &status)) {
        why = "did not finish in time";
    }
    if (why != NULL) {
        (void)kill(-pid, SIGKILL);
        (void)reap(pid, INT64_MAX, &status);
        return err_set(err, ERR_TIMEOUT, "exec plugin %.200s %s", exec->command, why);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, ERR_DENIED, "exec plugin %.200s ended with status %d", exec->command,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    return true;
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
    pid_t pid = 0;
    int fd = -1;
    AUTO(buf) out = BUF_INIT(EXEC_OUTPUT_LIMIT);
    if (!spawn(exec, arena, &pid, &fd, err) || !collect(pid, fd, exec, &out, err)) {
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
