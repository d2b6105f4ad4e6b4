/*
 * One connection identity and its transfers: every request to the API server is a struct kube_call
 * on one curl_multi, driven by the kube thread. HTTP/1.1, one connection a stream, own User-Agent,
 * own inflate.
 */
#ifndef GATEHOUSE_SOURCE_KUBE_CLIENT_H
#define GATEHOUSE_SOURCE_KUBE_CLIENT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "source/kube_access.h"

enum {
    KUBE_INFLATED_LIMIT = 8 << 20, /* one piece from the socket after inflating */
    KUBE_ERROR_LIMIT = 64 << 10,   /* an error's body */
    KUBE_REQUEST_MS = 70000        /* the server cuts requests after 60 s */
};

struct kube_client;
struct kube_call;

/* What a request's owner wants to hear. All on the kube thread, from within kube_client_run. */
struct kube_handler {
    /* A 200 answer begins; call->protobuf is known. NULL = not interested. */
    void (*on_open)(void *arg, struct kube_call *call);
    /* A piece of a 200 body after inflating; len 0 asks only whether there is room. false aborts
     * the transfer. *ret_wait true (and true returned): no room, nothing was taken; the same bytes
     * come again after kube_client_resume. When there was room at len 0, a piece must be taken. */
    bool (*on_data)(void *arg, const char *data, size_t len, bool *ret_wait);
    /* Once at the end. The call is freed when this returns. */
    void (*on_done)(void *arg, struct kube_call *call);
    void *arg;
};

struct kube_call {
    struct kube_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to; /* for tls-server-name */
    struct kube_handler handler;
    int status;    /* 0 = no answer */
    bool protobuf; /* Content-Type of the answer */
    bool stream;
    bool opened;
    bool aborted;    /* on_data said so */
    bool paused;     /* waits for kube_client_resume */
    char error[256]; /* why it failed; "" = it went well */
    char curl_error[CURL_ERROR_SIZE];
    CURLcode result;
    int64_t retry_after_ms;
    char etag[128];
    struct buf error_body; /* of answers other than 200 */
    struct inflater *inflater;
    struct buf inflated;
    bool gzip;
    int64_t started_ms;   /* monotonic */
    int64_t last_byte_ms; /* monotonic */
    int64_t silence_ms;
    curl_socket_t fd; /* that libcurl waits on; CURL_SOCKET_BAD = none */
    bool stirred;     /* something happened on it since what was read ahead was taken */
    uint64_t took;    /* pieces that libcurl has handed us, lines of the header included */
    struct kube_call *next;
};

struct kube_call_options {
    const char *path;    /* with query */
    bool stream;         /* a watch */
    bool protobuf;       /* ask for protobuf first */
    const char *accept;  /* instead; NULL */
    const char *etag;    /* If-None-Match; NULL */
    bool gzip;           /* offer it */
    int64_t deadline_ms; /* for everything; 0 = KUBE_REQUEST_MS */
    int64_t silence_ms;  /* nothing received for so long means a dead peer; 0 = no such limit */
};

struct kube_client *kube_client_new(const struct kube_access *access); /* borrowed for its life */
void kube_client_free(struct kube_client *c);
/* Starts a request; NULL when credentials cannot be had (*err says why). Owned by the client until
 * on_done returns. Takes a copy of the handler. */
struct kube_call *kube_call_start(struct kube_client *c, const struct kube_call_options *opt,
                                  const struct kube_handler *handler, struct err *err);
/* Ends it without on_done. Accepts NULL. Not from within on_open or on_data. */
void kube_call_cancel(struct kube_call *call);
/* Waits at most timeout_ms for something to happen, then runs transfers and callbacks. */
void kube_client_run(struct kube_client *c, int timeout_ms);
/* Lists are coming in: what arrives may be taken a few milliseconds later, in larger
 * pieces. */
void kube_client_bulk(struct kube_client *c, bool bulk);
void kube_client_wake(struct kube_client *c); /* Thread: any */
void kube_client_resume(struct kube_call *call);
/* This call was answered 401: credentials are made anew before the next request. */
void kube_client_renew(struct kube_client *c, const struct kube_call *call);
uint64_t kube_client_bytes(const struct kube_client *c);

#endif
