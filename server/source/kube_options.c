/* What libcurl is told of one request: address, identity, TLS, headers (see kube_options.h). */
#include "source/kube_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

/* A Go server sends records of 4 KB. OpenSSL by itself asks the kernel twice for each, for five
 * bytes and for the rest; so much read ahead makes that once for five of them. More is no gain: for
 * each record OpenSSL moves all that is left of what it has read ahead to the front. */
enum { HEADER_LIMIT = 80 << 10, READ_AHEAD = 24 << 10 };

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

static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    return CURLE_OK;
}

/* TLS to a proxy around TLS to the server would hide what the outer one has read ahead. */
static bool behind_proxy(const struct kube_access *a)
{
    static const char *const names[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
    bool found = a->proxy_url[0] != '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
        const char *value = getenv(names[i]); /* as libcurl does */
        found = value != NULL && value[0] != '\0';
    }
    return found;
}

static void set_tls(CURL *easy, const struct kube_access *a, struct kube_login *login)
{
    if (!behind_proxy(a)) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    }
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 300L); /* the cluster's CA may rotate */
    (void)curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, 300L); /* and so may our certificate */
    if (a->insecure) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (a->ca_pem[0] != '\0') {
        blob(easy, CURLOPT_CAINFO_BLOB, a->ca_pem);
    } else if (a->ca_file[0] != '\0') {
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, a->ca_file);
    }
    const char *cert = login_cert(login);
    const char *key = login_key(login);
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

static void add_header(struct kube_call *call, const char *name, const char *value)
{
    AUTO(buf) b = BUF_INIT(HEADER_LIMIT);
    (void)buf_addz(&b, name);
    for (const char *p = value; *p != '\0'; p++) { /* a line's end would start another header */
        (void)buf_addc(&b, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    call->headers = curl_slist_append(call->headers, buf_str(&b));
}

static void add_impersonation(struct kube_call *call, const struct kube_access *a)
{
    if (a->as_user[0] != '\0') {
        add_header(call, "Impersonate-User: ", a->as_user);
    }
    if (a->as_uid[0] != '\0') {
        add_header(call, "Impersonate-Uid: ", a->as_uid);
    }
    for (uint32_t i = 0; i < a->as_groups.n; i++) {
        add_header(call, "Impersonate-Group: ", a->as_groups.items[i]);
    }
    for (uint32_t i = 0; i < a->as_extra.n; i++) { /* the key is percent-encoded: client-go */
        char *key = curl_easy_escape(NULL, a->as_extra.items[i].key, 0);
        AUTO(buf) name = BUF_INIT(HEADER_LIMIT);
        (void)buf_addf(&name, "Impersonate-Extra-%s: ", key);
        add_header(call, buf_str(&name), a->as_extra.items[i].value);
        curl_free(key);
    }
}

static void set_headers(struct kube_call *call, const struct kube_access *a,
                        struct kube_login *login, const struct kube_call_options *opt)
{
    const char *accept = opt->accept;
    if (accept == NULL) {
        accept = !opt->protobuf ? "application/json"
                 : opt->stream ? "application/vnd.kubernetes.protobuf;stream=watch,application/json"
                               : "application/vnd.kubernetes.protobuf,application/json";
    }
    add_header(call, "Accept: ", accept);
    const char *token = login_token(login);
    if (token[0] != '\0') {
        add_header(call, "Authorization: Bearer ", token);
    }
    if (opt->gzip) {
        add_header(call, "Accept-Encoding: ", "gzip");
    }
    if (opt->etag != NULL && opt->etag[0] != '\0') {
        add_header(call, "If-None-Match: ", opt->etag);
    }
    add_impersonation(call, a);
}

/* tls-server-name: the certificate is checked against another name than the address's host. */
static void set_server_name(struct kube_call *call, const struct kube_access *a, const char *path)
{
    CURL *easy = call->easy;
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

void kube_options_set(struct kube_call *call, const struct kube_access *a, struct kube_login *login,
                      const struct kube_call_options *opt)
{
    CURL *e = call->easy;
    set_headers(call, a, login, opt);
    set_server_name(call, a, opt->path);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "gatehouse/" GATEHOUSE_VERSION);
    (void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_error);
    (void)curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket);
    (void)curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TCP_KEEPIDLE, 30L);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                           (long)(opt->deadline_ms > 0 ? opt->deadline_ms : KUBE_REQUEST_MS));
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    if (a->proxy_url[0] != '\0') {
        (void)curl_easy_setopt(e, CURLOPT_PROXY, a->proxy_url);
        (void)curl_easy_setopt(e, CURLOPT_NOPROXY,
                               ""); /* client-go: $NO_PROXY is for $HTTPS_PROXY */
    }
    if (a->username[0] != '\0') {
        (void)curl_easy_setopt(e, CURLOPT_USERNAME, a->username);
        (void)curl_easy_setopt(e, CURLOPT_PASSWORD, a->password);
    }
    set_tls(e, a, login);
}
