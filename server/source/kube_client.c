/*
 * Transfers to the API server (see kube_client.h). The write callback hands bytes on as they come;
 * a handler that cannot take them pauses the transfer, and TCP holds the server back: nothing is
 * buffered without a ceiling.
 */
#include "source/kube_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/kube_frame.h"

enum { TOKEN_LIMIT = 64 << 10, TOKEN_AGE_MS = 60000, EXEC_MARGIN_MS = 60000 };

struct kube_client {
    CURLM *multi;
    struct kube_access *access;
    struct arena *arena;
    struct kube_call *calls;
    char *token; /* of the file or the plugin */
    char *exec_cert;
    char *exec_key;
    int64_t token_read_ms;
    int64_t exec_expires; /* Unix ms; 0 = never */
    bool exec_done;
    uint64_t bytes;
};

struct kube_client *kube_client_new(struct kube_access *access, struct arena *arena)
{
    struct kube_client *c = xcalloc(1, sizeof *c);
    c->multi = curl_multi_init();
    c->access = access;
    c->arena = arena;
    (void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 64L);
    return c;
}

static void call_free(struct kube_call *call)
{
    if (call == NULL) {
        return;
    }
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
    (void)curl_multi_remove_handle(c->multi, call->easy); /* fails only for a foreign handle */
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
    while (c->calls != NULL) {
        kube_call_cancel(c->calls);
    }
    (void)curl_multi_cleanup(c->multi);
    free(c->token);
    free(c->exec_cert);
    free(c->exec_key);
    free(c);
}

/* ---- credentials ---- */

static bool read_token_file(struct kube_client *c, struct err *err)
{
    if (c->token != NULL && clock_mono_ms() - c->token_read_ms < TOKEN_AGE_MS) {
        return true;
    }
    FILE *f = fopen(c->access->token_file, "re");
    char *text = f != NULL ? xcalloc(1, TOKEN_LIMIT + 1) : NULL;
    size_t n = f != NULL ? fread(text, 1, TOKEN_LIMIT, f) : 0;
    if (f != NULL) {
        (void)fclose(f);
    }
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
        text[--n] = '\0';
    }
    if (n == 0) {
        free(text);
        if (c->token != NULL) {
            return true; /* keep the old one: it lives on until it expires */
        }
        return err_set(err, ERR_DENIED, "token file %s cannot be read or is empty",
                       c->access->token_file);
    }
    free(c->token);
    c->token = text;
    c->token_read_ms = clock_mono_ms();
    return true;
}

static bool run_plugin(struct kube_client *c, struct err *err)
{
    bool fresh = c->exec_done &&
                 (c->exec_expires == 0 || clock_unix_ms() < c->exec_expires - EXEC_MARGIN_MS);
    if (fresh) {
        return true;
    }
    AUTO_PTR(arena) a = arena_new(0);
    const char *token = "";
    const char *cert = "";
    const char *key = "";
    if (!kube_exec_run(&c->access->exec, a, &token, &cert, &key, &c->exec_expires, err)) {
        return false;
    }
    free(c->token);
    free(c->exec_cert);
    free(c->exec_key);
    c->token = xstrdup(token);
    c->exec_cert = xstrdup(cert);
    c->exec_key = xstrdup(key);
    c->exec_done = true;
    return true;
}

static bool credentials(struct kube_client *c, struct err *err)
{
    if (c->access->token_file[0] != '\0') {
        return read_token_file(c, err);
    }
    return c->access->exec.command[0] == '\0' || run_plugin(c, err);
}

void kube_client_renew(struct kube_client *c)
{
    c->token_read_ms = 0;
    c->exec_done = false;
    if (c->access->token_file[0] != '\0') {
        free(c->token);
        c->token = NULL;
    }
}

/* ---- one call ---- */

static bool is_success(const struct kube_call *call)
{
    return call->status >= 200 && call->status < 300;
}

static size_t deliver(struct kube_call *call, const char *data, size_t len)
{
    bool wait = false;
    if (!call->on_data(call->arg, data, len, &wait)) {
        call->aborted = true;
        return 0;
    }
    if (wait) {
        call->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return len;
}

static size_t deliver_gzip(struct kube_call *call, const char *data, size_t len)
{
    struct err err = {0};
    if (!call->paused && !inflater_feed(call->inflater, data, len, &call->inflated, &err)) {
        (void)snprintf(call->error, sizeof call->error, "%.200s", err.text);
        call->aborted = true;
        return 0;
    }
    /* A paused piece comes again whole: it was inflated the first time already. */
    call->paused = false;
    size_t n = deliver(call, buf_str(&call->inflated), call->inflated.len);
    if (n == CURL_WRITEFUNC_PAUSE) {
        return n;
    }
    buf_clear(&call->inflated);
    return call->aborted ? 0 : len;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
    struct kube_call *call = arg;
    size_t len = size * n;
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->status = (int)status;
    call->last_byte_ms = clock_mono_ms();
    if (!call->paused) {
        call->bytes += len;
        call->client->bytes += len;
    }
    if (!is_success(call)) {
        size_t room = call->error_body.limit - call->error_body.len;
        (void)buf_add(&call->error_body, data,
                      len < room ? len : room); /* the rest does not matter */
        return len;
    }
    if (call->gzip) {
        return deliver_gzip(call, data, len);
    }
    call->paused = false;
    return deliver(call, data, len);
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

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct kube_call *call = arg;
    size_t len = size * n;
    const char *v = NULL;
    size_t vn = 0;
    if (header_is(line, len, "content-type:", &v, &vn)) {
        static const char pb[] = "application/vnd.kubernetes.protobuf";
        call->protobuf = vn >= sizeof pb - 1 && strncasecmp(v, pb, sizeof pb - 1) == 0;
    } else if (header_is(line, len, "content-encoding:", &v, &vn)) {
        call->gzip = vn == 4 && strncasecmp(v, "gzip", 4) == 0;
        if (call->gzip && call->inflater == NULL) {
            call->inflater = inflater_new();
            buf_init(&call->inflated, KUBE_PAGE_LIMIT);
        }
    } else if (header_is(line, len, "etag:", &v, &vn)) {
        (void)snprintf(call->etag, sizeof call->etag, "%.*s", (int)(vn < 120 ? vn : 120), v);
    }
    return len;
}

/* A dead peer must not hold a watch for ever (the kernel would wait a quarter of an hour). */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg;
    (void)purpose;
    unsigned timeout = 45000;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout); /* best effort */
    return CURL_SOCKOPT_OK;
}

static void blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob b = {(void *)(uintptr_t)text, strlen(text), CURL_BLOB_COPY};
    (void)curl_easy_setopt(easy, option, &b);
}

static void set_tls(struct kube_client *c, CURL *easy)
{
    const struct kube_access *a = c->access;
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (a->insecure) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (a->ca_pem[0] != '\0') {
        blob(easy, CURLOPT_CAINFO_BLOB, a->ca_pem);
    } else if (a->ca_file[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, a->ca_file);
    }
    const char *cert = c->exec_cert != NULL && c->exec_cert[0] != '\0' ? c->exec_cert : a->cert_pem;
    const char *key = c->exec_key != NULL && c->exec_key[0] != '\0' ? c->exec_key : a->key_pem;
    if (cert[0] != '\0') {
        blob(easy, CURLOPT_SSLCERT_BLOB, cert);
    } else if (a->cert_file[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_SSLCERT, a->cert_file);
    }
    if (key[0] != '\0') {
        blob(easy, CURLOPT_SSLKEY_BLOB, key);
    } else if (a->key_file[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_SSLKEY, a->key_file);
    }
}

static void add_header(struct kube_call *call, const char *fmt, const char *value)
{
    AUTO(buf) b = BUF_INIT(TOKEN_LIMIT + 256);
    (void)buf_addz(&b, fmt);
    (void)buf_addz(&b, value);
    call->headers = curl_slist_append(call->headers, buf_str(&b));
}

static void set_headers(struct kube_client *c, struct kube_call *call,
                        const struct kube_call_options *opt)
{
    const struct kube_access *a = c->access;
    const char *accept = opt->accept;
    if (accept == NULL) {
        accept = !opt->protobuf ? "application/json"
                 : opt->stream ? "application/vnd.kubernetes.protobuf;stream=watch,application/json"
                               : "application/vnd.kubernetes.protobuf,application/json";
    }
    add_header(call, "Accept: ", accept);
    const char *token = c->token != NULL && c->token[0] != '\0' ? c->token : a->token;
    if (token[0] != '\0') {
        add_header(call, "Authorization: Bearer ", token);
    }
    if (opt->gzip) {
        add_header(call, "Accept-Encoding: ", "gzip");
    }
    if (opt->etag != NULL && opt->etag[0] != '\0') {
        add_header(call, "If-None-Match: ", opt->etag);
    }
    if (a->as_user[0] != '\0') {
        add_header(call, "Impersonate-User: ", a->as_user);
    }
    if (a->as_uid[0] != '\0') {
        add_header(call, "Impersonate-Uid: ", a->as_uid);
    }
    for (uint32_t i = 0; i < a->as_groups.n; i++) {
        add_header(call, "Impersonate-Group: ", a->as_groups.items[i]);
    }
}

/* tls-server-name: the certificate is checked against another name than the address's host. */
static void set_server_name(struct kube_client *c, CURL *easy, struct kube_call *call,
                            const char *path)
{
    const struct kube_access *a = c->access;
    AUTO(buf) url = BUF_INIT(16384);
    const char *host = strstr(a->server, "://");
    if (a->tls_server_name[0] == '\0' || host == NULL) {
        (void)buf_addf(&url, "%s%s", a->server, path);
    } else {
        host += 3;
        size_t n = strcspn(host, "/");
        const char *colon = host[0] == '[' ? strstr(host, "]:") : memchr(host, ':', n);
        const char *port = colon == NULL ? "443" : colon + (colon[0] == ']' ? 2 : 1);
        AUTO(buf) to = BUF_INIT(1024);
        size_t host_len = colon == NULL ? n : (size_t)(colon - host) + (colon[0] == ']' ? 1u : 0u);
        size_t port_len = strcspn(port, "/");
        (void)buf_addf(&to, "%s:%.*s:%.*s:%.*s", a->tls_server_name, (int)port_len, port,
                       (int)host_len, host, (int)port_len, port);
        call->connect_to = curl_slist_append(NULL, buf_str(&to));
        (void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, call->connect_to);
        (void)buf_addf(&url, "https://%s:%.*s%s%s", a->tls_server_name, (int)port_len, port,
                       host + n, path);
    }
    (void)curl_easy_setopt(easy, CURLOPT_URL, buf_str(&url));
}

static void set_transfer(struct kube_client *c, struct kube_call *call,
                         const struct kube_call_options *opt)
{
    CURL *e = call->easy;
    set_server_name(c, e, call, opt->path);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "gatehouse/" GATEHOUSE_VERSION);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                           (long)(opt->stream ? opt->deadline_ms : KUBE_REQUEST_MS));
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    if (c->access->proxy_url[0] != '\0') {
        (void)curl_easy_setopt(e, CURLOPT_PROXY, c->access->proxy_url);
    }
    if (c->access->username[0] != '\0') {
        (void)curl_easy_setopt(e, CURLOPT_USERNAME, c->access->username);
        (void)curl_easy_setopt(e, CURLOPT_PASSWORD, c->access->password);
    }
    set_tls(c, e);
}

struct kube_call *kube_call_start(struct kube_client *c, const struct kube_call_options *opt,
                                  kube_on_data on_data, kube_on_done on_done, void *arg,
                                  struct err *err)
{
    if (!credentials(c, err)) {
        return NULL;
    }
    struct kube_call *call = xcalloc(1, sizeof *call);
    call->client = c;
    call->easy = curl_easy_init();
    call->on_data = on_data;
    call->on_done = on_done;
    call->arg = arg;
    call->stream = opt->stream;
    call->started_ms = clock_mono_ms();
    call->last_byte_ms = call->started_ms;
    buf_init(&call->error_body, KUBE_ERROR_LIMIT);
    set_headers(c, call, opt);
    set_transfer(c, call, opt);
    (void)curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    call->next = c->calls;
    c->calls = call;
    (void)curl_multi_add_handle(c->multi,
                                call->easy); /* out of memory would have ended us already */
    return call;
}

static void finish(struct kube_client *c, struct kube_call *call)
{
    long status = 0;
    curl_off_t after = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after);
    call->status = (int)status;
    call->retry_after_ms = (int64_t)after * 1000;
    unlink_call(c, call);
    call->finished = true;
    call->on_done(call->arg, call);
    call_free(call);
}

/* A watch sends bookmarks each minute: silence means a dead peer. */
static void cut_silent(struct kube_client *c)
{
    int64_t now = clock_mono_ms();
    for (struct kube_call *call = c->calls; call != NULL;) {
        struct kube_call *next = call->next;
        if (call->stream && !call->paused && now - call->last_byte_ms > KUBE_SILENCE_MS) {
            (void)snprintf(call->error, sizeof call->error, "nothing received for %d s",
                           KUBE_SILENCE_MS / 1000);
            call->result = CURLE_OPERATION_TIMEDOUT;
            finish(c, call);
            next = c->calls; /* on_done may have changed the list: start over */
        }
        call = next;
    }
}

void kube_client_run(struct kube_client *c, int timeout_ms)
{
    int running = 0;
    (void)curl_multi_perform(c->multi, &running);
    CURLMsg *msg = NULL;
    int left = 0;
    bool any = false;
    while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct kube_call *call = NULL;
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        call->result = msg->data.result;
        if (call->result != CURLE_OK && call->error[0] == '\0') {
            (void)snprintf(call->error, sizeof call->error, "%s", curl_easy_strerror(call->result));
        }
        finish(c, call);
        any = true;
    }
    cut_silent(c);
    if (!any) {
        (void)curl_multi_poll(c->multi, NULL, 0, timeout_ms, NULL);
    }
}

void kube_client_wake(struct kube_client *c)
{
    (void)curl_multi_wakeup(c->multi);
}

void kube_client_resume(struct kube_call *call)
{
    (void)curl_easy_pause(call->easy, CURLPAUSE_CONT);
}

uint64_t kube_client_bytes(const struct kube_client *c)
{
    return c->bytes;
}
