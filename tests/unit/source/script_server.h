/*
 * A scripted HTTP/1.1 server on loopback for the source tests: a thread accepts, a thread serves
 * each connection, and a function of the test answers each request as it likes: by the book, late,
 * in odd pieces, or by cutting the line.
 */
#ifndef GATEHOUSE_TESTS_SCRIPT_SERVER_H
#define GATEHOUSE_TESTS_SCRIPT_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SCRIPT_CONNS = 256, SCRIPT_REQUEST = 32768 };

struct script_conn;
struct script_request {
    unsigned n;    /* number of this request over all connections, from 0 */
    char *path;    /* with query */
    char *headers; /* raw, after the request line */
};
typedef void (*script_fn)(struct script_conn *c, const struct script_request *r, void *arg);

struct script {
    int listener;
    int port;
    script_fn fn;
    void *arg;
    atomic_bool stop;
    atomic_uint requests;
    atomic_uint connections;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards conns */
    struct script_conn *conns[SCRIPT_CONNS];
    unsigned n_conns;
};

struct script_conn {
    struct script *script;
    int fd;
    pthread_t thread;
    bool cut;
};

static inline bool script_send(struct script_conn *c, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0 && !c->cut) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            c->cut = true;
            break;
        }
        p += n;
        len -= (size_t)n;
    }
    return !c->cut;
}

/* A whole answer; headers are complete lines or "". */
static inline void script_reply(struct script_conn *c, int status, const char *headers,
                                const char *body, size_t len)
{
    char head[1024];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d Status\r\n%sContent-Length: %zu\r\n\r\n",
                     status, headers, len);
    (void)script_send(c, head, (size_t)n);
    (void)script_send(c, body, len);
}
static inline void script_json(struct script_conn *c, int status, const char *body)
{
    script_reply(c, status, "Content-Type: application/json\r\n", body, strlen(body));
}
/* A chunked answer begins. */
static inline void script_begin(struct script_conn *c, const char *content_type)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
                     content_type);
    (void)script_send(c, head, (size_t)n);
}
static inline bool script_chunk(struct script_conn *c, const void *data, size_t len)
{
    char head[32];
    int n = snprintf(head, sizeof head, "%zx\r\n", len);
    return len == 0 || (script_send(c, head, (size_t)n) && script_send(c, data, len) &&
                        script_send(c, "\r\n", 2));
}
static inline bool script_text(struct script_conn *c, const char *text)
{
    return script_chunk(c, text, strlen(text));
}
static inline void script_end(struct script_conn *c)
{
    (void)script_send(c, "0\r\n\r\n", 5);
}
/* No end: the connection closes where it stands. */
static inline void script_cut(struct script_conn *c)
{
    c->cut = true;
}
/* Says nothing until the client goes or the test ends; at most ms (-1 = no limit). false: the line
 * is gone. */
static inline bool script_hold(struct script_conn *c, int ms)
{
    for (int waited = 0; ms < 0 || waited < ms; waited += 5) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        char byte = 0;
        if (atomic_load(&c->script->stop)) {
            c->cut = true;
            return false;
        }
        if (poll(&p, 1, 5) > 0 && recv(c->fd, &byte, 1, MSG_PEEK) <= 0) {
            c->cut = true;
            return false;
        }
    }
    return true;
}

static inline void *script_serve(void *arg)
{
    struct script_conn *c = arg;
    struct script *s = c->script;
    char *in = calloc(1, SCRIPT_REQUEST + 1);
    size_t len = 0;
    while (!c->cut && !atomic_load(&s->stop)) {
        char *end = strstr(in, "\r\n\r\n");
        if (end == NULL) {
            struct pollfd p = {.fd = c->fd, .events = POLLIN};
            if (len == SCRIPT_REQUEST || poll(&p, 1, 10) < 0) {
                break;
            }
            ssize_t n = (p.revents & (POLLIN | POLLHUP)) != 0
                            ? recv(c->fd, in + len, SCRIPT_REQUEST - len, 0)
                            : -2;
            if (n == 0 || n == -1) {
                break;
            }
            len += n > 0 ? (size_t)n : 0;
            continue;
        }
        *end = '\0';
        char *path = strchr(in, ' ');
        char *line_end = strstr(in, "\r\n");
        struct script_request r = {.n = atomic_fetch_add(&s->requests, 1),
                                   .path = path != NULL ? path + 1 : in,
                                   .headers = line_end != NULL ? line_end + 2 : end};
        if (line_end != NULL) {
            *line_end = '\0';
        }
        char *space = strchr(r.path, ' ');
        if (space != NULL) {
            *space = '\0';
        }
        s->fn(c, &r, s->arg);
        size_t used = (size_t)(end - in) + 4;
        memmove(in, in + used, len - used);
        len -= used;
        memset(in + len, 0, SCRIPT_REQUEST - len);
    }
    (void)shutdown(c->fd, SHUT_RDWR);
    (void)close(c->fd);
    free(in);
    return NULL;
}

static inline void *script_accept(void *arg)
{
    struct script *s = arg;
    while (!atomic_load(&s->stop)) {
        struct pollfd p = {.fd = s->listener, .events = POLLIN};
        if (poll(&p, 1, 10) <= 0) {
            continue;
        }
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)pthread_mutex_lock(&s->lock);
        if (s->n_conns < SCRIPT_CONNS) {
            struct script_conn *c = calloc(1, sizeof *c);
            c->script = s;
            c->fd = fd;
            s->conns[s->n_conns++] = c;
            atomic_fetch_add(&s->connections, 1);
            (void)pthread_create(&c->thread, NULL, script_serve, c);
        } else {
            (void)close(fd);
        }
        (void)pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

/* port 0 = a free one. */
static inline struct script *script_start(script_fn fn, void *arg)
{
    struct script *s = calloc(1, sizeof *s);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    s->fn = fn;
    s->arg = arg;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->listener, (struct sockaddr *)&a, sizeof a) != 0 || listen(s->listener, 64) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&a, &n) != 0) {
        abort();
    }
    s->port = ntohs(a.sin_port);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_create(&s->acceptor, NULL, script_accept, s);
    return s;
}

static inline void script_stop(struct script *s)
{
    atomic_store(&s->stop, true);
    (void)pthread_join(s->acceptor, NULL);
    for (unsigned i = 0; i < s->n_conns; i++) {
        (void)pthread_join(s->conns[i]->thread, NULL);
        free(s->conns[i]);
    }
    (void)close(s->listener);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

#endif
