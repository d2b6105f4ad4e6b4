/* What OpenSSL has read ahead is handed on at once, however the server cut it into records: a TLS
 * server sends records of its choice in one piece and then keeps silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "source/kube_client.h"

#define HEADER "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"

/* Records of one answer; "|" between two that come in different pieces, with a pause. */
static const struct {
    const char *name;
    const char *records[12];
    const char *body;
    unsigned refuse; /* so many pieces wait for kube_client_resume */
} answers[] = {
    {"many small records",
     {HEADER "2\r\nab\r\n", "2\r\ncd\r\n", "1\r\ne\r\n", "3\r\nfgh\r\n"},
     "abcdefgh",
     0},
    {"header line by line",
     {"HTTP/1.1 200 OK\r\nTransfer-Enc", "oding: chunked\r\n", "\r\n", "3\r\nabc\r\n"},
     "abc",
     0},
    {"framing alone",
     {HEADER, "4", "\r\n", "abcd", "\r", "\n", "2\r\n", "ef\r\n", "1\r\n", "g\r\n"},
     "abcdefg",
     0},
    {"framing after a pause",
     {HEADER "2\r\nab", "|", "\r\n", "2\r\ncd\r\n", "|", "2\r\n", "ef", "\r\n", "1\r\ng\r\n"},
     "abcdefg",
     0},
    {"a reader that waits",
     {HEADER "2\r\nab\r\n", "2\r\ncd\r\n", "2\r\nef\r\n", "1\r\ng\r\n"},
     "abcdefg",
     2},
    {"the answer ends", {HEADER "2\r\nab\r\n", "1\r\nc\r\n", "0\r\n\r\n"}, "abc", 0},
};

/* ---- the server ---- */

struct server {
    SSL_CTX *tls;
    int listener;
    int port;
    const char *const *records;
    pthread_t thread;
};

static SSL_CTX *server_tls(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_true(X509_set_version(cert, 2) && X509_set_pubkey(cert, key));
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(tls, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
    X509_free(cert);
    EVP_PKEY_free(key);
    return tls;
}

/* Records gather in a buffer of the connection until they are flushed. */
static SSL *accept_tls(const struct server *s, int fd)
{
    SSL *ssl = SSL_new(s->tls);
    BIO *gather = BIO_new(BIO_f_buffer());
    (void)BIO_set_write_buffer_size(gather, 1 << 16);
    SSL_set_bio(ssl, BIO_new_socket(fd, BIO_NOCLOSE),
                BIO_push(gather, BIO_new_socket(fd, BIO_NOCLOSE)));
    if (SSL_accept(ssl) != 1) {
        abort();
    }
    return ssl;
}

static void *serve(void *arg)
{
    const struct server *s = arg;
    char request[4096];
    int fd = accept(s->listener, NULL, NULL);
    SSL *ssl = accept_tls(s, fd);
    if (SSL_read(ssl, request, sizeof request) <= 0) {
        abort();
    }
    for (const char *const *r = s->records; *r != NULL; r++) {
        if (strcmp(*r, "|") == 0) {
            (void)BIO_flush(SSL_get_wbio(ssl));
            (void)usleep(50000);
        } else if (SSL_write(ssl, *r, (int)strlen(*r)) <= 0) {
            abort();
        }
    }
    (void)BIO_flush(SSL_get_wbio(ssl));
    (void)SSL_read(ssl, request, sizeof request); /* silent until the client goes */
    SSL_free(ssl);
    (void)close(fd);
    return NULL;
}

static void server_start(struct server *s, const char *const *records)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *s = (struct server){.tls = server_tls(), .records = records};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void)close(s->listener);
    SSL_CTX_free(s->tls);
}

/* ---- the client ---- */

struct reader {
    struct buf got;
    struct kube_call *waiting;
    unsigned refuse;
    bool done;
};

static struct kube_call *current;

static bool on_data(void *arg, const char *data, size_t len, bool *ret_wait)
{
    struct reader *r = arg;
    if (len > 0 && r->refuse > 0) {
        r->refuse--;
        r->waiting = current;
        *ret_wait = true;
        return true;
    }
    return buf_add(&r->got, data, len);
}

static void on_done(void *arg, struct kube_call *call)
{
    struct reader *r = arg;
    (void)call;
    r->done = true;
}

static void read_answer(const struct server *s, const char *body, unsigned refuse)
{
    char url[64];
    struct err err = {0};
    struct kube_access access = {.server = url, .insecure = true};
    struct reader r = {.got = BUF_INIT(4096), .refuse = refuse};
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d", s->port);
    kube_access_fill(&access);
    struct kube_client *c = kube_client_new(&access);
    current = kube_call_start(
        c, &(struct kube_call_options){.path = "/", .stream = true},
        &(struct kube_handler){.on_data = on_data, .on_done = on_done, .arg = &r}, &err);
    assert_non_null(current);
    int64_t deadline = clock_mono_ms() + 5000;
    while (strlen(buf_str(&r.got)) < strlen(body) && clock_mono_ms() < deadline) {
        kube_client_run(c, 20);
        if (r.waiting != NULL) {
            struct kube_call *call = r.waiting;
            r.waiting = NULL;
            kube_client_resume(call);
        }
    }
    assert_string_equal(buf_str(&r.got), body);
    kube_client_free(c);
    buf_fini(&r.got);
}

static void records_are_handed_on_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct server s;
        print_message("%s\n", answers[i].name);
        server_start(&s, answers[i].records);
        read_answer(&s, answers[i].body, answers[i].refuse);
        server_stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records_are_handed_on_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
