/* One blocking transfer (see http.h). The address check sits at the socket, behind name resolution.
 */
#include "base/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/own.h"

enum { HTTP_LIMIT = 64 * 1024, HTTP_TIMEOUT_MS = 15000 };

struct transfer {
    const struct http_request *req;
    struct buf *body;
    CURL *curl;
    bool refused;
    bool ended; /* the taker of the stream has heard enough */
};

struct net4 {
    uint32_t net;
    int bits;
};
/* RFC 6890 special-purpose registry, IPv4, plus multicast and class E. */
static const struct net4 special4[] = {
    {0x00000000, 8},  {0x0a000000, 8},  {0x64400000, 10}, {0x7f000000, 8},  {0xa9fe0000, 16},
    {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
    {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 4},  {0xf0000000, 4},
};

static bool private4(uint32_t a)
{
    for (size_t i = 0; i < sizeof special4 / sizeof special4[0]; i++) {
        uint32_t mask = ~UINT32_C(0) << (32 - special4[i].bits);
        if ((a & mask) == special4[i].net) {
            return true;
        }
    }
    return false;
}

static bool private6(const struct in6_addr *a)
{
    const uint8_t *b = a->s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a)) {
        return private4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 |
                        b[15]);
    }
    bool nat64 = b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b;
    /* unspecified, loopback, unique local fc00::/7, link-local fe80::/10, multicast */
    return nat64 || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) ||
           (b[0] & 0xfe) == 0xfc || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a);
}

bool http_address_private(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        return private4(ntohl(v4.s_addr));
    }
    return inet_pton(AF_INET6, address, &v6) != 1 || private6(&v6);
}

static bool sockaddr_private(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        return private4(ntohl(in.sin_addr.s_addr));
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        return private6(&in6.sin6_addr);
    }
    return true;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *t = arg;
    if (t->req->deny_private && sockaddr_private(&address->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool is_stream(CURL *c)
{
    static const char wanted[] = "text/event-stream";
    long status = 0;
    char *type = NULL;
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    return status == 200 && type != NULL && strncasecmp(type, wanted, sizeof wanted - 1) == 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    if (t->req->stream != NULL && is_stream(t->curl)) {
        t->ended = !t->req->stream(t->req->stream_arg, data, len);
        return t->ended ? CURL_WRITEFUNC_ERROR : len;
    }
    size_t room = t->body->limit - t->body->len;
    (void)buf_add(t->body, data, len < room ? len : room);
    t->ended = len > room; /* nobody wants the rest, however long it is */
    return t->ended ? CURL_WRITEFUNC_ERROR : len;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
                       curl_off_t ul)
{
    const struct transfer *t = arg;
    (void)dl_total;
    (void)dl;
    (void)ul_total;
    (void)ul;
    return t->req->cancelled(t->req->cancelled_arg) ? 1 : 0;
}

void http_global_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT); /* a failure shows at the first transfer */
}

static struct curl_slist *header_list(const struct http_request *req)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; req->headers != NULL && req->headers[i] != NULL; i++) {
        list = curl_slist_append(list, req->headers[i]);
    }
    if (req->token != NULL && req->token[0] != '\0') {
        AUTO(buf) b = BUF_INIT(16384);
        (void)buf_addf(&b, "Authorization: Bearer %s", req->token);
        list = curl_slist_append(list, buf_str(&b));
    }
    return list;
}

static void set_options(CURL *c, struct transfer *t, char *errors, struct curl_slist *headers)
{
    const struct http_request *req = t->req;
    curl_easy_setopt(c, CURLOPT_URL, req->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "gatehouse/" GATEHOUSE_VERSION);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, errors);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                     (long)(req->timeout_ms > 0 ? req->timeout_ms : HTTP_TIMEOUT_MS));
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    if (req->cancelled != NULL) {
        curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    }
    if (req->no_proxy || req->deny_private) { /* a proxy would hide the address from the check */
        curl_easy_setopt(c, CURLOPT_PROXY, "");
    }
    if (req->ca_file != NULL && req->ca_file[0] != '\0') {
        curl_easy_setopt(c, CURLOPT_CAINFO, req->ca_file);
    }
    if (req->body != NULL) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, (const char *)req->body);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
    }
    if (req->method != NULL) {
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
    }
}

static bool explain(CURLcode rc, const struct transfer *t, const char *errors, struct err *err)
{
    if (t->refused) {
        return err_set(
            err, ERR_DENIED,
            "the address is loopback, link-local or private, and allow_private is not set");
    }
    enum err_code code = ERR_REMOTE;
    if (rc == CURLE_ABORTED_BY_CALLBACK) {
        return err_set(err, ERR_TIMEOUT, "cut off");
    }
    if (rc == CURLE_OPERATION_TIMEDOUT) {
        code = ERR_TIMEOUT;
    } else if (rc == CURLE_URL_MALFORMAT || rc == CURLE_UNSUPPORTED_PROTOCOL) {
        code = ERR_INPUT;
    }
    return err_set(err, code, "%s", errors[0] != '\0' ? errors : curl_easy_strerror(rc));
}

static void read_facts(CURL *c, struct http_response *ret)
{
    long status = 0;
    curl_off_t after = 0;
    char *type = NULL;
    (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &after);
    (void)curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    ret->status = (int)status;
    ret->retry_after_ms = (int64_t)after * 1000;
    (void)snprintf(ret->content_type, sizeof ret->content_type, "%s", type != NULL ? type : "");
}

bool http_transfer(const struct http_request *req, struct http_response *ret, struct err *err)
{
    CURL *c = curl_easy_init();
    if (c == NULL) {
        return err_set(err, ERR_BUG, "libcurl did not start");
    }
    *ret = (struct http_response){.body = BUF_INIT(req->limit != 0 ? req->limit : HTTP_LIMIT)};
    struct transfer t = {.req = req, .body = &ret->body, .curl = c};
    char errors[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = header_list(req);
    set_options(c, &t, errors, headers);
    CURLcode rc = curl_easy_perform(c);
    read_facts(c, ret);
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (rc != CURLE_OK && !t.ended) {
        http_response_fini(ret);
        return explain(rc, &t, errors, err);
    }
    return true;
}

void http_response_fini(struct http_response *r)
{
    buf_fini(&r->body);
}
