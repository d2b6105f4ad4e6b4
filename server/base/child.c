/* One child program under a deadline (see child.h). */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/own.h"

enum { CANCEL_MS = 200 };

/* Texts are only read by posix_spawn, whose argument is not const for historical reasons. */
static char *loose(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* Ours first: getenv takes the first. The caller frees the array alone. */
static char **merged_env(const struct child *c)
{
    size_t own = 0;
    size_t n = 0;
    while (c->env != NULL && c->env[own] != NULL) {
        own++;
    }
    while (environ[n] != NULL) {
        n++;
    }
    char **env = xcalloc(own + n + 1, sizeof *env);
    for (size_t i = 0; i < own; i++) {
        env[i] = loose(c->env[i]);
    }
    memcpy(env + own, environ, n * sizeof *env);
    return env;
}

static bool spawn(const struct child *c, pid_t *ret_pid, int *ret_fd, struct err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return err_set(err, ERR_BUSY, "pipe: %s", strerror(errno));
    }
    size_t n = 0;
    while (c->argv[n] != NULL) {
        n++;
    }
    AUTO_FREE char **argv = xcalloc(n + 1, sizeof *argv);
    for (size_t i = 0; i < n; i++) {
        argv[i] = loose(c->argv[i]);
    }
    AUTO_FREE char **env = merged_env(c);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none); /* our threads block signals; it must not */
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    int rc = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(fds[1]);
    if (rc != 0) {
        (void)close(fds[0]);
        return err_set(err, ERR_DENIED, "%s: %s", c->what, strerror(rc));
    }
    *ret_fd = fds[0];
    return true;
}

/* What is wrong, NULL = the output ended by itself. */
static const char *collect(const struct child *c, int fd, struct buf *out)
{
    int64_t deadline = clock_mono_ms() + c->timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char chunk[4096];
        if (left <= 0) {
            return "did not finish in time";
        }
        if (c->cancelled != NULL && c->cancelled(c->cancelled_arg)) {
            return "is not wanted any more";
        }
        int slice = c->cancelled != NULL && left > CANCEL_MS ? CANCEL_MS : (int)left;
        if (poll(&p, 1, slice) <= 0) { /* interrupted or nothing yet: look at the time again */
            continue;
        }
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return NULL;
        }
        if (n > 0 && !buf_add(out, chunk, (size_t)n)) {
            return "printed too much";
        }
    }
}

/* The child closed its output, yet may live on: it gets the rest of a second. */
static int reap(pid_t pid)
{
    int status = -1;
    for (int i = 0; i < 100; i++) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR)) {
            return status;
        }
        struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

bool child_run(const struct child *c, struct buf *out, struct err *err)
{
    pid_t pid = 0;
    int fd = -1;
    if (!spawn(c, &pid, &fd, err)) {
        return false;
    }
    const char *why = collect(c, fd, out);
    (void)close(fd);
    if (why != NULL) {
        (void)kill(-pid, SIGKILL);
    }
    int status = reap(pid);
    if (why != NULL) {
        return err_set(err, ERR_TIMEOUT, "%s %s", c->what, why);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, ERR_DENIED, "%s ended with status %d", c->what,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    return true;
}
