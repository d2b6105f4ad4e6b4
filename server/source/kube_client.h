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
    KUBE_PAGE_LIMIT = 256 << 20, /* a list page, decoded */
    KUBE_ERROR_LIMIT = 64 << 10, /* an error's body */
    KUBE_SILENCE_MS = 150000, /* a watch with bookmarks that sends nothing for this long is dead */
    KUBE_REQUEST_MS = 70000   /* the server cuts requests after 60 s */
};

struct kube_client;
struct kube_call;

/* Called for each piece of a 2xx body after inflating: false aborts the transfer; *ret_wait true
 * (and true returned): not taken, call again later (back-pressure). */
typedef bool (*kube_on_data)(void *arg, const char *data, size_t len, bool *ret_wait);
/* Called once at the end. status 0 = no answer; error is curl's word for it, "" when it went well.
 */
typedef void (*kube_on_done)(void *arg, struct kube_call *call);

struct kube_call {
    struct kube_client *client;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to; /* for tls-server-name */
    kube_on_data on_data;
    kube_on_done on_done;
    void *arg;
    int status;
    bool protobuf; /* Content-Type of the answer */
    bool stream;
    bool aborted; /* on_data said so */
    bool paused;
    bool finished;
    char error[CURL_ERROR_SIZE];
    CURLcode result;
    int64_t retry_after_ms;
    char etag[128];
    struct buf error_body; /* of answers other than 2xx */
    struct inflater *inflater;
    struct buf inflated;
    bool gzip;
    int64_t started_ms;
    int64_t last_byte_ms;
    uint64_t bytes;
    struct kube_call *next;
};

struct kube_call_options {
    const char *path;   /* with query */
    bool stream;        /* a watch: no total limit but a silence limit */
    bool protobuf;      /* ask for protobuf first */
    const char *accept; /* instead; NULL */
    const char *etag;   /* If-None-Match; NULL */
    bool gzip;
    int64_t deadline_ms; /* for streams: the server's own timeout plus grace */
};

struct kube_client *kube_client_new(struct kube_access *access,
                                    struct arena *arena); /* both borrowed for its life */
void kube_client_free(struct kube_client *c);
/* Starts a request; NULL when credentials cannot be had (*err says why). Owned by the client until
 * on_done returns. */
struct kube_call *kube_call_start(struct kube_client *c, const struct kube_call_options *opt,
                                  kube_on_data on_data, kube_on_done on_done, void *arg,
                                  struct err *err);
/* Ends it without on_done. */
void kube_call_cancel(struct kube_call *call);
/* Runs transfers for at most timeout_ms; returns when something happened. */
void kube_client_run(struct kube_client *c, int timeout_ms);
void kube_client_wake(struct kube_client *c);    /* Thread: any */
void kube_client_resume(struct kube_call *call); /* after back-pressure */
void kube_client_renew(
    struct kube_client *c); /* a 401: credentials are read anew before the next request */
uint64_t kube_client_bytes(const struct kube_client *c);

#endif
