/* The server on real sockets, and a client that says and hears bytes. */
#ifndef GATEHOUSE_TESTS_LOOP_BED_H
#define GATEHOUSE_TESTS_LOOP_BED_H

#include "unit/reader_fixture.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "api/api.h"
#include "base/clock.h"

enum { PATIENCE_MS = 60000 };

struct bed {
    struct fixture f;
    const struct config *config;
    struct feed *feed;
    struct queue *queue;
    struct api *api;
    int port;
    int64_t revision;
};

INLINE const struct config *config_of(struct bed *b, const char *more)
{
    char yaml[1024];
    const struct config *c = NULL;
    struct err err = {0};
    int n = snprintf(yaml, sizeof yaml, "listen: 127.0.0.1:0\ndb: %s\n%s", b->f.path, more);
    if (!config_parse("test", yaml, (size_t)n, &c, &err)) {
        fail_msg("%s", err.text);
    }
    return c;
}

INLINE void bed_start(struct bed *b, const char *more)
{
    struct err err = {0};
    *b = (struct bed){.revision = 100};
    fixture_open(&b->f);
    b->config = config_of(b, more);
    b->feed = feed_new(1024);
    feed_start(b->feed, 100);
    b->queue = queue_new(64, 1 << 20);
    struct api_options opt = {.config = b->config, .feed = b->feed, .writer_in = b->queue};
    if (!api_new(&opt, &b->api, &err) || !api_start(b->api, NULL, &err)) {
        fail_msg("%s", err.text);
    }
    b->port = api_port(b->api);
    assert_in_range(b->port, 1, 65535);
}

INLINE void drop_change(void *c)
{
    change_free(c);
}

INLINE void bed_stop(struct bed *b)
{
    api_stop(b->api);
    api_free(b->api);
    feed_free(b->feed);
    queue_free(b->queue, drop_change);
    config_unref(b->config);
    fixture_close(&b->f);
}

/* ---- a client ---- */

INLINE int dial(const struct bed *b)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)b->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    return fd;
}

INLINE void say(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);
        if (done <= 0) {
            return; /* the server has closed: what it said stands in the buffer */
        }
        text += done;
        n -= (size_t)done;
    }
}

/* Reads until `end` has come `times` times, the peer closes, or patience ends. */
INLINE const char *hear(int fd, const char *end, int times)
{
    static char text[1 << 20];
    size_t n = 0;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    text[0] = '\0';
    while (clock_mono_ms() < until && n < sizeof text - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int found = 0;
        for (const char *at = strstr(text, end); end[0] != '\0' && at != NULL;
             at = strstr(at + 1, end)) {
            found++;
        }
        if (found >= times && times > 0) {
            break;
        }
        if (poll(&p, 1, 100) > 0) {
            ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
            if (got <= 0) {
                break;
            }
            n += (size_t)got;
            text[n] = '\0';
        }
    }
    return text;
}

#define HOST "Host: localhost\r\n"

INLINE const char *ask(const struct bed *b, const char *request, const char *end)
{
    int fd = dial(b);
    say(fd, request);
    const char *text = hear(fd, end, 1);
    (void)close(fd);
    return text;
}

INLINE void publish(struct bed *b, int id, const char *name)
{
    sql(&b->f, "UPDATE counter SET n = %lld", (long long)++b->revision);
    struct feed_item item = {.what = FEED_ROLLOUT,
                             .workload_id = id,
                             .ns_id = 1,
                             .namespace = "shop",
                             .kind = "Deployment",
                             .name = name,
                             .state = ROLLOUT_SERVING};
    struct commit c = {.revision = b->revision, .items = &item, .n_items = 1, .list_changed = true};
    feed_publish(b->feed, &c, clock_unix_ms());
}

/* ---- TLS ---- */

/* A key, and a certificate for localhost that it signs. */
INLINE void write_certificate(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_non_null(key);
    assert_non_null(cert);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *f = fopen(cert_path, "we");
    assert_int_equal(PEM_write_X509(f, cert), 1);
    assert_int_equal(fclose(f), 0);
    f = fopen(key_path, "we");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* libcurl's write function into a struct buf. */
INLINE size_t collect(char *data, size_t size, size_t n, void *arg)
{
    return buf_add(arg, data, size * n) ? size * n : 0;
}

#endif
