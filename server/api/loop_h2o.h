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
    h2o_linklist_t link; /* in the loop's quiet or busy ones */
    unsigned busy;       /* requests under way */
    int64_t quiet_since; /* the accept, or the end of the last answer; monotonic ms */
    bool leaving;        /* asked to go, to make room */
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
    bool listening;       /* false at the cap */
    h2o_linklist_t quiet; /* conn.link: no request is under way; longest first */
    h2o_linklist_t busy;  /* conn.link: the others */
    int n_conns;
    int n_leaving;            /* without a request */
    h2o_timeout_entry_t room; /* some were too young to be asked to go */
    h2o_timeout_t beat_timeout;
    h2o_timeout_entry_t beat;
    h2o_timeout_entry_t tick;
    bool stopping;
    int64_t stop_asked_ms;
    int64_t stop_drain_ms;
};

/* A request of the connection begins and ends. */
void conn_begin(struct conn *c);
void conn_end(struct conn *c);

/* Registers handler and filters. */
void glue_register(struct loop *l, h2o_hostconf_t *host);

#endif
