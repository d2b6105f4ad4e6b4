/*
 * Polling 1,000 target groups of 50 targets: CPU of this process per poll, with signing, parsing
 * and comparing, beside a bare libcurl call that reuses its connection, in one run against one
 * local server (a child process, HTTPS as AWS has it, keep-alive). Prints ratios; judges nothing.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/http.h"
#include "source/elb_poll.h"

enum { GROUPS = 1000, TARGETS = 50, CALLS = 5000, PARALLEL = 32, TURNS = 3 };

/* ---- the server: one thread a connection, one canned answer ---- */

static struct buf page;
static SSL_CTX *tls;
static char cert_path[64];

/* A certificate of its own, for one run. */
static void make_certificate(void)
{
    char key_path[64];
    (void)snprintf(cert_path, sizeof cert_path, "/tmp/gatehouse-bench-%d.crt", (int)getpid());
    (void)snprintf(key_path, sizeof key_path, "/tmp/gatehouse-bench-%d.key", (int)getpid());
    const char *const argv[] = {
        "openssl", "req",    "-x509", "-newkey",       "rsa:2048", "-nodes",
        "-days",   "2",      "-subj", "/CN=localhost", "-addext",  "subjectAltName=IP:127.0.0.1",
        "-keyout", key_path, "-out",  cert_path,       NULL};
    struct child openssl = {.argv = argv, .timeout_ms = 20000, .what = "openssl"};
    AUTO(buf) out = BUF_INIT(65536);
    struct err err = {0};
    tls = SSL_CTX_new(TLS_server_method());
    if (!child_run(&openssl, &out, &err) ||
        SSL_CTX_use_certificate_file(tls, cert_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key_path, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "certificate: %s\n", err.text);
        exit(1);
    }
    (void)unlink(key_path);
}

static void make_page(void)
{
    struct buf xml = BUF_INIT(1 << 20);
    (void)buf_addz(&xml, "<DescribeTargetHealthResponse xmlns=\"http://elasticloadbalancing."
                         "amazonaws.com/doc/2015-12-01/\"><DescribeTargetHealthResult>"
                         "<TargetHealthDescriptions>");
    for (int i = 0; i < TARGETS; i++) {
        (void)buf_addf(&xml,
                       "<member><HealthCheckPort>8080</HealthCheckPort><Target><Id>10.0.%d.%d</Id>"
                       "<Port>8080</Port><AvailabilityZone>eu-west-1a</AvailabilityZone></Target>"
                       "<TargetHealth><State>healthy</State></TargetHealth></member>",
                       i / 250, i % 250);
    }
    (void)buf_addz(&xml, "</TargetHealthDescriptions></DescribeTargetHealthResult>"
                         "<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
                         "</DescribeTargetHealthResponse>");
    buf_init(&page, 1 << 20);
    (void)buf_addf(
        &page, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n", xml.len);
    (void)buf_add(&page, buf_str(&xml), xml.len);
    buf_fini(&xml);
}

/* Bytes of one whole request at the front, 0 = not whole yet. */
static size_t request_length(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "content-length:");
    if (end == NULL) {
        return 0;
    }
    size_t body = length != NULL && length < end ? strtoul(length + 15, NULL, 10) : 0;
    size_t need = (size_t)(end + 4 - text) + body;
    return strlen(text) >= need ? need : 0;
}

static void *serve_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char in[16384];
    size_t len = 0;
    int n = 0;
    SSL *ssl = SSL_new(tls);
    (void)SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) != 1) {
        SSL_free(ssl);
        (void)close(fd);
        return NULL;
    }
    while ((n = SSL_read(ssl, in + len, (int)(sizeof in - 1 - len))) > 0) {
        len += (size_t)n;
        in[len] = '\0';
        size_t used = request_length(in);
        if (used > 0) {
            memmove(in, in + used, len - used + 1);
            len -= used;
            if (SSL_write(ssl, page.data, (int)page.len) <= 0) {
                break;
            }
        }
    }
    SSL_free(ssl);
    (void)close(fd);
    return NULL;
}

static void serve(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        int one = 1;
        pthread_t t;
        if (fd < 0) {
            _exit(0);
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&t, NULL, serve_connection, (void *)(intptr_t)fd) == 0) {
            (void)pthread_detach(t);
        }
    }
}

static int start_server(pid_t *ret_pid)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        perror("listen");
        exit(1);
    }
    *ret_pid = fork();
    if (*ret_pid == 0) {
        serve(fd);
    }
    (void)close(fd);
    return ntohs(a.sin_port);
}

/* ---- both sides ---- */

static double cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static double bare(const char *url)
{
    CURLM *multi = curl_multi_init();
    CURL *easy[PARALLEL];
    int started = 0;
    int done = 0;
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L * PARALLEL);
    for (int i = 0; i < PARALLEL; i++) {
        easy[i] = curl_easy_init();
        curl_easy_setopt(easy[i], CURLOPT_URL, url);
        curl_easy_setopt(easy[i], CURLOPT_CAINFO, cert_path);
        curl_easy_setopt(easy[i], CURLOPT_POSTFIELDS, "Action=DescribeTargetHealth");
        curl_easy_setopt(easy[i], CURLOPT_WRITEFUNCTION, drop);
        (void)curl_multi_add_handle(multi, easy[i]);
        started++;
    }
    double begin = cpu_us();
    while (done < CALLS) {
        int running = 0;
        int left = 0;
        CURLMsg *m = NULL;
        (void)curl_multi_perform(multi, &running);
        while ((m = curl_multi_info_read(multi, &left)) != NULL) {
            CURL *e = m->easy_handle;
            done++;
            (void)curl_multi_remove_handle(multi, e);
            if (started < CALLS) {
                (void)curl_multi_add_handle(multi, e);
                started++;
            }
        }
        (void)curl_multi_poll(multi, NULL, 0, 100, NULL);
    }
    double us = (cpu_us() - begin) / CALLS;
    for (int i = 0; i < PARALLEL; i++) {
        curl_easy_cleanup(easy[i]);
    }
    (void)curl_multi_cleanup(multi);
    return us;
}

static const char *bench_env(const char *name)
{
    if (strcmp(name, "AWS_ACCESS_KEY_ID") == 0) {
        return "AKIDEXAMPLE";
    }
    if (strcmp(name, "AWS_CA_BUNDLE") == 0) {
        return cert_path;
    }
    return strcmp(name, "AWS_SECRET_ACCESS_KEY") == 0 ? "secret" : NULL;
}

static void drain(struct queue *q, uint64_t *changed, uint64_t *same)
{
    void *items[64];
    size_t n = 0;
    while ((n = queue_drain(q, items, 64, 0)) > 0) {
        for (size_t i = 0; i < n; i++) {
            struct change *c = items[i];
            if (c->type == CHANGE_TARGETS) {
                *(c->unchanged ? same : changed) += 1;
            }
            change_free(c);
        }
    }
}

static void finish_all(struct elb_poll *p, bool again_now)
{
    int left = 0;
    CURLMsg *m = NULL;
    while ((m = curl_multi_info_read(p->multi, &left)) != NULL) {
        char *call = NULL;
        CURLcode rc = m->data.result;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
        elb_poll_finish(p, (struct elb_call *)(void *)call, rc, clock_mono_ms());
    }
    for (struct elb_group_state *g = p->groups; again_now && g != NULL; g = g->next) {
        g->health_due = g->health_busy ? g->health_due : 0;
        g->describe_due = INT64_MAX; /* health is what is measured */
    }
}

static double polled(const char *url, double *connections)
{
    struct elb_options opt = {.rate = 1e9,
                              .burst = 1e9,
                              .endpoint = url,
                              .hot_interval_ms = 1000,
                              .idle_interval_ms = 1000};
    struct queue *q = queue_new(1 << 20, (size_t)1 << 30);
    struct elb_poll p = {.options = &opt, .arena = arena_new(0), .env = aws_env_real(), .out = q};
    p.env.getenv = bench_env;
    p.profiles.chosen = "default";
    p.base = (struct aws_identity){
        .env = &p.env, .profiles = &p.profiles, .provider = AWS_PROVIDER_ENVIRONMENT};
    p.multi = curl_multi_init();
    (void)curl_multi_setopt(p.multi, CURLMOPT_MAXCONNECTS, 2L * ELB_CALLS_MAX);
    static char arns[GROUPS][120];
    static struct elb_wish wishes[GROUPS];
    for (int i = 0; i < GROUPS; i++) {
        (void)snprintf(arns[i], sizeof arns[i],
                       "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/g%d/1", i);
        wishes[i] =
            (struct elb_wish){.arn = arns[i], .role_arn = "", .external_id = "", .hot = true};
    }
    elb_poll_take(&p, wishes, GROUPS);
    finish_all(&p, true);
    uint64_t changed = 0;
    uint64_t same = 0;
    double begin = cpu_us();
    while (changed + same < CALLS) {
        (void)elb_poll_start(&p, clock_mono_ms());
        int running = 0;
        (void)curl_multi_perform(p.multi, &running);
        finish_all(&p, true);
        drain(q, &changed, &same);
        (void)curl_multi_poll(p.multi, NULL, 0, 1, NULL);
    }
    double us = (cpu_us() - begin) / (double)(changed + same);
    *connections = (double)p.m_connections / (double)p.m_calls;
    (void)printf("  polls %llu, changed answers %llu, connections %llu\n",
                 (unsigned long long)(changed + same), (unsigned long long)changed,
                 (unsigned long long)p.m_connections);
    elb_poll_fini(&p);
    drain(q, &changed, &same);
    queue_free(q, NULL);
    return us;
}

/* Reading one answer of TARGETS targets: what a changed answer costs more. */
static double parsed(void)
{
    const char *xml = strstr(page.data, "\r\n\r\n") + 4;
    double begin = cpu_us();
    for (int i = 0; i < CALLS; i++) {
        AUTO_PTR(arena) a = arena_new(16384);
        struct elb_target *t = NULL;
        uint32_t n = 0;
        struct err err = {0};
        if (!elb_read_health(xml, strlen(xml), a, &t, &n, &err) || n != TARGETS) {
            (void)fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
    }
    return (cpu_us() - begin) / CALLS;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    make_page();
    make_certificate();
    pid_t pid = 0;
    char url[64];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", start_server(&pid));
    http_global_init();
    double best_bare = 1e9;
    double best_poll = 1e9;
    double connections = 0;
    for (int i = 0; i < TURNS; i++) { /* in turn: A B A B */
        double b = bare(url);
        double p = polled(url, &connections);
        best_bare = b < best_bare ? b : best_bare;
        best_poll = p < best_poll ? p : best_poll;
    }
    (void)printf(
        "elb poll of a group of %d targets: %.0f us CPU; bare reused libcurl call: %.0f us; "
        "ratio %.2f; new connections per call %.4f\n",
        TARGETS, best_poll, best_bare, best_poll / best_bare, connections);
    (void)printf("reading a changed answer costs %.0f us more\n", parsed());
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    (void)unlink(cert_path);
    return 0;
}
