/*
 * The bounded queue between threads: many producers, one consumer. Items move: push takes
 * ownership, drain hands it over. Bounded twice, by items and by weight (bytes), so that a burst of
 * large changes cannot hold more memory than the ceiling. A producer that must not wait uses
 * queue_try_push and keeps its item when the queue is full.
 */
#ifndef GATEHOUSE_BASE_QUEUE_H
#define GATEHOUSE_BASE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/own.h"

struct queue;

enum queue_result { QUEUE_OK, QUEUE_FULL, QUEUE_CLOSED };

struct queue *queue_new(size_t max_items, size_t max_weight);
/* The consumer must have drained it: items still inside are passed to drop (may be NULL). */
void queue_free(struct queue *q, void (*drop)(void *item));

/* Never waits. Takes the item only on QUEUE_OK. An item heavier than max_weight is accepted by an
 * empty queue. Thread: any. */
enum queue_result queue_try_push(struct queue *q, void *item, size_t weight);

/* Waits up to timeout_ms (-1 = until there is room or the queue is closed). Takes the item only on
 * QUEUE_OK. Thread: any. */
enum queue_result queue_push(struct queue *q, void *item, size_t weight, int timeout_ms);

/* Moves up to max items into items[] in order of arrival; waits up to timeout_ms for the first one.
 * Returns how many; 0 on time-out or when closed and empty. Thread: the consumer only. */
size_t queue_drain(struct queue *q, void **items, size_t max, int timeout_ms);

/* No further pushes; waiters wake; what is inside can still be drained. Thread: any. */
void queue_close(struct queue *q);
/* From now on nobody waits for room: a push that finds none closes the queue, so that what comes
 * after the one that was refused is refused as well. */
void queue_close_when_full(struct queue *q);

struct queue_stats {
    size_t items;
    size_t weight;
    uint64_t pushed;     /* since the start */
    uint64_t found_full; /* pushes that found no room */
};
struct queue_stats queue_stats(struct queue *q); /* Thread: any */

#endif
