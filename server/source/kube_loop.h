/*
 * A curl_multi whose sockets are watched by epoll: a turn costs what happened in it. (libcurl's own
 * loop, poll and perform, asks about every connection at each turn: with a watch a kind open that
 * is twenty system calls for each record of a long list.) Thread: kube, but for kube_loop_wake.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_LOOP_H
#define GATEHOUSE_SOURCE_KUBE_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/* What the loop's owner hears, from within kube_loop_run and libcurl's calls. */
struct kube_loop_hooks {
    /* A transfer waits on this socket, or on it no more; gone may come from any transfer. */
    void (*on_wish)(CURL *easy, curl_socket_t fd, bool gone);
    /* libcurl has looked at this socket; CURL_SOCKET_BAD: at any, because of a timer. */
    void (*on_event)(void *arg, curl_socket_t fd);
    void *arg;
};

struct kube_loop {
    CURLM *multi;
    int epoll;
    int wake;       /* eventfd */
    int64_t due_ms; /* monotonic: when libcurl wants to be called; -1 = not */
    bool bulk;      /* a list comes in: bytes are better taken by the hundred kilobytes */
    struct kube_loop_hooks hooks;
    int streak; /* turns in a row that had not to be waited for */
};

/* Ends the process when descriptors are out. Takes a copy of the hooks. */
void kube_loop_init(struct kube_loop *l, const struct kube_loop_hooks *hooks);
/* Every easy handle has been removed before. */
void kube_loop_fini(struct kube_loop *l);
/* Waits at most timeout_ms for something to happen, then hands it to libcurl, whose callbacks run
 * from here. */
void kube_loop_run(struct kube_loop *l, int timeout_ms);
void kube_loop_wake(struct kube_loop *l); /* Thread: any */

#endif
