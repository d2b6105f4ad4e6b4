/*
 * The deliver thread: reads due deliveries from the outbox on a connection of its own, lets workers
 * make the attempts, and hands each result to the writer as a command. It writes nothing itself.
 *
 * Guarantee: a delivery is pending in the store until a result of it is committed. A crash between
 * attempt and commit repeats the attempt with the same webhook-id and the same bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alert/attempt.h"
#include "alert/deliver_in.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/change.h"

static void deadline_in(struct timespec *ret, int64_t ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, ret);
    ret->tv_sec += ms / 1000;
    ret->tv_nsec += (long)(ms % 1000) * 1000000L;
    if (ret->tv_nsec >= 1000000000L) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000L;
    }
}

/* ---- workers ---- */

static bool is_cut(void *arg)
{
    struct deliver *d = arg;
    return atomic_load(&d->cut);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct deliver *d = w->d;
    log_name_thread("deliver-send");
    (void)pthread_mutex_lock(&d->lock);
    for (;;) {
        while ((w->job == NULL || w->done) && !d->quit) {
            (void)pthread_cond_wait(&d->work, &d->lock);
        }
        if (w->job == NULL || w->done) {
            break;
        }
        struct job *job = w->job;
        (void)pthread_mutex_unlock(&d->lock);
        struct attempt attempt = {job->receiver, job->webhook_id, job->body, is_cut, d};
        job->made = attempt_run(&attempt, &job->result);
        (void)pthread_mutex_lock(&d->lock);
        w->done = true;
        (void)pthread_cond_signal(&d->changed);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool deliver_has_worker(struct deliver *d)
{
    bool has = d->n_workers < WORKERS_MAX;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n_workers && !has; i++) {
        has = d->workers[i].job == NULL;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return has;
}

/* An idle worker, or a new one: they are made as they are needed. */
static struct worker *find_worker(struct deliver *d)
{
    for (size_t i = 0; i < d->n_workers; i++) {
        if (d->workers[i].job == NULL) {
            return &d->workers[i];
        }
    }
    if (d->n_workers == WORKERS_MAX) {
        return NULL;
    }
    struct worker *w = &d->workers[d->n_workers];
    *w = (struct worker){.d = d};
    if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
        return NULL; /* the job waits for an older worker, or the next look */
    }
    d->n_workers++;
    return w;
}

bool deliver_give(struct deliver *d, struct job *job)
{
    (void)pthread_mutex_lock(&d->lock);
    struct worker *w = find_worker(d);
    if (w != NULL) {
        w->job = job;
        (void)pthread_cond_broadcast(&d->work);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return w != NULL;
}

/* Takes back what is done. */
static void collect(struct deliver *d)
{
    struct job *done[WORKERS_MAX];
    size_t n = 0;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n_workers; i++) {
        struct worker *w = &d->workers[i];
        if (w->done) {
            done[n++] = w->job;
            w->job = NULL;
            w->done = false;
        }
    }
    (void)pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        lanes_done(d, done[i]);
    }
}

static bool any_busy(const struct deliver *d)
{
    for (size_t i = 0; i < d->n_workers; i++) {
        if (d->workers[i].job != NULL && !d->workers[i].done) {
            return true;
        }
    }
    return false;
}

/* Grace for what is under way, then the cut; workers end within a second of it. */
static void stop_workers(struct deliver *d)
{
    struct timespec until;
    deadline_in(&until, STOP_GRACE_MS);
    (void)pthread_mutex_lock(&d->lock);
    while (any_busy(d) && pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0) {
    }
    atomic_store(&d->cut, true);
    d->quit = true;
    (void)pthread_cond_broadcast(&d->work);
    (void)pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->n_workers; i++) {
        (void)pthread_join(d->workers[i].thread, NULL);
    }
    collect(d);
    d->n_workers = 0;
}

/* ---- to the writer ---- */

static bool is_stopping(struct deliver *d)
{
    (void)pthread_mutex_lock(&d->lock);
    bool stopping = d->stopping;
    (void)pthread_mutex_unlock(&d->lock);
    return stopping;
}

void deliver_report(struct deliver *d, const struct delivery_result *r)
{
    enum { PATIENCE_MS = 500 };
    struct delivery_result *copy = xmalloc(sizeof *copy);
    *copy = *r;
    struct change *c = change_new(CHANGE_COMMAND, 1024);
    c->command = COMMAND_DELIVERY_RESULT;
    c->received_at = r->at;
    c->number = r->delivery_id;
    c->data = copy;
    c->data_free = free;
    enum queue_result result = QUEUE_FULL;
    do {
        result = queue_push(d->opt.out, c, change_weight(c) + sizeof *copy, PATIENCE_MS);
    } while (result == QUEUE_FULL && !is_stopping(d));
    if (result != QUEUE_OK) {
        change_free(c); /* the attempt will be made again */
    }
}

/* ---- the thread ---- */

static void take_reload(struct deliver *d)
{
    (void)pthread_mutex_lock(&d->lock);
    const struct config *fresh = d->fresh;
    d->fresh = NULL;
    d->woken = false;
    (void)pthread_mutex_unlock(&d->lock);
    if (fresh != NULL) {
        lanes_take(d, fresh);
        config_unref(fresh);
    }
}

static bool anything_done(const struct deliver *d)
{
    for (size_t i = 0; i < d->n_workers; i++) {
        if (d->workers[i].done) {
            return true;
        }
    }
    return false;
}

/* Until something happens or it is time; false when stopping. */
static bool wait_for_news(struct deliver *d, int64_t ms)
{
    struct timespec until;
    deadline_in(&until, ms);
    (void)pthread_mutex_lock(&d->lock);
    while (!d->woken && !d->stopping && d->fresh == NULL && !anything_done(d) &&
           pthread_cond_timedwait(&d->changed, &d->lock, &until) == 0) {
    }
    bool go_on = !d->stopping;
    (void)pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void note_read_error(struct deliver *d, const char *text)
{
    if (strncmp(d->read_error, text, sizeof d->read_error - 1) != 0) {
        size_t n = strnlen(text, sizeof d->read_error - 1);
        memcpy(d->read_error, text, n);
        d->read_error[n] = '\0';
        if (n > 0) {
            log_error("outbox", "error=\"%s\" next=\"in a second\"", text);
        }
    }
}

static void *deliver_main(void *arg)
{
    struct deliver *d = arg;
    log_name_thread("deliver");
    int64_t wait_ms = 0;
    while (wait_for_news(d, wait_ms)) {
        struct err err = {0};
        wait_ms = IDLE_MS;
        take_reload(d);
        collect(d);
        if (!lanes_run(d, &wait_ms, &err)) {
            wait_ms = READ_RETRY_MS;
        }
        note_read_error(d, err.text);
    }
    stop_workers(d);
    return NULL;
}

/* ---- the door ---- */

bool deliver_start(const struct deliver_options *opt, struct deliver **ret, struct err *err)
{
    struct deliver *d = xcalloc(1, sizeof *d);
    (void)pthread_mutex_init(&d->lock, NULL);
    clock_cond_init(&d->changed);
    clock_cond_init(&d->work);
    d->opt = *opt;
    d->opt.resend_ms = opt->resend_ms > 0 ? opt->resend_ms : RESEND_MS;
    d->opt.pause_ms = opt->pause_ms > 0 ? opt->pause_ms : PAUSE_FIRST_MS;
    d->started_at = clock_unix_ms();
    lanes_take(d, opt->config);
    d->opt.config = NULL;
    if (!outbox_reader_open(opt->db_path, &d->outbox, err)) {
        deliver_free(d);
        return false;
    }
    int rc = pthread_create(&d->thread, NULL, deliver_main, d);
    if (rc != 0) {
        deliver_free(d);
        return err_set(err, ERR_BUSY, "thread deliver: %s", strerror(rc));
    }
    d->running = true;
    *ret = d;
    return true;
}

void deliver_wake(void *deliver)
{
    struct deliver *d = deliver;
    (void)pthread_mutex_lock(&d->lock);
    d->woken = true;
    (void)pthread_cond_signal(&d->changed);
    (void)pthread_mutex_unlock(&d->lock);
}

void deliver_reload(struct deliver *d, const struct config *config)
{
    (void)pthread_mutex_lock(&d->lock);
    config_unref(d->fresh);
    d->fresh = config_ref(config);
    (void)pthread_cond_signal(&d->changed);
    (void)pthread_mutex_unlock(&d->lock);
}

void deliver_stop(struct deliver *d)
{
    if (d == NULL || !d->running) {
        return;
    }
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    (void)pthread_cond_broadcast(&d->changed);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    d->running = false;
}

void deliver_free(struct deliver *d)
{
    if (d == NULL) {
        return;
    }
    outbox_reader_close(d->outbox);
    free(d->lanes);
    config_unref(d->config);
    config_unref(d->fresh);
    (void)pthread_cond_destroy(&d->changed);
    (void)pthread_cond_destroy(&d->work);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}
