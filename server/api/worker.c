/* One loop's part that knows no sockets: set-up, news, beats, request log (see worker.h). */
#include "api/worker.h"

#include <string.h>
#include <time.h>

#include "api/sse.h"
#include "api/wait.h"
#include "base/clock.h"
#include "base/log.h"

const int64_t latency_bounds_us[LATENCY_BUCKETS] = {100,   250,   500,   1000,   2500,   5000,
                                                    10000, 25000, 50000, 100000, 250000, 1000000};

/* The name under which the store keeps the cluster that this process watches. */
static const char *home_cluster(const struct shared *shared)
{
    const char *name = shared->opt.config->cluster;
    if (name[0] != '\0') {
        return name;
    }
    return shared->opt.kube != NULL ? kube_source_context(shared->opt.kube) : "default";
}

bool worker_init(struct worker *w, struct shared *shared, unsigned index, struct err *err)
{
    *w = (struct worker){.shared = shared, .index = index};
    if (!reader_open(shared->opt.config->db, &w->reader, err)) {
        return false;
    }
    w->config = config_ref(shared->opt.config);
    reader_set_config(w->reader, w->config);
    reader_set_home(w->reader, home_cluster(shared));
    w->hub = hub_new(w);
    w->waiters = waiters_new(w);
    return true;
}

void worker_fini(struct worker *w)
{
    hub_free(w->hub);
    waiters_free(w->waiters);
    reader_close(w->reader);
    config_unref(w->config);
    buf_fini(&w->tail.brief);
    buf_fini(&w->tail.all);
    *w = (struct worker){0};
}

void worker_reload(struct worker *w, const struct config *config)
{
    config_unref(w->config);
    w->config = config_ref(config);
    reader_set_config(w->reader, w->config);
}

void worker_begin(struct exchange *x)
{
    if (x->waiter != NULL) {
        wait_begin(x);
    } else {
        sse_begin(x);
    }
}

void worker_written(struct exchange *x)
{
    if (x->waiter != NULL) {
        wait_written(x);
    } else {
        sse_written(x); /* knows one that has ended */
    }
}

void worker_gone(struct worker *w, struct exchange *x)
{
    (void)w;
    waiter_gone(x);
    sse_gone(x);
}

void worker_block(struct worker *w, const struct feed_block *b)
{
    hub_block(w->hub, b);
    waiters_block(w->waiters, b);
}

int64_t worker_wait_ms(const struct worker *w, int64_t now_ms)
{
    return hub_wait_ms(w->hub, now_ms, waiters_touched(w->waiters));
}

void worker_tick(struct worker *w, int64_t now_ms)
{
    waiters_tick(w->waiters);
    hub_tick(w->hub, now_ms);
}

void worker_beat(struct worker *w, int64_t now_ms)
{
    waiters_beat(w->waiters, now_ms);
    hub_beat(w->hub, now_ms);
}

void worker_drain(struct worker *w)
{
    w->draining = true;
    waiters_close(w->waiters);
    hub_close(w->hub);
}

static void count_latency(struct counters *c, int64_t us)
{
    int i = 0;
    while (i < LATENCY_BUCKETS && us > latency_bounds_us[i]) {
        i++;
    }
    (void)atomic_fetch_add(&c->latency[i], 1);
    (void)atomic_fetch_add(&c->latency_us, (uint64_t)us);
}

static const char *method_text(const struct request *req)
{
    switch (req->method) {
    case METHOD_GET:
        return req->head ? "HEAD" : "GET";
    case METHOD_POST:
        return "POST";
    case METHOD_DELETE:
        return "DELETE";
    case METHOD_OTHER:
        break;
    }
    return "other";
}

void worker_done(struct worker *w, const struct exchange *x)
{
    struct counters *c = &w->shared->counters;
    int status = x->reply.status;
    int64_t us = clock_mono_us() - x->req.started_us;
    (void)atomic_fetch_add(&c->requests[status >= 100 && status < 600 ? status / 100 : 0], 1);
    (void)atomic_fetch_add(&c->bytes, (uint64_t)x->bytes);
    (void)atomic_fetch_add(&c->not_modified, status == 304);
    if (!x->waited) { /* how long a waiter waited says nothing about us */
        count_latency(c, us);
    }
    enum log_level level = status >= 500 && status != 503 ? LOG_LEVEL_WARN
                           : x->req.method == METHOD_GET  ? LOG_LEVEL_DEBUG
                                                          : LOG_LEVEL_INFO;
    if (log_enabled(level)) {
        log_line(level, "request",
                 "method=%s path=\"%.300s\" status=%d bytes=%lld us=%lld id=%s viewer=\"%s\"%s%s%s",
                 method_text(&x->req), x->req.path, status, (long long)x->bytes, (long long)us,
                 x->req.id, x->viewer != NULL ? x->viewer : "",
                 x->fault[0] != '\0' ? " error=\"" : "", x->fault, x->fault[0] != '\0' ? "\"" : "");
    }
}
