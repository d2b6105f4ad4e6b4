/*
 * Transfers to the API server (see kube_client.h). The write callback hands bytes on as they come;
 * a handler that cannot take them pauses the transfer, and TCP holds the server back: nothing is
 * buffered without a ceiling.
 */
#include "source/kube_client.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/kube_frame.h"
#include "source/kube_login.h"
#include "source/kube_loop.h"
#include "source/kube_options.h"

enum { RETRY_AFTER_MAX_S = 300, EMPTY_TAKES = 3 };

struct kube_client {
    struct kube_loop loop;
    const struct kube_access *access;
    struct kube_login login;
    struct kube_call *calls; /* kube_call.next */
    uint64_t bytes;
};

/* Another transfer may be the one that closes an old connection. */
static void on_wish(CURL *easy, curl_socket_t fd, bool gone)
{
    struct kube_call *call = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    if (call != NULL && (!gone || call->fd == fd)) {
        call->fd = gone ? CURL_SOCKET_BAD : fd;
    }
}

static void on_event(void *arg, curl_socket_t fd)
{
    struct kube_client *c = arg;
    for (struct kube_call *call = c->calls; call != NULL; call = call->next) {
        if (call->fd == fd || fd == CURL_SOCKET_BAD) {
            call->stirred = true;
        }
    }
}

struct kube_client *kube_client_new(const struct kube_access *access)
{
    struct kube_client *c = xcalloc(1, sizeof *c);
    kube_loop_init(&c->loop, &(struct kube_loop_hooks){on_wish, on_event, c});
    c->access = access;
    login_init(&c->login, access);
    (void)curl_multi_setopt(c->loop.multi, CURLMOPT_MAXCONNECTS, 64L);
    return c;
}

static void call_free(struct kube_call *call)
{
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    buf_fini(&call->error_body);
    buf_fini(&call->inflated);
    inflater_free(call->inflater);
    free(call);
}

static void unlink_call(struct kube_client *c, struct kube_call *call)
{
    for (struct kube_call **p = &c->calls; *p != NULL; p = &(*p)->next) {
        if (*p == call) {
            *p = call->next;
            break;
        }
    }
    (void)curl_multi_remove_handle(c->loop.multi, call->easy); /* fails only for a foreign handle */
}

void kube_call_cancel(struct kube_call *call)
{
    if (call != NULL) {
        unlink_call(call->client, call);
        call_free(call);
    }
}

void kube_client_free(struct kube_client *c)
{
    if (c == NULL) {
        return;
    }
    for (struct kube_call *call = c->calls, *next = NULL; call != NULL; call = next) {
        next = call->next;
        (void)curl_multi_remove_handle(c->loop.multi, call->easy); /* as in unlink_call */
        call_free(call);
    }
    kube_loop_fini(&c->loop);
    login_fini(&c->login);
    free(c);
}

void kube_client_renew(struct kube_client *c, const struct kube_call *call)
{
    login_renew(&c->login, call->started_ms);
}

/* ---- one call ---- */

/* false: the transfer ends. */
static bool hand_on(struct kube_call *call, const char *data, size_t len, bool *ret_wait)
{
    bool ok = call->handler.on_data(call->handler.arg, data, len, ret_wait);
    call->aborted = !ok;
    return ok;
}

enum { INFLATED_KEEP = 128 << 10 };

/* Inflates only when there is room: libcurl offers a refused piece again, perhaps with more behind
 * it, so nothing of it may have been used. */
static size_t deliver_gzip(struct kube_call *call, const char *data, size_t len)
{
    struct err err = {0};
    bool wait = false;
    if (!hand_on(call, "", 0, &wait)) {
        return 0;
    }
    if (wait) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!inflater_feed(call->inflater, data, len, &call->inflated, &err)) {
        (void)snprintf(call->error, sizeof call->error, "%.200s", err.text);
        call->aborted = true;
        return 0;
    }
    bool ok = hand_on(call, buf_str(&call->inflated), call->inflated.len, &wait);
    buf_clear(&call->inflated);
    if (call->inflated.cap > INFLATED_KEEP) { /* a stream lives on after its list */
        buf_fini(&call->inflated);
        buf_init(&call->inflated, KUBE_INFLATED_LIMIT);
    }
    return ok ? len : 0;
}

static size_t deliver(struct kube_call *call, const char *data, size_t len)
{
    bool wait = false;
    if (call->gzip) {
        return deliver_gzip(call, data, len);
    }
    if (!hand_on(call, data, len, &wait)) {
        return 0;
    }
    call->paused = wait;
    return wait ? CURL_WRITEFUNC_PAUSE : len;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
    struct kube_call *call = arg;
    size_t len = size * n;
    call->last_byte_ms = clock_mono_ms();
    call->took++;
    if (call->status != 200) {
        size_t room = call->error_body.limit - call->error_body.len;
        (void)buf_add(&call->error_body, data,
                      len < room ? len : room); /* the rest does not matter */
        return len;
    }
    size_t taken = deliver(call, data, len);
    call->client->bytes += taken == len ? len : 0;
    return taken;
}

static bool header_is(const char *line, size_t len, const char *name, const char **ret_value,
                      size_t *ret_len)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0) {
        return false;
    }
    while (n < len && line[n] == ' ') {
        n++;
    }
    while (len > n && (line[len - 1] == '\r' || line[len - 1] == '\n')) {
        len--;
    }
    *ret_value = line + n;
    *ret_len = len - n;
    return true;
}

static void take_header(struct kube_call *call, const char *line, size_t len)
{
    const char *v = NULL;
    size_t vn = 0;
    if (header_is(line, len, "content-type:", &v, &vn)) {
        static const char pb[] = "application/vnd.kubernetes.protobuf";
        call->protobuf = vn >= sizeof pb - 1 && strncasecmp(v, pb, sizeof pb - 1) == 0;
    } else if (header_is(line, len, "content-encoding:", &v, &vn)) {
        call->gzip = vn == 4 && strncasecmp(v, "gzip", 4) == 0;
    } else if (header_is(line, len, "etag:", &v, &vn)) {
        (void)snprintf(call->etag, sizeof call->etag, "%.*s", (int)(vn < 120 ? vn : 120), v);
    }
}

static void headers_end(struct kube_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    if (call->gzip && call->inflater == NULL) {
        call->inflater = inflater_new();
        buf_init(&call->inflated, KUBE_INFLATED_LIMIT);
    }
    if (status == 200 && !call->opened) {
        call->opened = true;
        if (call->handler.on_open != NULL) {
            call->handler.on_open(call->handler.arg, call);
        }
    }
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct kube_call *call = arg;
    size_t len = size * n;
    call->last_byte_ms = clock_mono_ms();
    call->took++;
    if (len >= 5 && strncasecmp(line, "HTTP/", 5) == 0) { /* a 1xx may have come before */
        call->protobuf = false;
        call->gzip = false;
    } else if (len <= 2) {
        headers_end(call);
    } else {
        take_header(call, line, len);
    }
    return len;
}

struct kube_call *kube_call_start(struct kube_client *c, const struct kube_call_options *opt,
                                  const struct kube_handler *handler, struct err *err)
{
    if (!login_ready(&c->login, err)) {
        return NULL;
    }
    struct kube_call *call = xcalloc(1, sizeof *call);
    call->client = c;
    call->easy = curl_easy_init();
    call->handler = *handler;
    call->stream = opt->stream;
    call->silence_ms = opt->silence_ms;
    call->fd = CURL_SOCKET_BAD;
    call->started_ms = clock_mono_ms();
    call->last_byte_ms = call->started_ms;
    buf_init(&call->error_body, KUBE_ERROR_LIMIT);
    kube_options_set(call, c->access, &c->login, opt);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    call->next = c->calls;
    c->calls = call;
    (void)curl_multi_add_handle(c->loop.multi, call->easy); /* no memory would have ended us */
    return call;
}

/* "... port 443 after 3 ms: ...": the same trouble must read the same, or each try is news. */
static void drop_duration(char *text)
{
    char *at = strstr(text, " after ");
    char *end = at != NULL ? strstr(at, " ms") : NULL;
    size_t digits = end != NULL ? strspn(at + 7, "0123456789") : 0;
    if (digits > 0 && at + 7 + digits == end) {
        memmove(at, end + 3, strlen(end + 3) + 1);
    }
}

static void finish(struct kube_client *c, struct kube_call *call)
{
    long status = 0;
    curl_off_t after = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after);
    call->status = (int)status;
    call->retry_after_ms =
        after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S * INT64_C(1000) : after * 1000;
    if (call->result != CURLE_OK && call->error[0] == '\0') {
        bool words = call->curl_error[0] != '\0';
        (void)snprintf(call->error, sizeof call->error, "%s",
                       words ? call->curl_error : curl_easy_strerror(call->result));
        drop_duration(call->error);
    }
    if (call->result == CURLE_OK && call->gzip && !inflater_whole(call->inflater)) {
        call->result = CURLE_PARTIAL_FILE;
        (void)snprintf(call->error, sizeof call->error, "the compressed answer was cut off");
    }
    unlink_call(c, call);
    call->handler.on_done(call->handler.arg, call);
    call_free(call);
}

/* A call that libcurl will not end for us: silent for too long, or refused while it was resumed. */
static struct kube_call *find_dead(struct kube_client *c)
{
    int64_t now = clock_mono_ms();
    for (struct kube_call *call = c->calls; call != NULL; call = call->next) {
        bool silent =
            call->silence_ms > 0 && !call->paused && now - call->last_byte_ms > call->silence_ms;
        if (silent || call->aborted) {
            return call;
        }
    }
    return NULL;
}

/* A watch sends bookmarks each minute: silence means a dead peer. */
static void end_dead(struct kube_client *c)
{
    struct kube_call *call = NULL;
    while ((call = find_dead(c)) != NULL) {
        call->result = call->aborted ? CURLE_WRITE_ERROR : CURLE_OPERATION_TIMEDOUT;
        if (!call->aborted) {
            (void)snprintf(call->error, sizeof call->error, "nothing received for %lld s",
                           (long long)(call->silence_ms / 1000));
        }
        finish(c, call);
    }
}

static bool read_ahead_holds(const struct kube_call *call)
{
    struct curl_tlssessioninfo *tls = NULL;
    return curl_easy_getinfo(call->easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls != NULL &&
           tls->backend == CURLSSLBACKEND_OPENSSL && tls->internals != NULL &&
           SSL_has_pending(tls->internals) == 1;
}

/* What OpenSSL has read ahead shows on no socket, and libcurl asks for no more than one record when
 * the socket is empty: it is asked again until nothing comes. The last piece may be half a record,
 * or chunk framing that no callback tells of: hence a few tries, not one. */
static void take_ahead(struct kube_client *c, struct kube_call *call)
{
    int running = 0;
    for (int empty = 0; empty < EMPTY_TAKES && !call->paused && call->fd != CURL_SOCKET_BAD &&
                        read_ahead_holds(call);) {
        uint64_t took = call->took;
        (void)curl_multi_socket_action(c->loop.multi, call->fd, CURL_CSELECT_IN, &running);
        empty = call->took == took ? empty + 1 : 0;
    }
}

static void take_all_ahead(struct kube_client *c)
{
    for (struct kube_call *call = c->calls; call != NULL; call = call->next) {
        if (call->stirred) {
            call->stirred = false;
            take_ahead(c, call);
        }
    }
}

void kube_client_run(struct kube_client *c, int timeout_ms)
{
    int left = 0;
    CURLMsg *msg = NULL;
    kube_loop_run(&c->loop, timeout_ms);
    take_all_ahead(c);
    while ((msg = curl_multi_info_read(c->loop.multi, &left)) != NULL) {
        struct kube_call *call = NULL;
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        call->result = msg->data.result;
        finish(c, call);
    }
    end_dead(c);
}

void kube_client_bulk(struct kube_client *c, bool bulk)
{
    c->loop.bulk = bulk;
}

void kube_client_wake(struct kube_client *c)
{
    kube_loop_wake(&c->loop);
}

void kube_client_resume(struct kube_call *call)
{
    call->paused = false;
    call->stirred = true; /* what was read ahead meanwhile is taken in the next turn */
    (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* may call on_data from here */
}

uint64_t kube_client_bytes(const struct kube_client *c)
{
    return c->bytes;
}
