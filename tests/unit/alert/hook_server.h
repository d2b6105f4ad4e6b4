/*
 * A receiver for tests: a thread on a loopback port that answers as told and keeps what came. One
 * connection at a time, closed after each answer.
 */
#ifndef GATEHOUSE_TESTS_HOOK_SERVER_H
#define GATEHOUSE_TESTS_HOOK_SERVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

enum { HOOK_TEXT = 65536 };

struct hook_request {
    char head[4096];
    char *body;
};

struct hook {
    int listener;
    int port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    bool hang;            /* takes the request and never answers */
    bool endless;         /* the answer's body goes on until the client has enough */
    char answer[512];     /* status line and headers without the empty line */
    char answers[8][512]; /* before that one, in turn */
    size_t n_answers;
    size_t next_answer;
    struct hook_request *requests;
    size_t cap;
    size_t n;
};

static const char *hook_value(const struct hook_request *r, const char *name, char *out,
                              size_t size)
{
    const char *p = strcasestr(r->head, name);
    out[0] = '\0';
    if (p != NULL && p[strlen(name)] == ':') {
        p += strlen(name) + 1;
        p += strspn(p, " ");
        (void)snprintf(out, size, "%.*s", (int)strcspn(p, "\r\n"), p);
    }
    return out;
}

static bool hook_read(int fd, struct hook_request *r)
{
    char *text = calloc(1, HOOK_TEXT);
    size_t len = 0;
    size_t want = 0;
    char *body = NULL;
    while (body == NULL || (size_t)(text + len - body) < want) {
        ssize_t n = read(fd, text + len, HOOK_TEXT - 1 - len);
        if (n <= 0) {
            free(text);
            return false;
        }
        len += (size_t)n;
        if (body == NULL && (body = strstr(text, "\r\n\r\n")) != NULL) {
            char value[32];
            body += 4;
            (void)snprintf(r->head, sizeof r->head, "%.*s", (int)(body - text), text);
            want = (size_t)atol(hook_value(r, "content-length", value, sizeof value));
        }
    }
    r->body = strndup(body, want);
    free(text);
    return true;
}

static void hook_answer(struct hook *h, int fd)
{
    char text[1024];
    (void)pthread_mutex_lock(&h->lock);
    const char *head = h->next_answer < h->n_answers ? h->answers[h->next_answer++] : h->answer;
    (void)snprintf(text, sizeof text,
                   "HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n"
                   "\r\nok",
                   head);
    (void)pthread_mutex_unlock(&h->lock);
    (void)!write(fd, text, strlen(text));
}

static void hook_answer_endless(int fd)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    char piece[4096];
    memset(piece, 'x', sizeof piece);
    ssize_t n = send(fd, head, sizeof head - 1, MSG_NOSIGNAL);
    while (n > 0) {
        n = send(fd, piece, sizeof piece, MSG_NOSIGNAL);
    }
}

static void *hook_main(void *arg)
{
    struct hook *h = arg;
    for (;;) {
        int fd = accept(h->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        struct hook_request r = {0};
        bool got = hook_read(fd, &r);
        (void)pthread_mutex_lock(&h->lock);
        if (got) {
            h->requests = xgrow(h->requests, &h->cap, h->n + 1, sizeof *h->requests);
            h->requests[h->n++] = r;
        }
        (void)pthread_cond_broadcast(&h->changed);
        while (got && h->hang && !h->stop) {
            (void)pthread_cond_wait(&h->changed, &h->lock);
        }
        bool stop = h->stop;
        (void)pthread_mutex_unlock(&h->lock);
        if (got && !stop && h->endless) {
            hook_answer_endless(fd);
        } else if (got && !stop) {
            hook_answer(h, fd);
        }
        (void)close(fd);
        if (stop) {
            return NULL;
        }
    }
}

static struct hook *hook_start(const char *answer)
{
    struct hook *h = calloc(1, sizeof *h);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)snprintf(h->answer, sizeof h->answer, "%s", answer);
    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(h->listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(h->listener, 64) != 0 ||
        getsockname(h->listener, (struct sockaddr *)&a, &len) != 0) {
        abort();
    }
    h->port = ntohs(a.sin_port);
    (void)pthread_create(&h->thread, NULL, hook_main, h);
    return h;
}

static __attribute__((unused)) void hook_set(struct hook *h, const char *answer, bool hang)
{
    (void)pthread_mutex_lock(&h->lock);
    (void)snprintf(h->answer, sizeof h->answer, "%s", answer);
    h->hang = hang;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

static size_t hook_count(struct hook *h)
{
    (void)pthread_mutex_lock(&h->lock);
    size_t n = h->n;
    (void)pthread_mutex_unlock(&h->lock);
    return n;
}

/* A copy of the i-th request; its body stays the server's. */
static __attribute__((unused)) struct hook_request hook_at(struct hook *h, size_t i)
{
    (void)pthread_mutex_lock(&h->lock);
    struct hook_request r = h->requests[i];
    (void)pthread_mutex_unlock(&h->lock);
    return r;
}

static void hook_stop(struct hook *h)
{
    (void)pthread_mutex_lock(&h->lock);
    h->stop = true;
    (void)pthread_cond_broadcast(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    (void)shutdown(h->listener, SHUT_RDWR);
    (void)pthread_join(h->thread, NULL);
    (void)close(h->listener);
    for (size_t i = 0; i < h->n; i++) {
        free(h->requests[i].body);
    }
    free(h->requests);
    (void)pthread_mutex_destroy(&h->lock);
    (void)pthread_cond_destroy(&h->changed);
    free(h);
}

#endif
