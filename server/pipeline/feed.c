/*
 * The feed: a ring of the newest commits as immutable refcounted blocks.
 *
 * One writer publishes; any thread takes references. The lock guards the ring's pointers and is
 * held for pointer moves only, never while a block is built, freed or handed to a subscriber.
 * Invariant: the ring holds every published revision above `floor`, in order.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pipeline/pipeline.h"

enum { SUBSCRIBERS = 64 };

struct block {
    struct feed_block b;
    atomic_uint refs;
    /* items, then their texts, follow */
};

struct subscriber {
    void (*fn)(void *arg, const struct feed_block *b);
    void *arg;
};

struct feed {
    pthread_mutex_t lock;
    const struct feed_block **ring;
    size_t size;
    size_t head; /* oldest */
    size_t count;
    int64_t floor; /* a reader that has seen this revision misses nothing that is not in the ring */
    int64_t newest;                             /* 0 = nothing published or started */
    struct subscriber subscribers[SUBSCRIBERS]; /* fixed before start */
    size_t n_subscribers;
};

/* The place of the i-th block from the oldest; i < size. */
static size_t place(const struct feed *f, size_t i)
{
    size_t at = f->head + i;
    return at < f->size ? at : at - f->size;
}

/* The count is the one part of a block that changes. */
static struct block *block_of(const struct feed_block *b)
{
    return (struct block *)((uintptr_t)b - offsetof(struct block, b));
}

const struct feed_block *feed_block_ref(const struct feed_block *b)
{
    (void)atomic_fetch_add_explicit(&block_of(b)->refs, 1, memory_order_relaxed);
    return b;
}

void feed_block_unref(const struct feed_block *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&block_of(b)->refs, 1, memory_order_acq_rel) == 1) {
        free(block_of(b));
    }
}

struct feed *feed_new(size_t ring_size)
{
    struct feed *f = xcalloc(1, sizeof *f);
    (void)pthread_mutex_init(&f->lock, NULL);
    f->size = ring_size > 0 ? ring_size : 1;
    f->ring = xcalloc(f->size, sizeof(void *));
    return f;
}

void feed_free(struct feed *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        feed_block_unref(f->ring[place(f, i)]);
    }
    (void)pthread_mutex_destroy(&f->lock);
    free(f->ring);
    free(f);
}

void feed_subscribe(struct feed *f, void (*fn)(void *arg, const struct feed_block *b), void *arg)
{
    if (f->n_subscribers == SUBSCRIBERS) {
        abort(); /* more loops than the option table allows: our own bug */
    }
    f->subscribers[f->n_subscribers++] = (struct subscriber){fn, arg};
}

void feed_start(struct feed *f, int64_t revision)
{
    (void)pthread_mutex_lock(&f->lock);
    f->floor = revision;
    f->newest = revision;
    (void)pthread_mutex_unlock(&f->lock);
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 1;
}

static const char *put_text(char **at, const char *text)
{
    const char *from = text != NULL ? text : "";
    size_t n = strlen(from) + 1;
    char *to = *at;
    memcpy(to, from, n);
    *at += n;
    return to;
}

/* One allocation: block, items, texts. */
static const struct feed_block *build(const struct commit *c, int64_t at)
{
    size_t size = sizeof(struct block) + sizeof(struct feed_item) * c->n_items;
    for (uint32_t i = 0; i < c->n_items; i++) {
        const struct feed_item *item = &c->items[i];
        size += text_size(item->namespace) + text_size(item->kind) + text_size(item->name);
    }
    struct block *b = xmalloc(size);
    struct feed_item *items = (struct feed_item *)(b + 1);
    char *texts = (char *)(items + c->n_items);
    for (uint32_t i = 0; i < c->n_items; i++) {
        items[i] = c->items[i];
        items[i].namespace = put_text(&texts, c->items[i].namespace);
        items[i].kind = put_text(&texts, c->items[i].kind);
        items[i].name = put_text(&texts, c->items[i].name);
    }
    b->b = (struct feed_block){.revision = c->revision,
                               .at = at,
                               .n = c->n_items,
                               .items = items,
                               .list_changed = c->list_changed,
                               .summary_changed = c->summary_changed,
                               .overflow = c->overflow};
    atomic_init(&b->refs, 1);
    return &b->b;
}

/* Puts the block into the ring; returns the one that had to leave, or NULL. */
static const struct feed_block *ring_put(struct feed *f, const struct feed_block *b)
{
    const struct feed_block *old = NULL;
    (void)pthread_mutex_lock(&f->lock);
    if (f->newest == 0 && f->count == 0) {
        f->floor = b->revision - 1;
    }
    if (f->count == f->size) {
        old = f->ring[f->head];
        f->floor = old->revision;
        f->head = place(f, 1);
        f->count--;
    }
    f->ring[place(f, f->count)] = b;
    f->count++;
    f->newest = b->revision;
    (void)pthread_mutex_unlock(&f->lock);
    return old;
}

void feed_publish(struct feed *f, const struct commit *c, int64_t at)
{
    const struct feed_block *b = build(c, at);
    feed_block_unref(ring_put(f, feed_block_ref(b)));
    for (size_t i = 0; i < f->n_subscribers; i++) {
        f->subscribers[i].fn(f->subscribers[i].arg, b);
    }
    feed_block_unref(b);
}

int feed_since(struct feed *f, int64_t revision, const struct feed_block **blocks, int max)
{
    int n = 0;
    (void)pthread_mutex_lock(&f->lock);
    if (revision < f->floor || revision > f->newest) {
        n = -1; /* too old, or of another database's future */
    } else {
        size_t lo = 0;
        size_t hi = f->count;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (f->ring[place(f, mid)]->revision <= revision) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        for (size_t i = lo; i < f->count && n < max; i++) {
            blocks[n++] = feed_block_ref(f->ring[place(f, i)]);
        }
    }
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

int64_t feed_revision(struct feed *f)
{
    (void)pthread_mutex_lock(&f->lock);
    int64_t newest = f->newest;
    (void)pthread_mutex_unlock(&f->lock);
    return newest;
}
