/*
 * One blocking HTTP transfer over libcurl, under ceilings: HTTP/1.1, no redirects, http and https
 * only, body and time bounded. For what runs rarely on its own thread (webhooks, the command line).
 * The streams and polls of sources have transfer loops of their own in source/.
 */
#ifndef GATEHOUSE_BASE_HTTP_H
#define GATEHOUSE_BASE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct http_request {
    const char *method; /* NULL = GET, or POST when there is a body */
    const char *url;
    const char *const *headers; /* NULL-ended "Name: value"; NULL = none */
    const void *body;
    size_t body_len;
    int64_t timeout_ms; /* for everything; 0 = 15 s */
    size_t limit;       /* ceiling of the answer's body; 0 = 64 KiB. The transfer is done there */
    bool deny_private;  /* refuse loopback, link-local, private and other special addresses, checked
                           on  the address that is connected to, so a name cannot point elsewhere
                           meanwhile */
    bool no_proxy;      /* ignore http_proxy and friends */
    const char *ca_file; /* NULL = the system's */
    const char *token;   /* sent as Authorization: Bearer; NULL = none */
    /* Asked about once a second: true ends the transfer with ERR_TIMEOUT. NULL = never. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
    /* Takes the body of an event stream (200, text/event-stream) in the pieces in which it comes;
     * other answers are collected. false ends the transfer, which is done then, not failed.
     * NULL = everything is collected. */
    bool (*stream)(void *arg, const char *data, size_t len);
    void *stream_arg;
};

struct http_response {
    int status;
    struct buf body;        /* the caller's buf_fini / http_response_fini */
    int64_t retry_after_ms; /* from Retry-After in seconds; 0 = none */
    char content_type[128];
};

/* Once in main, before threads. */
void http_global_init(void);

/* One transfer on the caller's thread. Any status is success; ERR_TIMEOUT, ERR_REMOTE (no answer),
 * ERR_DENIED (address refused), ERR_INPUT (url) otherwise. Thread: any. */
bool http_transfer(const struct http_request *req, struct http_response *ret,
                   struct err *err) MUST_CHECK;
void http_response_fini(struct http_response *r);
static inline void http_response_auto(struct http_response *r)
{
    http_response_fini(r);
}

/* Is this textual address one that deny_private refuses? Pure; for tests and the configuration
 * check. */
bool http_address_private(const char *address);

#endif
