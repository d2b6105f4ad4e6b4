/*
 * Fan-out to the readers of /api/v1/events: 1,000 of them, one of which never reads. From the
 * publishing of a commit to the last byte at the other 999, CPU of the loop, memory of an idle
 * reader; beside a bare loop that writes the same bytes to as many sockets, in turns. Readers are a
 * process of their own. Ratios within one run are the result.
 *
 *   bench_sse_bench [readers [rounds]]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/mem.h"

enum { MAX_READERS = 10000, PAUSE_MS = 250, STUFFING = 24, TAIL = 32 };

static void die(const char *what)
{
    (void)fprintf(stderr, "sse_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the readers' process ---- */

struct reader {
    int fd;
    char tail[TAIL]; /* the newest bytes, to see an end that two reads share */
    size_t tail_len;
    size_t bytes;
    bool done;
};

/* Told over a socket pair: where the readers are, then the end to wait for, again and again.
 * Answers with the time when the last of them had it. */
struct order {
    char want[TAIL];
    int group; /* 0 = of the server, 1 = of the bare loop */
};
struct answer {
    int64_t at_us;
    size_t bytes; /* that one reader got since the last order */
};

static int dial(int port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof sin) != 0) {
        die("connect");
    }
    return fd;
}

static void say(int fd, const char *query)
{
    char text[256];
    int n = snprintf(text, sizeof text, "GET /api/v1/events%s HTTP/1.1\r\nhost: localhost\r\n\r\n",
                     query);
    if (send(fd, text, (size_t)n, 0) != n) {
        die("send");
    }
}

/* Takes what is there; does the stream end with `want` now? */
static bool take(struct reader *r, const char *want)
{
    static char chunk[64 << 10];
    size_t len = strlen(want);
    ssize_t n = recv(r->fd, chunk + TAIL, sizeof chunk - TAIL, 0);
    if (n <= 0) {
        die("recv");
    }
    char *start = chunk + TAIL - r->tail_len;
    memcpy(start, r->tail, r->tail_len);
    size_t all = r->tail_len + (size_t)n;
    r->bytes += (size_t)n;
    r->tail_len = all < TAIL ? all : TAIL - 1;
    memcpy(r->tail, start + all - r->tail_len, r->tail_len);
    return memmem(start, all, want, len) != NULL;
}

static void wait_for(int poll_fd, struct reader *readers, int n, const char *want)
{
    struct epoll_event events[256];
    for (int i = 0; i < n; i++) {
        readers[i].done = false;
        readers[i].bytes = 0;
    }
    for (int left = n; left > 0;) {
        int got = epoll_wait(poll_fd, events, 256, 30000);
        if (got <= 0) {
            die("some readers heard nothing for 30 s");
        }
        for (int i = 0; i < got; i++) {
            struct reader *r = events[i].data.ptr;
            if (take(r, want) && !r->done) {
                r->done = true;
                left--;
            }
        }
    }
}

static int watch(struct reader *readers, int n, int port, const char *query)
{
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &readers[i]};
        readers[i].fd = dial(port);
        if (query != NULL) {
            say(readers[i].fd, query);
        }
        if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, readers[i].fd, &e) != 0) {
            die("epoll");
        }
    }
    return poll_fd;
}

/* Never returns. The stuck ones are sockets that nobody looks at. */
static void be_readers(int line, int n, int server_port, int bare_port)
{
    struct reader *readers[2] = {xcalloc((size_t)n, sizeof **readers),
                                 xcalloc((size_t)n, sizeof **readers)};
    int small = 64 << 10;
    int stuck = dial(server_port);
    (void)setsockopt(stuck, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(stuck, "");
    (void)dial(bare_port);
    int polls[2] = {watch(readers[0], n - 1, server_port, "?q=web"),
                    watch(readers[1], n - 1, bare_port, NULL)};
    struct order o;
    while (recv(line, &o, sizeof o, 0) == (ssize_t)sizeof o) {
        wait_for(polls[o.group], readers[o.group], n - 1, o.want);
        struct answer a = {clock_mono_us(), readers[o.group][0].bytes};
        if (send(line, &a, sizeof a, 0) != (ssize_t)sizeof a) {
            break;
        }
    }
    _exit(0);
}

/* ---- the server ---- */

struct bench {
    char dir[64];
    sqlite3 *db;
    const struct config *config;
    struct feed *feed;
    struct queue *queue;
    struct api *api;
    int64_t revision;
    int line;
    pid_t readers;
    int bare[MAX_READERS]; /* sockets of the bare loop */
    int n;
};

static void sql(struct bench *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = sqlite3_vmprintf(fmt, ap);
    va_end(ap);
    if (sqlite3_exec(b->db, text, NULL, NULL, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(b->db));
    }
    sqlite3_free(text);
}

static void make_database(struct bench *b, const char *path)
{
    glob_t files;
    if (sqlite3_open(path, &b->db) != SQLITE_OK ||
        glob(SOURCE_DIR "/schema/[0-9]*.sql", 0, NULL, &files) != 0) {
        die(path);
    }
    sql(b, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF");
    for (size_t i = 0; i < files.gl_pathc; i++) {
        static char text[1 << 20];
        FILE *f = fopen(files.gl_pathv[i], "re");
        size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
        text[n] = '\0';
        sql(b, "%s", text);
        if (f != NULL) {
            (void)fclose(f);
        }
    }
    globfree(&files);
    sql(b, "INSERT INTO cluster (id, name) VALUES (1, 'default');"
           "INSERT INTO counter VALUES ('revision', 100);"
           "INSERT INTO namespace (id, cluster, name, present) VALUES (1, 1, 'shop', 1)");
    for (int id = 1; id <= 2; id++) {
        sql(b,
            "INSERT INTO workload (id, cluster, ns_id, kind, name, uid, state, rank, since,"
            " started_at, revision, revision_hash, generation, complete, images, desired, updated,"
            " ready, by_state, gates_total, gates_open, usual_p50_ms, usual_p95_ms, usual_from, "
            "rev)"
            " VALUES (%d, 1, 1, 'Deployment', '%s', 'uid', 4, 7, 1760000000000, 1760000000000, '7',"
            " '6c9f8d7b5', 3, 1, '[\"registry.example/team/application:1.2.3\"]', 12, 12, 12,"
            " '{\"serving\":12}', 12, 12, 41000, 96000, 'history', 1)",
            id, id == 1 ? "web" : "other");
    }
    /* what only the stuck one gets, until every buffer on its way is full */
    sql(b, "UPDATE workload SET images = json_array(hex(zeroblob(500000))) WHERE id = 2");
}

static void drop_change(void *c)
{
    change_free(c);
}

static void start(struct bench *b)
{
    char yaml[512];
    char path[96];
    struct err err = {0};
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/gatehouse-sse-XXXXXX");
    if (mkdtemp(b->dir) == NULL) {
        die("mkdtemp");
    }
    (void)snprintf(path, sizeof path, "%s/bench.db", b->dir);
    make_database(b, path);
    int n = snprintf(yaml, sizeof yaml,
                     "{listen: \"127.0.0.1:0\", db: %s, log_level: error,"
                     " http: {max_connections: 20000, max_streams: 20000, drain: 200ms}}",
                     path);
    if (!config_parse("bench", yaml, (size_t)n, &b->config, &err)) {
        die(err.text);
    }
    b->revision = 100;
    b->feed = feed_new(1024);
    feed_start(b->feed, b->revision);
    b->queue = queue_new(64, 1 << 20);
    struct api_options opt = {.config = b->config, .feed = b->feed, .writer_in = b->queue};
    if (!api_new(&opt, &b->api, &err)) {
        die(err.text);
    }
}

static void publish(struct bench *b, int id, const char *name)
{
    sql(b, "UPDATE counter SET n = %lld", (long long)++b->revision);
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

static void pause_ms(int ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000L};
    (void)nanosleep(&t, NULL); /* shorter is fine */
}

/* Resident memory of this process. */
static double resident_kb(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1) {
        die("/proc/self/statm");
    }
    (void)fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static double process_cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* known to be there */
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- measuring ---- */

struct sample {
    double ms;
    double cpu_us; /* of one reader */
};

static void order(struct bench *b, int group, const char *want)
{
    struct order o = {.group = group};
    (void)snprintf(o.want, sizeof o.want, "%s", want);
    if (send(b->line, &o, sizeof o, 0) != (ssize_t)sizeof o) {
        die("the readers are gone");
    }
}

static struct answer answer(struct bench *b)
{
    struct answer a;
    if (recv(b->line, &a, sizeof a, 0) != (ssize_t)sizeof a) {
        die("the readers are gone");
    }
    return a;
}

static struct sample one_event(struct bench *b, size_t *ret_bytes)
{
    char want[TAIL];
    (void)snprintf(want, sizeof want, "id: %lld\n\n", (long long)b->revision + 1);
    order(b, 0, want);
    pause_ms(PAUSE_MS); /* the tick before is over, and the readers listen */
    double cpu = process_cpu_us();
    int64_t from = clock_mono_us();
    publish(b, 1, "web");
    struct answer a = answer(b);
    pause_ms(20); /* what the loop does afterwards is its work, too */
    *ret_bytes = a.bytes;
    return (struct sample){(double)(a.at_us - from) / 1e3, (process_cpu_us() - cpu) / (b->n - 1)};
}

/* The same bytes from a loop that does nothing but write. */
static struct sample one_write(struct bench *b, int round, size_t bytes)
{
    static char text[64 << 10];
    char want[TAIL];
    int n = snprintf(want, sizeof want, "id: b%d\n\n", round);
    bytes = bytes < sizeof text ? bytes : sizeof text;
    memset(text, 'x', bytes);
    memcpy(text + bytes - n, want, (size_t)n);
    order(b, 1, want);
    pause_ms(PAUSE_MS);
    double cpu = process_cpu_us();
    int64_t from = clock_mono_us();
    for (int i = 0; i < b->n; i++) {
        (void)send(b->bare[i], text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL); /* one never reads */
    }
    struct answer a = answer(b);
    pause_ms(20);
    return (struct sample){(double)(a.at_us - from) / 1e3, (process_cpu_us() - cpu) / (b->n - 1)};
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct sample median(const struct sample *s, int n)
{
    double *v = xcalloc((size_t)n, sizeof *v);
    struct sample m;
    for (int i = 0; i < n; i++) {
        v[i] = s[i].ms;
    }
    qsort(v, (size_t)n, sizeof *v, by_size);
    m.ms = v[n / 2];
    for (int i = 0; i < n; i++) {
        v[i] = s[i].cpu_us;
    }
    qsort(v, (size_t)n, sizeof *v, by_size);
    m.cpu_us = v[n / 2];
    free(v);
    return m;
}

static int listen_bare(int *ret_port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sin;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&sin, &len) != 0) {
        die("listen");
    }
    *ret_port = ntohs(sin.sin_port);
    return fd;
}

static void connect_all(struct bench *b)
{
    int pair[2];
    int bare_port = 0;
    struct err err = {0};
    int listener = listen_bare(&bare_port);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) {
        die("socketpair");
    }
    b->readers = fork(); /* before there are threads */
    if (b->readers == 0) {
        (void)close(pair[0]);
        be_readers(pair[1], b->n, api_port(b->api), bare_port);
    }
    (void)close(pair[1]);
    b->line = pair[0];
    if (!api_start(b->api, NULL, &err)) {
        die(err.text);
    }
    pause_ms(PAUSE_MS);
    double before = resident_kb();
    for (int i = 0; i < b->n; i++) { /* they come after all of the server's */
        b->bare[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        int on = 1;
        (void)setsockopt(b->bare[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    order(b, 0, "retry: 3000");
    (void)answer(b);
    (void)printf("%d readers: %.1f KiB resident each while idle\n", b->n,
                 (resident_kb() - before) / b->n);
}

static void measure(struct bench *b, int rounds)
{
    struct sample *ours = xcalloc((size_t)rounds, sizeof *ours);
    struct sample *bare = xcalloc((size_t)rounds, sizeof *bare);
    size_t bytes = 0;
    for (int i = 0; i < STUFFING; i++) {
        publish(b, 2, "other");
        pause_ms(110);
    }
    for (int i = 0; i < rounds; i++) {
        ours[i] = one_event(b, &bytes);
        bare[i] = one_write(b, i, bytes);
    }
    struct sample o = median(ours, rounds);
    struct sample f = median(bare, rounds);
    (void)printf("an event of %zu bytes to %d readers and a stuck one, median of %d:\n", bytes,
                 b->n - 1, rounds);
    (void)printf("  gatehouse  %8.2f ms to the last byte  %6.2f us CPU a reader\n", o.ms, o.cpu_us);
    (void)printf("  bare loop  %8.2f ms                   %6.2f us\n", f.ms, f.cpu_us);
    (void)printf("  ratio      %8.2f                      %6.2f\n", o.ms / f.ms,
                 o.cpu_us / f.cpu_us);
    free(ours);
    free(bare);
}

static void stop(struct bench *b)
{
    char command[128];
    (void)close(b->line);
    (void)waitpid(b->readers, NULL, 0);
    api_stop(b->api);
    api_free(b->api);
    feed_free(b->feed);
    queue_free(b->queue, drop_change);
    config_unref(b->config);
    (void)sqlite3_close(b->db);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    (void)!system(command); /* a folder under /tmp that stays harms nobody */
}

int main(int argc, char **argv)
{
    static struct bench b;
    int rounds = argc > 2 ? atoi(argv[2]) : 40;
    struct rlimit files;
    b.n = argc > 1 ? atoi(argv[1]) : 1000;
    if (b.n < 2 || b.n > MAX_READERS || rounds < 1) {
        (void)fprintf(stderr, "usage: bench_sse_bench [readers [rounds]]\n");
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files); /* what is allowed is always allowed */
    }
    start(&b);
    connect_all(&b);
    measure(&b, rounds);
    stop(&b);
    return 0;
}
