/*
 * The HTTP server as the rest of the program sees it: the listener, the loops, the feed's news on
 * its way to them.
 *
 * The writer's thread marks the scopes and posts each commit to the loops; the lock is held for
 * that and for start, reload and stop, so a loop is never posted to once it was told to stop.
 */
#include "api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/assets.h"
#include "api/loop.h"
#include "api/openapi.h"
#include "api/tls.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

enum { BACKLOG = 1024, OTHER_FILES = 256, LOOPS_MAX = 64 };

struct api {
    struct shared shared;
    int listener;
    int port;
    void *tls;
    pthread_mutex_t lock; /* guards loops and running */
    struct loop *loops[LOOPS_MAX];
    unsigned n_loops;
    bool running;
};

/* ---- the listener ---- */

static int bind_one(const struct addrinfo *ai)
{
    int one = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* a nicety */
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static bool split_address(const char *listen, char host[256], const char **ret_port)
{
    const char *colon = strrchr(listen, ':');
    if (colon == NULL || colon - listen >= 256) {
        return false;
    }
    bool brackets = listen[0] == '[' && colon > listen + 1 && colon[-1] == ']';
    (void)snprintf(host, 256, "%.*s", (int)(colon - listen) - (brackets ? 2 : 0),
                   listen + (brackets ? 1 : 0));
    *ret_port = colon + 1;
    return true;
}

static bool listen_on(const char *address, int *ret_fd, struct err *err)
{
    char host[256];
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    if (!split_address(address, host, &port)) {
        return err_set(err, ERR_INPUT, "listen: %s is not ADDR:PORT", address);
    }
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, &list);
    if (rc != 0) {
        return err_set(err, ERR_INPUT, "listen: %s: %s", address, gai_strerror(rc));
    }
    int fd = -1;
    for (const struct addrinfo *ai = list; ai != NULL && fd < 0; ai = ai->ai_next) {
        fd = bind_one(ai);
    }
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        return err_set(err, saved == EADDRINUSE ? ERR_BUSY : ERR_INPUT, "listen: %s: %s", address,
                       strerror(saved));
    }
    *ret_fd = fd;
    return true;
}

static int port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    char port[16] = "0";
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
        getnameinfo((struct sockaddr *)&ss, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) != 0) {
        return 0;
    }
    return (int)strtol(port, NULL, 10);
}

/* Files for all connections: the soft limit goes up to the hard one, the cap stays below it. */
static int connection_cap(int64_t wanted)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0) {
        return (int)wanted;
    }
    if (lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim); /* refused: the cap below holds */
        (void)getrlimit(RLIMIT_NOFILE, &lim);
    }
    int64_t room = lim.rlim_cur > (rlim_t)INT32_MAX ? INT32_MAX : (int64_t)lim.rlim_cur;
    room = room > (int64_t)2 * OTHER_FILES ? room - OTHER_FILES : room / 2;
    return (int)(wanted < room ? wanted : room);
}

/* ---- news ---- */

static void on_block(void *arg, const struct feed_block *b)
{
    struct api *a = arg;
    scopes_mark(a->shared.scopes, b);
    (void)pthread_mutex_lock(&a->lock);
    for (unsigned i = 0; a->running && i < a->n_loops; i++) {
        loop_post_block(a->loops[i], b);
    }
    (void)pthread_mutex_unlock(&a->lock);
}

/* ---- life ---- */

static void init_shared(struct shared *s, const struct api_options *opt)
{
    const struct config *c = opt->config;
    s->opt = *opt;
    s->opt.config = config_ref(c);
    s->scopes = scopes_new();
    s->cache = cache_new((size_t)c->body_cache_bytes, s->scopes);
    s->openapi_yaml = openapi_yaml();
    s->openapi_json = openapi_json();
    s->started_at = clock_unix_ms();
    atomic_store(&s->max_streams, c->max_streams);
    atomic_store(&s->max_waiters, c->max_waiters);
    digest_random(&s->process, sizeof s->process);
}

bool api_new(const struct api_options *opt, struct api **ret, struct err *err)
{
    const struct config *c = opt->config;
    char note[160] = "";
    int listener = -1;
    void *tls = NULL;
    if (c->tls_cert[0] != '\0' && !tls_new(c->tls_cert, c->tls_key, &tls, err)) {
        return false;
    }
    if (!listen_on(c->listen, &listener, err)) {
        tls_free(tls);
        return false;
    }
    struct api *a = xcalloc(1, sizeof *a);
    init_shared(&a->shared, opt);
    (void)pthread_mutex_init(&a->lock, NULL);
    a->listener = listener;
    a->port = port_of(listener);
    a->tls = tls;
    a->shared.assets = assets_load(opt->static_dir, note, sizeof note);
    if (note[0] != '\0') {
        log_warn("static", "dir=\"%s\" note=\"%s\"", opt->static_dir, note);
    }
    feed_subscribe(opt->feed, on_block, a);
    *ret = a;
    return true;
}

bool api_start(struct api *a, const struct writer *writer, struct err *err)
{
    const struct config *c = a->shared.opt.config;
    unsigned n = (unsigned)(c->threads < 1 ? 1 : c->threads > LOOPS_MAX ? LOOPS_MAX : c->threads);
    int cap = connection_cap(c->max_connections) / (int)n;
    a->shared.writer = writer;
    scopes_start(a->shared.scopes, feed_revision(a->shared.opt.feed));
    for (unsigned i = 0; i < n; i++) {
        struct loop *l = NULL;
        struct loop_options opt = {.shared = &a->shared,
                                   .index = i,
                                   .listener = fcntl(a->listener, F_DUPFD_CLOEXEC, 0),
                                   .max_connections = cap > 0 ? cap : 1,
                                   .tls = a->tls};
        if (opt.listener < 0) {
            return err_set(err, ERR_BUSY, "listener: %s", strerror(errno));
        }
        if (!loop_start(&opt, &l, err)) {
            return false;
        }
        (void)pthread_mutex_lock(&a->lock);
        a->loops[a->n_loops++] = l;
        a->running = true;
        (void)pthread_mutex_unlock(&a->lock);
    }
    return true;
}

int api_port(const struct api *a)
{
    return a->port;
}

void api_reload(struct api *a, const struct config *config)
{
    void *tls = NULL;
    struct err err = {0};
    if (a == NULL) {
        return;
    }
    if (a->tls != NULL && !tls_new(config->tls_cert, config->tls_key, &tls, &err)) {
        log_warn("reload", "certificate=kept error=\"%s\"", err.text);
    }
    atomic_store(&a->shared.max_streams, config->max_streams);
    atomic_store(&a->shared.max_waiters, config->max_waiters);
    (void)pthread_mutex_lock(&a->lock);
    for (unsigned i = 0; a->running && i < a->n_loops; i++) {
        loop_post_config(a->loops[i], config, tls);
    }
    (void)pthread_mutex_unlock(&a->lock);
    tls_free(tls);
}

void api_stop(struct api *a)
{
    if (a == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&a->lock);
    bool was_running = a->running;
    a->running = false;
    (void)pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; was_running && i < a->n_loops; i++) {
        loop_stop(a->loops[i], a->shared.opt.config->drain_ms);
    }
    if (a->listener >= 0) {
        (void)close(a->listener);
        a->listener = -1;
    }
    for (unsigned i = 0; was_running && i < a->n_loops; i++) {
        loop_join(a->loops[i]);
    }
    a->n_loops = 0;
}

void api_free(struct api *a)
{
    if (a == NULL) {
        return;
    }
    api_stop(a);
    cache_free(a->shared.cache);
    scopes_free(a->shared.scopes);
    assets_free(a->shared.assets);
    body_unref(a->shared.openapi_yaml);
    body_unref(a->shared.openapi_json);
    config_unref(a->shared.opt.config);
    tls_free(a->tls);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}
