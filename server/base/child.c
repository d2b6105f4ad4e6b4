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

enum { CANCEL_MS = 200, WORDS_MAX = 256 };

/* What is read of it: all it prints, and the end of what it complains of. */
struct ear {
    int out;
    int err;
    char words[WORDS_MAX]; /* the newest bytes of standard error */
    size_t n_words;
};

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

/* fds: [0] [1] of standard output, [2] [3] of standard error. */
static bool open_pipes(int fds[4], struct err *err)
{
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return err_set(err, ERR_BUSY, "pipe: %s", strerror(errno));
    }
    if (pipe2(fds + 2, O_CLOEXEC | O_NONBLOCK) != 0) {
        int why = errno;
        (void)close(fds[0]);
        (void)close(fds[1]);
        return err_set(err, ERR_BUSY, "pipe: %s", strerror(why));
    }
    /* the child's end blocks, as programs expect of it */
    (void)fcntl(fds[3], F_SETFL, fcntl(fds[3], F_GETFL) & ~O_NONBLOCK);
    return true;
}

static bool spawn(const struct child *c, pid_t *ret_pid, struct ear *ret, struct err *err)
{
    int fds[4];
    if (!open_pipes(fds, err)) {
        return false;
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
    (void)posix_spawn_file_actions_adddup2(&actions, fds[3], 2);
    int rc = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    (void)close(fds[1]);
    (void)close(fds[3]);
    if (rc != 0) {
        (void)close(fds[0]);
        (void)close(fds[2]);
        return err_set(err, ERR_DENIED, "%s: %s", c->what, strerror(rc));
    }
    *ret = (struct ear){.out = fds[0], .err = fds[2]};
    return true;
}

/* Takes what stands in standard error, no more than a pipe holds; the newest bytes are kept. */
static void hear(struct ear *e)
{
    char chunk[4096];
    ssize_t n = -1;
    for (int i = 0; i < 16 && e->err >= 0; i++) {
        n = read(e->err, chunk, sizeof chunk);
        if (n <= 0) {
            break;
        }
        size_t take = (size_t)n < WORDS_MAX ? (size_t)n : WORDS_MAX;
        size_t keep = e->n_words + take > WORDS_MAX ? WORDS_MAX - take : e->n_words;
        memmove(e->words, e->words + e->n_words - keep, keep);
        memcpy(e->words + keep, chunk + (size_t)n - take, take);
        e->n_words = keep + take;
    }
    if (e->err >= 0 && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))) { /* its end */
        (void)close(e->err);
        e->err = -1; /* poll passes over it */
    }
}

/* Its last line that has any words, without bytes that would break one of ours. */
static void last_words(struct ear *e, char ret[WORDS_MAX + 3])
{
    size_t end = e->n_words;
    while (end > 0 && (unsigned char)e->words[end - 1] <= ' ') {
        end--;
    }
    size_t at = end;
    while (at > 0 && e->words[at - 1] != '\n') {
        at--;
    }
    size_t n = 0;
    if (end > at) {
        ret[n++] = ':';
        ret[n++] = ' ';
    }
    for (; at < end; at++) {
        unsigned char byte = (unsigned char)e->words[at];
        ret[n++] = (char)(byte < ' ' || byte >= 0x7f || byte == '"' ? '?' : byte);
    }
    ret[n] = '\0';
}

/* What is wrong, NULL = the output ended by itself. */
static const char *collect(const struct child *c, struct ear *e, struct buf *out)
{
    int64_t deadline = clock_mono_ms() + c->timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd p[] = {{.fd = e->out, .events = POLLIN}, {.fd = e->err, .events = POLLIN}};
        char chunk[4096];
        if (left <= 0) {
            return "did not finish in time";
        }
        if (c->cancelled != NULL && c->cancelled(c->cancelled_arg)) {
            return "is not wanted any more";
        }
        int slice = c->cancelled != NULL && left > CANCEL_MS ? CANCEL_MS : (int)left;
        if (poll(p, 2, slice) <= 0) { /* interrupted or nothing yet: look at the time again */
            continue;
        }
        if (p[1].revents != 0) {
            hear(e);
        }
        if (p[0].revents == 0) {
            continue;
        }
        ssize_t n = read(e->out, chunk, sizeof chunk);
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

static void stop_listening(struct ear *e)
{
    hear(e);
    if (e->err >= 0) {
        (void)close(e->err);
    }
    (void)close(e->out);
}

bool child_run(const struct child *c, struct buf *out, struct err *err)
{
    pid_t pid = 0;
    struct ear e = {.out = -1, .err = -1};
    char said[WORDS_MAX + 3];
    if (!spawn(c, &pid, &e, err)) {
        return false;
    }
    const char *why = collect(c, &e, out);
    if (why != NULL) {
        (void)kill(-pid, SIGKILL);
    }
    int status = reap(pid);
    stop_listening(&e);
    last_words(&e, said);
    if (why != NULL) {
        return err_set(err, ERR_TIMEOUT, "%s %s%s", c->what, why, said);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_set(err, ERR_DENIED, "%s ended with status %d%s", c->what,
                       WIFEXITED(status) ? WEXITSTATUS(status) : -1, said);
    }
    return true;
}
