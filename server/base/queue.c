/* The bounded queue: a ring under one mutex. The lock is held for pointer moves only. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

struct slot {
    void *item;
    size_t weight;
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_empty;
    pthread_cond_t not_full;
    struct slot *ring;
    size_t max_items;
    size_t max_weight;
    size_t head; /* next to drain */
    size_t count;
    size_t weight;
    uint64_t pushed;
    uint64_t found_full;
    bool closed;
    bool closing; /* the next push that finds it full closes it */
};

struct queue *queue_new(size_t max_items, size_t max_weight)
{
    struct queue *q = xcalloc(1, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    clock_cond_init(&q->not_empty);
    clock_cond_init(&q->not_full);
    q->ring = xcalloc(max_items, sizeof *q->ring);
    q->max_items = max_items;
    q->max_weight = max_weight;
    return q;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
    if (q == NULL) {
        return;
    }
    for (size_t i = 0; i < q->count && drop != NULL; i++) {
        drop(q->ring[(q->head + i) % q->max_items].item);
    }
    pthread_cond_destroy(&q->not_empty);
    pthread_cond_destroy(&q->not_full);
    pthread_mutex_destroy(&q->lock);
    free(q->ring);
    free(q);
}

static bool has_room(const struct queue *q, size_t weight)
{
    return q->count == 0 || (q->count < q->max_items && q->weight + weight <= q->max_weight);
}

static void put(struct queue *q, void *item, size_t weight)
{
    q->ring[(q->head + q->count) % q->max_items] = (struct slot){item, weight};
    q->count++;
    q->weight += weight;
    q->pushed++;
    pthread_cond_signal(&q->not_empty);
}

static struct timespec deadline_in(int timeout_ms)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += timeout_ms / 1000;
    ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

/* Waits once; false when the deadline has passed. timeout_ms < 0 waits for ever. */
static bool wait_on(pthread_cond_t *cond, struct queue *q, int timeout_ms,
                    const struct timespec *deadline)
{
    if (timeout_ms < 0) {
        pthread_cond_wait(cond, &q->lock);
        return true;
    }
    return pthread_cond_timedwait(cond, &q->lock, deadline) != ETIMEDOUT;
}

static void close_locked(struct queue *q)
{
    q->closed = true;
    pthread_cond_broadcast(&q->not_empty);
    pthread_cond_broadcast(&q->not_full);
}

enum queue_result queue_push(struct queue *q, void *item, size_t weight, int timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms > 0 ? timeout_ms : 0);
    enum queue_result result = QUEUE_OK;
    pthread_mutex_lock(&q->lock);
    if (!q->closed && !has_room(q, weight)) {
        q->found_full++;
        while (timeout_ms != 0 && !q->closed && !q->closing && !has_room(q, weight) &&
               wait_on(&q->not_full, q, timeout_ms, &deadline)) {
        }
        if (q->closing && !has_room(q, weight)) {
            close_locked(q);
        }
    }
    if (q->closed) {
        result = QUEUE_CLOSED;
    } else if (!has_room(q, weight)) {
        result = QUEUE_FULL;
    } else {
        put(q, item, weight);
    }
    pthread_mutex_unlock(&q->lock);
    return result;
}

enum queue_result queue_try_push(struct queue *q, void *item, size_t weight)
{
    return queue_push(q, item, weight, 0);
}

size_t queue_drain(struct queue *q, void **items, size_t max, int timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms > 0 ? timeout_ms : 0);
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    while (q->count == 0 && !q->closed && timeout_ms != 0 &&
           wait_on(&q->not_empty, q, timeout_ms, &deadline)) {
    }
    for (; n < max && q->count > 0; n++) {
        struct slot *s = &q->ring[q->head];
        items[n] = s->item;
        q->weight -= s->weight;
        q->head = (q->head + 1) % q->max_items;
        q->count--;
    }
    if (n > 0) {
        pthread_cond_broadcast(&q->not_full);
    }
    pthread_mutex_unlock(&q->lock);
    return n;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    close_locked(q);
    pthread_mutex_unlock(&q->lock);
}

void queue_close_when_full(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    pthread_cond_broadcast(&q->not_full);
    pthread_mutex_unlock(&q->lock);
}

struct queue_stats queue_stats(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct queue_stats s = {q->count, q->weight, q->pushed, q->found_full};
    pthread_mutex_unlock(&q->lock);
    return s;
}
