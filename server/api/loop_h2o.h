/* Inside the two files that know h2o: a loop and its connections. */
#ifndef GATEHOUSE_API_LOOP_H2O_H
#define GATEHOUSE_API_LOOP_H2O_H

#include <h2o.h>
#include <pthread.h>

#include "api/loop.h"

struct conn {
    struct loop *loop;
    h2o_socket_t *sock;
    SSL_CTX *tls; /* held as long: h2o begins the handshake with it when the first bytes come */
    struct conn *next;
    struct conn *prev;
    unsigned busy; /* requests under way */
};

struct loop {
    struct loop_options opt;
    pthread_t thread;
    pthread_mutex_t lock; /* guards state until the thread runs */
    pthread_cond_t changed;
    enum { LOOP_STARTING, LOOP_RUNNING, LOOP_FAILED } state;
    struct err err;

    /* the loop's thread only */
    struct worker worker;
    h2o_globalconf_t conf;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
    h2o_multithread_receiver_t receiver;
    h2o_socket_t *listener;
    bool listening; /* false at the cap */
    struct conn *conns;
    int n_conns;
    h2o_timeout_t beat_timeout;
    h2o_timeout_entry_t beat;
    h2o_timeout_entry_t tick;
    bool stopping;
    int64_t stop_asked_ms;
    int64_t stop_drain_ms;
};

/* Registers handler and filters. */
void glue_register(struct loop *l, h2o_hostconf_t *host);

#endif
