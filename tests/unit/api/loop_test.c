/* The server on real sockets: keep-alive, pipelining, HEAD, ceilings, many streams with a stuck
 * one, reload, TLS, stopping under load. */
#include "unit/api/loop_bed.h"

#include <signal.h>
#include <stdatomic.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { READERS = 200 };
#else
enum { READERS = 1000 };
#endif

/* ---- requests ---- */

static void given_a_connection_when_kept_then_requests_follow_even_pipelined(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    int fd = dial(&b);
    say(fd, "GET /livez HTTP/1.1\r\n" HOST "\r\nHEAD /api/v1/summary HTTP/1.1\r\n" HOST
            "\r\nGET /api/v1/rollouts HTTP/1.1\r\n" HOST "\r\nGET /livez HTTP/1.1\r\n" HOST "\r\n");
    const char *text = hear(fd, "ok\n", 2);
    unsigned answers = 0;
    for (const char *p = strstr(text, "HTTP/1.1 200 OK"); p != NULL;
         p = strstr(p + 1, "HTTP/1.1 200 OK")) {
        answers++;
    }
    assert_int_equal(answers, 4);
    const char *head = strstr(strstr(text, "ok\n"), "HTTP/1.1");
    const char *end = strstr(head, "\r\n\r\n");
    assert_memory_equal(end + 4, "HTTP/1.1", 8); /* no body after the HEAD */
    assert_null(strstr(text, "Server:"));
    say(fd, "GET /livez HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    text = hear(fd, "", 0); /* until closed */
    assert_non_null(strstr(text, "ok\n"));
    (void)close(fd);
    text = ask(&b, "GET /livez HTTP/1.0\r\n\r\n", "ok\n");
    assert_non_null(strstr(text, "200 OK"));
    bed_stop(&b);
}

static void given_an_etag_when_sent_back_then_304_and_gzip_has_its_own(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    int fd = dial(&b);
    say(fd, "GET /api/v1/rollouts HTTP/1.1\r\n" HOST "\r\n");
    const char *etag = strstr(hear(fd, "\"sources\":", 1), "etag: \"");
    assert_non_null(etag);
    char tag[64];
    (void)snprintf(tag, sizeof tag, "%.*s", (int)strcspn(etag + 7, "\""), etag + 7);
    char request[256];
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/rollouts HTTP/1.1\r\n" HOST "If-None-Match: \"%s-g\"\r\n\r\n", tag);
    say(fd, request);
    const char *text = hear(fd, "\r\n\r\n", 1);
    assert_non_null(strstr(text, "HTTP/1.1 304 Not Modified"));
    say(fd, "GET /api/v1/rollouts HTTP/1.1\r\n" HOST "Accept-Encoding: br, gzip\r\n\r\n");
    text = hear(fd, "\r\n\r\n", 1);
    assert_non_null(strstr(text, "content-encoding: gzip\r\n"));
    (void)snprintf(request, sizeof request, "etag: \"%s-g\"", tag);
    assert_non_null(strstr(text, request));
    (void)close(fd);
    /* what curl unpacks is what was packed */
    bed_stop(&b);
}

static void given_ceilings_when_passed_then_clear_answers(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    AUTO(buf) r = BUF_INIT(2 << 20);
    (void)buf_addz(&r, "GET /livez HTTP/1.1\r\n" HOST "x: ");
    for (int i = 0; i < 20000; i++) {
        (void)buf_addc(&r, 'a');
    }
    (void)buf_addz(&r, "\r\n\r\n");
    const char *text = ask(&b, buf_str(&r), "}");
    assert_non_null(strstr(text, "HTTP/1.1 431 "));
    assert_non_null(strstr(text, "\"/problems/head_too_large\""));
    /* what the route does not take, what none takes by its Content-Length, and what comes in
     * chunks */
    buf_clear(&r);
    (void)buf_addz(&r, "POST /-/reload HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    for (int i = 0; i < 100000; i++) {
        (void)buf_addc(&r, 'a');
    }
    text = ask(&b, buf_str(&r), "}");
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    text = ask(&b, "POST /-/reload HTTP/1.1\r\n" HOST "Content-Length: 2000000\r\n\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    assert_non_null(strstr(text, "content-type: application/problem+json"));
    assert_non_null(strstr(text, "\"/problems/too_large\""));
    assert_non_null(strstr(text, "cache-control: no-store"));
    buf_clear(&r);
    (void)buf_addz(&r, "POST /-/reload HTTP/1.1\r\n" HOST
                       "Transfer-Encoding: chunked\r\n\r\n120000\r\n");
    for (int i = 0; i < 0x120000; i++) {
        (void)buf_addc(&r, 'a');
    }
    text = ask(&b, buf_str(&r), "}");
    assert_non_null(strstr(text, "HTTP/1.1 413 "));
    text =
        ask(&b, "POST /-/reload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 400 "));
    assert_non_null(strstr(text, "\"/problems/bad_request\""));
    text = ask(&b, "POST /-/reload HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", "}");
    assert_non_null(strstr(text, "\"/problems/bad_request\""));
    text = ask(&b, "PUT /api/v1/summary HTTP/1.1\r\n" HOST "\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 405 "));
    assert_non_null(strstr(text, "allow: GET, HEAD\r\n"));
    static const char *const pages[] = {"POST /", "DELETE /index.html",
                                        "PUT /r/shop/deployment/web"};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        char request[128];
        (void)snprintf(request, sizeof request, "%s HTTP/1.1\r\n" HOST "\r\n", pages[i]);
        text = ask(&b, request, "}");
        assert_non_null(strstr(text, "HTTP/1.1 405 "));
        assert_non_null(strstr(text, "allow: GET, HEAD\r\n"));
    }
    text = ask(&b, "POST /nothing HTTP/1.1\r\n" HOST "\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 404 "));
    text = ask(&b, "POST /-/reload HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 503 ")); /* no configuration to load here */
    text = ask(&b, "GET /api/v1/summary HTTP/1.1\r\nHost: evil.org\r\n\r\n", "}");
    assert_non_null(strstr(text, "HTTP/1.1 421 "));
    /* no answer is wanted to these, and no harm is done */
    static const char *const garbage[] = {"\x16\x03\x01\x02\x00\x01",
                                          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET\r\n\r\n",
                                          "\r\n\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = dial(&b);
        say(fd, garbage[i]);
        (void)shutdown(fd, SHUT_WR);
        text = hear(fd, "", 0);
        assert_null(strstr(text, " 200 "));
        (void)close(fd);
    }
    text = ask(&b, "GET /livez HTTP/1.1\r\n" HOST "\r\n", "ok\n");
    assert_non_null(strstr(text, "ok\n"));
    bed_stop(&b);
}

/* What a proxy may read as another request is neither answered nor left in the connection. */
static void given_a_body_framed_twice_when_sent_then_refused_and_closed(void **state)
{
    (void)state;
    struct bed b;
    static const char *const heads[] = {
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "transfer-encoding: chunked\r\nx: y\r\nCONTENT-LENGTH: 5\r\n",
        "Content-Length: 5\nContent-Length: 43\n", "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"};
    bed_start(&b, "");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "%sPOST /livez HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\n"
                       "GET /livez HTTP/1.1\r\n" HOST "\r\n",
                       i == 0 ? "\r\n" : "", heads[i]);
        const char *text = ask(&b, request, "never"); /* until closed */
        assert_memory_equal(text, "HTTP/1.1 400 ", 13);
        assert_non_null(strstr(text, "Connection: close\r\n"));
        assert_non_null(strstr(text, "content-type: application/problem+json"));
        assert_non_null(strstr(text, "\"/problems/bad_request\""));
        assert_null(strstr(text + 1, "HTTP/1.1"));
    }
    /* framed once, even if the body or a value speaks of it, it is a request like others */
    static const char *const fine[] = {
        "Content-Length: 47\r\n\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "x: Content-Length: 5\r\nx-content-length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request,
                       "POST /livez HTTP/1.1\r\n" HOST "%sGET /livez HTTP/1.1\r\n" HOST "\r\n",
                       fine[i]);
        const char *text = ask(&b, request, "ok\n");
        assert_memory_equal(text, "HTTP/1.1 405 ", 13);
        assert_non_null(strstr(text, "HTTP/1.1 200 OK"));
    }
    bed_stop(&b);
}

static void given_a_slow_client_when_it_dribbles_then_others_are_served(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    int slow = dial(&b);
    static const char request[] = "GET /livez HTTP/1.1\r\n" HOST "\r\n";
    for (size_t i = 0; i < sizeof request - 1; i++) {
        char one[2] = {request[i], '\0'};
        say(slow, one);
        if (i % 8 == 0) {
            assert_non_null(strstr(ask(&b, request, "ok\n"), "ok\n"));
        }
    }
    assert_non_null(strstr(hear(slow, "ok\n", 1), "ok\n"));
    (void)close(slow);
    bed_stop(&b);
}

/* Somebody who asked and left must not take the place of who comes later. */
static void given_a_waiter_that_left_when_another_comes_then_there_is_room(void **state)
{
    (void)state;
    struct bed b;
    static const char request[] =
        "GET /api/v1/namespaces/shop/rollouts/Deployment/web/wait?timeout=600 HTTP/1.1\r\n" HOST
        "\r\n";
    bed_start(&b, "http: {max_waiters: 1}\n");
    int first = dial(&b);
    say(first, request);
    struct pollfd p = {.fd = first, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 300), 0); /* it waits */
    assert_non_null(strstr(ask(&b, request, "}"), "HTTP/1.1 429 "));
    (void)close(first);
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    bool parked = false;
    while (!parked && clock_mono_ms() < until) {
        p.fd = dial(&b);
        say(p.fd, request);
        parked = poll(&p, 1, 300) == 0;
        (void)close(p.fd);
    }
    assert_true(parked);
    bed_stop(&b);
}

static void given_a_redelivery_when_posted_then_the_writer_gets_a_command(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    const char *text =
        ask(&b, "POST /api/v1/deliveries/1/redeliver HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
            "}");
    assert_non_null(strstr(text, "HTTP/1.1 202 Accepted"));
    void *item = NULL;
    assert_int_equal(queue_drain(b.queue, &item, 1, 1000), 1);
    struct change *c = item;
    assert_int_equal(c->command, COMMAND_REDELIVER);
    assert_int_equal(c->number, 1);
    change_free(c);
    text =
        ask(&b, "POST /api/v1/deliveries/9/redeliver HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
            "}");
    assert_non_null(strstr(text, "HTTP/1.1 404 "));
    bed_stop(&b);
}

/* ---- streams ---- */

/* Reads from all until each has heard `want` since the last time; 0 = everyone did. */
static int hear_all(const int *fds, char (*last)[64], int n, const char *want)
{
    static struct pollfd p[READERS];
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    int left = n;
    for (int i = 0; i < n; i++) {
        p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        last[i][0] = '\0';
    }
    while (left > 0 && clock_mono_ms() < until && poll(p, (nfds_t)n, 500) >= 0) {
        for (int i = 0; i < n; i++) {
            char chunk[16384];
            if ((p[i].revents & POLLIN) == 0) {
                continue;
            }
            ssize_t got = recv(fds[i], chunk, sizeof chunk - 1, 0);
            assert_true(got > 0);
            chunk[got] = '\0';
            /* the end of the last piece and this one: what is wanted may lie across */
            char both[64 + 16384];
            (void)snprintf(both, sizeof both, "%.63s%s", last[i], chunk);
            size_t len = strlen(both);
            if (p[i].events != 0 && strstr(both, want) != NULL) {
                p[i].events = 0;
                left--;
            }
            (void)snprintf(last[i], 64, "%s", both + (len > 63 ? len - 63 : 0));
        }
    }
    return left;
}

static void
given_many_readers_and_a_stuck_one_when_news_come_then_all_others_hear_them(void **state)
{
    (void)state;
    struct bed b;
    static int fds[READERS];
    static char last[READERS][64];
    bed_start(&b, "threads: 2\nhttp: {max_streams: 5000, drain: 500ms}\n");
    int stuck = dial(&b);
    int small = 64 << 10;
    assert_int_equal(setsockopt(stuck, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    say(stuck, "GET /api/v1/events HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < READERS; i++) {
        fds[i] = dial(&b);
        say(fds[i], "GET /api/v1/events?q=web HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_int_equal(hear_all(fds, last, READERS, "retry: 3000"), 0);
    /* enough for the stuck one to fill every buffer on its way, while the others get one event */
    sql(&b.f, "UPDATE workload SET images = json_array(hex(zeroblob(500000))) WHERE id = 2");
    for (int round = 0; round < 24; round++) {
        char want[64];
        for (int k = 0; k < 10; k++) {
            publish(&b, 2, "db");
        }
        publish(&b, 1, "web");
        (void)snprintf(want, sizeof want, "id: %lld\n", (long long)b.revision);
        assert_int_equal(hear_all(fds, last, READERS, want), 0);
    }
    /* it had one send under way all the time, and missed the rest */
    bool resynced = false;
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!resynced && clock_mono_ms() < until) {
        static char chunk[1 << 20];
        ssize_t got = recv(stuck, chunk, sizeof chunk - 1, 0);
        assert_true(got > 0);
        chunk[got] = '\0';
        resynced = strstr(chunk, "event: resync") != NULL;
    }
    assert_true(resynced);
    for (int i = 0; i < READERS; i++) {
        (void)close(fds[i]);
    }
    int64_t before = clock_mono_ms();
    api_stop(b.api); /* with one stuck and many closed streams */
    assert_in_range(clock_mono_ms() - before, 0, 3000);
    (void)close(stuck);
    bed_stop(&b);
}

/* ---- reload, stop, address, TLS ---- */

static void given_tokens_when_reloaded_then_they_are_wanted(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "threads: 2\n");
    assert_non_null(
        strstr(ask(&b, "GET /api/v1/summary HTTP/1.1\r\n" HOST "\r\n", "}"), " 200 OK"));
    const struct config *fresh = config_of(
        &b, "access: {tokens: [{name: ci, sha256: "
            "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b}]}\n"); /* secret */
    api_reload(b.api, fresh);
    config_unref(fresh);
    const char *text = "";
    for (int i = 0; i < 200 && strstr(text, " 401 ") == NULL; i++) { /* the message is on its way */
        text = ask(&b, "GET /api/v1/summary HTTP/1.1\r\n" HOST "\r\n", "}");
    }
    assert_non_null(strstr(text, " 401 "));
    assert_non_null(strstr(text, "www-authenticate: Bearer"));
    for (int i = 0; i < 200; i++) {
        text =
            ask(&b, "GET /api/v1/summary HTTP/1.1\r\n" HOST "Authorization: Bearer secret\r\n\r\n",
                "}");
        assert_non_null(strstr(text, " 200 OK"));
    }
    assert_non_null(strstr(ask(&b, "GET /livez HTTP/1.1\r\n" HOST "\r\n", "ok\n"), " 200 OK"));
    bed_stop(&b);
}

struct load {
    struct bed *b;
    atomic_bool stop;
    atomic_uint answers;
    atomic_uint broken;
};

static void *hammer(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->stop)) {
        struct sockaddr_in sin = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)l->b->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool open = fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0;
        while (open && !atomic_load(&l->stop)) {
            char text[16384];
            size_t n = 0;
            say(fd, "GET /api/v1/rollouts HTTP/1.1\r\n" HOST "\r\n");
            do {
                ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
                open = got > 0;
                n += got > 0 ? (size_t)got : 0;
                text[n] = '\0';
            } while (open && strstr(text, "\"sources\":[") == NULL);
            /* an answer that began must have ended */
            (void)atomic_fetch_add(
                n > 0 && strstr(text, "\"sources\":[") == NULL ? &l->broken : &l->answers, 1);
            open = open && strstr(text, "Connection: close") == NULL;
        }
        (void)(fd >= 0 && close(fd));
    }
    return NULL;
}

static void given_load_when_stopped_then_every_answer_begun_is_whole(void **state)
{
    (void)state;
    struct bed b;
    struct load l = {.b = &b};
    pthread_t threads[4];
    bed_start(&b, "threads: 2\n");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &l), 0);
    }
    while (atomic_load(&l.answers) < 200) {
        publish(&b, 1, "web");
        (void)poll(NULL, 0, 5);
    }
    int64_t before = clock_mono_ms();
    api_stop(b.api);
    assert_in_range(clock_mono_ms() - before, 0, 3000);
    atomic_store(&l.stop, true);
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&l.broken), 0);
    publish(&b, 1, "web"); /* the writer goes on after us */
    bed_stop(&b);
}

static void given_a_taken_address_when_bound_then_an_error_that_names_it(void **state)
{
    (void)state;
    struct bed b;
    bed_start(&b, "");
    struct err err = {0};
    struct api *second = NULL;
    char yaml[256];
    int n = snprintf(yaml, sizeof yaml, "listen: 127.0.0.1:%d\ndb: %s\n", b.port, b.f.path);
    const struct config *c = NULL;
    assert_true(config_parse("test", yaml, (size_t)n, &c, &err));
    struct api_options opt = {.config = c, .feed = b.feed, .writer_in = b.queue};
    assert_false(api_new(&opt, &second, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.text, "127.0.0.1:"));
    config_unref(c);
    bed_stop(&b);
}

static void shake_hands(int fd)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(fd);
}

static void given_a_certificate_when_configured_then_https(void **state)
{
    (void)state;
    struct bed b;
    char cert[] = "/tmp/gatehouse-cert-XXXXXX";
    char key[] = "/tmp/gatehouse-key-XXXXXX";
    char more[256];
    (void)close(mkstemp(cert));
    (void)close(mkstemp(key));
    write_certificate(cert, key);
    (void)snprintf(more, sizeof more, "http: {tls_cert: %s, tls_key: %s, drain: 200ms}\n", cert,
                   key);
    bed_start(&b, more);
    CURL *curl = curl_easy_init();
    AUTO(buf) body = BUF_INIT(1 << 20);
    char url[128];
    (void)snprintf(url, sizeof url, "https://localhost:%d/api/v1/rollouts", b.port);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO, cert);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip");
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    int early = -1;
    for (int i = 0; i < 2; i++) { /* the second after a reload of the certificate */
        buf_clear(&body);
        (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
        CURLcode rc = curl_easy_perform(curl);
        if (rc != CURLE_OK) {
            fail_msg("%s", curl_easy_strerror(rc));
        }
        json_t *v = parsed(buf_str(&body)); /* unpacked by curl */
        assert_int_equal(json_array_size(at(v, "items")), 6);
        json_decref(v);
        if (i == 1) { /* comes while the second certificate stands, says hello when it is gone */
            early = dial(&b);
            (void)poll(NULL, 0, 100);
        }
        api_reload(b.api, b.config);
    }
    curl_easy_cleanup(curl);
    (void)poll(NULL, 0, 200); /* the last reload has come to the loop */
    shake_hands(early);
    int fd = dial(&b);
    say(fd, "GET /livez HTTP/1.1\r\n" HOST "\r\n");
    (void)shutdown(fd, SHUT_WR);
    assert_null(strstr(hear(fd, "", 0), "200"));
    (void)close(fd);
    bed_stop(&b);
    struct err err = {0};
    struct api *api = NULL;
    assert_int_equal(truncate(key, 10), 0);
    struct fixture unused = {0};
    (void)unused;
    const struct config *c = NULL;
    char yaml[512];
    int n = snprintf(yaml, sizeof yaml, "listen: 127.0.0.1:0\nhttp: {tls_cert: %s, tls_key: %s}\n",
                     cert, key);
    assert_true(config_parse("test", yaml, (size_t)n, &c, &err));
    struct feed *feed = feed_new(4);
    struct api_options opt = {.config = c, .feed = feed};
    assert_false(api_new(&opt, &api, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, key));
    feed_free(feed);
    config_unref(c);
    (void)unlink(cert);
    (void)unlink(key);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_connection_when_kept_then_requests_follow_even_pipelined),
        cmocka_unit_test(given_an_etag_when_sent_back_then_304_and_gzip_has_its_own),
        cmocka_unit_test(given_ceilings_when_passed_then_clear_answers),
        cmocka_unit_test(given_a_body_framed_twice_when_sent_then_refused_and_closed),
        cmocka_unit_test(given_a_slow_client_when_it_dribbles_then_others_are_served),
        cmocka_unit_test(given_a_waiter_that_left_when_another_comes_then_there_is_room),
        cmocka_unit_test(given_a_redelivery_when_posted_then_the_writer_gets_a_command),
        cmocka_unit_test(
            given_many_readers_and_a_stuck_one_when_news_come_then_all_others_hear_them),
        cmocka_unit_test(given_tokens_when_reloaded_then_they_are_wanted),
        cmocka_unit_test(given_load_when_stopped_then_every_answer_begun_is_whole),
        cmocka_unit_test(given_a_taken_address_when_bound_then_an_error_that_names_it),
        cmocka_unit_test(given_a_certificate_when_configured_then_https),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
