/*
 * Event loops on h2o (see loop.h). The context is made on the thread that runs it, since h2o's
 * buffers are thread-local. Every thread has its own dup of one listening socket: no connection is
 * lost when a loop stops, and few clients still spread.
 *
 * Near the cap the connections that are quiet longest make room, so that idle browsers, scanners
 * and heads that never end keep out nobody, least of all a kubelet's probe. h2o has this as its
 * soft connection limit since 2.3 (h2o#2932); its 2.2 can only be told from below. Who has a
 * request under way stays: streams, waiters, answers on their way out. Bytes that are no whole
 * request yet do not count, or a slow sender could hold on for ever.
 *
 * Stopping: no more accepts; streams and waiters get their end; answers under way close their
 * connection; idle connections are cut after a moment, the rest at the deadline.
 */
#include "api/loop_h2o.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    REQUEST_TIMEOUT_MS = 30000, /* head, body, idle keep-alive */
    HANDSHAKE_TIMEOUT_MS = 10000,
    STUCK_PEER_MS = 15000, /* a peer that takes nothing for this long is gone */
    IDLE_GRACE_MS = 200,
    YOUNG_MS = 250, /* time for a first request to come, and for an answer to go out */
    ACCEPTS_A_TURN = 16
};

/* ---- messages ---- */

enum message_type { MESSAGE_BLOCK, MESSAGE_CONFIG, MESSAGE_STOP };
struct message {
    h2o_multithread_message_t super;
    struct message *next;
    enum message_type type;
    const struct feed_block *block;
    const struct config *config;
    void *tls;
    int64_t drain_ms;
};

static struct message *message_new(enum message_type type)
{
    struct message *m = xcalloc(1, sizeof *m);
    m->type = type;
    return m;
}

void loop_post_block(struct loop *l, const struct feed_block *b)
{
    struct message *m = message_new(MESSAGE_BLOCK);
    m->block = feed_block_ref(b);
    h2o_multithread_send_message(&l->receiver, &m->super);
}

void loop_post_config(struct loop *l, const struct config *config, void *tls)
{
    struct message *m = message_new(MESSAGE_CONFIG);
    m->config = config_ref(config);
    if (tls != NULL) {
        (void)SSL_CTX_up_ref(tls);
    }
    m->tls = tls;
    h2o_multithread_send_message(&l->receiver, &m->super);
}

void loop_stop(struct loop *l, int64_t drain_ms)
{
    struct message *m = message_new(MESSAGE_STOP);
    m->drain_ms = drain_ms;
    h2o_multithread_send_message(&l->receiver, &m->super);
}

/* ---- connections ---- */

static void on_accept(h2o_socket_t *listener, const char *err);

static void listen_again(struct loop *l)
{
    if (!l->listening && !l->stopping && l->n_conns < l->opt.max_connections) {
        l->listening = true;
        h2o_socket_read_start(l->listener, on_accept);
    }
}

/* Some places are kept free of quiet ones: who comes need not wait until they have gone. */
static bool is_crowded(const struct loop *l)
{
    int kept = 1 + l->opt.max_connections / 64;
    return !l->stopping && l->n_conns - l->n_leaving > l->opt.max_connections - kept;
}

/* Asks as many quiet ones to go as are too many. Their reading ends: h2o sees that as the peer's
 * close, after what has come already. A request that was just coming is still answered, with
 * Connection: close. */
static void make_room(struct loop *l)
{
    while (is_crowded(l) && !h2o_linklist_is_empty(&l->quiet)) {
        struct conn *c = H2O_STRUCT_FROM_MEMBER(struct conn, link, l->quiet.next);
        if (clock_mono_ms() - c->quiet_since < YOUNG_MS) {
            if (!h2o_timeout_is_linked(&l->room)) {
                h2o_timeout_link(l->ctx.loop, &l->ctx.hundred_ms_timeout, &l->room);
            }
            return;
        }
        c->leaving = true;
        l->n_leaving++;
        h2o_linklist_unlink(&c->link);
        h2o_linklist_insert(&l->busy, &c->link);
        (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RD); /* gone already is as good */
        (void)atomic_fetch_add(&l->opt.shared->counters.made_room, 1);
    }
}

static void on_room(h2o_timeout_entry_t *entry)
{
    make_room(H2O_STRUCT_FROM_MEMBER(struct loop, room, entry));
}

static void be_quiet(struct conn *c)
{
    c->quiet_since = clock_mono_ms();
    h2o_linklist_insert(&c->loop->quiet, &c->link);
}

void conn_begin(struct conn *c)
{
    if (c->busy++ == 0) {
        h2o_linklist_unlink(&c->link);
        h2o_linklist_insert(&c->loop->busy, &c->link);
        c->loop->n_leaving -= c->leaving ? 1 : 0; /* not before the answer, which may be long */
    }
}

void conn_end(struct conn *c)
{
    if (--c->busy > 0) {
        return;
    }
    if (c->leaving) {
        c->loop->n_leaving++;
    } else {
        h2o_linklist_unlink(&c->link);
        be_quiet(c);
    }
    make_room(c->loop);
}

static void on_close(void *data)
{
    struct conn *c = data;
    struct loop *l = c->loop;
    h2o_linklist_unlink(&c->link);
    l->n_conns--;
    l->n_leaving -= c->leaving ? 1 : 0;
    SSL_CTX_free(c->tls);
    free(c);
    (void)atomic_fetch_sub(&l->opt.shared->counters.connections, 1);
    listen_again(l);
}

static void take_connection(struct loop *l, h2o_socket_t *sock)
{
    unsigned timeout = STUCK_PEER_MS;
    struct conn *c = xcalloc(1, sizeof *c);
    c->loop = l;
    c->sock = sock;
    c->tls = l->accept.ssl_ctx;
    if (c->tls != NULL) {
        (void)SSL_CTX_up_ref(c->tls);
    }
    be_quiet(c);
    l->n_conns++;
    (void)atomic_fetch_add(&l->opt.shared->counters.connections, 1);
    sock->on_close.cb = on_close;
    sock->on_close.data = c;
    /* refused on sockets that are no TCP: then the kernel's own limits hold */
    (void)setsockopt(h2o_socket_get_fd(sock), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
                     sizeof timeout);
    h2o_accept(&l->accept, sock);
}

static void on_accept(h2o_socket_t *listener, const char *err)
{
    struct loop *l = listener->data;
    if (err != NULL) {
        return;
    }
    for (int i = 0; i < ACCEPTS_A_TURN && l->n_conns < l->opt.max_connections; i++) {
        h2o_socket_t *sock = h2o_evloop_socket_accept(listener);
        if (sock == NULL) {
            break;
        }
        take_connection(l, sock);
    }
    make_room(l);
    if (l->n_conns >= l->opt.max_connections) {
        l->listening = false;
        h2o_socket_read_stop(listener); /* the kernel queues the rest */
    }
}

/* Ends connections from below: h2o sees them closed and cleans up. */
static void cut(const h2o_linklist_t *conns)
{
    for (h2o_linklist_t *link = conns->next; link != conns; link = link->next) {
        struct conn *c = H2O_STRUCT_FROM_MEMBER(struct conn, link, link);
        (void)shutdown(h2o_socket_get_fd(c->sock), SHUT_RDWR); /* gone already is as good */
    }
}

/* ---- timers and messages ---- */

static void tick_when_due(struct loop *l)
{
    int64_t now = clock_mono_ms();
    int64_t wait = worker_wait_ms(&l->worker, now);
    if (wait == 0) {
        worker_tick(&l->worker, now);
    } else if (wait > 0 && !h2o_timeout_is_linked(&l->tick)) {
        h2o_timeout_link(l->ctx.loop, &l->ctx.hundred_ms_timeout, &l->tick);
    }
}

static void on_tick(h2o_timeout_entry_t *entry)
{
    struct loop *l = H2O_STRUCT_FROM_MEMBER(struct loop, tick, entry);
    tick_when_due(l);
}

static void on_beat(h2o_timeout_entry_t *entry)
{
    struct loop *l = H2O_STRUCT_FROM_MEMBER(struct loop, beat, entry);
    worker_beat(&l->worker, clock_mono_ms());
    h2o_timeout_link(l->ctx.loop, &l->beat_timeout, &l->beat);
}

static void take_config(struct loop *l, struct message *m)
{
    worker_reload(&l->worker, m->config);
    config_unref(m->config);
    if (m->tls != NULL) { /* connections hold the one they came with */
        SSL_CTX_free(l->accept.ssl_ctx);
        l->accept.ssl_ctx = m->tls;
    }
}

static void begin_stop(struct loop *l, int64_t drain_ms)
{
    l->stopping = true;
    l->stop_asked_ms = clock_mono_ms();
    l->stop_drain_ms = drain_ms;
    h2o_socket_read_stop(l->listener);
    worker_drain(&l->worker);
}

static void take_message(struct loop *l, struct message *m)
{
    switch (m->type) {
    case MESSAGE_BLOCK:
        worker_block(&l->worker, m->block);
        feed_block_unref(m->block);
        break;
    case MESSAGE_CONFIG:
        take_config(l, m);
        break;
    case MESSAGE_STOP:
        begin_stop(l, m->drain_ms);
        break;
    }
}

static void on_messages(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    struct loop *l = H2O_STRUCT_FROM_MEMBER(struct loop, receiver, receiver);
    struct message *first = NULL;
    struct message **end = &first;
    for (h2o_linklist_t *link = messages->next; link != messages; link = link->next) {
        struct message *m = H2O_STRUCT_FROM_MEMBER(struct message, super.link, link);
        *end = m;
        end = &m->next;
    }
    h2o_linklist_init_anchor(messages); /* all are taken: h2o wants it empty */
    while (first != NULL) {
        struct message *m = first;
        first = m->next;
        take_message(l, m);
        free(m);
    }
    tick_when_due(l);
}

/* ---- the thread ---- */

static void init_h2o(struct loop *l)
{
    h2o_linklist_init_anchor(&l->quiet);
    h2o_linklist_init_anchor(&l->busy);
    h2o_config_init(&l->conf);
    l->conf.server_name = (h2o_iovec_t){H2O_STRLIT("")};
    l->conf.max_request_entity_size = BODY_MAX_PREFLIGHT; /* routes take less */
    l->conf.handshake_timeout = HANDSHAKE_TIMEOUT_MS;
    l->conf.http1.req_timeout = REQUEST_TIMEOUT_MS;
    l->conf.http1.upgrade_to_http2 = 0;
    glue_register(l,
                  h2o_config_register_host(&l->conf, h2o_iovec_init(H2O_STRLIT("default")), 65535));
    h2o_context_init(&l->ctx, h2o_evloop_create(), &l->conf);
    l->accept = (h2o_accept_ctx_t){.ctx = &l->ctx, .hosts = l->conf.hosts, .ssl_ctx = l->opt.tls};
    h2o_multithread_register_receiver(l->ctx.queue, &l->receiver, on_messages);
    h2o_timeout_init(l->ctx.loop, &l->beat_timeout, WORKER_BEAT_MS);
    l->beat.cb = on_beat;
    l->tick.cb = on_tick;
    l->room.cb = on_room;
    h2o_timeout_link(l->ctx.loop, &l->beat_timeout, &l->beat);
    l->listener = h2o_evloop_socket_create(l->ctx.loop, l->opt.listener, H2O_SOCKET_FLAG_DONT_READ);
    l->listener->data = l;
    listen_again(l);
}

static void fini_h2o(struct loop *l)
{
    h2o_socket_close(l->listener);
    for (int i = 0; i < 4; i++) {
        (void)h2o_evloop_run(l->ctx.loop, 1); /* closes what is marked to be closed */
    }
    h2o_timeout_unlink(&l->beat);
    h2o_timeout_unlink(&l->tick);
    h2o_timeout_unlink(&l->room);
    h2o_timeout_dispose(l->ctx.loop, &l->beat_timeout);
    h2o_multithread_unregister_receiver(l->ctx.queue, &l->receiver);
    h2o_loop_t *loop = l->ctx.loop;
    h2o_context_dispose(&l->ctx);
    h2o_evloop_destroy(loop);
    h2o_config_dispose(&l->conf);
    SSL_CTX_free(l->accept.ssl_ctx);
}

static void set_state(struct loop *l, bool ok)
{
    (void)pthread_mutex_lock(&l->lock);
    l->state = ok ? LOOP_RUNNING : LOOP_FAILED;
    (void)pthread_cond_signal(&l->changed);
    (void)pthread_mutex_unlock(&l->lock);
}

/* Until all connections are gone: idle ones soon, all at the deadline. */
static void drain(struct loop *l)
{
    while (l->n_conns > 0) {
        int64_t passed = clock_mono_ms() - l->stop_asked_ms;
        bool over = passed >= l->stop_drain_ms;
        if (over || passed >= IDLE_GRACE_MS) {
            cut(&l->quiet);
        }
        if (over) {
            cut(&l->busy);
        }
        (void)h2o_evloop_run(l->ctx.loop, 20); /* EINTR is no end */
    }
}

static void *run(void *arg)
{
    struct loop *l = arg;
    char name[16];
    struct err err = {0};
    (void)snprintf(name, sizeof name, "loop%u", l->opt.index);
    log_name_thread(name);
    if (!worker_init(&l->worker, l->opt.shared, l->opt.index, &err)) {
        l->err = err;
        (void)close(l->opt.listener);
        SSL_CTX_free(l->opt.tls);
        set_state(l, false);
        return NULL;
    }
    init_h2o(l);
    set_state(l, true);
    while (!l->stopping) {
        (void)h2o_evloop_run(l->ctx.loop, INT32_MAX); /* EINTR is no end */
    }
    drain(l);
    fini_h2o(l);
    worker_fini(&l->worker);
    log_debug("loop", "ended=1");
    return NULL;
}

bool loop_start(const struct loop_options *opt, struct loop **ret, struct err *err)
{
    struct loop *l = xcalloc(1, sizeof *l);
    l->opt = *opt;
    if (opt->tls != NULL) {
        (void)SSL_CTX_up_ref(opt->tls);
    }
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        (void)close(opt->listener);
        SSL_CTX_free(opt->tls);
        free(l);
        return err_set(err, ERR_BUG, "no thread for an event loop");
    }
    (void)pthread_mutex_lock(&l->lock);
    while (l->state == LOOP_STARTING) {
        (void)pthread_cond_wait(&l->changed, &l->lock);
    }
    bool ok = l->state == LOOP_RUNNING;
    (void)pthread_mutex_unlock(&l->lock);
    if (!ok) {
        *err = l->err;
        loop_join(l);
        return false;
    }
    *ret = l;
    return true;
}

void loop_join(struct loop *l)
{
    (void)pthread_join(l->thread, NULL);
    (void)pthread_mutex_destroy(&l->lock);
    (void)pthread_cond_destroy(&l->changed);
    free(l);
}
