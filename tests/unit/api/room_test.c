/* The connection cap on real sockets: who is quiet makes room, who has a request under way stays.
 */
#include "unit/api/loop_bed.h"

#include <signal.h>

/* Far from the 30 s after which a quiet connection ends by itself, also on a busy machine. */
enum { CAP = 16, SOON_MS = 5000, NEWCOMERS = 40 };

static const char livez[] = "GET /livez HTTP/1.1\r\n" HOST "\r\n";
static const char wait_long[] =
    "GET /api/v1/namespaces/shop/rollouts/Deployment/web/wait?timeout=600 HTTP/1.1\r\n" HOST "\r\n";
static const char contract[] = "GET /api/v1/openapi.yaml HTTP/1.1\r\n" HOST "\r\n";

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

/* The server has closed it, without a word since. */
static bool is_closed(int fd, int ms)
{
    char c = 0;
    return readable(fd, ms) && recv(fd, &c, 1, 0) <= 0;
}

static int ask_and_stay(const struct bed *b)
{
    int fd = dial(b);
    say(fd, livez);
    if (!readable(fd, SOON_MS)) {
        fail_msg("no answer within %d ms", SOON_MS);
    }
    assert_non_null(strstr(hear(fd, "ok\n", 1), " 200 OK"));
    return fd;
}

/* Many come and stay: each pushes out who was quiet before it, but not one that asks again and
 * again. */
static void come_and_stay(const struct bed *b, int *fds, int regular)
{
    for (int i = 0; i < NEWCOMERS; i++) {
        say(regular, livez);
        assert_non_null(strstr(hear(regular, "ok\n", 1), " 200 OK"));
        fds[i] = ask_and_stay(b);
    }
}

static void close_all(const int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        (void)close(fds[i]);
    }
}

static void read_events(int fd)
{
    say(fd, "GET /api/v1/events HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(hear(fd, "retry: 3000", 1), "text/event-stream"));
}

/* Answers that are too many for every buffer on their way, to one that does not read yet. */
static size_t ask_too_much(const struct bed *b, int *ret_fd)
{
    size_t one = strlen(
        ask(b, "GET /api/v1/openapi.yaml HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "never"));
    size_t times = (16 << 20) / one;
    int small = 16 << 10;
    int fd = dial(b);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    for (size_t i = 0; i < times; i++) {
        say(fd, contract);
    }
    assert_true(readable(fd, SOON_MS));
    *ret_fd = fd;
    return times;
}

static size_t count_answers(int fd, size_t want)
{
    static char chunk[1 << 18];
    static const char mark[] = "HTTP/1.1 200 OK";
    size_t found = 0;
    size_t kept = 0;
    while (found < want && readable(fd, SOON_MS)) {
        ssize_t got = recv(fd, chunk + kept, sizeof chunk - 1 - kept, 0);
        if (got <= 0) {
            break;
        }
        size_t n = kept + (size_t)got;
        chunk[n] = '\0';
        for (const char *p = strstr(chunk, mark); p != NULL; p = strstr(p + 1, mark)) {
            found++;
        }
        kept = n < sizeof mark - 2 ? n : sizeof mark - 2; /* a mark may lie across, never twice */
        memmove(chunk, chunk + n - kept, kept);
    }
    return found;
}

static void given_a_full_house_when_others_come_then_only_the_quiet_make_room(void **state)
{
    (void)state;
    struct bed b;
    int asked[4];
    int silent[3];
    int half[3];
    int others[NEWCOMERS];
    int greedy = -1;
    bed_start(&b, "http: {max_connections: 16, drain: 500ms}\n");
    int stream = dial(&b); /* the oldest of all, and not quiet */
    read_events(stream);
    int waiter = dial(&b);
    say(waiter, wait_long);
    size_t too_much = ask_too_much(&b, &greedy);
    for (int i = 0; i < 3; i++) {
        half[i] = dial(&b);
        say(half[i], i == 0 ? "POST /-/reload HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc"
                            : "GET /livez HTTP/1.1\r\nHost: loc");
        silent[i] = dial(&b);
    }
    for (int i = 0; i < 4; i++) {
        asked[i] = ask_and_stay(&b);
    }
    int regular = ask_and_stay(&b);
    come_and_stay(&b, others, regular);
    for (int i = 0; i < 3; i++) {
        assert_true(is_closed(half[i], SOON_MS));
        assert_true(is_closed(silent[i], SOON_MS));
    }
    for (int i = 0; i < 4; i++) {
        assert_true(is_closed(asked[i], SOON_MS));
    }
    publish(&b, 1, "web");
    assert_non_null(strstr(hear(stream, "event: rollout", 1), "\"web\""));
    assert_false(readable(waiter, 0));
    assert_int_equal(count_answers(greedy, too_much), too_much);
    const char *metrics =
        ask(&b, "GET /metrics HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "never");
    const char *made = strstr(metrics, "\ngatehouse_http_connections_closed_for_room_total ");
    assert_non_null(made);
    assert_in_range(strtol(strchr(made + 1, ' '), NULL, 10), 10, NEWCOMERS + CAP);
    close_all(others, NEWCOMERS);
    close_all(asked, 4);
    close_all(silent, 3);
    close_all(half, 3);
    (void)close(regular);
    (void)close(greedy);
    (void)close(waiter);
    (void)close(stream);
    bed_stop(&b);
}

/* One that takes its time for the first request is not pushed out before. Tried again: a busy
 * machine may take longer than the server waits. */
static bool is_served_when_slow(const struct bed *b)
{
    bool served = false;
    for (int i = 0; i < 10 && !served; i++) {
        int fd = dial(b);
        (void)poll(NULL, 0, 50);
        say(fd, livez);
        served = strstr(hear(fd, "ok\n", 1), " 200 OK") != NULL;
        (void)close(fd);
    }
    return served;
}

static void given_requests_at_the_cap_when_another_comes_then_it_waits_its_turn(void **state)
{
    (void)state;
    struct bed b;
    int fds[CAP];
    bed_start(&b, "http: {max_connections: 16, drain: 500ms}\n");
    for (int i = 0; i < CAP - 1; i++) {
        fds[i] = dial(&b);
        read_events(fds[i]);
    }
    for (int i = 0; i < 3; i++) { /* one place is left: each new one gets it */
        fds[CAP - 1] = ask_and_stay(&b);
        int next = ask_and_stay(&b);
        assert_true(is_closed(fds[CAP - 1], SOON_MS));
        (void)close(fds[CAP - 1]);
        (void)close(next);
    }
    assert_true(is_served_when_slow(&b));
    fds[CAP - 1] = dial(&b);
    read_events(fds[CAP - 1]);
    int late = dial(&b);
    say(late, livez);
    assert_false(readable(late, 600)); /* longer than a quiet one may stay */
    (void)close(fds[3]);
    publish(&b, 1, "web"); /* h2o notices at the second write that it has left */
    (void)poll(NULL, 0, 200);
    publish(&b, 1, "web");
    assert_true(readable(late, SOON_MS));
    assert_non_null(strstr(hear(late, "ok\n", 1), " 200 OK"));
    (void)close(late);
    fds[3] = late;
    for (int i = 0; i < CAP; i++) {
        (void)(i != 3 && close(fds[i]));
    }
    bed_stop(&b);
}

/* Whoever opens connections and never begins TLS keeps out nobody either. */
static void given_connections_that_never_begin_tls_when_another_comes_then_it_is_served(void **st)
{
    (void)st;
    struct bed b;
    int fds[3 * CAP];
    char cert[] = "/tmp/gatehouse-cert-XXXXXX";
    char key[] = "/tmp/gatehouse-key-XXXXXX";
    char text[256];
    (void)close(mkstemp(cert));
    (void)close(mkstemp(key));
    write_certificate(cert, key);
    (void)snprintf(text, sizeof text,
                   "http: {max_connections: 16, tls_cert: %s, tls_key: %s, drain: 200ms}\n", cert,
                   key);
    bed_start(&b, text);
    for (int i = 0; i < 3 * CAP; i++) {
        fds[i] = dial(&b);
        if (i % 2 == 0) {
            say(fds[i], "\x16\x03\x01\x02"); /* the first bytes of a hello */
        }
    }
    CURL *curl = curl_easy_init();
    AUTO(buf) body = BUF_INIT(1 << 20);
    (void)snprintf(text, sizeof text, "https://localhost:%d/livez", b.port);
    (void)curl_easy_setopt(curl, CURLOPT_URL, text);
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO, cert);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)SOON_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode rc = curl_easy_perform(curl);
    assert_string_equal(curl_easy_strerror(rc), curl_easy_strerror(CURLE_OK));
    assert_string_equal(buf_str(&body), "ok\n");
    curl_easy_cleanup(curl);
    close_all(fds, 3 * CAP);
    bed_stop(&b);
    (void)unlink(cert);
    (void)unlink(key);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_full_house_when_others_come_then_only_the_quiet_make_room),
        cmocka_unit_test(given_requests_at_the_cap_when_another_comes_then_it_waits_its_turn),
        cmocka_unit_test(
            given_connections_that_never_begin_tls_when_another_comes_then_it_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
